//! The OpenAPI document: the file in `docs/` is what the service serves, and its parts fit each other. Whether it is true
//! of a running service is what `make contract` finds out.

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap like the tests themselves")]

use std::collections::BTreeSet;
use std::path::Path;

use dateline_server::openapi_json;
use serde_json::Value;

fn document() -> Value {
    serde_json::from_str(&openapi_json()).unwrap()
}

/// Calls `see` with every value in `value`, and the key or index that each stands under.
fn walk<'v>(value: &'v Value, key: &str, see: &mut impl FnMut(&str, &'v Value)) {
    see(key, value);
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| walk(value, key, see)),
        Value::Array(items) => items.iter().for_each(|value| walk(value, key, see)),
        _ => {}
    }
}

/// Every operation with its method and path.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().iter();
            methods.map(move |(method, operation)| (format!("{method} {path}"), operation))
        })
        .collect()
}

#[test]
fn the_file_in_docs_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == openapi_json(), "docs/openapi.json is not what the service serves: renew it with `make openapi`");
}

#[test]
fn is_openapi_3_1_of_this_version() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(document["info"]["license"]["identifier"], "Apache-2.0");
    assert_eq!(document["servers"].as_array().unwrap().len(), 1);
    assert_eq!(document["servers"][0]["url"], "/");
}

#[test]
fn every_reference_leads_somewhere_and_every_component_is_referred_to() {
    let document = document();
    let mut references = BTreeSet::new();
    walk(&document, "", &mut |key, value| {
        if key == "$ref" {
            references.insert(value.as_str().unwrap());
        }
    });
    for reference in &references {
        let pointer = reference.strip_prefix('#').expect("a reference into this document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    for (kind, components) in document["components"].as_object().unwrap() {
        for name in components.as_object().unwrap().keys().filter(|_| kind != "securitySchemes") {
            let reference = format!("#/components/{kind}/{name}");
            assert!(references.contains(reference.as_str()), "nothing refers to {reference}");
        }
    }
}

#[test]
fn every_operation_says_what_it_is_and_shows_it() {
    let document = document();
    let mut ids = BTreeSet::new();
    let tags: BTreeSet<_> =
        document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).map(Value::as_str).collect();
    for (name, operation) in operations(&document) {
        assert!(ids.insert(operation["operationId"].as_str().expect("an operationId")), "{name}");
        for text in ["summary", "description"] {
            assert!(operation[text].as_str().is_some_and(|text| !text.is_empty()), "{name} has no {text}");
        }
        assert!(tags.contains(&operation["tags"][0].as_str()), "{name}");
        let mut contents = Vec::new();
        for content in [&operation["requestBody"]["content"], &operation["responses"]["200"]["content"]] {
            contents.extend(content.as_object().into_iter().flatten());
        }
        assert!(!contents.is_empty(), "{name}");
        for (kind, content) in contents {
            let shown = content["examples"].as_object().is_some_and(|examples| !examples.is_empty());
            assert!(shown, "{name} has no example of {kind}");
        }
    }
}

#[test]
fn the_mentions_shown_are_slices_of_their_texts() {
    let document = document();
    let annotate = &document["paths"]["/v1/annotate"]["post"]["responses"]["200"]["content"];
    let mut shown = 0;
    for annotated in annotate["application/json"]["examples"]["texts"]["value"]["documents"].as_array().unwrap() {
        let text: Vec<char> = annotated["text"].as_str().unwrap().chars().collect();
        for mention in annotated["mentions"].as_array().unwrap() {
            let place = |end: &str| usize::try_from(mention[end].as_u64().unwrap()).unwrap();
            let slice: String = text[place("start")..place("end")].iter().collect();
            assert_eq!(slice, mention["text"].as_str().unwrap());
            shown += 1;
        }
    }
    assert_eq!(shown, 6);
}

#[test]
fn no_other_host_is_named() {
    let document = document();
    walk(&document, "", &mut |key, value| {
        let text = value.as_str().unwrap_or_default();
        for (at, _) in text.match_indices("://") {
            let host = text[at + 3..].split(['/', ':', '"', ' ']).next().unwrap();
            assert_eq!(host, "127.0.0.1", "{key}: {text}");
        }
    });
}

#[test]
fn problems_are_those_that_there_are() {
    let document = document();
    let codes = [
        (400, &["invalid_json", "invalid_utf8", "body_broken"][..]),
        (401, &["unauthorized"]),
        (404, &["not_found", "model_not_found"]),
        (405, &["method_not_allowed"]),
        (408, &["timeout"]),
        (413, &["body_too_large", "line_too_large", "too_many_documents"]),
        (415, &["unsupported_media_type", "unsupported_encoding"]),
        (422, &["missing_field", "unknown_field", "invalid_field"]),
        (429, &["rate_limited"]),
        (500, &["model_failed", "internal"]),
        (503, &["not_ready", "overloaded", "draining"]),
        (504, &["deadline_exceeded"]),
    ];
    let expected: Vec<&str> = codes.iter().flat_map(|row| row.1).copied().collect();
    assert_eq!(document["components"]["schemas"]["ProblemCode"]["enum"], Value::from(expected));
    let about = document["components"]["schemas"]["ProblemCode"]["description"].as_str().unwrap();
    for (status, codes) in codes {
        for code in codes {
            assert!(about.contains(&format!("| {status} | `{code}` |")), "{status} {code}");
        }
    }
    let expected: BTreeSet<_> =
        codes.iter().flat_map(|&(status, codes)| codes.iter().map(move |code| (status, *code))).collect();
    for (name, response) in document["components"]["responses"].as_object().unwrap() {
        for (code, example) in response["content"]["application/problem+json"]["examples"].as_object().unwrap() {
            let problem = &example["value"];
            let status = u16::try_from(problem["status"].as_u64().unwrap()).unwrap();
            assert!(expected.contains(&(status, code.as_str())), "{name}: {problem}");
            assert_eq!(problem["code"], code.as_str());
            assert_eq!(problem["error"].is_string(), name.starts_with("Hf"), "{name}");
        }
    }
}

#[test]
fn responses_are_under_their_own_status() {
    let document = document();
    for (name, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let Some(reference) = response["$ref"].as_str() else { continue };
            let response = document.pointer(reference.trim_start_matches('#')).unwrap();
            for example in response["content"]["application/problem+json"]["examples"].as_object().unwrap().values() {
                assert_eq!(example["value"]["status"].to_string(), *status, "{name}");
            }
        }
    }
}
