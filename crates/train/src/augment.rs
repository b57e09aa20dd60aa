//! Variants of the training texts: names swapped for others of their label, texts in another case, texts joined to
//! longer ones. All draws come from a generator that the caller seeds, so an epoch can be made again exactly.

use std::collections::BTreeMap;

use dateline_text::{Label, Span};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, RngExt};

use crate::{Example, Recipe};

/// Names to draw from, by label.
#[derive(Clone, Debug, Default)]
pub struct NamePools {
    pools: BTreeMap<Label, Vec<String>>,
}

impl NamePools {
    /// The names that are marked in `examples`, each as often as it occurs.
    #[must_use]
    pub fn from_examples(examples: &[Example]) -> Self {
        let mut pools: BTreeMap<Label, Vec<String>> = BTreeMap::new();
        for example in examples {
            for (span, label) in &example.spans {
                if let Some(name) = span.slice(&example.text) {
                    pools.entry(label.clone()).or_default().push(name.to_owned());
                }
            }
        }
        Self { pools }
    }

    /// Adds names of `label`, such as the lines of a list.
    pub fn extend(&mut self, label: &Label, names: impl IntoIterator<Item = String>) {
        self.pools.entry(label.clone()).or_default().extend(names);
    }

    fn draw(&self, label: &Label, rng: &mut impl Rng) -> Option<&str> {
        self.pools.get(label)?.choose(rng).map(String::as_str)
    }
}

/// The variants of `examples` for one pass: swapped, re-cased and joined at the recipe's rates.
pub fn augment(examples: &[Example], pools: &NamePools, recipe: &Recipe, rng: &mut impl Rng) -> Vec<Example> {
    let mut out = Vec::with_capacity(examples.len());
    for example in examples {
        let mut variant = if recipe.swap_rate > 0.0 && rng.random_bool(recipe.swap_rate) {
            swap_names(example, pools, recipe.swap_name_rate, rng)
        } else {
            example.clone()
        };
        if recipe.recase_rate > 0.0 && rng.random_bool(recipe.recase_rate) {
            let case = *[Case::Lower, Case::Upper, Case::Title].choose(rng).expect("three cases");
            variant = recase(&variant, case);
        }
        out.push(variant);
    }
    if recipe.join_rate > 0.0 { join(out, recipe, rng) } else { out }
}

/// Puts together a text from pieces of another, keeping the spans at their words.
struct Rebuilt<'e> {
    old: &'e Example,
    read: usize,
    text: String,
    spans: Vec<(Span, Label)>,
}

impl<'e> Rebuilt<'e> {
    fn new(old: &'e Example) -> Self {
        Self { old, read: 0, text: String::with_capacity(old.text.len()), spans: Vec::with_capacity(old.spans.len()) }
    }

    fn copy_to(&mut self, end: usize) {
        self.text.push_str(&self.old.text[self.read..end]);
        self.read = end;
    }

    fn finish(mut self) -> Example {
        self.copy_to(self.old.text.len());
        Example { text: self.text, spans: self.spans, ..self.old.clone() }
    }
}

/// Replaces each marked name, with probability `rate`, by another of its label.
pub fn swap_names(example: &Example, pools: &NamePools, rate: f64, rng: &mut impl Rng) -> Example {
    let mut new = Rebuilt::new(example);
    for (span, label) in &example.spans {
        new.copy_to(span.start());
        let start = new.text.len();
        match pools.draw(label, rng) {
            Some(name) if rng.random_bool(rate) => {
                new.text.push_str(name);
                new.read = span.end();
            }
            _ => new.copy_to(span.end()),
        }
        new.spans.push((Span::new(start, new.text.len()), label.clone()));
    }
    new.finish()
}

/// The case of a whole text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// all small
    Lower,
    /// ALL CAPITALS, as in headlines of agencies
    Upper,
    /// Every Word With A Capital, As In Headlines
    Title,
}

/// The same text in another case. Characters whose other case is more than one character stay as they are.
#[must_use]
pub fn recase(example: &Example, case: Case) -> Example {
    let mut text = String::with_capacity(example.text.len());
    // Other cases may take more or fewer bytes, so the spans' edges move.
    let mut edges: Vec<usize> = Vec::with_capacity(2 * example.spans.len());
    let mut wanted = example.spans.iter().flat_map(|(span, _)| [span.start(), span.end()]).peekable();
    let mut inside_word = false;
    for (at, character) in example.text.char_indices() {
        while wanted.next_if(|&edge| edge <= at).is_some() {
            edges.push(text.len());
        }
        let capital = match case {
            Case::Lower => false,
            Case::Upper => true,
            Case::Title => !inside_word,
        };
        text.push(if capital {
            single(character.to_uppercase(), character)
        } else {
            single(character.to_lowercase(), character)
        });
        inside_word = character.is_alphanumeric() || (inside_word && matches!(character, '\'' | '’'));
    }
    edges.extend(wanted.map(|_| text.len()));
    let spans = example.spans.iter().zip(edges.chunks_exact(2));
    let spans = spans.map(|((_, label), edge)| (Span::new(edge[0], edge[1]), label.clone())).collect();
    Example { text, spans, ..example.clone() }
}

fn single(mut mapped: impl Iterator<Item = char>, original: char) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => original,
    }
}

/// Joins texts of a source: a share `join_rate` of the texts takes part, in groups of two to four, texts of the same
/// document side by side.
fn join(examples: Vec<Example>, recipe: &Recipe, rng: &mut impl Rng) -> Vec<Example> {
    let mut out = Vec::with_capacity(examples.len());
    let mut sources: BTreeMap<Option<String>, BTreeMap<Option<String>, Vec<Example>>> = BTreeMap::new();
    for example in examples {
        if rng.random_bool(recipe.join_rate) {
            let documents = sources.entry(example.source.clone()).or_default();
            documents.entry(example.document.clone()).or_default().push(example);
        } else {
            out.push(example);
        }
    }
    for documents in sources.into_values() {
        let mut documents: Vec<Vec<Example>> = documents.into_values().collect();
        documents.shuffle(rng);
        let mut rest = documents.into_iter().flatten().peekable();
        while let Some(mut long) = rest.next() {
            for _ in 1..rng.random_range(2..=4) {
                let fits = |next: &Example| long.text.len() + 1 + next.text.len() <= recipe.join_bytes;
                let Some(next) = rest.next_if(fits) else { break };
                long.text.push(' ');
                let shift = long.text.len();
                long.text.push_str(&next.text);
                long.spans.extend(next.spans.into_iter().map(|(span, label)| (span.shift(shift), label)));
            }
            out.push(long);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn example(text: &str, names: &[(&str, &str)]) -> Example {
        let spans = names
            .iter()
            .map(|(name, label)| {
                let start = text.find(name).unwrap();
                (Span::new(start, start + name.len()), Label::new(label))
            })
            .collect();
        Example { text: text.to_owned(), spans, ..Example::default() }
    }

    fn names(example: &Example) -> Vec<&str> {
        example.spans.iter().map(|(span, _)| span.slice(&example.text).unwrap()).collect()
    }

    #[test]
    fn a_swapped_name_is_marked_in_its_place() {
        let mut pools = NamePools::default();
        pools.extend(&Label::new("PLACE"), ["Wadi Nowhere".to_owned()]);
        let before = example("In Oslo, Ada met the mayor of Oslo Fjord.", &[("Oslo", "PLACE"), ("Ada", "PERSON")]);
        let after = swap_names(&before, &pools, 1.0, &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(after.text, "In Wadi Nowhere, Ada met the mayor of Oslo Fjord.");
        assert_eq!(names(&after), ["Wadi Nowhere", "Ada"]);
    }

    #[test]
    fn another_case_keeps_the_spans() {
        // 'ẞ' and 'İ' change their length in bytes or characters with their case.
        let before = example("the İzmir don't ẞau in ȺB", &[("İzmir", "PLACE"), ("ẞau", "PLACE"), ("ȺB", "UNIT")]);
        assert_eq!(names(&recase(&before, Case::Lower)), ["İzmir", "ßau", "ⱥb"]);
        assert_eq!(names(&recase(&before, Case::Upper)), ["İZMIR", "ẞAU", "ȺB"]);
        assert_eq!(recase(&before, Case::Title).text, "The İzmir Don't ẞau In Ⱥb");
    }

    #[test]
    fn joined_texts_keep_every_span_and_the_limit() {
        let recipe = Recipe { recase_rate: 0.0, join_rate: 1.0, join_bytes: 30, ..Recipe::default() };
        let all: Vec<_> = (0..40).map(|i| example(&format!("In Oslo, {i}."), &[("Oslo", "PLACE")])).collect();
        let joined = augment(&all, &NamePools::default(), &recipe, &mut ChaCha8Rng::seed_from_u64(3));
        assert!(joined.len() < 40 && joined.iter().any(|one| one.spans.len() > 1));
        assert_eq!(joined.iter().map(|one| one.spans.len()).sum::<usize>(), 40);
        assert!(joined.iter().all(|one| one.text.len() <= 30 && names(one).iter().all(|name| *name == "Oslo")));
    }

    proptest! {
        #[test]
        fn spans_stay_slices(text in "[a-zßİ 🚀ǅé']{1,30}", cuts in prop::collection::vec(any::<prop::sample::Index>(), 4), seed in any::<u64>()) {
            let edges: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| edges[cut.index(edges.len())]).collect();
            cuts.sort_unstable();
            let spans = cuts.chunks_exact(2).map(|pair| (Span::new(pair[0], pair[1]), Label::new("X"))).collect();
            let one = Example { text, spans, ..Example::default() };
            let recipe = Recipe { recase_rate: 1.0, swap_rate: 0.5, join_rate: 0.5, ..Recipe::default() };
            let pools = NamePools::from_examples(std::slice::from_ref(&one));
            for variant in augment(&[one.clone(), one.clone(), one], &pools, &recipe, &mut ChaCha8Rng::seed_from_u64(seed)) {
                prop_assert!(variant.spans.iter().all(|(span, _)| span.slice(&variant.text).is_some()));
                prop_assert!(variant.spans.windows(2).all(|pair| pair[0].0.end() <= pair[1].0.start()));
            }
        }
    }
}
