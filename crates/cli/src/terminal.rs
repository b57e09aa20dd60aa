//! What the standard streams are: a person at a terminal or another program, with colours or without.

use std::io::{self, IsTerminal, StdoutLock, Write};

use anstream::AutoStream;
use clap::ValueEnum;

/// When to colour what is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always, in a pipe too.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Makes this the choice of every stream that asks anstream.
    pub(crate) fn write_global(self) {
        let choice = match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

/// Whether a person reads standard output as it comes.
pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether a person reads standard error as it comes.
pub(crate) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Whether standard input is a keyboard.
pub(crate) fn stdin_is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// Whether standard output shows colours: `--color`, `NO_COLOR`, `CLICOLOR_FORCE` and the terminal decide.
pub(crate) fn stdout_has_colors() -> bool {
    AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
}

/// Whether standard error shows colours, by the same rules.
pub(crate) fn stderr_has_colors() -> bool {
    AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

/// Standard output for styled text: it drops the styles, or translates them, where they cannot be shown.
pub(crate) fn styled_stdout() -> AutoStream<StdoutLock<'static>> {
    AutoStream::auto(io::stdout()).lock()
}

/// Says one line to the person on standard error. If nobody can hear it any more, that is no reason to end.
pub(crate) fn say(message: impl std::fmt::Display) {
    let _ = writeln!(anstream::stderr().lock(), "{message}");
}
