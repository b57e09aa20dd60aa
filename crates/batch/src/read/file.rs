//! A Parquet file in a store, for the synchronous reader: pages are fetched as they are decoded, so that a row group may
//! be larger than memory.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::ReadError;
use super::bridge::Bridge;
use crate::Object;

/// What blocks of one file take up in memory at most, shared by its columns.
const MEMORY: u64 = 64 << 20;
const LARGEST_BLOCK: u64 = 4 << 20;
const SMALLEST_BLOCK: u64 = 64 << 10;

/// A file whose last used blocks are kept. Cloning shares them.
#[derive(Clone)]
pub(crate) struct ParquetFile(Arc<Inner>);

struct Inner {
    bridge: Bridge,
    object: Object,
    block: u64,
    most_blocks: usize,
    /// Block numbers and bytes, the last used at the back.
    blocks: Mutex<VecDeque<(u64, Bytes)>>,
    /// Why the store did not give bytes. Arrow's errors are strings, which it would not survive.
    failure: Mutex<Option<ReadError>>,
}

impl ParquetFile {
    /// A file of which so many columns are read side by side; each of them is somewhere else in the file.
    pub(crate) fn new(bridge: &Bridge, object: &Object, columns: usize) -> Self {
        let columns = columns as u64 + 1;
        let block = (MEMORY / columns).clamp(SMALLEST_BLOCK, LARGEST_BLOCK);
        let most_blocks = usize::try_from(columns.max(MEMORY / block)).unwrap_or(usize::MAX);
        Self(Arc::new(Inner {
            bridge: bridge.clone(),
            object: object.clone(),
            block,
            most_blocks,
            blocks: Mutex::default(),
            failure: Mutex::default(),
        }))
    }

    /// Why the store did not give bytes, if that is what happened last.
    pub(crate) fn take_failure(&self) -> Option<ReadError> {
        self.0.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn get(&self, range: Range<u64>) -> io::Result<Bytes> {
        self.0.bridge.get(&self.0.object, range).map_err(|error| {
            let said = error.to_string();
            *self.0.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            io::Error::other(said)
        })
    }

    /// The rest of the block in which the byte at `offset` is, from that byte on.
    fn from(&self, offset: u64) -> io::Result<Bytes> {
        let Inner { object, block, most_blocks, blocks, .. } = &*self.0;
        let number = offset / block;
        let begin = number * block;
        let mut blocks = blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = match blocks.iter().position(|(known, _)| *known == number).and_then(|at| blocks.remove(at)) {
            Some((_, bytes)) => bytes,
            None => self.get(begin..(begin + block).min(object.size))?,
        };
        if blocks.len() >= *most_blocks {
            blocks.pop_front();
        }
        blocks.push_back((number, bytes.clone()));
        Ok(bytes.slice(usize::try_from(offset - begin).unwrap_or(usize::MAX).min(bytes.len())..))
    }
}

impl Length for ParquetFile {
    fn len(&self) -> u64 {
        self.0.object.size
    }
}

impl ChunkReader for ParquetFile {
    type T = FileReader;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(FileReader { file: self.clone(), offset: start })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = start.saturating_add(length as u64);
        if end > self.0.object.size {
            return Err(ParquetError::EOF(format!("bytes {start} to {end} of a file of {} bytes", self.0.object.size)));
        }
        Ok(self.get(start..end)?)
    }
}

/// The file from some byte on.
pub(crate) struct FileReader {
    file: ParquetFile,
    offset: u64,
}

impl Read for FileReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.offset >= self.file.len() {
            return Ok(0);
        }
        let bytes = self.file.from(self.offset)?;
        let count = bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        self.offset += count as u64;
        Ok(count)
    }
}
