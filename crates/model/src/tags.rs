//! The tags that a token classifier gives to words, and which may follow which.
//!
//! A tag is a label with a position: `B-PLACE` begins a mention, `I-PLACE` carries it on, and in BIOES `E-` ends and
//! `S-` is a mention of one word. The scheme is read from the model's `id2label`, so any label passes through.

use std::collections::BTreeMap;

use dateline_text::Label;

use crate::ModelError;

/// What a tag says of its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// `O`: in no mention.
    Outside,
    /// `B-`: the first word of a mention of that label (an index into [`TagSet::labels`]).
    Begin(usize),
    /// `I-`: a further word.
    Inside(usize),
    /// `E-`: the last of several words (BIOES).
    End(usize),
    /// `S-`: the only word (BIOES).
    Single(usize),
}

impl Tag {
    /// The tag's label, as an index into [`TagSet::labels`].
    #[must_use]
    pub const fn label(self) -> Option<usize> {
        match self {
            Self::Outside => None,
            Self::Begin(label) | Self::Inside(label) | Self::End(label) | Self::Single(label) => Some(label),
        }
    }
}

/// The tags of a model in the order of its logits.
#[derive(Clone, Debug, PartialEq)]
pub struct TagSet {
    tags: Vec<Tag>,
    labels: Vec<Label>,
    bioes: bool,
}

impl TagSet {
    /// The tags of a BIO model over `labels`: `O`, `B-` and `I-` of the first, of the second, …
    #[must_use]
    pub fn bio(labels: &[Label]) -> Self {
        let positions = (0..labels.len()).flat_map(|label| [Tag::Begin(label), Tag::Inside(label)]);
        Self { tags: [Tag::Outside].into_iter().chain(positions).collect(), labels: labels.to_vec(), bioes: false }
    }

    /// Reads an `id2label` map.
    ///
    /// # Errors
    /// [`ModelError::Labels`] if an id is missing or a name is not of the BIO or BIOES form, or if there is no `O`.
    pub fn parse(id2label: &BTreeMap<usize, String>) -> Result<Self, ModelError> {
        let mut set = Self { tags: Vec::with_capacity(id2label.len()), labels: Vec::new(), bioes: false };
        for (expected, (&id, name)) in id2label.iter().enumerate() {
            if id != expected {
                return Err(ModelError::Labels(format!("there is no label with id {expected}")));
            }
            let tag = set.parse_tag(name, id)?;
            if let Some(earlier) = set.tags.iter().position(|&other| other == tag) {
                return Err(ModelError::Labels(format!("ids {earlier} and {id} are both {name:?}")));
            }
            set.tags.push(tag);
        }
        if !set.tags.contains(&Tag::Outside) {
            return Err(ModelError::Labels("there is no label \"O\" for words outside all mentions".to_owned()));
        }
        for (label, name) in set.labels.iter().enumerate() {
            let has = |tag| set.tags.contains(&tag);
            if !has(Tag::Begin(label)) && !has(Tag::Single(label)) {
                return Err(ModelError::Labels(format!("no mention of {name} could begin: there is no \"B-{name}\"")));
            }
        }
        Ok(set)
    }

    fn parse_tag(&mut self, name: &str, id: usize) -> Result<Tag, ModelError> {
        if name == "O" {
            return Ok(Tag::Outside);
        }
        let form = name.split_once(['-', '_']).filter(|(_, label)| !label.is_empty());
        let Some((position, label)) = form.filter(|(position, _)| matches!(*position, "B" | "I" | "E" | "S")) else {
            return Err(ModelError::Labels(format!(
                "id {id} is {name:?}, but must be \"O\" or a label behind \"B-\" or \"I-\" (or \"E-\", \"S-\")"
            )));
        };
        let label = self.labels.iter().position(|known| known == label).unwrap_or_else(|| {
            self.labels.push(Label::new(label));
            self.labels.len() - 1
        });
        self.bioes |= matches!(position, "E" | "S");
        Ok(match position {
            "B" => Tag::Begin(label),
            "I" => Tag::Inside(label),
            "E" => Tag::End(label),
            _ => Tag::Single(label),
        })
    }

    /// Number of tags: the width of the logits.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tags.len()
    }

    /// Whether there are no tags; never so for a set that was parsed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    /// The labels, in the order in which the model first names them.
    #[must_use]
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// The tags, in the order of the logits.
    #[must_use]
    pub fn tags(&self) -> &[Tag] {
        &self.tags
    }

    /// The id of `tag`, if the model has it.
    #[must_use]
    pub fn id(&self, tag: Tag) -> Option<usize> {
        self.tags.iter().position(|&known| known == tag)
    }

    /// The name of tag `id`, as `id2label` has it.
    #[must_use]
    pub fn name(&self, id: usize) -> String {
        let (position, label) = match self.tags[id] {
            Tag::Outside => return "O".to_owned(),
            Tag::Begin(label) => ("B", label),
            Tag::Inside(label) => ("I", label),
            Tag::End(label) => ("E", label),
            Tag::Single(label) => ("S", label),
        };
        format!("{position}-{}", self.labels[label])
    }

    /// The tags of a mention of `label` that is `words` words long; `None` if the model has no tags for that.
    #[must_use]
    pub fn spell(&self, label: usize, words: usize) -> Option<Vec<usize>> {
        if words == 1 && self.bioes {
            return self.id(Tag::Single(label)).map(|id| vec![id]);
        }
        let mut ids = vec![self.id(Tag::Begin(label))?];
        for word in 1..words {
            let tag = if self.bioes && word + 1 == words { Tag::End(label) } else { Tag::Inside(label) };
            ids.push(self.id(tag)?);
        }
        Some(ids)
    }

    /// Whether tag `next` may stand right after tag `previous` (`None`: the start of the text or of a new paragraph).
    #[must_use]
    pub fn may_follow(&self, previous: Option<usize>, next: usize) -> bool {
        let open = previous.and_then(|id| self.open_mention(id));
        match self.tags[next] {
            Tag::Inside(label) | Tag::End(label) => open == Some(label),
            // In BIOES an open mention must be carried on or ended; in BIO it ends by itself.
            Tag::Outside | Tag::Begin(_) | Tag::Single(_) => open.is_none() || !self.bioes,
        }
    }

    /// Whether a text or paragraph may end with tag `id`.
    #[must_use]
    pub fn may_end(&self, id: usize) -> bool {
        !self.bioes || self.open_mention(id).is_none()
    }

    /// The label of the mention that tag `id` leaves open for a next word.
    fn open_mention(&self, id: usize) -> Option<usize> {
        match self.tags[id] {
            Tag::Begin(label) | Tag::Inside(label) => Some(label),
            Tag::Outside | Tag::End(_) | Tag::Single(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(names: &[&str]) -> BTreeMap<usize, String> {
        names.iter().enumerate().map(|(id, name)| (id, (*name).to_owned())).collect()
    }

    #[test]
    fn reads_bio_in_any_order() {
        let tags = TagSet::parse(&map(&["B-LOC", "O", "I-LOC", "B-PER"])).unwrap();
        assert_eq!(tags.labels(), [Label::new("LOC"), Label::new("PER")]);
        assert!(tags.may_follow(Some(0), 2) && tags.may_follow(Some(2), 2));
        assert!(!tags.may_follow(Some(1), 2) && !tags.may_follow(Some(3), 2) && !tags.may_follow(None, 2));
        assert_eq!(tags.spell(0, 3), Some(vec![0, 2, 2]));
        assert_eq!(tags.spell(1, 2), None, "PER has no I-");
    }

    #[test]
    fn reads_bioes() {
        let tags = TagSet::parse(&map(&["O", "B-X", "I-X", "E-X", "S-X"])).unwrap();
        assert!(!tags.may_follow(Some(1), 0), "an open mention must be ended");
        assert!(!tags.may_end(2) && tags.may_end(3));
        assert_eq!((tags.spell(0, 1), tags.spell(0, 3)), (Some(vec![4]), Some(vec![1, 2, 3])));
    }

    #[test]
    fn refuses_other_label_maps_by_name() {
        for (names, says) in [
            (&["NEGATIVE", "POSITIVE"][..], "\"NEGATIVE\""),
            (&["B-X", "I-X"], "no label \"O\""),
            (&["O", "I-X"], "\"B-X\""),
            (&["O", "B-X", "B-X"], "ids 1 and 2"),
            (&["O", "B-"], "\"B-\""),
        ] {
            let message = TagSet::parse(&map(names)).unwrap_err().to_string();
            assert!(message.contains(says), "{message}");
        }
        let gap = BTreeMap::from([(0, "O".to_owned()), (2, "B-X".to_owned())]);
        assert!(TagSet::parse(&gap).unwrap_err().to_string().contains("id 1"));
    }

    #[test]
    fn bio_of_labels_names_its_tags() {
        let tags = TagSet::bio(&[Label::new("PERSON"), Label::new("PLACE")]);
        let names: Vec<_> = (0..tags.len()).map(|id| tags.name(id)).collect();
        assert_eq!(names, ["O", "B-PERSON", "I-PERSON", "B-PLACE", "I-PLACE"]);
        assert_eq!(TagSet::parse(&names.into_iter().enumerate().collect()).unwrap(), tags);
    }
}
