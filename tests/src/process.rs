//! Runs the binary to its end.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;

/// The binary with a model.
#[derive(Clone, Debug)]
pub struct Dateline {
    program: PathBuf,
    model: Option<PathBuf>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Finished {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote.
    pub stdout: Vec<u8>,
    /// What it said.
    pub stderr: String,
}

impl Dateline {
    /// The binary at `program`, with the model that it takes by itself.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), model: None }
    }

    /// With the model in the folder `model`.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<PathBuf>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// The command with `args`, in an environment in which nothing of the caller's shell counts.
    #[must_use]
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).env_clear().env("HF_HUB_OFFLINE", "1");
        // A home that is not there: no model or setting of the user who runs the tests is found.
        command.env("HOME", "/nonexistent").env("LANG", "C.UTF-8");
        if let Some(model) = &self.model {
            command.env("DATELINE_MODEL", model);
        }
        // Where the coverage of a run is written to, if it is measured.
        for name in ["LLVM_PROFILE_FILE", "PATH"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }

    /// Runs it with `args` and `input` on standard input.
    ///
    /// # Panics
    /// If the binary cannot be started.
    #[must_use]
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>, input: impl Into<Vec<u8>>) -> Finished {
        self.run_in(Path::new("."), args, input)
    }

    /// As [`Dateline::run`], in the folder `folder`.
    ///
    /// # Panics
    /// If the binary cannot be started.
    #[must_use]
    pub fn run_in<S: AsRef<OsStr>>(
        &self,
        folder: &Path,
        args: impl IntoIterator<Item = S>,
        input: impl Into<Vec<u8>>,
    ) -> Finished {
        let mut command = self.command(args);
        command.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("cannot run {}: {error}", self.program.display()));
        let mut stdin = child.stdin.take().expect("standard input is a pipe");
        let input = input.into();
        // From a thread of its own, so that neither side waits for the other when both pipes are full. That a command
        // which fails early does not read its input is no failure of the test.
        let writer = thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().expect("the process can be waited for");
        writer.join().expect("the writer does not panic");
        Finished {
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).expect("messages are UTF-8"),
        }
    }
}

impl Finished {
    /// This, if it ended well.
    ///
    /// # Panics
    /// If the exit code is not 0.
    pub fn ok(self) -> Self {
        self.with_code(0)
    }

    /// This, if it ended with `code`.
    ///
    /// # Panics
    /// If it did not.
    pub fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "standard error:\n{}", self.stderr);
        self
    }

    /// What it wrote, as text.
    ///
    /// # Panics
    /// If it is not UTF-8.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("output is UTF-8")
    }

    /// What it wrote, as one JSON value a line.
    ///
    /// # Panics
    /// If a line is not JSON.
    #[must_use]
    pub fn lines(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        self.text().lines().map(parse).collect()
    }
}
