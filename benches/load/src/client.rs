//! Connections to the service and the requests that go over them, as bytes.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::response::{Head, ResponseReader};

/// The longest answer that is kept.
const MOST_BYTES: usize = 512 << 20;
/// How long an answer may take before it counts as none.
const PATIENCE: Duration = Duration::from_secs(240);

/// Where requests go.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The service's address.
    pub(crate) address: SocketAddr,
    /// Headers that every proper request has, each with its line end.
    pub(crate) headers: String,
}

impl Target {
    /// The service at `address`, with more headers, each `Name: value`.
    pub(crate) fn new(address: SocketAddr, headers: &[String]) -> Self {
        let more: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        Self { address, headers: format!("Host: {address}\r\n{more}") }
    }

    /// A request without a body.
    pub(crate) fn get(&self, path: &str) -> Vec<u8> {
        format!("GET {path} HTTP/1.1\r\n{}\r\n", self.headers).into_bytes()
    }

    /// The head of a request to annotate, with more headers such as the body's length.
    pub(crate) fn post_head(&self, query: &str, kind: &str, more: &str) -> Vec<u8> {
        let headers = &self.headers;
        format!("POST /v1/annotate{query} HTTP/1.1\r\n{headers}Content-Type: {kind}\r\n{more}\r\n").into_bytes()
    }

    /// A request to annotate with its body.
    pub(crate) fn post(&self, query: &str, kind: &str, body: &[u8]) -> Vec<u8> {
        let mut request = self.post_head(query, kind, &format!("Content-Length: {}\r\n", body.len()));
        request.extend_from_slice(body);
        request
    }

    /// A request to annotate one text.
    pub(crate) fn single(&self, text: &str) -> Vec<u8> {
        self.post("", "application/json", serde_json::json!({ "text": text }).to_string().as_bytes())
    }

    /// Asks over a connection of its own.
    pub(crate) async fn ask(&self, request: &[u8]) -> io::Result<Answer> {
        Connection::open(self).await?.ask(request).await
    }
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Status and headers.
    pub(crate) head: Head,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null if it is not.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The code of the problem that it is; empty if it is none.
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// What it is, in a few words.
    pub(crate) fn summary(&self) -> String {
        format!("{} {}", self.head.status, self.code()).trim_end().to_owned()
    }
}

/// A connection to the service.
#[derive(Debug)]
pub(crate) struct Connection {
    /// What comes.
    pub(crate) reader: ResponseReader<OwnedReadHalf>,
    /// What goes.
    pub(crate) writer: OwnedWriteHalf,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(target: &Target) -> io::Result<Self> {
        Self::of(timed(TcpStream::connect(target.address)).await?)
    }

    /// Connects with room for `bytes` of what comes and is not read.
    pub(crate) async fn open_narrow(target: &Target, bytes: u32) -> io::Result<Self> {
        let socket = if target.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_recv_buffer_size(bytes)?;
        Self::of(timed(socket.connect(target.address)).await?)
    }

    fn of(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let (reader, writer) = stream.into_split();
        Ok(Self { reader: ResponseReader::new(reader), writer })
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.exchange(async |writer| writer.write_all(request).await).await
    }

    /// Reads an answer.
    pub(crate) async fn answer(&mut self) -> io::Result<Answer> {
        timed(read_answer(&mut self.reader)).await
    }

    /// Reads the answer to what `send` sends while it does. If sending fails, the answer says why.
    pub(crate) async fn exchange(
        &mut self,
        send: impl AsyncFnOnce(&mut OwnedWriteHalf) -> io::Result<()>,
    ) -> io::Result<Answer> {
        let Self { reader, writer } = self;
        let work = async {
            let mut answer = pin!(read_answer(reader));
            tokio::select! {
                biased;
                answer = &mut answer => return answer,
                _sent = send(writer) => {}
            }
            answer.await
        };
        timed(work).await
    }
}

async fn read_answer(reader: &mut ResponseReader<OwnedReadHalf>) -> io::Result<Answer> {
    let head = reader.head().await?;
    let body = reader.body(MOST_BYTES).await?;
    Ok(Answer { head, body })
}

/// What `work` gives, unless it takes for ever.
pub(crate) async fn timed<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match timeout(PATIENCE, work).await {
        Ok(result) => result,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("nothing came for {} s", PATIENCE.as_secs()))),
    }
}

/// Asks over one connection for as long as it lasts, then over another.
#[derive(Debug)]
pub(crate) struct KeptAlive {
    target: Target,
    connection: Option<Connection>,
}

impl KeptAlive {
    /// Not connected yet.
    pub(crate) const fn new(target: Target) -> Self {
        Self { target, connection: None }
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(&self.target).await?,
        };
        let answer = connection.ask(request).await?;
        if !answer.head.closes() {
            self.connection = Some(connection);
        }
        Ok(answer)
    }
}

/// Opens a chunk of `length` bytes of a chunked body.
pub(crate) fn chunk_start(length: usize) -> String {
    format!("{length:08x}\r\n")
}
/// Ends a chunk.
pub(crate) const CHUNK_END: &[u8] = b"\r\n";
/// Ends a chunked body.
pub(crate) const BODY_END: &[u8] = b"0\r\n\r\n";
