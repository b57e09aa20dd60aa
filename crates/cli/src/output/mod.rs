//! Annotated documents on standard output, in the order of the input.

mod foreign;
mod jsonl;
mod pretty;
mod shared;

use std::io::{self, Write};

use dateline_formats::{Format, FormatError};
use dateline_text::{Label, Mention, OffsetUnit};

use crate::input::{Origin, Record, Rejected};

pub(crate) use foreign::{Foreign, now};
pub(crate) use jsonl::JsonLines;
pub(crate) use pretty::Pretty;
pub(crate) use shared::Shared;

/// The shape of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputFormat {
    /// For people: the text with its mentions marked, then a table of them.
    Pretty,
    /// For programs: a JSON object a document, {"id", "mentions": […], "entities": […]}, other fields to the letter.
    Jsonl,
    /// For other tools.
    Foreign(Format),
}

impl OutputFormat {
    /// The names of all of them.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        ["pretty"].into_iter().chain(Format::ALL.map(Format::name))
    }

    /// The one of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "pretty" => Some(Self::Pretty),
            name => name.parse().ok().map(|format| match format {
                Format::Jsonl => Self::Jsonl,
                other => Self::Foreign(other),
            }),
        }
    }
}

/// What every format needs to know.
#[derive(Clone, Debug)]
pub(crate) struct OutputOptions {
    /// The unit of the offsets.
    pub(crate) offsets: OffsetUnit,
    /// Whether JSONL repeats the text.
    pub(crate) include_text: bool,
    /// Whether JSONL has entities beside mentions.
    pub(crate) entities: bool,
}

/// A format that takes documents one by one.
pub(crate) trait Output {
    /// An annotated document, unless the format cannot hold it.
    fn document(&mut self, origin: &Origin, record: &Record, mentions: &[Mention]) -> Result<(), FormatError>;

    /// A document that failed, with what is wrong.
    fn failure(&mut self, origin: &Origin, id: Option<&serde_json::value::RawValue>, error: &str) -> io::Result<()>;

    /// Hands on what is buffered: nobody shall wait for a chunk that is done.
    fn flush(&mut self) -> io::Result<()>;

    /// Writes what stands at the end. Nothing is whole before.
    fn finish(mut self: Box<Self>) -> Result<(), FormatError> {
        Ok(self.flush()?)
    }
}

/// Who found the mentions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finder<'m> {
    /// The model's name.
    pub(crate) name: &'m str,
    /// Its labels.
    pub(crate) labels: &'m [Label],
}

/// The output of `format` onto `sink`, which shows colours if `colors` says so.
pub(crate) fn to<'w, W: Write + 'w>(
    sink: W,
    format: OutputFormat,
    options: OutputOptions,
    colors: bool,
    Finder { name, labels }: Finder<'_>,
) -> Box<dyn Output + 'w> {
    let sink = io::BufWriter::with_capacity(1 << 16, sink);
    match format {
        OutputFormat::Foreign(format) => Box::new(Foreign::new(sink, format, &options, name)),
        OutputFormat::Jsonl => Box::new(JsonLines::new(sink, options)),
        OutputFormat::Pretty => Box::new(Pretty::new(sink, options, colors, labels)),
    }
}

impl Rejected {
    /// Hands the rejected document on to `output`.
    pub(crate) fn write_to(&self, output: &mut dyn Output, origin: &Origin) -> io::Result<()> {
        output.failure(origin, self.id.as_deref(), &self.error.to_string())
    }
}
