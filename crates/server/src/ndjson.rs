//! A stream of lines in, a stream of lines out, in the same order: each line is answered by one line, empty ones by
//! none. Both run at once and each holds the other back, so a body may be larger than memory. The price is that a
//! client must read while it sends; one that does not gets, after the idle time, what there is and a line that says so.
//!
//! An answer that cannot be finished never looks finished: it ends with an error line, or, if even that cannot be
//! written, as a broken connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::Stream;

use crate::body::{Incoming, Line, Lines, utf8};
use crate::options::Options;
use crate::problem::{Code, Problem};
use crate::wire::{BadDocument, Document, LineError, Parsed, parse_line};
use crate::worker::{ChunkSize, Pending, Worker};

/// Chunks of one stream that are read and wait for the model or the writer.
const CHUNKS_AHEAD: usize = 2;
/// Finished pieces of the answer that wait for the client.
const PIECES_AHEAD: usize = 2;

/// How a stream is worked on.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) worker: Worker,
    pub(crate) options: Options,
    pub(crate) max_line_bytes: usize,
    pub(crate) idle: Duration,
}

/// The answer to the lines of `body`.
pub(crate) fn annotate(settings: Settings, body: Incoming) -> Body {
    let (chunks, read) = mpsc::channel(CHUNKS_AHEAD);
    let (pieces, written) = mpsc::channel(PIECES_AHEAD);
    let (end, ended) = oneshot::channel();
    let writer = Writer { pieces, options: settings.options.clone(), idle: settings.idle };
    let reader = Reader { lines: Lines::new(settings.max_line_bytes), chunk: Chunk::default(), chunks, settings };
    let writing = async move {
        let last = writer.run(read).await;
        // If the client is gone there is nobody to tell.
        let _ = end.send(last);
    };
    tokio::spawn(async move { tokio::join!(reader.run(body), writing) });
    Body::from_stream(Answer { written, ended: Some(ended) })
}

/// Lines that go to the model together, with the bad ones between them.
#[derive(Default)]
struct Chunk {
    lines: Vec<(usize, Parsed)>,
    size: ChunkSize,
}

/// A chunk on its way through the model; `None` where all its lines are bad.
struct Sent {
    lines: Vec<(usize, Parsed)>,
    pending: Option<Pending>,
}

/// The writer has gone: the client has, or it does not read.
struct WriterGone;

/// Reads lines and hands chunks of them to the model.
struct Reader {
    lines: Lines,
    chunk: Chunk,
    chunks: mpsc::Sender<Sent>,
    settings: Settings,
}

impl Reader {
    async fn run(mut self, mut body: Incoming) {
        if let Err(WriterGone) = self.read(&mut body).await {
            // A client that sends everything before it reads would wait for ever to be rid of the rest, and never come
            // to read why the answer stopped. If the client is gone this ends at once.
            while let Ok(Some(_)) = body.next().await {}
        }
    }

    async fn read(&mut self, body: &mut Incoming) -> Result<(), WriterGone> {
        loop {
            while let Some(line) = self.lines.next() {
                self.take(line).await?;
            }
            let piece = match body.next_if_here().await {
                Some(piece) => piece,
                None => {
                    // A client that waits for answers before it sends more must get them.
                    self.flush().await?;
                    let gone = self.chunks.clone();
                    tokio::select! {
                        piece = body.next() => piece,
                        () = gone.closed() => return Err(WriterGone),
                    }
                }
            };
            match piece {
                Ok(Some(bytes)) => self.lines.push(&bytes),
                Ok(None) => {
                    if let Some(line) = self.lines.finish() {
                        self.take(line).await?;
                    }
                    return self.flush().await;
                }
                Err(problem) => {
                    let number = self.lines.number();
                    self.chunk.lines.push((number, Err(BadDocument { id: None, problem })));
                    return self.flush().await;
                }
            }
        }
    }

    async fn take(&mut self, line: Line) -> Result<(), WriterGone> {
        let (number, parsed) = match line {
            Line::Whole(_, bytes) if bytes.trim_ascii().is_empty() => return Ok(()),
            Line::Whole(number, bytes) => (number, self.parse(number, &bytes)),
            Line::TooLong(number) => (number, Err(self.too_long())),
        };
        if let Ok(document) = &parsed
            && !self.chunk.size.admits(&document.text)
        {
            self.flush().await?;
            self.chunk.size.admits(&document.text);
        }
        self.chunk.lines.push((number, parsed));
        Ok(())
    }

    fn parse(&self, number: usize, bytes: &[u8]) -> Parsed {
        let line = utf8(bytes).map_err(|problem| {
            let problem = Problem { detail: format!("line {number}: {}", problem.detail), ..problem };
            BadDocument { id: None, problem }
        })?;
        parse_line(line, number, self.settings.options.include_text)
    }

    fn too_long(&self) -> BadDocument {
        let detail =
            format!("the line is longer than {} bytes, the limit of this service", self.settings.max_line_bytes);
        BadDocument { id: None, problem: Problem::new(Code::LineTooLarge, detail) }
    }

    async fn flush(&mut self) -> Result<(), WriterGone> {
        let Chunk { lines, .. } = std::mem::take(&mut self.chunk);
        if lines.is_empty() {
            return Ok(());
        }
        let good = lines.iter().filter_map(|(_, line)| line.as_ref().ok());
        let texts: Vec<_> = good.map(|document| document.text.clone()).collect();
        let pending = if texts.is_empty() { None } else { Some(self.settings.worker.submit(texts).await) };
        self.chunks.send(Sent { lines, pending }).await.map_err(|_| WriterGone)
    }
}

/// Waits for the model and writes.
struct Writer {
    pieces: mpsc::Sender<Bytes>,
    options: Options,
    idle: Duration,
}

impl Writer {
    /// Writes the answers to all chunks; the result is an error line to end with, if something went wrong.
    async fn run(self, mut chunks: mpsc::Receiver<Sent>) -> Option<Bytes> {
        while let Some(sent) = chunks.recv().await {
            let first = sent.lines.first().map_or(0, |(number, _)| *number);
            let answers = tokio::select! {
                answers = self.answer(sent) => answers,
                () = self.pieces.closed() => return None,
            };
            match tokio::time::timeout(self.idle, self.pieces.send(answers)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return None,
                Err(_) => return Some(self.not_reading(first)),
            }
        }
        None
    }

    /// The lines that answer a chunk.
    async fn answer(&self, sent: Sent) -> Bytes {
        let outcomes = match sent.pending {
            Some(pending) => pending.outcomes().await,
            None => Vec::new(),
        };
        let mut outcomes = outcomes.into_iter();
        let mut answers = Vec::new();
        for (number, parsed) in sent.lines {
            let answer = parsed.and_then(|document: Document| {
                document.answer(outcomes.next().expect("every text has an outcome"), &self.options)
            });
            match answer {
                Ok(annotated) => write_line(&mut answers, &annotated),
                Err(BadDocument { id, problem }) => {
                    write_line(&mut answers, &LineError { line: number, id, error: &problem });
                }
            }
        }
        Bytes::from(answers)
    }

    fn not_reading(&self, line: usize) -> Bytes {
        let detail = format!(
            "the answer was not read for {} seconds and stops here; read it while sending, or send fewer lines at once",
            self.idle.as_secs_f64()
        );
        let mut last = Vec::new();
        write_line(&mut last, &LineError { line, id: None, error: &Problem::new(Code::Timeout, detail) });
        Bytes::from(last)
    }
}

fn write_line(lines: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(&mut *lines, value).expect("answers are plain JSON, and a vector takes them all");
    lines.push(b'\n');
}

/// The body of the answer: the pieces, then the last line if there is one.
struct Answer {
    written: mpsc::Receiver<Bytes>,
    /// What the task that writes said at its end; without a word it has died, and the answer must not look complete.
    ended: Option<oneshot::Receiver<Option<Bytes>>>,
}

impl Stream for Answer {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(piece) = std::task::ready!(self.written.poll_recv(context)) {
            return Poll::Ready(Some(Ok(piece)));
        }
        let Some(ended) = self.ended.as_mut() else { return Poll::Ready(None) };
        let last = std::task::ready!(Pin::new(ended).poll(context));
        self.ended = None;
        Poll::Ready(match last {
            Ok(last) => last.map(Ok),
            Err(_) => Some(Err(io::Error::other("the answer could not be finished"))),
        })
    }
}
