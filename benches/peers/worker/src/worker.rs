//! The worker's side of the protocol: JSON lines in, JSON lines out. worker.py has the same for the engines of Python.
//!
//! ```text
//! it says  {"ready": "rten 0.27", "streams": [1, 2], "per_shape": false}
//! asked    {"do": "encode", "windows": [3, 1], "batch": 8, "streams": 1}
//! it says  {"seconds": 0.1, "tokens": 120, "tags": ["0012", "00"]}     a digit for each token
//! asked    {"do": "repeat", "window": 3, "times": 100}
//! it says  {"milliseconds": [1.5, …]}
//! ```

use std::collections::HashMap;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::RunArgs;
use crate::engine::Engine;
use crate::failure::Failure;
use crate::tokens::{self, Window};

/// What is asked.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
enum Ask {
    /// Encode these windows in this order, so many at a time, in so many streams.
    Encode { windows: Vec<usize>, batch: usize, streams: usize },
    /// Encode one window again and again.
    Repeat { window: usize, times: usize },
}

#[derive(Serialize)]
struct Ready {
    ready: String,
    /// In how many streams it may be asked to encode.
    streams: Vec<usize>,
    /// Whether the first pass of a shape is slower than those after it.
    per_shape: bool,
}

#[derive(Serialize)]
struct Encoded {
    seconds: f64,
    tokens: usize,
    tags: Vec<String>,
}

#[derive(Serialize)]
struct Repeated {
    milliseconds: Vec<f64>,
}

/// Loads the engine and answers until standard input ends.
pub(crate) fn serve<E: Engine>(args: &RunArgs) -> Result<(), Failure> {
    let windows = tokens::read(&args.tokens)?;
    let cores = args.threads.get();
    let mut worker = Worker::<E> { args, cores, windows, engines: HashMap::new() };
    worker.engines(1)?;
    let streams = if E::has_streams() && cores > 1 { vec![1, cores] } else { vec![1] };
    say(&Ready { ready: E::version(), streams, per_shape: false })?;
    for line in std::io::stdin().lines() {
        let line = line.map_err(Failure::io("standard input"))?;
        match serde_json::from_str(&line).map_err(Failure::json("standard input"))? {
            Ask::Encode { windows, batch, streams } => say(&worker.encode(&windows, batch, streams)?)?,
            Ask::Repeat { window, times } => say(&worker.repeat(window, times)?)?,
        }
    }
    Ok(())
}

fn say(what: &impl Serialize) -> Result<(), Failure> {
    let line = serde_json::to_string(what).expect("numbers and texts are plain JSON");
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).map_err(Failure::io("standard output"))
}

struct Worker<'a, E> {
    args: &'a RunArgs,
    cores: usize,
    windows: Vec<Window>,
    /// The engines that share out the cores, by their number.
    engines: HashMap<usize, Vec<E>>,
}

impl<E: Engine> Worker<'_, E> {
    fn engines(&mut self, streams: usize) -> Result<(), Failure> {
        if !self.engines.contains_key(&streams) {
            let threads = (self.cores / streams).max(1);
            let engines = (0..streams).map(|_| E::load(self.args, threads)).collect::<Result<_, _>>()?;
            self.engines.insert(streams, engines);
        }
        Ok(())
    }

    fn encode(&mut self, indices: &[usize], batch: usize, streams: usize) -> Result<Encoded, Failure> {
        self.engines(streams)?;
        let engines = &self.engines[&streams];
        let windows: Vec<&Window> = indices.iter().map(|&index| &self.windows[index]).collect();
        let chunks: Vec<&[&Window]> = windows.chunks(batch.max(1)).collect();
        let inputs = chunks.iter().map(|chunk| engines[0].prepare(chunk)).collect::<Result<Vec<_>, _>>()?;
        let next = AtomicUsize::new(0);
        // Takes the next batch until there is none.
        let drain = |engine: &E| {
            let mut done = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(input) = inputs.get(index) else { return Ok(done) };
                done.push((index, engine.encode(input)?));
            }
        };
        // The caches are as another engine left them: one pass puts that right before the clock starts.
        if let Some(input) = inputs.last() {
            engines.iter().try_for_each(|engine| engine.encode(input).map(drop))?;
        }
        let start = Instant::now();
        let mut outputs: Vec<(usize, E::Logits)> = match &engines[..] {
            [engine] => drain(engine)?,
            _ => std::thread::scope(|scope| {
                let threads: Vec<_> = engines.iter().map(|engine| scope.spawn(|| drain(engine))).collect();
                let done = threads.into_iter().map(|thread| thread.join().expect("an engine does not panic"));
                done.collect::<Result<Vec<Vec<_>>, Failure>>().map(|done| done.into_iter().flatten().collect())
            })?,
        };
        let seconds = start.elapsed().as_secs_f64();
        outputs.sort_by_key(|(index, _)| *index);
        let mut tags = Vec::new();
        for ((_, logits), chunk) in outputs.into_iter().zip(&chunks) {
            let mut digits = engines[0].rows(chunk, logits)?.into_iter().map(|row| largest(&row));
            tags.extend(chunk.iter().map(|window| digits.by_ref().take(window.ids.len()).collect::<String>()));
        }
        Ok(Encoded { seconds, tokens: windows.iter().map(|window| window.ids.len()).sum(), tags })
    }

    fn repeat(&mut self, window: usize, times: usize) -> Result<Repeated, Failure> {
        let engine = &self.engines[&1][0];
        let input = engine.prepare(&[&self.windows[window]])?;
        let once = |_| {
            let start = Instant::now();
            engine.encode(&input)?;
            Ok(start.elapsed().as_secs_f64() * 1e3)
        };
        (0..3).try_for_each(|_| engine.encode(&input).map(drop))?;
        Ok(Repeated { milliseconds: (0..times).map(once).collect::<Result<_, Failure>>()? })
    }
}

/// The number of the largest logit, as one character: there are fewer than 36 tags.
fn largest(row: &[f32]) -> char {
    let best = row.iter().enumerate().fold(0, |best, (tag, value)| if *value > row[best] { tag } else { best });
    u32::try_from(best).ok().and_then(|tag| char::from_digit(tag, 36)).unwrap_or('?')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_a_digit() {
        assert_eq!([largest(&[0.5, 2.0, 1.0]), largest(&[3.0]), largest(&[0.0, 0.0])], ['1', '0', '0']);
    }

    #[test]
    fn asks_are_read() {
        let ask = serde_json::from_str(r#"{"do": "encode", "windows": [3, 1], "batch": 8, "streams": 2}"#).unwrap();
        let Ask::Encode { windows, batch, streams } = ask else { panic!("not encode") };
        assert_eq!((windows, batch, streams), (vec![3, 1], 8, 2));
        assert!(matches!(
            serde_json::from_str(r#"{"do": "repeat", "window": 3, "times": 5}"#).unwrap(),
            Ask::Repeat { window: 3, times: 5 }
        ));
    }
}
