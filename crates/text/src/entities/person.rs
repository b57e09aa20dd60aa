//! Forms of persons' names: given names, particles, surname.

use super::form::{Choice, Form, Round, fullness, key, sounds};
use super::words::{Shape, Word};

/// Titles before a name and suffixes behind it, which a model may have taken into the span.
const TITLES: &[&str] = &[
    "mr",
    "mrs",
    "ms",
    "miss",
    "dr",
    "prof",
    "gen",
    "lt",
    "col",
    "maj",
    "capt",
    "cpt",
    "sgt",
    "adm",
    "sen",
    "rep",
    "gov",
    "president",
    "general",
    "colonel",
    "major",
    "captain",
    "sergeant",
    "lieutenant",
    "sheikh",
    "sheik",
    "ayatollah",
    "sir",
];
const SUFFIXES: &[&str] = &["jr", "sr", "ii", "iii", "iv"];

/// Articles of Arabic names with their assimilated forms, which a surname keeps or drops.
pub(super) const ARTICLES: &[&str] =
    &["al", "el", "ul", "ad", "ed", "ar", "er", "as", "es", "ash", "esh", "at", "et", "az", "ez", "an", "en", "ath"];

/// Words that bind a surname to what stands before it, and are left out where the surname stands alone.
const PARTICLES: &[&str] = &[
    "bin", "ibn", "ben", "bint", "bar", "van", "von", "der", "den", "de", "del", "della", "di", "da", "dos", "du",
    "la", "le", "ter", "ag", "ould", "wuld",
];

/// Longer names are found by their whole only: no short form of them is looked for.
const LONGEST: usize = 6;

/// Given names that Ukrainian, Belarusian and Russian spell with other consonants, and English short forms, as one.
const GIVEN: &[(&str, &str)] = &[
    ("joe", "joseph"),
    ("mike", "michael"),
    ("bill", "william"),
    ("bob", "robert"),
    ("tony", "anthony"),
    ("jim", "james"),
    ("tom", "thomas"),
    ("dan", "daniel"),
    ("steve", "stephen"),
    ("steven", "stephen"),
    ("chris", "christopher"),
    ("nick", "nicholas"),
    ("vladimir", "volodymyr"),
    ("alexander", "oleksandr"),
    ("aleksandr", "oleksandr"),
    ("aliaksandr", "oleksandr"),
    ("alexandr", "oleksandr"),
    ("alexei", "oleksii"),
    ("alexey", "oleksii"),
    ("aleksei", "oleksii"),
    ("aleksey", "oleksii"),
    ("oleksiy", "oleksii"),
    ("nikolai", "mykola"),
    ("nikolay", "mykola"),
    ("mikhail", "mykhailo"),
    ("dmitry", "dmytro"),
    ("dmitri", "dmytro"),
    ("dmitriy", "dmytro"),
    ("sergei", "serhii"),
    ("sergey", "serhii"),
    ("serhiy", "serhii"),
    ("andrei", "andrii"),
    ("andrey", "andrii"),
    ("pavel", "pavlo"),
    ("kirill", "kyrylo"),
    ("denis", "denys"),
    ("maxim", "maksym"),
];

/// The form of a person's name.
pub(super) fn form(words: &[Word]) -> Form<String> {
    let named = strip(words);
    let mut nicknames = Vec::new();
    let names = names(named, &mut nicknames);
    let parts: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut form = Form::whole(sounds("name", &parts), words);
    if parts.len() > 1 {
        // `Kim Jong Un` and `Kim Jong-un`.
        form.same.extend(sounds("name", &[&parts.concat()]));
    }
    form.fullness = fullness(named);
    form.bracketed = true;
    for nickname in &nicknames {
        form.offers.extend(sounds("surname", &[nickname]));
    }
    match parts.as_slice() {
        [] => form.same = vec![key("words", &words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>())],
        [name] => {
            form.round = Round::Bare;
            let surname = sounds("surname", &[name]);
            form.ask(surname.clone(), Choice::Only);
            form.ask([surname, sounds("given", &[name])].concat(), Choice::Nearest);
        }
        [given @ .., surname] if parts.len() <= LONGEST => {
            form.offers.extend(sounds("surname", &[surname]));
            if is_initial(given[0], named) {
                form.round = Round::Partial;
                let letter = &given[0][..given[0].chars().next().map_or(0, char::len_utf8)];
                form.ask(sounds(&format!("initial {letter}"), &[surname]), Choice::Nearest);
            } else {
                offer_parts(&mut form, &parts);
                offer_halves(&mut form, named, surname);
                form.ask(sounds("part", &parts), Choice::Only);
            }
        }
        _ => {}
    }
    form
}

/// The short forms of a name of two or more parts.
fn offer_parts(form: &mut Form<String>, parts: &[&str]) {
    let (given, surname) = (parts[0], parts[parts.len() - 1]);
    let letter: String = given.chars().take(1).collect();
    form.offers.extend(sounds(&format!("initial {letter}"), &[surname]));
    for name in &parts[..parts.len() - 1] {
        form.offers.extend(sounds("given", &[name]));
    }
    if parts.len() > 2 {
        form.offers.extend(sounds("part", &[given, surname]));
        for cut in 1..parts.len() - 1 {
            form.offers.extend(sounds("part", &parts[cut..]));
            form.offers.extend(sounds("part", &parts[..parts.len() - cut]));
        }
    }
}

/// The short forms of names with a hyphen: `Félix-Antoine Tshisekedi` answers to `Félix Tshisekedi`, `Anna
/// Kowalska-Nowak` to `Kowalska`.
fn offer_halves(form: &mut Form<String>, words: &[Word], surname: &str) {
    let article = |word: &Word| ARTICLES.contains(&word.text.as_str()) || PARTICLES.contains(&word.text.as_str());
    if let [first, second, _, ..] = words
        && second.joined
        && !article(first)
        && !article(second)
    {
        form.offers.extend(sounds("part", &[&first.text, surname]));
        form.offers.extend(sounds("given", &[&first.text]));
    }
    if let [_, .., first, second] = words
        && second.joined
        && !article(first)
    {
        form.offers.extend(sounds("surname", &[&first.text]));
        form.offers.extend(sounds("surname", &[&second.text]));
    }
}

/// Whether the first name is given by its letter: `V.`, `J.D.`
fn is_initial(given: &str, words: &[Word]) -> bool {
    let letters = given.chars().count();
    letters == 1 || letters <= 3 && words.first().is_some_and(|word| word.dotted && word.shape == Shape::Capitals)
}

/// `words` without titles and suffixes; unchanged if nothing else is there.
fn strip(words: &[Word]) -> &[Word] {
    let titles = words.iter().take_while(|word| TITLES.contains(&word.text.as_str())).count();
    let suffixes = words.iter().rev().take_while(|word| SUFFIXES.contains(&word.text.as_str())).count();
    if titles + suffixes < words.len() { &words[titles..words.len() - suffixes] } else { words }
}

/// The names among `words`: articles and particles left out, hyphenated names as one, `Abd` with what it binds; what
/// stands in quotation marks among other words goes to `nicknames`.
fn names(words: &[Word], nicknames: &mut Vec<String>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut binds = false;
    let mut initials = false;
    for (at, word) in words.iter().enumerate() {
        let text = word.text.as_str();
        let last = at + 1 == words.len();
        if word.quoted && at > 0 && !last {
            nicknames.push(word.text.clone());
            continue;
        }
        // At the beginning `An` and `Ed` may be given names. So may `Al`, but `Al Assad` is more often met than `Al Gore`.
        let article = ARTICLES.contains(&text)
            && !last
            && (words[at + 1].joined || at > 0 || word.shape == Shape::Plain || matches!(text, "al" | "el"));
        if article || (PARTICLES.contains(&text) && !last) {
            continue;
        }
        if matches!(text, "abd" | "abdul" | "abdel" | "abdal" | "abdol") && !last {
            names.push("abd".to_owned());
            binds = true;
            continue;
        }
        if matches!(text, "abu" | "abou" | "umm") && !last {
            names.push("abu".to_owned());
            binds = true;
            continue;
        }
        // `Abdelfattah` as `Abdel Fattah`.
        let servant = ["abdul", "abdel", "abdal", "abdol"].iter().find_map(|abd| text.strip_prefix(abd));
        let bound = servant.filter(|of| of.len() >= 3).map(|of| format!("abd{of}"));
        let text = bound.as_deref().unwrap_or(text);
        let letter = text.chars().count() == 1 && !last;
        let hyphenated = word.joined && at > 0 && !ARTICLES.contains(&words[at - 1].text.as_str());
        let spelt = GIVEN.iter().find(|(name, _)| *name == text).map_or(text, |(_, common)| common);
        match names.last_mut() {
            Some(name) if binds || hyphenated || (letter && initials && at > 0) => name.push_str(spelt),
            _ => names.push(spelt.to_owned()),
        }
        binds = false;
        initials = letter;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::super::words::words;
    use super::*;

    fn parts(surface: &str) -> String {
        let words = words(surface);
        names(strip(&words), &mut Vec::new()).join(" ")
    }

    #[test]
    fn names_lose_what_surnames_drop() {
        for (surface, names) in [
            ("Abdel Fattah al-Burhan", "abdfattah burhan"),
            ("Abdel-Fattah el-Burhan", "abdfattah burhan"),
            ("Al-Jassim", "jassim"),
            ("Mohammed bin Salman", "mohammed salman"),
            ("bin Salman", "salman"),
            ("Gen. Oleksandr Syrskyi", "oleksandr syrskyi"),
            ("J. D. Vance", "jd vance"),
            ("Jean-Pierre Lacroix", "jeanpierre lacroix"),
            ("Ursula von der Leyen", "ursula leyen"),
            ("Andriy “Fox” Hnatiuk", "andriy hnatiuk"),
            ("Al Assad", "assad"),
            ("Donald Trump Jr.", "donald trump"),
            ("General", "general"),
        ] {
            assert_eq!(parts(surface), names, "{surface}");
        }
    }
}
