//! Evaluation through the product's own path: text in, mentions out.

use std::time::Instant;

use dateline_model::Annotator;
use dateline_text::Mention;

use crate::{EvalReport, Example, SeenNames, TrainError};

/// Texts that are handed over at once.
const TEXTS: usize = 64;

/// Reads `examples` with `annotator` and compares what it finds with what is marked. With `seen`, the recall of names
/// that are not among them is reported, too.
///
/// # Errors
/// [`TrainError::Empty`] without examples, [`TrainError::Model`] if reading fails.
pub fn evaluate(
    annotator: &Annotator,
    examples: &[Example],
    seen: Option<&SeenNames>,
) -> Result<EvalReport, TrainError> {
    if examples.is_empty() {
        return Err(TrainError::Empty("there are no labelled texts to evaluate on".to_owned()));
    }
    let start = Instant::now();
    let found = read_all(annotator, examples)?;
    let seconds = start.elapsed().as_secs_f64();
    let mut report = EvalReport::new(examples, &found, seen);
    report.model.clone_from(&annotator.info().name);
    #[expect(clippy::cast_precision_loss, reason = "counts of texts")]
    {
        report.milliseconds_per_text = 1000.0 * seconds / examples.len() as f64;
    }
    Ok(report)
}

/// The mentions that `annotator` finds in each of `examples`.
pub(crate) fn read_all(annotator: &Annotator, examples: &[Example]) -> Result<Vec<Vec<Mention>>, TrainError> {
    let mut found = Vec::with_capacity(examples.len());
    for part in examples.chunks(TEXTS) {
        let texts: Vec<&str> = part.iter().map(|example| example.text.as_str()).collect();
        found.extend(annotator.annotate_all(&texts)?);
    }
    Ok(found)
}
