//! Annotated documents on standard output, in the order of the input.

mod jsonl;
mod pretty;

use std::io::{self, Write};

use dateline_text::{Label, Mention, OffsetUnit};

use crate::input::{Origin, Record, Rejected};

pub(crate) use jsonl::JsonLines;
pub(crate) use pretty::Pretty;

/// The shape of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people: the text with its mentions marked, then a table of them.
    Pretty,
    /// For programs: a JSON object a document, {"id", "mentions": [{"start", "end", "label", "text", "score"}]}.
    Jsonl,
}

/// What every format needs to know.
#[derive(Clone, Debug)]
pub(crate) struct OutputOptions {
    /// The unit of the offsets.
    pub(crate) offsets: OffsetUnit,
    /// Whether JSONL repeats the text.
    pub(crate) include_text: bool,
}

/// A format that takes documents one by one.
pub(crate) trait Output {
    /// An annotated document.
    fn document(&mut self, origin: &Origin, record: &Record, mentions: &[Mention]) -> io::Result<()>;

    /// A document that failed, with what is wrong.
    fn failure(&mut self, origin: &Origin, id: Option<&serde_json::value::RawValue>, error: &str) -> io::Result<()>;

    /// Hands on what is buffered: nobody shall wait for a chunk that is done.
    fn flush(&mut self) -> io::Result<()>;
}

/// The output of `format` onto `sink`, which shows colours if `colors` says so. `labels` are those of the model.
pub(crate) fn to<'w, W: Write + 'w>(
    sink: W,
    format: OutputFormat,
    options: OutputOptions,
    colors: bool,
    labels: &[Label],
) -> Box<dyn Output + 'w> {
    let sink = io::BufWriter::with_capacity(1 << 16, sink);
    match format {
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
