//! Trains from the command line and prints every step: a maintainers' tool for measuring the speed of a step.
//!
//! `cargo run --release -p dateline-train --example train -- BASE TRAIN.jsonl DEV.jsonl OUT [RECIPE.json]`

use std::ops::ControlFlow;

use dateline_train::{Recipe, TrainEvent, TrainObserver, TrainOptions, train};

struct Lines;

impl TrainObserver for Lines {
    #[expect(clippy::print_stdout, reason = "this is a command")]
    fn event(&mut self, event: &TrainEvent) -> ControlFlow<()> {
        match event {
            TrainEvent::Step { step, .. } if step % 20 != 0 => {}
            _ => println!("{event:?}"),
        }
        ControlFlow::Continue(())
    }
}

#[expect(clippy::print_stdout, reason = "this is a command")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [base, texts, dev, out, rest @ ..] = &arguments[..] else {
        return Err("usage: train BASE TRAIN.jsonl DEV.jsonl OUT [RECIPE.json]".into());
    };
    let recipe = match rest.first() {
        Some(path) => serde_json::from_slice(&std::fs::read(path)?)?,
        None => Recipe::default(),
    };
    let options = TrainOptions {
        base: base.into(),
        train: vec![texts.into()],
        dev: dev.into(),
        out: out.into(),
        recipe,
        resume: true,
        ..TrainOptions::default()
    };
    println!("{}", train(&options, &mut Lines)?.report);
    Ok(())
}
