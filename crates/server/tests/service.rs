//! The life of a service on a real socket: from not ready, through requests, to a shutdown that keeps its word.

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap like the tests themselves")]

mod common;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use common::Fake;
use dateline_server::{Annotate, AnnotateError, Observer, ServerConfig, serve};
use dateline_text::{Label, Mention};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

/// Tells where the service listens and when its model is ready.
struct Ears {
    address: Mutex<Option<oneshot::Sender<SocketAddr>>>,
    ready: mpsc::UnboundedSender<()>,
    failures: mpsc::UnboundedSender<String>,
}

impl Observer for Ears {
    fn listening(&self, address: SocketAddr) {
        let sender = self.address.lock().unwrap_or_else(PoisonError::into_inner).take();
        sender.unwrap().send(address).unwrap();
    }

    fn ready(&self) {
        self.ready.send(()).unwrap();
    }

    fn model_failed(&self, detail: &str) {
        self.failures.send(detail.to_owned()).unwrap();
    }
}

async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Waits at a gate before it annotates, so that a test decides when the model is warm and when it is done.
struct Gated {
    inner: Fake,
    gate: Mutex<std::sync::mpsc::Receiver<()>>,
    entered: mpsc::UnboundedSender<()>,
}

impl Annotate for Gated {
    fn model(&self) -> &str {
        self.inner.model()
    }

    fn labels(&self) -> &[Label] {
        self.inner.labels()
    }

    fn annotate_all(&self, texts: &[&str]) -> Result<Vec<Vec<Mention>>, AnnotateError> {
        let _ = self.entered.send(());
        let _ = self.gate.lock().unwrap_or_else(PoisonError::into_inner).recv();
        self.inner.annotate_all(texts)
    }
}

#[tokio::test]
async fn a_service_lives_from_the_first_request_to_the_last() {
    let (address, bound) = oneshot::channel();
    let (ready, mut is_ready) = mpsc::unbounded_channel();
    let (failures, mut failed) = mpsc::unbounded_channel();
    let ears = Ears { address: Mutex::new(Some(address)), ready, failures };
    let (open, gate) = std::sync::mpsc::channel();
    let (entered, mut has_entered) = mpsc::unbounded_channel();
    let model = Gated { inner: Fake::new(), gate: Mutex::new(gate), entered };
    let config = ServerConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        observer: Arc::new(ears),
        shutdown_grace: Duration::from_secs(3600),
        ..ServerConfig::default()
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let service = tokio::spawn(serve(model, config, async { stopped.await.unwrap() }));
    let address = bound.await.unwrap();

    let health = "GET /health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert!(exchange(address, health).await.starts_with("HTTP/1.1 503 "));
    open.send(()).unwrap();
    is_ready.recv().await.unwrap();
    assert!(exchange(address, health).await.starts_with("HTTP/1.1 200 "));
    has_entered.recv().await.unwrap();

    let annotate = |text: &str| {
        let body = json!({"text": text}).to_string();
        let length = body.len();
        format!("POST /v1/annotate HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    let failing = annotate("PANIC");
    let failing = tokio::spawn(async move { exchange(address, &failing).await });
    has_entered.recv().await.unwrap();
    open.send(()).unwrap();
    assert!(failing.await.unwrap().starts_with("HTTP/1.1 500 "));
    assert_eq!(failed.recv().await.unwrap(), "the model panicked: told to panic");

    // The shutdown begins while the model works on a request: the request is still answered.
    let last = annotate("Kyiv");
    let last = tokio::spawn(async move { exchange(address, &last).await });
    has_entered.recv().await.unwrap();
    stop.send(()).unwrap();
    open.send(()).unwrap();
    let last = last.await.unwrap();
    assert!(last.starts_with("HTTP/1.1 200 ") && last.contains("\"Kyiv\""), "{last}");
    service.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_ever() {
    let (open, gate) = std::sync::mpsc::channel();
    let (entered, mut has_entered) = mpsc::unbounded_channel();
    let (address, bound) = oneshot::channel();
    let ears = Ears {
        address: Mutex::new(Some(address)),
        ready: mpsc::unbounded_channel().0,
        failures: mpsc::unbounded_channel().0,
    };
    let model = Gated { inner: Fake::new(), gate: Mutex::new(gate), entered };
    let config = ServerConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        observer: Arc::new(ears),
        shutdown_grace: Duration::from_millis(1),
        ..ServerConfig::default()
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let service = tokio::spawn(serve(model, config, async { stopped.await.unwrap() }));
    let mut stream = TcpStream::connect(bound.await.unwrap()).await.unwrap();
    stream
        .write_all(b"POST /v1/annotate HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n{\"text\":\"\"}")
        .await
        .unwrap();
    has_entered.recv().await.unwrap();
    stop.send(()).unwrap();
    let result = service.await.unwrap();
    assert!(result.unwrap_err().to_string().contains("1ms"));
    drop(open);
}
