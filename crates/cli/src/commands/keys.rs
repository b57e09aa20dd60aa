//! `dateline keys`: who may call the service.
//!
//! The key itself goes to standard output, alone, so that a script can put it where it belongs; everything that is said
//! about it goes to standard error.

use std::io::{self, Write};
use std::path::Path;

use dateline_server::keys::{KeyError, KeyFile};

use crate::args::KeysCommand;
use crate::failure::Failure;
use crate::{logging, terminal};

/// Does what `command` asks.
pub(super) fn run(command: KeysCommand) -> Result<(), Failure> {
    match command {
        KeysCommand::Add { name, keys } => add(&name, &keys.file),
        KeysCommand::List { keys } => list(&keys.file),
        KeysCommand::Remove { name, keys } => remove(&name, &keys.file),
    }
}

fn add(name: &str, path: &Path) -> Result<(), Failure> {
    let mut file = match KeyFile::read(path) {
        Err(KeyError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => KeyFile::default(),
        read => read.map_err(failure)?,
    };
    let key = file.add(name, Some(logging::today())).map_err(failure)?;
    // First the file: a key that was shown and not kept would be refused, and nobody would know why.
    file.write(path).map_err(failure)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}", key.reveal())?;
    out.flush()?;
    terminal::say(format_args!(
        "This is the key of {name}, and the only time that it is shown: {} keeps its hash. Its holder sends it with \
         each request, in the header\n  Authorization: Bearer KEY\nA service that runs reads the file again on SIGHUP.",
        path.display()
    ));
    Ok(())
}

fn list(path: &Path) -> Result<(), Failure> {
    let file = KeyFile::read(path).map_err(failure)?;
    let mut out = io::stdout().lock();
    for entry in file.entries() {
        writeln!(out, "{}\t{}", entry.name(), entry.created().unwrap_or("-"))?;
    }
    if file.entries().is_empty() {
        terminal::say(format_args!("there are no keys in {}", path.display()));
    }
    Ok(())
}

fn remove(name: &str, path: &Path) -> Result<(), Failure> {
    let mut file = KeyFile::read(path).map_err(failure)?;
    file.remove(name).map_err(failure)?;
    file.write(path).map_err(failure)?;
    terminal::say(format_args!(
        "The key of {name} is removed. A service that runs lets its holder in until it reads the file again, on SIGHUP."
    ));
    Ok(())
}

/// What is wrong with the arguments or the file is told from a disk that does not take what is written.
fn failure(error: KeyError) -> Failure {
    match error {
        KeyError::Write { .. } | KeyError::Random(_) => Failure::work(error),
        _ => Failure::Usage(error.to_string()),
    }
}
