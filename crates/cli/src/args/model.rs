//! Which model to run, and on what: the same for every command that runs one.

use std::num::NonZeroUsize;

use clap::{Args, ValueHint};
use dateline_model::{DeviceSpec, Precision, RunOptions};

use crate::failure::Failure;
use crate::model::{GPU_BATCH_TOKENS, HubRequest, Located, ModelChoice, Places, locate};

/// The arguments that choose a model.
#[derive(Debug, Args)]
#[command(next_help_heading = "Model")]
pub(crate) struct ModelArgs {
    /// A model folder, the name of a model in a search folder, or an id on a hub [default: dateline-en-small].
    #[arg(short, long, env = "DATELINE_MODEL", value_name = "FOLDER|NAME|OWNER/NAME", value_hint = ValueHint::DirPath)]
    model: Option<String>,
    /// The branch, tag or commit of a model on a hub.
    #[arg(long)]
    revision: Option<String>,
    /// Use only what was fetched from the hub before.
    #[arg(long)]
    offline: bool,
    /// Where to run: cpu, cuda, cuda:N or metal.
    #[arg(long, env = "DATELINE_DEVICE", default_value_t)]
    device: DeviceSpec,
    /// How exactly to compute: int8, bf16 or f32 [default: int8 on the CPU if the model was found to lose nothing by it,
    /// bf16 on NVIDIA's GPUs, else f32].
    #[arg(long, env = "DATELINE_PRECISION")]
    precision: Option<Precision>,
    /// Threads on the CPU [default: one per core].
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Tokens that go through the model at once: more use a GPU better and take more memory.
    #[arg(long, value_name = "N")]
    batch_tokens: Option<NonZeroUsize>,
}

impl ModelArgs {
    /// Finds the model and checks that the arguments fit it. Nothing is opened or fetched.
    pub(crate) fn resolve(self) -> Result<ModelChoice, Failure> {
        self.resolve_in(&Places::of_this_process())
    }

    fn resolve_in(self, places: &Places) -> Result<ModelChoice, Failure> {
        let located = locate(self.model.as_deref(), places)?;
        check_revision(self.revision.as_deref(), &[&located])?;
        let batch_tokens = match self.device {
            DeviceSpec::Cpu => RunOptions::default().max_batch_tokens,
            _ => GPU_BATCH_TOKENS,
        };
        Ok(ModelChoice {
            located,
            hub: HubRequest { revision: self.revision, offline: self.offline },
            run: RunOptions {
                device: self.device,
                precision: self.precision,
                threads: self.threads,
                max_batch_tokens: self.batch_tokens.map_or(batch_tokens, NonZeroUsize::get),
            },
        })
    }
}

/// Checks that there is one model that `revision` can be meant for.
pub(super) fn check_revision(revision: Option<&str>, models: &[&Located]) -> Result<(), Failure> {
    let on_hub = models.iter().filter(|located| matches!(located, Located::Hub(_))).count();
    match (revision, on_hub, models) {
        (None, ..) | (Some(_), 1, _) => Ok(()),
        (Some(_), 0, [only]) => Err(Failure::Usage(format!(
            "--revision goes with a model on a hub, and this one is {only}: leave it out, or name an id like \
             owner/name with --model"
        ))),
        (Some(_), 0, _) => Err(Failure::Usage(
            "--revision goes with a model on a hub, and none of these is: leave it out, or name an id like owner/name \
             with --model"
                .to_owned(),
        )),
        (Some(_), _, _) => Err(Failure::Usage(
            "--revision goes with one model on a hub, and there is more than one: fetch them first, and name their \
             folders with --model"
                .to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        model: ModelArgs,
    }

    fn resolve(args: &[&str]) -> Result<ModelChoice, Failure> {
        let places = Places { folders: vec![], embedded: true, hub: true };
        Only::parse_from([&["dateline"], args].concat()).model.resolve_in(&places)
    }

    #[test]
    fn arguments_become_options() {
        let args = ["--model", "a/b", "--revision", "v1", "--offline", "--device", "cuda:1", "--threads", "3"];
        let args = [&args[..], &["--precision", "bf16"]].concat();
        let choice = resolve(&args).unwrap();
        assert_eq!(choice.located, Located::Hub("a/b".into()));
        assert_eq!((choice.hub.revision.as_deref(), choice.hub.offline), (Some("v1"), true));
        assert_eq!(choice.run.precision, Some(Precision::Bf16));
        assert_eq!(resolve(&[]).unwrap().run.precision, None);
        assert_eq!((choice.run.device, choice.run.threads), (DeviceSpec::Cuda(1), NonZeroUsize::new(3)));
        assert_eq!(choice.run.max_batch_tokens, GPU_BATCH_TOKENS);
    }

    #[test]
    fn the_batch_suits_the_device_unless_it_is_given() {
        let tokens = |args: &[&str]| resolve(args).unwrap().run.max_batch_tokens;
        assert_eq!(tokens(&[]), RunOptions::default().max_batch_tokens);
        assert_eq!(tokens(&["--device", "cuda"]), GPU_BATCH_TOKENS);
        assert_eq!(tokens(&["--device", "cuda", "--batch-tokens", "100"]), 100);
    }

    #[test]
    fn a_revision_of_a_local_model_is_a_mistake() {
        let Err(error) = resolve(&["--revision", "v1"]) else { panic!("it was taken") };
        assert!(error.to_string().contains("--revision goes with a model on a hub"), "{error}");
    }
}
