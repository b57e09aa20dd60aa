//! What users cannot forgive, on a tiny model with random weights, which marks something nearly everywhere: mentions
//! that are no slices, texts that are not read to their end, results that depend on their neighbours.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use std::num::NonZeroUsize;
use std::path::Path;

use dateline_model::{Annotator, ModelFiles, PackedBatch, RunOptions};
use dateline_text::Mention;
use proptest::prelude::*;

fn load(model: &str, options: &RunOptions) -> Annotator {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parity").join(model);
    Annotator::load(&ModelFiles::read(&folder).unwrap(), options).unwrap()
}

/// Scores as bits: "nearly the same" is not the same.
fn bits(mentions: &[Mention]) -> Vec<(dateline_text::Span, String, u32)> {
    mentions.iter().map(|m| (m.span, m.label.to_string(), m.score.to_bits())).collect()
}

fn check_mentions(text: &str, mentions: &[Mention]) {
    let mut end = 0;
    for mention in mentions {
        let slice = mention.slice(text);
        assert!(!slice.is_empty() && slice == slice.trim(), "{slice:?} in {text:?}");
        assert!(mention.span.start() >= end, "mentions overlap in {text:?}");
        assert!((0.0..=1.0).contains(&mention.score));
        end = mention.span.end();
    }
}

fn awkward_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("🚀".to_owned()),
        Just("👩‍🚒 ".to_owned()),
        Just("🇺🇦".to_owned()),
        Just("e\u{301}".to_owned()),
        Just("\u{301}".to_owned()),
        Just("שלום ".to_owned()),
        Just("دمشق".to_owned()),
        Just("\0".to_owned()),
        Just("\r\n\r\n".to_owned()),
        Just("北京".to_owned()),
        Just("½ﬁ".to_owned()),
        Just("[SEP] [MASK]".to_owned()),
        Just(" ".repeat(90)),
        "[a-zA-Z0-9 .,'-]{0,12}",
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

#[test]
fn every_mention_of_any_text_is_a_slice() {
    for model in ["bert-casing", "bert-cased", "roberta", "xlm-roberta"] {
        let annotator = load(model, &RunOptions::default());
        proptest!(ProptestConfig::with_cases(64), |(text in awkward_text())| {
            check_mentions(&text, &annotator.annotate(&text).unwrap());
        });
    }
}

#[test]
fn a_text_is_annotated_the_same_alone_and_in_company() {
    for model in ["bert-casing", "roberta"] {
        let texts: Vec<String> = (0..120)
            .map(|i| format!("{} Dorvan Port {i} fell to the {}th brigade. ", "The harbour of".repeat(i % 13), i * 7))
            .map(|text| text.repeat(1 + text.len() % 5))
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let one_thread = RunOptions { threads: NonZeroUsize::new(1), ..RunOptions::default() };
        let small_batches = RunOptions { max_batch_tokens: 100, ..RunOptions::default() };
        let alone: Vec<_> = {
            let annotator = load(model, &RunOptions::default());
            texts.iter().map(|text| bits(&annotator.annotate(text).unwrap())).collect()
        };
        for options in [&RunOptions::default(), &one_thread, &small_batches] {
            let together = load(model, options).annotate_all(&texts).unwrap();
            for ((text, mentions), alone) in texts.iter().zip(together).zip(&alone) {
                assert_eq!(&bits(&mentions), alone, "{model}, {options:?}: {text:?}");
            }
        }
        assert!(alone.iter().any(|mentions| !mentions.is_empty()));
    }
}

#[test]
fn a_long_text_is_read_to_its_end() {
    let annotator = load("bert-casing", &RunOptions::default());
    let paragraph = "The harbour of Dorvan fell at dawn, and Lind went north with the brigade.\n\n";
    let per_paragraph = annotator.annotate(paragraph).unwrap().len();
    assert!(per_paragraph > 0, "the random weights mark something");
    let text = paragraph.repeat(200);
    let mentions = annotator.annotate(&text).unwrap();
    check_mentions(&text, &mentions);
    let in_tenth = |tenth: usize| {
        let range = text.len() * tenth / 10..text.len() * (tenth + 1) / 10;
        mentions.iter().filter(|mention| range.contains(&mention.span.start())).count()
    };
    assert!(in_tenth(9) > 0 && in_tenth(9).abs_diff(in_tenth(0)) <= in_tenth(0) / 5, "{} {}", in_tenth(0), in_tenth(9));
}

#[test]
fn texts_without_words_have_no_mentions() {
    for model in ["bert", "roberta", "xlm-roberta"] {
        let annotator = load(model, &RunOptions::default());
        for text in ["", " ", "\r\n\t", &"\u{a0}\n".repeat(100_000)] {
            assert_eq!(annotator.annotate(text).unwrap(), []);
        }
        assert_eq!(annotator.annotate_all(&[]).unwrap(), Vec::<Vec<Mention>>::new());
    }
}

#[test]
fn a_word_of_300_000_characters_has_a_defined_outcome() {
    for model in ["bert-casing", "roberta", "xlm-roberta"] {
        let annotator = load(model, &RunOptions::default());
        let text = format!("Dorvan {} Lind", "xé🚀".repeat(100_000));
        check_mentions(&text, &annotator.annotate(&text).unwrap());
    }
}

/// A service packs windows of many callers, in its own order, and reads an urgent text in the pauses of a long one.
#[test]
fn phases_in_any_order_give_what_annotate_gives() {
    let annotator = load("bert-casing", &RunOptions::default());
    let texts: Vec<String> =
        (0..6).map(|i| format!("Dorvan Port {i} fell, said Ilse Brandt. ").repeat(i * 9)).collect();
    let mut readings: Vec<_> = texts.iter().map(|text| annotator.read(text).unwrap()).collect();
    let urgent = "Mateus Correia left Port Almeda.";
    let pauses = std::sync::Mutex::new(Vec::new());
    let most = readings.iter().map(dateline_model::Reading::windows).max().unwrap();
    for window in (0..most).rev() {
        let mut batch = PackedBatch::new();
        let taken: Vec<_> = (0..readings.len()).filter(|&index| window < readings[index].windows()).collect();
        for &index in &taken {
            annotator.pack(&readings[index], window, &mut batch);
        }
        let pause = || {
            let mentions = annotator.annotate(urgent).unwrap();
            pauses.lock().unwrap().push(bits(&mentions));
        };
        let logits = annotator.encode(&batch, &pause).unwrap();
        for (&index, range) in taken.iter().zip(batch.windows()) {
            assert_eq!(range.len(), readings[index].window_tokens(window));
            readings[index].place(window, &logits, range.start);
        }
    }
    for (text, reading) in texts.iter().zip(&readings) {
        assert_eq!(bits(&annotator.mentions(reading, text)), bits(&annotator.annotate(text).unwrap()));
    }
    let pauses = pauses.into_inner().unwrap();
    assert!(most > 1 && pauses.len() > most);
    assert!(pauses.iter().all(|found| *found == bits(&annotator.annotate(urgent).unwrap())));
}
