//! The newsroom formats on two stories, held to golden files (`DATELINE_GOLDEN=write` writes them anew; tests/integrations/newsroom
//! holds them to the published schemas), and on any text.

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap like the tests themselves")]

use std::fs;
use std::path::Path;

use dateline_formats::ninjs::Version;
use dateline_formats::{Annotated, FormatError, Options, Read, Write, ftm, newsml_g2, ninjs, web_annotation};
use dateline_text::{Document, Entity, Label, Mention, Span};
use proptest::prelude::*;
use serde_json::{Value, json};

const FORMATS: [&str; 5] = [web_annotation::NAME, ninjs::NAME, ninjs::NAME_2, newsml_g2::NAME, ftm::NAME];

fn writer<'w>(format: &str, sink: &'w mut Vec<u8>, options: &Options) -> Box<dyn Write + 'w> {
    match format {
        web_annotation::NAME => Box::new(web_annotation::Writer::new(sink, options)),
        ninjs::NAME => Box::new(ninjs::Writer::new(sink, Version::V3, options)),
        ninjs::NAME_2 => Box::new(ninjs::Writer::new(sink, Version::V2, options)),
        newsml_g2::NAME => Box::new(newsml_g2::Writer::new(sink, options)),
        ftm::NAME => Box::new(ftm::Writer::new(sink, options)),
        _ => unreachable!("{format}"),
    }
}

fn options() -> Options {
    Options {
        model: Some("dateline-en-small".to_owned()),
        created: Some("2024-05-03T06:00:00Z".to_owned()),
        ..Options::default()
    }
}

fn written(format: &str, documents: &[Annotated]) -> Result<String, FormatError> {
    let mut sink = Vec::new();
    let mut writer = writer(format, &mut sink, &options());
    for document in documents {
        writer.document(document)?;
    }
    writer.finish()?;
    Ok(String::from_utf8(sink).unwrap())
}

fn read(format: &str, input: &str) -> Vec<Annotated> {
    let reader: Box<dyn Read + '_> = match format {
        web_annotation::NAME => Box::new(web_annotation::Reader::new(input.as_bytes())),
        newsml_g2::NAME => Box::new(newsml_g2::Reader::new(input.as_bytes())),
        _ => unreachable!("{format}"),
    };
    reader.map(Result::unwrap).collect()
}

/// A document in which each of `marks` is a mention: its words, label and score, in the order of the text.
fn annotated(id: Option<&str>, text: &str, marks: &[(&str, &str, f32)]) -> Annotated {
    let mut from = 0;
    let mention = |(words, label, score): &(&str, &str, f32)| {
        let start = from + text[from..].find(words).unwrap();
        from = start + words.len();
        Mention::new(Span::new(start, from), Label::new(label), *score)
    };
    let mentions = marks.iter().map(mention).collect();
    Annotated::new(Document { id: id.map(ToOwned::to_owned), text: text.to_owned() }, mentions)
}

fn entity(label: &str, name: usize, mentions: &[usize], score: f32, relevance: f32) -> Entity {
    Entity { label: label.into(), name, mentions: mentions.to_vec(), score, relevance }
}

/// One story with all that a newsroom has, and one with nothing but its text, which is as awkward as texts get.
fn stories() -> [Annotated; 2] {
    let text = "Col. Olena Marchenko of the 12th Brigade said on Thursday that two T-64 tanks <en route> to Dobrovka \
        & three drones were lost.\r\n\r\nMarchenko spoke near Dobrovka. \u{201c}The T-64s held,\u{201d} she said.\n\n\n\
        🚀 The brigade has asked for Stugna-P missiles.";
    let mut story = annotated(
        Some("desk/2024-05-02/0017"),
        text,
        &[
            ("Olena Marchenko", "PERSON", 0.9971),
            ("12th Brigade", "UNIT", 0.98),
            ("T-64", "WEAPON", 0.91),
            ("Dobrovka", "PLACE", 0.885),
            ("Marchenko", "PERSON", 0.95),
            ("Dobrovka", "PLACE", 0.93),
            ("T-64s", "WEAPON", 0.62),
            ("Stugna-P", "WEAPON", 1.0),
        ],
    );
    story.entities = vec![
        entity("PERSON", 0, &[0, 4], 0.9971, 1.0),
        entity("UNIT", 1, &[1], 0.98, 0.41),
        entity("WEAPON", 2, &[2, 6], 0.91, 0.335),
        entity("PLACE", 3, &[3, 5], 0.93, 0.5),
        entity("WEAPON", 7, &[7], 1.0, 0.12),
    ];
    let extra = json!({
        "headline": "Brigade loses \"two tanks\" near Dobrovka & asks for more",
        "byline": "A. Reporter",
        "language": "en-GB",
        "date": "2024-05-02T17:45:00+03:00",
        "section": "world",
    });
    story.extra = extra.as_object().unwrap().clone();
    let awkward = annotated(
        None,
        "\u{feff}שָׁלוֹם Ha\u{308}lsingland\u{2028}Nu\u{308}r\nnberg 👩‍👩‍👧 \"O'Neil\" ]]> \u{85}end \r\n",
        &[
            ("שָׁלוֹם", "PLACE", 0.5),
            ("Ha\u{308}lsingland", "LOC", 0.123_456_79),
            ("Nu\u{308}r\nnberg", "PLACE", 0.75),
            ("\"O'Neil\"", "PERSON", 0.3),
            ("]]>", "MISC & more", 0.01),
        ],
    );
    [story, awkward]
}

#[test]
fn every_format_is_as_its_golden_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/newsroom");
    for format in FORMATS {
        let extension = if format == newsml_g2::NAME { "xml" } else { "jsonl" };
        let file = folder.join(format!("{format}.{extension}"));
        let written = written(format, &stories()).unwrap();
        if std::env::var_os("DATELINE_GOLDEN").is_some() {
            fs::write(&file, &written).unwrap();
        }
        let golden = fs::read_to_string(&file).unwrap();
        assert_eq!(written, golden, "{} is no longer what is written", file.display());
    }
}

#[test]
fn stories_come_back_as_they_went() {
    for format in [web_annotation::NAME, newsml_g2::NAME] {
        let read = read(format, &written(format, &stories()).unwrap());
        assert_eq!(read.len(), 2, "{format}");
        for (read, story) in read.iter().zip(stories()) {
            assert_eq!(read.document, story.document, "{format}");
            assert_eq!(read.mentions, story.mentions, "{format}");
            assert_eq!(read.left_out, [], "{format}");
        }
    }
}

#[test]
fn newsml_keeps_entities_and_the_fields_it_has_a_place_for() {
    let [story, _] = stories();
    let back = &read(newsml_g2::NAME, &written(newsml_g2::NAME, &stories()).unwrap())[0];
    let percents = |entity: &Entity| [entity.score, entity.relevance].map(|share| (share * 100.0).round());
    assert_eq!(back.entities.len(), story.entities.len());
    for entity in &story.entities {
        let same = back.entities.iter().find(|it| it.name == entity.name).unwrap();
        assert_eq!((&same.label, &same.mentions), (&entity.label, &entity.mentions));
        assert_eq!(percents(same), percents(entity));
    }
    let expected = json!({
        "headline": story.extra["headline"], "byline": "A. Reporter", "language": "en-GB", "date": "2024-05-02T17:45:00+03:00",
    });
    assert_eq!(Value::Object(back.extra.clone()), expected);
}

#[test]
fn newsml_refuses_what_xml_cannot_hold() {
    let refused = |document: &Annotated| match newsml_g2::item(document, &options()) {
        Err(FormatError::Unwritable { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    for (character, name) in [('\0', "U+0000"), ('\u{b}', "U+000B"), ('\u{fffe}', "U+FFFE"), ('\u{ffff}', "U+FFFF")] {
        let document = annotated(None, &format!("é{character}"), &[]);
        assert!(refused(&document).starts_with(&format!("its text has the character {name} at byte 2")));
        let label = annotated(None, "Kyiv", &[("Kyiv", &format!("A{character}"), 0.5)]);
        assert!(refused(&label).starts_with("its label has"));
    }
    assert!(refused(&annotated(None, "Kyiv", &[("Kyiv", "A\nB", 0.5)])).starts_with("a label has a line break"));
    let undated = Options { created: None, ..options() };
    let error = newsml_g2::item(&annotated(None, "Kyiv", &[]), &undated).unwrap_err();
    assert!(error.to_string().contains("it has no date that is a time"), "{error}");
}

#[test]
fn a_message_goes_on_after_a_refused_story() {
    let mut sink = Vec::new();
    let mut writer = writer(newsml_g2::NAME, &mut sink, &options());
    let bad = annotated(None, "\0", &[]);
    assert!(writer.document(&bad).is_err());
    for story in stories() {
        writer.document(&story).unwrap();
        assert!(writer.document(&bad).is_err());
    }
    writer.finish().unwrap();
    assert_eq!(String::from_utf8(sink).unwrap(), written(newsml_g2::NAME, &stories()).unwrap());
    assert_eq!(written(newsml_g2::NAME, &[]).unwrap(), "", "a message of nothing is none");
}

#[test]
fn newsml_of_others_is_read() {
    let item = "<newsItem xmlns='http://iptc.org/std/nar/2006-10-01/' guid='tag:example.org,2024:a'><contentSet><inlineXML>\
        <h:html xmlns:h='http://www.w3.org/1999/xhtml'><h:head><h:title>Not text</h:title></h:head><h:body><h:p>One &amp; \
        <h:b>two</h:b>.</h:p><h:p>Th&#114;ee<![CDATA[ <4>]]></h:p></h:body></h:html></inlineXML></contentSet></newsItem>";
    let read = read(newsml_g2::NAME, item);
    assert_eq!(read[0].document.text, "One & two.\n\nThree <4>");
    assert_eq!(read[0].document.id.as_deref(), Some("tag:example.org,2024:a"));
    let said = |xml: &str| {
        newsml_g2::Reader::new(xml.as_bytes()).map(|read| read.unwrap_err().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(
        said("<newsItem guid='a'><itemMeta/></newsItem>"),
        ["newsml-g2, news item 1: has no XHTML body in an inlineXML element, so no text"]
    );
    assert_eq!(said("<newsItem guid='a'><itemMeta>").len(), 1);
    assert_eq!(said("<newsItem guid='a'></newsMessage><newsItem>").len(), 1, "nothing is read behind broken XML");
}

#[test]
fn web_annotations_of_others_are_read() {
    let text = "Kyiv, Lviv, Lviv and Odesa";
    let line = json!({
        "type": "AnnotationPage",
        "about": {"id": "http://example.org/a", "chars": text},
        "items": [
            {"type": "Annotation", "motivation": "classifying", "body": {"value": "PLACE"},
             "target": {"source": "http://example.org/a", "selector": {"type": "TextPositionSelector", "start": 0, "end": 4}}},
            {"type": "Annotation", "body": [{"purpose": "commenting", "value": "!"}, {"purpose": "tagging", "value": "PLACE"}],
             "target": {"selector": [{"type": "TextQuoteSelector", "exact": "Lviv", "suffix": " and"}]}},
            {"type": "Annotation", "bodyValue": "A comment", "target": "http://example.org/a"},
        ],
    });
    let read = &read(web_annotation::NAME, &line.to_string())[0];
    let words: Vec<_> = read.mentions.iter().map(|it| (it.span.start(), it.slice(text), it.score)).collect();
    assert_eq!(words, [(0, "Kyiv", 1.0), (12, "Lviv", 1.0)]);
    assert_eq!(
        read.left_out.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["annotation 2: has no tag, so no label"]
    );

    let said = |change: fn(&mut Value)| {
        let mut line = line.clone();
        change(&mut line);
        let line = line.to_string();
        web_annotation::Reader::new(line.as_bytes()).next().unwrap().unwrap_err().to_string()
    };
    let place = "web-annotation, line 1: annotation 1: its quote is not in the text, or more than once";
    assert_eq!(said(|it| it["items"][1]["target"]["selector"][0]["suffix"] = json!("")), place);
    assert!(said(|it| it["about"] = json!("http://example.org/a")).contains("has no text"));
    assert!(said(|it| it["items"][0]["target"]["selector"]["end"] = json!(99)).contains("past the end"));
}

#[test]
fn ftm_ids_depend_on_the_document_alone() {
    let ids = |documents: &[Annotated]| -> Vec<String> {
        let lines = written(ftm::NAME, documents).unwrap();
        lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let [story, awkward] = stories();
    let both = ids(&[story.clone(), awkward.clone()]);
    assert_eq!(both, [ids(std::slice::from_ref(&story)), ids(&[awkward])].concat());
    assert_eq!(both.len(), both.iter().collect::<std::collections::HashSet<_>>().len());
    let mut kept = story;
    kept.document.id = Some("4f2a.9-b".to_owned());
    assert_eq!(ids(&[kept])[0], "4f2a.9-b");
}

/// Texts of what breaks offsets and markup, all of which XML can hold.
fn awkward_text() -> impl Strategy<Value = String> {
    let pieces = [
        "Kyiv",
        "Ha\u{308}l",
        "🚀",
        "👩‍👩‍👧",
        "שָׁלוֹם",
        "\r\n",
        "\n\n",
        "\r",
        "\n",
        "\t",
        " ",
        "&amp;",
        "<p>",
        "]]>",
        "\"",
        "'",
        "\u{feff}",
        "\u{2028}",
        "\u{85}",
        "𝔘",
        "",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..24).prop_map(|pieces| pieces.concat())
}

fn documents() -> impl Strategy<Value = Annotated> {
    let marks = prop::collection::vec((any::<prop::sample::Index>(), 0..4_usize, 0..=10_000_u32), 0..12);
    let id = prop::option::of(prop_oneof![Just("http://example.org/a#b".to_owned()), " |a1|\\PC{1,6}|"]);
    (id, awkward_text(), marks).prop_map(|(id, text, marks)| {
        let bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let mut cuts: Vec<usize> = marks.iter().map(|(index, _, _)| bounds[index.index(bounds.len())]).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let mentions = cuts
            .windows(2)
            .zip(&marks)
            .filter(|(_, (_, label, _))| *label > 0)
            .map(|(cut, (_, label, score))| {
                #[expect(clippy::cast_precision_loss, reason = "a score of four digits")]
                let score = *score as f32 / 10_000.0;
                let label = ["", "PLACE", "MISC & \"more\"", "WEAPON"][*label];
                Mention::new(Span::new(cut[0], cut[1]), Label::new(label), score)
            })
            .collect();
        Annotated::new(Document { id, text }, mentions)
    })
}

proptest! {
    #[test]
    fn any_document_comes_back(first in documents(), second in documents()) {
        for format in [web_annotation::NAME, newsml_g2::NAME] {
            let documents = [first.clone(), second.clone()];
            let read = read(format, &written(format, &documents).unwrap());
            prop_assert_eq!(read.len(), 2);
            for (read, document) in read.iter().zip(&documents) {
                prop_assert_eq!(&read.document, &document.document, "{}", format);
                prop_assert_eq!(&read.mentions, &document.mentions, "{}", format);
            }
        }
    }

    #[test]
    fn every_name_in_a_list_is_words_of_the_text(document in documents()) {
        let text = document.document.text.split_whitespace().collect::<Vec<_>>().join(" ");
        for version in [Version::V2, Version::V3] {
            let story: Value = serde_json::from_str(&written(version.name(), std::slice::from_ref(&document)).unwrap()).unwrap();
            for list in ["people", "places", "organisations", "objects", "subjects"] {
                for thing in story.get(list).and_then(Value::as_array).into_iter().flatten() {
                    let name = thing["name"].as_str().unwrap();
                    prop_assert!(!name.is_empty() && text.contains(name), "{:?} is not in {:?}", name, text);
                }
            }
            prop_assert_eq!(story["bodies"][0]["value"].as_str().unwrap(), &document.document.text);
        }
        let lines = written(ftm::NAME, std::slice::from_ref(&document)).unwrap();
        let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
        let body = first["properties"].get("bodyText").and_then(Value::as_array).into_iter().flatten();
        prop_assert_eq!(body.map(|value| value.as_str().unwrap()).collect::<String>(), document.document.text);
    }

    #[test]
    fn nothing_that_is_read_panics(input in any::<String>(), at in any::<prop::sample::Index>(), format in 0..2_usize) {
        let format = [web_annotation::NAME, newsml_g2::NAME][format];
        let whole = written(format, &stories()).unwrap();
        let cut = whole.char_indices().map(|(at, _)| at).nth(at.index(whole.chars().count())).unwrap();
        let torn = format!("{}{input}{}", &whole[..cut], &whole[cut..]);
        for read in web_annotation::Reader::new(torn.as_bytes()).chain(newsml_g2::Reader::new(torn.as_bytes())).flatten() {
            for mention in &read.mentions {
                prop_assert!(mention.span.slice(&read.document.text).is_some_and(|words| !words.is_empty()));
            }
        }
    }
}
