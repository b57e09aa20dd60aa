//! Texts with marked spans to tokens with target tags.

use std::collections::BTreeSet;

use dateline_model::{ModelConfig, PackedBatch, Tag, Tokeniser, Word, windows};
use dateline_text::{Label, Span};

use crate::loss::{TagMask, Target};
use crate::{Example, TrainError};

/// A window of a text, ready for a batch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Encoded {
    /// Token ids, special tokens included.
    ids: Vec<u32>,
    /// As many token types.
    type_ids: Vec<u32>,
    /// What the words should be tagged as; rows count from the window's first token.
    targets: Vec<Target>,
}

impl Encoded {
    /// Number of tokens.
    pub(crate) fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// Appends the window to a batch and its targets to those of the batch.
    pub(crate) fn push_to(&self, batch: &mut PackedBatch, targets: &mut Vec<Target>) {
        let first = batch.tokens();
        batch.push(&self.ids, &self.type_ids);
        targets.extend(self.targets.iter().map(|target| Target { row: first + target.row, ..*target }));
    }
}

/// How completely a text is marked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Marking {
    /// Every mention of every label is marked.
    Full,
    /// Only mentions of `labels` are; any other label may hide under an unmarked word. Words weigh `weight`.
    Partial {
        /// The labels that are marked.
        labels: BTreeSet<Label>,
        /// How much a word of such a text counts.
        weight: f32,
    },
}

/// Turns examples into windows.
#[derive(Debug)]
pub(crate) struct ExampleEncoder<'m> {
    config: &'m ModelConfig,
    tokeniser: &'m Tokeniser,
}

impl<'m> ExampleEncoder<'m> {
    /// An encoder for the model of `config`.
    pub(crate) fn new(config: &'m ModelConfig, tokeniser: &'m Tokeniser) -> Result<Self, TrainError> {
        if config.tags.len() > TagMask::MOST {
            let most = (TagMask::MOST - 1) / 2;
            return Err(TrainError::Empty(format!(
                "the texts have {} labels, but a model learns {most} at most: train on fewer",
                config.tags.labels().len()
            )));
        }
        Ok(Self { config, tokeniser })
    }

    /// The windows of `example`, and how many of its spans do not begin and end with words. Such a span is taken to
    /// cover all words that it touches.
    pub(crate) fn encode(&self, example: &Example, marking: &Marking) -> Result<(Vec<Encoded>, usize), TrainError> {
        let tokens = self.tokeniser.tokenise(&example.text)?;
        let (tags, ragged) = self.tag_words(&tokens.words, &example.spans, marking);
        let weight = match marking {
            Marking::Full => 1.0,
            Marking::Partial { weight, .. } => *weight,
        };
        let special = self.tokeniser.special_type();
        let encoded = windows(&tokens, self.config.window_tokens() - 2, self.config.stride_tokens())
            .into_iter()
            .map(|window| {
                let words = &tokens.words[window.words];
                let pieces =
                    words.first().map_or(0, |word| word.first_piece)..words.last().map_or(0, |word| word.end_piece);
                let targets = window
                    .decides
                    .filter(|&word| !tokens.words[word].span.is_empty())
                    .map(|word| Target {
                        row: 1 + tokens.words[word].first_piece - pieces.start,
                        allowed: tags[word],
                        weight,
                    })
                    .collect();
                let around = |first, inner: &[u32], last| [&[first], inner, &[last]].concat();
                Encoded {
                    ids: around(self.tokeniser.first(), &tokens.ids[pieces.clone()], self.tokeniser.last()),
                    type_ids: around(special, &tokens.type_ids[pieces], special),
                    targets,
                }
            })
            .collect();
        Ok((encoded, ragged))
    }

    fn tag_words(&self, words: &[Word], spans: &[(Span, Label)], marking: &Marking) -> (Vec<TagMask>, usize) {
        let mut tags = vec![self.unmarked(marking); words.len()];
        let mut ragged = 0;
        let mut next = 0;
        for (span, label) in spans {
            let first = next + words[next..].partition_point(|word| word.span.end() <= span.start());
            let end = first + words[first..].partition_point(|word| word.span.start() < span.end());
            let inked: Vec<usize> = (first..end).filter(|&word| !words[word].span.is_empty()).collect();
            let known = self.config.tags.labels().iter().position(|known| known == label);
            let spelt = known.and_then(|label| self.config.tags.spell(label, inked.len()));
            let (Some(spelt), [head, .., last] | [head @ last]) = (spelt, &inked[..]) else {
                ragged += 1;
                continue;
            };
            if (words[*head].span.start(), words[*last].span.end()) != (span.start(), span.end()) {
                ragged += 1;
            }
            for (&word, tag) in inked.iter().zip(spelt) {
                tags[word] = TagMask::of([tag]);
            }
            next = end;
        }
        (tags, ragged)
    }

    /// What an unmarked word may be.
    fn unmarked(&self, marking: &Marking) -> TagMask {
        let tags = &self.config.tags;
        let may_be = |id: usize| match (tags.tags()[id], marking) {
            (Tag::Outside, _) => true,
            (_, Marking::Full) => false,
            (tag, Marking::Partial { labels, .. }) => {
                tag.label().is_some_and(|label| !labels.contains(&tags.labels()[label]))
            }
        };
        TagMask::of((0..tags.len()).filter(|&id| may_be(id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiny;

    fn example(text: &str, spans: &[(usize, usize, &str)]) -> Example {
        let spans = spans.iter().map(|&(start, end, label)| (Span::new(start, end), Label::new(label))).collect();
        Example { text: text.to_owned(), spans, ..Example::default() }
    }

    fn tags(targets: &[Target], count: usize) -> Vec<Vec<usize>> {
        targets.iter().map(|target| (0..count).filter(|&tag| target.allowed.has(tag)).collect()).collect()
    }

    #[test]
    fn spans_become_tags_of_words() {
        let (config, tokeniser) = tiny::config_and_tokeniser();
        let encoder = ExampleEncoder::new(&config, &tokeniser).unwrap();
        let one = example("Ada saw New York", &[(0, 3, "PERSON"), (8, 16, "PLACE")]);
        let (windows, ragged) = encoder.encode(&one, &Marking::Full).unwrap();
        assert_eq!((windows.len(), ragged), (1, 0));
        assert_eq!(tags(&windows[0].targets, 5), [[1], [0], [3], [4]]);
        assert_eq!(windows[0].targets[0].row, 1, "the first row is the special token's");
    }

    #[test]
    fn a_ragged_span_covers_its_words_and_is_counted() {
        let (config, tokeniser) = tiny::config_and_tokeniser();
        let encoder = ExampleEncoder::new(&config, &tokeniser).unwrap();
        let one = example("Ada saw New York", &[(9, 13, "PLACE")]);
        let (windows, ragged) = encoder.encode(&one, &Marking::Full).unwrap();
        assert_eq!(ragged, 1);
        assert_eq!(tags(&windows[0].targets, 5), [[0], [0], [3], [4]]);
    }

    #[test]
    fn an_unmarked_word_of_a_partial_text_may_be_any_unmarked_label() {
        let (config, tokeniser) = tiny::config_and_tokeniser();
        let encoder = ExampleEncoder::new(&config, &tokeniser).unwrap();
        let marking = Marking::Partial { labels: [Label::new("PERSON")].into(), weight: 0.5 };
        let (windows, _) = encoder.encode(&example("Ada saw", &[(0, 3, "PERSON")]), &marking).unwrap();
        assert_eq!(tags(&windows[0].targets, 5), [vec![1], vec![0, 3, 4]]);
        assert_eq!(windows[0].targets[0].weight, 0.5);
    }

    #[test]
    fn long_texts_are_cut_and_every_word_is_learnt_once() {
        let (config, tokeniser) = tiny::config_and_tokeniser();
        let encoder = ExampleEncoder::new(&config, &tokeniser).unwrap();
        let (windows, _) = encoder.encode(&example(&"Ada saw York ".repeat(100), &[]), &Marking::Full).unwrap();
        assert!(windows.len() > 1);
        assert!(windows.iter().all(|window| window.tokens() <= config.window_tokens()));
        assert_eq!(windows.iter().map(|window| window.targets.len()).sum::<usize>(), 300);
    }
}
