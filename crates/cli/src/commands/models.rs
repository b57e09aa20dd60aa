//! `dateline models`: what is there, where it lies, and whether it is whole.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::args::ModelsCommand;
use crate::failure::Failure;
use crate::model::{DEFAULT_MODEL, Located, Places, locate, verify_embedded, verify_folder};

/// Does what `command` asks.
pub(super) fn run(command: ModelsCommand) -> Result<(), Failure> {
    let places = Places::of_this_process();
    match command {
        ModelsCommand::List => list(&places),
        ModelsCommand::Path(args) => path(&locate(args.model.as_deref(), &places)?),
        ModelsCommand::Verify(args) => verify(&locate(args.model.as_deref(), &places)?),
    }
}

fn list(places: &Places) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let mut found = 0;
    for folder in &places.folders {
        for name in models_in(folder) {
            writeln!(out, "{name}\t{}", folder.join(&name).display())?;
            found += 1;
        }
    }
    if places.embedded {
        writeln!(out, "{DEFAULT_MODEL}\t{}", Located::Embedded)?;
        found += 1;
    }
    if found == 0 {
        let looked: Vec<_> = places.folders.iter().map(|folder| format!("  {}", folder.display())).collect();
        crate::terminal::say(format_args!("no models in any of\n{}", looked.join("\n")));
    }
    Ok(())
}

/// The names of the model folders in `folder`, sorted. A folder that is not there has none.
fn models_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let models = entries.filter(|entry| entry.path().join("config.json").is_file());
    let mut names: Vec<_> = models.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn path(located: &Located) -> Result<(), Failure> {
    match located {
        Located::Folder(folder) => Ok(writeln!(io::stdout().lock(), "{}", folder.display())?),
        Located::Embedded | Located::Hub(_) => {
            Err(Failure::Usage(format!("the model is {located}, so it has no folder to print")))
        }
    }
}

fn verify(located: &Located) -> Result<(), Failure> {
    let files = match located {
        Located::Folder(folder) => verify_folder(folder).map_err(Failure::work)?,
        Located::Embedded => verify_embedded().expect("it was located").map_err(Failure::work)?,
        Located::Hub(id) => {
            return Err(Failure::Usage(format!(
                "{id} is no model on this machine: name a folder or one that is listed"
            )));
        }
    };
    let mut out = io::stdout().lock();
    for checked in &files {
        match &checked.result {
            Ok(()) => writeln!(out, "{}: ok", checked.file)?,
            Err(problem) => writeln!(out, "{}: FAILED, {problem}", checked.file)?,
        }
    }
    let bad = files.iter().filter(|checked| checked.result.is_err()).count();
    if bad > 0 {
        return Err(Failure::work(format!("{bad} of {} files are not the published ones ({located})", files.len())));
    }
    Ok(writeln!(out, "all {} files are the published ones ({located})", files.len())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_with_a_configuration_are_models() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b", "a", "notes"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        for name in ["a", "b"] {
            fs::write(folder.path().join(name).join("config.json"), "{}").unwrap();
        }
        assert_eq!(models_in(folder.path()), ["a", "b"]);
        assert!(models_in(&folder.path().join("gone")).is_empty());
    }
}
