//! The bare model, without any service around it, in a process of its own: its threads are not the generator's, and it
//! idles while the service is measured.
//!
//! The process first says how many tokens each text has, then answers each line of its input, a number of seconds, with
//! what it did in that time.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use dateline_model::{Annotator, ModelFiles, RunOptions};
use serde::{Deserialize, Serialize};
use serde_json::from_str;

use crate::args::{BareArgs, TextArgs};
use crate::failure::Failure;
use crate::texts::texts;

/// The first thing that the process says.
#[derive(Deserialize, Serialize)]
struct Hello {
    tokens: Vec<u64>,
}

/// What was done in a measurement.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Work {
    /// Tokens read.
    pub(crate) tokens: u64,
    /// Seconds that it took.
    pub(crate) seconds: f64,
}

impl Work {
    /// Tokens a second.
    pub(crate) fn speed(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 tokens")]
        let tokens = self.tokens as f64;
        tokens / self.seconds
    }
}

/// The process: measures as its input asks until that ends.
pub(crate) fn serve(args: &BareArgs) -> Result<(), Failure> {
    let texts = texts(&args.texts)?;
    let annotator = Annotator::load(&ModelFiles::read(&args.model)?, &RunOptions::default())?;
    let count = |text: &String| Ok(annotator.tokeniser().tokenise(text)?.len() as u64);
    let tokens = texts.iter().map(count).collect::<Result<Vec<u64>, Failure>>()?;
    let mut stdout = std::io::stdout().lock();
    let mut say = |value: serde_json::Result<String>| {
        let line = value.expect("numbers are plain JSON");
        writeln!(stdout, "{line}").and_then(|()| stdout.flush()).map_err(Failure::io("standard output"))
    };
    say(serde_json::to_string(&Hello { tokens: tokens.clone() }))?;
    let mut next = 0;
    for line in std::io::stdin().lines() {
        let line = line.map_err(Failure::io("standard input"))?;
        let seconds: f64 = line.trim().parse().map_err(|_| Failure::Usage(format!("{line:?} is no time")))?;
        let mut work = Work { tokens: 0, seconds: 0.0 };
        let start = Instant::now();
        while work.seconds < seconds {
            let batch: Vec<usize> = (0..args.batch.max(1)).map(|offset| (next + offset) % texts.len()).collect();
            next = (next + batch.len()) % texts.len();
            annotator.annotate_all(&batch.iter().map(|&index| texts[index].as_str()).collect::<Vec<_>>())?;
            work.tokens += batch.iter().map(|&index| tokens[index]).sum::<u64>();
            work.seconds = start.elapsed().as_secs_f64();
        }
        say(serde_json::to_string(&work))?;
    }
    Ok(())
}

/// The process as the generator sees it. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Bare {
    child: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Tokens of each text.
    pub(crate) tokens: Vec<u64>,
}

impl Bare {
    /// Starts the process with `model` and the same texts, and waits until they are loaded.
    pub(crate) fn start(model: &Path, texts: &TextArgs, batch: usize) -> Result<Self, Failure> {
        let broken = |error: std::io::Error| Failure::Bare(error.to_string());
        let mut command = Command::new(std::env::current_exe().map_err(broken)?);
        command.arg("bare").arg("--model").arg(model);
        command.args(["--batch", &batch.to_string()]);
        command.args(["--documents", &texts.documents.to_string(), "--words", &texts.words.to_string()]);
        if let Some(file) = &texts.texts {
            command.arg("--texts").arg(file);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(broken)?;
        let asks = child.stdin.take().expect("standard input is a pipe");
        let answers = BufReader::new(child.stdout.take().expect("standard output is a pipe"));
        let mut bare = Self { child, asks, answers, tokens: Vec::new() };
        let hello: Hello = from_str(&bare.hear()?).map_err(|error| Failure::Bare(error.to_string()))?;
        bare.tokens = hello.tokens;
        Ok(bare)
    }

    /// Lets the model work for `time`.
    pub(crate) fn measure(&mut self, time: Duration) -> Result<Work, Failure> {
        writeln!(self.asks, "{}", time.as_secs_f64()).map_err(|error| Failure::Bare(error.to_string()))?;
        from_str(&self.hear()?).map_err(|error| Failure::Bare(error.to_string()))
    }

    fn hear(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(0) => Err(Failure::Bare("it ended; what it said is above".to_owned())),
            Ok(_) => Ok(line),
            Err(error) => Err(Failure::Bare(error.to_string())),
        }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
