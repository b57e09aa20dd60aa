//! The texts and answers that the document shows. The mentions are looked up in the texts, so that none can be off.

use dateline_text::{Label, Mention, OffsetUnit, Span, record};
use serde_json::{Value, json};

/// A request id.
pub(crate) const REQUEST_ID: &str = "0f8d5a3e6c1b4f27";
/// A trace, as in W3C Trace Context.
pub(crate) const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// The model that the examples ask.
pub(crate) const MODEL: &str = "dateline-en-small";

const BRIGADE: &str = "The 14th Coastal Brigade moved its howitzers across the Varosh River, Ilse Brandt said.";
pub(super) const DRONES: &str = "🚀 Drones struck a depot near Port Almeda on Sunday night.";

/// What each text names.
const BRIGADE_NAMES: [(&str, &str, f64); 4] = [
    ("14th Coastal Brigade", "UNIT", 0.9791),
    ("howitzers", "WEAPON", 0.9634),
    ("Varosh River", "PLACE", 0.9572),
    ("Ilse Brandt", "PERSON", 0.9943),
];
pub(super) const DRONES_NAMES: [(&str, &str, f64); 2] =
    [("Drones", "WEAPON", 0.9127), ("Port Almeda", "PLACE", 0.9822)];

/// Where `name` is in `text`, in code points.
pub(super) fn place(text: &str, name: &str) -> (usize, usize) {
    let byte = text.find(name).expect("an example names what its text has");
    let start = text[..byte].chars().count();
    (start, start + name.chars().count())
}

/// `document` with what `text` names, and what that is.
fn marked(mut document: Value, text: &str, names: &[(&str, &str, f64)]) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "a mention's score is an f32, and four digits survive that")]
    let mention = |&(name, label, score): &(&str, &str, f64)| {
        let start = text.find(name).expect("an example names what its text has");
        Mention::new(Span::new(start, start + name.len()), Label::new(label), score as f32)
    };
    let mentions: Vec<Mention> = names.iter().map(mention).collect();
    let entities = dateline_text::entities::group(text, &mentions);
    document["mentions"] = json!(record::mentions(text, &mentions, OffsetUnit::Codepoint));
    document["entities"] = json!(record::entities(text, &mentions, &entities));
    document
}

pub(super) fn mentions(text: &str, names: &[(&str, &str, f64)]) -> Value {
    marked(json!({}), text, names)["mentions"].take()
}

fn lines(lines: &[Value]) -> Value {
    lines.iter().map(|line| format!("{line}\n")).collect::<String>().into()
}

/// A request with one text.
pub(crate) fn one() -> Value {
    json!({"text": BRIGADE})
}

/// The answer to [`one`].
pub(crate) fn one_answer() -> Value {
    marked(json!({"model": MODEL, "offsets": "codepoint"}), BRIGADE, &BRIGADE_NAMES)
}

/// A request with many texts and options.
pub(crate) fn many() -> Value {
    let documents = json!([{"id": "a1", "text": BRIGADE}, {"id": 2, "text": DRONES}]);
    json!({"documents": documents, "offsets": "codepoint", "min_score": 0.5, "include_text": true})
}

/// The answer to [`many`].
pub(crate) fn many_answer() -> Value {
    let documents = json!([
        marked(json!({"id": "a1", "text": BRIGADE}), BRIGADE, &BRIGADE_NAMES),
        marked(json!({"id": 2, "text": DRONES}), DRONES, &DRONES_NAMES),
    ]);
    json!({"model": MODEL, "offsets": "codepoint", "documents": documents, "errors": []})
}

/// The answer to many texts of which one is wrong.
pub(crate) fn partial_answer() -> Value {
    let documents = json!([marked(json!({"id": 2}), DRONES, &DRONES_NAMES)]);
    let errors = json!([{
        "index": 0, "id": "a1", "code": "missing_field", "detail": "`text` is missing: a string to annotate",
        "field": "text",
    }]);
    json!({"model": MODEL, "offsets": "codepoint", "documents": documents, "errors": errors})
}

/// A streamed request.
pub(crate) fn stream() -> Value {
    lines(&[json!({"id": "a1", "text": BRIGADE, "source": "wire"}), json!({"text": DRONES})])
}

/// The answer to [`stream`].
pub(crate) fn stream_answer() -> Value {
    lines(&[
        marked(json!({"id": "a1", "source": "wire"}), BRIGADE, &BRIGADE_NAMES),
        marked(json!({}), DRONES, &DRONES_NAMES),
    ])
}

/// The answer to a stream whose first line has no text.
pub(crate) fn partial_stream_answer() -> Value {
    let problem = json!({
        "type": "urn:dateline:problem:missing_field", "title": "A field is missing", "status": 422,
        "code": "missing_field", "detail": "`text` is missing: a string to annotate", "field": "text",
    });
    lines(&[json!({"line": 1, "id": "a1", "error": problem}), marked(json!({}), DRONES, &DRONES_NAMES)])
}

/// A request in the manner of Hugging Face.
pub(crate) fn hf() -> Value {
    json!({"inputs": DRONES, "parameters": {"aggregation_strategy": "simple"}})
}

/// A request with many texts in that manner.
pub(crate) fn hf_many() -> Value {
    json!({"inputs": [BRIGADE, DRONES], "parameters": {"ignore_labels": ["WEAPON"]}})
}

fn groups(text: &str, names: &[(&str, &str, f64)], without: &str) -> Value {
    let names: Vec<_> = names.iter().filter(|name| name.1 != without).copied().collect();
    let group = |mention: &Value| {
        json!({
            "entity_group": mention["label"], "score": mention["score"], "word": mention["text"],
            "start": mention["start"], "end": mention["end"],
        })
    };
    marked(json!({}), text, &names)["mentions"].as_array().expect("it is a list").iter().map(group).collect()
}

/// The answer to [`hf`].
pub(crate) fn hf_answer() -> Value {
    groups(DRONES, &DRONES_NAMES, "")
}

/// The answer to [`hf_many`].
pub(crate) fn hf_many_answer() -> Value {
    json!([groups(BRIGADE, &BRIGADE_NAMES, "WEAPON"), groups(DRONES, &DRONES_NAMES, "WEAPON")])
}

/// The answer to [`hf`] with the strategy `none`: a name of two words is two tokens.
pub(crate) fn hf_tokens_answer() -> Value {
    let token = |word: &str, entity: &str, index: usize, score: f64| {
        let (start, end) = place(DRONES, word);
        json!({"entity": entity, "score": score, "index": index, "word": word, "start": start, "end": end})
    };
    json!([
        token("Drones", "B-WEAPON", 2, 0.9127),
        token("Port", "B-PLACE", 7, 0.9858),
        token("Almeda", "I-PLACE", 8, 0.9786),
    ])
}

fn entities(text: &str, names: &[(&str, &str, f64)]) -> Value {
    let kind = |label: &str| match label {
        "PLACE" => "LOCATION",
        "UNIT" => "ORGANIZATION",
        "WEAPON" => "COMMERCIAL_ITEM",
        _ => "PERSON",
    };
    names
        .iter()
        .map(|&(name, label, score)| {
            let (start, end) = place(text, name);
            json!({"Score": score, "Type": kind(label), "Text": name, "BeginOffset": start, "EndOffset": end})
        })
        .collect()
}

/// A request in the manner of Amazon Comprehend.
pub(crate) fn comprehend() -> Value {
    json!({"LanguageCode": "en", "Text": DRONES})
}

/// The answer to [`comprehend`].
pub(crate) fn comprehend_answer() -> Value {
    json!({"Entities": entities(DRONES, &DRONES_NAMES)})
}

/// A request with many texts in that manner.
pub(crate) fn comprehend_many() -> Value {
    json!({"LanguageCode": "en", "TextList": [BRIGADE, DRONES]})
}

/// The answer to [`comprehend_many`].
pub(crate) fn comprehend_many_answer() -> Value {
    let results = json!([
        {"Index": 0, "Entities": entities(BRIGADE, &BRIGADE_NAMES)},
        {"Index": 1, "Entities": entities(DRONES, &DRONES_NAMES)},
    ]);
    json!({"ResultList": results, "ErrorList": []})
}

/// A labelling interface of Label Studio.
pub(crate) const INTERFACE: &str = "<View><Labels name=\"label\" toName=\"text\"><Label value=\"Location\"/>\
<Label value=\"Weapon\"/></Labels><Text name=\"text\" value=\"$text\"/></View>";

/// A request of Label Studio.
pub(crate) fn label_studio() -> Value {
    json!({"tasks": [{"data": {"text": DRONES}}], "project": "1.1732300000", "label_config": INTERFACE})
}

/// The answer to [`label_studio`].
pub(crate) fn label_studio_answer() -> Value {
    let region = |&(name, _, score): &(&str, &str, f64), id: &str, called: &str| {
        let (start, end) = place(DRONES, name);
        json!({
            "id": id, "from_name": "label", "to_name": "text", "type": "labels", "score": score,
            "value": {"start": start, "end": end, "text": name, "labels": [called]},
        })
    };
    let regions = [
        region(&DRONES_NAMES[0], "3f2a8c51d07b9e64", "Weapon"),
        region(&DRONES_NAMES[1], "9b1c47e2a85d3f06", "Location"),
    ];
    json!({"results": [{"model_version": MODEL, "score": 0.9475, "result": regions}]})
}

/// The models of a service.
pub(crate) fn models() -> Value {
    let labels = ["PERSON", "PLACE", "UNIT", "WEAPON"];
    let default = json!({
        "name": MODEL, "default": true, "architecture": "bert", "window_tokens": 512, "precision": "int8",
        "labels": labels,
    });
    json!({"models": [default]})
}

/// The labels of a model.
pub(crate) fn labels() -> Value {
    json!({"model": MODEL, "labels": ["PERSON", "PLACE", "UNIT", "WEAPON"]})
}

/// A service that is ready.
pub(crate) fn ready() -> Value {
    json!({"status": "ready", "devices": [{"device": "cpu", "state": "ready"}], "models": [MODEL]})
}

/// The first lines of the metrics.
pub(crate) const METRICS: &str = "\
# HELP dateline_http_requests Requests answered.
# TYPE dateline_http_requests counter
dateline_http_requests_total{route=\"/v1/annotate\",status=\"200\"} 42
# EOF
";
