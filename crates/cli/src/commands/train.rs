//! `dateline train`: a base folder and labelled texts in, a model folder out.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use dateline_train::{Evaluation, Quantisation, TrainError, TrainEvent, TrainObserver, TrainSummary, train};

use crate::args::TrainConfig;
use crate::failure::Failure;
use crate::progress::{Progress, ProgressMode};
use crate::terminal;

/// Trains, shows how far it is, and prints what came out.
pub(super) fn run(config: TrainConfig) -> Result<(), Failure> {
    let mut console = Console::new(config.progress, config.options.recipe.epochs);
    let summary = train(&config.options, &mut console).map_err(|error| match error {
        // Wrong files or figures: nothing was begun.
        TrainError::Read { .. }
        | TrainError::Corpus(_)
        | TrainError::Empty(_)
        | TrainError::Recipe { .. }
        | TrainError::Base { .. }
        | TrainError::Resume { .. } => Failure::Usage(error.to_string()),
        other => Failure::work(other),
    })?;
    drop(console);
    print(&summary, config.json)?;
    terminal::say(format_args!("the model is in {}", config.options.out.display()));
    Ok(())
}

fn print(summary: &TrainSummary, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, summary)?;
        return writeln!(out);
    }
    writeln!(out, "{}", summary.report)
}

/// How often a step is worth a line where no bar can be shown, such as in a log.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// Shows progress on standard error: a bar on a terminal, lines in a log.
struct Console {
    mode: ProgressMode,
    progress: Option<Progress>,
    epochs: usize,
    best: Option<f64>,
    logged: Instant,
    interrupted: Arc<AtomicBool>,
}

impl Console {
    fn new(mode: ProgressMode, epochs: usize) -> Self {
        Self { mode, progress: None, epochs, best: None, logged: Instant::now(), interrupted: interruption() }
    }

    fn say(&self, message: impl std::fmt::Display) {
        match &self.progress {
            Some(progress) => progress.say(message),
            None => terminal::say(message),
        }
    }

    fn step(&mut self, step: usize, steps: usize, message: String) {
        if terminal::stderr_is_terminal() {
            let progress = self.progress.get_or_insert_with(|| Progress::over_steps(steps as u64, self.mode));
            progress.at(step as u64, message);
        } else if self.mode == ProgressMode::Auto && self.logged.elapsed() >= LOG_EVERY {
            self.logged = Instant::now();
            terminal::say(format_args!("step {step} of {steps}, {message}"));
        }
    }

    fn quantised(&self, int8: &Quantisation) {
        let (f1, changed) = (100.0 * int8.int8.f1, int8.changed_share());
        if int8.kept {
            self.say(format_args!(
                "in int8: F1 {f1:.2}, {changed:.1} % of the held-out texts have other mentions; it is what the CPU takes"
            ));
        } else {
            let reason = int8.reason();
            self.say(format_args!("in int8: F1 {f1:.2}; {reason}: no int8.safetensors is written, the CPU takes f32"));
        }
    }

    fn evaluated(&mut self, Evaluation { seed, epoch, averaged, f1 }: Evaluation, best: bool) {
        if best {
            self.best = Some(f1);
        }
        let weights = if averaged { "averaged weights" } else { "weights" };
        let kept = if best { ", the best so far" } else { "" };
        let epochs = self.epochs;
        self.say(format_args!("seed {seed}, epoch {epoch} of {epochs}, {weights}: F1 {:.2}{kept}", 100.0 * f1));
    }
}

impl TrainObserver for Console {
    fn event(&mut self, event: &TrainEvent) -> ControlFlow<()> {
        match *event {
            TrainEvent::Started { texts, partial_texts, ragged_spans, parameters, resumed } => {
                self.say(format_args!(
                    "{texts} texts, {partial_texts} of them marked in part; {parameters} parameters"
                ));
                if ragged_spans > 0 {
                    self.say(format_args!("{ragged_spans} marked spans begin or end inside a word and were widened"));
                }
                if let Some((seed, step)) = resumed {
                    self.say(format_args!("going on with seed {seed} at step {step}"));
                }
            }
            TrainEvent::Step { seed, epoch, step, steps, loss, tokens_per_second, seconds_left, .. } => {
                let f1 = self.best.map(|f1| format!(", F1 {:.2}", 100.0 * f1)).unwrap_or_default();
                let left = indicatif::HumanDuration(Duration::try_from_secs_f64(seconds_left).unwrap_or_default());
                let message = format!(
                    "seed {seed}, epoch {epoch}, loss {loss:.4}{f1}, {tokens_per_second:.0} tokens/s, {left} left"
                );
                self.step(step, steps, message);
            }
            TrainEvent::Evaluated { evaluation, best } => self.evaluated(evaluation, best),
            TrainEvent::Averaged { f1, kept } => {
                let kept = if kept { "kept" } else { "not kept, the best seed is better" };
                self.say(format_args!("average of the seeds: F1 {:.2}, {kept}", 100.0 * f1));
            }
            TrainEvent::Calibrated { temperature } => {
                self.say(format_args!("scores calibrated: temperature {temperature:.3}"))
            }
            TrainEvent::Quantised(int8) => self.quantised(&int8),
        }
        // Between steps the trainer has a state to save; elsewhere, stopping would lose what was done since the last.
        let at_step = matches!(event, TrainEvent::Step { .. });
        if at_step && self.interrupted.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

/// Set by the first Ctrl-C, so that the state can be saved; the second one ends the process at once.
fn interruption() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&flag);
    let watch = move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            if tokio::signal::ctrl_c().await.is_ok() {
                raised.store(true, Ordering::Relaxed);
                terminal::say("saving the state; Ctrl-C again ends at once and loses the steps since the last save");
                if tokio::signal::ctrl_c().await.is_ok() {
                    std::process::exit(130);
                }
            }
        });
    };
    // Without the watch, Ctrl-C ends the process as it does any other, which loses some steps and nothing else.
    let _ = thread::Builder::new().name("dateline-ctrl-c".to_owned()).spawn(watch);
    flag
}
