//! The records of a CSV or TSV file, each with the byte at which it begins. Line breaks may stand inside quotes, so only
//! a reader that comes from the file's beginning knows where a record begins; splitting finds such places once.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::ReadError;
use super::source::Source;
use crate::Format;

/// The longest header.
const HEADER_BYTES: usize = 16 << 20;

/// The records of a file from where its source stands.
pub(crate) struct Records {
    source: Source,
    core: Reader,
    fields: Vec<u8>,
    ends: Vec<usize>,
    /// No more of a record is kept than this.
    keep: usize,
}

/// One record.
pub(crate) struct Record<'r> {
    /// Where it begins in the decoded file.
    pub position: u64,
    fields: &'r [u8],
    ends: &'r [usize],
    /// Whether it is longer than what is kept; then it has no fields.
    pub too_long: bool,
}

impl<'r> Record<'r> {
    /// How many fields it has.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The field of that number, unquoted.
    pub(crate) fn field(&self, index: usize) -> Option<&'r [u8]> {
        let start = if index == 0 { 0 } else { *self.ends.get(index - 1)? };
        self.fields.get(start..*self.ends.get(index)?)
    }

    /// All fields, unquoted.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'r [u8]> {
        (0..self.len()).filter_map(|index| self.field(index))
    }
}

impl Records {
    /// The records of a file, just opened. The first one is its header.
    pub(crate) fn new(source: Source, format: Format) -> Self {
        let delimiter = if format == Format::Tsv { b'\t' } else { b',' };
        let core = ReaderBuilder::new().delimiter(delimiter).build();
        Self { source, core, fields: vec![0; 1 << 12], ends: vec![0; 64], keep: HEADER_BYTES }
    }

    /// From now on keeps at most so many bytes of a record.
    pub(crate) fn keep(&mut self, keep: usize) {
        self.keep = keep;
    }

    /// Goes on at the record that begins at `start`, or at the next record if that is before.
    pub(crate) fn skip_to(&mut self, start: u64) -> Result<(), ReadError> {
        self.source.skip_to(start)
    }

    /// Where the next byte stands in the decoded file.
    pub(crate) fn offset(&self) -> u64 {
        self.source.offset()
    }

    /// The next record that begins before `end`; blank lines are none.
    pub(crate) fn next(&mut self, end: u64) -> Result<Option<Record<'_>>, ReadError> {
        if !self.pass_line_breaks()? || self.source.offset() >= end {
            return Ok(None);
        }
        let position = self.source.offset();
        let (mut length, mut count) = (0, 0);
        let mut too_long = false;
        loop {
            let input = self.source.fill()?;
            let (result, read, wrote, ended) =
                self.core.read_record(input, &mut self.fields[length..], &mut self.ends[count..]);
            self.source.consume(read);
            length += wrote;
            count += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull if too_long => {
                    (length, count) = (0, 0);
                }
                ReadRecordResult::OutputFull if self.fields.len() < self.keep => {
                    self.fields.resize(self.fields.len() * 2, 0);
                }
                ReadRecordResult::OutputEndsFull if self.ends.len() < self.keep => {
                    self.ends.resize(self.ends.len() * 2, 0);
                }
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    too_long = true;
                    (length, count) = (0, 0);
                }
                ReadRecordResult::Record | ReadRecordResult::End => break,
            }
        }
        too_long |= length > self.keep;
        if too_long {
            (length, count) = (0, 0);
        }
        Ok(Some(Record { position, fields: &self.fields[..length], ends: &self.ends[..count], too_long }))
    }

    /// Passes over line breaks before a record, so that its position is that of its first byte; false at the end.
    fn pass_line_breaks(&mut self) -> Result<bool, ReadError> {
        loop {
            let available = self.source.fill()?;
            if available.is_empty() {
                return Ok(false);
            }
            let breaks = available.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            let all = breaks == available.len();
            self.source.consume(breaks);
            if !all {
                return Ok(true);
            }
        }
    }
}
