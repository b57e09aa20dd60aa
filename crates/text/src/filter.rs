//! Which mentions a caller wants to see: the same choice on the command line and over HTTP.

use std::collections::BTreeSet;

use crate::{Label, Mention};

/// Keeps mentions by score and label. The default keeps all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MentionFilter {
    /// Mentions that score less are left out.
    pub min_score: f32,
    /// If given, only these labels are kept.
    pub labels: Option<BTreeSet<Label>>,
}

impl MentionFilter {
    /// Whether `mention` passes.
    #[must_use]
    pub fn keeps(&self, mention: &Mention) -> bool {
        mention.score >= self.min_score && self.labels.as_ref().is_none_or(|labels| labels.contains(&mention.label))
    }

    /// The mentions that pass, in their order.
    #[must_use]
    pub fn apply(&self, mut mentions: Vec<Mention>) -> Vec<Mention> {
        mentions.retain(|mention| self.keeps(mention));
        mentions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Span;

    #[test]
    fn keeps_by_score_and_label() {
        let mention = |label: &str, score| Mention::new(Span::new(0, 1), Label::new(label), score);
        let all = vec![mention("PLACE", 0.9), mention("UNIT", 0.9), mention("PLACE", 0.2)];
        assert_eq!(MentionFilter::default().apply(all.clone()), all);
        let filter = MentionFilter { min_score: 0.5, labels: Some([Label::new("PLACE")].into()) };
        assert_eq!(filter.apply(all.clone()), all[..1]);
    }
}
