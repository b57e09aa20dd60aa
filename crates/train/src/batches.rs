//! The batches of an epoch: which texts, in which variants, in which order. All of it follows from the seed and the
//! epoch's number, so an interrupted epoch can be made again and carried on at any batch.

use dateline_model::PackedBatch;
use dateline_text::Label;
use rand::SeedableRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::encode::{Encoded, ExampleEncoder, Marking};
use crate::loss::Target;
use crate::{Example, NamePools, Recipe, TrainError, augment};

/// Packed windows and what their words should say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    pub(crate) packed: PackedBatch,
    pub(crate) targets: Vec<Target>,
}

/// What training reads.
#[derive(Debug)]
pub(crate) struct TrainTexts {
    pub(crate) full: Vec<Example>,
    pub(crate) partial: Vec<Example>,
    pub(crate) pools: NamePools,
}

/// The batches of epoch `epoch` under `seed`. There is no padding, so texts of any lengths share a batch.
pub(crate) fn epoch(
    texts: &TrainTexts,
    encoder: &ExampleEncoder<'_>,
    recipe: &Recipe,
    seed: u64,
    epoch: usize,
) -> Result<Vec<Batch>, TrainError> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(epoch as u64);
    let full = augment(&texts.full, &texts.pools, recipe, &mut rng);
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "counts")]
    let drawn = (recipe.partial_rate * texts.full.len() as f64).round() as usize;
    let partial: Vec<Example> = texts.partial.sample(&mut rng, drawn.min(texts.partial.len())).cloned().collect();
    let partial =
        augment(&partial, &texts.pools, &Recipe { swap_rate: 0.0, join_rate: 0.0, ..recipe.clone() }, &mut rng);
    let marking = Marking::Partial {
        labels: recipe.partial_labels.iter().map(Label::new).collect(),
        #[expect(clippy::cast_possible_truncation, reason = "a weight needs no double precision")]
        weight: recipe.partial_weight as f32,
    };
    let encode = |(example, marking): (&Example, &Marking)| Ok(encoder.encode(example, marking)?.0);
    let encoded: Result<Vec<Vec<Encoded>>, TrainError> = (full.par_iter().map(|example| (example, &Marking::Full)))
        .chain(partial.par_iter().map(|example| (example, &marking)))
        .map(encode)
        .collect();
    let mut windows: Vec<Encoded> = encoded?.into_iter().flatten().collect();
    windows.shuffle(&mut rng);
    Ok(pack(&windows, recipe.batch_tokens))
}

/// Fills batches with whole windows until each holds at least `tokens`.
fn pack(windows: &[Encoded], tokens: usize) -> Vec<Batch> {
    let mut batches = vec![Batch::default()];
    for window in windows {
        if batches.last().is_some_and(|batch| batch.packed.tokens() >= tokens) {
            batches.push(Batch::default());
        }
        let batch = batches.last_mut().expect("there is always a batch");
        window.push_to(&mut batch.packed, &mut batch.targets);
    }
    batches.retain(|batch| !batch.packed.is_empty());
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiny;

    fn texts() -> TrainTexts {
        let one = |text: String| Example { text, ..Example::default() };
        TrainTexts {
            full: (0..50).map(|i| one(format!("Ada saw {}", "York ".repeat(i % 7)))).collect(),
            partial: (0..50).map(|_| one("Bob met Ada".to_owned())).collect(),
            pools: NamePools::default(),
        }
    }

    #[test]
    fn an_epoch_can_be_made_again_and_the_next_is_another() {
        let (config, tokeniser) = tiny::config_and_tokeniser();
        let encoder = ExampleEncoder::new(&config, &tokeniser).unwrap();
        let recipe = Recipe { batch_tokens: 40, join_rate: 0.0, partial_rate: 0.2, ..Recipe::default() };
        let ids = |number| -> Vec<Vec<u32>> {
            let batches = epoch(&texts(), &encoder, &recipe, 1, number).unwrap();
            batches.into_iter().map(|batch| batch.packed.token_ids).collect()
        };
        assert_eq!(ids(3), ids(3));
        assert_ne!(ids(3), ids(4));
        assert!(ids(0).iter().rev().skip(1).all(|batch| (40..60).contains(&batch.len())));
        assert_eq!(ids(0).concat().iter().filter(|&&id| id == 2).count(), 60, "50 texts and a fifth of as many");
    }
}
