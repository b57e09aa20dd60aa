//! The folder that training starts from, and the configuration that it ends with.
//!
//! A base is a plain encoder (`BertModel`, whose weights have no prefix) or an already trained token classifier. A new
//! classifier is drawn at random; with casing as token types, the type table grows to one row per class, all equal to
//! the base's row 0, so that the first step computes what the base did.

use std::path::Path;

use candle_core::{Device, Tensor};
use dateline_model::{CASING_CLASSES, DatelineConfig, ModelConfig, ModelError, SafetensorsWeights, TagSet, Weights};
use dateline_text::Label;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

use crate::TrainError;

/// Standard deviation of a new classifier's weights.
const HEAD_DEVIATION: f32 = 0.02;

/// The classifier's bias as the families name it.
const HEAD: &str = "classifier.";

/// What training starts from.
#[derive(Debug)]
pub(crate) struct Base {
    /// `config.json` of the model that training makes.
    pub(crate) config_json: Value,
    /// The same, read.
    pub(crate) config: ModelConfig,
    /// `tokenizer.json` without truncation and padding.
    pub(crate) tokenizer: Vec<u8>,
    weights: Vec<u8>,
    name: String,
    base_type_rows: usize,
    new_head: bool,
}

impl Base {
    /// Reads the base in `folder` for a model that finds `labels`.
    pub(crate) fn read(folder: &Path, labels: &[Label], dateline: &DatelineConfig) -> Result<Self, TrainError> {
        let fail = |detail: String| TrainError::Base { path: folder.to_owned(), detail };
        let read = |file: &str| {
            let path = folder.join(file);
            std::fs::read(&path).map_err(|source| TrainError::Read { path, source })
        };
        let mut json: Map<String, Value> = serde_json::from_slice(&read("config.json")?)
            .map_err(|error| fail(format!("its config.json is no JSON object: {error}")))?;
        let mut tokenizer: Map<String, Value> = serde_json::from_slice(&read("tokenizer.json")?)
            .map_err(|error| fail(format!("its tokenizer.json is no JSON object: {error}")))?;
        tokenizer.insert("truncation".to_owned(), Value::Null);
        tokenizer.insert("padding".to_owned(), Value::Null);

        let lower_cases = contains(&Value::Object(tokenizer.clone()), "lowercase", &Value::Bool(true));
        let old = ModelConfig::parse("base", Value::Object(json.clone()).to_string().as_bytes()).ok();
        let keeps_head = old.as_ref().is_some_and(|old| labels.iter().all(|label| old.tags.labels().contains(label)));
        let was_casing = json.get("dateline").is_some_and(|own| own["casing_token_types"] == json!(true));
        let base_type_rows = json.get("type_vocab_size").and_then(Value::as_u64).unwrap_or(0) as usize;
        let bert = json.get("model_type").is_some_and(|kind| kind == "bert");

        name_architecture(&mut json).map_err(fail)?;
        if !keeps_head {
            let tags = TagSet::bio(labels);
            let names: Vec<String> = (0..tags.len()).map(|id| tags.name(id)).collect();
            let by_id = names.iter().enumerate().map(|(id, name)| (id.to_string(), json!(name))).collect();
            let by_name = names.iter().enumerate().map(|(id, name)| (name.clone(), json!(id))).collect();
            json.insert("id2label".to_owned(), Value::Object(by_id));
            json.insert("label2id".to_owned(), Value::Object(by_name));
        }
        let casing = was_casing || (bert && lower_cases);
        if casing {
            json.insert("type_vocab_size".to_owned(), json!(base_type_rows.max(CASING_CLASSES)));
        }
        let own = DatelineConfig { casing_token_types: casing, temperature: 1.0, ..dateline.clone() };
        json.insert("dateline".to_owned(), serde_json::to_value(own).map_err(|error| fail(error.to_string()))?);
        for stale in ["_name_or_path", "torch_dtype", "dtype"] {
            json.remove(stale);
        }
        let config_json = Value::Object(json);
        let config = ModelConfig::parse("base", config_json.to_string().as_bytes())?;
        Ok(Self {
            config,
            config_json,
            tokenizer: Value::Object(tokenizer).to_string().into_bytes(),
            weights: read("model.safetensors")?,
            name: folder.display().to_string(),
            base_type_rows,
            new_head: !keeps_head,
        })
    }

    /// `config.json` with the fitted temperature.
    pub(crate) fn config_with(&self, temperature: f64) -> Value {
        let mut json = self.config_json.clone();
        json["dateline"]["temperature"] = json!(temperature);
        json
    }

    /// The weights that training starts from; a new classifier is drawn from `head_seed`.
    pub(crate) fn weights(&self, head_seed: u64) -> Result<impl Weights + '_, TrainError> {
        let tensors = SafetensorsWeights::open(&self.name, &self.weights, &Device::Cpu)?;
        let names = safetensors::SafeTensors::deserialize(&self.weights)
            .map_err(|error| TrainError::Base { path: (&self.name).into(), detail: error.to_string() })?
            .names()
            .into_iter()
            .map(str::to_owned)
            .collect();
        Ok(BaseWeights { base: self, tensors, names, head_seed })
    }
}

/// Whether `key` is `value` anywhere in `json`.
fn contains(json: &Value, key: &str, value: &Value) -> bool {
    match json {
        Value::Object(map) => {
            map.get(key) == Some(value)
                || map.iter().any(|(name, inner)| name != "vocab" && contains(inner, key, value))
        }
        Value::Array(items) => items.iter().any(|inner| contains(inner, key, value)),
        _ => false,
    }
}

/// Sets `architectures` to the family's token classifier.
fn name_architecture(json: &mut Map<String, Value>) -> Result<(), String> {
    let kind = json.get("model_type").and_then(Value::as_str).unwrap_or("unknown");
    let architecture = match kind {
        "bert" => "BertForTokenClassification",
        "distilbert" => "DistilBertForTokenClassification",
        "roberta" => "RobertaForTokenClassification",
        "xlm-roberta" => "XLMRobertaForTokenClassification",
        _ => {
            return Err(format!(
                "its \"model_type\" is {kind:?}, but must be bert, distilbert, roberta or xlm-roberta"
            ));
        }
    };
    json.insert("architectures".to_owned(), json!([architecture]));
    Ok(())
}

struct BaseWeights<'b> {
    base: &'b Base,
    tensors: SafetensorsWeights<'b>,
    names: Vec<String>,
    head_seed: u64,
}

impl Weights for BaseWeights<'_> {
    fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor, ModelError> {
        if self.base.new_head && name.starts_with(HEAD) {
            return self.draw(shape);
        }
        let bare = name.strip_prefix(self.base.config.encoder.family.prefix()).and_then(|name| name.strip_prefix('.'));
        let has = |name: &str| self.names.iter().any(|known| known == name);
        let stored = match bare {
            Some(bare) if !has(name) && has(bare) => bare,
            _ => name,
        };
        let rows = self.base.base_type_rows;
        if name.ends_with("token_type_embeddings.weight") && shape[0] > rows && rows > 0 {
            let table = self.tensors.get(stored, &[rows, shape[1]])?;
            return Ok(table.narrow(0, 0, 1)?.repeat((shape[0], 1))?);
        }
        self.tensors.get(stored, shape)
    }
}

impl BaseWeights<'_> {
    /// A new classifier's tensor: normal weights, zero biases.
    fn draw(&self, shape: &[usize]) -> Result<Tensor, ModelError> {
        let count: usize = shape.iter().product();
        if shape.len() == 1 {
            return Ok(Tensor::from_vec(vec![0.0_f32; count], shape, &Device::Cpu)?);
        }
        let mut rng = ChaCha8Rng::seed_from_u64(self.head_seed);
        let normal = |_| {
            // Box and Muller; 1 - u is never 0.
            let (u, v): (f32, f32) = (rng.random(), rng.random());
            HEAD_DEVIATION * (-2.0 * (1.0 - u).ln()).sqrt() * (std::f32::consts::TAU * v).cos()
        };
        Ok(Tensor::from_vec((0..count).map(normal).collect(), shape, &Device::Cpu)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiny;

    fn labels() -> [Label; 2] {
        [Label::new("PERSON"), Label::new("PLACE")]
    }

    #[test]
    fn a_plain_encoder_becomes_a_classifier_with_casing() {
        let folder = tempfile::tempdir().unwrap();
        tiny::write_base(folder.path());
        let base = Base::read(folder.path(), &labels(), &DatelineConfig::default()).unwrap();
        assert_eq!(base.config.architecture, "BertForTokenClassification");
        assert_eq!(base.config_json["id2label"]["4"], "I-PLACE");
        assert_eq!(base.config_json["label2id"]["B-PLACE"], 3);
        assert!(base.config.dateline.casing_token_types);
        let tokenizer: Value = serde_json::from_slice(&base.tokenizer).unwrap();
        assert!(tokenizer["truncation"].is_null());

        let weights = base.weights(1).unwrap();
        let types = weights.get("bert.embeddings.token_type_embeddings.weight", &[8, 16]).unwrap();
        let rows = types.to_vec2::<f32>().unwrap();
        assert!(rows.iter().all(|row| row == &rows[0]));
        let head =
            |seed| base.weights(seed).unwrap().get("classifier.weight", &[5, 16]).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(head(1), head(1));
        assert_ne!(head(1), head(2));
        let square: f32 = head(1).iter().flatten().map(|x| x * x).sum::<f32>() / 80.0;
        assert!((square.sqrt() - 0.02).abs() < 0.006);
    }

    #[test]
    fn a_foreign_kind_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        tiny::write_base(folder.path());
        let mut config = tiny::config();
        config["model_type"] = json!("gpt2");
        std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        let error = Base::read(folder.path(), &labels(), &DatelineConfig::default()).unwrap_err();
        assert!(error.to_string().contains("\"gpt2\""), "{error}");
    }
}
