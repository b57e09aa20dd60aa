//! Folders that are no model, or no longer one: each is refused when it is loaded, by a message that names the file,
//! what is wrong with it and what to do. Nothing in a file makes the loader panic.
#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap like the tests themselves")]

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use dateline_model::{Annotator, ModelError, ModelFiles, Precision, RunOptions};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use serde_json::{Value, json};

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parity/bert")
}

fn files() -> ModelFiles {
    ModelFiles::read(&folder()).unwrap()
}

fn load(files: &ModelFiles) -> Result<Annotator, ModelError> {
    Annotator::load(files, &RunOptions::default())
}

#[track_caller]
fn assert_refused(files: &ModelFiles, parts: &[&str]) {
    assert_says(&load(files).unwrap_err(), parts);
}

#[track_caller]
fn assert_says(error: &ModelError, parts: &[&str]) {
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

/// The model with some of its configuration replaced, or taken away by a null.
fn with_config(changes: &Value) -> ModelFiles {
    let mut files = files();
    let mut config: serde_json::Map<String, Value> = serde_json::from_slice(&files.config).unwrap();
    for (key, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => config.remove(key),
            value => config.insert(key.clone(), value.clone()),
        };
    }
    files.config = Value::Object(config).to_string().into_bytes().into();
    files
}

/// The model with its tensors passed through `change`, which may drop one or give it other bytes.
fn with_tensors<'f>(
    files: &'f ModelFiles,
    change: impl Fn(&str, TensorView<'f>) -> Option<TensorView<'f>>,
) -> ModelFiles {
    let tensors = SafeTensors::deserialize(&files.weights).unwrap();
    let names = tensors.names();
    let changed: Vec<(String, TensorView<'f>)> = names
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), change(name, tensors.tensor(name).unwrap())?)))
        .collect();
    ModelFiles { weights: serialize(changed, None).unwrap().into(), ..files.clone() }
}

fn tensor<'b>(bytes: &'b [u8], dtype: Dtype, shape: &[usize]) -> TensorView<'b> {
    TensorView::new(dtype, shape.to_vec(), bytes).unwrap()
}

#[test]
fn the_unbroken_model_loads() {
    load(&files()).unwrap();
    load(&with_config(&json!({}))).unwrap();
    let unchanged = files();
    load(&with_tensors(&unchanged, |_, view| Some(view))).unwrap();
}

#[test]
fn a_missing_file_is_named_with_the_way_to_get_it() {
    let message = ModelFiles::read(Path::new("no/such/model")).unwrap_err();
    assert_says(&message, &["no/such/model", "no model folder", "config.json, tokenizer.json and model.safetensors"]);
    for (missing, instead, parts) in [
        ("config.json", None, ["has no config.json", "Hugging Face folder"]),
        ("tokenizer.json", Some("vocab.txt"), ["has no tokenizer.json", "use_fast=True"]),
        ("model.safetensors", None, ["has no model.safetensors", "Hugging Face folder"]),
        ("model.safetensors", Some("pytorch_model.bin"), ["a pickle", "safe_serialization=True"]),
        ("model.safetensors", Some("model.safetensors.index.json"), ["sharded", "max_shard_size"]),
    ] {
        let broken = tempfile::tempdir().unwrap();
        for file in ["config.json", "tokenizer.json", "model.safetensors"].iter().filter(|file| **file != missing) {
            fs::copy(folder().join(file), broken.path().join(file)).unwrap();
        }
        if let Some(instead) = instead {
            fs::write(broken.path().join(instead), "").unwrap();
        }
        let error = ModelFiles::read(broken.path()).unwrap_err();
        assert_says(&error, &[&parts[..], &[missing, &broken.path().display().to_string()]].concat());
    }
}

#[test]
fn a_clone_without_its_large_files_says_how_to_get_them() {
    for file in ["tokenizer.json", "model.safetensors"] {
        let clone = tempfile::tempdir().unwrap();
        for file in ["config.json", "tokenizer.json", "model.safetensors"] {
            fs::copy(folder().join(file), clone.path().join(file)).unwrap();
        }
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 90868376\n";
        fs::write(clone.path().join(file), pointer).unwrap();
        let error = ModelFiles::read(clone.path()).unwrap_err();
        assert_says(&error, &[file, "Git LFS pointer", "git lfs pull"]);
    }
}

/// The factors of another model, or of this one before it was cut: in int8 they would be silently wrong.
#[test]
fn factors_for_int8_that_do_not_fit_are_refused() {
    let found = load(&files()).unwrap().balance(&["The harbour fell."]).unwrap();
    let of_other_weights = found.clone().made_for(b"other weights").to_bytes().unwrap();
    let found = found.made_for(&files().weights).to_bytes().unwrap();
    let with_int8 = |bytes: Vec<u8>| ModelFiles { int8: Some(bytes.into()), ..files() };
    load(&with_int8(found.clone())).unwrap();
    let tensors = SafeTensors::deserialize(&found).unwrap();
    let views = || tensors.tensors().into_iter();
    let (name, first) = views().next().unwrap();
    let width = first.shape()[0];
    let shorter = tensor(&first.data()[4..], Dtype::F32, &[width - 1]);
    let wrong_shape = views().map(|(other, view)| if other == name { (other, shorter.clone()) } else { (other, view) });
    let head = SafeTensors::read_metadata(&found).unwrap().1.metadata().clone();
    let unsaid = serialize(views(), None).unwrap();
    let wrong_shape = serialize(wrong_shape, head.clone()).unwrap();
    let missing = serialize(views().filter(|(other, _)| *other != name), head).unwrap();
    let halves = serialize([(name.as_str(), tensor(&first.data()[..2 * width], Dtype::F16, &[width]))], None).unwrap();
    let cold = serialize(views(), Some([("temperature".to_owned(), "0".to_owned())].into())).unwrap();
    for (bytes, says) in [
        (wrong_shape, format!("{name:?} has {} values, but the model {width}", width - 1)),
        (missing, format!("no tensor {name:?}")),
        (halves, format!("{name:?} is F16, not F32")),
        (of_other_weights, "not made for the model.safetensors beside it".to_owned()),
        (unsaid, "not made for the model.safetensors beside it".to_owned()),
        (cold, "temperature \"0\" is no positive number".to_owned()),
        (found[..found.len() - 1].to_vec(), String::new()),
        (b"version https://git-lfs".to_vec(), String::new()),
    ] {
        assert_refused(&with_int8(bytes.clone()), &["int8.safetensors", &says, "dateline quantise", "--precision f32"]);
        // Nobody needs the file for f32.
        let options = RunOptions { precision: Some(Precision::F32), ..RunOptions::default() };
        Annotator::load(&with_int8(bytes), &options).unwrap();
    }
}

#[test]
fn a_model_of_another_kind_is_told_what_would_do() {
    for found in ["BertForSequenceClassification", "T5ForConditionalGeneration", "DebertaV2ForTokenClassification"] {
        let broken = with_config(&json!({ "architectures": [found] }));
        assert_refused(&broken, &["config.json", "\"bert\"", found, "give a", "XLMRobertaForTokenClassification"]);
    }
    let nameless = with_config(&json!({"architectures": null, "model_type": "t5"}));
    assert_refused(&nameless, &["config.json", "t5", "give a"]);
    let nothing = with_config(&json!({"architectures": null, "model_type": null}));
    assert_refused(&nothing, &["config.json", "unknown kind", "give a"]);
}

#[test]
fn a_label_map_of_no_entity_tagger_is_told() {
    for (map, says) in [
        (json!({"0": "LABEL_0", "1": "LABEL_1"}), "\"LABEL_0\""),
        (json!({"0": "NEGATIVE", "1": "POSITIVE"}), "\"NEGATIVE\""),
        (json!({"0": "O", "1": "PERSON"}), "\"PERSON\""),
        (json!({"0": "O", "1": "I-PERSON"}), "no \"B-PERSON\""),
        (json!({"0": "O", "2": "B-PERSON"}), "no label with id 1"),
        (json!({"0": "B-PERSON", "1": "I-PERSON"}), "no label \"O\""),
        (json!({"0": "O", "1": "B-X", "2": "B-X"}), "ids 1 and 2"),
        (Value::Null, "no \"id2label\""),
    ] {
        let broken = with_config(&json!({ "id2label": map }));
        assert_refused(&broken, &["id2label in config.json", says, "give a named-entity model"]);
    }
}

#[test]
fn a_config_that_is_none_is_told() {
    for config in ["", "{", "[]", "null", "<html>", "\u{feff}{}", "{\"architectures\": "] {
        let broken = ModelFiles { config: Cow::Owned(config.as_bytes().to_vec()), ..files() };
        assert_refused(&broken, &["config.json of model \"bert\"", "not a JSON object", "fetch or copy it again"]);
    }
    let broken = ModelFiles { config: Cow::Borrowed(b"{\"a\": \"\xff\"}"), ..files() };
    assert_refused(&broken, &["config.json", "not a JSON object"]);
    let broken = with_config(&json!({"vocab_size": null}));
    assert_refused(&broken, &["config.json", "\"vocab_size\" is missing", "saved with the weights"]);
    let broken = with_config(&json!({"num_hidden_layers": -2}));
    assert_refused(&broken, &["config.json", "\"num_hidden_layers\" is -2", "positive whole number"]);
    let broken = with_config(&json!({"id2label": ["O"]}));
    assert_refused(&broken, &["config.json", "\"id2label\" is no map"]);
}

#[test]
fn a_config_of_another_size_is_told_by_the_first_tensor_that_differs() {
    for (changes, parts) in [
        (json!({"vocab_size": 300}), ["word_embeddings.weight\" is [239, 32]", "[300, 32]"]),
        (json!({"hidden_size": 64}), ["[239, 32]", "[239, 64]"]),
        (json!({"intermediate_size": 128}), ["intermediate.dense.weight\" is [64, 32]", "[128, 32]"]),
        (json!({"num_hidden_layers": 3}), ["no tensor \"bert.encoder.layer.2.", "config.json"]),
        // Sizes that no memory holds are refused before any is asked for.
        (json!({"hidden_size": 100_000_000, "vocab_size": 100_000_000}), ["[239, 32]", "[100000000, 100000000]"]),
        (json!({"id2label": {"0": "O", "1": "B-X"}}), ["\"classifier.weight\" is [9, 32]", "[2, 32]"]),
    ] {
        assert_refused(&with_config(&changes), &[&parts[..], &["model.safetensors", "config.json"]].concat());
    }
}

#[test]
fn each_missing_tensor_is_named() {
    let whole = files();
    let names: Vec<String> = {
        let tensors = SafeTensors::deserialize(&whole.weights).unwrap();
        tensors.names().into_iter().map(str::to_owned).collect()
    };
    assert!(names.len() > 30);
    for missing in names {
        let broken = with_tensors(&whole, |name, view| (name != missing).then_some(view));
        let quoted = format!("no tensor {missing:?}");
        assert_refused(&broken, &["model.safetensors of model \"bert\"", &quoted, "config.json"]);
    }
}

#[test]
fn a_tensor_of_another_shape_type_or_without_numbers_is_named() {
    let (whole, name) = (files(), "classifier.bias");
    let not_a_number = f32::NAN.to_le_bytes().repeat(9);
    for (dtype, shape, bytes, says) in [
        (Dtype::F32, vec![8], &not_a_number[..32], "is [8], but config.json makes it [9]"),
        (Dtype::F32, vec![1, 9], &not_a_number[..], "is [1, 9], but config.json makes it [9]"),
        (Dtype::I32, vec![9], &not_a_number[..], "is I32: only F32, F16 and BF16 are read"),
        (Dtype::F32, vec![9], &not_a_number[..], "no finite numbers: the file is damaged"),
    ] {
        let broken =
            with_tensors(&whole, |found, view| Some(if found == name { tensor(bytes, dtype, &shape) } else { view }));
        assert_refused(&broken, &["model.safetensors of model \"bert\"", name, says]);
    }
}

#[test]
fn truncated_weights_are_told_wherever_they_end() {
    let whole = files();
    let length = whole.weights.len();
    for end in [0, 1, 7, 8, 9, 100, 4143, 4144, 4145, length / 2, length - 1] {
        let broken = ModelFiles { weights: whole.weights[..end].to_vec().into(), ..whole.clone() };
        let bytes = format!("{end} bytes");
        assert_refused(
            &broken,
            &["model.safetensors of model \"bert\"", "truncated", &bytes, "fetch or copy it again"],
        );
    }
    let broken = ModelFiles { weights: [&whole.weights[..], b"more"].concat().into(), ..whole };
    assert_refused(&broken, &["model.safetensors", "fetch or copy it again"]);
}

#[test]
fn weights_that_are_something_else_are_told() {
    for bytes in [&b"PK\x03\x04 a pickle of the old kind"[..], b"<html>Not found</html>", &[0xff; 64], &[0; 64]] {
        let broken = ModelFiles { weights: bytes.to_vec().into(), ..files() };
        assert_refused(
            &broken,
            &["model.safetensors of model \"bert\"", "no safetensors file", "fetch or copy it again"],
        );
    }
}

#[test]
fn no_flipped_bit_makes_the_loader_panic() {
    let whole = files();
    // The header's length and the header: behind them any bits are numbers.
    for (index, bit) in (0..4144).step_by(5).zip((0..8).cycle()) {
        let mut weights = whole.weights.to_vec();
        weights[index] ^= 1 << bit;
        if let Err(error) = load(&ModelFiles { weights: weights.into(), ..whole.clone() }) {
            assert_says(&error, &["model.safetensors of model \"bert\""]);
        }
    }
    for (index, bit) in (0..whole.tokenizer.len()).step_by(5).zip((0..8).cycle()) {
        let mut tokenizer = whole.tokenizer.to_vec();
        tokenizer[index] ^= 1 << bit;
        // Some bits make another tokeniser rather than none; it may then fail on a text, but as politely.
        let loaded = load(&ModelFiles { tokenizer: tokenizer.into(), ..whole.clone() });
        if let Err(error) =
            loaded.and_then(|annotator| annotator.annotate("Kim met Lee in Oslo. The 3rd Brigade left."))
        {
            assert_says(&error, &["tokenizer.json"]);
        }
    }
    for (index, bit) in (0..whole.config.len()).step_by(3).zip((0..8).cycle()) {
        let mut config = whole.config.to_vec();
        config[index] ^= 1 << bit;
        if let Err(error) = load(&ModelFiles { config: config.into(), ..whole.clone() }) {
            assert_says(&error, &["config.json"]);
        }
    }
}

#[test]
fn a_tokeniser_that_is_none_or_another_models_is_told() {
    let whole = files();
    let half = &whole.tokenizer[..whole.tokenizer.len() / 2];
    for bytes in [b"", &b"{}"[..], b"[]", b"<html>", half] {
        let broken = ModelFiles { tokenizer: bytes.to_vec().into(), ..files() };
        assert_refused(&broken, &["tokenizer.json", "damaged or of an unknown form", "fetch or copy it again"]);
    }
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut json: Value = serde_json::from_slice(&whole.tokenizer).unwrap();
        change(&mut json);
        ModelFiles { tokenizer: json.to_string().into_bytes().into(), ..whole.clone() }
    };
    let larger = changed(&|json| json["model"]["vocab"]["another"] = json!(9999));
    assert_refused(&larger, &["tokenizer.json", "ids up to 9999", "239 rows", "this model's tokeniser?"]);
    let bare = changed(&|json| json["post_processor"] = Value::Null);
    assert_refused(&bare, &["tokenizer.json", "special tokens", "save it with its post-processor"]);
    let dangling = changed(&|json| json["post_processor"]["special_tokens"] = json!({}));
    assert_refused(&dangling, &["tokenizer.json", "damaged", "fetch or copy it again"]);
    let far = changed(&|json| json["post_processor"]["special_tokens"]["[SEP]"]["ids"] = json!([9999]));
    assert_refused(&far, &["tokenizer.json", "9999", "239 rows"]);
}
