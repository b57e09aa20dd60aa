//! ninjs in, ninjs out with entities: which text is annotated, and that nothing else changes.

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap like the tests themselves")]

use std::fs;
use std::path::Path;

use dateline_formats::Annotated;
use dateline_formats::ninjs::Item;
use dateline_text::{Document, Label, Mention, Span};
use serde_json::{Value, json};

/// What somebody found in a text: each of `marks`, in order.
fn found(marks: &[(&str, &str)]) -> Annotated {
    let mut text = String::new();
    let mut mentions = Vec::new();
    for (words, label) in marks {
        let start = text.len();
        text.push_str(words);
        mentions.push(Mention::new(Span::new(start, text.len()), Label::new(label), 0.9));
        text.push(' ');
    }
    Annotated::new(Document { id: None, text }, mentions)
}

fn everything() -> Annotated {
    found(&[
        ("Ivan Petrenko", "PERSON"),
        ("Dobrovka", "PLACE"),
        ("12th Brigade", "UNIT"),
        ("T-64", "WEAPON"),
        ("Easter", "EVENT"),
    ])
}

fn text(story: &Value) -> Option<String> {
    Item::parse(&story.to_string()).unwrap().text().unwrap()
}

fn enriched(story: &Value) -> Value {
    serde_json::from_str(&Item::parse(&story.to_string()).unwrap().enriched(&everything(), Some("m")).unwrap()).unwrap()
}

#[test]
fn the_plain_main_body_goes_before_others() {
    let body = |role: &str, kind: &str, value: &str| json!({"role": role, "contentType": kind, "value": value});
    let story = |bodies: Vec<Value>| json!({"uri": "a:b", "headlines": [{"value": "Head"}], "bodies": bodies});
    let html = body("main", "text/html", "<p>In <b>HTML</b>");
    let plain = body("main", "text/plain", "Plain.");
    let teaser = body("teaser", "text/plain", "Teaser.");
    assert_eq!(text(&story(vec![html.clone(), teaser.clone(), plain])).unwrap(), "Head\n\nPlain.");
    assert_eq!(text(&story(vec![html.clone(), teaser])).unwrap(), "Head\n\nTeaser.");
    assert_eq!(text(&story(vec![body("teaser", "text/html", "no"), html])).unwrap(), "Head\n\nIn HTML");
    assert_eq!(text(&story(vec![])).unwrap(), "Head");
    let caption =
        json!({"uri": "a:b", "descriptions": [{"role": "alt", "value": "A"}, {"role": "main", "value": "A tank."}]});
    assert_eq!(text(&caption).unwrap(), "A tank.");
    assert_eq!(text(&json!({"uri": "a:b", "bodies": [{"value": " \n"}]})), None);
}

#[test]
fn version_1_is_read_by_its_own_names() {
    let story = json!({
        "uri": "a:b", "headline": "Head", "body_xhtml": "<p>no</p>", "body_text": "Text.", "description_text": "no",
    });
    assert_eq!(text(&story).unwrap(), "Head\n\nText.");
    let story = json!({"uri": "a:b", "body_xhtml": "<p>One &amp;\n two &eacute;&#33;<br/>three</p><p>Four</p>"});
    assert_eq!(text(&story).unwrap(), "One & two é!\nthree\n\nFour");
}

#[test]
fn markup_leaves_words_alone() {
    let html = "<html><head><title>no</title></head><body><h1>A</h1>\n<div>B <em>c</em>d<!-- no -->\
        <script>no()</script></div> AT&T <ul><li>1<li>2</ul><p>E&nbsp;f";
    let story = |html: &str| json!({"uri": "a:b", "bodies": [{"contentType": "text/html", "value": html}]});
    assert_eq!(text(&story(html)).unwrap(), "A\n\nB cd\n\nAT&T\n\n1\n\n2\n\nE\u{a0}f");
    let story = story("a &nothing; b").to_string();
    let error = Item::parse(&story).unwrap().text().unwrap_err().to_string();
    assert!(error.starts_with("ninjs, /bodies/0: its markup cannot be followed (&nothing;"), "{error}");
}

#[test]
fn entities_go_where_each_version_has_them() {
    let mentions = |name: &str| json!([{"name": name, "rel": "mentions"}]);
    for (standard, lists) in [
        (
            json!({"$standard": {"name": "ninjs", "version": "1.3"}}),
            ["person", "place", "organisation", "object", "subject"],
        ),
        (
            json!({"standard": {"name": "ninjs", "version": "2.0"}}),
            ["people", "places", "organisations", "objects", "subjects"],
        ),
        (json!({"bodies": []}), ["people", "places", "organisations", "objects", "subjects"]),
        (json!({"headline": "a"}), ["person", "place", "organisation", "object", "subject"]),
    ] {
        let story = enriched(&standard);
        for (list, name) in lists.iter().zip(["Ivan Petrenko", "Dobrovka", "12th Brigade", "T-64", "Easter"]) {
            assert_eq!(story[list], mentions(name), "{standard} {list}");
        }
    }
    for (standard, subjects) in [
        (json!({"$standard": {"version": "1.5"}}), "subject"),
        (json!({"standard": {"version": "2.1"}}), "subjects"),
        (json!({"standard": {"version": "3.1"}}), "subjects"),
    ] {
        let story = enriched(&standard);
        assert_eq!(story[subjects].as_array().unwrap().len(), 5);
        let subject = json!({"name": "Ivan Petrenko", "rel": "mentions", "creator": "m", "confidence": 90});
        assert_eq!(story[subjects][0], subject);
    }
}

#[test]
fn enriched_stories_are_as_their_golden_file() {
    let stories = [
        r#"{"uri":"http://example.org/1","headline":"A","body_text":"B.","$standard":{"name":"ninjs","version":"1.5"},"person":[{"name":"Olena Marchenko","rel":"about"}]}"#,
        r#"{"uri":"http://example.org/2","headlines":[{"value":"A"}],"bodies":[{"contenttype":"text/plain","value":"B."}],"standard":{"name":"ninjs","version":"2.1"},"subjects":[{"name":"dobrovka","uri":"http://example.org/dobrovka"}]}"#,
        r#"{"uri":"http://example.org/3","type":"event","standard":{"name":"ninjs","version":"3.1"}}"#,
    ];
    let enriched =
        stories.map(|story| Item::parse(story).unwrap().enriched(&everything(), Some("dateline-en-small")).unwrap());
    let written: String = enriched.iter().map(|story| format!("{story}\n")).collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/newsroom/ninjs-enriched.jsonl");
    if std::env::var_os("DATELINE_GOLDEN").is_some() {
        fs::write(&file, &written).unwrap();
    }
    assert_eq!(written, fs::read_to_string(&file).unwrap(), "{} is no longer what is written", file.display());
}

#[test]
fn what_is_there_keeps_its_place_and_its_bytes() {
    let story = concat!(
        r#"{"zeta":1.50,"uri":"a:b", "big":123456789012345678901234567890,"standard":{"version":"2.0"},"people":"#,
        r#"[{"rel":"about" ,"name":"IVAN  Petrenko","uri":"x:y"},{"uri":"no:name"}],"alpha":"\u00e9\/","places":[]}"#,
    );
    let out = Item::parse(story).unwrap().enriched(&everything(), None).unwrap();
    let expected = concat!(
        r#"{"zeta":1.50,"uri":"a:b","big":123456789012345678901234567890,"standard":{"version":"2.0"},"people":"#,
        r#"[{"rel":"about" ,"name":"IVAN  Petrenko","uri":"x:y"},{"uri":"no:name"}],"alpha":"\u00e9\/","#,
        r#""places":[{"name":"Dobrovka","rel":"mentions"}],"organisations":[{"name":"12th Brigade","rel":"mentions"}],"#,
        r#""objects":[{"name":"T-64","rel":"mentions"}],"subjects":[{"name":"Easter","rel":"mentions"}]}"#,
    );
    assert_eq!(out, expected);
    let again = Item::parse(&out).unwrap().enriched(&everything(), None).unwrap();
    assert_eq!(again, out, "a second time adds nothing");
    let nothing = found(&[]);
    assert_eq!(Item::parse(expected).unwrap().enriched(&nothing, None).unwrap(), expected);
}

#[test]
fn what_is_no_story_is_said() {
    let said = |story: &str| match Item::parse(story).map(|item| item.enriched(&everything(), None)) {
        Err(error) | Ok(Err(error)) => error.to_string(),
        Ok(Ok(story)) => panic!("{story}"),
    };
    assert!(said("[]").starts_with("ninjs, /: invalid type: sequence, expected an object"));
    assert!(said(r#"{"a":1,"a":2}"#).starts_with("ninjs, /: the field \"a\" stands there twice"));
    assert_eq!(
        said(r#"{"standard":{"version":"4.0"}}"#),
        "ninjs, /standard/version: is \"4.0\"; versions 1, 2 and 3 of ninjs are known here"
    );
    assert!(said(r#"{"people":"Ivan"}"#).starts_with("ninjs, /people: is no list of objects: invalid type"));
    let error = Item::parse(r#"{"bodies":[{}]}"#).unwrap().text().unwrap_err().to_string();
    assert_eq!(error, "ninjs, /bodies/0: has no \"value\" that is a string");
}
