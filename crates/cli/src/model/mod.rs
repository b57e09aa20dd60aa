//! From what the caller says (`--model`, `DATELINE_MODEL`, or nothing) to a loaded model.

mod embedded;
mod locate;
mod manifest;

use dateline_model::hub::HubOptions;
use dateline_model::{Annotator, ModelFiles, RunOptions};

use crate::failure::Failure;

pub(crate) use locate::{DEFAULT_MODEL, Located, ModelNotFound, Places, locate};
pub(crate) use manifest::{verify_embedded, verify_folder};

/// A model that was found, and how to run it.
pub(crate) struct ModelChoice {
    /// Where the model is.
    pub(crate) located: Located,
    /// How to fetch it, if it lies on a hub.
    pub(crate) hub: HubOptions,
    /// How to run it.
    pub(crate) run: RunOptions,
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
fn fetch(id: &str, options: &HubOptions) -> Result<ModelFiles, Failure> {
    let folder = dateline_model::hub::download(id, options)?;
    Ok(ModelFiles { name: id.to_owned(), ..ModelFiles::read(&folder)? })
}

#[cfg(not(feature = "hub"))]
fn fetch(id: &str, _: &HubOptions) -> Result<ModelFiles, Failure> {
    Err(Failure::Usage(format!("this build of dateline cannot fetch {id} from a hub: name a folder with --model")))
}
