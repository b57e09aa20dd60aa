//! Traces from the real binary to a collector, in a build with the feature `otlp`. Without this the spans could stop, or
//! begin to quote stories, and nobody would know until somebody looked for one.

#![expect(clippy::unwrap_used, reason = "what helps a test may fail it, too")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread;

use dateline_tests::{Dateline, Server, tiny_model};
use serde_json::json;

/// Takes one request as a collector does, and gives its first line and its body.
fn collect(listener: &TcpListener) -> (String, Vec<u8>) {
    let (stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_lowercase());
    }
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    (head.swap_remove(0), body)
}

#[test]
fn an_endpoint_that_cannot_be_sent_to_is_refused() {
    let dateline = Dateline::new(env!("CARGO_BIN_EXE_dateline")).with_model(tiny_model());
    let finished = dateline.run(["serve", "--otlp-endpoint", "https://collector:4318"], "").with_code(2);
    assert!(finished.stderr.contains("http://HOST:PORT"), "{}", finished.stderr);
}

#[test]
fn a_request_becomes_a_span_of_its_callers_trace() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let collector = thread::spawn(move || collect(&listener));
    let dateline = Dateline::new(env!("CARGO_BIN_EXE_dateline")).with_model(tiny_model());
    let server = Server::start(&dateline, &["--otlp-endpoint", &endpoint]);
    let secret = "Ilse Brandt of Port Almeda";
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let answer = ureq::post(format!("{}/v1/annotate", server.url()))
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
        .send(json!({"text": secret}).to_string())
        .unwrap();
    let own = answer.headers()["traceparent"].to_str().unwrap().to_owned();
    assert!(own.starts_with(&format!("00-{trace}-")) && own.ends_with("-01"), "{own}");
    assert_eq!(server.terminate(), Some(0), "the last spans are sent at the end");

    let (request, body) = collector.join().unwrap();
    assert!(request.starts_with("post /v1/traces "), "{request}");
    let holds = |part: &[u8]| body.windows(part.len()).any(|window| window == part);
    let bytes = |hex: &str| -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    };
    assert!(holds(&bytes(trace)), "the caller's trace");
    assert!(holds(&bytes(own.split('-').nth(2).unwrap())), "the span that the answer names");
    assert!(holds(b"POST /v1/annotate"), "its name");
    assert!(!holds(secret.as_bytes()), "a trace never holds a text");
}
