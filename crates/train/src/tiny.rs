//! A tiny base folder for tests: two layers of random weights and a vocabulary of a few words.

use std::collections::HashMap;
use std::path::Path;

use dateline_model::{ModelConfig, Tokeniser};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

const WORDS: [&str; 16] = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "ada", "saw", "new", "york", "in", "bob", "met", "oslo", ".", "##s", "the",
    "river",
];

/// `config.json` of the base.
pub(crate) fn config() -> Value {
    json!({
        "architectures": ["BertModel"], "model_type": "bert", "hidden_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": WORDS.len(), "max_position_embeddings": 64,
        "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
    })
}

/// `tokenizer.json` of the base: lower-casing `WordPiece`, with a truncation that training must take away.
pub(crate) fn tokenizer() -> Value {
    let vocab: HashMap<_, _> = WORDS.iter().enumerate().map(|(id, word)| (*word, id)).collect();
    let special = |id: usize| {
        json!({"id": id, "content": WORDS[id], "single_word": false, "lstrip": false, "rstrip": false,
               "normalized": false, "special": true})
    };
    json!({
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0},
        "padding": null,
        "added_tokens": [special(0), special(1), special(2), special(3)],
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                       "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                       {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                               "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": vocab},
    })
}

/// The configuration of a model over PERSON and PLACE, and its tokeniser.
pub(crate) fn config_and_tokeniser() -> (ModelConfig, Tokeniser) {
    let mut config = config();
    config["architectures"] = json!(["BertForTokenClassification"]);
    config["id2label"] = json!({"0": "O", "1": "B-PERSON", "2": "I-PERSON", "3": "B-PLACE", "4": "I-PLACE"});
    let config = ModelConfig::parse("tiny", config.to_string().as_bytes()).unwrap();
    let tokeniser = Tokeniser::load(tokenizer().to_string().as_bytes(), &config).unwrap();
    (config, tokeniser)
}

/// Shapes of the base's tensors, as a `BertModel` names them.
fn shapes() -> Vec<(String, Vec<usize>)> {
    let mut shapes = vec![
        ("embeddings.word_embeddings.weight".to_owned(), vec![WORDS.len(), 16]),
        ("embeddings.position_embeddings.weight".to_owned(), vec![64, 16]),
        ("embeddings.token_type_embeddings.weight".to_owned(), vec![2, 16]),
        ("embeddings.LayerNorm.weight".to_owned(), vec![16]),
        ("embeddings.LayerNorm.bias".to_owned(), vec![16]),
    ];
    for layer in 0..2 {
        for (name, out, input) in [
            ("attention.self.query", 16, 16),
            ("attention.self.key", 16, 16),
            ("attention.self.value", 16, 16),
            ("attention.output.dense", 16, 16),
            ("intermediate.dense", 32, 16),
            ("output.dense", 16, 32),
        ] {
            shapes.push((format!("encoder.layer.{layer}.{name}.weight"), vec![out, input]));
            shapes.push((format!("encoder.layer.{layer}.{name}.bias"), vec![out]));
        }
        for name in ["attention.output.LayerNorm", "output.LayerNorm"] {
            shapes.push((format!("encoder.layer.{layer}.{name}.weight"), vec![16]));
            shapes.push((format!("encoder.layer.{layer}.{name}.bias"), vec![16]));
        }
    }
    shapes
}

/// Writes the base into `folder`.
pub(crate) fn write_base(folder: &Path) {
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / 16_777_216.0 - 0.5
    };
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = shapes()
        .into_iter()
        .map(|(name, shape)| {
            let centre = if name.ends_with("LayerNorm.weight") { 1.0 } else { 0.0 };
            let count = shape.iter().product::<usize>();
            let bytes = (0..count).flat_map(|_| (centre + 0.4 * noise()).to_le_bytes()).collect();
            (name, shape, bytes)
        })
        .collect();
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    std::fs::write(folder.join("model.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
    std::fs::write(folder.join("config.json"), config().to_string()).unwrap();
    std::fs::write(folder.join("tokenizer.json"), tokenizer().to_string()).unwrap();
}
