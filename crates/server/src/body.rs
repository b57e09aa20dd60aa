//! Reads request bodies: whole ones up to a limit, endless ones line by line, and neither for longer than the sender
//! goes on sending.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use tokio::time::Instant;
use tokio_stream::StreamExt;

use crate::problem::{Code, Problem};
use crate::room::Held;

/// What a buffer of lines keeps when a long line has gone through it.
const KEPT_BYTES: usize = 128 << 10;
/// A byte order mark, which some systems put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// How much of a refused body is read and thrown away. A client that is still sending when the connection closes may
/// never see the answer that says why.
const DISCARD_BYTES: usize = 64 << 20;
/// How long a refused body is read.
const DISCARD_TIME: Duration = Duration::from_secs(5);

/// Bytes a second that a body must come at, once the idle time has passed.
const SLOWEST: usize = 1 << 10;

/// A body on its way in.
pub(crate) struct Incoming {
    stream: BodyDataStream,
    idle: Duration,
    /// A piece that was read before somebody wanted it.
    ahead: Option<Bytes>,
}

impl Incoming {
    /// The body, of which the next piece may take as long as `idle`.
    pub(crate) fn new(body: Body, idle: Duration) -> Self {
        Self { stream: body.into_data_stream(), idle, ahead: None }
    }

    /// Waits for the first piece, which stays to be read.
    pub(crate) async fn peek(&mut self) -> Result<(), Problem> {
        self.ahead = self.next().await?;
        Ok(())
    }

    /// The next piece, or `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        if let Some(piece) = self.ahead.take() {
            return Ok(Some(piece));
        }
        match tokio::time::timeout(self.idle, self.stream.next()).await {
            Ok(piece) => piece.transpose().map_err(|error| {
                Problem::new(Code::BodyBroken, format!("the body ended before it was complete: {error}"))
            }),
            Err(_) => {
                let detail = format!("no more of the body came within {} seconds", self.idle.as_secs_f64());
                Err(Problem::new(Code::Timeout, detail))
            }
        }
    }

    /// The whole body, of at most `limit` bytes, which are counted in `held`; `declared` is what its sender says of its
    /// length. One that comes in drops takes a connection and its room for long: it must keep up [`SLOWEST`].
    pub(crate) async fn read_all(
        &mut self,
        limit: usize,
        declared: Option<u64>,
        held: &mut Held,
    ) -> Result<Vec<u8>, Problem> {
        if declared.is_some_and(|length| length > limit as u64) {
            return Err(too_large(limit));
        }
        let (begun, mut all) = (Instant::now(), Vec::new());
        while let Some(piece) = self.next().await? {
            if all.len() + piece.len() > limit {
                return Err(too_large(limit));
            }
            held.resize(all.len() + piece.len())?;
            all.extend_from_slice(&piece);
            let allowed = self.idle + Duration::from_secs((all.len() / SLOWEST) as u64);
            if begun.elapsed() > allowed {
                let detail = format!("the body came slower than {SLOWEST} bytes a second");
                return Err(Problem::new(Code::Timeout, detail));
            }
        }
        Ok(all)
    }

    /// Reads on for a while and forgets what it reads: see [`DISCARD_BYTES`].
    pub(crate) async fn discard(&mut self) {
        let reading = async {
            let mut left = DISCARD_BYTES;
            while let Some(Ok(piece)) = self.stream.next().await {
                left = left.saturating_sub(piece.len());
                if left == 0 {
                    break;
                }
            }
        };
        // Whether it was all read or not, the answer is the same.
        let _ = tokio::time::timeout(DISCARD_TIME, reading).await;
    }
}

fn too_large(limit: usize) -> Problem {
    let detail = format!(
        "the body is larger than {limit} bytes, the limit of this service; \
         send application/x-ndjson, whose length is unlimited, or split it"
    );
    Problem::new(Code::BodyTooLarge, detail)
}

/// The text in `bytes`, without a byte order mark at its front.
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, Problem> {
    let marked = bytes.strip_prefix(BYTE_ORDER_MARK);
    let skipped = marked.map_or(0, |_| BYTE_ORDER_MARK.len());
    std::str::from_utf8(marked.unwrap_or(bytes)).map_err(|error| {
        let offset = skipped + error.valid_up_to();
        Problem::new(Code::InvalidUtf8, format!("not valid UTF-8 at byte {offset} (from 0); send JSON as UTF-8"))
    })
}

/// A line of a longer body.
#[derive(Debug, PartialEq)]
pub(crate) enum Line {
    /// Its number, from 1, and its bytes without the line feed.
    Whole(usize, Vec<u8>),
    /// Its number; it was longer than the limit.
    TooLong(usize),
}

/// Cuts a stream of bytes into lines, holding no more than one line and one piece.
#[derive(Debug)]
pub(crate) struct Lines {
    buffer: Vec<u8>,
    /// Where the current line begins in the buffer.
    start: usize,
    /// Up to where the buffer is known to hold no line feed.
    searched: usize,
    /// The number of the current line.
    number: usize,
    limit: usize,
    /// The current line is over the limit and thrown away up to its end.
    skipping: bool,
}

impl Lines {
    /// No lines yet; each may have `limit` bytes.
    pub(crate) const fn new(limit: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, searched: 0, number: 1, limit, skipping: false }
    }

    /// The number of the line that is being read.
    pub(crate) const fn number(&self) -> usize {
        self.number
    }

    /// Bytes that are held.
    pub(crate) const fn bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Forgets the lines that were handed out.
    pub(crate) fn forget(&mut self) {
        self.push(&[]);
    }

    /// Takes in the next piece.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        if self.buffer.capacity() > KEPT_BYTES && self.buffer.len() + piece.len() < KEPT_BYTES {
            self.buffer.shrink_to(KEPT_BYTES);
        }
        self.buffer.extend_from_slice(piece);
    }

    /// The next line that is complete. A line over the limit is reported as soon as that is known.
    pub(crate) fn next(&mut self) -> Option<Line> {
        loop {
            let feed = self.buffer[self.searched..].iter().position(|&byte| byte == b'\n');
            let end = feed.map_or(self.buffer.len(), |feed| self.searched + feed);
            let long = end - self.start > self.limit;
            let number = self.number;
            let line = (!self.skipping && !long && feed.is_some()).then(|| self.buffer[self.start..end].to_vec());
            if feed.is_some() {
                self.start = end + 1;
                self.number += 1;
            } else if long || self.skipping {
                self.start = end;
            }
            self.searched = if feed.is_some() { self.start } else { end };
            let already_told = self.skipping;
            self.skipping = feed.is_none() && (self.skipping || long);
            match line {
                Some(line) => return Some(Line::Whole(number, line)),
                None if long && !already_told => return Some(Line::TooLong(number)),
                None if feed.is_none() => return None,
                None => {}
            }
        }
    }

    /// The last line, if it lacks a line feed. To be asked when [`Self::next`] has no more.
    pub(crate) fn finish(&mut self) -> Option<Line> {
        let last = self.buffer.split_off(self.start);
        (!last.is_empty() && !self.skipping).then_some(Line::Whole(self.number, last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&str], limit: usize) -> Vec<Line> {
        let mut lines = Lines::new(limit);
        let mut found = Vec::new();
        for piece in pieces {
            lines.push(piece.as_bytes());
            found.extend(std::iter::from_fn(|| lines.next()));
        }
        found.extend(lines.finish());
        found
    }

    fn whole(number: usize, line: &str) -> Line {
        Line::Whole(number, line.as_bytes().to_vec())
    }

    #[test]
    fn cuts_wherever_the_pieces_end() {
        let body = "one\n\ntwo\r\nthree";
        let expected = [whole(1, "one"), whole(2, ""), whole(3, "two\r"), whole(4, "three")];
        for cut in 0..=body.len() {
            assert_eq!(lines(&[&body[..cut], &body[cut..]], 100), expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_long_line_is_told_once_and_the_next_goes_on() {
        let body = "ok\n123456789\nok\n12345";
        let expected = [whole(1, "ok"), Line::TooLong(2), whole(3, "ok"), whole(4, "12345")];
        for cut in 0..=body.len() {
            for second in cut..=body.len() {
                assert_eq!(lines(&[&body[..cut], &body[cut..second], &body[second..]], 5), expected, "{cut}, {second}");
            }
        }
    }

    #[test]
    fn names_the_byte_that_is_not_utf8() {
        assert_eq!(utf8(b"\xEF\xBB\xBF{}").unwrap(), "{}");
        let problem = utf8(b"\xEF\xBB\xBF{\"a\xFF").unwrap_err();
        assert!(problem.detail.contains("byte 6 "), "{}", problem.detail);
    }
}
