//! One NDJSON stream: sends lines and reads their answers at the same time.

use std::collections::VecDeque;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;

use crate::client::{BODY_END, CHUNK_END, Connection, Target, chunk_start};
use crate::response::LineHeads;

/// Lines are gathered up to this size before they are written.
const WRITE_BYTES: usize = 16 << 10;
/// Digits and line end that open a chunk.
const CHUNK_START: usize = 10;
/// How the answer to a bad line begins.
const ERROR: &[u8] = b"{\"line\":";
/// How long a stream may be without any answer, once it waits for one.
const PATIENCE: Duration = Duration::from_secs(120);

/// What came of a stream.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Report {
    /// Lines sent.
    pub(crate) sent: u64,
    /// Lines that came back.
    pub(crate) answered: u64,
    /// Those of them that say that something was wrong.
    pub(crate) errors: u64,
    /// Bytes sent, without framing.
    pub(crate) bytes: u64,
    /// From the connection to the end of the answer.
    pub(crate) elapsed: Duration,
}

impl Report {
    /// What is wrong with it, if every line should have been answered well.
    pub(crate) fn fault(&self) -> Option<String> {
        let Self { sent, answered, errors, .. } = self;
        (sent != answered || *errors > 0).then(|| format!("{sent} lines sent, {answered} answered, {errors} errors"))
    }
}

/// What has been sent and not answered.
struct Flight {
    /// The sizes of the lines, if anyone asks for them.
    lines: Option<Mutex<VecDeque<usize>>>,
    bytes: AtomicUsize,
    limit: usize,
    sent: AtomicU64,
    landed: Notify,
}

impl Flight {
    fn take_off(&self, bytes: usize) {
        self.sent.fetch_add(1, Ordering::Relaxed);
        if let Some(lines) = &self.lines {
            lines.lock().expect("nobody panics with the lock").push_back(bytes);
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    fn land(&self) {
        if let Some(lines) = &self.lines {
            let bytes = lines.lock().expect("nobody panics with the lock").pop_front().unwrap_or(0);
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.landed.notify_one();
        }
    }

    fn is_full(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) >= self.limit
    }
}

/// Sends the lines that `line` appends to its buffer, given their numbers from 0, until it appends none; reads the
/// answers and hands the number and the beginning of each to `seen`. At most about `in_flight` bytes are sent and not
/// answered.
pub(crate) async fn run(
    target: &Target,
    in_flight: Option<usize>,
    line: impl FnMut(u64, &mut Vec<u8>),
    mut seen: impl FnMut(u64, &[u8]),
) -> io::Result<Report> {
    let start = Instant::now();
    let mut connection = Connection::open(target).await?;
    let flight = Flight {
        lines: in_flight.map(|_| Mutex::new(VecDeque::new())),
        bytes: AtomicUsize::new(0),
        limit: in_flight.unwrap_or(usize::MAX),
        sent: AtomicU64::new(0),
        landed: Notify::new(),
    };
    let head = target.post_head("", "application/x-ndjson", "Transfer-Encoding: chunked\r\n");
    let mut report = Report::default();
    let Connection { reader, writer } = &mut connection;
    let sending = async {
        writer.write_all(&head).await?;
        send(writer, &flight, line).await
    };
    let reading = async {
        let head = reader.head().await?;
        if head.status != 200 {
            let body = reader.body(1 << 20).await?;
            let body = String::from_utf8_lossy(&body);
            return Err(io::Error::other(format!("the stream was answered with {}: {body}", head.status)));
        }
        let mut lines = LineHeads::default();
        let (mut answered, mut errors) = (0, 0);
        while let Some(piece) = quick(reader.piece()).await? {
            lines.push(piece, |head| {
                errors += u64::from(head.starts_with(ERROR));
                seen(answered, head);
                answered += 1;
                flight.land();
            });
        }
        if lines.is_within_line() {
            return Err(io::Error::other("the answer ended within a line"));
        }
        Ok((answered, errors))
    };
    // An answer that ends early ends the sending too, and says more than the write that fails then.
    let (mut sending, mut reading) = (std::pin::pin!(sending), std::pin::pin!(reading));
    let read = tokio::select! {
        biased;
        read = &mut reading => read,
        sent = &mut sending => match (sent, reading.await) {
            (Ok(bytes), read) => {
                report.bytes = bytes;
                read
            }
            (Err(_), Err(error)) | (Err(error), Ok(_)) => Err(error),
        },
    };
    (report.answered, report.errors) = read?;
    report.sent = flight.sent.load(Ordering::Relaxed);
    report.elapsed = start.elapsed();
    Ok(report)
}

/// Sends all lines, and says how many bytes they were.
async fn send(
    writer: &mut OwnedWriteHalf,
    flight: &Flight,
    mut line: impl FnMut(u64, &mut Vec<u8>),
) -> io::Result<u64> {
    let mut buffer = Vec::with_capacity(2 * WRITE_BYTES);
    let (mut number, mut bytes, mut more) = (0, 0, true);
    while more {
        buffer.clear();
        buffer.resize(CHUNK_START, b'0');
        while buffer.len() < WRITE_BYTES && !flight.is_full() {
            let before = buffer.len();
            line(number, &mut buffer);
            if buffer.len() == before {
                more = false;
                break;
            }
            flight.take_off(buffer.len() - before);
            number += 1;
        }
        let length = buffer.len() - CHUNK_START;
        if length > 0 {
            buffer[..CHUNK_START].copy_from_slice(chunk_start(length).as_bytes());
            buffer.extend_from_slice(CHUNK_END);
            writer.write_all(&buffer).await?;
            bytes += length as u64;
        } else if more {
            flight.landed.notified().await;
        }
    }
    writer.write_all(BODY_END).await?;
    Ok(bytes)
}

async fn quick<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let silent = || io::Error::new(io::ErrorKind::TimedOut, format!("no answer came for {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(silent()))
}

/// Texts as lines that go round and round, numbered as they are sent.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    rests: Vec<Vec<u8>>,
}

impl Lines {
    /// Lines of `texts`.
    pub(crate) fn new(texts: &[String]) -> Self {
        Self { rests: texts.iter().map(|text| crate::texts::line_rest(text)).collect() }
    }

    /// Which text is the line `number` of a stream that begins with the text `first`.
    pub(crate) fn text_of(&self, first: usize, number: u64) -> usize {
        (first + usize::try_from(number).expect("lines are countable")) % self.rests.len()
    }

    /// Appends that line.
    pub(crate) fn append(&self, first: usize, number: u64, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(format!("{{\"id\":{number}").as_bytes());
        buffer.extend_from_slice(&self.rests[self.text_of(first, number)]);
    }
}
