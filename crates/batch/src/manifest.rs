//! The end of a batch: when all outputs of a plan are there, whoever finds them so writes what they hold together
//! (`_manifest.json`) and then that all is well (`_SUCCESS`).

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use crate::commit::Committed;
use crate::error::with_causes;
use crate::options::{ModelIdentity, Options};
use crate::run::{Done, Run};
use crate::shard::VERSION;
use crate::{BatchError, Output, Tally, output_tally};

/// The file that says what all outputs hold.
pub(crate) const MANIFEST: &str = "_manifest.json";
/// The file that says that all outputs are there. It holds the plan's id.
pub(crate) const SUCCESS: &str = "_SUCCESS";
/// Outputs of others whose tallies are read at once.
const AT_ONCE: usize = 8;

/// What all outputs of a plan hold. The same whoever writes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this format.
    pub version: u32,
    /// The plan's id: its file is `_plan/ID.json`.
    pub plan: String,
    /// The model.
    pub model: ModelIdentity,
    /// The options.
    pub options: Options,
    /// How many input files there were.
    pub inputs: usize,
    /// Their bytes.
    pub input_bytes: u64,
    /// Rows of all outputs: documents.
    pub rows: u64,
    /// How many of them have an error instead of mentions.
    pub failed: u64,
    /// Mentions of each label.
    pub mentions: BTreeMap<String, u64>,
    /// The outputs, in the shards' order.
    pub outputs: Vec<OutputEntry>,
}

/// One output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputEntry {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its documents.
    pub rows: u64,
    /// How many of them failed.
    pub failed: u64,
}

impl Manifest {
    /// The manifest that lies in `output`, if there is one.
    ///
    /// # Errors
    /// [`BatchError`] if it cannot be read, or is none.
    pub async fn read(output: &Output) -> Result<Option<Self>, BatchError> {
        let Some(json) = output.read(MANIFEST).await? else { return Ok(None) };
        let place = || output.location().join(MANIFEST).name;
        let manifest = serde_json::from_slice(&json)
            .map_err(|error| BatchError::Damaged { place: place(), why: error.to_string() })?;
        Ok(Some(manifest))
    }

    /// The sum of what is in the outputs.
    #[must_use]
    pub fn tally(&self) -> Tally {
        Tally { rows: self.rows, failed: self.failed, mentions: self.mentions.clone() }
    }
}

impl Run {
    /// Takes back the word that all is there, if it was given for another plan and this one has work to do.
    ///
    /// # Errors
    /// [`BatchError::Place`] if that cannot be done.
    pub async fn reopen(&self) -> Result<(), BatchError> {
        if let Some(id) = self.output.read(SUCCESS).await?
            && String::from_utf8_lossy(&id).trim() != self.plan.id
            && !self.missing().await?.is_empty()
        {
            self.output.remove(SUCCESS).await?;
        }
        Ok(())
    }

    /// Writes the manifest and the word that all is there, if it is.
    ///
    /// # Errors
    /// [`BatchError`] if an output cannot be read again, or the files cannot be written.
    pub async fn conclude(&self, done: &Done) -> Result<Option<Manifest>, BatchError> {
        if done.missing > 0 {
            return Ok(None);
        }
        let there = Manifest::read(&self.output).await?;
        let manifest = match there.filter(|manifest| manifest.plan == self.plan.id) {
            Some(manifest) => manifest,
            None => {
                let manifest = self.manifest(done).await?;
                let json = serde_json::to_string_pretty(&manifest).expect("a manifest can be JSON") + "\n";
                self.put(MANIFEST, json.into_bytes()).await?;
                manifest
            }
        };
        self.put(SUCCESS, format!("{}\n", self.plan.id).into_bytes()).await?;
        Ok(Some(manifest))
    }

    /// Puts a file there unless it is; one of another plan makes way.
    async fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), BatchError> {
        if self.output.create(name, bytes.clone()).await? == Committed::Already
            && self.output.read(name).await?.as_ref() != Some(&bytes)
        {
            self.output.replace(name, bytes).await?;
        }
        Ok(())
    }

    async fn manifest(&self, done: &Done) -> Result<Manifest, BatchError> {
        let plan = &self.plan;
        let mut outputs = Vec::with_capacity(plan.shards.len());
        let mut all = Tally::default();
        let mut tallies = futures::stream::iter(plan.shards.iter().map(|shard| async move {
            let name = &shard.output;
            let object = self.output.object(name).await?.ok_or_else(|| BatchError::Place {
                action: "cannot find",
                place: self.output.location().join(name).name,
                why: "it was there before; run the same command again".to_owned(),
            })?;
            let bytes = object.size;
            let tally = match done.tallies.get(&shard.number) {
                Some(tally) => tally.clone(),
                None => output_tally(&object).await.map_err(|error| BatchError::Damaged {
                    place: self.output.location().join(name).name,
                    why: with_causes(&error),
                })?,
            };
            Ok::<_, BatchError>((name.clone(), bytes, tally))
        }))
        .buffered(AT_ONCE);
        while let Some((name, bytes, tally)) = tallies.try_next().await? {
            outputs.push(OutputEntry { name, bytes, rows: tally.rows, failed: tally.failed });
            all.add(&tally);
        }
        Ok(Manifest {
            version: VERSION,
            plan: plan.id.clone(),
            model: plan.model.clone(),
            options: plan.options.clone(),
            inputs: plan.inputs.len(),
            input_bytes: plan.inputs.iter().map(|input| input.size).sum(),
            rows: all.rows,
            failed: all.failed,
            mentions: all.mentions,
            outputs,
        })
    }
}
