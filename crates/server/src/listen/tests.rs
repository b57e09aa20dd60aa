//! The limits over real sockets. Only the limit under test is short; nothing here waits for time to pass but for the
//! server to act, and [`within`] turns a server that does not into a failure.

mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use super::{ListenError, ListenOptions, Tls, TlsFiles, run};

/// For a limit that is to be reached.
const SHORT: Duration = Duration::from_millis(50);
/// For a limit that is not, and for what must happen before a test is given up.
const LONG: Duration = Duration::from_secs(60);
/// More than the system's buffers on both sides take.
const LARGE: usize = 48 << 20;

/// Requests to `/gate` stand before it until it is opened, and say that they do.
struct Gate {
    reached: Semaphore,
    open: Semaphore,
}

struct Running {
    address: SocketAddr,
    gate: Arc<Gate>,
    tls: Option<Tls>,
    stop: watch::Sender<bool>,
    server: JoinHandle<Result<(), ListenError>>,
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Stops the server and hands back what it said at its end.
    async fn stopped(self) -> Result<(), ListenError> {
        self.stop.send_replace(true);
        within(self.server).await.unwrap()
    }
}

fn options() -> ListenOptions {
    ListenOptions { max_connections: 100, header_timeout: LONG, write_timeout: LONG, drain_timeout: LONG }
}

fn start(options: ListenOptions) -> Running {
    start_with(options, None)
}

fn start_with(options: ListenOptions, files: Option<&TlsFiles>) -> Running {
    let gate = Arc::new(Gate { reached: Semaphore::new(0), open: Semaphore::new(0) });
    let before = Arc::clone(&gate);
    let passing = || async move {
        before.reached.add_permits(1);
        before.open.acquire().await.unwrap().forget();
        "passed"
    };
    let router = Router::new()
        .route("/peer", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }))
        .route("/large", get(|| async { vec![b'x'; LARGE] }))
        .route("/gate", get(passing));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopping) = watch::channel(false);
    let tls = files.map(|files| Tls::load(files).unwrap());
    let server = tokio::spawn(run(listener, router, options, tls.clone(), stopping));
    Running { address, gate, tls, stop, server }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future).await.expect("the server never did it")
}

async fn ask(stream: &mut (impl AsyncWrite + Unpin), path: &str) {
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
}

/// One answer: its head and its body.
async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> (String, String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within(stream.read_u8()).await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    within(stream.read_exact(&mut body)).await.unwrap();
    (head, String::from_utf8(body).unwrap())
}

/// Whatever still comes before the server ends the connection, be it in order or not.
async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = within(stream.read_to_end(&mut all)).await;
    all
}

#[tokio::test]
async fn a_handler_knows_its_peer() {
    let running = start(options());
    let mut client = running.connect().await;
    ask(&mut client, "/peer").await;
    let (head, body) = answer(&mut client).await;
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert_eq!(body, client.local_addr().unwrap().to_string());
    running.stopped().await.unwrap();
}

#[tokio::test]
async fn a_head_that_trickles_in_is_cut_off() {
    let running = start(ListenOptions { header_timeout: SHORT, ..options() });
    let mut client = running.connect().await;
    client.write_all(b"GET /peer HTTP/1.1\r\nx-slow: ").await.unwrap();
    let mut byte = [0];
    let trickling = async {
        let pace = SHORT / 10;
        while tokio::time::timeout(pace, client.read(&mut byte)).await.is_err() {
            // The server may end the connection between the look and this.
            let _ = client.write_all(b"x").await;
        }
    };
    within(trickling).await;
    assert_eq!(byte, [0], "nothing is said to it");
    running.stopped().await.unwrap();
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_cut_off() {
    let running = start(ListenOptions { header_timeout: SHORT, ..options() });
    let mut client = running.connect().await;
    assert_eq!(rest(&mut client).await, b"");
    running.stopped().await.unwrap();
}

#[tokio::test]
async fn an_idle_kept_alive_connection_is_closed() {
    // Time enough for the request itself, also on a machine that is busy.
    let running = start(ListenOptions { header_timeout: 10 * SHORT, ..options() });
    let mut client = running.connect().await;
    ask(&mut client, "/peer").await;
    answer(&mut client).await;
    assert_eq!(rest(&mut client).await, b"");
    running.stopped().await.unwrap();
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let running = start(options());
    let mut client = running.connect().await;
    let mut head = b"GET /peer HTTP/1.1\r\nx-long: ".to_vec();
    head.resize(super::connection::BUFFER_BYTES, b'x');
    client.write_all(&head).await.unwrap();
    let refusal = String::from_utf8(rest(&mut client).await).unwrap();
    assert!(refusal.starts_with("HTTP/1.1 431 "), "{refusal}");
    running.stopped().await.unwrap();
}

#[tokio::test]
async fn a_peer_that_takes_nothing_is_cut_off_while_others_are_served() {
    let running = start(ListenOptions { write_timeout: SHORT, ..options() });
    let mut deaf = running.connect().await;
    ask(&mut deaf, "/large").await;
    within(deaf.readable()).await.unwrap();
    let mut other = running.connect().await;
    ask(&mut other, "/peer").await;
    answer(&mut other).await;

    // A drain within its time means that no connection was left to cut off, though one has read nothing yet.
    running.stopped().await.unwrap();
    let received = rest(&mut deaf).await.len();
    assert!(received < LARGE, "{received}");
}

#[tokio::test]
async fn connections_over_the_limit_wait_their_turn() {
    let running = start(ListenOptions { max_connections: 2, ..options() });
    let mut first = running.connect().await;
    let mut second = running.connect().await;
    for client in [&mut first, &mut second] {
        ask(client, "/peer").await;
        answer(client).await;
    }
    let mut third = running.connect().await;
    ask(&mut third, "/peer").await;
    // Round trips enough for the server to have served the third, did it not hold it back.
    for _ in 0..50 {
        ask(&mut first, "/peer").await;
        answer(&mut first).await;
    }
    let held = third.try_read(&mut [0]).unwrap_err();
    assert_eq!(held.kind(), io::ErrorKind::WouldBlock);

    drop(first);
    assert_eq!(answer(&mut third).await.1, third.local_addr().unwrap().to_string());
    ask(&mut second, "/peer").await;
    answer(&mut second).await;
    running.stopped().await.unwrap();
}

#[tokio::test]
async fn a_stop_lets_requests_finish_and_takes_no_more() {
    let running = start(options());
    let mut idle = running.connect().await;
    ask(&mut idle, "/peer").await;
    answer(&mut idle).await;
    let mut busy = running.connect().await;
    ask(&mut busy, "/gate").await;
    within(running.gate.reached.acquire()).await.unwrap().forget();

    running.stop.send_replace(true);
    assert_eq!(rest(&mut idle).await, b"");
    // The listener closes in the same breath, but in no order that can be seen from here.
    let refused = async { while TcpStream::connect(running.address).await.is_ok() {} };
    within(refused).await;
    assert!(!running.server.is_finished());

    running.gate.open.add_permits(1);
    let (head, body) = answer(&mut busy).await;
    assert!(head.contains("connection: close"), "{head}");
    assert_eq!(body, "passed");
    assert_eq!(rest(&mut busy).await, b"");
    running.stopped().await.unwrap();
}

#[tokio::test]
async fn a_stop_cuts_off_what_outlives_the_drain() {
    let running = start(ListenOptions { drain_timeout: SHORT, ..options() });
    let mut busy = running.connect().await;
    ask(&mut busy, "/gate").await;
    within(running.gate.reached.acquire()).await.unwrap().forget();
    let error = running.stopped().await.unwrap_err();
    assert!(matches!(error, ListenError::CutOff(SHORT)), "{error}");
    assert_eq!(rest(&mut busy).await, b"");
}

#[tokio::test]
async fn an_announcer_that_is_gone_stops_nothing() {
    let Running { address, stop, server, .. } = start(options());
    drop(stop);
    let mut client = TcpStream::connect(address).await.unwrap();
    ask(&mut client, "/peer").await;
    answer(&mut client).await;
    assert!(!server.is_finished());
    server.abort();
}
