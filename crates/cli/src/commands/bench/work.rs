//! What is measured: the texts, and what is done with them.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dateline_model::{Annotator, ModelError, PackedBatch, RunOptions};
use dateline_text::{MentionFilter, OffsetUnit};

use super::instructions::PeakProbe;
use super::rounds::{Setting, Work, per_second, share};
use crate::commands::annotate;
use crate::failure::Failure;
use crate::input::{self, InputFormat, Source};
use crate::output::{self, Finder, OutputFormat, OutputOptions};
use crate::progress::{Progress, ProgressMode};

/// Sizes of batches in tokens that are tried beside the one in use.
const BUDGETS: [usize; 4] = [64, 256, 1024, 4096];
/// Of the texts, so many bytes are taken: more than a run gets through, and little memory beside the model's.
const TEXT_BYTES: usize = 1 << 20;
/// The most bytes of lines that one call of the whole path reads.
const LINES_BYTES: usize = 16 << 20;
/// How often the short text is annotated in a round, at least: 100 times in all.
const LEAST_CALLS: usize = 20;

// What the things are worth beside each other: what a report compares gets more time.
const SIDE: f64 = 1.0;
const ENCODER_IN_USE: f64 = 3.0;
const WHOLE_PATH: f64 = 4.0;

/// The texts of `sources`, up to about [`TEXT_BYTES`]. One that cannot be read is refused: figures of a part of a file
/// would pass for the file's.
pub(super) fn texts_of(sources: &[Source]) -> Result<Vec<String>, Failure> {
    let (mut texts, mut bytes, mut bad) = (Vec::new(), 0, None);
    let _ = input::read(sources, InputFormat::Auto, &mut |item| {
        match item.content {
            Ok(record) => {
                bytes += record.text().len();
                texts.push(record.text().to_owned());
            }
            Err(rejected) => bad = Some(format!("{} {}", item.origin, rejected.error)),
        }
        if bad.is_some() || bytes >= TEXT_BYTES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bad.map_or(Ok(texts), |bad| Err(Failure::Usage(bad)))
}

/// The texts, and how much there is to do in each.
pub(super) struct Corpus {
    pub(super) texts: Vec<String>,
    /// Tokens of each text as the encoder reads them.
    tokens: Vec<usize>,
    /// Words of each text, by the white space between them.
    words: Vec<usize>,
    /// A batch of one window for each window of the texts.
    windows: Vec<PackedBatch>,
}

impl Corpus {
    /// Reads `texts`; what `annotator` finds no token in is left out.
    pub(super) fn read(annotator: &Annotator, texts: Vec<String>) -> Result<Self, Failure> {
        let mut corpus = Self { texts: Vec::new(), tokens: Vec::new(), words: Vec::new(), windows: Vec::new() };
        for text in texts {
            let reading = annotator.read(&text)?;
            let before = corpus.windows.len();
            for window in 0..reading.windows() {
                let mut batch = PackedBatch::new();
                annotator.pack(&reading, window, &mut batch);
                corpus.windows.push(batch);
            }
            if corpus.windows.len() > before {
                corpus.tokens.push(corpus.windows[before..].iter().map(PackedBatch::tokens).sum());
                corpus.words.push(text.split_whitespace().count());
                corpus.texts.push(text);
            }
        }
        if corpus.texts.is_empty() {
            return Err(Failure::Usage("there is no text with a word in it: name a file that has some".to_owned()));
        }
        Ok(corpus)
    }

    /// Tokens of all texts.
    pub(super) fn tokens(&self) -> usize {
        self.tokens.iter().sum()
    }

    /// Words of all texts.
    pub(super) fn words(&self) -> usize {
        self.words.iter().sum()
    }

    /// The windows of the texts in batches of at most `budget` tokens, filled as `annotate` fills them, the last one
    /// with the first windows once more. A longer window is cut to the budget.
    fn batches(&self, budget: usize) -> Vec<PackedBatch> {
        let (mut batches, mut batch) = (Vec::new(), PackedBatch::new());
        for (index, window) in self.windows.iter().cycle().enumerate() {
            let tokens = window.tokens().min(budget);
            if batch.tokens() + tokens > budget {
                batches.push(batch);
                batch = PackedBatch::new();
                if index >= self.windows.len() {
                    break;
                }
            }
            batch.push(&window.token_ids[..tokens], &window.type_ids[..tokens]);
        }
        batches
    }

    /// Lines of JSON with about `tokens` tokens in them, the texts round and round.
    fn lines(&self, tokens: usize) -> Lines {
        let mut lines = Lines { json: Arc::default(), tokens: 0, words: 0 };
        let mut json = Vec::new();
        for (number, index) in (0..self.texts.len()).cycle().enumerate() {
            if lines.tokens >= tokens || json.len() >= LINES_BYTES {
                break;
            }
            let line = serde_json::json!({ "id": number, "text": self.texts[index] });
            json.extend_from_slice(line.to_string().as_bytes());
            json.push(b'\n');
            lines.tokens += self.tokens[index];
            lines.words += self.words[index];
        }
        lines.json = json.into();
        lines
    }
}

/// What the whole path reads in one call.
struct Lines {
    json: Arc<[u8]>,
    tokens: usize,
    words: usize,
}

/// All that is measured.
pub(super) struct Settings<'w> {
    /// Tokenising and cutting windows, on one thread.
    pub(super) tokenise: Setting<'w>,
    /// The bare encoder, by the most tokens of a batch, ascending.
    pub(super) encoder: Vec<EncoderSetting<'w>>,
    /// One text after the other.
    pub(super) single: Setting<'w>,
    /// JSONL to JSONL.
    pub(super) whole_path: Setting<'w>,
    /// Words for each token of the whole path.
    pub(super) words_per_token: f64,
    /// The short text by itself.
    pub(super) latency: Setting<'w>,
    /// The machine's multiply-adds, with the name of the instruction set.
    pub(super) peak: Option<(&'static str, Setting<'w>)>,
}

/// The encoder on batches of one size.
pub(super) struct EncoderSetting<'w> {
    /// The most tokens of a batch.
    pub(super) budget: usize,
    /// Whether that is what `annotate` and `serve` take with the same options.
    pub(super) in_use: bool,
    /// The measurement.
    pub(super) setting: Setting<'w>,
}

impl<'w> Settings<'w> {
    /// Prepares all that is measured in about `time`. A batch is encoded on the way: memory is warm then, and it is
    /// known how much this machine does in the time.
    pub(super) fn new(
        bench: Bench<'w>,
        short: &'w str,
        time: Duration,
        peak: Option<PeakProbe>,
    ) -> Result<Self, Failure> {
        let in_use = bench.options.max_batch_tokens;
        let mut budgets = [&BUDGETS[..], &[in_use]].concat();
        budgets.sort_unstable();
        budgets.dedup();
        let encoder: Vec<_> = budgets.into_iter().map(|budget| bench.encoder(budget)).collect();
        let peak = peak.map(|(name, probe)| (name, Setting::new("the CPU's peak", SIDE, Work::Told(probe))));
        let (tokenise, single, latency) = (bench.tokenise(), bench.single(), bench.latency(short));
        let sides = [&tokenise, &single, &latency].into_iter().chain(peak.iter().map(|(_, setting)| setting));
        let others: f64 = sides.chain(encoder.iter().map(|encoder| &encoder.setting)).map(|side| side.weight).sum();
        let slice = share(time, WHOLE_PATH / (WHOLE_PATH + others));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of tokens, from 0")]
        let tokens = (bench.tokens_per_second()? * slice.as_secs_f64()) as usize;
        let lines = bench.corpus.lines(tokens.max(in_use));
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 tokens")]
        let words_per_token = lines.words as f64 / lines.tokens as f64;
        let whole_path = bench.whole_path(lines);
        Ok(Self { tokenise, encoder, single, whole_path, words_per_token, latency, peak })
    }

    /// Every setting, in the order in which they take turns: the two whose ratio is reported, the encoder in use and the
    /// whole path, as near as can be.
    pub(super) fn all(&mut self) -> Vec<&mut Setting<'w>> {
        let mut all = vec![&mut self.tokenise, &mut self.single, &mut self.latency];
        all.extend(self.peak.as_mut().map(|(_, setting)| setting));
        // `false` sorts before `true`: the one in use comes last, right before the whole path.
        let mut encoder: Vec<_> = self.encoder.iter_mut().collect();
        encoder.sort_by_key(|encoder| encoder.in_use);
        all.extend(encoder.into_iter().map(|encoder| &mut encoder.setting));
        all.push(&mut self.whole_path);
        all
    }

    /// The encoder as `annotate` and `serve` use it with the same options.
    pub(super) fn encoder_in_use(&self) -> &Setting<'w> {
        let in_use = self.encoder.iter().find(|encoder| encoder.in_use);
        &in_use.expect("its size is among those tried").setting
    }
}

/// What the work is done with.
#[derive(Clone, Copy)]
pub(super) struct Bench<'w> {
    /// The model.
    pub(super) annotator: &'w Annotator,
    /// How it runs.
    pub(super) options: &'w RunOptions,
    /// The texts.
    pub(super) corpus: &'w Corpus,
}

impl<'w> Bench<'w> {
    /// About how fast the encoder is.
    fn tokens_per_second(self) -> Result<f64, Failure> {
        let batches = self.corpus.batches(self.options.max_batch_tokens);
        let start = Instant::now();
        black_box(self.annotator.encode(&batches[0], &|| {})?);
        Ok(per_second(batches[0].tokens(), start.elapsed()))
    }

    fn encoder(self, budget: usize) -> EncoderSetting<'w> {
        let in_use = budget == self.options.max_batch_tokens;
        let weight = if in_use { ENCODER_IN_USE } else { SIDE };
        let batches = self.corpus.batches(budget);
        let mut turn = (0..batches.len()).cycle();
        let setting = Setting::timed(format!("encoder, batches of {budget}"), weight, move || {
            let batch = &batches[turn.next().expect("there is a batch")];
            black_box(self.annotator.encode(batch, &|| {})?);
            Ok(batch.tokens())
        });
        EncoderSetting { budget, in_use, setting }
    }

    fn tokenise(self) -> Setting<'w> {
        self.text_by_text("tokenising", move |text| {
            black_box(self.annotator.read(text)?);
            Ok(())
        })
    }

    fn single(self) -> Setting<'w> {
        self.text_by_text("one text at a time", move |text| {
            black_box(self.annotator.annotate(text)?);
            Ok(())
        })
    }

    fn text_by_text(self, name: &str, work: impl Fn(&str) -> Result<(), ModelError> + 'w) -> Setting<'w> {
        let mut turn = (0..self.corpus.texts.len()).cycle();
        Setting::timed(name, SIDE, move || {
            let index = turn.next().expect("there is a text");
            work(&self.corpus.texts[index])?;
            Ok(self.corpus.tokens[index])
        })
    }

    fn latency(self, short: &'w str) -> Setting<'w> {
        let setting = Setting::timed("one short text", SIDE, move || {
            black_box(self.annotator.annotate(short)?);
            Ok(1)
        });
        Setting { least_calls: LEAST_CALLS, ..setting }
    }

    /// What `dateline annotate` does with a file of these lines, but that they come from memory and what is written
    /// goes there.
    fn whole_path(self, lines: Lines) -> Setting<'w> {
        let read_ahead = annotate::read_ahead(self.options);
        let labels = &self.annotator.info().labels;
        let mut written = Vec::new();
        Setting::timed("whole path", WHOLE_PATH, move || {
            written.clear();
            let options = OutputOptions { offsets: OffsetUnit::default(), include_text: false, entities: true };
            let output = output::to(&mut written, OutputFormat::Jsonl, options, false, Finder { name: "", labels });
            let progress = Progress::over_bytes(None, ProgressMode::Never);
            let mut run = annotate::Run::new(self.annotator, MentionFilter::default(), output, progress);
            let json = Arc::clone(&lines.json);
            run.all(read_ahead, move |sink| input::read_lines(&json, sink))?;
            match run.failed {
                0 => Ok(lines.tokens),
                failed => Err(Failure::work(format!("{failed} texts failed; each is named above"))),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A corpus of windows of these sizes; the tokens of a window are numbered from its index times 1000.
    fn corpus(sizes: &[usize]) -> Corpus {
        let window = |(index, &size): (usize, &usize)| {
            let first = u32::try_from(index).unwrap() * 1000;
            let ids: Vec<u32> = (first..).take(size).collect();
            let mut batch = PackedBatch::new();
            batch.push(&ids, &ids);
            batch
        };
        Corpus {
            texts: (0..sizes.len()).map(|index| format!("text \"{index}\"")).collect(),
            tokens: sizes.to_vec(),
            words: vec![2; sizes.len()],
            windows: sizes.iter().enumerate().map(window).collect(),
        }
    }

    fn sizes(batches: &[PackedBatch]) -> Vec<Vec<usize>> {
        batches.iter().map(|batch| batch.windows().map(|window| window.len()).collect()).collect()
    }

    /// Half a batch at the end would make large batches look slower than they are.
    #[test]
    fn batches_are_full() {
        let batches = corpus(&[30, 50, 40, 10]).batches(90);
        assert_eq!(sizes(&batches), [vec![30, 50], vec![40, 10, 30]]);
        assert_eq!(batches[1].token_ids[50], 0, "the first window comes again");
        let one_text = corpus(&[30]).batches(100);
        assert_eq!(sizes(&one_text), [[30, 30, 30]]);
    }

    #[test]
    fn a_window_is_cut_to_a_small_batch() {
        assert_eq!(sizes(&corpus(&[30, 100, 64]).batches(64)), [[30], [64], [64]]);
    }

    #[test]
    fn lines_go_round_until_there_are_enough_tokens() {
        let lines = corpus(&[30, 50]).lines(100);
        assert_eq!((lines.tokens, lines.words), (110, 6));
        let lines: Vec<&str> = std::str::from_utf8(&lines.json).unwrap().lines().collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[2], r#"{"id":2,"text":"text \"0\""}"#);
    }

    #[test]
    fn a_text_that_cannot_be_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("texts.jsonl");
        std::fs::write(&file, "{\"text\":\"one\"}\n{\"txt\":\"two\"}\n").unwrap();
        let message = texts_of(&[Source::File(file.clone())]).unwrap_err().to_string();
        assert!(message.contains("texts.jsonl, line 2 has no \"text\""), "{message}");
        std::fs::write(&file, "{\"text\":\"one\"}\n".repeat(3)).unwrap();
        assert_eq!(texts_of(&[Source::File(file)]).unwrap(), ["one"; 3]);
    }

    /// A benchmark of an archive of 100 GB must not read all of it.
    #[test]
    fn of_many_texts_the_first_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("texts.jsonl");
        let line = format!("{{\"text\":\"{}\"}}\n", "a".repeat(1000));
        std::fs::write(&file, line.repeat(2000) + "no JSON").unwrap();
        assert_eq!(texts_of(&[Source::File(file)]).unwrap().len(), TEXT_BYTES.div_ceil(1000));
    }
}
