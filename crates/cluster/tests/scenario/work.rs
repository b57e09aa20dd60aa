//! What the cluster has to do: stories, a tiny model, plans, and the proof that all rows are there.

use std::fmt::Write;
use std::fs;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Instant;

use dateline_batch::{
    Input, Manifest, ModelIdentity, Options, Output, OutputFormat, Stores, Survey, list_inputs, plan, stored, verify,
};
use dateline_model::{Annotator, ModelFiles, RunOptions};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Shards of a plan: enough that killing comes into the middle of them.
const SHARDS: u64 = 60;
/// How long one takes an executor that has a processor for itself, in seconds.
const SECONDS_PER_SHARD: f64 = 0.7;

/// A plan that lies in its output.
pub(crate) struct PlanFile {
    pub(crate) path: PathBuf,
    pub(crate) id: String,
}

/// A folder with inputs and outputs, and the model that they are annotated with.
pub(crate) struct Work {
    folder: TempDir,
    runtime: Runtime,
    pub(crate) model: PathBuf,
    identity: ModelIdentity,
    pub(crate) input: PathBuf,
    shard_bytes: NonZeroU64,
}

impl Work {
    /// As many stories as keep executors busy for a while, however fast this machine and this build are.
    pub(crate) fn new() -> Self {
        let model = dateline_tests::tiny_model();
        let files = ModelFiles::read(&model).unwrap();
        let options = RunOptions { threads: NonZeroUsize::new(1), ..RunOptions::default() };
        let annotator = Annotator::load(&files, &options).unwrap();
        let info = annotator.info();
        let identity = ModelIdentity {
            name: files.name.clone(),
            sha256: files.sha256(),
            precision: info.precision.to_string(),
            labels: info.labels.clone(),
        };
        let sample: String = (0..100).map(story).collect();
        annotator.annotate(&sample).unwrap();
        let begun = Instant::now();
        annotator.annotate(&sample).unwrap();
        let bytes_per_second = sample.len() as f64 / begun.elapsed().as_secs_f64();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number of bytes, far below either"
        )]
        let shard_bytes = (bytes_per_second * SECONDS_PER_SHARD) as u64;

        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("stories.jsonl");
        let (mut lines, mut number) = (String::new(), 0);
        while (lines.len() as u64) < shard_bytes * SHARDS {
            let text = story(number);
            writeln!(lines, r#"{{"id":{number},"text":"{text}"}}"#).unwrap();
            number += 1;
        }
        fs::write(&input, lines).unwrap();
        let shard_bytes = NonZeroU64::new(shard_bytes).unwrap();
        Self { folder, runtime: Runtime::new().unwrap(), model, identity, input, shard_bytes }
    }

    fn output(&self) -> Output {
        let place = self.folder.path().join("out");
        Output::open(Stores::new([]).locate(place.to_str().unwrap()).unwrap()).unwrap()
    }

    /// A plan that leaves out mentions below `min_score`: for another score another plan.
    pub(crate) fn plan(&self, min_score: f32) -> PlanFile {
        let options =
            Options { output: OutputFormat::Parquet, min_score, shard_bytes: self.shard_bytes, ..Options::default() };
        self.runtime.block_on(async {
            let (stores, output) = (Stores::new([]), self.output());
            let arguments = [self.input.to_str().unwrap().to_owned()];
            let inputs = list_inputs(&stores, &arguments, None, output.location()).await.unwrap();
            let planned = plan(self.identity.clone(), options, inputs, &output, &Survey::default()).await.unwrap();
            planned.keep(&output).await.unwrap();
            let inputs: &[Input] = &planned.plan.inputs;
            assert_eq!(inputs.len(), 1);
            PlanFile { path: planned.place(&output).into(), id: planned.plan.id }
        })
    }

    /// How many shards a plan has.
    pub(crate) fn shards(&self, plan: &PlanFile) -> usize {
        self.runtime.block_on(stored(&self.output(), &plan.id)).unwrap().unwrap().shards.len()
    }

    /// How many of a plan's outputs are there.
    pub(crate) fn outputs(&self, plan: &PlanFile) -> usize {
        let output = self.output();
        let plan = self.runtime.block_on(stored(&output, &plan.id)).unwrap().unwrap();
        let missing = self.runtime.block_on(dateline_batch::missing(&plan, &output)).unwrap();
        plan.shards.len() - missing.len()
    }

    /// Compares inputs and outputs row by row.
    pub(crate) fn verify(&self, plan: &PlanFile) {
        let verified =
            self.runtime.block_on(verify(&Stores::new([]), &self.output(), Some(&plan.id), |_, _| {})).unwrap();
        assert_eq!(verified.problems, Vec::<String>::new());
        let lines = fs::read_to_string(&self.input).unwrap().lines().count() as u64;
        assert_eq!((verified.rows, verified.tally.rows, verified.tally.failed), (lines, lines, 0));
    }

    /// What the first plan's outputs hold.
    pub(crate) fn documents_and_mentions(&self) -> (u64, u64) {
        let plan = self.plan(0.0);
        let verified =
            self.runtime.block_on(verify(&Stores::new([]), &self.output(), Some(&plan.id), |_, _| {})).unwrap();
        let manifest = self.runtime.block_on(Manifest::read(&self.output())).unwrap();
        assert!(manifest.is_some(), "the last submission has concluded");
        (verified.tally.rows, verified.tally.all_mentions())
    }
}

/// A story that no other is like.
fn story(number: usize) -> String {
    let names = ["Ines Moreau", "Tomas Lind", "Amara Diallo", "Petr Novak", "Leila Haddad", "Jon Aske"];
    let places = ["Lagos", "Tallinn", "Aleppo", "Quito", "Minsk", "Harare", "Kabul"];
    let (name, place) = (names[number % names.len()], places[number % places.len()]);
    format!(
        "Report {number}: {name} said in {place} that column {} of the {}th Brigade had crossed the river with {} guns. ",
        number % 13,
        number % 97,
        number % 31
    )
}
