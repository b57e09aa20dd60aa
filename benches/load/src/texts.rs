//! The texts that are sent: a file's, or stories made up from templates. A made-up text depends on its number alone, so
//! two processes have the same texts without exchanging them.

use std::fs::File;
use std::io::{BufRead, BufReader};

use crate::args::TextArgs;
use crate::failure::Failure;

const PEOPLE: [&str; 10] = [
    "Maria Kovalenko",
    "James Whitfield",
    "Gen. Olena Hrytsenko",
    "David Okafor",
    "Anna Lindqvist",
    "Col. Carlos Mendoza",
    "Yusuf Demir",
    "Helen Marsh",
    "Tomasz Wrona",
    "Leila Haddad",
];
const PLACES: [&str; 10] =
    ["Kharkiv", "Aleppo", "Mosul", "Odesa", "Nairobi", "Warsaw", "Tripoli", "Marib", "Goma", "the Antonivsky Bridge"];
const UNITS: [&str; 8] = [
    "93rd Mechanized Brigade",
    "4th Rifle Battalion",
    "Northern Border Guard",
    "12th Air Wing",
    "Harbour Defence Regiment",
    "2nd Tank Company",
    "river flotilla",
    "7th Field Hospital",
];
const WEAPONS: [&str; 8] =
    ["HIMARS", "T-72 tanks", "a Shahed drone", "mortars", "Grad rockets", "two howitzers", "an S-300", "small arms"];
const SENTENCES: [&str; 14] = [
    "{person} told reporters in {place} that the {unit} had held the crossing through a second night.",
    "The rain had stopped by then and the road to {place} was open again, though few used it before the evening.",
    "Nothing else was said about the talks, which had begun a week earlier and were expected to last until autumn.",
    "According to {person}, the attack with {weapon} began shortly before dawn and lasted about forty minutes.",
    "Prices rose again in the first half of the year, and the shops along the main street opened later than before.",
    "The {unit} said that it had lost {weapon} near {place}, but gave no number of the wounded.",
    "Several residents said they had heard the noise in the night but had not thought much of it at the time.",
    "\"We will not leave {place},\" said {person}, who has led the {unit} since the spring.",
    "It was not clear who would pay for the repairs, which the town put at four million in its first estimate.",
    "Photographs from {place} showed {weapon} beside a burnt warehouse and a row of empty trucks.",
    "A second meeting was planned for the spring, but the date had been moved twice and nobody was sure of it.",
    "Aid workers reached {place} on Tuesday with blankets, water and two generators for the clinic.",
    "{person} and {person} met in {place} to speak about prisoners, grain and the return of the {unit}.",
    "The ministry did not answer questions, and the telephone of its spokesman had been switched off since Friday.",
];

/// Chooses as at random, and always the same.
struct Choice(u64);

impl Choice {
    fn among<'a>(&mut self, items: &[&'a str]) -> &'a str {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let high = (self.0 >> 33) as usize;
        items[high % items.len()]
    }
}

/// The story of that number, with exactly `words` words; a paragraph has five sentences.
pub(crate) fn story(number: usize, words: usize) -> String {
    let mut choice = Choice(number as u64);
    let mut text = String::new();
    let mut written = 0;
    for sentence in 0.. {
        let template = choice.among(&SENTENCES);
        for (index, word) in fill(template, &mut choice).split(' ').enumerate() {
            if written == words {
                return text;
            }
            let paragraph = index == 0 && sentence % 5 == 0;
            text.push_str(if written == 0 {
                ""
            } else if paragraph {
                "\n\n"
            } else {
                " "
            });
            text.push_str(word);
            written += 1;
        }
    }
    text
}

fn fill(template: &str, choice: &mut Choice) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (kind, after) = after.split_once('}').expect("templates close their braces");
        filled.push_str(before);
        filled.push_str(match kind {
            "person" => choice.among(&PEOPLE),
            "place" => choice.among(&PLACES),
            "unit" => choice.among(&UNITS),
            _ => choice.among(&WEAPONS),
        });
        rest = after;
    }
    filled + rest
}

/// The texts that `args` name.
pub(crate) fn texts(args: &TextArgs) -> Result<Vec<String>, Failure> {
    let Some(file) = &args.texts else {
        let length = |number: usize| args.words * (1 + number % 6) / 6;
        return Ok((0..args.documents.max(1)).map(|number| story(number, length(number).max(1))).collect());
    };
    let reader = BufReader::new(File::open(file).map_err(Failure::io(format!("{}", file.display())))?);
    let mut texts = Vec::new();
    for (index, line) in reader.lines().enumerate() {
        if texts.len() == args.documents {
            break;
        }
        let wrong = |detail: String| Failure::Texts { file: file.clone(), line: index + 1, detail };
        let line = line.map_err(|error| wrong(error.to_string()))?;
        let value: serde_json::Value = serde_json::from_str(&line).map_err(|error| wrong(error.to_string()))?;
        let text = value["text"].as_str().ok_or_else(|| wrong("there is no field \"text\"".to_owned()))?;
        texts.push(text.to_owned());
    }
    if texts.is_empty() {
        return Err(Failure::Usage(format!("{} holds no texts", file.display())));
    }
    Ok(texts)
}

/// A text as a line of NDJSON without the number that its line gets: what stands after `{"id":N`.
pub(crate) fn line_rest(text: &str) -> Vec<u8> {
    let text = serde_json::Value::from(text);
    format!(",\"text\":{text}}}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stories_are_as_long_as_asked_and_always_the_same() {
        for words in [1, 60, 400] {
            assert_eq!(story(3, words).split_whitespace().count(), words);
        }
        assert_eq!(story(8, 100), story(8, 100));
        assert_ne!(story(8, 100), story(9, 100));
        assert!(!story(1, 2000).contains(['{', '}']));
    }
}
