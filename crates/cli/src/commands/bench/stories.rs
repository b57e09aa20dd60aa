//! Stories that are made up to be measured with: the same on every machine, so that two machines can be compared.
//!
//! They look like what Dateline is for, reports from a war, with paragraphs, quotes, figures and names. The names of
//! people, places and units are invented. Nothing else is learnt from them; how good a model is, `eval` says.

const PEOPLE: [&str; 12] = [
    "Mirela Dovrach",
    "Gen. Anton Kelvaris",
    "Sabine Oyelor",
    "Col. Jurek Santova",
    "Hadi Merzouk-Lane",
    "Oksana Brivenko",
    "Maj. Pieter Vandersolt",
    "Lucía Ferragal",
    "Tomo Ashkarian",
    "Deputy Minister Ruslan Ternovy",
    "Nadja Quist",
    "Sgt. Imre Baloghy",
];
const PLACES: [&str; 12] = [
    "Karsk",
    "Port Velmar",
    "Novo Tersk",
    "Dal Omreh",
    "the Sorna valley",
    "Bel Hadra",
    "Ustinograd",
    "Saint-Orvain",
    "the Lomnica bridge",
    "East Carrow",
    "Tell Masira",
    "Zelva",
];
const UNITS: [&str; 10] = [
    "the 47th Rifle Brigade",
    "the 2nd Karsk Battalion",
    "the Coastal Guard",
    "the 118th Engineer Regiment",
    "the Sorna Volunteers",
    "the 6th Air Assault Division",
    "the Velmar Harbour Police",
    "the 31st Artillery Battery",
    "the Northern Command",
    "the 9th Field Hospital",
];
const WEAPONS: [&str; 10] = [
    "Grad rockets",
    "two howitzers",
    "a quadcopter drone",
    "120 mm mortars",
    "T-72 tanks",
    "an anti-tank missile",
    "cluster munitions",
    "a Strela launcher",
    "machine guns",
    "land mines",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const NUMBERS: [&str; 8] = ["three", "11", "about 40", "at least 17", "1,200", "a dozen", "76", "nearly 300"];
const SENTENCES: [&str; 18] = [
    "Shells fell on {place} for a second night, and {number} houses along the canal were damaged.",
    "{person} said on {day} that {unit} had crossed the river near {place} before dawn.",
    "\"We heard {weapon} from the hills and then nothing,\" said {person}, who sells bread at the market in {place}.",
    "The road between {place} and {place} was closed until {day}, when sappers had taken away the last of the mines.",
    "A spokesman for {unit} denied that {weapon} had been used against the town.",
    "Water is still brought in by lorry, and the school will stay shut for the rest of the term.",
    "According to {person}, {unit} lost {number} men and left {weapon} behind when it withdrew from {place}.",
    "Neither side gave figures, and what both said about the fighting could not be confirmed.",
    "{number} wounded people were brought to a clinic in {place}; {number} of them were children, a nurse there said.",
    "The harvest has begun late this year because few dare to go into the fields beyond the railway.",
    "Pictures taken on {day} show {weapon} beside a burnt school bus at the edge of {place}.",
    "{person} and {person} are to meet in {place} on {day} to talk about the exchange of prisoners.",
    "It was the heaviest attack since the spring, and the first in which {weapon} reached the old town.",
    "In {place}, where {unit} has its quarters, shops were open and the trams ran as on any other day.",
    "The governor's office asked people to stay away from the windows and to keep their papers with them.",
    "\"They came back for the bridge,\" {person} told a local radio station, \"and they will come again.\"",
    "An inquiry found that {weapon} sold to {unit} two years ago had never been paid for.",
    "Rain is expected from {day}, which may slow {unit} on the unpaved roads south of {place}.",
];

/// Words of the shortest and of the longest story of [`stories`].
const LENGTHS: (usize, usize) = (50, 400);

/// `count` stories of 50 to 400 words.
pub(super) fn stories(count: usize) -> Vec<String> {
    let (shortest, longest) = LENGTHS;
    // Spread over all lengths for any count: 151 has no factor in common with 351, the number of lengths.
    let length = |number: usize| shortest + number * 151 % (longest - shortest + 1);
    (0..count).map(|number| story(number, length(number))).collect()
}

/// The story of that number, of exactly `words` words; a paragraph has four sentences.
pub(super) fn story(number: usize, words: usize) -> String {
    let mut choice = Choice(number as u64);
    let mut text = String::new();
    let mut written = 0;
    for sentence in 0.. {
        let filled = fill(choice.among(&SENTENCES), &mut choice);
        for (index, word) in filled.split(' ').enumerate() {
            if written == words {
                return text;
            }
            let starts_paragraph = index == 0 && sentence % 4 == 0;
            text.push_str(match (written, starts_paragraph) {
                (0, _) => "",
                (_, true) => "\n\n",
                (_, false) => " ",
            });
            text.push_str(word);
            written += 1;
        }
    }
    text
}

/// Chooses as at random, and always the same for one number to begin with.
struct Choice(u64);

impl Choice {
    fn among<'a>(&mut self, items: &[&'a str]) -> &'a str {
        // The mixing function of SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let index = mixed % items.len() as u64;
        items[usize::try_from(index).expect("an index of a slice")]
    }
}

/// `template` with a name for each word in braces, and a capital at its beginning.
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
            "weapon" => choice.among(&WEAPONS),
            "day" => choice.among(&DAYS),
            "number" => choice.among(&NUMBERS),
            other => unreachable!("templates have no {other}"),
        });
        rest = after;
    }
    filled.push_str(rest);
    let mut letters = filled.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().collect::<String>() + letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> usize {
        text.split_whitespace().count()
    }

    #[test]
    fn a_story_has_as_many_words_as_asked() {
        for asked in [1, 60, 400] {
            assert_eq!(words(&story(3, asked)), asked);
        }
        let lengths: Vec<usize> = stories(64).iter().map(|text| words(text)).collect();
        assert!(lengths.iter().all(|length| (50..=400).contains(length)), "{lengths:?}");
        assert!(lengths.iter().any(|&length| length < 80) && lengths.iter().any(|&length| length > 370));
    }

    /// Figures of two machines, or of two versions, are of the same texts. If this fails, they are no longer: say so
    /// where figures are published.
    #[test]
    fn stories_are_always_the_same() {
        let digest = |text: &str| text.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        assert_eq!(digest(&stories(64).concat()), 255_690_610);
        assert_ne!(story(8, 100), story(9, 100));
    }

    #[test]
    fn every_slot_is_filled() {
        assert!(!story(1, 5000).contains(['{', '}']));
    }
}
