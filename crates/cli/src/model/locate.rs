//! Where a model lies, by the name that the caller gives.
//!
//! In order: an existing folder; a bare name in each of the search folders; an `owner/name` on a hub. The default
//! model's embedded copy is the last resort, so that a newer one in a search folder wins. Nothing is opened or fetched
//! here, and all that is looked at comes in as [`Places`], so that the order can be tested.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

use super::embedded;

/// The model that is meant when none is named.
pub(crate) const DEFAULT_MODEL: &str = "dateline-en-small";

/// Where a model was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Located {
    /// A folder on this machine.
    Folder(PathBuf),
    /// A model on a hub, by its id.
    Hub(String),
    /// The default model's copy in this binary.
    Embedded,
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Hub(id) => write!(f, "{id} on the hub"),
            Self::Embedded => f.write_str("inside the dateline binary"),
        }
    }
}

impl Located {
    /// The model's own name: its folder's, its id on the hub, or the default model's.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Folder(folder) => {
                let full = folder.canonicalize().unwrap_or_else(|_| folder.clone());
                full.file_name()
                    .map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into_owned())
            }
            Self::Hub(id) => id.clone(),
            Self::Embedded => DEFAULT_MODEL.to_owned(),
        }
    }
}

/// Where models are looked for.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// Folders of model folders, the first to be searched first.
    pub(crate) folders: Vec<PathBuf>,
    /// Whether the default model is in the binary.
    pub(crate) embedded: bool,
    /// Whether models can be fetched from a hub.
    pub(crate) hub: bool,
}

impl Places {
    /// Those of this process: `$DATELINE_MODELS` (a list of folders), `./models`, beside the program, and the user's data
    /// folder.
    pub(crate) fn of_this_process() -> Self {
        let listed = env::var_os("DATELINE_MODELS");
        let mut folders: Vec<PathBuf> = listed.iter().flat_map(env::split_paths).collect();
        folders.retain(|folder| !folder.as_os_str().is_empty());
        folders.push(PathBuf::from("models"));
        if let Some(beside) = env::current_exe().ok().and_then(|exe| Some(exe.parent()?.to_owned())) {
            folders.push(beside.join("models"));
            folders.push(beside.join("../share/dateline/models"));
        }
        let data = env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
        if let Some(data) = data.or_else(|| Some(env::home_dir()?.join(".local/share"))) {
            folders.push(data.join("dateline/models"));
        }
        Self { folders, embedded: embedded::PRESENT, hub: cfg!(feature = "hub") }
    }
}

/// There is no model of the name that was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ModelNotFound {
    /// A path at which there is no folder.
    #[error(
        "there is no model folder at {0}: give a folder with config.json, tokenizer.json and model.safetensors, or the \
         name of a model that `dateline models list` shows"
    )]
    Folder(String),
    /// A name that no search folder has.
    #[error("there is no model called {name}; it was looked for as\n{}\n{hint}", list(searched))]
    Name {
        /// The name.
        name: String,
        /// Every place that was looked at, in order.
        searched: Vec<String>,
        /// What to do.
        hint: &'static str,
    },
    /// A hub id, and a build that cannot fetch.
    #[error("there is no folder {0}, and this build of dateline cannot fetch models from a hub (feature `hub`)")]
    Hub(String),
}

const HINT: &str = "Name a folder with --model FOLDER, put the model in one of these places, set DATELINE_MODELS to the \
    folder that holds it, or see `dateline models list`.";

/// The place of model `name`, or of the default model.
pub(crate) fn locate(name: Option<&str>, places: &Places) -> Result<Located, ModelNotFound> {
    // A variable that is set to nothing is how a shell says that it is not set.
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return by_name(DEFAULT_MODEL, places);
    };
    let path = Path::new(name);
    if path.is_dir() {
        return Ok(Located::Folder(path.to_owned()));
    }
    match name.split('/').collect::<Vec<_>>()[..] {
        [bare] if is_name(bare) => by_name(bare, places),
        [owner, model] if is_name(owner) && is_name(model) => {
            if places.hub {
                Ok(Located::Hub(name.to_owned()))
            } else {
                Err(ModelNotFound::Hub(name.to_owned()))
            }
        }
        _ => Err(ModelNotFound::Folder(name.to_owned())),
    }
}

fn by_name(name: &str, places: &Places) -> Result<Located, ModelNotFound> {
    let candidates: Vec<PathBuf> = places.folders.iter().map(|folder| folder.join(name)).collect();
    if let Some(found) = candidates.iter().find(|candidate| candidate.is_dir()) {
        return Ok(Located::Folder(found.clone()));
    }
    if name == DEFAULT_MODEL && places.embedded {
        return Ok(Located::Embedded);
    }
    let mut searched: Vec<String> = candidates.iter().map(|candidate| candidate.display().to_string()).collect();
    if name == DEFAULT_MODEL {
        searched.push("the copy inside the binary (this build carries none)".to_owned());
    }
    Err(ModelNotFound::Name { name: name.to_owned(), searched, hint: HINT })
}

/// Whether `part` can be a name: `~`, `.`, `..`, a drive letter or an empty part make a path of it.
fn is_name(part: &str) -> bool {
    !part.is_empty() && !part.starts_with(['.', '~']) && !part.contains(['\\', ':'])
}

fn list(places: &[String]) -> String {
    places.iter().map(|place| format!("  {place}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Home {
        root: tempfile::TempDir,
        places: Places,
    }

    impl Home {
        fn with(models: &[&str]) -> Self {
            let root = tempfile::tempdir().unwrap();
            models.iter().for_each(|model| fs::create_dir_all(root.path().join(model)).unwrap());
            let folders = ["first", "second"].map(|folder| root.path().join(folder)).to_vec();
            Self { root, places: Places { folders, embedded: true, hub: true } }
        }

        fn path(&self, model: &str) -> PathBuf {
            self.root.path().join(model)
        }
    }

    #[test]
    fn a_folder_is_itself() {
        let home = Home::with(&["mine"]);
        let path = home.path("mine");
        assert_eq!(locate(path.to_str(), &home.places), Ok(Located::Folder(path)));
    }

    #[test]
    fn a_name_is_searched_in_order() {
        let home = Home::with(&["second/a", "first/b", "second/b"]);
        assert_eq!(locate(Some("a"), &home.places), Ok(Located::Folder(home.path("second/a"))));
        assert_eq!(locate(Some("b"), &home.places), Ok(Located::Folder(home.path("first/b"))));
    }

    /// A model that was put in a search folder is newer than the one that the binary was built with.
    #[test]
    fn the_embedded_copy_is_the_last_resort() {
        let without = Home::with(&[]);
        assert_eq!(locate(None, &without.places), Ok(Located::Embedded));
        assert_eq!(locate(Some(""), &without.places), Ok(Located::Embedded));
        assert_eq!(locate(Some(DEFAULT_MODEL), &without.places), Ok(Located::Embedded));
        let with = Home::with(&["second/dateline-en-small"]);
        assert_eq!(locate(None, &with.places), Ok(Located::Folder(with.path("second/dateline-en-small"))));
    }

    #[test]
    fn one_slash_is_a_hub_id_and_more_is_a_path() {
        let mut places = Home::with(&[]).places;
        assert_eq!(locate(Some("dslim/bert-base-NER"), &places), Ok(Located::Hub("dslim/bert-base-NER".into())));
        for path in ["./mine", "../mine", "/srv/mine", "~/mine", "a/b/c", "mine/", ".mine", "C:\\mine"] {
            assert_eq!(locate(Some(path), &places), Err(ModelNotFound::Folder(path.into())), "{path}");
        }
        places.hub = false;
        assert_eq!(locate(Some("a/b"), &places), Err(ModelNotFound::Hub("a/b".into())));
    }

    #[test]
    fn a_name_that_is_nowhere_lists_every_place() {
        let home = Home::with(&[]);
        let message = locate(Some("gone"), &home.places).unwrap_err().to_string();
        for part in
            [home.path("first/gone"), home.path("second/gone"), "--model FOLDER".into(), "DATELINE_MODELS".into()]
        {
            assert!(message.contains(part.to_str().unwrap()), "{message}");
        }
        let places = Places { embedded: false, ..home.places };
        assert!(locate(None, &places).unwrap_err().to_string().contains("inside the binary"));
    }
}
