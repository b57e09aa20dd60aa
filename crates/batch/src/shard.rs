//! The plan: which part of which input is which output. A JSON file with an input and a shard a line, for people and for
//! `verify`.

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::inputs::Input;
use crate::options::{ModelIdentity, Options};
use crate::{BatchError, Part};

/// The version of the plan's format. It goes into all names: an output of another version is another output.
pub(crate) const VERSION: u32 = 1;
/// Hexadecimal digits of a SHA-256 in names. 96 bits: no two of ever so many shards are the same by chance.
const DIGITS: usize = 24;

/// What is annotated how, in which shards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The version of this format.
    pub version: u32,
    /// What the plan is called: a hash of the model, the options and the inputs.
    pub id: String,
    /// The model.
    pub model: ModelIdentity,
    /// The options.
    pub options: Options,
    /// The files, by name.
    pub inputs: Vec<Input>,
    /// The shards, in the inputs' order.
    pub shards: Vec<Shard>,
}

/// The part of the work that is done, committed or lost as one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Its number in the plan, from 0.
    pub number: usize,
    /// The index of its input, or of the first of its files of text.
    pub input: usize,
    /// How many inputs it has: more than one only of text files.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub files: usize,
    /// What of the input.
    pub part: Part,
    /// How many rows, where that is known before reading them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// About how many bytes of text.
    pub bytes: u64,
    /// The name of its output.
    pub output: String,
}

const fn one() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_one(count: &usize) -> bool {
    *count == 1
}

impl Plan {
    /// What a plan for this work is called. It can be known before any input is opened, so that a plan that was made
    /// once is found again.
    pub(crate) fn id_for(model: &ModelIdentity, options: &Options, inputs: &[Input]) -> String {
        digest(&(VERSION, &model.sha256, &model.precision, options, inputs))
    }

    /// The inputs of `shard`.
    #[must_use]
    pub fn inputs_of(&self, shard: &Shard) -> &[Input] {
        &self.inputs[shard.input..shard.input + shard.files]
    }

    /// What `shard` is, in messages.
    #[must_use]
    pub fn describe(&self, shard: &Shard) -> String {
        let first = &self.inputs[shard.input].name;
        match shard.files {
            1 => format!("{first}, {}", shard.part),
            files => format!("{first} and {} more files", files - 1),
        }
    }

    /// Where the row at `position` of `shard` is, in messages.
    #[must_use]
    pub fn place_of(&self, shard: &Shard, position: u64) -> String {
        let first = &self.inputs[shard.input].name;
        match shard.part {
            Part::RowGroups { .. } | Part::Rows { .. } => format!("{first}, row {position}"),
            Part::Bytes { .. } => format!("{first}, byte {position}"),
            Part::Files => {
                let file = usize::try_from(position).ok().and_then(|index| self.inputs_of(shard).get(index));
                file.map_or_else(|| first.clone(), |input| input.name.clone())
            }
        }
    }

    /// All bytes of text, about.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shards.iter().map(|shard| shard.bytes).sum()
    }

    /// All rows, if every shard knows its own.
    #[must_use]
    pub fn rows(&self) -> Option<u64> {
        self.shards.iter().map(|shard| shard.rows).sum()
    }

    /// The plan as JSON: pretty where that is short, otherwise an input and a shard a line.
    ///
    /// # Panics
    /// Never: all of it can be JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = String::from("{\n");
        let _ = writeln!(json, "  \"version\": {},\n  \"id\": {},", self.version, line(&self.id));
        let _ = writeln!(json, "  \"model\": {},", line(&self.model));
        let _ = writeln!(json, "  \"options\": {},", line(&self.options));
        let inputs: Vec<_> = self.inputs.iter().map(|input| format!("    {}", line(input))).collect();
        let shards: Vec<_> = self.shards.iter().map(|shard| format!("    {}", line(shard))).collect();
        let _ = writeln!(json, "  \"inputs\": [\n{}\n  ],", inputs.join(",\n"));
        let _ = writeln!(json, "  \"shards\": [\n{}\n  ]\n}}", shards.join(",\n"));
        json
    }

    /// Reads what [`Plan::to_json`] wrote to `place`.
    ///
    /// # Errors
    /// [`BatchError::Damaged`] if it is something else, or of another version.
    pub fn from_json(json: &[u8], place: &str) -> Result<Self, BatchError> {
        let damaged = |why: String| BatchError::Damaged { place: place.to_owned(), why };
        let plan: Self = serde_json::from_slice(json).map_err(|error| damaged(error.to_string()))?;
        if plan.version != VERSION {
            return Err(damaged(format!(
                "it has version {}, and this is a dateline for version {VERSION}",
                plan.version
            )));
        }
        let fits = |shard: &Shard| shard.files > 0 && shard.input.saturating_add(shard.files) <= plan.inputs.len();
        if let Some(shard) = plan.shards.iter().find(|shard| !fits(shard)) {
            return Err(damaged(format!("shard {} has inputs that are not listed", shard.number)));
        }
        if plan.id != Self::id_for(&plan.model, &plan.options, &plan.inputs) {
            return Err(damaged("it was changed by hand: its id is another one".to_owned()));
        }
        Ok(plan)
    }
}

/// The name of the output of one part of `inputs`, the `number`th of its file. The number is for people who look at the
/// folder, and counts within the file, so that a new file beside it changes no name. The hash is of all that decides what
/// is in the output.
pub(crate) fn output_name(
    (model, options): (&ModelIdentity, &Options),
    inputs: &[Input],
    part: &Part,
    number: usize,
) -> String {
    // How large shards are to be is in the part.
    let options_but_size = Options { shard_bytes: std::num::NonZeroU64::MIN, ..options.clone() };
    let hash = digest(&(VERSION, &model.sha256, &model.precision, &options_but_size, inputs, part));
    format!("part-{number:05}-{hash}.{}", options.extension())
}

fn digest(value: &impl Serialize) -> String {
    let json = serde_json::to_vec(value).expect("all of it can be JSON");
    let mut digits = hex(&Sha256::digest(json));
    digits.truncate(DIGITS);
    digits
}

/// Hexadecimal digits of `bytes`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// One line of JSON.
fn line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("all of it can be JSON")
}
