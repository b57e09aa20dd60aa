//! A stream of lines in, a stream of lines out, in the same order: each line is answered by one line, empty ones by
//! none. Both run at once and each holds the other back, so a body may be larger than memory. The price is that a
//! client must read while it sends; one that does not gets, after the idle time, what there is and a line that says so.
//!
//! Every line goes to the engine as soon as it is there, and so many bytes of lines are on their way as the engine gives
//! one caller. An answer that cannot be finished never looks finished: it ends with an error line, or, if even that
//! cannot be written, as a broken connection.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use dateline_engine::{Lane, Pending, Request};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_stream::Stream;

use crate::app::App;
use crate::body::{Incoming, Line, Lines, utf8};
use crate::options::Options;
use crate::problem::{Code, Problem};
use crate::request::aside;
use crate::room::Held;
use crate::wire::{BadDocument, Document, LineError, Parsed, parse_line};

/// Bytes that one permit of a stream's share stands for.
const UNIT: usize = 256;
/// A line of more bytes is counted in the memory for bodies while it is worked on.
const LONG_LINE: usize = 64 << 10;
/// Bytes at which a piece of the answer goes to the client; a smaller one goes when nothing follows at once.
const PIECE_BYTES: usize = 32 << 10;
/// Finished pieces of the answer that wait for the client.
const PIECES_AHEAD: usize = 2;

/// The answer to the lines of `body`.
pub(crate) fn annotate(app: App, options: Options, body: Incoming) -> Body {
    // The share bounds what is between the two, not the channel.
    let (lines, read) = mpsc::unbounded_channel();
    let (pieces, written) = mpsc::channel(PIECES_AHEAD);
    let (end, ended) = oneshot::channel();
    let idle = app.limits().idle_timeout;
    let options = Arc::new(options);
    let writer = Writer { pieces, options: Arc::clone(&options), idle, piece: Vec::new(), first: 0 };
    let units = app.engine().share_bytes() / UNIT;
    let reader = Reader {
        cutter: Lines::new(app.limits().max_body_bytes),
        share: Arc::new(Semaphore::new(units)),
        units,
        held: app.room().hold(),
        lines,
        app,
        options,
    };
    let writing = async move {
        let last = writer.run(read).await;
        // If the client is gone there is nobody to tell.
        let _ = end.send(last);
    };
    tokio::spawn(async move { tokio::join!(reader.run(body), writing) });
    Body::from_stream(Answer { written, ended: Some(ended) })
}

/// A line on its way through the engine.
struct Sent {
    number: usize,
    line: Result<(Document, Pending), BadDocument>,
    _share: Share,
}

/// What a line takes of the stream's share of the engine and, if it is long, of the memory for bodies.
#[derive(Default)]
struct Share {
    _units: Option<OwnedSemaphorePermit>,
    _held: Option<Held>,
}

/// The writer has gone: the client has, or it does not read.
struct WriterGone;

/// Reads lines and hands them to the engine.
struct Reader {
    cutter: Lines,
    share: Arc<Semaphore>,
    units: usize,
    /// Room for a long line while it comes.
    held: Held,
    lines: mpsc::UnboundedSender<Sent>,
    app: App,
    options: Arc<Options>,
}

impl Reader {
    async fn run(mut self, mut body: Incoming) {
        if let Err(WriterGone) = self.read(&mut body).await {
            drop(self);
            // A client that sends everything before it reads would wait for ever to be rid of the rest, and never come
            // to read why the answer stopped. If the client is gone this ends at once.
            while let Ok(Some(_)) = body.next().await {}
        }
    }

    async fn read(&mut self, body: &mut Incoming) -> Result<(), WriterGone> {
        loop {
            while let Some(line) = self.cutter.next() {
                self.take(line).await?;
            }
            if let Err(problem) = self.held.resize(self.cutter.bytes()) {
                return self.end_with(problem);
            }
            let piece = tokio::select! {
                piece = body.next() => piece,
                () = self.lines.closed() => return Err(WriterGone),
            };
            match piece {
                // It is not the client's turn while a line of his has no answer yet.
                Err(problem) if problem.code == Code::Timeout && self.share.available_permits() < self.units => {}
                Ok(Some(bytes)) => self.cutter.push(&bytes),
                Ok(None) => {
                    return match self.cutter.finish() {
                        Some(line) => self.take(line).await,
                        None => Ok(()),
                    };
                }
                Err(problem) => return self.end_with(problem),
            }
        }
    }

    /// The stream cannot go on: its last line says why.
    fn end_with(&self, problem: Problem) -> Result<(), WriterGone> {
        self.send(self.cutter.number(), Err(BadDocument { id: None, problem }), Share::default())
    }

    async fn take(&mut self, line: Line) -> Result<(), WriterGone> {
        let (number, length, parsed) = match line {
            Line::Whole(_, bytes) if bytes.trim_ascii().is_empty() => return Ok(()),
            Line::Whole(number, bytes) => {
                let length = bytes.len();
                if length > LONG_LINE {
                    // It is counted where it goes to, and no longer where it came from.
                    self.cutter.forget();
                    let _ = self.held.resize(self.cutter.bytes());
                }
                let include_text = self.options.include_text;
                (number, length, aside(length, move || parse(number, &bytes, include_text)).await)
            }
            Line::TooLong(number) => (number, 0, Err(self.too_long())),
        };
        let (share, parsed) = match self.share(length).await? {
            Ok(share) => (share, parsed),
            Err(problem) => (Share::default(), Err(BadDocument { id: None, problem })),
        };
        let line = match parsed {
            Ok(document) => {
                let (text, model) = (Arc::clone(&document.text), self.options.model);
                let request = Request { text, model, lane: Lane::Bulk, deadline: None };
                tokio::select! {
                    pending = self.app.engine().submit(request) => Ok((document, pending)),
                    () = self.lines.closed() => return Err(WriterGone),
                }
            }
            Err(bad) => Err(bad),
        };
        self.send(number, line, share)
    }

    /// Waits until the stream may have a line of `length` bytes on its way.
    async fn share(&self, length: usize) -> Result<Result<Share, Problem>, WriterGone> {
        let units = u32::try_from((length / UNIT).clamp(1, self.units)).expect("a stream's share is small");
        let units = tokio::select! {
            units = Arc::clone(&self.share).acquire_many_owned(units) => units.ok(),
            () = self.lines.closed() => return Err(WriterGone),
        };
        let mut held = self.app.room().hold();
        Ok(match length > LONG_LINE {
            true => held.resize(length).map(|()| Share { _units: units, _held: Some(held) }),
            false => Ok(Share { _units: units, _held: None }),
        })
    }

    fn send(
        &self,
        number: usize,
        line: Result<(Document, Pending), BadDocument>,
        share: Share,
    ) -> Result<(), WriterGone> {
        self.lines.send(Sent { number, line, _share: share }).map_err(|_| WriterGone)
    }

    fn too_long(&self) -> BadDocument {
        let most = self.app.limits().max_body_bytes;
        let detail = format!("the line is longer than {most} bytes, the limit of this service");
        BadDocument { id: None, problem: Problem::new(Code::LineTooLarge, detail) }
    }
}

fn parse(number: usize, bytes: &[u8], include_text: bool) -> Parsed {
    let line = utf8(bytes).map_err(|problem| {
        let problem = Problem { detail: format!("line {number}: {}", problem.detail), ..problem };
        BadDocument { id: None, problem }
    })?;
    parse_line(line, number, include_text)
}

/// Waits for the engine and writes.
struct Writer {
    pieces: mpsc::Sender<Bytes>,
    options: Arc<Options>,
    idle: Duration,
    /// The answers that were not sent yet.
    piece: Vec<u8>,
    /// The number of the first line among them.
    first: usize,
}

/// There is nobody to write to: the client is gone, or does not read and is told so by this last line.
struct Stop(Option<Bytes>);

impl Writer {
    /// Writes the answers to all lines; the result is an error line to end with, if something went wrong.
    async fn run(mut self, mut lines: mpsc::UnboundedReceiver<Sent>) -> Option<Bytes> {
        match self.write(&mut lines).await {
            Ok(()) => None,
            Err(Stop(last)) => last,
        }
    }

    async fn write(&mut self, lines: &mut mpsc::UnboundedReceiver<Sent>) -> Result<(), Stop> {
        // A client that waits for answers before it sends more must get them: nothing is held back while waiting.
        while let Some(Sent { number, line, .. }) = self.now(lines.recv()).await? {
            match line {
                Ok((document, pending)) => {
                    let outcome = self.now(pending.outcome()).await?;
                    let (length, options) = (document.text.len(), Arc::clone(&self.options));
                    let answered = move || {
                        document.answer(outcome, &options).map(|annotated| {
                            let mut line = Vec::new();
                            write_line(&mut line, &annotated);
                            line
                        })
                    };
                    match aside(length, answered).await {
                        Ok(line) => self.line(number, &line),
                        Err(bad) => self.error(number, bad),
                    }
                }
                Err(bad) => self.error(number, bad),
            }
            if self.piece.len() >= PIECE_BYTES {
                self.flush().await?;
            }
        }
        self.flush().await
    }

    /// The result of `work`; if that is not there at once, what was written so far goes out first.
    async fn now<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Stop> {
        let mut work = pin!(work);
        let at_once = poll_fn(|context| {
            Poll::Ready(match work.as_mut().poll(context) {
                Poll::Ready(done) => Some(done),
                Poll::Pending => None,
            })
        });
        if let Some(done) = at_once.await {
            return Ok(done);
        }
        self.flush().await?;
        tokio::select! {
            done = work => Ok(done),
            () = self.pieces.closed() => Err(Stop(None)),
        }
    }

    async fn flush(&mut self) -> Result<(), Stop> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::take(&mut self.piece));
        match tokio::time::timeout(self.idle, self.pieces.send(piece)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Stop(None)),
            Err(_) => Err(Stop(Some(self.not_reading()))),
        }
    }

    fn line(&mut self, number: usize, line: &[u8]) {
        if self.piece.is_empty() {
            self.first = number;
        }
        self.piece.extend_from_slice(line);
    }

    fn error(&mut self, number: usize, bad: BadDocument) {
        let mut line = Vec::new();
        write_line(&mut line, &LineError { line: number, id: bad.id, error: &bad.problem });
        self.line(number, &line);
    }

    fn not_reading(&self) -> Bytes {
        let detail = format!(
            "the answer was not read for {} seconds and stops here; read it while sending, or send fewer lines at once",
            self.idle.as_secs_f64()
        );
        let mut last = Vec::new();
        let problem = Problem::new(Code::Timeout, detail);
        write_line(&mut last, &LineError { line: self.first, id: None, error: &problem });
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
