//! What users cannot forgive, on a tiny model with random weights, which marks something nearly everywhere: mentions
//! that are no slices, texts that are not read to their end, results that depend on their neighbours.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use std::num::NonZeroUsize;
use std::path::Path;

use dateline_model::{Annotator, ModelFiles, PackedBatch, Precision, RunOptions};
use dateline_text::Mention;
use proptest::prelude::*;

/// The tiny model `model`; in int8 with what it needs, found on a sentence.
fn load(model: &str, options: &RunOptions) -> Annotator {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parity").join(model);
    let mut files = ModelFiles::read(&folder).unwrap();
    if options.precision == Some(Precision::Int8) {
        let single = Annotator::load(&files, &RunOptions::default()).unwrap();
        let balance = single.balance(&["Ilse Brandt said that the 14th brigade left Port Almeda at dawn."]).unwrap();
        files.int8 = Some(balance.made_for(&files.weights).to_bytes().unwrap().into());
    }
    Annotator::load(&files, options).unwrap()
}

/// Both precisions of the CPU.
fn precisions() -> [RunOptions; 2] {
    [Precision::F32, Precision::Int8]
        .map(|precision| RunOptions { precision: Some(precision), ..RunOptions::default() })
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
        for options in precisions() {
            let annotator = load(model, &options);
            proptest!(ProptestConfig::with_cases(64), |(text in awkward_text())| {
                check_mentions(&text, &annotator.annotate(&text).unwrap());
            });
        }
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
        for options in precisions() {
            let [one, two] =
                [1, 2].map(|threads| RunOptions { threads: NonZeroUsize::new(threads), ..options.clone() });
            let small_batches = RunOptions { max_batch_tokens: 100, ..options.clone() };
            let alone: Vec<_> = {
                let annotator = load(model, &options);
                texts.iter().map(|text| bits(&annotator.annotate(text).unwrap())).collect()
            };
            for options in [&options, &one, &two, &small_batches] {
                let together = load(model, options).annotate_all(&texts).unwrap();
                for ((text, mentions), alone) in texts.iter().zip(together).zip(&alone) {
                    assert_eq!(&bits(&mentions), alone, "{model}, {options:?}: {text:?}");
                }
            }
            assert!(alone.iter().any(|mentions| !mentions.is_empty()));
        }
    }
}

/// A model that was found to lose nothing by int8 is run so, unless somebody says otherwise; others are not.
#[test]
fn int8_is_taken_where_it_was_tested() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parity/bert-casing");
    let mut files = ModelFiles::read(&folder).unwrap();
    let precision = |files: &ModelFiles, precision| {
        let options = RunOptions { precision, ..RunOptions::default() };
        Annotator::load(files, &options).map(|annotator| annotator.info().precision)
    };
    let untested = Annotator::load(&files, &RunOptions::default()).unwrap();
    assert_eq!(untested.info().precision, Precision::F32);
    assert_eq!(precision(&files, Some(Precision::Int8)).unwrap(), Precision::Int8);
    let text = "Dorvan Port fell to the 7th brigade.";
    let mut balance = untested.balance(&[text]).unwrap().made_for(&files.weights);
    balance.temperature = Some(4.0);
    files.int8 = Some(balance.to_bytes().unwrap().into());
    assert_eq!(precision(&files, None).unwrap(), Precision::Int8);
    assert_eq!(precision(&files, Some(Precision::F32)).unwrap(), Precision::F32);
    let message = precision(&files, Some(Precision::Bf16)).unwrap_err().to_string();
    assert!(message.contains("int8 or f32") && message.contains("--device"), "{message}");

    // The file's temperature is int8's alone.
    let scores = |annotator: &Annotator| -> Vec<f32> {
        annotator.annotate(text).unwrap().iter().map(|mention| mention.score).collect()
    };
    let options = RunOptions { precision: Some(Precision::F32), ..RunOptions::default() };
    assert_eq!(scores(&Annotator::load(&files, &options).unwrap()), scores(&untested));
    let cool = scores(&Annotator::load(&files, &RunOptions::default()).unwrap());
    balance.temperature = Some(1.0);
    files.int8 = Some(balance.to_bytes().unwrap().into());
    let warm = scores(&Annotator::load(&files, &RunOptions::default()).unwrap());
    assert!(!cool.is_empty() && cool.len() == warm.len() && cool != warm, "{cool:?} {warm:?}");
    assert!(Annotator::load(&files, &RunOptions::default()).unwrap().balance(&[text]).is_err(), "of f32 only");
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
