//! The mentions of one document that name the same thing, brought together.

mod class;
mod form;
mod join;
mod nations;
mod person;
mod place;
mod relevance;
mod setting;
mod sound;
mod unit;
mod weapon;
mod words;

use std::cmp::Reverse;
use std::collections::HashMap;

use class::Class;
use form::Form;
use join::{Groups, Key, Keys};
use place::Setting;
use relevance::Relevance;

use crate::{Entity, Label, Mention};

/// The entities of a document: every one of `mentions` is in exactly one of them. The most relevant come first, and of
/// equally relevant ones that which is mentioned first.
///
/// # Panics
/// If `mentions` are not `text`'s.
#[must_use]
pub fn group(text: &str, mentions: &[Mention]) -> Vec<Entity> {
    counted(text, mentions).0
}

/// The entities, and how many keys were looked up for them.
fn counted(text: &str, mentions: &[Mention]) -> (Vec<Entity>, usize) {
    let mut reader = Reader::default();
    let order = in_order(mentions);
    let read: Vec<usize> = order.iter().map(|&mention| reader.read(text, &mentions[mention])).collect();
    let apposed = reader.apposed(text, mentions, &order, &read);
    let groups = join::join(&read, &reader.forms, &apposed, &reader.keys);
    let lookups = reader.keys.lookups + reader.lookups;
    (entities(text, mentions, &order, &read, &reader.forms, groups), lookups)
}

/// The mentions' indices in the order of the text.
fn in_order(mentions: &[Mention]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..mentions.len()).collect();
    order.sort_by_key(|&mention| (mentions[mention].span, mention));
    order
}

/// Reads each surface once.
#[derive(Default)]
struct Reader<'t> {
    labels: HashMap<Label, usize>,
    surfaces: HashMap<(usize, &'t str, Setting), usize>,
    forms: Vec<Form<Key>>,
    keys: Keys,
    /// How often a label or a surface was looked up.
    lookups: usize,
}

impl<'t> Reader<'t> {
    /// The number of the form of `mention`'s surface.
    fn read(&mut self, text: &'t str, mention: &Mention) -> usize {
        let surface = mention.slice(text);
        let class = Class::of(mention.label.as_str());
        let next = self.labels.len();
        let label = *self.labels.entry(mention.label.clone()).or_insert(next);
        let setting = if class == Class::Place { setting::setting(text, mention) } else { Setting::default() };
        self.lookups += 2;
        if let Some(&form) = self.surfaces.get(&(label, surface, setting)) {
            return form;
        }
        let form = self.keys.number_form(label, form(class, surface, setting));
        self.forms.push(form);
        self.surfaces.insert((label, surface, setting), self.forms.len() - 1);
        self.forms.len() - 1
    }

    /// The pairs of neighbours, as positions in `order`, that the text says to be one thing.
    fn apposed(&self, text: &str, mentions: &[Mention], order: &[usize], read: &[usize]) -> Vec<(usize, usize)> {
        let pairs = (1..order.len()).map(|at| (at - 1, at));
        pairs
            .filter(|&(left, right)| {
                let mention = |at: usize| &mentions[order[at]];
                let named = |at: usize| (mention(at).span, &self.forms[read[at]]);
                mention(left).label == mention(right).label
                    && setting::apposed(text, Class::of(mention(left).label.as_str()), named(left), named(right))
            })
            .collect()
    }
}

/// The form of `surface` by the rules of its label's class.
fn form(class: Class, surface: &str, setting: Setting) -> Form<String> {
    let words = words::words(surface);
    if words.is_empty() {
        // Signs and emoji have no words: they are compared as they are.
        return Form::whole(vec![form::key("signs", &[surface])], &words);
    }
    match class {
        Class::Person => person::form(&words),
        Class::Place => place::form(&words, setting),
        Class::Unit => unit::form(&words),
        Class::Weapon => weapon::form(&words),
        Class::Other => {
            let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
            Form::whole(vec![form::key("words", &texts)], &words)
        }
    }
}

/// The groups as entities. `order` gives mentions by their place in the text, `read` their forms.
fn entities(
    text: &str,
    mentions: &[Mention],
    order: &[usize],
    read: &[usize],
    forms: &[Form<Key>],
    mut groups: Groups,
) -> Vec<Entity> {
    let mut members: Vec<Vec<usize>> = Vec::new();
    let mut numbers: Vec<Option<usize>> = vec![None; order.len()];
    for at in 0..order.len() {
        let number = *numbers[groups.of(at)].get_or_insert_with(|| {
            members.push(Vec::new());
            members.len() - 1
        });
        members[number].push(at);
    }
    let relevance = Relevance::new(text, members.iter().map(Vec::len).max().unwrap_or(0));
    let mut entities: Vec<Entity> = members
        .iter()
        .map(|members| {
            let first = &mentions[order[members[0]]];
            let mut indices: Vec<usize> = members.iter().map(|&at| order[at]).collect();
            indices.sort_unstable();
            Entity {
                label: first.label.clone(),
                name: order[name(members, read, forms)],
                score: indices.iter().map(|&mention| mentions[mention].score).fold(f32::NEG_INFINITY, f32::max),
                relevance: relevance.of(members.len(), first.span.start()),
                mentions: indices,
            }
        })
        .collect();
    // Stable: `members` are in the order of their first mentions.
    entities.sort_by(|left, right| right.relevance.total_cmp(&left.relevance));
    entities
}

/// The member that names a thing best: the fullest form; of these the most frequent; of these the first.
fn name(members: &[usize], read: &[usize], forms: &[Form<Key>]) -> usize {
    let mut counts: HashMap<usize, usize> = HashMap::new();
    for &member in members {
        *counts.entry(read[member]).or_default() += 1;
    }
    let best = members.iter().copied().max_by_key(|&member| {
        let form = read[member];
        (forms[form].fullness, counts[&form], Reverse(member))
    });
    best.expect("an entity has a mention")
}
