//! A model of a few lines.

use dateline_server::{Annotate, AnnotateError};
use dateline_text::{Label, Mention, Span};

/// Marks every "Kyiv" as a place, half as sure of each; fails and panics when told to.
pub(crate) struct Fake {
    labels: Vec<Label>,
}

impl Fake {
    pub(crate) fn new() -> Self {
        Self { labels: ["PLACE", "UNIT"].map(Label::new).to_vec() }
    }
}

impl Annotate for Fake {
    fn model(&self) -> &str {
        "fake"
    }

    fn labels(&self) -> &[Label] {
        &self.labels
    }

    fn annotate_all(&self, texts: &[&str]) -> Result<Vec<Vec<Mention>>, AnnotateError> {
        if texts.iter().any(|text| text.contains("FAIL")) {
            return Err("told to fail".into());
        }
        assert!(!texts.iter().any(|text| text.contains("PANIC")), "told to panic");
        let mentions = |text: &str| {
            let found = text.match_indices("Kyiv").enumerate();
            let mention = |(n, (start, _))| {
                Mention::new(Span::new(start, start + 4), Label::new("PLACE"), 1.0 / f32::from(1_u8 << n))
            };
            found.map(mention).collect()
        };
        Ok(texts.iter().map(|text| mentions(text)).collect())
    }
}
