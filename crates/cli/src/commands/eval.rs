//! `dateline eval`: what is found against what is marked.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use dateline_text::OffsetUnit;
use dateline_train::{ErrorCase, EvalReport, Example, LineFault, NamedSpan, SeenNames, evaluate, read_corpus};

use crate::args::EvalConfig;
use crate::failure::Failure;
use crate::terminal;

/// Reads the labelled texts with the model and prints the figures.
pub(super) fn run(config: EvalConfig) -> Result<(), Failure> {
    let (examples, faults) = read(&config.files, config.offsets)?;
    let (seen, seen_faults) = read(&config.train, config.offsets)?;
    let seen = (!config.train.is_empty()).then(|| SeenNames::of(&seen));
    let annotator = config.model.load()?;
    let mut report = evaluate(&annotator, &examples, seen.as_ref()).map_err(Failure::work)?;
    let errors = if config.errors { report.errors.clone() } else { Vec::new() };
    if config.json {
        report.errors = errors;
        print_json(&report)?;
    } else {
        print(&report, &errors)?;
    }
    // Figures of a file that was read in part are not the figures of the file.
    match faults.len() + seen_faults.len() {
        0 => Ok(()),
        failed => Err(Failure::Documents { failed, all: examples.len() + faults.len() }),
    }
}

/// The texts of all files, and the lines that could not be used, each of which is named at once.
fn read(files: &[PathBuf], offsets: OffsetUnit) -> Result<(Vec<Example>, Vec<LineFault>), Failure> {
    let (mut examples, mut faults) = (Vec::new(), Vec::new());
    for file in files {
        let corpus = read_corpus(file, offsets).map_err(|error| cannot_read(file, &error))?;
        corpus.faults.iter().for_each(|fault| terminal::say(format_args!("error: {fault}")));
        examples.extend(corpus.examples);
        faults.extend(corpus.faults);
    }
    Ok((examples, faults))
}

fn cannot_read(file: &Path, error: &dyn std::error::Error) -> Failure {
    let message = error.to_string();
    let file = file.display().to_string();
    Failure::Usage(if message.contains(&file) { message } else { format!("{file}: {message}") })
}

fn print_json(report: &EvalReport) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, report).map_err(io::Error::from)?;
    Ok(writeln!(out)?)
}

fn print(report: &EvalReport, errors: &[ErrorCase]) -> Result<(), Failure> {
    let mut out = terminal::styled_stdout();
    for error in errors {
        writeln!(out, "{}", line(error))?;
    }
    if !errors.is_empty() {
        writeln!(out)?;
    }
    Ok(writeln!(out, "{report}")?)
}

/// An error in one line: what it is, what was marked and found, and where.
fn line(case: &ErrorCase) -> String {
    let side = |name: &str, span: &Option<NamedSpan>| {
        span.as_ref().map(|NamedSpan { text, label, score }| {
            let score = score.map(|score| format!(" {score:.2}")).unwrap_or_default();
            format!("{name} {label} {text:?}{score}")
        })
    };
    let sides: Vec<_> = [side("marked", &case.gold), side("found", &case.predicted)].into_iter().flatten().collect();
    let id = case.id.as_deref().map(|id| format!(" ({id})")).unwrap_or_default();
    format!("{:14}  {}: {}{id}", case.kind, sides.join(", "), case.context)
}

#[cfg(test)]
mod tests {
    use dateline_train::ErrorKind;

    use super::*;

    #[test]
    fn an_error_is_one_line() {
        let span = |text: &str, score| Some(NamedSpan { text: text.into(), label: "PLACE".into(), score });
        let case = ErrorCase {
            kind: ErrorKind::WrongBoundary,
            id: Some("7".into()),
            context: "the [Oslo Fjord] froze".into(),
            gold: span("Oslo Fjord", None),
            predicted: span("Oslo", Some(0.625)),
        };
        assert_eq!(
            line(&case),
            "wrong boundary  marked PLACE \"Oslo Fjord\", found PLACE \"Oslo\" 0.62: the [Oslo Fjord] froze (7)"
        );
    }
}
