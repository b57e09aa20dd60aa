//! Completion scripts and manual pages, made from the definition of the command line: they cannot fall behind it.

use std::fs;
use std::io::{self, Write};

use clap::CommandFactory;

use crate::args::{Cli, CompletionsArgs, ManArgs};
use crate::failure::Failure;

/// Prints the completion script.
pub(super) fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "dateline", &mut script);
    Ok(io::stdout().lock().write_all(&script)?)
}

/// Prints the main page, or writes all pages.
pub(super) fn man(args: &ManArgs) -> Result<(), Failure> {
    let command = Cli::command();
    if let Some(folder) = &args.out {
        fs::create_dir_all(folder)?;
        return Ok(clap_mangen::generate_to(command, folder)?);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    Ok(io::stdout().lock().write_all(&page)?)
}
