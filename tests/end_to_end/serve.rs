//! `dateline serve` as its callers and its supervisor see it.

use std::fmt::Write;
use std::net::TcpListener;

use dateline_tests::{Server, planted_text};
use serde_json::json;

use crate::{mentions, tiny};

/// What a load balancer and a supervisor need: ready when it can answer, and gone, well, when it is told to go.
#[test]
fn it_says_when_it_is_ready_and_ends_when_it_is_told_to() {
    let server = Server::start(&tiny(), &[]);
    assert_eq!(server.get("/health/live").status, 200);
    assert_eq!(server.get("/health/ready").status, 200);
    assert_eq!(server.get("/").content_type, "text/html");
    assert_eq!(server.terminate(), Some(0));
}

/// A stream goes out line by line in the order in which it came in, a bad line in its place; and each line is what
/// `dateline annotate` writes for it.
#[test]
fn a_stream_of_lines_is_answered_in_its_order() {
    let server = Server::start(&tiny(), &[]);
    let mut body = String::new();
    for id in 0..50 {
        writeln!(body, "{}", json!({"id": id, "text": planted_text(id * 3).text})).unwrap();
    }
    body.push_str("no JSON\n{\"id\":\"last\",\"text\":\"Kyiv\"}\n");
    let answer = server.post("/v1/annotate", "application/x-ndjson", body.clone());
    assert_eq!((answer.status, answer.content_type.as_str()), (200, "application/x-ndjson"));
    let lines = answer.lines();
    assert_eq!(lines.len(), 52);
    let by_pipe = tiny().run(["annotate", "--input", "jsonl"], body).with_code(1).lines();
    assert_eq!(lines[..50], by_pipe[..50]);
    assert_eq!(lines[51], by_pipe[51]);
    assert!(lines[50].get("error").is_some() && lines[50]["line"] == 51, "{}", lines[50]);
}

/// Callers at the same time get their own texts' mentions, and the same ones as alone.
#[test]
fn callers_at_the_same_time_do_not_mix() {
    let server = Server::start(&tiny(), &["--threads", "2"]);
    let texts: Vec<_> = (1..=8).map(|index| planted_text(index * 40).text).collect();
    let alone: Vec<_> = texts.iter().map(|text| server.annotate(text, "")).collect();
    std::thread::scope(|scope| {
        for (text, alone) in texts.iter().zip(&alone) {
            let server = &server;
            scope.spawn(move || {
                for _ in 0..4 {
                    assert_eq!(mentions(&server.annotate(text, "")), mentions(alone));
                }
            });
        }
    });
}

/// An error of a caller is a problem detail that says what to do, and the service goes on.
#[test]
fn a_bad_request_is_a_problem_detail() {
    let server = Server::start(&tiny(), &[]);
    for body in ["", "{", "[]", "{\"txt\":\"a\"}", "{\"text\":5}", "{\"text\":\"\\ud800\"}"] {
        let answer = server.post("/v1/annotate", "application/json", body);
        assert_eq!((answer.status / 100, answer.content_type.as_str()), (4, "application/problem+json"), "{body}");
        assert!(answer.json()["detail"].is_string(), "{}", answer.body);
    }
    assert_eq!(mentions(&server.annotate("", "")).len(), 0);
}

/// Two services on one port: the second says so and how to choose another.
#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let finished = tiny().run(["serve", "--listen", &address], "").with_code(1);
    assert!(finished.stderr.contains(&address) && finished.stderr.contains("--listen"), "{}", finished.stderr);
}

/// Stories are other people's secrets until they are printed: whatever goes wrong, no word of one gets into the log.
#[test]
fn the_log_never_holds_a_text() {
    let server = Server::start(&tiny(), &["--log-level", "debug", "--log-format", "json"]);
    let secret = "Varosh-Quelle-77";
    let json = "application/json";
    for (path, kind, body) in [
        ("/v1/annotate", json, json!({"text": secret}).to_string()),
        ("/v1/annotate", json, json!({"documents": [{"id": secret, "text": secret}, secret]}).to_string()),
        ("/v1/annotate", json, format!("{{\"text\": \"{secret}")),
        ("/v1/annotate", json, format!("{{\"text\": \"{secret}\", \"{secret}\": 1}}")),
        ("/v1/annotate", json, json!({"text": "", "labels": [secret]}).to_string()),
        ("/v1/annotate", "application/x-ndjson", format!("{{\"text\": \"{secret}\"}}\n{secret}\n")),
        (&format!("/v1/annotate?{secret}={secret}"), json, "{}".to_owned()),
        (&format!("/v1/hf/{secret}"), json, json!({"inputs": secret}).to_string()),
        (&format!("/{secret}"), secret, secret.to_owned()),
    ] {
        let _ = server.post(path, kind, body);
    }
    for _ in 0..9 {
        server.wait_until_said("\"answered\"");
    }
    let said = server.said().join("\n");
    assert!(!said.contains(secret), "{said}");
    assert!(said.contains("\"route\":\"/v1/hf/{*model}\"") && said.contains("\"request_id\":\""), "{said}");
}

/// Options that a service may be given: two models, each by its name.
#[test]
fn several_models_are_served_by_name() {
    let tiny_folder = dateline_tests::tiny_model();
    let other = format!("other={}", tiny_folder.display());
    let first = format!("first={}", tiny_folder.display());
    let server = Server::start(&tiny(), &["--model", &first, "--model", &other]);
    let models = server.get("/v1/models").json();
    let names: Vec<_> = models["models"].as_array().unwrap().iter().map(|model| &model["name"]).collect();
    assert_eq!(names, ["first", "other"]);
    for (query, name) in [("", "first"), ("?model=other", "other")] {
        assert_eq!(server.annotate("Kyiv", query)["model"], name);
    }
    assert_eq!(server.post("/v1/hf/other", "application/json", "{\"inputs\":\"Kyiv\"}").status, 200);
}
