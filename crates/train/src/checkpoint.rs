//! The state of an unfinished run on disk: weights, moments, average, and how far it has come, in one file that is
//! replaced as a whole. A run that was killed at any moment goes on from the last one and ends with the same numbers.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::optimiser::{AdamW, Slot, State, in_place};
use crate::parameters::{NamedWeights, Precision, write_atomically};
use crate::{Evaluation, SeedResult, TrainError};

/// The folder of the state inside of the output folder.
const FOLDER: &str = ".training";

/// The metadata key of [`Progress`].
const PROGRESS: &str = "progress";

/// How far a run has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Of everything that decides the result; a state is only resumed by a run with the same.
    pub(crate) fingerprint: String,
    /// The seed that is being trained, an index.
    pub(crate) seed: usize,
    /// The epoch and the next batch in it.
    pub(crate) epoch: usize,
    pub(crate) batch: usize,
    /// Steps done and planned for this seed.
    pub(crate) step: usize,
    pub(crate) steps: usize,
    /// The best evaluation of this seed so far.
    pub(crate) best: Option<Evaluation>,
    /// The seeds that are finished.
    pub(crate) done: Vec<SeedResult>,
    /// All evaluations so far.
    pub(crate) history: Vec<Evaluation>,
}

/// Where the state lies.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    folder: PathBuf,
}

impl Store {
    /// The store in the output folder `out`, which is made if it is not there.
    pub(crate) fn open(out: &Path) -> Result<Self, TrainError> {
        let folder = out.join(FOLDER);
        std::fs::create_dir_all(&folder).map_err(TrainError::write(&folder))?;
        Ok(Self { folder })
    }

    fn state_path(&self) -> PathBuf {
        self.folder.join("state.safetensors")
    }

    fn best_path(&self, seed: u64) -> PathBuf {
        self.folder.join(format!("best-{seed}.safetensors"))
    }

    /// Saves the best weights of a seed.
    pub(crate) fn save_best(&self, seed: u64, weights: &NamedWeights) -> Result<(), TrainError> {
        write_atomically(&self.best_path(seed), &weights.to_safetensors(Precision::F32)?)
    }

    /// The best weights of a seed.
    pub(crate) fn best(&self, seed: u64) -> Result<NamedWeights, TrainError> {
        let path = self.best_path(seed);
        NamedWeights::from_safetensors(&std::fs::read(&path).map_err(TrainError::read(&path))?)
    }

    /// Saves progress and optimiser.
    pub(crate) fn save(&self, progress: &Progress, optimiser: &AdamW) -> Result<(), TrainError> {
        let mut tensors = NamedWeights::default();
        for Slot { name, var, state, .. } in &optimiser.slots {
            let mut put = |part: &str, values: Vec<f32>| {
                tensors.0.insert(format!("{part}/{name}"), (vec![values.len()], values));
            };
            put("weight", var.flatten_all()?.to_vec1()?);
            match state {
                State::Host { mean, square, average } => {
                    put("mean", mean.clone());
                    put("square", square.clone());
                    put("average", average.clone());
                }
                State::Device { mean, square, average } => {
                    put("mean", mean.flatten_all()?.to_vec1()?);
                    put("square", square.flatten_all()?.to_vec1()?);
                    if let Some(average) = average {
                        put("average", average.flatten_all()?.to_vec1()?);
                    }
                }
            }
        }
        let json = serde_json::to_string(progress).map_err(candle_core::Error::wrap)?;
        let bytes = tensors.with_metadata(Precision::F32, [(PROGRESS.to_owned(), json)].into())?;
        write_atomically(&self.state_path(), &bytes)
    }

    /// The saved state of the run with this fingerprint; `None` if there is none.
    pub(crate) fn load(&self, fingerprint: &str) -> Result<Option<(Progress, NamedWeights)>, TrainError> {
        let path = self.state_path();
        if !path.exists() {
            return Ok(None);
        }
        let fail = |detail: &str| TrainError::Resume { path: path.clone(), detail: detail.to_owned() };
        let bytes = std::fs::read(&path).map_err(TrainError::read(&path))?;
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).map_err(|_| fail("the file is damaged"))?;
        let progress: Progress = header
            .metadata()
            .as_ref()
            .and_then(|metadata| serde_json::from_str(metadata.get(PROGRESS)?).ok())
            .ok_or_else(|| fail("it holds no progress"))?;
        if progress.fingerprint != fingerprint {
            return Err(fail("it was made with another recipe, other texts, another base or other seeds"));
        }
        Ok(Some((progress, NamedWeights::from_safetensors(&bytes)?)))
    }

    /// Removes the state of a finished run.
    pub(crate) fn remove(self) -> Result<(), TrainError> {
        std::fs::remove_dir_all(&self.folder).map_err(TrainError::write(&self.folder))
    }
}

/// Puts saved tensors back into an optimiser that has done `steps` steps.
pub(crate) fn restore(optimiser: &mut AdamW, mut saved: NamedWeights, steps: usize) -> Result<(), TrainError> {
    optimiser.steps = steps;
    for Slot { name, var, state, .. } in &mut optimiser.slots {
        let mut take =
            |part: &str| saved.0.remove(&format!("{part}/{name}")).map(|(_, values)| values).unwrap_or_default();
        let shape = var.shape().clone();
        let on_device = |values: Vec<f32>| candle_core::Tensor::from_vec(values, &shape, var.device());
        let weight = take("weight");
        match state {
            State::Host { mean, square, average } => {
                (*mean, *square, *average) = (take("mean"), take("square"), take("average"));
                in_place(var, |values| values.copy_from_slice(&weight))?;
            }
            State::Device { mean, square, average } => {
                (*mean, *square) = (on_device(take("mean"))?, on_device(take("square"))?);
                if average.is_some() {
                    *average = Some(on_device(take("average"))?);
                }
                var.set(&on_device(weight)?)?;
            }
        }
    }
    Ok(())
}
