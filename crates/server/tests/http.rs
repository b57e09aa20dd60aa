//! The routes from outside, with a model of a few lines: what is accepted, what is refused and how it is said.

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap like the tests themselves")]

mod common;

use std::convert::Infallible;
use std::io::BufRead;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Request, StatusCode, header};
use common::Fake;
use dateline_engine::EngineOptions;
use dateline_server::{Limits, ServerConfig, router};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::StreamExt;
use tower::ServiceExt;

fn app() -> Router {
    let limits = Limits { max_body_bytes: 2000, max_documents: 8, ..Limits::default() };
    router(Fake::with_gate(|| {}).engine(EngineOptions::default()), &ServerConfig { limits, ..ServerConfig::default() })
        .unwrap()
}

fn post(path: &str, kind: Option<&str>, body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::post(path);
    if let Some(kind) = kind {
        request = request.header(header::CONTENT_TYPE, kind);
    }
    request.body(body.into()).unwrap()
}

async fn send(request: Request<Body>) -> (StatusCode, String, String) {
    let response = app().oneshot(request).await.unwrap();
    let kind = response.headers().get(header::CONTENT_TYPE).map_or("", |kind| kind.to_str().unwrap()).to_owned();
    let status = response.status();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, kind, String::from_utf8(body.to_vec()).unwrap())
}

async fn send_json(body: impl Into<Body>) -> (StatusCode, Value) {
    let (status, kind, body) = send(post("/v1/annotate", Some("application/json"), body)).await;
    assert_eq!(kind, if status == 200 { "application/json" } else { "application/problem+json" });
    let body: Value = serde_json::from_str(&body).unwrap();
    if status != 200 {
        assert_eq!(body["status"], status.as_u16());
        assert!(body["title"].is_string() && body["type"].is_string() && body["detail"].is_string(), "{body}");
    }
    (status, body)
}

/// The answer's lines to a stream in these pieces.
async fn send_lines(path: &str, pieces: Vec<&'static [u8]>) -> Vec<Value> {
    let pieces = tokio_stream::iter(pieces).map(|piece| Ok::<_, Infallible>(Bytes::from_static(piece)));
    let request = post(path, Some("application/x-ndjson"), Body::from_stream(pieces));
    let (status, kind, body) = send(request).await;
    assert_eq!((status, kind.as_str()), (StatusCode::OK, "application/x-ndjson"), "{body}");
    assert!(body.is_empty() || body.ends_with('\n'));
    body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn one_text_in_every_unit() {
    let text = "🚀🇺🇦 Kyiv";
    for (body, start) in [
        (json!({"text": text, "entities": false}), 4),
        (json!({"text": text, "offsets": "codepoint", "entities": false}), 4),
        (json!({"text": text, "offsets": "utf16", "entities": false}), 7),
        (json!({"text": text, "offsets": "byte", "entities": false}), 13),
    ] {
        let (status, answer) = send_json(body.to_string()).await;
        let unit = body.get("offsets").cloned().unwrap_or_else(|| "codepoint".into());
        let mention = json!({"start": start, "end": start + 4, "label": "PLACE", "text": "Kyiv", "score": 1.0});
        assert_eq!(
            (status, answer),
            (StatusCode::OK, json!({"model": "fake", "offsets": unit, "mentions": [mention]}))
        );
    }
}

#[tokio::test]
async fn mentions_of_one_thing_are_an_entity() {
    let (status, answer) = send_json(json!({"text": "Kyiv 🚀 Kyiv", "labels": ["PLACE"]}).to_string()).await;
    assert_eq!((status, answer["mentions"].as_array().map(Vec::len)), (StatusCode::OK, Some(2)));
    let entity = &answer["entities"][0];
    assert_eq!((&entity["name"], &entity["mentions"], &entity["count"]), (&json!("Kyiv"), &json!([0, 1]), &json!(2)));
    let (_, answer) = send_json(json!({"text": "Kyiv", "min_score": 1.0, "entities": false}).to_string()).await;
    assert!(answer.get("entities").is_none(), "{answer}");
}

#[tokio::test]
async fn ids_go_back_to_the_letter() {
    for id in ["\"a\\u00e9/\\/\"", "123456789012345678901234567890", "1.50", "-0", "null"] {
        let body = format!("{{\"id\": {id}, \"text\": \"\", \"include_text\": true}}");
        let (status, _, answer) = send(post("/v1/annotate", Some("application/json"), body)).await;
        let expected =
            r#"{"model":"fake","offsets":"codepoint","id":ID,"text":"","mentions":[],"entities":[]}"#.replace("ID", id);
        assert_eq!((status, answer), (StatusCode::OK, expected));
    }
}

#[tokio::test]
async fn curl_without_headers_works() {
    for kind in [None, Some("application/x-www-form-urlencoded")] {
        let (status, _, body) = send(post("/v1/annotate", kind, r#" {"text":"Kyiv"}"#)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
    }
    for (body, status) in [("", 400), ("[1]", 422), ("\"Kyiv\"", 422)] {
        let (got, _, answer) = send(post("/v1/annotate", Some("application/x-www-form-urlencoded"), body)).await;
        assert_eq!(got.as_u16(), status, "what is no form is told what it lacks: {answer}");
    }
    for (kind, body) in [("application/x-www-form-urlencoded", "text=Kyiv"), ("text/plain", "Kyiv")] {
        let (status, kind, _) = send(post("/v1/annotate", Some(kind), body)).await;
        assert_eq!((status, kind.as_str()), (StatusCode::UNSUPPORTED_MEDIA_TYPE, "application/problem+json"));
    }
}

#[tokio::test]
async fn options_choose_among_the_mentions() {
    for (body, found) in [
        (json!({"text": "Kyiv Kyiv Kyiv"}), 3),
        (json!({"text": "Kyiv Kyiv Kyiv", "min_score": 0.5}), 2),
        (json!({"text": "Kyiv", "labels": ["UNIT"]}), 0),
        (json!({"text": "Kyiv", "labels": ["UNIT", "PLACE"]}), 1),
        (json!({"text": ""}), 0),
    ] {
        let (status, answer) = send_json(body.to_string()).await;
        assert_eq!((status, answer["mentions"].as_array().unwrap().len()), (StatusCode::OK, found), "{body}");
    }
}

#[tokio::test]
async fn every_mistake_is_named() {
    for (body, status, code, field) in [
        ("", 400, "invalid_json", None),
        ("{\"text\": \"Ky", 400, "invalid_json", None),
        ("{\"text\": \"Kyiv\"", 400, "invalid_json", None),
        ("{\"text\": \"Kyiv\"}{\"text\": \"Kyiv\"}", 400, "invalid_json", None),
        ("{\"text\": \"\\ud83d\"}", 400, "invalid_json", Some("text")),
        ("[]", 422, "invalid_field", None),
        ("{}", 422, "missing_field", Some("text")),
        ("{\"text\": 5}", 422, "invalid_field", Some("text")),
        ("{\"text\": null}", 422, "invalid_field", Some("text")),
        ("{\"text\": \"a\", \"text\": \"b\"}", 422, "invalid_field", Some("text")),
        ("{\"text\": \"a\", \"offset\": \"byte\"}", 422, "unknown_field", Some("offset")),
        ("{\"text\": \"a\", \"offsets\": \"char\"}", 422, "invalid_field", Some("offsets")),
        ("{\"text\": \"a\", \"offsets\": 1}", 422, "invalid_field", Some("offsets")),
        ("{\"text\": \"a\", \"min_score\": \"0.5\"}", 422, "invalid_field", Some("min_score")),
        ("{\"text\": \"a\", \"min_score\": 2}", 422, "invalid_field", Some("min_score")),
        ("{\"text\": \"a\", \"labels\": [\"CITY\"]}", 422, "invalid_field", Some("labels")),
        ("{\"text\": \"a\", \"labels\": \"PLACE\"}", 422, "invalid_field", Some("labels")),
        ("{\"text\": \"a\", \"include_text\": 1}", 422, "invalid_field", Some("include_text")),
        ("{\"text\": \"a\", \"id\": true}", 422, "invalid_field", Some("id")),
        ("{\"text\": \"a\", \"documents\": []}", 422, "invalid_field", Some("text")),
        ("{\"documents\": {}}", 422, "invalid_field", Some("documents")),
        ("{\"text\": \"FAIL\"}", 500, "model_failed", None),
        ("{\"text\": \"PANIC\"}", 500, "model_failed", None),
        ("{\"text\": \"PANIC WHILE READ\"}", 500, "model_failed", None),
        ("{\"text\": \"a\", \"model\": \"other\"}", 422, "invalid_field", Some("model")),
        ("{\"documents\": [1,2,3,4,5,6,7,8,9]}", 413, "too_many_documents", Some("documents")),
    ] {
        let (got, problem) = send_json(body).await;
        assert_eq!((got.as_u16(), problem["code"].as_str()), (status, Some(code)), "{body}: {problem}");
        assert_eq!(problem["field"].as_str(), field, "{body}: {problem}");
    }
}

#[tokio::test]
async fn a_mistake_has_its_line_and_column() {
    let (_, problem) = send_json("{\n  \"text\": \"né\",\n  \"id\": nope\n}").await;
    assert_eq!((&problem["line"], &problem["column"]), (&json!(3), &json!(10)), "{problem}");
    let (_, problem) = send_json("{\n  \"text\": \"né \\udc00\"}").await;
    assert_eq!((&problem["line"], &problem["column"]), (&json!(2), &json!(20)), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("surrogate"), "{problem}");
}

#[tokio::test]
async fn bytes_that_are_not_utf8_are_named() {
    let (status, problem) = send_json(&b"{\"text\": \"Ky\xEFv\"}"[..]).await;
    assert_eq!((status.as_u16(), problem["code"].as_str()), (400, Some("invalid_utf8")));
    assert!(problem["detail"].as_str().unwrap().contains("byte 12 "), "{problem}");
}

#[tokio::test]
async fn a_bad_document_stands_beside_the_good_ones() {
    let body = r#"{"documents": [
        {"id": 1, "text": "Kyiv"}, {"id": "two"}, 3, {"id": 4, "text": "\ud800"}, {"text": "x", "title": "y"},
        {"id": 6, "text": "FAIL"}, {"text": "still Kyiv"}], "offsets": "byte", "include_text": true}"#;
    let (status, answer) = send_json(body).await;
    assert_eq!((status, &answer["model"], &answer["offsets"]), (StatusCode::OK, &json!("fake"), &json!("byte")));
    let documents = answer["documents"].as_array().unwrap();
    assert_eq!(documents.len(), 2);
    assert_eq!((&documents[0]["id"], &documents[0]["text"]), (&json!(1), &json!("Kyiv")));
    assert_eq!(documents[1]["mentions"][0]["start"], 6);
    let errors: Vec<_> = answer["errors"].as_array().unwrap().iter().collect();
    let short: Vec<_> = errors.iter().map(|error| (&error["index"], &error["id"], &error["code"])).collect();
    assert_eq!(
        short,
        [
            (&json!(1), &json!("two"), &json!("missing_field")),
            (&json!(2), &Value::Null, &json!("invalid_field")),
            (&json!(3), &json!(4), &json!("invalid_json")),
            (&json!(4), &Value::Null, &json!("unknown_field")),
            (&json!(5), &json!(6), &json!("model_failed")),
        ]
    );
    assert_eq!((&errors[2]["line"], &errors[3]["field"]), (&json!(2), &json!("title")));

    let (status, answer) = send_json(r#"{"documents": []}"#).await;
    assert_eq!((status, &answer["documents"], &answer["errors"]), (StatusCode::OK, &json!([]), &json!([])));
    let (status, _) = send_json(r#"{"documents": [{"text": "FAIL"}, {"text": "PANIC WHILE READ"}]}"#).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn a_body_over_the_limit_is_told_the_limit() {
    let long = json!({"text": "x".repeat(2000)}).to_string();
    let pieces = tokio_stream::iter([Ok::<_, Infallible>(Bytes::from(long.clone()))]);
    for body in [Body::from(long), Body::from_stream(pieces)] {
        let (status, problem) = send_json(body).await;
        assert_eq!((status.as_u16(), problem["code"].as_str()), (413, Some("body_too_large")));
        assert!(problem["detail"].as_str().unwrap().contains("2000"), "{problem}");
    }
}

#[tokio::test]
async fn lines_are_answered_in_order_wherever_they_are_cut() {
    let body: &[u8] = "{\"text\":\"Kyiv\",\"id\":7,\"by\":[1,\"🚀\"],\"mentions\":[],\"entities\":0}\r\n\n\
        {\"text\":5}\n\n{\"id\":\"bad\"\n\u{feff}{\"id\":\"x\",\"text\":\"FAIL\"}\n{\"text\":\"🚀 Kyiv\"}"
        .as_bytes();
    let whole = send_lines("/v1/annotate?offsets=utf16&entities=false", vec![body]).await;
    assert_eq!(whole.len(), 5, "{whole:?}");
    let mention = json!({"start": 0, "end": 4, "label": "PLACE", "text": "Kyiv", "score": 1.0});
    assert_eq!(whole[0], json!({"id": 7, "by": [1, "🚀"], "mentions": [mention]}));
    assert_eq!((&whole[1]["line"], &whole[1]["error"]["field"]), (&json!(3), &json!("text")));
    assert_eq!((&whole[2]["line"], &whole[2]["error"]["status"]), (&json!(5), &json!(400)));
    assert_eq!((&whole[3]["line"], &whole[3]["id"]), (&json!(6), &json!("x")));
    assert_eq!(whole[3]["error"]["code"], "model_failed");
    assert_eq!(whole[4]["mentions"][0]["start"], 3);
    for cut in 0..body.len() {
        let (front, back) = body.split_at(cut);
        assert_eq!(
            send_lines("/v1/annotate?offsets=utf16&entities=false", vec![front, back]).await,
            whole,
            "cut at {cut}"
        );
    }
    assert!(send_lines("/v1/annotate", vec![b""]).await.is_empty());
}

#[tokio::test]
async fn a_line_may_be_bad_in_every_way() {
    let long: &'static [u8] = Vec::leak([b"{\"text\":\"".to_vec(), vec![b'x'; 3000]].concat());
    let answers = send_lines(
        "/v1/annotate?include_text=true",
        vec![b"{\"text\":\"\xFF\"}\n", b"{\"text\":\"\\ud800\"}\n", long, b"\"}\n", b"{\"text\":\"Kyiv\"}\n[1]"],
    )
    .await;
    let codes: Vec<_> = answers.iter().map(|line| (&line["line"], line["error"]["code"].as_str())).collect();
    assert_eq!(
        codes,
        [
            (&json!(1), Some("invalid_utf8")),
            (&json!(2), Some("invalid_json")),
            (&json!(3), Some("line_too_large")),
            (&Value::Null, None),
            (&json!(5), Some("invalid_field")),
        ]
    );
    assert_eq!(answers[3]["text"], "Kyiv");
    assert_eq!(answers[1]["error"]["line"], 2);
}

#[tokio::test]
async fn a_stream_that_breaks_ends_with_an_error() {
    let pieces = [Ok(Bytes::from_static(b"{\"text\":\"Kyiv\"}\n{\"te")), Err("cut off")];
    let request = post("/v1/annotate", Some("application/jsonl"), Body::from_stream(tokio_stream::iter(pieces)));
    let (status, _, body) = send(request).await;
    assert_eq!(status, StatusCode::OK);
    let last: Value = serde_json::from_str(body.lines().last().unwrap()).unwrap();
    assert_eq!((&last["line"], &last["error"]["code"]), (&json!(2), &json!("body_broken")));
}

#[tokio::test]
async fn an_answer_comes_before_the_next_line_is_sent() {
    let (lines, sent) = mpsc::channel::<Result<Bytes, Infallible>>(1);
    let body = Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(sent));
    let response = app().oneshot(post("/v1/annotate", Some("application/x-ndjson"), body)).await.unwrap();
    assert_eq!(response.headers()["dateline-model"], "fake");
    let mut answers = response.into_body().into_data_stream();
    for n in 0..3 {
        lines.send(Ok(Bytes::from(format!("{{\"id\":{n},\"text\":\"\"}}\n")))).await.unwrap();
        let answer = answers.next().await.unwrap().unwrap();
        assert_eq!(answer, format!("{{\"id\":{n},\"mentions\":[],\"entities\":[]}}\n"));
    }
    drop(lines);
    assert!(answers.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_silent_sender_is_not_waited_for() {
    let silent = || Body::from_stream(tokio_stream::pending::<Result<Bytes, Infallible>>());
    let (status, problem) = send_json(silent()).await;
    assert_eq!((status.as_u16(), problem["code"].as_str()), (408, Some("timeout")));
    let (_, _, body) = send(post("/v1/annotate", Some("application/x-ndjson"), silent())).await;
    assert!(body.starts_with("{\"line\":1,\"error\":{") && body.contains("\"status\":408"), "{body}");
}

#[tokio::test(start_paused = true)]
async fn who_sends_all_before_reading_is_told_so() {
    let (all_sent, sent) = oneshot::channel();
    let lines = tokio_stream::iter(0..2000).map(|_| Ok::<_, Infallible>(Bytes::from_static(b"{\"text\":\"Kyiv\"}\n")));
    let end = tokio_stream::once(()).map({
        let mut all_sent = Some(all_sent);
        move |()| {
            all_sent.take().unwrap().send(()).unwrap();
            Ok(Bytes::new())
        }
    });
    let body = Body::from_stream(lines.chain(end));
    let response = app().oneshot(post("/v1/annotate", Some("application/x-ndjson"), body)).await.unwrap();
    sent.await.unwrap();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let lines: Vec<Value> = body.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    assert!(lines.len() > 1 && lines.len() < 2000, "{}", lines.len());
    let (last, answers) = lines.split_last().unwrap();
    assert!(answers.iter().all(|answer| answer["mentions"][0]["text"] == "Kyiv"));
    assert_eq!((&last["line"], &last["error"]["code"]), (&json!(answers.len() + 1), &json!("timeout")));
}

/// A client that waits for leave to send (`Expect: 100-continue`) took the answer that began at once for the final word.
#[tokio::test]
async fn a_stream_that_waits_for_leave_is_read_before_it_is_answered() {
    let (lines, sent) = mpsc::channel::<Result<Bytes, Infallible>>(1);
    let body = Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(sent));
    let mut request = post("/v1/annotate", Some("application/x-ndjson"), body);
    request.headers_mut().insert(header::EXPECT, "100-continue".parse().unwrap());
    let answering = tokio::spawn(app().oneshot(request));
    tokio::task::yield_now().await;
    assert!(!answering.is_finished());
    lines.send(Ok(Bytes::from_static(b"{\"text\":\"Kyiv\"}\n"))).await.unwrap();
    let response = answering.await.unwrap().unwrap();
    drop(lines);
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    assert_eq!(body.lines().count(), 1);
}

#[tokio::test]
async fn the_query_holds_options_for_every_body() {
    let (status, _, body) = send(post("/v1/annotate?offsets=byte", None, "{\"text\":\"é Kyiv\"}")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("\"start\":3"), "{body}");
    for kind in ["application/json", "application/x-ndjson"] {
        let (status, _, body) = send(post("/v1/annotate?ofsets=byte", Some(kind), "{\"text\":\"\"}")).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(body.contains("\"field\":\"ofsets\""), "{body}");
    }
}

#[tokio::test]
async fn other_paths_and_methods_are_problems_too() {
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    let (status, kind, _) = send(get("/v2/annotate")).await;
    assert_eq!((status, kind.as_str()), (StatusCode::NOT_FOUND, "application/problem+json"));
    let response = app().oneshot(get("/v1/annotate")).await.unwrap();
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()[header::ALLOW], "POST");
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(send(get("/health/live")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere() {
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    let response = app().oneshot(get("/")).await.unwrap();
    let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let page = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let page = String::from_utf8(page.to_vec()).unwrap();
    for path in page.split(['"', '\'']).filter(|part| part.starts_with('/') && part.contains('.')) {
        assert_eq!(send(get(path)).await.0, StatusCode::OK, "{path}");
    }
    let all = [page, send(get("/app.js")).await.2, send(get("/style.css")).await.2].concat();
    for foreign in ["http://", "https://", "innerHTML", " style=", " onclick="] {
        let foreign = all.replace("http://www.w3.org/2000/svg", "").contains(foreign);
        assert!(!foreign, "the page must not contain {foreign}");
    }
    let tag = app().oneshot(get("/app.js")).await.unwrap().headers()[header::ETAG].clone();
    let again = Request::get("/app.js").header(header::IF_NONE_MATCH, tag).body(Body::empty()).unwrap();
    assert_eq!(send(again).await.0, StatusCode::NOT_MODIFIED);
}
