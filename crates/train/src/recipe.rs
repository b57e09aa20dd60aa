//! The recipe: every number that decides what is learnt, in one JSON object.

use serde::{Deserialize, Serialize};

use crate::TrainError;

/// How to train. Fields that a JSON recipe leaves out keep their defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// Passes over the training texts.
    pub epochs: usize,
    /// Tokens per batch; a batch is filled with whole texts until it holds at least so many.
    pub batch_tokens: usize,
    /// Peak learning rate of the encoder.
    pub encoder_lr: f64,
    /// Peak learning rate of the classifier on top.
    pub head_lr: f64,
    /// Decoupled weight decay of matrices; biases and layer norms are not decayed.
    pub weight_decay: f64,
    /// Share of the steps in which the learning rate climbs to its peak; then it falls linearly to 0.
    pub warm_up: f64,
    /// Gradients are scaled down to this global norm at most; 0 leaves them.
    pub clip_norm: f64,
    /// Dropout on hidden states.
    pub dropout: f64,
    /// Dropout on attention probabilities.
    pub attention_dropout: f64,
    /// Decay per step of the moving average of the weights, which is judged beside the weights; 0 keeps none.
    pub ema_decay: f64,
    /// Share of texts that are put in another case: lower, UPPER or Title, a third each.
    pub recase_rate: f64,
    /// Share of texts in which names are swapped for others of their label.
    pub swap_rate: f64,
    /// Share of the names that are swapped in such a text.
    pub swap_name_rate: f64,
    /// Share of texts that are joined with one to three others of their source.
    pub join_rate: f64,
    /// The most bytes that a joined text may have.
    pub join_bytes: usize,
    /// What the decoder takes from a mention that begins right behind another of its label, which is rare in written
    /// text; goes into the model's `config.json`.
    pub adjacency_penalty: f64,
    /// Texts drawn per epoch from the partly marked files, as a share of the fully marked ones.
    pub partial_rate: f64,
    /// Weight of a word of a partly marked text.
    pub partial_weight: f64,
    /// The labels that are marked in the partly marked files; any other label may hide under an unmarked word there.
    pub partial_labels: Vec<String>,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            epochs: 10,
            batch_tokens: 1100,
            encoder_lr: 2e-4,
            head_lr: 1e-3,
            weight_decay: 0.01,
            warm_up: 0.1,
            clip_norm: 1.0,
            dropout: 0.1,
            attention_dropout: 0.0,
            ema_decay: 0.997,
            recase_rate: 0.1,
            swap_rate: 0.0,
            swap_name_rate: 0.5,
            join_rate: 0.25,
            join_bytes: 1100,
            adjacency_penalty: 2.0,
            partial_rate: 0.0,
            partial_weight: 0.3,
            partial_labels: vec!["PERSON".to_owned(), "PLACE".to_owned()],
        }
    }
}

impl Recipe {
    /// Checks every field.
    ///
    /// # Errors
    /// [`TrainError::Recipe`] naming the first field that is out of its range.
    pub fn check(&self) -> Result<(), TrainError> {
        let at_least_one = |field, value: usize| match value {
            0 => Err(TrainError::Recipe { field, value: "0".to_owned(), must: "must be at least 1" }),
            _ => Ok(()),
        };
        at_least_one("epochs", self.epochs)?;
        at_least_one("batch_tokens", self.batch_tokens)?;
        for (field, value) in [
            ("encoder_lr", self.encoder_lr),
            ("head_lr", self.head_lr),
            ("weight_decay", self.weight_decay),
            ("clip_norm", self.clip_norm),
            ("adjacency_penalty", self.adjacency_penalty),
            ("partial_rate", self.partial_rate),
            ("partial_weight", self.partial_weight),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(TrainError::Recipe { field, value: value.to_string(), must: "must be 0 or more" });
            }
        }
        for (field, value) in [
            ("dropout", self.dropout),
            ("attention_dropout", self.attention_dropout),
            ("ema_decay", self.ema_decay),
            ("warm_up", self.warm_up),
        ] {
            if !(0.0..1.0).contains(&value) {
                return Err(TrainError::Recipe { field, value: value.to_string(), must: "must be from 0 to below 1" });
            }
        }
        for (field, value) in [
            ("recase_rate", self.recase_rate),
            ("swap_rate", self.swap_rate),
            ("swap_name_rate", self.swap_name_rate),
            ("join_rate", self.join_rate),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return Err(TrainError::Recipe { field, value: value.to_string(), must: "must be from 0 to 1" });
            }
        }
        Ok(())
    }

    /// The learning rate's factor at `step` of `steps`, both counted from 0: up linearly, then down linearly to 0.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "step counts are far below 2^52")]
    pub fn schedule(&self, step: usize, steps: usize) -> f64 {
        let (step, steps) = (step as f64, steps as f64);
        let warm = self.warm_up * steps;
        if step < warm { step / warm.max(1.0) } else { ((steps - step) / (steps - warm).max(1.0)).max(0.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_sound_and_partial_json_keeps_it() {
        Recipe::default().check().unwrap();
        let recipe: Recipe = serde_json::from_str(r#"{"epochs": 3}"#).unwrap();
        assert_eq!(recipe, Recipe { epochs: 3, ..Recipe::default() });
        assert!(serde_json::from_str::<Recipe>(r#"{"epoch": 3}"#).is_err(), "a misspelt field is refused");
    }

    #[test]
    fn a_bad_field_is_named() {
        let message = Recipe { dropout: 1.0, ..Recipe::default() }.check().unwrap_err().to_string();
        assert!(message.contains("\"dropout\" is 1"), "{message}");
        assert!(Recipe { head_lr: f64::NAN, ..Recipe::default() }.check().is_err());
    }

    #[test]
    fn the_schedule_climbs_and_falls() {
        let recipe = Recipe { warm_up: 0.1, ..Recipe::default() };
        let at = |step| recipe.schedule(step, 100);
        assert_eq!((at(0), at(5), at(10), at(100)), (0.0, 0.5, 1.0, 0.0));
        assert!((at(55) - 0.5).abs() < 1e-12);
        let none = Recipe { warm_up: 0.0, ..Recipe::default() };
        assert_eq!(none.schedule(0, 100), 1.0);
    }
}
