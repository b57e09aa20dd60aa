//! How much a document is about an entity.

/// How often the most mentioned entity of a document weighs against where an entity comes first.
const SHARE: f32 = 0.5;
const EARLY: f32 = 0.3;
const LEAD: f32 = 0.2;
/// The lead ends with the second line that says something, and at this byte at the latest.
const LEAD_LENGTH: usize = 600;

/// What relevance is measured by in one text.
pub(super) struct Relevance {
    length: usize,
    lead: usize,
    most: usize,
}

impl Relevance {
    /// Of entities in `text`, the most mentioned of which has `most` mentions.
    pub(super) fn new(text: &str, most: usize) -> Self {
        Self { length: text.len(), lead: lead(text), most }
    }

    /// Of an entity with `count` mentions, the first of which starts at byte `first`: 0 to 1.
    pub(super) fn of(&self, count: usize, first: usize) -> f32 {
        let share = count as f32 / self.most.max(1) as f32;
        let early = 1.0 - first as f32 / self.length.max(1) as f32;
        let lead = f32::from(u8::from(first < self.lead));
        (SHARE * share + EARLY * early + LEAD * lead).clamp(0.0, 1.0)
    }
}

/// Where the headline and the first paragraph end.
fn lead(text: &str) -> usize {
    let mut end = 0;
    let mut lines = 0;
    for line in text.split_inclusive('\n') {
        end += line.len();
        lines += usize::from(!line.trim().is_empty());
        if lines == 2 || end >= LEAD_LENGTH {
            break;
        }
    }
    end.min(LEAD_LENGTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_with_mentions_and_towards_the_headline() {
        let text = format!("Headline\n\nLead.\n{}", "Body. ".repeat(200));
        let relevance = Relevance::new(&text, 10);
        assert!(relevance.of(10, 0) > relevance.of(9, 0));
        assert!(relevance.of(3, 0) > relevance.of(3, 20));
        assert!(relevance.of(3, 20) > relevance.of(3, 500));
        assert!((relevance.of(10, 0) - 1.0).abs() < 1e-6);
        assert!(relevance.of(1, text.len() - 1) > 0.0);
    }

    #[test]
    fn the_lead_is_two_lines_that_say_something() {
        assert_eq!(lead("A\n\n \r\nB\nC"), "A\n\n \r\nB\n".len());
        assert_eq!(lead(&"x".repeat(5000)), LEAD_LENGTH);
        assert_eq!(lead(""), 0);
    }
}
