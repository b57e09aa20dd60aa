//! Logits of words to mentions with calibrated scores.
//!
//! The tags of a text form a chain in which only some may follow others (`I-PLACE` only after a tag of PLACE). The best
//! path through that lattice (Viterbi 1967) gives the mentions; the sums over all paths (forward-backward, Rabiner
//! 1989, scaled) give each mention's score: the probability that exactly this span with this label is in the text.
//! Logits are divided by the model's temperature first (Guo et al. 2017), which moves the scores and never the path.
//! A name that follows another of its label with nothing between is rare in written text, but a classifier that judges
//! word by word likes to split long names so; a penalty on that one step says how rare.

use crate::tags::{Tag, TagSet};

/// A mention in words.
#[derive(Clone, Debug, PartialEq)]
pub struct DecodedSpan {
    /// Its first word.
    pub first_word: usize,
    /// Its last word, inclusive.
    pub last_word: usize,
    /// Its label, an index into [`TagSet::labels`].
    pub label: usize,
    /// The probability of the span with its label, 0 to 1.
    pub score: f64,
}

/// How logits become mentions and scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decoding {
    /// Divides the logits, and the penalty with them; above 0.
    pub temperature: f64,
    /// Taken from the logit of a mention that begins right behind another of its label; 0 or more.
    pub adjacency_penalty: f64,
}

impl Default for Decoding {
    fn default() -> Self {
        Self { temperature: 1.0, adjacency_penalty: 0.0 }
    }
}

/// The mentions of a text, ascending and apart.
///
/// `logits` holds a row of `tags.len()` for every word; `breaks` says for every word whether no mention may cross into
/// it from the word before.
///
/// # Panics
/// If `logits` does not have a row for each of `breaks`.
#[must_use]
pub fn decode(logits: &[f32], breaks: &[bool], tags: &TagSet, decoding: &Decoding) -> Vec<DecodedSpan> {
    assert_eq!(logits.len(), breaks.len() * tags.len(), "every word has a row of logits");
    if breaks.is_empty() {
        return Vec::new();
    }
    let lattice = Lattice::new(logits, breaks, tags, decoding);
    let path = lattice.best_path();
    let posteriors = Posteriors::of(&lattice);
    mentions_of(&path, breaks, tags)
        .into_iter()
        .map(|(first_word, last_word, label)| {
            let score = posteriors.span(&lattice, &path[first_word..=last_word], first_word);
            DecodedSpan { first_word, last_word, label, score }
        })
        .collect()
}

/// First word, last word and label of every mention on a valid path.
fn mentions_of(path: &[usize], breaks: &[bool], tags: &TagSet) -> Vec<(usize, usize, usize)> {
    let mut mentions: Vec<(usize, usize, usize)> = Vec::new();
    for (word, &id) in path.iter().enumerate() {
        match tags.tags()[id] {
            Tag::Outside => {}
            Tag::Begin(label) | Tag::Single(label) => mentions.push((word, word, label)),
            Tag::Inside(_) | Tag::End(_) => {
                debug_assert!(!breaks[word], "no mention crosses a break");
                mentions.last_mut().expect("a mention goes on only after it began").1 = word;
            }
        }
    }
    mentions
}

/// Tag probabilities of every word and the steps that are allowed between them.
struct Lattice<'l> {
    tags: &'l TagSet,
    breaks: &'l [bool],
    /// `[words, tags]`, each row a distribution.
    probabilities: Vec<f64>,
    /// `[tags, tags]`: the weight of a step from the first to the second within a paragraph; 0 if it is not allowed.
    steps: Vec<f64>,
    /// Whether a tag may stand at the start, and at the end, of a paragraph.
    starts: Vec<bool>,
    ends: Vec<bool>,
}

impl<'l> Lattice<'l> {
    fn new(logits: &[f32], breaks: &'l [bool], tags: &'l TagSet, decoding: &Decoding) -> Self {
        let width = tags.len();
        let mut probabilities = Vec::with_capacity(logits.len());
        for row in logits.chunks_exact(width) {
            let highest = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            let start = probabilities.len();
            probabilities.extend(row.iter().map(|&logit| ((f64::from(logit) - highest) / decoding.temperature).exp()));
            let total: f64 = probabilities[start..].iter().sum();
            // A floor keeps a path of certain tags that the constraints forbid from making every path impossible.
            probabilities[start..].iter_mut().for_each(|p| *p = (*p / total).max(1e-30));
        }
        let adjacent = (-decoding.adjacency_penalty / decoding.temperature).exp();
        let step = |previous: usize, next: usize| match (tags.may_follow(Some(previous), next), tags.tags()[next]) {
            (false, _) => 0.0,
            (true, Tag::Begin(label) | Tag::Single(label)) if tags.tags()[previous].label() == Some(label) => adjacent,
            (true, _) => 1.0,
        };
        let steps = (0..width * width).map(|i| step(i / width, i % width)).collect();
        let starts = (0..width).map(|id| tags.may_follow(None, id)).collect();
        let ends = (0..width).map(|id| tags.may_end(id)).collect();
        Self { tags, breaks, probabilities, steps, starts, ends }
    }

    fn width(&self) -> usize {
        self.tags.len()
    }

    fn words(&self) -> usize {
        self.breaks.len()
    }

    fn row(&self, word: usize) -> &[f64] {
        &self.probabilities[word * self.width()..(word + 1) * self.width()]
    }

    /// The weight of `next` at `word` right after `previous` at the word before; 0 if that is not allowed.
    fn step(&self, word: usize, previous: usize, next: usize) -> f64 {
        if self.breaks[word] {
            f64::from(u8::from(self.ends[previous] && self.starts[next]))
        } else {
            self.steps[previous * self.width() + next]
        }
    }

    /// The most probable allowed path: a tag id for every word.
    fn best_path(&self) -> Vec<usize> {
        let width = self.width();
        let mut best: Vec<f64> = self.row(0).iter().map(|p| p.ln()).collect();
        best.iter_mut()
            .zip(&self.starts)
            .filter(|(_, start)| !**start)
            .for_each(|(score, _)| *score = f64::NEG_INFINITY);
        let mut came_from: Vec<usize> = Vec::with_capacity(self.words() * width);
        for word in 1..self.words() {
            let mut scores = vec![f64::NEG_INFINITY; width];
            for (next, &p) in self.row(word).iter().enumerate() {
                // The logarithm of a forbidden step is minus infinity, which no path survives.
                let arrivals = (0..width).map(|previous| best[previous] + self.step(word, previous, next).ln());
                let (previous, arrival) = arrivals
                    .enumerate()
                    .reduce(|a, b| if b.1 > a.1 { b } else { a })
                    .expect("there is at least one tag");
                came_from.push(previous);
                scores[next] = arrival + p.ln();
            }
            best = scores;
        }
        let last = (0..width)
            .filter(|&id| self.ends[id])
            .reduce(|a, b| if best[b] > best[a] { b } else { a })
            .expect("a text may always end outside");
        let mut path = vec![last; self.words()];
        for word in (1..self.words()).rev() {
            path[word - 1] = came_from[(word - 1) * width + path[word]];
        }
        path
    }
}

/// The scaled forward and backward sums over all allowed paths.
struct Posteriors {
    /// `[words, tags]`: probability of a tag given the words up to its own.
    forward: Vec<f64>,
    /// `[words, tags]`: the rest of the paths, scaled so that forward times backward is the tag's posterior.
    backward: Vec<f64>,
    /// What each word's forward sums were divided by.
    scales: Vec<f64>,
}

impl Posteriors {
    fn of(lattice: &Lattice<'_>) -> Self {
        let (width, words) = (lattice.width(), lattice.words());
        let mut forward = vec![0.0; words * width];
        let mut scales = vec![0.0; words];
        for word in 0..words {
            let (done, here) = forward.split_at_mut(word * width);
            for (next, &p) in lattice.row(word).iter().enumerate() {
                let inflow: f64 = match word {
                    0 => f64::from(u8::from(lattice.starts[next])),
                    _ => (0..width)
                        .map(|previous| lattice.step(word, previous, next) * done[(word - 1) * width + previous])
                        .sum(),
                };
                here[next] = inflow * p;
            }
            if word + 1 == words {
                here.iter_mut().zip(&lattice.ends).filter(|(_, end)| !**end).for_each(|(f, _)| *f = 0.0);
            }
            scales[word] = here[..width].iter().sum();
            here[..width].iter_mut().for_each(|f| *f /= scales[word]);
        }
        let mut backward = vec![0.0; words * width];
        backward[(words - 1) * width..]
            .copy_from_slice(&lattice.ends.iter().map(|&e| f64::from(u8::from(e))).collect::<Vec<_>>());
        for word in (0..words - 1).rev() {
            for tag in 0..width {
                backward[word * width + tag] = Self::outflow(lattice, &backward, &scales, word, tag, |_| true);
            }
        }
        Self { forward, backward, scales }
    }

    /// The scaled sum over the allowed next tags that `wanted` accepts.
    fn outflow(
        lattice: &Lattice<'_>,
        backward: &[f64],
        scales: &[f64],
        word: usize,
        tag: usize,
        wanted: impl Fn(usize) -> bool,
    ) -> f64 {
        let (width, row) = (lattice.width(), lattice.row(word + 1));
        let total: f64 = (0..width)
            .filter(|&next| wanted(next))
            .map(|next| lattice.step(word + 1, tag, next) * row[next] * backward[(word + 1) * width + next])
            .sum();
        total / scales[word + 1]
    }

    /// The probability of exactly the mention whose words from `first` on have the tags `tags`.
    fn span(&self, lattice: &Lattice<'_>, tags: &[usize], first: usize) -> f64 {
        let width = lattice.width();
        let last = first + tags.len() - 1;
        let mut probability = self.forward[first * width + tags[0]];
        for (word, &tag) in (first + 1..).zip(&tags[1..]) {
            probability *= lattice.row(word)[tag] / self.scales[word];
        }
        if last + 1 < lattice.words() {
            let label = lattice.tags.tags()[tags[0]].label();
            // In BIO the mention ends here only if the next tag does not carry it on.
            let ends = |next: usize| {
                lattice.breaks[last + 1]
                    || !matches!(lattice.tags.tags()[next], Tag::Inside(l) | Tag::End(l) if Some(l) == label)
            };
            probability *= Self::outflow(lattice, &self.backward, &self.scales, last, tags[tags.len() - 1], ends);
        }
        probability.clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use dateline_text::Label;
    use proptest::prelude::*;

    use super::*;

    fn bio() -> TagSet {
        TagSet::bio(&[Label::new("PERSON"), Label::new("PLACE")])
    }

    fn bioes() -> TagSet {
        let names = ["O", "B-X", "I-X", "E-X", "S-X"];
        TagSet::parse(&names.iter().enumerate().map(|(id, name)| (id, (*name).to_owned())).collect()).unwrap()
    }

    /// All allowed paths with their probabilities, by brute force.
    fn all_paths(logits: &[f32], breaks: &[bool], tags: &TagSet, decoding: &Decoding) -> Vec<(Vec<usize>, f64)> {
        let temperature = decoding.temperature;
        let mut paths = vec![(Vec::new(), 1.0)];
        for (row, &is_break) in logits.chunks(tags.len()).zip(breaks) {
            let total: f64 = row.iter().map(|&x| (f64::from(x) / temperature).exp()).sum();
            let mut longer = Vec::new();
            for (path, p) in &paths {
                for (id, &x) in row.iter().enumerate() {
                    let previous = path.last().copied();
                    let cut = is_break && previous.is_none_or(|id| tags.may_end(id));
                    let allowed =
                        if is_break { cut && tags.may_follow(None, id) } else { tags.may_follow(previous, id) };
                    let label = |id: usize| tags.tags()[id].label();
                    let begins = matches!(tags.tags()[id], Tag::Begin(_) | Tag::Single(_));
                    let adjacent = !is_break && begins && previous.is_some_and(|previous| label(previous) == label(id));
                    let penalty = if adjacent { decoding.adjacency_penalty } else { 0.0 };
                    if allowed {
                        let weight = ((f64::from(x) - penalty) / temperature).exp() / total;
                        longer.push(([&path[..], &[id]].concat(), p * weight));
                    }
                }
            }
            paths = longer;
        }
        paths.retain(|(path, _)| path.last().is_none_or(|&id| tags.may_end(id)));
        let total: f64 = paths.iter().map(|(_, p)| p).sum();
        paths.iter_mut().for_each(|(_, p)| *p /= total);
        paths
    }

    fn check(logits: &[f32], breaks: &[bool], tags: &TagSet, decoding: &Decoding) -> Result<(), TestCaseError> {
        let paths = all_paths(logits, breaks, tags, decoding);
        let (best, _) = paths.iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        let spans = decode(logits, breaks, tags, decoding);
        let found: Vec<_> = spans.iter().map(|s| (s.first_word, s.last_word, s.label)).collect();
        prop_assert_eq!(&found, &mentions_of(best, breaks, tags));
        for span in spans {
            let key = (span.first_word, span.last_word, span.label);
            let exact: f64 =
                paths.iter().filter(|(path, _)| mentions_of(path, breaks, tags).contains(&key)).map(|(_, p)| p).sum();
            prop_assert!((span.score - exact).abs() < 1e-9, "{} and {exact}", span.score);
        }
        Ok(())
    }

    fn chain(width: usize) -> impl Strategy<Value = (Vec<f32>, Vec<bool>)> {
        prop::collection::vec((prop::collection::vec(-4.0_f32..4.0, width), prop::bool::weighted(0.2)), 1..6).prop_map(
            |words| (words.iter().flat_map(|(row, _)| row.clone()).collect(), words.iter().map(|w| w.1).collect()),
        )
    }

    proptest! {
        #[test]
        fn bio_equals_brute_force((logits, breaks) in chain(5), temperature in 0.5_f64..3.0, adjacency_penalty in 0.0_f64..4.0) {
            check(&logits, &breaks, &bio(), &Decoding { temperature, adjacency_penalty })?;
        }

        #[test]
        fn bioes_equals_brute_force((logits, breaks) in chain(5), temperature in 0.5_f64..3.0, adjacency_penalty in 0.0_f64..4.0) {
            check(&logits, &breaks, &bioes(), &Decoding { temperature, adjacency_penalty })?;
        }
    }

    #[test]
    fn an_inside_tag_never_begins_a_mention() {
        // O, B-PERSON, I-PERSON, B-PLACE, I-PLACE
        let logits = [0.0, 1.0, 9.0, 0.0, 0.0, 0.0, 0.0, 9.0, 0.0, 0.0];
        let spans = decode(&logits, &[true, false], &bio(), &Decoding::default());
        assert_eq!((spans[0].first_word, spans[0].last_word, spans[0].label), (0, 1, 0));
    }

    #[test]
    fn the_penalty_joins_what_would_be_split() {
        // B-PERSON, then B-PERSON a little before I-PERSON.
        let logits = [0.0, 9.0, 0.0, 0.0, 0.0, 0.0, 5.0, 4.0, 0.0, 0.0];
        let words = |penalty| {
            let decoding = Decoding { temperature: 1.3, adjacency_penalty: penalty };
            let spans = decode(&logits, &[true, false], &bio(), &decoding);
            spans.iter().map(|s| (s.first_word, s.last_word)).collect::<Vec<_>>()
        };
        assert_eq!(words(0.0), [(0, 0), (1, 1)]);
        assert_eq!(words(2.0), [(0, 1)]);
    }

    #[test]
    fn a_break_ends_a_mention() {
        let logits = [0.0, 9.0, 0.0, 0.0, 0.0, 1.0, 0.0, 9.0, 0.0, 0.0];
        let spans = decode(&logits, &[true, true], &bio(), &Decoding::default());
        assert_eq!(spans.iter().map(|s| (s.first_word, s.last_word)).collect::<Vec<_>>(), [(0, 0)]);
    }

    #[test]
    fn long_and_certain_chains_do_not_underflow() {
        let words = 50_000;
        let row = [60.0, -60.0, -60.0, 0.0, -60.0];
        let logits: Vec<f32> = (0..words).flat_map(|_| row).collect();
        let mut logits = logits;
        logits[5 * 40_000 + 3] = 100.0;
        let spans = decode(&logits, &vec![false; words], &bio(), &Decoding::default());
        assert_eq!(spans.len(), 1);
        assert!(spans[0].first_word == 40_000 && spans[0].score > 0.999);
    }
}
