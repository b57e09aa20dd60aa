//! The same few documents in every format, as files to look at: `tests/golden/`. Each `NAME.*` is what the writer of the
//! format makes of them, each `NAME.read.jsonl` what its reader makes of that, so what a format loses is there to see.
//!
//! After a change that is meant, `DATELINE_GOLDEN=write cargo test -p dateline-formats` writes them anew.

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap like the tests themselves")]

use std::fs;
use std::io::{Cursor, Read as _};
use std::path::PathBuf;

use dateline_formats::{Annotated, Format, FormatError, Options, Write, jsonl};
use dateline_text::{Document, Entity, Label, Mention, Span};

/// A document whose mentions are given as words and label, each looked for behind the one before.
fn document(id: Option<&str>, text: &str, mentions: &[(&str, &str, f32)]) -> Annotated {
    let mut from = 0;
    let mention = |&(words, label, score): &(&str, &str, f32)| {
        let start = from + text[from..].find(words).expect("the words stand in the text");
        from = start + words.len();
        Mention::new(Span::new(start, from), Label::new(label), score)
    };
    let mentions = mentions.iter().map(mention).collect();
    Annotated::new(Document { id: id.map(ToOwned::to_owned), text: text.to_owned() }, mentions)
}

fn documents() -> Vec<Annotated> {
    let story = "🚀 Gen. Oleksandr Syrskyi said the 93rd Mechanized Brigade held Bakhmut with HIMARS. Syrskyi left.";
    let mut story = document(
        Some("story-1"),
        story,
        &[
            ("Oleksandr Syrskyi", "PERSON", 0.9865),
            ("93rd Mechanized Brigade", "UNIT", 0.9855),
            ("Bakhmut", "PLACE", 0.9718),
            ("HIMARS", "WEAPON", 0.761_812),
            ("Syrskyi", "PERSON", 1.0),
        ],
    );
    let entity = |label: &str, name, mentions: &[usize], relevance| Entity {
        label: Label::new(label),
        name,
        mentions: mentions.to_vec(),
        score: 0.9855,
        relevance,
    };
    story.entities = vec![entity("PERSON", 0, &[0, 4], 1.0), entity("UNIT", 1, &[1], 0.25)];
    story.extra.insert("headline".into(), "\"Held\" & <holding>".into());
    story.extra.insert("date".into(), "2024-05-02".into());
    story.extra.insert("words".into(), 14.into());
    vec![
        story,
        // Quotes, a mention over a line break, neighbours without a gap, right to left, combining marks, astral letters.
        document(
            Some("desk/2 №"),
            "\u{201c}Azov\u{201d}\r\nleft New\r\nYork: DonetskLuhansk, \u{202b}رفح\u{202c} and Черно\u{301}биль' 𝔎yiv 🇺🇦\n\nThe end.",
            &[
                ("Azov", "UNIT", 0.5),
                ("New\r\nYork", "PLACE", 0.25),
                ("Donetsk", "PLACE", 0.75),
                ("Luhansk", "PLACE", 0.75),
                ("رفح", "PLACE", 0.125),
                ("Черно\u{301}биль", "ORG:kind-2", 0.0625),
                ("𝔎yiv 🇺🇦", "PLACE", 0.0001),
            ],
        ),
        document(Some("empty"), "", &[]),
        document(None, "Nobody, nowhere.\n", &[]),
        document(
            Some("control"),
            "\tNUL \0 in Ky\u{1}iv,  \u{85}=HYPER\u{7f}\r",
            &[("Ky\u{1}iv", "PLACE", 1.0), ("=HYPER", "X", 1.0)],
        ),
    ]
}

fn options() -> Options {
    Options { model: Some("dateline-en-small".to_owned()), ..Options::default() }
}

fn written(format: Format, documents: &[Annotated]) -> Vec<u8> {
    let mut sink = Vec::new();
    let mut writer = format.writer(Box::new(&mut sink), &options());
    for document in documents {
        writer.document(document).unwrap();
    }
    writer.finish().unwrap();
    sink
}

/// What the format's reader makes of `input`, as JSON lines.
fn read(format: Format, input: Vec<u8>) -> Vec<u8> {
    let reader = format.reader(Box::new(Cursor::new(input)), &options()).expect("it can be read");
    let documents: Vec<Annotated> = reader.collect::<Result<_, FormatError>>().unwrap();
    assert!(documents.iter().all(|document| document.left_out.is_empty()), "{format} reads all that it writes");
    let mut sink = Vec::new();
    let mut lines = jsonl::Writer::new(&mut sink, &Options::default());
    documents.iter().for_each(|document| lines.document(document).unwrap());
    sink
}

fn check(name: &str, made: &[u8]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("DATELINE_GOLDEN").is_some_and(|value| value == "write") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, made).unwrap();
    }
    let golden = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(String::from_utf8_lossy(made), String::from_utf8_lossy(&golden), "{name}");
    assert_eq!(made, golden, "{name}");
}

/// Formats with golden files in tests of their own: brat below, those of newsrooms in `newsroom.rs`.
const ELSEWHERE: [Format; 6] =
    [Format::Brat, Format::WebAnnotation, Format::Ninjs, Format::Ninjs2, Format::NewsmlG2, Format::Ftm];

#[test]
fn every_format_as_it_was() {
    for format in Format::ALL.into_iter().filter(|format| !ELSEWHERE.contains(format)) {
        let made = written(format, &documents());
        check(&format!("{format}.{}", format.extension()), &made);
        if format.can_read() {
            check(&format!("{format}.read.jsonl"), &read(format, made));
        }
    }
}

#[test]
fn brats_pairs_as_they_were() {
    let made = written(Format::Brat, &documents());
    let mut names = Vec::new();
    for entry in tar::Archive::new(&made[..]).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_string_lossy().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        check(&format!("brat/{name}"), &content);
        names.push(name);
    }
    let stems = ["story-1", "desk%2F2%20%E2%84%96", "empty", "document-4", "control"];
    let expected: Vec<String> = stems.iter().flat_map(|stem| [format!("{stem}.ann"), format!("{stem}.txt")]).collect();
    assert_eq!(names, expected);
    check("brat.read.jsonl", &read(Format::Brat, made));
}

/// What the converter of Label Studio's SDK 2.1.2 makes (`CONLL2003`) of the documents above: one `-DOCSTART-` without a
/// blank line behind it for all of them, and another column of nothing.
#[test]
fn label_studios_columns_are_read() {
    let input = include_bytes!("golden/foreign/label-studio.conll");
    check("foreign/label-studio.read.jsonl", &read(Format::Conll, input.to_vec()));
}

#[test]
fn a_fragment_is_a_page_without_its_ends() {
    let mut sink = Vec::new();
    let mut writer = Format::Html.writer(Box::new(&mut sink), &Options { fragment: true, ..options() });
    documents().iter().for_each(|document| writer.document(document).unwrap());
    writer.finish().unwrap();
    let page = String::from_utf8(written(Format::Html, &documents())).unwrap();
    let (head, rest) = page.split_once("<body>\n").unwrap();
    assert!(head.starts_with("<!DOCTYPE html>"));
    assert_eq!(String::from_utf8(sink).unwrap(), rest.strip_suffix("</body>\n</html>\n").unwrap());
}
