//! Reads the file of `--config`. A mistake in it is shown with the file, the line and what could stand there instead.

use std::fs;
use std::path::Path;

use super::ServeSettings;
use crate::failure::Failure;

/// The settings in the file `path`.
pub(super) fn read(path: &Path) -> Result<ServeSettings, Failure> {
    let refuse = |why: String| Failure::Usage(format!("cannot use the configuration {}: {why}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
    // The error shows the line with its number, and for a key that is unknown it lists those that are known.
    toml::from_str(&text).map_err(|error| refuse(error.to_string().trim_end().to_owned()))
}
