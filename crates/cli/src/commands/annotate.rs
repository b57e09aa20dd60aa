//! `dateline annotate`: documents in, mentions out, in order and in bounded memory.
//!
//! One thread reads; this one annotates what has been read so far, as one batch, and writes it before it takes more. So
//! a pipe that trickles is answered document by document, a large file in full batches, and no more than two chunks of
//! the input are held at a time. A document's mentions do not depend on the batch that it came in: the model sees to it.

use std::io;
use std::ops::ControlFlow;
use std::panic;
use std::thread;

use dateline_formats::FormatError;
use dateline_model::{Annotator, ModelError, RunOptions};
use dateline_text::{Label, Mention, MentionFilter};

use crate::args::AnnotateConfig;
use crate::failure::{Failure, with_causes};
use crate::input::{self, Item, Record, Sink, Source};
use crate::output::{self, Finder, Output};
use crate::progress::Progress;
use crate::{queue, terminal};

/// How many bytes are read ahead of the model for each token of a batch: about four batches' worth. More would keep
/// finished documents from whoever waits for them, less would leave batches half empty.
const READ_AHEAD_PER_TOKEN: usize = 16;
/// What a document weighs beside its bytes, so that a million empty ones are not a weightless chunk.
const DOCUMENT_WEIGHT: usize = 256;

/// Annotates the documents of all sources.
pub(super) fn run(config: AnnotateConfig) -> Result<(), Failure> {
    let annotator = config.model.load()?;
    let labels = annotator.info().labels.clone();
    check_labels(&config.filter, &labels)?;
    if config.sources.contains(&Source::Stdin) && terminal::stdin_is_terminal() {
        terminal::say("Reading from the terminal; end the text with Ctrl-D.");
    }
    let colors = terminal::stdout_has_colors();
    let sink = terminal::styled_stdout();
    let finder = Finder { name: &config.model.located.name(), labels: &labels };
    let output = output::to(sink, config.format, config.output, colors, finder);
    let progress = Progress::over_bytes(input::total_bytes(&config.sources), config.progress);
    let read_ahead = read_ahead(&config.model.run);
    let mut run = Run::new(&annotator, config.filter, output, progress);
    let (sources, format) = (config.sources, config.input);
    run.all(read_ahead, move |sink| input::read(&sources, format, sink))?;
    let (failed, all) = (run.failed, run.documents);
    run.output.finish()?;
    match failed {
        0 => Ok(()),
        failed => Err(Failure::Documents { failed, all }),
    }
}

/// A label that the model does not know would silently find nothing.
pub(super) fn check_labels(filter: &MentionFilter, known: &[Label]) -> Result<(), Failure> {
    let unknown = filter.labels.iter().flatten().find(|label| !known.contains(label));
    unknown.map_or(Ok(()), |label| {
        let known: Vec<_> = known.iter().map(Label::as_str).collect();
        Err(Failure::Usage(format!("the model has no label {label}: it has {}", known.join(", "))))
    })
}

/// How many bytes of documents are read ahead of a model that runs so.
pub(super) const fn read_ahead(options: &RunOptions) -> usize {
    options.max_batch_tokens.saturating_mul(READ_AHEAD_PER_TOKEN)
}

/// Documents on their way through a model.
pub(super) struct Run<'r> {
    annotator: &'r Annotator,
    filter: MentionFilter,
    output: Box<dyn Output + 'r>,
    progress: Progress,
    documents: usize,
    /// How many of them failed so far; each was named on standard error.
    pub(super) failed: usize,
}

impl<'r> Run<'r> {
    /// Nothing is done yet.
    pub(super) fn new(
        annotator: &'r Annotator,
        filter: MentionFilter,
        output: Box<dyn Output + 'r>,
        progress: Progress,
    ) -> Self {
        Self { annotator, filter, output, progress, documents: 0, failed: 0 }
    }

    /// Annotates and writes all documents that `read` reads, about `read_ahead` bytes of them ahead of the model.
    pub(super) fn all(
        &mut self,
        read_ahead: usize,
        read: impl FnOnce(Sink<'_>) -> ControlFlow<()> + Send + 'static,
    ) -> io::Result<()> {
        let (sender, receiver) = queue::bounded(read_ahead);
        // Not a scoped thread: when the output is closed this ends, though the reader may wait for input for ever.
        let reader = thread::spawn(move || {
            let _ = read(&mut |item: Item| {
                let weight = item.bytes + DOCUMENT_WEIGHT;
                sender.send(item, weight).map_or(ControlFlow::Break(()), ControlFlow::Continue)
            });
        });
        while let Some(chunk) = receiver.take() {
            self.chunk(&chunk)?;
        }
        if let Err(cause) = reader.join() {
            panic::resume_unwind(cause);
        }
        Ok(())
    }

    fn chunk(&mut self, items: &[Item]) -> io::Result<()> {
        let records = items.iter().filter_map(|item| item.content.as_ref().ok());
        let texts: Vec<&str> = records.map(Record::text).collect();
        let mut results = annotate(self.annotator, &texts).into_iter();
        for item in items {
            match &item.content {
                Ok(record) => match results.next().expect("a result for each text") {
                    Ok(mentions) => match self.output.document(&item.origin, record, &self.filter.apply(mentions)) {
                        Err(FormatError::Io(error)) => return Err(error),
                        Err(error) => self.say_failed(item, error),
                        Ok(()) => {}
                    },
                    Err(error) => {
                        let error = with_causes(&error);
                        self.say_failed(item, &error);
                        self.output.failure(&item.origin, record.id(), &error)?;
                    }
                },
                Err(rejected) => {
                    self.say_failed(item, &rejected.error);
                    rejected.write_to(&mut *self.output, &item.origin)?;
                }
            }
        }
        self.output.flush()?;
        self.documents += items.len();
        self.progress.documents_done(items.len(), items.iter().map(|item| item.bytes).sum());
        Ok(())
    }

    fn say_failed(&mut self, item: &Item, error: impl std::fmt::Display) {
        self.failed += 1;
        self.progress.say(format_args!("error: {} {error}", item.origin));
    }
}

/// The mentions of each text. If the batch as a whole fails, each text is tried by itself, so that only those fail
/// which must.
fn annotate(annotator: &Annotator, texts: &[&str]) -> Vec<Result<Vec<Mention>, ModelError>> {
    match annotator.annotate_all(texts) {
        Ok(all) => all.into_iter().map(Ok).collect(),
        Err(_) => texts.iter().map(|text| annotator.annotate(text)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_label_is_refused_with_the_known_ones() {
        let known = [Label::new("PERSON"), Label::new("PLACE")];
        let filter = |label: &str| MentionFilter { min_score: 0.0, labels: Some([Label::new(label)].into()) };
        assert!(check_labels(&MentionFilter::default(), &known).is_ok());
        assert!(check_labels(&filter("PLACE"), &known).is_ok());
        let message = check_labels(&filter("place"), &known).unwrap_err().to_string();
        assert_eq!(message, "the model has no label place: it has PERSON, PLACE");
    }
}
