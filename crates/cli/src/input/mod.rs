//! Documents from files and standard input, one at a time, in the order in which they are named.
//!
//! A document that cannot be read is an [`Item`] too, with what is wrong in place of its text: the good ones around it
//! are still annotated and the output keeps the input's order.

mod jsonl;
mod record;
mod text;

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::terminal;

pub(crate) use record::{Field, Record};

/// Where to read documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl Source {
    /// `-` is standard input, as everywhere.
    pub(crate) fn named(path: PathBuf) -> Self {
        if path.as_os_str() == "-" { Self::Stdin } else { Self::File(path) }
    }
}

/// How documents lie in what is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum InputFormat {
    /// `.jsonl` and `.ndjson` files, and standard input whose first line is a JSON object with a "text": a document a
    /// line. Anything else: one document.
    #[default]
    Auto,
    /// One document, plain text.
    Text,
    /// A document a line: {"id": …, "text": "…"}; other fields pass through.
    Jsonl,
}

/// Where a document came from, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The file as named by the caller; `None` for standard input.
    pub(crate) file: Option<Arc<str>>,
    /// The line, from 1, if documents come a line each.
    pub(crate) line: Option<usize>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.file.as_deref().unwrap_or("standard input"))?;
        self.line.map_or(Ok(()), |line| write!(f, ", line {line}"))
    }
}

/// What is wrong with an input, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadInput {
    /// It cannot be opened or read to its end.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// A folder is named where a file should be.
    #[error("is a folder; name the files in it")]
    Folder,
    /// Bytes that are not UTF-8.
    #[error("is not UTF-8 at byte {byte}{}; convert it first, as with `iconv -f {} -t UTF-8`",
            if *utf16 { " and looks like UTF-16" } else { "" }, if *utf16 { "UTF-16" } else { "WINDOWS-1252" })]
    NotUtf8 {
        /// The first bad byte, from 0, in the file or the line.
        byte: usize,
        /// Whether it begins with the byte order mark of UTF-16.
        utf16: bool,
    },
    /// A line that is no JSON object.
    #[error("is not a JSON object ({0}); each line must be one, like {{\"id\":\"1\",\"text\":\"…\"}}")]
    NotAnObject(String),
    /// A JSON object without a text.
    #[error("has no \"text\"; each line needs one, like {{\"id\":\"1\",\"text\":\"…\"}}")]
    NoText,
    /// A JSON object with two texts.
    #[error("has two fields \"text\"; leave one")]
    TwoTexts,
    /// The text is no string, or holds escapes that are no characters, such as a lone surrogate.
    #[error(
        "has a \"text\" that is not a string of Unicode characters ({0}); write it as one, without lone surrogates"
    )]
    BadText(String),
}

impl BadInput {
    /// `bytes` as text.
    fn utf8(bytes: &[u8]) -> Result<&str, Self> {
        std::str::from_utf8(bytes).map_err(|error| Self::NotUtf8 {
            byte: error.valid_up_to(),
            utf16: bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]),
        })
    }
}

/// A document that could not be read.
#[derive(Debug)]
pub(crate) struct Rejected {
    /// Its id, if at least that could be read.
    pub(crate) id: Option<Box<RawValue>>,
    /// What is wrong.
    pub(crate) error: BadInput,
}

/// One document of the input, good or bad.
#[derive(Debug)]
pub(crate) struct Item {
    /// Where it came from.
    pub(crate) origin: Origin,
    /// How many bytes of input it was: what progress and memory are counted in.
    pub(crate) bytes: usize,
    /// The document.
    pub(crate) content: Result<Record, Rejected>,
}

/// Takes items one by one and says whether to go on.
pub(crate) type Sink<'s> = &'s mut dyn FnMut(Item) -> ControlFlow<()>;

/// How many bytes `sources` hold, unless one of them cannot say.
pub(crate) fn total_bytes(sources: &[Source]) -> Option<u64> {
    sources.iter().try_fold(0, |sum, source| match source {
        Source::Stdin => None,
        Source::File(path) => {
            let metadata = fs::metadata(path).ok()?;
            metadata.is_file().then(|| sum + metadata.len())
        }
    })
}

/// Reads every document of `sources` into `sink`, until the sink has enough.
pub(crate) fn read(sources: &[Source], format: InputFormat, sink: Sink<'_>) -> ControlFlow<()> {
    sources.iter().try_for_each(|source| match source {
        Source::Stdin => read_stdin(format, sink),
        Source::File(path) => read_file(path, format, sink),
    })
}

/// Reads one document per line of `lines` into `sink`, until the sink has enough: as a file of that content would be.
pub(crate) fn read_lines(lines: &[u8], sink: Sink<'_>) -> ControlFlow<()> {
    read_open(lines, None, InputFormat::Jsonl, sink)
}

fn read_stdin(format: InputFormat, sink: Sink<'_>) -> ControlFlow<()> {
    let mut stdin = io::stdin().lock();
    let format = match format {
        InputFormat::Auto => {
            return match jsonl::sniff(&mut stdin) {
                Ok((format, head)) => {
                    if format == InputFormat::Text && head.trim_ascii_start().starts_with(b"{") {
                        terminal::say(
                            "note: standard input is read as one text, since its first line is no JSON object with a \
                             \"text\"; --input jsonl reads a document a line",
                        );
                    }
                    read_open(io::Cursor::new(head).chain(stdin), None, format, sink)
                }
                Err(error) => sink(unreadable(None, error)),
            };
        }
        given => given,
    };
    read_open(stdin, None, format, sink)
}

fn read_file(path: &Path, format: InputFormat, sink: Sink<'_>) -> ControlFlow<()> {
    let format = match format {
        InputFormat::Auto => format_by_name(path),
        given => given,
    };
    let name: Arc<str> = path.to_string_lossy().into();
    match File::open(path) {
        Ok(_) if path.is_dir() => {
            let origin = Origin { file: Some(Arc::clone(&name)), line: None };
            sink(Item {
                origin,
                bytes: 0,
                content: Err(Rejected { id: Some(json_string(&name)), error: BadInput::Folder }),
            })
        }
        Ok(file) => read_open(BufReader::with_capacity(1 << 16, file), Some(name), format, sink),
        Err(error) => sink(unreadable(Some(name), error)),
    }
}

fn read_open(input: impl io::BufRead, file: Option<Arc<str>>, format: InputFormat, sink: Sink<'_>) -> ControlFlow<()> {
    match format {
        InputFormat::Jsonl => jsonl::read(input, file, sink),
        InputFormat::Text | InputFormat::Auto => sink(text::read(input, file)),
    }
}

fn format_by_name(path: &Path) -> InputFormat {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("jsonl" | "ndjson") => InputFormat::Jsonl,
        _ => InputFormat::Text,
    }
}

fn unreadable(file: Option<Arc<str>>, error: io::Error) -> Item {
    let id = file.as_deref().map(json_string);
    Item { origin: Origin { file, line: None }, bytes: 0, content: Err(Rejected { id, error: error.into() }) }
}

/// `text` as a JSON string.
fn json_string(text: &str) -> Box<RawValue> {
    serde_json::value::to_raw_value(text).expect("a string is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(sources: &[Source], format: InputFormat) -> Vec<Item> {
        let mut items = Vec::new();
        let _ = read(sources, format, &mut |item| {
            items.push(item);
            ControlFlow::Continue(())
        });
        items
    }

    #[test]
    fn the_name_of_a_file_says_how_to_read_it() {
        let formats = ["a.jsonl", "a.NDJSON", "a.txt", "a", "a.json"].map(|name| format_by_name(Path::new(name)));
        use InputFormat::{Jsonl, Text};
        assert_eq!(formats, [Jsonl, Jsonl, Text, Text, Text]);
    }

    /// One file that is not there must not keep the others from being read.
    #[test]
    fn a_bad_file_stands_between_good_ones() {
        let folder = tempfile::tempdir().unwrap();
        let good = folder.path().join("good.txt");
        fs::write(&good, "Kyiv").unwrap();
        let sources = [good.clone(), folder.path().join("gone.txt"), folder.path().to_owned(), good].map(Source::File);
        let items = all(&sources, InputFormat::Auto);
        let texts: Vec<_> = items.iter().map(|item| item.content.as_ref().ok().map(Record::text)).collect();
        assert_eq!(texts, [Some("Kyiv"), None, None, Some("Kyiv")]);
        let errors: Vec<_> =
            items.iter().filter_map(|item| item.content.as_ref().err()).map(|bad| bad.error.to_string()).collect();
        assert!(errors[0].starts_with("cannot be read: "), "{errors:?}");
        assert_eq!(errors[1], "is a folder; name the files in it");
        assert_eq!(total_bytes(&sources[..1]), Some(4));
        assert_eq!(total_bytes(&sources), None);
    }

    #[test]
    fn the_sink_can_stop_the_reading() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("many.jsonl");
        fs::write(&file, "{\"text\":\"a\"}\n".repeat(100)).unwrap();
        let mut count = 0;
        let end = read(&[Source::File(file)], InputFormat::Auto, &mut |_| {
            count += 1;
            if count == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!((end, count), (ControlFlow::Break(()), 3));
    }

    #[test]
    fn utf16_is_recognised() {
        let error = BadInput::utf8(&[0xff, 0xfe, b'K', 0]).unwrap_err().to_string();
        assert_eq!(
            error,
            "is not UTF-8 at byte 0 and looks like UTF-16; convert it first, as with `iconv -f UTF-16 -t UTF-8`"
        );
    }
}
