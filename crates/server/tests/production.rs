//! What a service needs behind a CMS, from outside: names of requests, compression, limits per caller, other origins,
//! the list of models, and Hugging Face's contract.

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap like the tests themselves")]

mod common;

use std::convert::Infallible;
use std::io::Write;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError, mpsc as std_mpsc};
use std::time::Duration;

use async_compression::Level;
use async_compression::tokio::write::ZstdEncoder;
use async_compression::zstd::CParameter;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use common::Fake;
use dateline_engine::EngineOptions;
use dateline_server::{Limits, ServerConfig, router};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tower::ServiceExt;

fn app(config: &ServerConfig) -> Router {
    router(Fake::with_gate(|| {}).engine(EngineOptions::default()), config).unwrap()
}

fn default_app() -> Router {
    app(&ServerConfig { limits: Limits { max_body_bytes: 100_000, ..Limits::default() }, ..ServerConfig::default() })
}

fn post(path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(body.into()).unwrap()
}

async fn send(app: Router, request: Request<Body>) -> (StatusCode, HeaderMap, Vec<u8>) {
    let response = app.oneshot(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    (status, headers, to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec())
}

async fn send_json(path: &str, body: Value) -> (StatusCode, Value) {
    let (status, _, body) = send(default_app(), post(path, &[], body.to_string())).await;
    (status, serde_json::from_slice(&body).unwrap())
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Packed so that unpacking needs a window of 2^`window` bytes.
async fn zstd(text: &[u8], window: u32) -> Vec<u8> {
    let parameters = [CParameter::window_log(window)];
    let mut encoder = ZstdEncoder::with_quality_and_params(Vec::new(), Level::Fastest, &parameters);
    encoder.write_all(text).await.unwrap();
    encoder.shutdown().await.unwrap();
    encoder.into_inner()
}

fn gunzip(bytes: &[u8]) -> String {
    std::io::read_to_string(flate2::read::GzDecoder::new(bytes)).unwrap()
}

#[tokio::test]
async fn a_request_keeps_its_name_and_its_trace() {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let sent = [("x-request-id", "cms-42"), ("traceparent", parent)];
    let (_, headers, _) = send(default_app(), post("/v1/annotate", &sent, r#"{"text":""}"#)).await;
    assert_eq!(headers["x-request-id"], "cms-42");
    let own = headers["traceparent"].to_str().unwrap();
    assert!(own.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && own.ends_with("-01") && own != parent, "{own}");

    let (_, headers, body) = send(default_app(), post("/v1/annotate", &[], "{")).await;
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["request_id"], headers["x-request-id"].to_str().unwrap());
}

#[tokio::test]
async fn bodies_may_be_compressed_both_ways() {
    let long = json!({"text": "Kyiv ".repeat(100)}).to_string();
    let packed = gzip(long.as_bytes());
    let headers = [("content-encoding", "gzip"), ("accept-encoding", "gzip")];
    let (status, headers, body) = send(default_app(), post("/v1/annotate", &headers, packed)).await;
    assert_eq!((status, headers["content-encoding"].to_str().unwrap()), (StatusCode::OK, "gzip"));
    assert_eq!(gunzip(&body).matches(r#""text":"Kyiv""#).count(), 100);
    let packed = zstd(long.as_bytes(), 17).await;
    let (status, _, body) = send(default_app(), post("/v1/annotate", &[("content-encoding", "zstd")], packed)).await;
    assert_eq!((status, String::from_utf8(body).unwrap().matches(r#""text":"Kyiv""#).count()), (StatusCode::OK, 100));
    for encoding in ["br", "zstd"] {
        let request = post("/v1/annotate", &[("accept-encoding", encoding)], long.clone());
        let (status, headers, _) = send(default_app(), request).await;
        assert_eq!((status, headers["content-encoding"].to_str().unwrap()), (StatusCode::OK, encoding));
    }
}

#[tokio::test]
async fn a_compressed_body_is_held_to_the_limit_of_what_is_in_it() {
    let bomb = gzip(json!({"text": "x".repeat(10 << 20)}).to_string().as_bytes());
    assert!(bomb.len() < 100_000);
    for (encoding, body, status, code) in [
        ("gzip", bomb, 413, "body_too_large"),
        ("gzip", b"no gzip at all".to_vec(), 400, "body_broken"),
        ("zstd", b"no zstd at all".to_vec(), 400, "body_broken"),
        // A window that is larger than RFC 9659 has it, and would be memory outside of every limit.
        ("zstd", zstd(json!({"text": ""}).to_string().as_bytes(), 25).await, 400, "body_broken"),
        ("compress", b"x".to_vec(), 415, "unsupported_encoding"),
    ] {
        let request = post("/v1/annotate", &[("content-encoding", encoding)], body);
        let (got, headers, body) = send(default_app(), request).await;
        let problem: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((got.as_u16(), problem["code"].as_str()), (status, Some(code)), "{problem}");
        assert_eq!(headers["content-type"], "application/problem+json");
    }
}

/// A compressed stream must not hold an answer back until a block is full: the client waits for it.
#[tokio::test]
async fn a_compressed_stream_answers_line_by_line() {
    let (lines, sent) = mpsc::channel::<Result<Bytes, Infallible>>(1);
    let body = Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(sent));
    let request = Request::post("/v1/annotate")
        .header(header::CONTENT_TYPE, "application/x-ndjson")
        .header(header::ACCEPT_ENCODING, "gzip")
        .body(body)
        .unwrap();
    let response = default_app().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let mut answers = response.into_body().into_data_stream();
    let mut decoder = flate2::write::GzDecoder::new(Vec::new());
    for n in 1..=3 {
        lines.send(Ok(Bytes::from_static(b"{\"text\":\"Kyiv\"}\n"))).await.unwrap();
        while decoder.get_ref().iter().filter(|&&byte| byte == b'\n').count() < n {
            decoder.write_all(&answers.next().await.unwrap().unwrap()).unwrap();
            decoder.flush().unwrap();
        }
    }
    drop(lines);
    while let Some(piece) = answers.next().await {
        decoder.write_all(&piece.unwrap()).unwrap();
    }
    assert_eq!(decoder.finish().unwrap().iter().filter(|&&byte| byte == b'\n').count(), 3);
}

#[tokio::test]
async fn a_caller_that_asks_too_often_is_told_when_to_come_again() {
    let limits = Limits { rate_limit: NonZeroU32::new(1), ..Limits::default() };
    let app = app(&ServerConfig { limits, ..ServerConfig::default() });
    let ask = || post("/v1/annotate", &[], r#"{"text":"Kyiv"}"#);
    assert_eq!(send(app.clone(), ask()).await.0, StatusCode::OK);
    let (status, headers, _) = send(app.clone(), ask()).await;
    assert_eq!((status, headers["retry-after"].to_str().unwrap()), (StatusCode::TOO_MANY_REQUESTS, "1"));
    let probe = Request::get("/health/live").body(Body::empty()).unwrap();
    assert_eq!(send(app, probe).await.0, StatusCode::OK, "probes are not counted");
}

#[tokio::test]
async fn other_origins_are_let_in_only_if_they_are_named() {
    let preflight = |origin: &str| {
        Request::options("/v1/annotate")
            .header(header::ORIGIN, origin)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type")
            .body(Body::empty())
            .unwrap()
    };
    let (_, headers, _) = send(default_app(), preflight("https://cms.example")).await;
    assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.toml");
    std::fs::write(&keys, "").unwrap();
    let cors_origins = vec!["https://cms.example".to_owned()];
    let app = app(&ServerConfig { cors_origins, keys: Some(keys), ..ServerConfig::default() });
    let (status, headers, _) = send(app.clone(), preflight("https://cms.example")).await;
    assert_eq!(status, StatusCode::OK, "a preflight comes without a key");
    assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://cms.example");
    let (_, headers, _) = send(app.clone(), preflight("https://other.example")).await;
    assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    let (status, headers, _) = send(app, post("/v1/annotate", &[("origin", "https://cms.example")], "{}")).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN), "the page may read why");
}

#[tokio::test]
async fn what_is_served_is_listed() {
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    let (_, _, body) = send(default_app(), get("/v1/models")).await;
    let listed = json!({"models": [
        {"name": "fake", "default": true, "architecture": "Fake", "window_tokens": 100, "precision": "f32",
         "labels": ["PLACE", "UNIT"]}
    ]});
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), listed);
    let (_, _, body) = send(default_app(), get("/v1/labels?model=fake")).await;
    assert_eq!(body, br#"{"model":"fake","labels":["PLACE","UNIT"]}"#);
    for path in ["/v1/labels?model=x", "/v1/labels?modle=fake"] {
        assert_eq!(send(default_app(), get(path)).await.0, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
    }
}

#[tokio::test]
async fn hugging_faces_clients_get_what_they_expect() {
    let text = "🚀 Kyiv, Kyiv";
    let entities = json!([
        {"entity_group": "PLACE", "score": 1.0, "word": "Kyiv", "start": 2, "end": 6},
        {"entity_group": "PLACE", "score": 0.5, "word": "Kyiv", "start": 8, "end": 12},
    ]);
    for (body, expected) in [
        (json!({"inputs": text}), entities.clone()),
        (json!({"inputs": text, "parameters": {"aggregation_strategy": "max", "stride": 3}}), entities.clone()),
        (json!({"inputs": text, "parameters": null, "options": {"wait_for_model": true}}), entities.clone()),
        (json!({"inputs": [text, ""], "parameters": {"ignore_labels": null}}), json!([entities, []])),
        (json!({"inputs": text, "parameters": {"ignore_labels": ["O", "PLACE"]}}), json!([])),
    ] {
        assert_eq!(send_json("/v1/hf/fake", body).await, (StatusCode::OK, expected));
    }
    let (_, utf16) = send_json("/v1/hf/fake?offsets=utf16", json!({"inputs": text})).await;
    assert_eq!(utf16[0]["start"], 3);
    let none = json!({"inputs": "a Kyiv", "parameters": {"aggregation_strategy": "none"}});
    let (_, pieces) = send_json("/v1/hf/fake", none).await;
    let first = json!({"entity": "B-PLACE", "score": 1.0, "index": 3, "word": "K", "start": 2, "end": 3});
    assert_eq!((&pieces[0], pieces.as_array().unwrap().len(), &pieces[3]["entity"]), (&first, 4, &json!("I-PLACE")));

    for (path, body, status, field) in [
        ("/v1/hf/other/model", json!({"inputs": ""}), 404, None),
        ("/v1/hf/fake", json!({}), 422, Some("inputs")),
        ("/v1/hf/fake", json!({"inputs": 5}), 422, Some("inputs")),
        (
            "/v1/hf/fake",
            json!({"inputs": "", "parameters": {"aggregation_strategy": "best"}}),
            422,
            Some("aggregation_strategy"),
        ),
        ("/v1/hf/fake", json!({"inputs": "", "parameters": {"top_k": 5}}), 422, Some("top_k")),
        ("/v1/hf/fake?offset=byte", json!({"inputs": ""}), 422, Some("offset")),
        ("/v1/hf/fake", json!({"inputs": ["", "FAIL"]}), 500, None),
    ] {
        let (got, problem) = send_json(path, body).await;
        assert_eq!((got.as_u16(), problem["field"].as_str()), (status, field), "{problem}");
        assert_eq!(problem["error"], problem["detail"], "where these clients look for the message");
    }
}

#[tokio::test]
async fn a_path_that_no_route_has_does_not_get_into_the_metrics() {
    let app = default_app();
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    let (status, _, _) = send(app.clone(), get("/secret-story")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (_, headers, metrics) = send(app, get("/metrics")).await;
    let metrics = String::from_utf8(metrics).unwrap();
    assert!(headers["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    assert!(metrics.contains("route=\"(none)\"") && !metrics.contains("secret"), "{metrics}");
    assert!(metrics.ends_with("# EOF\n"));
}

/// A router whose model stops before every batch but the first, until the sender of the gate is gone.
async fn gated(limits: Limits, options: EngineOptions) -> (Router, std_mpsc::Sender<()>) {
    let (gate, stopped) = std_mpsc::channel();
    let stopped = Mutex::new(stopped);
    let model = Fake::with_gate(move || {
        let _ = stopped.lock().unwrap_or_else(PoisonError::into_inner).recv();
    });
    let engine = model.engine(options);
    gate.send(()).unwrap();
    engine.ready().await;
    (router(engine, &ServerConfig { limits, ..ServerConfig::default() }).unwrap(), gate)
}

#[tokio::test]
async fn what_takes_too_long_is_given_up_as_a_whole() {
    let limits = Limits { request_timeout: Duration::from_millis(20), ..Limits::default() };
    let (app, gate) = gated(limits, EngineOptions::default()).await;
    for (path, body) in [
        ("/v1/annotate", json!({"text": "Kyiv"})),
        ("/v1/annotate", json!({"documents": [{"text": "Kyiv"}, {"text": "Kyiv"}, 3]})),
        ("/v1/hf/fake", json!({"inputs": ["Kyiv", ""]})),
    ] {
        let (status, _, body) = send(app.clone(), post(path, &[], body.to_string())).await;
        let problem: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((status.as_u16(), &problem["code"]), (504, &json!("deadline_exceeded")), "{problem}");
    }
    drop(gate);
}

#[tokio::test]
async fn a_service_that_is_full_says_so_at_once() {
    let options = EngineOptions { queue_bytes: 1024, ..EngineOptions::default() };
    let (app, gate) = gated(Limits::default(), options).await;
    let ask = |path: &str, field: &str| post(path, &[], json!({field: "Kyiv"}).to_string());
    let first = tokio::spawn(send(app.clone(), ask("/v1/annotate", "text")));
    let (_, _, metrics) = loop {
        let answer = send(app.clone(), Request::get("/metrics").body(Body::empty()).unwrap()).await;
        if String::from_utf8_lossy(&answer.2).contains("phase_seconds_count{phase=\"wait\",lane=\"interactive\"} 1") {
            break answer;
        }
        tokio::task::yield_now().await;
    };
    drop(metrics);
    // Hugging Face's clients take 503 for a model that is being loaded, and one of them asks again without end.
    for (path, field, expected) in [("/v1/annotate", "text", 503), ("/v1/hf/fake", "inputs", 429)] {
        let (status, headers, _) = send(app.clone(), ask(path, field)).await;
        assert_eq!(status.as_u16(), expected, "{path}");
        assert_eq!(headers["retry-after"], "1");
    }
    drop(gate);
    assert_eq!(first.await.unwrap().0, StatusCode::OK);
    assert_eq!(send(app, ask("/v1/annotate", "text")).await.0, StatusCode::OK);
}

/// Once a client that waited for the answer to its line was told that it was silent for too long.
#[tokio::test(start_paused = true)]
async fn whose_turn_it_is_not_may_be_silent() {
    let idle = Duration::from_secs(60);
    let (app, gate) = gated(Limits { idle_timeout: idle, ..Limits::default() }, EngineOptions::default()).await;
    let (lines, sent) = mpsc::channel::<Result<Bytes, Infallible>>(1);
    let body = Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(sent));
    let request = Request::post("/v1/annotate").header(header::CONTENT_TYPE, "application/x-ndjson").body(body);
    let response = app.oneshot(request.unwrap()).await.unwrap();
    let mut answers = response.into_body().into_data_stream();
    lines.send(Ok(Bytes::from_static(b"{\"text\":\"Kyiv\"}\n"))).await.unwrap();
    tokio::time::sleep(5 * idle).await;
    drop(gate);
    let answer = answers.next().await.unwrap().unwrap();
    assert!(answer.starts_with(b"{\"mentions\":[{"), "{answer:?}");
    // Now it is.
    let last = answers.next().await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&last).contains("\"status\":408"), "{last:?}");
    drop(lines);
}
