//! The decoded bytes of a file from some byte on, whatever it is compressed with.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use super::ReadError;
use super::bridge::{Blocks, Bridge, from_io};
use crate::{Compression, Kind, Object};

/// What some editors put before a file's first character.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A decoded file and where in it the next byte stands.
pub(crate) struct Source {
    bridge: Bridge,
    object: Object,
    kind: Kind,
    reader: Box<dyn BufRead>,
    offset: u64,
}

impl Source {
    /// The file from its first byte, without a byte order mark (which still counts as bytes).
    pub(crate) fn open(bridge: &Bridge, object: &Object, kind: Kind) -> Result<Self, ReadError> {
        let raw = Blocks::new(bridge, object, 0);
        let reader: Box<dyn BufRead> = match kind.compression {
            // An empty file is no damaged stream: nothing was compressed.
            _ if object.size == 0 => Box::new(io::empty()),
            Compression::None => Box::new(raw),
            Compression::Gzip => Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(raw))),
            Compression::Zstd => Box::new(BufReader::new(
                zstd::Decoder::with_buffer(raw).map_err(|source| failed(object, kind, 0, source))?,
            )),
        };
        let mut source = Self { bridge: bridge.clone(), object: object.clone(), kind, reader, offset: 0 };
        source.pass_byte_order_mark()?;
        Ok(source)
    }

    /// The file from the byte at `start` on, or from its end if that is before.
    pub(crate) fn open_at(bridge: &Bridge, object: &Object, kind: Kind, start: u64) -> Result<Self, ReadError> {
        if start > 0 && kind.compression == Compression::None {
            let reader = Box::new(Blocks::new(bridge, object, start));
            return Ok(Self { bridge: bridge.clone(), object: object.clone(), kind, reader, offset: start });
        }
        let mut source = Self::open(bridge, object, kind)?;
        source.skip_to(start)?;
        Ok(source)
    }

    fn pass_byte_order_mark(&mut self) -> Result<(), ReadError> {
        let mut head = Vec::with_capacity(BYTE_ORDER_MARK.len());
        self.reader
            .by_ref()
            .take(BYTE_ORDER_MARK.len() as u64)
            .read_to_end(&mut head)
            .map_err(|source| failed(&self.object, self.kind, 0, source))?;
        if head == BYTE_ORDER_MARK {
            self.offset = head.len() as u64;
        } else {
            let rest = std::mem::replace(&mut self.reader, Box::new(io::empty()));
            self.reader = Box::new(Cursor::new(head).chain(rest));
        }
        Ok(())
    }

    /// Where the next byte stands in the decoded file.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes on to the byte at `offset`, or to the end if that is before. A compressed file is decoded up to there.
    pub(crate) fn skip_to(&mut self, offset: u64) -> Result<(), ReadError> {
        if self.offset >= offset {
            return Ok(());
        }
        if self.kind.compression == Compression::None {
            self.reader = Box::new(Blocks::new(&self.bridge, &self.object, offset));
            self.offset = offset;
        }
        while self.offset < offset {
            let wanted = usize::try_from(offset - self.offset).unwrap_or(usize::MAX);
            let count = self.fill()?.len().min(wanted);
            if count == 0 {
                break;
            }
            self.consume(count);
        }
        Ok(())
    }

    /// The next bytes; none at the end.
    pub(crate) fn fill(&mut self) -> Result<&[u8], ReadError> {
        loop {
            match self.reader.fill_buf() {
                // Asked again below: what was returned here would be borrowed for longer than the loop.
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(&self.object, self.kind, self.offset, error)),
            }
        }
        self.reader.fill_buf().map_err(|error| failed(&self.object, self.kind, self.offset, error))
    }

    /// Passes over `count` of the bytes that [`Self::fill`] gave.
    pub(crate) fn consume(&mut self, count: usize) {
        self.reader.consume(count);
        self.offset += count as u64;
    }
}

fn failed(object: &Object, kind: Kind, byte: u64, error: io::Error) -> ReadError {
    from_io(error).unwrap_or_else(|source| ReadError::Compressed { name: object.name.clone(), kind, byte, source })
}
