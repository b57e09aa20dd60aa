//! What the engine needs from a model: the phases between a text and its mentions, so that windows of many texts can
//! share a batch. A model of a few lines is enough to test everything around it.

use std::error::Error;

use dateline_model::{Annotator, ModelInfo, PackedBatch, Precision, Reading};
use dateline_text::{Label, Mention, Span};

/// Why a model failed: any error, told to the operator and not to the caller.
pub type ModelFailure = Box<dyn Error + Send + Sync>;

/// A token of a text as the model's vocabulary writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What the vocabulary calls it (`##ing`).
    pub token: String,
    /// Where it stands in the text, in bytes.
    pub span: Span,
}

/// What callers are shown of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description<'m> {
    /// Its architecture.
    pub architecture: &'m str,
    /// The most tokens of a window.
    pub window_tokens: usize,
    /// How exactly it computes.
    pub precision: Precision,
}

/// A model, cut into the phases of its work. All calls block; the engine makes them from threads of its own.
pub trait Model: Send + Sync + 'static {
    /// A text that was cut into windows of tokens and takes up their logits.
    type Reading: Send + 'static;

    /// The labels that it knows.
    fn labels(&self) -> &[Label];

    /// What is to be shown to callers.
    fn describe(&self) -> Description<'_>;

    /// Cuts a text into windows of tokens.
    ///
    /// # Errors
    /// [`ModelFailure`] if that cannot be done; it costs only this text.
    fn read(&self, text: &str) -> Result<Self::Reading, ModelFailure>;

    /// Tokens of each window, special tokens included. A text of no tokens has none.
    fn windows(&self, reading: &Self::Reading) -> Vec<usize>;

    /// Appends a window to a batch.
    fn pack(&self, reading: &Self::Reading, window: usize, batch: &mut PackedBatch);

    /// The logits of a batch, row by row. Calls `pause` now and then: other batches may be encoded in it.
    ///
    /// # Errors
    /// [`ModelFailure`] if the device fails.
    fn encode(&self, batch: &PackedBatch, pause: &(dyn Fn() + Sync)) -> Result<Vec<f32>, ModelFailure>;

    /// Keeps what `logits` say of a window, whose first token is row `first_row`.
    fn place(&self, reading: &mut Self::Reading, window: usize, logits: &[f32], first_row: usize);

    /// The mentions of a reading whose windows have all been placed: ascending, apart, in bytes of `text`.
    fn mentions(&self, reading: &Self::Reading, text: &str) -> Vec<Mention>;

    /// The tokens of a text, for callers that want to see them.
    ///
    /// # Errors
    /// As [`Model::read`].
    fn pieces(&self, text: &str) -> Result<Vec<Piece>, ModelFailure>;
}

impl Model for Annotator {
    type Reading = Reading;

    fn labels(&self) -> &[Label] {
        &self.info().labels
    }

    fn describe(&self) -> Description<'_> {
        let ModelInfo { architecture, window_tokens, precision, .. } = self.info();
        Description { architecture, window_tokens: *window_tokens, precision: *precision }
    }

    fn read(&self, text: &str) -> Result<Reading, ModelFailure> {
        Ok(Self::read(self, text)?)
    }

    fn windows(&self, reading: &Reading) -> Vec<usize> {
        (0..reading.windows()).map(|window| reading.window_tokens(window)).collect()
    }

    fn pack(&self, reading: &Reading, window: usize, batch: &mut PackedBatch) {
        Self::pack(self, reading, window, batch);
    }

    fn encode(&self, batch: &PackedBatch, pause: &(dyn Fn() + Sync)) -> Result<Vec<f32>, ModelFailure> {
        Ok(Self::encode(self, batch, pause)?)
    }

    fn place(&self, reading: &mut Reading, window: usize, logits: &[f32], first_row: usize) {
        reading.place(window, logits, first_row);
    }

    fn mentions(&self, reading: &Reading, text: &str) -> Vec<Mention> {
        Self::mentions(self, reading, text)
    }

    fn pieces(&self, text: &str) -> Result<Vec<Piece>, ModelFailure> {
        let tokens = self.tokeniser().tokenise(text)?;
        let piece = |(&id, &span): (&u32, &Span)| {
            let token = self.tokeniser().piece(id).unwrap_or_else(|| span.slice(text).unwrap_or_default().to_owned());
            Piece { token, span }
        };
        Ok(tokens.ids.iter().zip(&tokens.spans).map(piece).collect())
    }
}
