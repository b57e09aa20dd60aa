//! Our encoder and tokeniser against `transformers`, on tiny models with random weights and the numbers that
//! `tests/parity/generate.py` computed for them.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use std::path::{Path, PathBuf};

use dateline_model::{Annotator, ModelFiles, RunOptions};
use dateline_text::Span;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    text: String,
    input_ids: Vec<u32>,
    token_type_ids: Option<Vec<u32>>,
    offsets: Vec<(usize, usize)>,
    logits: Vec<Vec<f32>>,
}

const MODELS: [&str; 9] = [
    "bert",
    "bert-f16",
    "bert-casing",
    "bert-cased",
    "distilbert",
    "distilbert-relu",
    "roberta",
    "roberta-gelu-new",
    "xlm-roberta",
];

fn folder(model: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parity").join(model)
}

fn load(model: &str) -> (Annotator, Vec<Case>) {
    let folder = folder(model);
    let annotator = Annotator::load(&ModelFiles::read(&folder).unwrap(), &RunOptions::default()).unwrap();
    let cases = serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    (annotator, cases)
}

#[test]
fn every_fixture_is_compared() {
    let mut found: Vec<_> = std::fs::read_dir(folder("."))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort_unstable();
    let mut compared = MODELS;
    compared.sort_unstable();
    assert_eq!(found, compared);
}

#[test]
fn logits_are_those_of_transformers() {
    for model in MODELS {
        let (annotator, cases) = load(model);
        for case in &cases {
            let types = case.token_type_ids.clone().unwrap_or_else(|| vec![0; case.input_ids.len()]);
            let logits = annotator.logits(&case.input_ids, &types).unwrap();
            assert_eq!(logits.len(), case.logits.len());
            for (ours, theirs) in logits.iter().flatten().zip(case.logits.iter().flatten()) {
                assert!((ours - theirs).abs() < 1e-4, "{model}, {:?}: {ours} is not {theirs}", case.text);
            }
        }
    }
}

#[test]
fn tokens_are_those_of_transformers() {
    for model in MODELS {
        let (annotator, cases) = load(model);
        for case in &cases {
            let tokens = annotator.tokeniser().tokenise(&case.text).unwrap();
            let inner = 1..case.input_ids.len() - 1;
            assert_eq!(tokens.ids, case.input_ids[inner.clone()], "{model}: {:?}", case.text);
            let spans: Vec<_> = case.offsets[inner.clone()].iter().map(|&(start, end)| Span::new(start, end)).collect();
            assert_eq!(tokens.spans, spans, "{model}: {:?}", case.text);
            if let Some(types) = &case.token_type_ids {
                assert_eq!(tokens.type_ids, types[inner], "{model}: {:?}", case.text);
            }
        }
    }
}

#[test]
fn words_are_slices_in_order_and_share_out_the_tokens() {
    for model in MODELS {
        let (annotator, cases) = load(model);
        for case in &cases {
            let tokens = annotator.tokeniser().tokenise(&case.text).unwrap();
            let mut next_piece = 0;
            let mut end = 0;
            for word in &tokens.words {
                assert_eq!(word.first_piece, next_piece);
                next_piece = word.end_piece;
                let slice = word.span.slice(&case.text).unwrap();
                assert_eq!(slice.trim(), slice);
                if !word.span.is_empty() {
                    assert!(word.span.start() >= end, "{model}: {:?} overlaps in {:?}", word.span, case.text);
                    end = word.span.end();
                }
            }
            assert_eq!(next_piece, tokens.ids.len());
        }
    }
}
