//! What the service needs from a model, so that its routes can be tested without one.

use std::error::Error;

use dateline_model::Annotator;
use dateline_text::{Label, Mention};

/// Why a text could not be annotated: any error, told to the operator and not to the caller.
pub type AnnotateError = Box<dyn Error + Send + Sync>;

/// A model that finds mentions. Its calls block; the service makes them from a thread of their own.
pub trait Annotate: Send + Sync + 'static {
    /// The model's name, as answers give it.
    fn model(&self) -> &str;

    /// All labels that the model knows.
    fn labels(&self) -> &[Label];

    /// The mentions of each text, ascending and not overlapping, in the texts' order.
    ///
    /// # Errors
    /// [`AnnotateError`] if any text cannot be annotated.
    fn annotate_all(&self, texts: &[&str]) -> Result<Vec<Vec<Mention>>, AnnotateError>;
}

impl Annotate for Annotator {
    fn model(&self) -> &str {
        &self.info().name
    }

    fn labels(&self) -> &[Label] {
        &self.info().labels
    }

    fn annotate_all(&self, texts: &[&str]) -> Result<Vec<Vec<Mention>>, AnnotateError> {
        Ok(Self::annotate_all(self, texts)?)
    }
}
