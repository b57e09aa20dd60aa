//! The lines of a part of a JSONL file. A line belongs to the part in which it begins, so any cutting of a file into
//! byte ranges gives each line to exactly one of them.

use std::ops::Range;

use memchr::memchr;

use super::ReadError;
use super::bridge::Bridge;
use super::source::Source;
use crate::{Kind, Object};

/// The lines that begin in a range of bytes, blank ones left out.
pub(crate) struct Lines {
    source: Source,
    /// Where the next line begins. For the first one that is before a byte order mark.
    begin: u64,
    end: u64,
    /// No more of a line is kept than this.
    keep: usize,
    line: Vec<u8>,
}

/// One line.
pub(crate) struct Line<'l> {
    /// Where it begins in the decoded file.
    pub position: u64,
    /// Its bytes without the line break, or as many as are kept.
    pub bytes: &'l [u8],
    /// Its length in bytes, without the line break.
    pub length: u64,
}

impl Lines {
    /// The lines of a file that begin in `range`; of each at most `keep` bytes.
    pub(crate) fn open(
        bridge: &Bridge,
        object: &Object,
        kind: Kind,
        range: Range<u64>,
        keep: usize,
    ) -> Result<Self, ReadError> {
        // From the byte before, so that a line that begins exactly at the start is seen to do so.
        let source = Source::open_at(bridge, object, kind, range.start.saturating_sub(1))?;
        let mut lines = Self { source, begin: 0, end: range.end, keep, line: Vec::new() };
        if range.start > 0 {
            lines.advance(0)?;
        }
        Ok(lines)
    }

    /// All lines of a file; of each at most `keep` bytes.
    pub(crate) fn all(bridge: &Bridge, object: &Object, kind: Kind, keep: usize) -> Result<Self, ReadError> {
        Self::open(bridge, object, kind, 0..u64::MAX, keep)
    }

    /// The next line that is not blank.
    pub(crate) fn next(&mut self) -> Result<Option<Line<'_>>, ReadError> {
        loop {
            let position = self.begin;
            if position >= self.end {
                return Ok(None);
            }
            let Some(Scanned { length, blank }) = self.advance(self.keep)? else { return Ok(None) };
            if !blank {
                return Ok(Some(Line { position, bytes: &self.line, length }));
            }
        }
    }

    /// Where the line after the last one begins: at the end, the file's length.
    pub(crate) fn begin(&self) -> u64 {
        self.begin
    }

    /// Reads one line; `None` at the file's end.
    fn advance(&mut self, keep: usize) -> Result<Option<Scanned>, ReadError> {
        self.line.clear();
        let mut scanned = Scanned { length: 0, blank: true };
        let mut any = false;
        loop {
            let available = self.source.fill()?;
            if available.is_empty() {
                self.begin = self.source.offset();
                return Ok(any.then_some(scanned));
            }
            any = true;
            let newline = memchr(b'\n', available);
            let part = &available[..newline.unwrap_or(available.len())];
            scanned.length += part.len() as u64;
            scanned.blank &= part.iter().all(u8::is_ascii_whitespace);
            let room = keep.saturating_sub(self.line.len());
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            let count = part.len() + usize::from(newline.is_some());
            self.source.consume(count);
            if newline.is_some() {
                self.begin = self.source.offset();
                return Ok(Some(scanned));
            }
        }
    }
}

struct Scanned {
    length: u64,
    blank: bool,
}
