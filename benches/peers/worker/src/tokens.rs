//! The token ids that every engine reads: windows of a corpus, cut by Dateline's own tokeniser.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::ops::RangeInclusive;
use std::path::Path;

use dateline_model::{Annotator, ModelFiles, PackedBatch, RunOptions};
use serde::{Deserialize, Serialize};

use crate::TokensArgs;
use crate::failure::Failure;

/// Windows that are measured have so many tokens, special ones included: shorter ones are hardly texts, and longer ones
/// the model does not read at once.
const LENGTHS: RangeInclusive<usize> = 8..=256;

/// A window's token ids, special tokens included.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Window {
    /// Token ids.
    pub(crate) ids: Vec<u32>,
    /// Token type ids, as many.
    pub(crate) type_ids: Vec<u32>,
    /// Words of the text, between white space; 0 if the text has more than one window.
    pub(crate) words: usize,
}

/// Reads what [`write()`] wrote.
pub(crate) fn read(path: &Path) -> Result<Vec<Window>, Failure> {
    let name = path.display();
    let file = File::open(path).map_err(Failure::io(name.to_string()))?;
    let lines = BufReader::new(file).lines();
    let parse = |line: std::io::Result<String>| {
        serde_json::from_str(&line.map_err(Failure::io(name.to_string()))?).map_err(Failure::json(name.to_string()))
    };
    lines.map(parse).collect()
}

/// Writes windows from all over the corpus: those that are measured into one file, others into a second.
pub(crate) fn write(args: &TokensArgs) -> Result<(), Failure> {
    let windows = windows(args)?;
    let (measured, others) = (args.windows, args.calibration);
    if windows.len() < measured + others {
        return Err(Failure::Usage(format!(
            "{} has {} windows of {} to {} tokens, and {measured} are to be measured and {others} others are for \
             calibration: use a larger corpus, or ask for fewer",
            args.corpus.display(),
            windows.len(),
            LENGTHS.start(),
            LENGTHS.end(),
        )));
    }
    // The measured ones are spread over the whole corpus, and so are the others between them.
    let rank = |index: usize, among: usize| index * among / windows.len().max(1);
    let (mut chosen, mut rest) = (Vec::new(), Vec::new());
    for (index, window) in windows.iter().enumerate() {
        let chooses = rank(index + 1, measured) > rank(index, measured);
        if chooses { &mut chosen } else { &mut rest }.push(window);
    }
    let spread = (0..others).map(|index| rest[index * rest.len() / others.max(1)]);
    save(&args.calibration_out, spread)?;
    save(&args.out, chosen.into_iter())
}

fn save<'w>(path: &Path, windows: impl Iterator<Item = &'w Window>) -> Result<(), Failure> {
    let name = path.display().to_string();
    let mut file = BufWriter::new(File::create(path).map_err(Failure::io(name.clone()))?);
    for window in windows {
        let line = serde_json::to_string(window).expect("numbers are plain JSON");
        writeln!(file, "{line}").map_err(Failure::io(name.clone()))?;
    }
    file.flush().map_err(Failure::io(name))
}

fn windows(args: &TokensArgs) -> Result<Vec<Window>, Failure> {
    #[derive(Deserialize)]
    struct Record {
        text: String,
    }
    let annotator = Annotator::load(&ModelFiles::read(&args.model)?, &RunOptions::default())?;
    let name = args.corpus.display();
    let file = File::open(&args.corpus).map_err(Failure::io(name.to_string()))?;
    let mut windows = Vec::new();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let place = || format!("{name}: line {}", number + 1);
        let line = line.map_err(Failure::io(place()))?;
        let Record { text } = serde_json::from_str(&line).map_err(Failure::json(place()))?;
        let reading = annotator.read(&text)?;
        let words = if reading.windows() == 1 { text.split_whitespace().count() } else { 0 };
        for index in 0..reading.windows() {
            if LENGTHS.contains(&reading.window_tokens(index)) {
                let mut batch = PackedBatch::new();
                annotator.pack(&reading, index, &mut batch);
                windows.push(Window { ids: batch.token_ids, type_ids: batch.type_ids, words });
            }
        }
    }
    Ok(windows)
}
