//! Trains for some steps and prints real training tokens a second: our side of `make bench`. The first steps count too.
//! The recipe is that of the peer, `tests/parity/train_peer.py`: no moving average, no augmentation.
//!
//! `cargo run --release -p dateline-train --example step_speed -- BASE TRAIN.jsonl STEPS`

use std::ops::ControlFlow;

use dateline_train::{Recipe, TrainError, TrainEvent, TrainObserver, TrainOptions, train};

/// Stops after `steps` and keeps the speed.
struct Stopwatch {
    steps: usize,
    speed: f64,
}

impl TrainObserver for Stopwatch {
    fn event(&mut self, event: &TrainEvent) -> ControlFlow<()> {
        let &TrainEvent::Step { step, tokens_per_second, .. } = event else { return ControlFlow::Continue(()) };
        self.speed = tokens_per_second;
        if step < self.steps { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

#[expect(clippy::print_stdout, reason = "this is a command")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [base, texts, steps] = &arguments[..] else {
        return Err("usage: step_speed BASE TRAIN.jsonl STEPS".into());
    };
    let out = std::env::temp_dir().join(format!("dateline-step-speed-{}", std::process::id()));
    let options = TrainOptions {
        base: base.into(),
        train: vec![texts.into()],
        dev: texts.into(),
        out: out.clone(),
        recipe: Recipe { ema_decay: 0.0, recase_rate: 0.0, join_rate: 0.0, swap_rate: 0.0, ..Recipe::default() },
        save_every: usize::MAX,
        ..TrainOptions::default()
    };
    let mut watch = Stopwatch { steps: steps.parse()?, speed: 0.0 };
    let outcome = train(&options, &mut watch);
    std::fs::remove_dir_all(&out)?;
    match outcome {
        Ok(_) | Err(TrainError::Stopped) => println!("{:.0} real tokens a second", watch.speed),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
