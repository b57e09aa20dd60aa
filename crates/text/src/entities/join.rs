//! Brings mentions together by the keys of their forms: a fixed number of walks over them, no comparison of pairs.

use std::collections::HashMap;

use super::form::{Ask, Choice, Form, Round};

/// A key by number. Keys of different labels are different.
pub(super) type Key = usize;

/// Numbers keys, and counts how often it was asked, which is the work that grows with a document.
#[derive(Default)]
pub(super) struct Keys {
    numbers: HashMap<(usize, String), Key>,
    /// How often a key was looked up.
    pub(super) lookups: usize,
}

impl Keys {
    fn number(&mut self, label: usize, key: String) -> Key {
        self.lookups += 1;
        let next = self.numbers.len();
        *self.numbers.entry((label, key)).or_insert(next)
    }

    /// `form` of a mention of the label with number `label`, with numbers for keys.
    pub(super) fn number_form(&mut self, label: usize, form: Form<String>) -> Form<Key> {
        let mut numbers = |keys: Vec<String>| keys.into_iter().map(|key| self.number(label, key)).collect::<Vec<_>>();
        Form {
            same: numbers(form.same),
            asks: form.asks.into_iter().map(|ask| Ask { keys: numbers(ask.keys), choice: ask.choice }).collect(),
            round: form.round,
            offers: numbers(form.offers),
            fullness: form.fullness,
            bracketed: form.bracketed,
        }
    }

    fn len(&self) -> usize {
        self.numbers.len()
    }
}

/// Mentions by group: disjoint sets, each with one of its members as its name.
pub(super) struct Groups {
    parents: Vec<usize>,
    sizes: Vec<usize>,
    /// Each group's first member, at the member that stands for it.
    firsts: Vec<usize>,
}

impl Groups {
    fn new(mentions: usize) -> Self {
        Self { parents: (0..mentions).collect(), sizes: vec![1; mentions], firsts: (0..mentions).collect() }
    }

    /// The member that stands for `mention`'s group.
    pub(super) fn of(&mut self, mut mention: usize) -> usize {
        while self.parents[mention] != mention {
            self.parents[mention] = self.parents[self.parents[mention]];
            mention = self.parents[mention];
        }
        mention
    }

    fn unite(&mut self, left: usize, right: usize) {
        let (left, right) = (self.of(left), self.of(right));
        if left != right {
            let (small, large) = if self.sizes[left] < self.sizes[right] { (left, right) } else { (right, left) };
            self.parents[small] = large;
            self.sizes[large] += self.sizes[small];
            self.firsts[large] = self.firsts[large].min(self.firsts[small]);
        }
    }
}

/// What answers to a key.
#[derive(Clone, Copy)]
struct Answer {
    /// The first mention that offers it.
    first: usize,
    /// The first mention of another group that offers it too.
    second: Option<usize>,
    /// Whether mentions of a third group do.
    more: bool,
}

/// Groups mentions, given in the text's order as the numbers of their `forms`; `apposed` are pairs of them that the
/// text itself says to be one thing.
pub(super) fn join(mentions: &[usize], forms: &[Form<Key>], apposed: &[(usize, usize)], keys: &Keys) -> Groups {
    let mut joiner = Joiner {
        mentions,
        forms,
        groups: Groups::new(mentions.len()),
        owners: vec![None; keys.len()],
        settled: vec![false; mentions.len()],
        named: vec![false; mentions.len()],
    };
    for mention in 0..mentions.len() {
        if joiner.form(mention).round == Round::Whole {
            joiner.settle(mention);
        }
    }
    for &(left, right) in apposed {
        joiner.groups.unite(left, right);
        for mention in [left, right] {
            joiner.named[mention] = true;
            joiner.settled[mention] = true;
        }
    }
    for round in Round::ALL {
        joiner.round(round);
    }
    joiner.groups
}

struct Joiner<'f> {
    mentions: &'f [usize],
    forms: &'f [Form<Key>],
    groups: Groups,
    /// The mention that brought a key of `Form::same` first.
    owners: Vec<Option<usize>>,
    /// Whether a mention has its group.
    settled: Vec<bool>,
    /// Whether the text says of what a mention is the short form: then others like it follow it.
    named: Vec<bool>,
}

impl<'f> Joiner<'f> {
    fn form(&self, mention: usize) -> &'f Form<Key> {
        &self.forms[self.mentions[mention]]
    }

    /// The keys that `mention` answers to.
    fn offers(&self, mention: usize) -> impl Iterator<Item = Key> + use<'f> {
        let form = self.form(mention);
        let named = self.named[mention];
        let asked = form.asks.iter().filter(move |_| named).flat_map(|ask| ask.keys.iter());
        form.offers.iter().chain(asked).copied()
    }

    /// Gives `mention` the group of those who share a key with it.
    fn settle(&mut self, mention: usize) {
        for &key in &self.form(mention).same {
            match self.owners[key] {
                Some(owner) => self.groups.unite(owner, mention),
                None => self.owners[key] = Some(mention),
            }
        }
        self.settled[mention] = true;
    }

    /// Lets the short forms of `round` find what they are short for; those that find nothing are things of their own.
    fn round(&mut self, round: Round) {
        let answers = self.answers();
        let mut nearest = Nearest::new(answers.len());
        let mut left_over = Vec::new();
        for mention in 0..self.mentions.len() {
            if self.settled[mention] {
                self.offers(mention).for_each(|key| nearest.longer[key] = Some(mention));
            }
            let form = self.form(mention);
            if form.round != round || (self.settled[mention] && round != Round::Whole) {
                continue;
            }
            match form.asks.iter().find_map(|ask| self.choose(ask, mention, &answers, &mut nearest)) {
                Some(found) => self.groups.unite(found, mention),
                None if round != Round::Whole => left_over.push(mention),
                None => {}
            }
        }
        for mention in 0..self.mentions.len() {
            self.settled[mention] |= self.form(mention).round == round;
        }
        for mention in left_over {
            self.settle(mention);
        }
    }

    /// What answers to each key now.
    fn answers(&mut self) -> Vec<Option<Answer>> {
        let mut answers: Vec<Option<Answer>> = vec![None; self.owners.len()];
        for mention in 0..self.mentions.len() {
            if !self.settled[mention] {
                continue;
            }
            for key in self.offers(mention) {
                let Some(answer) = &mut answers[key] else {
                    answers[key] = Some(Answer { first: mention, second: None, more: false });
                    continue;
                };
                if self.groups.of(answer.first) == self.groups.of(mention) {
                    continue;
                }
                let second = *answer.second.get_or_insert(mention);
                answer.more |= self.groups.of(second) != self.groups.of(mention);
            }
        }
        answers
    }

    /// The mention whose thing `mention` means by `ask`, if there is one.
    fn choose(
        &mut self,
        ask: &Ask<Key>,
        mention: usize,
        answers: &[Option<Answer>],
        nearest: &mut Nearest,
    ) -> Option<usize> {
        if ask.choice == Choice::Nearest {
            // The latest of several readings' nearest: none of them is preferred.
            let latest = |of: &[Option<usize>]| ask.keys.iter().filter_map(|&key| of[key]).max();
            let first = || ask.keys.iter().filter_map(|&key| answers[key].map(|answer| answer.first)).min();
            let found = latest(&nearest.short).or_else(|| latest(&nearest.longer)).or_else(first)?;
            ask.keys.iter().for_each(|&key| nearest.short[key] = Some(mention));
            return Some(found);
        }
        let mut others: Option<usize> = None;
        for answer in ask.keys.iter().filter_map(|&key| answers[key]) {
            if answer.more {
                return None;
            }
            for other in [Some(answer.first), answer.second].into_iter().flatten() {
                if self.groups.of(other) == self.groups.of(mention) {
                    continue;
                }
                if others.is_some_and(|known| self.groups.of(known) != self.groups.of(other)) {
                    return None;
                }
                others = Some(others.map_or(other, |known| known.min(other)));
            }
        }
        let first = self.groups.of(mention);
        others.filter(|&other| ask.choice == Choice::Only || other < self.groups.firsts[first])
    }
}

/// For each key the mentions that came last.
struct Nearest {
    /// Of a longer form that offers it.
    longer: Vec<Option<usize>>,
    /// Of a short form that asked for it and found what it means: a surname that was once used alone stays its bearer's.
    short: Vec<Option<usize>>,
}

impl Nearest {
    fn new(keys: usize) -> Self {
        Self { longer: vec![None; keys], short: vec![None; keys] }
    }
}
