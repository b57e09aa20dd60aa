//! Reads HTTP/1.1 responses off a connection: the head at once, the body piece by piece without copying it, and lines
//! of a body by their beginnings only. Not a general client: no trailers are kept and no content is decoded.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// What a reader holds at first; heads and chunk lines may take up to [`MOST`].
const BUFFER: usize = 256 << 10;
const MOST: usize = 1 << 20;

/// Status and headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The status code.
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
}

impl Head {
    /// The value of the header `name`.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether the connection ends with this response.
    pub(crate) fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// Where in a body the reader stands.
#[derive(Clone, Copy, Debug)]
enum Place {
    Done,
    Known(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    UntilClosed,
}

/// Reads response after response from `io`.
#[derive(Debug)]
pub(crate) struct ResponseReader<R> {
    io: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    place: Place,
}

impl<R: AsyncRead + Unpin> ResponseReader<R> {
    /// Nothing is read yet.
    pub(crate) fn new(io: R) -> Self {
        Self { io, buffer: Vec::new(), start: 0, end: 0, place: Place::Done }
    }

    /// The next response's head; interim responses are passed over. The body of the one before must have been read.
    pub(crate) async fn head(&mut self) -> io::Result<Head> {
        loop {
            if let Some((head, length)) = parse_head(&self.buffer[self.start..self.end])? {
                self.start += length;
                if head.status >= 200 {
                    self.place = place_of(&head)?;
                    return Ok(head);
                }
            } else if self.fill().await? == 0 {
                return Err(ended(if self.start == self.end { "without an answer" } else { "within a head" }));
            }
        }
    }

    /// The next piece of the body, `None` at its end.
    pub(crate) async fn piece(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            match self.place {
                Place::Done | Place::Known(0) => {
                    self.place = Place::Done;
                    return Ok(None);
                }
                Place::Known(left) | Place::Chunk(left) if left > 0 => {
                    if self.start == self.end && self.fill().await? == 0 {
                        return Err(ended("within a body"));
                    }
                    let taken = (self.end - self.start).min(usize::try_from(left).unwrap_or(usize::MAX));
                    let rest = left - taken as u64;
                    let chunk = matches!(self.place, Place::Chunk(_));
                    self.place = if chunk { Place::Chunk(rest) } else { Place::Known(rest) };
                    return Ok(Some(self.take(taken)));
                }
                Place::Known(_) | Place::Chunk(_) => self.place = Place::ChunkEnd,
                Place::ChunkEnd => {
                    self.line().await?;
                    self.place = Place::ChunkSize;
                }
                Place::ChunkSize => {
                    let size = chunk_size(self.line().await?)?;
                    self.place = if size == 0 { Place::Trailers } else { Place::Chunk(size) };
                }
                Place::Trailers => {
                    if self.line().await?.is_empty() {
                        self.place = Place::Done;
                    }
                }
                Place::UntilClosed => {
                    if self.start == self.end && self.fill().await? == 0 {
                        self.place = Place::Done;
                        return Ok(None);
                    }
                    return Ok(Some(self.take(self.end - self.start)));
                }
            }
        }
    }

    /// The whole body, of at most `limit` bytes.
    pub(crate) async fn body(&mut self, limit: usize) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        while let Some(piece) = self.piece().await? {
            if body.len() + piece.len() > limit {
                return Err(io::Error::other(format!("the answer is longer than {limit} bytes")));
            }
            body.extend_from_slice(piece);
        }
        Ok(body)
    }

    fn take(&mut self, length: usize) -> &[u8] {
        let from = self.start;
        self.start += length;
        &self.buffer[from..self.start]
    }

    /// The next line without its end.
    async fn line(&mut self) -> io::Result<&[u8]> {
        loop {
            if let Some(feed) = memchr::memchr(b'\n', &self.buffer[self.start..self.end]) {
                let line = self.take(feed + 1);
                return Ok(line.trim_ascii_end());
            }
            if self.fill().await? == 0 {
                return Err(ended("within a chunked body"));
            }
        }
    }

    /// Reads more; 0 at the end.
    async fn fill(&mut self) -> io::Result<usize> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.buffer.len() {
            if self.end >= MOST {
                return Err(io::Error::other("the answer's head is longer than a MiB"));
            }
            self.buffer.resize((2 * self.end).max(BUFFER), 0);
        }
        let read = self.io.read(&mut self.buffer[self.end..]).await?;
        self.end += read;
        Ok(read)
    }
}

fn ended(place: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, format!("the connection was closed {place}"))
}

fn nonsense(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not an HTTP answer: {what}"))
}

/// A head and its length, once it is there whole.
fn parse_head(bytes: &[u8]) -> io::Result<Option<(Head, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(bytes).map_err(|error| nonsense(&error.to_string()))?;
    let httparse::Status::Complete(length) = parsed else { return Ok(None) };
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers = response.headers.iter().map(|header| (header.name.to_owned(), text(header.value))).collect();
    let status = response.code.ok_or_else(|| nonsense("there is no status"))?;
    Ok(Some((Head { status, headers }, length)))
}

fn place_of(head: &Head) -> io::Result<Place> {
    if matches!(head.status, 204 | 304) {
        return Ok(Place::Done);
    }
    if head.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        return Ok(Place::ChunkSize);
    }
    let length = head.header("content-length").map(|value| value.parse().map_err(|_| nonsense("its length")));
    Ok(length.transpose()?.map_or(Place::UntilClosed, Place::Known))
}

fn chunk_size(line: &[u8]) -> io::Result<u64> {
    let digits = line.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    let digits = std::str::from_utf8(digits).map_err(|_| nonsense("a chunk's size"))?;
    u64::from_str_radix(digits, 16).map_err(|_| nonsense("a chunk's size"))
}

/// Finds the lines of a body that comes in pieces, and keeps only their beginnings.
#[derive(Debug, Default)]
pub(crate) struct LineHeads {
    head: Vec<u8>,
    /// Whether a line has begun.
    begun: bool,
}

impl LineHeads {
    /// How much of a line is kept.
    pub(crate) const KEPT: usize = 256;

    /// Takes in the next piece and hands over the beginning of every line that ends in it.
    pub(crate) fn push(&mut self, mut piece: &[u8], mut each: impl FnMut(&[u8])) {
        while let Some(feed) = memchr::memchr(b'\n', piece) {
            if self.begun {
                self.keep(&piece[..feed]);
                each(&self.head);
                self.head.clear();
                self.begun = false;
            } else {
                each(&piece[..feed.min(Self::KEPT)]);
            }
            piece = &piece[feed + 1..];
        }
        if !piece.is_empty() {
            self.begun = true;
            self.keep(piece);
        }
    }

    /// Whether the last line has not ended.
    pub(crate) const fn is_within_line(&self) -> bool {
        self.begun
    }

    fn keep(&mut self, part: &[u8]) {
        let room = Self::KEPT - self.head.len();
        self.head.extend_from_slice(&part[..part.len().min(room)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNKED: &str = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
        5\r\none\nt\r\nA;x=1\r\nwo\nthree\nf\r\n0\r\nTrailer: x\r\n\r\n\
        HTTP/1.1 413 Too Large\r\ncontent-length: 4\r\nConnection: close\r\n\r\nlong";

    #[tokio::test]
    async fn answers_are_read_wherever_they_are_cut() {
        for cut in 0..CHUNKED.len() {
            let (front, back) = CHUNKED.split_at(cut);
            let mut reader = ResponseReader::new(front.as_bytes().chain(back.as_bytes()));
            assert_eq!(reader.head().await.unwrap().status, 200, "cut at {cut}");
            assert_eq!(reader.body(100).await.unwrap(), b"one\ntwo\nthree\nf", "cut at {cut}");
            let head = reader.head().await.unwrap();
            assert_eq!((head.status, head.closes()), (413, true));
            assert_eq!(reader.body(100).await.unwrap(), b"long");
            assert_eq!(reader.head().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_an_error() {
        let whole = &CHUNKED[..CHUNKED.find("HTTP/1.1 413").unwrap()];
        for end in whole.find("200 OK").unwrap()..whole.len() {
            let mut reader = ResponseReader::new(&whole.as_bytes()[..end]);
            let body = match reader.head().await {
                Ok(_) => reader.body(100).await,
                Err(error) => Err(error),
            };
            assert_eq!(body.unwrap_err().kind(), io::ErrorKind::UnexpectedEof, "ends at {end}");
        }
        let mut nonsense = ResponseReader::new(&b"SSH-2.0\r\n\r\n"[..]);
        assert_eq!(nonsense.head().await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn lines_are_known_by_their_beginnings() {
        let long = "x".repeat(1000);
        let body = format!("one\n\n{long}\nthree\nfo");
        for cut in 0..body.len() {
            let mut lines = LineHeads::default();
            let mut heads = Vec::new();
            for piece in [&body[..cut], &body[cut..]] {
                lines.push(piece.as_bytes(), |head| heads.push(String::from_utf8_lossy(head).into_owned()));
            }
            assert_eq!(heads, ["one", "", &long[..LineHeads::KEPT], "three"], "cut at {cut}");
            assert!(lines.is_within_line());
        }
    }
}
