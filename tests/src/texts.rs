//! Texts with names at known places.

use std::ops::Range;

/// A long text and the places of the names in it.
#[derive(Clone, Debug)]
pub struct Planted {
    /// The text.
    pub text: String,
    /// The names, in bytes and in order.
    pub names: Vec<Range<usize>>,
}

const PEOPLE: [&str; 8] = [
    "Maria Kovalenko",
    "James Whitfield",
    "Olena Hrytsenko",
    "David Okafor",
    "Anna Lindqvist",
    "Carlos Mendoza",
    "Yusuf Demir",
    "Helen Marsh",
];
const PLACES: [&str; 8] = ["Kharkiv", "Aleppo", "Mosul", "Odesa", "Nairobi", "Warsaw", "Tripoli", "Manila"];
const FILLER: [&str; 6] = [
    "The rain had stopped by then and the road was open again, though few people used it before the evening.",
    "Nothing else was said about the talks, which had begun a week earlier and were expected to last until the autumn.",
    "Prices rose again in the first half of the year, and the shops along the main street opened later than before.",
    "Several residents said that they had heard the noise in the night but had not thought much of it at the time.",
    "The report did not say how many had been hurt, and it was not clear who would pay for the repairs.",
    "A second meeting was planned for the spring, but the date had been moved twice and nobody was sure of it.",
];

/// A text of at least `words` words in paragraphs, each of which names one person and one place.
#[must_use]
pub fn planted_text(words: usize) -> Planted {
    let mut planted = Planted { text: String::new(), names: Vec::new() };
    let mut written = 0;
    for index in 0.. {
        if written >= words {
            break;
        }
        let start = planted.text.len();
        let (person, place) = (PEOPLE[index % PEOPLE.len()], PLACES[(index / 3) % PLACES.len()]);
        let filler = |offset: usize| FILLER[(index + offset) % FILLER.len()];
        planted.text.push_str(filler(0));
        planted.text.push(' ');
        planted.name(person);
        planted.text.push_str(" told reporters in ");
        planted.name(place);
        planted.text.push_str(" that the work would go on. ");
        planted.text.push_str(filler(2));
        planted.text.push(' ');
        planted.text.push_str(filler(3));
        planted.text.push_str("\n\n");
        written += planted.text[start..].split_whitespace().count();
    }
    planted
}

impl Planted {
    fn name(&mut self, name: &str) {
        let start = self.text.len();
        self.text.push_str(name);
        self.names.push(start..self.text.len());
    }
}
