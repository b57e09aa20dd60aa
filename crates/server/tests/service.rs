//! The life of a service on a real socket: from not ready, through requests, to a shutdown that keeps its word.

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap like the tests themselves")]

mod common;

use std::fs;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use common::Fake;
use dateline_engine::EngineOptions;
use dateline_server::keys::KeyFile;
use dateline_server::{Limits, ServerConfig, Service, ServiceError};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

const HEALTH: &str = "GET /health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

fn annotate(text: &str, headers: &str) -> String {
    let body = json!({"text": text}).to_string();
    let length = body.len();
    format!(
        "POST /v1/annotate HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
}

/// A running service whose model stops at a gate before each batch.
struct Running {
    address: SocketAddr,
    metrics: Option<SocketAddr>,
    entered: mpsc::UnboundedReceiver<()>,
    gate: Option<std::sync::mpsc::Sender<()>>,
    stop: oneshot::Sender<()>,
    reload: mpsc::Sender<()>,
    end: JoinHandle<Result<(), ServiceError>>,
}

impl Running {
    fn start(config: ServerConfig) -> Self {
        let (gate, stopped) = std::sync::mpsc::channel();
        let (enter, entered) = mpsc::unbounded_channel();
        let stopped = Mutex::new(stopped);
        let model = Fake::with_gate(move || {
            let _ = enter.send(());
            let _ = stopped.lock().unwrap_or_else(PoisonError::into_inner).recv();
        });
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let service = Service::bind(model.engine(EngineOptions::default()), ServerConfig { listen, ..config }).unwrap();
        let (address, metrics) = (service.address(), service.metrics_address());
        let (stop, shutdown) = oneshot::channel::<()>();
        let (reload, reloads) = mpsc::channel(1);
        let end = tokio::spawn(service.run(async { shutdown.await.unwrap() }, reloads));
        Self { address, metrics, entered, gate: Some(gate), stop, reload, end }
    }

    async fn entered(&mut self) {
        self.entered.recv().await.unwrap();
    }

    fn step(&self) {
        self.gate.as_ref().unwrap().send(()).unwrap();
    }

    /// Waits until the service says that it is ready, or that it is not.
    async fn until(&self, status: &str) {
        while !exchange(self.address, HEALTH).await.starts_with(status) {}
    }
}

#[tokio::test]
async fn a_service_lives_from_the_first_request_to_the_last() {
    let limits = Limits { drain_timeout: Duration::from_secs(3600), ..Limits::default() };
    let mut running = Running::start(ServerConfig { limits, ..ServerConfig::default() });
    let address = running.address;
    running.entered().await;
    assert!(exchange(address, HEALTH).await.starts_with("HTTP/1.1 503 "));
    running.step();
    running.until("HTTP/1.1 200 ").await;

    // The model's thread panics: its text gets a 500, and the service is not ready until the next one is warm.
    let failing = tokio::spawn(async move { exchange(address, &annotate("PANIC", "")).await });
    running.entered().await;
    running.step();
    assert!(failing.await.unwrap().starts_with("HTTP/1.1 500 "));
    running.entered().await;
    running.until("HTTP/1.1 503 ").await;
    running.step();
    running.until("HTTP/1.1 200 ").await;

    // The shutdown begins while the model works on a request: the request is still answered.
    let last = tokio::spawn(async move { exchange(address, &annotate("Kyiv", "")).await });
    running.entered().await;
    running.stop.send(()).unwrap();
    drop(running.gate.take());
    let last = last.await.unwrap();
    assert!(last.starts_with("HTTP/1.1 200 ") && last.contains("\"Kyiv\""), "{last}");
    running.end.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_ever() {
    let limits = Limits { drain_timeout: Duration::from_millis(1), ..Limits::default() };
    let mut running = Running::start(ServerConfig { limits, ..ServerConfig::default() });
    running.entered().await;
    running.step();
    running.until("HTTP/1.1 200 ").await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(annotate("Kyiv", "").as_bytes()).await.unwrap();
    running.entered().await;
    running.stop.send(()).unwrap();
    assert!(running.end.await.unwrap().unwrap_err().to_string().contains("1ms"));
}

/// Probes and metrics have an address of their own, without a key; the rest wants one, and takes new ones at a reload.
#[tokio::test]
async fn keys_are_wanted_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.toml");
    let mut file = KeyFile::default();
    let old = file.add("cms", None).unwrap();
    file.write(&path).unwrap();
    let config = ServerConfig {
        keys: Some(path.clone()),
        metrics_listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        ..ServerConfig::default()
    };
    let mut running = Running::start(config);
    let address = running.address;
    running.entered().await;
    drop(running.gate.take());
    running.until("HTTP/1.1 200 ").await;

    let with = |key: &str| annotate("Kyiv", &format!("Authorization: Bearer {key}\r\n"));
    let refused = exchange(address, &annotate("Kyiv", "")).await;
    assert!(refused.starts_with("HTTP/1.1 401 ") && refused.to_lowercase().contains("www-authenticate: bearer"));
    assert!(exchange(address, &with("dl_wrong")).await.starts_with("HTTP/1.1 401 "));
    assert!(exchange(address, &with(old.reveal())).await.starts_with("HTTP/1.1 200 "));

    let new = file.add("desk", None).unwrap();
    file.remove("cms").unwrap();
    file.write(&path).unwrap();
    running.reload.send(()).await.unwrap();
    while !exchange(address, &with(new.reveal())).await.starts_with("HTTP/1.1 200 ") {}
    assert!(exchange(address, &with(old.reveal())).await.starts_with("HTTP/1.1 401 "));

    // A file that is broken while it is edited locks nobody out.
    fs::write(&path, "keys = nonsense").unwrap();
    running.reload.send(()).await.unwrap();
    running.reload.send(()).await.unwrap();
    assert!(exchange(address, &with(new.reveal())).await.starts_with("HTTP/1.1 200 "));

    let metrics = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert!(exchange(address, metrics).await.starts_with("HTTP/1.1 401 "));
    let shown = exchange(running.metrics.unwrap(), metrics).await;
    for line in [
        "dateline_http_requests_total{route=\"/v1/annotate\",method=\"POST\",status=\"401\"}",
        "dateline_engine_texts_total{model=\"fake\",lane=\"interactive\",outcome=\"answered\"}",
        "dateline_engine_device_ready{device=\"cpu\"} 1",
        "dateline_engine_phase_seconds_bucket",
    ] {
        assert!(shown.contains(line), "{line} is not in {shown}");
    }
    running.stop.send(()).unwrap();
    running.end.await.unwrap().unwrap();
}
