//! `dateline convert`: annotated documents from one format to another, one at a time.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};

use dateline_formats::{Annotated, FormatError, LeftOut};
use dateline_text::entities;

use crate::args::ConvertConfig;
use crate::failure::Failure;
use crate::input::Source;
use crate::output::Shared;
use crate::terminal;

/// So many things that were left out are named.
const NAMED: usize = 20;

/// Converts the documents of all sources.
pub(super) fn run(config: &ConvertConfig) -> Result<(), Failure> {
    let mut sink = Shared::new(BufWriter::with_capacity(1 << 16, io::stdout().lock()));
    let mut conversion = Conversion {
        writer: config.to.writer(Box::new(sink.clone()), &config.options),
        documents: 0,
        failed: 0,
        left_out: 0,
    };
    for source in &config.sources {
        let (name, input): (_, Box<dyn BufRead>) = match source {
            Source::Stdin => ("standard input".to_owned(), Box::new(io::stdin().lock())),
            Source::File(path) => {
                let name = path.display().to_string();
                let open =
                    File::open(path).map_err(|error| Failure::work(format!("{name} cannot be read: {error}")))?;
                (name, Box::new(BufReader::with_capacity(1 << 16, open)))
            }
        };
        let documents = config.from.reader(input, &config.options).expect("only formats that can be read are accepted");
        for document in documents {
            conversion.document(&name, document)?;
        }
    }
    let Conversion { writer, documents, failed, left_out } = conversion;
    writer.finish()?;
    sink.flush()?;
    if left_out > NAMED {
        terminal::say(format_args!("note: and {} more were left out", left_out - NAMED));
    }
    match failed {
        0 => Ok(()),
        failed => Err(Failure::Documents { failed, all: documents }),
    }
}

struct Conversion<'w> {
    writer: Box<dyn dateline_formats::Write + 'w>,
    documents: usize,
    failed: usize,
    left_out: usize,
}

impl Conversion<'_> {
    fn document(&mut self, source: &str, document: Result<Annotated, FormatError>) -> Result<(), Failure> {
        self.documents += 1;
        let written = document.and_then(|mut document| {
            self.say_left_out(source, &document);
            if document.entities.is_empty() {
                document.entities = entities::group(&document.document.text, &document.mentions);
            }
            self.writer.document(&document)
        });
        match written {
            Err(FormatError::Io(error)) => return Err(Failure::work(format!("{source}: {error}"))),
            Err(error) => {
                self.failed += 1;
                terminal::say(format_args!("error: {source}: {error}"));
            }
            Ok(()) => {}
        }
        Ok(())
    }

    fn say_left_out(&mut self, source: &str, document: &Annotated) {
        for LeftOut { what, why } in &document.left_out {
            self.left_out += 1;
            if self.left_out <= NAMED {
                terminal::say(format_args!("note: {source}: {what} is left out: {why}"));
            }
        }
    }
}
