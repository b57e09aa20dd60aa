//! Whatever the text and wherever its mentions: what is written reads back the same, or without exactly what the format's
//! own documentation says is lost.

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap like the tests themselves")]

use std::io::Cursor;

use dateline_formats::{Annotated, Format, FormatError, Options};
use dateline_text::{Document, Entity, Label, Mention, OffsetUnit, Span};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value};

/// Pieces that have broken somebody's offsets, columns, lines or markup.
const PIECES: [&str; 36] = [
    "Kyiv",
    "93rd",
    "U.S.",
    "a",
    "-",
    ".",
    ",",
    " ",
    " ",
    "  ",
    "\n",
    "\r\n",
    "\r",
    "\t",
    "\0",
    "\u{1}",
    "\u{b}",
    "\u{1c}",
    "\u{85}",
    "\u{2028}",
    "\u{a0}",
    "\u{202f}",
    "🚀",
    "👨\u{200d}👩\u{200d}👧",
    "🇺🇦",
    "e\u{301}",
    "\u{301}",
    "עברית",
    "\u{202b}رفح\u{202c}",
    "𝔎",
    "日本",
    "\"",
    "<b>&amp;",
    "-DOCSTART-",
    "\\n",
    "\u{feff}",
];

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => proptest::sample::select(PIECES.to_vec()).prop_map(ToOwned::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Mentions that do not overlap: pairs of how far from the last, and how long, in characters.
fn mentions(text: &str, gaps: &[(usize, usize)], labels: &[String], scores: &[u16]) -> Vec<Mention> {
    let bounds: Vec<usize> = text.char_indices().map(|(start, _)| start).chain([text.len()]).collect();
    let mut place = 0;
    let mut mentions = Vec::new();
    for (index, (gap, length)) in gaps.iter().enumerate() {
        let (start, end) = (place + gap, place + gap + length);
        if end >= bounds.len() {
            break;
        }
        // Scores of four decimals, which are all that formats hold.
        let score = f32::from(scores[index % scores.len()] % 10_001) / 1e4;
        let label = Label::new(&labels[index % labels.len()]);
        mentions.push(Mention::new(Span::new(bounds[start], bounds[end]), label, score));
        place = end;
    }
    mentions
}

fn extra() -> impl Strategy<Value = Map<String, Value>> {
    let value = prop_oneof![
        any::<String>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
        vec(any::<u8>(), 0..3).prop_map(Value::from),
    ];
    proptest::collection::btree_map("x[a-z\" ]{0,4}", value, 0..3).prop_map(|fields| fields.into_iter().collect())
}

fn annotated(label: &'static str) -> impl Strategy<Value = Annotated> {
    let places = vec((0_usize..6, 1_usize..8), 0..6);
    let parts = (option::of(any::<String>()), text(), places, vec(label, 1..4), vec(any::<u16>(), 1..4), extra());
    parts.prop_map(|(id, text, places, labels, scores, extra)| {
        let mentions = mentions(&text, &places, &labels, &scores);
        Annotated { extra, ..Annotated::new(Document { id, text }, mentions) }
    })
}

/// Labels of any spelling.
const ANY: &str = "\\PC{0,4}|[A-Z]{3,6}|[\\x00-\\x20]";
/// Labels that a column can hold.
const PLAIN: &str = "[A-Z]{1,6}(-[a-zé]{1,3})?";

/// Whether the format says that it cannot spell the document.
fn is_refused(format: Format, annotated: &Annotated) -> bool {
    let (_, results) = written(format, std::slice::from_ref(annotated), &Options::default());
    matches!(results[..], [Err(FormatError::Unwritable { .. })])
}

fn written(format: Format, documents: &[Annotated], options: &Options) -> (Vec<u8>, Vec<Result<(), FormatError>>) {
    let mut sink = Vec::new();
    let mut writer = format.writer(Box::new(&mut sink), options);
    let results = documents.iter().map(|document| writer.document(document)).collect();
    writer.finish().unwrap();
    (sink, results)
}

fn read(format: Format, input: Vec<u8>, options: &Options) -> Vec<Result<Annotated, FormatError>> {
    format.reader(Box::new(Cursor::new(input)), options).expect("it can be read").collect()
}

/// What comes back when documents are written and read.
fn back(format: Format, documents: &[Annotated], options: &Options) -> Vec<Annotated> {
    let (output, results) = written(format, documents, options);
    results.into_iter().for_each(Result::unwrap);
    read(format, output, options).into_iter().map(Result::unwrap).collect()
}

fn without_scores(mut annotated: Annotated) -> Annotated {
    annotated.mentions.iter_mut().for_each(|mention| mention.score = 1.0);
    annotated
}

/// As the formats' readers in Python see it, too.
fn is_gap(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// All characters but white space, and the label and number of the mention that each is in.
fn in_columns(annotated: &Annotated) -> Vec<(char, Option<(usize, String)>)> {
    let within = |place: usize| {
        let found = annotated.mentions.iter().position(|one| one.span.start() <= place && place < one.span.end());
        found.map(|index| (index, annotated.mentions[index].label.to_string()))
    };
    let chars = annotated.document.text.char_indices().filter(|(_, c)| !is_gap(*c));
    chars.map(|(place, c)| (c, within(place))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn jsonl_keeps_all(documents in vec(annotated(ANY), 1..4), unit in proptest::sample::select(&OffsetUnit::ALL[..])) {
        let mut documents = documents;
        for annotated in &mut documents {
            // Every other mention is one entity, named by its first.
            let mentions: Vec<usize> = (0..annotated.mentions.len()).step_by(2).collect();
            if let Some(&name) = mentions.first() {
                let label = annotated.mentions[name].label.clone();
                annotated.entities.push(Entity { label, name, mentions, score: 0.5, relevance: 0.0625 });
            }
        }
        let options = Options { offsets: unit, ..Options::default() };
        prop_assert_eq!(back(Format::Jsonl, &documents, &options), documents);
    }

    #[test]
    fn spacy_keeps_all(documents in vec(annotated(ANY), 1..4)) {
        prop_assert_eq!(back(Format::Spacy, &documents, &Options::default()), documents);
    }

    #[test]
    fn spacys_tokens_make_up_the_text(annotated in annotated(PLAIN)) {
        let (output, _) = written(Format::Spacy, std::slice::from_ref(&annotated), &Options::default());
        let line: Value = serde_json::from_slice(&output).unwrap();
        let tokens = line["tokens"].as_array().unwrap();
        let mut text = String::new();
        for (index, token) in tokens.iter().enumerate() {
            prop_assert_eq!(&token["id"], index);
            prop_assert_eq!(&token["start"], text.chars().count());
            prop_assert!(token["text"] != "");
            text.push_str(token["text"].as_str().unwrap());
            prop_assert_eq!(&token["end"], text.chars().count());
            if token["ws"] == true {
                text.push(' ');
            }
        }
        prop_assert_eq!(&text, &annotated.document.text);
        for span in line["spans"].as_array().unwrap() {
            let token = |name: &str| &tokens[usize::try_from(span[name].as_u64().unwrap()).unwrap()];
            prop_assert_eq!(&token("token_start")["start"], &span["start"]);
            prop_assert_eq!(&token("token_end")["end"], &span["end"]);
        }
    }

    #[test]
    fn doccano_keeps_all_but_scores(documents in vec(annotated(ANY), 1..4)) {
        let expected: Vec<Annotated> = documents.iter().cloned().map(without_scores).collect();
        prop_assert_eq!(back(Format::Doccano, &documents, &Options::default()), expected);
    }

    #[test]
    fn label_studio_keeps_all(documents in vec(annotated(ANY), 0..4)) {
        prop_assert_eq!(back(Format::LabelStudio, &documents, &Options::default()), documents);
    }

    #[test]
    fn brat_keeps_text_and_mentions(annotated in annotated(PLAIN), id in "[a-z/% é.]{1,6}") {
        let mut annotated = without_scores(annotated);
        annotated.document.id = Some(id);
        annotated.extra.clear();
        let text = &annotated.document.text;
        let breaks = ['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];
        let at_an_end = |mention: &Mention| mention.slice(text).starts_with(breaks) || mention.slice(text).ends_with(breaks);
        if annotated.mentions.iter().any(at_an_end) {
            prop_assert!(is_refused(Format::Brat, &annotated));
        } else {
            prop_assert_eq!(back(Format::Brat, std::slice::from_ref(&annotated), &Options::default()), [annotated]);
        }
    }

    #[test]
    fn conll_keeps_all_but_white_space(
        annotated in annotated(PLAIN),
        format in proptest::sample::select(vec![Format::Conll, Format::ConllBioes]),
    ) {
        let text = &annotated.document.text;
        let blank = |mention: &Mention| mention.slice(text).chars().all(is_gap);
        if annotated.mentions.iter().any(blank) {
            prop_assert!(is_refused(format, &annotated));
        } else {
            let read = back(format, std::slice::from_ref(&annotated), &Options::default());
            prop_assert_eq!(read.len(), 1);
            prop_assert_eq!(in_columns(&read[0]), in_columns(&annotated));
            prop_assert!(!read[0].document.text.contains(|c| is_gap(c) && c != ' ' && c != '\n'));
        }
    }

    #[test]
    fn csv_has_every_mention_once(documents in vec(annotated(ANY), 0..4), unit in proptest::sample::select(&OffsetUnit::ALL[..])) {
        let options = Options { offsets: unit, ..Options::default() };
        let (output, _) = written(Format::Csv, &documents, &options);
        let rows: Vec<csv::StringRecord> = csv::Reader::from_reader(&output[..]).records().map(Result::unwrap).collect();
        let mut expected = Vec::new();
        for Annotated { document, mentions, .. } in &documents {
            let id = document.id.clone().unwrap_or_default();
            for one in dateline_text::record::mentions(&document.text, mentions, unit) {
                let cells = [one.start.to_string(), one.end.to_string(), one.label.to_string(), one.text, one.score.to_string()];
                expected.push(csv::StringRecord::from_iter([id.clone()].into_iter().chain(cells)));
            }
            if mentions.is_empty() {
                expected.push(csv::StringRecord::from(vec![id.as_str(), "", "", "", "", ""]));
            }
        }
        prop_assert_eq!(rows, expected);
    }

    #[test]
    fn html_shows_all_of_the_text(annotated in annotated(PLAIN)) {
        let annotated = Annotated { document: Document { id: None, ..annotated.document }, ..annotated };
        let (output, _) = written(Format::Html, std::slice::from_ref(&annotated), &Options { fragment: true, ..Options::default() });
        let html = String::from_utf8(output).unwrap();
        let (_, content) = html.split_once("<p class=\"text\" dir=\"auto\">").unwrap();
        let content = content.strip_suffix("</p>\n</article>\n").unwrap();
        let mut shown = String::new();
        for (index, part) in content.split('<').enumerate() {
            shown.push_str(if index == 0 { part } else { part.split_once('>').unwrap().1 });
        }
        let shown = shown.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
        let seen = |text: &str| text.replace("\r\n", "\n").replace(|c: char| !is_shown(c), "?");
        let shown = shown.replace(|c: char| ('\u{2400}'..='\u{2421}').contains(&c) || c == '\u{fffd}', "?");
        prop_assert_eq!(shown, seen(&annotated.document.text));
        prop_assert_eq!(content.matches("<mark ").count(), annotated.mentions.len());
        prop_assert_eq!(content.matches("</mark>").count(), annotated.mentions.len());
    }

    /// An output that was cut, or in which a byte is another one, is read without a panic, to an end.
    #[test]
    fn no_input_is_too_bad_to_read(
        documents in vec(annotated(PLAIN), 1..4),
        format in proptest::sample::select(&Format::ALL[..7]),
        cut in any::<prop::sample::Index>(),
        damage in option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let (mut output, _) = written(format, &documents, &Options::default());
        if let Some((place, byte)) = damage.filter(|_| !output.is_empty()) {
            let place = place.index(output.len());
            output[place] = byte;
        }
        output.truncate(cut.index(output.len() + 1));
        for one in read(format, output, &Options::default()).into_iter().flatten() {
            let spans: Vec<Span> = one.mentions.iter().map(|mention| mention.span).collect();
            prop_assert!(spans.iter().all(|span| !span.is_empty() && span.slice(&one.document.text).is_some()));
            prop_assert!(spans.windows(2).all(|pair| pair[0].end() <= pair[1].start()));
        }
    }
}

/// Whether HTML holds the character, and it is none of those that stand in for others.
fn is_shown(c: char) -> bool {
    let code = u32::from(c);
    let noncharacter = code & 0xfffe == 0xfffe || (0xfdd0..=0xfdef).contains(&code);
    (!c.is_control() || c == '\t' || c == '\n')
        && !noncharacter
        && !('\u{2400}'..='\u{2421}').contains(&c)
        && c != '\u{fffd}'
}

/// A document that a format refuses is not in the output, and those around it are.
#[test]
fn an_unwritable_document_leaves_the_output_whole() {
    let document = |id: &str, label: &str| {
        let mention = Mention::new(Span::new(0, 4), Label::new(label), 1.0);
        Annotated::new(Document { id: Some(id.to_owned()), text: "Kyiv".to_owned() }, vec![mention])
    };
    // Web Annotations hold all there is; NewsML-G2 needs a time, and has this test in `newsroom.rs`.
    let elsewhere = [Format::WebAnnotation, Format::NewsmlG2];
    for format in Format::ALL.into_iter().filter(|format| format.can_read() && !elsewhere.contains(format)) {
        let mut refused = document("b", "a\0 b");
        refused.extra.insert("id".to_owned(), 1.into());
        let documents = [document("a", "PLACE"), refused, document("c", "PLACE")];
        let (output, results) = written(format, &documents, &Options::default());
        assert!(matches!(results[..], [Ok(()), Err(FormatError::Unwritable { .. }), Ok(())]), "{format}: {results:?}");
        let read = read(format, output, &Options::default());
        assert_eq!(read.len(), 2, "{format}");
        assert!(read.iter().all(|one| one.as_ref().unwrap().mentions == documents[0].mentions), "{format}");
    }
}
