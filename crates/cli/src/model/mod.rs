//! From what the caller says (`--model`, `DATELINE_MODEL`, or nothing) to a loaded model.

mod embedded;
mod locate;
mod manifest;

use dateline_model::{Annotator, ModelFiles, RunOptions};

use crate::failure::Failure;

pub(crate) use locate::{DEFAULT_MODEL, Located, ModelNotFound, Places, locate};
pub(crate) use manifest::{verify_embedded, verify_folder};

/// Tokens of a batch on a GPU, which wants large ones; a CPU's batches have defaults of their own.
pub(crate) const GPU_BATCH_TOKENS: usize = 16 << 10;

/// A model that was found, and how to run it.
pub(crate) struct ModelChoice {
    /// Where the model is.
    pub(crate) located: Located,
    /// How to fetch it, if it lies on a hub.
    pub(crate) hub: HubRequest,
    /// How to run it.
    pub(crate) run: RunOptions,
}

/// What to fetch from a hub. The same in a build that cannot fetch, so that its command line is the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HubRequest {
    /// A branch, a tag or a commit; `main` if none.
    pub(crate) revision: Option<String>,
    /// Use only what was fetched before.
    pub(crate) offline: bool,
}

impl ModelChoice {
    /// Reads the model's files, fetching them if need be.
    pub(crate) fn files(&self) -> Result<ModelFiles, Failure> {
        match &self.located {
            Located::Folder(folder) => Ok(ModelFiles::read(folder)?),
            Located::Hub(id) => fetch(id, &self.hub),
            Located::Embedded => embedded::files().ok_or_else(|| Failure::Usage(NO_EMBEDDED.to_owned())),
        }
    }

    /// Loads the model.
    pub(crate) fn load(&self) -> Result<Annotator, Failure> {
        Ok(Annotator::load(&self.files()?, &self.run)?)
    }
}

const NO_EMBEDDED: &str = "this build of dateline carries no model: name one with --model";

#[cfg(feature = "hub")]
fn fetch(id: &str, request: &HubRequest) -> Result<ModelFiles, Failure> {
    use dateline_model::hub::{HubEnvironment, HubEvent, HubOptions, download_with};

    use crate::progress::{Progress, ProgressMode};

    let options = HubOptions { revision: request.revision.clone(), offline: request.offline };
    let environment = HubEnvironment::from_env().map_err(|error| Failure::Usage(error.to_string()))?;
    let mut progress: Option<(String, Progress)> = None;
    let folder = download_with(id, &options, &environment, &mut |event| match event {
        HubEvent::Fetching { file, bytes, total } => {
            if progress.as_ref().is_none_or(|(current, _)| current != file) {
                progress = Some((file.to_owned(), Progress::over_bytes(Some(total), ProgressMode::Auto)));
            }
            if let Some((_, progress)) = &mut progress {
                progress.at(bytes, format!("{id} {file}"));
            }
        }
        HubEvent::Removed { file, blob } => {
            crate::terminal::say(format_args!(
                "{file} of {id} was damaged in the cache ({}): fetching it again",
                blob.display()
            ));
        }
        _ => {}
    })?;
    Ok(ModelFiles { name: id.to_owned(), ..ModelFiles::read(&folder)? })
}

#[cfg(not(feature = "hub"))]
fn fetch(id: &str, _: &HubRequest) -> Result<ModelFiles, Failure> {
    Err(Failure::Usage(format!("this build of dateline cannot fetch {id} from a hub: name a folder with --model")))
}
