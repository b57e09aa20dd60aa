//! A progress bar on standard error, for a person who waits.
//!
//! It appears only on a terminal and only once the work has taken a second: short work stays quiet, and a log file
//! never holds a bar.

use std::time::{Duration, Instant};

use clap::ValueEnum;
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::terminal;

/// When to show progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressMode {
    /// On a terminal, for work that takes longer than a second.
    #[default]
    Auto,
    /// Never.
    Never,
}

const QUIET: Duration = Duration::from_secs(1);

/// A bar that stays hidden for the first second.
pub(crate) struct Progress {
    bar: ProgressBar,
    started: Instant,
    waiting: bool,
    documents: u64,
}

impl Progress {
    /// A bar over `total` bytes, or a count where the total is unknown.
    pub(crate) fn over_bytes(total: Option<u64>, mode: ProgressMode) -> Self {
        let style = match total {
            Some(_) => "{bar:30} {bytes}/{total_bytes} {msg} {elapsed}, {eta} left",
            None => "{spinner} {bytes} {msg} {elapsed}",
        };
        Self::new(total, style, mode)
    }

    /// A bar over `total` steps, with a message beside it.
    pub(crate) fn over_steps(total: u64, mode: ProgressMode) -> Self {
        Self::new(Some(total), "{bar:30} {pos}/{len} {msg} {elapsed}, {eta} left", mode)
    }

    fn new(total: Option<u64>, style: &str, mode: ProgressMode) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        bar.set_style(ProgressStyle::with_template(style).expect("the template is a constant"));
        let waiting = mode == ProgressMode::Auto && terminal::stderr_is_terminal();
        Self { bar, started: Instant::now(), waiting, documents: 0 }
    }

    /// `documents` more are done, in which were `bytes`.
    pub(crate) fn documents_done(&mut self, documents: usize, bytes: usize) {
        self.documents += documents as u64;
        self.bar.set_message(format!("{} documents", HumanCount(self.documents)));
        self.bar.inc(bytes as u64);
        self.show_if_due();
    }

    /// `position` steps are done; `message` says where the work stands.
    pub(crate) fn at(&mut self, position: u64, message: String) {
        self.bar.set_message(message);
        self.bar.set_position(position);
        self.show_if_due();
    }

    /// Says a line on standard error without tearing the bar.
    pub(crate) fn say(&self, message: impl std::fmt::Display) {
        self.bar.suspend(|| terminal::say(message));
    }

    fn show_if_due(&mut self) {
        if self.waiting && self.started.elapsed() >= QUIET {
            self.waiting = false;
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
