//! The mentions of one document that name the same thing, brought together by rules on their words.
//!
//! Each surface is read once into a form: keys that it shares with every other way of writing it, short forms that it
//! answers to, and short forms that it may be. Mentions meet in hash maps over these keys, in a fixed number of walks
//! over the document, so the work grows with the mentions and no pair is compared. The outcome depends on the text and
//! its mentions alone.
//!
//! # Rules
//!
//! For all labels:
//!
//! 1. Mentions of different labels are different things. Which of the rules below apply is decided by the label's
//!    class: persons (`PERSON`, `PER`), places (`PLACE`, `LOC`, `GPE`, `FAC`), armed and other bodies (`UNIT`, `ORG`),
//!    weapons (`WEAPON`, `PRODUCT`); `class.rs` has the whole list. Mentions of any other label are one thing if rule 2
//!    says so.
//! 2. Words are compared without case, accents, apostrophes, possessives and compatibility forms, whichever dash or
//!    space is between them. This is all that happens to scripts other than the Latin one.
//! 3. Names of persons, places and bodies are compared by sound, in the spellings that romanisations of Ukrainian,
//!    Russian and Arabic vary in (`sound.rs`): `Bakhmut` and `Bahmut`, `Kharkiv` and `Kharkov`, `Gaddafi` and
//!    `Qaddafi`. Names that no spelling connects (`Mykolaiv` and `Nikolaev`, `Myanmar` and `Burma`) are in short tables
//!    beside the rules.
//! 4. If the text says that two neighbouring mentions are one thing, they are: `Rapid Support Forces (RSF)`, `Dagalo,
//!    known as Hemedti`, `the Popular Front, or FPRC`. Then the short name means that thing wherever it stands.
//! 5. A short form that several things answer to is that of the longer form last mentioned before it, and later uses of
//!    it stay with that thing; if none was mentioned yet, the first one's. Where this says nothing about the sense (an
//!    abbreviation, a bare place name), it is a thing of its own.
//!
//! Persons:
//!
//! 6. Titles and `Jr.` say nothing; articles and particles (`al-`, `bin`, `von der`) are left out; `Abdel Fattah`, `Abd
//!    al-Fattah` and `Abdelfattah` are one name, and so is what a hyphen binds.
//! 7. A name alone is the person's who alone has it as a surname. If several have it, or nobody has, it is the nearest
//!    one's (rule 5) of all who have it anywhere in their name: as a surname, a given name, the first of two surnames.
//!    Full names with different given names are different people.
//! 8. Initials (`V. Zelensky`) and names that lack a part (`Viktor Petrovych`, `Hernández Ospina`) are the person whose
//!    name they fit. A nickname in quotation marks inside a name (`Andriy “Fox” Hnatiuk`) is a name of that person.
//!
//! Places:
//!
//! 9. A kind of place is part of the name: `Donetsk` and `Donetsk Oblast` are two places. `oblast`, `region`,
//!    `province` and `governorate` are one kind, also where they stand outside the mention: `[Donetsk] region`, `the
//!    province of [Idlib]`, `[Sumy] and [Kharkiv] oblasts`.
//! 10. The bare name means the place with a kind where no town shares the name: `Litani` is the `Litani River`, `Gaza`
//!     the `Gaza Strip` (never `Gaza City`). Camps and bases have it only if they are mentioned with their kind first.
//!     Rivers that share their name with a town or a country need the article: `the Dnipro`.
//! 11. Countries have their abbreviations and second names (`nations.rs`); other names of several words answer to their
//!     initials if one place does (`ZNPP`). Facilities answer to one of their names with the kind (`Shifa Hospital`).
//!
//! Bodies:
//!
//! 12. A nation's forces as a whole are one thing, however they are called: `Russian forces`, `Russian troops`,
//!     `Russian army`, `Israel Defense Forces`, `Armed Forces of Ukraine`. Services and branches (`Ukrainian Air
//!     Force`, `air defense`) are things of their own; a bare `Navy` is the one last mentioned.
//! 13. Numbered formations are one if number and head noun agree and no word for a branch contradicts: `93rd Brigade`
//!     is the `93rd Mechanized Brigade`, and so is `the 93rd`. Different numbers never join, nor do a brigade and an
//!     army.
//! 14. An abbreviation is the name whose initials it has, if one name has them, with or without its small words and
//!     articles; in an order of another language if it has four letters or more (`FDLR`). Well-known ones need no name.
//! 15. A part of a name is the name (`Revolutionary Guards`), unless it is a group that others are named after:
//!     `Hezbollah` is not `Kataib Hezbollah`, the `Islamic State` not its provinces.
//!
//! Weapons:
//!
//! 16. A model's designation decides, whatever kind is said with it: `F-16`, `F16` and `F-16 fighter jets`. A name
//!     without its designation is the variant that the document speaks of: `Shaheds` the `Shahed-136`.
//! 17. Kinds are compared by all their words in the singular: `drones` and `kamikaze drones` are two. Abbreviations are
//!     their long forms: `IED`. A kind never joins a model.
//!
//! # Names
//!
//! An entity's name is the mention with most of a name in it: most capitalised words that are neither initials nor an
//! abbreviation nor a headline's capitals; of these the most frequent one; of these the first.
//!
//! # Relevance
//!
//! ```text
//! relevance = 0.5 · mentions / mentions of the most mentioned entity
//!           + 0.3 · (1 − place of its first mention / length of the text)
//!           + 0.2 · (1 if it is mentioned in the headline or the lead, else 0)
//! ```
//!
//! News puts first what it is about and then says it again: the number of mentions and the place of the first one are
//! the plainest signs of what a story is about. Half is for the first sign and half for the second; of that, the lead
//! has a part of its own, because the end of a short text is not much further than its middle. The headline and the
//! lead are the first two lines that are not blank, of 600 bytes at most. Relevance compares entities of one document,
//! not of two.

mod class;
mod form;
mod join;
mod nations;
mod person;
mod place;
mod relevance;
mod setting;
mod sound;
#[cfg(test)]
mod tests;
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
/// equally relevant ones that which is mentioned first. A mention's score plays no part in the grouping.
///
/// ```
/// use dateline_text::{Label, Mention, Span, entities};
///
/// let text = "Zelenskyy spoke in Kyiv. “Not one,” Volodymyr Zelensky said.";
/// let mention = |words: &str, label: &str, score| {
///     let start = text.find(words).expect("it is there");
///     Mention::new(Span::new(start, start + words.len()), Label::new(label), score)
/// };
/// let mentions = [
///     mention("Zelenskyy", "PERSON", 0.9),
///     mention("Kyiv", "PLACE", 0.8),
///     mention("Volodymyr Zelensky", "PERSON", 0.95),
/// ];
/// let entities = entities::group(text, &mentions);
/// assert_eq!(entities.len(), 2);
/// assert_eq!(entities[0].name(text, &mentions), "Volodymyr Zelensky");
/// assert_eq!(entities[0].mentions, [0, 2]);
/// assert_eq!(entities[0].score, 0.95);
/// ```
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
