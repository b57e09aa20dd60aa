//! `config.json` of a token classifier, reduced to what the encoder, the tokeniser and the decoder need.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::decode::Decoding;
use crate::{ModelError, TagSet};

/// The smallest window: room for the longest word, its context and two special tokens.
const MIN_WINDOW_TOKENS: usize = 24;

/// The families of encoders that share one forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `BertForTokenClassification`.
    Bert,
    /// `DistilBertForTokenClassification`: no token types, other names for the weights.
    DistilBert,
    /// `RobertaForTokenClassification`, `XLMRobertaForTokenClassification`: positions start behind the padding id.
    Roberta,
}

impl Family {
    fn of(config: &Map<String, Value>) -> Result<(Self, String), String> {
        let architecture = config.get("architectures").and_then(|names| names.get(0)).and_then(Value::as_str);
        let model_type = config.get("model_type").and_then(Value::as_str);
        // Some converted folders name no architecture; their model type decides then.
        let name = match (architecture, model_type) {
            (Some(name), _) => name.to_owned(),
            (None, Some(kind)) => format!("{kind} model without \"architectures\""),
            (None, None) => return Err("model of unknown kind".to_owned()),
        };
        let family = match (architecture, model_type) {
            (Some("BertForTokenClassification"), _) | (None, Some("bert")) => Self::Bert,
            (Some("DistilBertForTokenClassification"), _) | (None, Some("distilbert")) => Self::DistilBert,
            (Some("RobertaForTokenClassification" | "XLMRobertaForTokenClassification"), _)
            | (None, Some("roberta" | "xlm-roberta")) => Self::Roberta,
            _ => return Err(name),
        };
        Ok((family, name))
    }

    /// What the weights' names begin with.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Bert => "bert",
            Self::DistilBert => "distilbert",
            Self::Roberta => "roberta",
        }
    }
}

/// The non-linearity between the two layers of a feed-forward block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// The exact GELU, by the error function (`gelu`).
    Gelu,
    /// The GELU by tanh (`gelu_new`, `gelu_pytorch_tanh`, `gelu_fast`).
    GeluTanh,
    /// `relu`.
    Relu,
}

/// The encoder's shape.
#[derive(Clone, Debug, PartialEq)]
pub struct EncoderConfig {
    /// Which family's names and layout the weights have.
    pub family: Family,
    /// Width of a token's vector.
    pub hidden_size: usize,
    /// Number of transformer layers.
    pub layers: usize,
    /// Attention heads per layer; divides `hidden_size`.
    pub heads: usize,
    /// Width between the two feed-forward layers.
    pub intermediate_size: usize,
    /// The feed-forward block's non-linearity.
    pub activation: Activation,
    /// Rows of the word table.
    pub vocab_size: usize,
    /// Rows of the position table.
    pub position_rows: usize,
    /// Row of the position table that the first token of a window takes.
    pub position_offset: usize,
    /// Rows of the token type table; 0 if there is none.
    pub type_vocab_size: usize,
    /// Added to the variance in every layer norm.
    pub layer_norm_eps: f64,
    /// Dropout on hidden states in training.
    pub hidden_dropout: f64,
    /// Dropout on attention probabilities in training.
    pub attention_dropout: f64,
}

impl EncoderConfig {
    /// The most tokens that a window may hold, special tokens included.
    #[must_use]
    pub const fn max_tokens(&self) -> usize {
        self.position_rows - self.position_offset
    }

    /// Multiply-adds that a token costs in the linear layers of the encoder: four of the attention and two of the
    /// feed-forward block in each layer. Attention between tokens, which depends on the window, and the head, which is
    /// next to nothing, are left out.
    #[must_use]
    pub const fn multiply_adds_per_token(&self) -> usize {
        self.layers * (4 * self.hidden_size * self.hidden_size + 2 * self.hidden_size * self.intermediate_size)
    }
}

/// Dateline's own settings: the `dateline` object in `config.json`. Other programs ignore it; models without it run
/// with the defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatelineConfig {
    /// Each token's type id is the casing class of its word (see [`crate::casing_class`]).
    pub casing_token_types: bool,
    /// Divides the logits before they become probabilities; fitted on held-out text.
    pub temperature: f64,
    /// What a mention loses that begins right behind another of its label (see [`crate::decode::Decoding`]).
    pub adjacency_penalty: f64,
    /// Tokens per window, special tokens included, if fewer than the model's positions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_tokens: Option<usize>,
    /// Tokens that neighbouring windows share, half of them on each side of the cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stride_tokens: Option<usize>,
}

impl DatelineConfig {
    /// How logits become mentions and scores.
    #[must_use]
    pub const fn decoding(&self) -> Decoding {
        Decoding { temperature: self.temperature, adjacency_penalty: self.adjacency_penalty }
    }
}

impl Default for DatelineConfig {
    fn default() -> Self {
        Self {
            casing_token_types: false,
            temperature: 1.0,
            adjacency_penalty: 0.0,
            window_tokens: None,
            stride_tokens: None,
        }
    }
}

/// What `config.json` says.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// The architecture's name, such as `BertForTokenClassification`.
    pub architecture: String,
    /// The encoder's shape.
    pub encoder: EncoderConfig,
    /// The tags, in the order of the logits.
    pub tags: TagSet,
    /// Dateline's own settings.
    pub dateline: DatelineConfig,
}

impl ModelConfig {
    /// Reads `config.json` of the model called `model`.
    ///
    /// # Errors
    /// [`ModelError::Config`] naming the key at fault, [`ModelError::Architecture`] or [`ModelError::Labels`].
    pub fn parse(model: &str, json: &[u8]) -> Result<Self, ModelError> {
        let fail = |detail: String| ModelError::Config { model: model.to_owned(), detail };
        let object: Map<String, Value> = serde_json::from_slice(json)
            .map_err(|error| fail(format!("it is not a JSON object ({error}): fetch or copy it again")))?;
        let (family, architecture) =
            Family::of(&object).map_err(|found| ModelError::Architecture { model: model.to_owned(), found })?;
        let encoder = encoder_config(family, &Keys(&object)).map_err(&fail)?;
        let id2label: BTreeMap<usize, String> = match object.get("id2label") {
            Some(map) => serde_json::from_value(map.clone())
                .map_err(|error| fail(format!("\"id2label\" is no map from numbers to names: {error}")))?,
            None => return Err(ModelError::Labels("there is no \"id2label\"".to_owned())),
        };
        let dateline: DatelineConfig = match object.get("dateline") {
            Some(settings) => {
                serde_json::from_value(settings.clone()).map_err(|error| fail(format!("\"dateline\": {error}")))?
            }
            None => DatelineConfig::default(),
        };
        let config = Self { architecture, encoder, tags: TagSet::parse(&id2label)?, dateline };
        config.check().map_err(fail)?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        let Self { encoder, dateline, .. } = self;
        if !(dateline.temperature.is_finite() && dateline.temperature > 0.0) {
            return Err(format!("\"dateline.temperature\" is {}, but must be above 0", dateline.temperature));
        }
        if !(dateline.adjacency_penalty.is_finite() && dateline.adjacency_penalty >= 0.0) {
            return Err(format!(
                "\"dateline.adjacency_penalty\" is {}, but must be 0 or more",
                dateline.adjacency_penalty
            ));
        }
        if dateline.casing_token_types && encoder.type_vocab_size < crate::casing::CLASSES {
            return Err(format!(
                "\"dateline.casing_token_types\" needs a type table of {} rows, but \"type_vocab_size\" is {}",
                crate::casing::CLASSES,
                encoder.type_vocab_size
            ));
        }
        let window = self.window_tokens();
        if window < MIN_WINDOW_TOKENS || window > encoder.max_tokens() {
            return Err(format!(
                "a window of {window} tokens is not possible: it must be {MIN_WINDOW_TOKENS} to {} (the model's positions)",
                encoder.max_tokens()
            ));
        }
        if self.stride_tokens() * 2 > window {
            return Err(format!(
                "\"dateline.stride_tokens\" is {}, but may be at most half of the window of {window} tokens",
                self.stride_tokens()
            ));
        }
        Ok(())
    }

    /// Tokens per window, special tokens included.
    #[must_use]
    pub fn window_tokens(&self) -> usize {
        self.dateline.window_tokens.unwrap_or_else(|| self.encoder.max_tokens().min(512))
    }

    /// Tokens that neighbouring windows share.
    #[must_use]
    pub fn stride_tokens(&self) -> usize {
        self.dateline.stride_tokens.unwrap_or_else(|| self.window_tokens() / 4)
    }
}

/// The keys of `config.json`, with errors that name them.
struct Keys<'c>(&'c Map<String, Value>);

impl Keys<'_> {
    /// A positive whole number under the first of `names` that is there.
    fn size(&self, names: &[&str]) -> Result<usize, String> {
        let (name, value) = names.iter().find_map(|name| Some((name, self.0.get(*name)?))).ok_or_else(|| {
            format!("\"{}\" is missing: take the config.json that was saved with the weights", names[0])
        })?;
        // A bound far above any real model keeps a damaged file from asking for all memory.
        value
            .as_u64()
            .and_then(|number| usize::try_from(number).ok())
            .filter(|number| (1..=100_000_000).contains(number))
            .ok_or_else(|| format!("\"{name}\" is {value}, but must be a positive whole number"))
    }

    fn rate(&self, names: &[&str]) -> f64 {
        names.iter().find_map(|name| self.0.get(*name)?.as_f64()).unwrap_or(0.1).clamp(0.0, 0.9)
    }

    fn text(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.0.get(*name)?.as_str())
    }
}

fn encoder_config(family: Family, keys: &Keys<'_>) -> Result<EncoderConfig, String> {
    let activation = match keys.text(&["hidden_act", "activation"]).unwrap_or("gelu") {
        "gelu" => Activation::Gelu,
        "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Activation::GeluTanh,
        "relu" => Activation::Relu,
        other => return Err(format!("the activation {other:?} is not known: use \"gelu\", \"gelu_new\" or \"relu\"")),
    };
    if let Some(kind) = keys.text(&["position_embedding_type"]).filter(|kind| *kind != "absolute") {
        return Err(format!("\"position_embedding_type\" is {kind:?}, but only \"absolute\" is supported"));
    }
    let position_offset = match family {
        Family::Bert | Family::DistilBert => 0,
        Family::Roberta => keys.size(&["pad_token_id"]).unwrap_or(1) + 1,
    };
    let config = EncoderConfig {
        family,
        hidden_size: keys.size(&["hidden_size", "dim"])?,
        layers: keys.size(&["num_hidden_layers", "n_layers"])?,
        heads: keys.size(&["num_attention_heads", "n_heads"])?,
        intermediate_size: keys.size(&["intermediate_size", "hidden_dim"])?,
        activation,
        vocab_size: keys.size(&["vocab_size"])?,
        position_rows: keys.size(&["max_position_embeddings"])?,
        position_offset,
        type_vocab_size: if family == Family::DistilBert { 0 } else { keys.size(&["type_vocab_size"])? },
        layer_norm_eps: keys.0.get("layer_norm_eps").and_then(Value::as_f64).unwrap_or(1e-12),
        hidden_dropout: keys.rate(&["hidden_dropout_prob", "dropout"]),
        attention_dropout: keys.rate(&["attention_probs_dropout_prob", "attention_dropout"]),
    };
    if !config.hidden_size.is_multiple_of(config.heads) {
        return Err(format!("{} heads do not divide a hidden size of {}", config.heads, config.hidden_size));
    }
    if config.position_rows <= config.position_offset {
        return Err(format!("\"max_position_embeddings\" is {}, which leaves no positions", config.position_rows));
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bert() -> Value {
        json!({
            "architectures": ["BertForTokenClassification"], "hidden_size": 32, "num_hidden_layers": 2,
            "num_attention_heads": 4, "intermediate_size": 64, "vocab_size": 100, "max_position_embeddings": 64,
            "type_vocab_size": 8, "id2label": {"0": "O", "1": "B-X", "2": "I-X"},
            "dateline": {"casing_token_types": true, "temperature": 1.5},
        })
    }

    fn parse(config: &Value) -> Result<ModelConfig, ModelError> {
        ModelConfig::parse("m", config.to_string().as_bytes())
    }

    #[test]
    fn reads_what_it_needs() {
        let config = parse(&bert()).unwrap();
        assert_eq!((config.encoder.max_tokens(), config.window_tokens(), config.stride_tokens()), (64, 64, 16));
        assert!(config.dateline.casing_token_types);
        assert_eq!(config.encoder.activation, Activation::Gelu);
        assert_eq!(config.encoder.multiply_adds_per_token(), 2 * (4 * 32 * 32 + 2 * 32 * 64));
    }

    #[test]
    fn every_fault_names_its_key() {
        for (key, value, says) in [
            ("hidden_size", json!("wide"), "\"hidden_size\" is \"wide\""),
            ("hidden_size", json!(30), "4 heads"),
            ("vocab_size", Value::Null, "vocab_size"),
            ("hidden_act", json!("swish"), "\"swish\""),
            ("type_vocab_size", json!(2), "type_vocab_size"),
            ("architectures", json!(["T5ForConditionalGeneration"]), "T5ForConditionalGeneration"),
            ("id2label", json!({"0": "LABEL_0"}), "LABEL_0"),
            ("dateline", json!({"temprature": 1}), "temprature"),
            ("dateline", json!({"temperature": 0}), "above 0"),
            ("dateline", json!({"adjacency_penalty": -1}), "0 or more"),
            ("dateline", json!({"window_tokens": 65}), "24 to 64"),
            ("dateline", json!({"window_tokens": 32, "stride_tokens": 20}), "at most half"),
        ] {
            let mut config = bert();
            config[key] = value;
            let message = parse(&config).unwrap_err().to_string();
            assert!(message.contains(says), "{key}: {message}");
        }
        assert!(ModelConfig::parse("m", b"{").unwrap_err().to_string().contains("not a JSON object"));
    }

    #[test]
    fn roberta_positions_start_behind_the_padding_id() {
        let mut config = bert();
        config["architectures"] = json!(["RobertaForTokenClassification"]);
        config["max_position_embeddings"] = json!(66);
        config["pad_token_id"] = json!(1);
        let encoder = parse(&config).unwrap().encoder;
        assert_eq!((encoder.position_offset, encoder.max_tokens()), (2, 64));
    }
}
