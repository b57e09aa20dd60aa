//! A model of a few lines, behind a real engine.

use dateline_engine::{Description, Engine, EngineModel, EngineOptions, Model, ModelFailure, Piece};
use dateline_model::{PackedBatch, Precision};
use dateline_text::{Label, Mention, Span};

/// Marks every "Kyiv" as a place, half as sure of each. A text that says so fails or panics, in the encoder or while it
/// is read.
pub(crate) struct Fake {
    labels: Vec<Label>,
    before: Box<dyn Fn() + Send + Sync>,
}

const FAILS: u32 = 1;
const PANICS: u32 = 2;

impl Fake {
    /// With `before` called before every batch.
    pub(crate) fn with_gate(before: impl Fn() + Send + Sync + 'static) -> Self {
        Self { labels: ["PLACE", "UNIT"].map(Label::new).to_vec(), before: Box::new(before) }
    }

    /// An engine with this model, under the name `fake`.
    pub(crate) fn engine(self, options: EngineOptions) -> Engine {
        let models = vec![EngineModel { name: "fake".to_owned(), replicas: vec![self] }];
        Engine::start(models, options).unwrap()
    }
}

impl Model for Fake {
    type Reading = String;

    fn labels(&self) -> &[Label] {
        &self.labels
    }

    fn describe(&self) -> Description<'_> {
        Description { architecture: "Fake", window_tokens: 100, precision: Precision::F32 }
    }

    fn read(&self, text: &str) -> Result<String, ModelFailure> {
        assert!(!text.contains("PANIC WHILE READ"), "told to panic");
        Ok(text.to_owned())
    }

    fn windows(&self, _: &String) -> Vec<usize> {
        vec![1]
    }

    fn pack(&self, reading: &String, _: usize, batch: &mut PackedBatch) {
        let id = if reading.contains("FAIL") {
            FAILS
        } else if reading.contains("PANIC") {
            PANICS
        } else {
            0
        };
        batch.push(&[id], &[0]);
    }

    fn encode(&self, batch: &PackedBatch, _: &(dyn Fn() + Sync)) -> Result<Vec<f32>, ModelFailure> {
        (self.before)();
        if batch.token_ids.contains(&FAILS) {
            return Err("told to fail".into());
        }
        assert!(!batch.token_ids.contains(&PANICS), "told to panic");
        Ok(vec![0.0; batch.tokens()])
    }

    fn place(&self, _: &mut String, _: usize, _: &[f32], _: usize) {}

    fn mentions(&self, _: &String, text: &str) -> Vec<Mention> {
        let found = (0..).zip(text.match_indices("Kyiv"));
        let mention = |(n, (start, _)): (i32, (usize, &str))| {
            Mention::new(Span::new(start, start + 4), Label::new("PLACE"), 0.5_f32.powi(n))
        };
        found.map(mention).collect()
    }

    fn pieces(&self, text: &str) -> Result<Vec<Piece>, ModelFailure> {
        let letters = text.char_indices();
        let piece =
            |(start, c): (usize, char)| Piece { token: c.to_string(), span: Span::new(start, start + c.len_utf8()) };
        Ok(letters.map(piece).collect())
    }
}
