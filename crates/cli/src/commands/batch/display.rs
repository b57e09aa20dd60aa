//! Progress while a batch runs: a bar for a person, lines of JSON for a machine, and what goes wrong, as it happens.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dateline_batch::{Event, Snapshot, Survey};
use indicatif::{HumanBytes, HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::args::BatchProgress;
use crate::progress::{self, ProgressMode};
use crate::terminal;

/// Short work stays quiet.
const QUIET: Duration = Duration::from_secs(1);
/// How often a line of JSON is written.
const EVERY: Duration = Duration::from_secs(1);
/// So many failed documents are named; all of them are rows of the outputs.
const NAMED: usize = 20;
/// Steps of the bar.
const STEPS: u64 = 1000;

/// Shows how planning goes on, which takes a while if large files have to be read for it.
pub(super) struct Planning {
    how: BatchProgress,
    bar: progress::Progress,
    begun: Instant,
    last_line: Instant,
}

impl Planning {
    /// `files` are to be looked at.
    pub(super) fn new(how: BatchProgress, files: u64) -> Self {
        let mode = if how == BatchProgress::Auto { ProgressMode::Auto } else { ProgressMode::Never };
        let begun = Instant::now();
        Self { how, bar: progress::Progress::over_steps(files, mode), begun, last_line: begun }
    }

    /// Shows where it stands, if it is time to.
    pub(super) fn show(&mut self, survey: &Survey) {
        self.bar.at(survey.files(), format!("files planned, {} read,", HumanBytes(survey.bytes())));
        if self.how == BatchProgress::Json && self.last_line.elapsed() >= EVERY {
            self.last_line = Instant::now();
            let seconds = (self.begun.elapsed().as_secs_f64() * 10.0).round() / 10.0;
            let planning = json!({ "files": survey.files(), "bytes": survey.bytes() });
            terminal::say(json!({ "seconds": seconds, "planning": planning }));
        }
    }
}

/// Shows how a run goes on.
pub(super) struct Display {
    how: BatchProgress,
    begun: Instant,
    bar: ProgressBar,
    failed: AtomicUsize,
    last_line: Mutex<Option<Instant>>,
}

impl Display {
    /// Nothing is done yet.
    pub(super) fn new(how: BatchProgress, begun: Instant) -> Self {
        let bar = ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::hidden());
        bar.set_style(ProgressStyle::with_template("{bar:24} {percent}% {msg}").expect("the template is a constant"));
        Self { how, begun, bar, failed: AtomicUsize::new(0), last_line: Mutex::new(None) }
    }

    /// Shows where the run stands, if it is time to.
    pub(super) fn show(&self, now: &Snapshot, tokens: u64) {
        let elapsed = self.begun.elapsed();
        match self.how {
            BatchProgress::Never => {}
            BatchProgress::Auto => self.draw(now, tokens, elapsed),
            BatchProgress::Json => {
                let mut last = self.last_line.lock().unwrap_or_else(PoisonError::into_inner);
                if last.is_none_or(|last| last.elapsed() >= EVERY) {
                    *last = Some(Instant::now());
                    terminal::say(line(now, tokens, elapsed));
                }
            }
        }
    }

    fn draw(&self, now: &Snapshot, tokens: u64, elapsed: Duration) {
        if elapsed < QUIET || !terminal::stderr_is_terminal() {
            return;
        }
        if self.bar.is_hidden() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        let failures = match now.failed {
            0 => String::new(),
            failed => format!(", {} failed", HumanCount(failed)),
        };
        let left = time_left(now, elapsed).map_or_else(String::new, |left| format!(", {} left", HumanDuration(left)));
        let shards = now.committed + now.already + now.skipped + now.broken;
        self.bar.set_message(format!(
            "{} documents{failures}, {} tokens/s, {shards} of {} shards{left}",
            HumanCount(now.documents),
            HumanCount(per_second(tokens, elapsed) as u64),
            now.shards
        ));
        self.bar.set_position((now.fraction * STEPS as f64) as u64);
    }

    /// Says what happened, if it is something that a person should know.
    pub(super) fn event(&self, event: Event) {
        match event {
            Event::Committed { .. } | Event::Skipped { .. } => {}
            Event::Broken { error, .. } => self.say(format_args!("error: {error}")),
            Event::Failed { place, error } => match self.failed.fetch_add(1, Ordering::Relaxed) {
                0..NAMED => self.say(format_args!("error: {place}: {error}")),
                NAMED => self.say("more documents failed; their rows in the outputs say why"),
                _ => {}
            },
            Event::Unconditional => self.say(
                "note: the store of the outputs does not know how to create a file only if there is none; it is asked \
                 before each. Two runners may write the same output, with the same content",
            ),
        }
    }

    fn say(&self, message: impl std::fmt::Display) {
        self.bar.suspend(|| terminal::say(message));
    }

    /// The run has come to its end.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// How long the rest takes if it goes on like this; `None` before there is anything to go by.
fn time_left(now: &Snapshot, elapsed: Duration) -> Option<Duration> {
    let left = elapsed.as_secs_f64() * (1.0 - now.fraction) / now.fraction;
    (now.fraction > 0.0).then(|| Duration::try_from_secs_f64(left.round()).ok()).flatten()
}

/// How many a second.
pub(super) fn per_second(count: u64, elapsed: Duration) -> f64 {
    let seconds = elapsed.as_secs_f64();
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

fn line(now: &Snapshot, tokens: u64, elapsed: Duration) -> String {
    json!({
        "seconds": (elapsed.as_secs_f64() * 10.0).round() / 10.0,
        "fraction": (now.fraction * 1e4).round() / 1e4,
        "seconds_left": time_left(now, elapsed).map(|left| left.as_secs()),
        "documents": now.documents,
        "failed": now.failed,
        "text_bytes": now.text_bytes,
        "tokens": tokens,
        "tokens_per_second": per_second(tokens, elapsed).round(),
        "shards": now.shards,
        "committed": now.committed,
        "skipped": now.skipped,
        "broken": now.broken,
        "done_twice": now.already,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_goes_by_what_is_done() {
        let now = |fraction| Snapshot { fraction, ..Snapshot::default() };
        let left = |fraction| time_left(&now(fraction), Duration::from_secs(30)).map(|left| left.as_secs());
        assert_eq!((left(0.25), left(1.0), left(0.0)), (Some(90), Some(0), None));
        let json: serde_json::Value = serde_json::from_str(&line(&now(0.5), 600, Duration::from_secs(2))).unwrap();
        assert_eq!((json["seconds_left"].as_u64(), json["tokens_per_second"].as_f64()), (Some(2), Some(300.0)));
    }
}
