//! Forms of armed bodies' names: a nation's forces, numbered formations, services, groups, and their initials.

use super::form::{Choice, Form, Round, fullness, key, sounds};
use super::nations::allegiance;
use super::person::ARTICLES;
use super::words::{Shape, Word};

/// Words that, after a nation, mean its forces as a whole.
const COLLECTIVE: &[&str] =
    &["government", "force", "troop", "army", "military", "armed", "defense", "national", "soldier", "arab"];

/// Words that a nation's forces need one of: `Ukrainian defense` alone is none.
const BODIES: &[&str] = &["force", "troop", "army", "military", "soldier"];

/// Nouns for a formation.
const HEADS: &[&str] = &[
    "brigade",
    "battalion",
    "division",
    "regiment",
    "corps",
    "army",
    "fleet",
    "group",
    "company",
    "squadron",
    "flotilla",
    "front",
    "wing",
    "command",
    "force",
    "platoon",
    "unit",
    "detachment",
];

/// Nouns that a group's name may carry or not: `Wagner Group`, `Houthi forces`.
const LOOSE: &[&str] = &[
    "group",
    "force",
    "brigade",
    "battalion",
    "regiment",
    "movement",
    "militia",
    "network",
    "unit",
    "organization",
    "troop",
    "fighter",
    "rebel",
    "militant",
    "corps",
    "company",
    "division",
    "cartel",
    "clan",
];

/// Words that say what a numbered formation is, so that formations which differ in them may be different ones.
const BRANCHES: &[&str] = &[
    "mechanized",
    "mechanised",
    "tank",
    "artillery",
    "assault",
    "infantry",
    "airborne",
    "armored",
    "motor",
    "motorized",
    "rifle",
    "marine",
    "naval",
    "mountain",
    "air",
    "jaeger",
    "territorial",
    "defense",
    "storm",
    "parachute",
    "paratrooper",
    "airmobile",
    "missile",
    "drone",
    "engineer",
    "reconnaissance",
    "aviation",
    "cavalry",
    "ranger",
    "spetsnaz",
    "arms",
    "light",
    "heavy",
];

/// Names that other bodies carry in theirs, which are no short forms of them: `Hezbollah` is not `Kataib Hezbollah`.
const COMPLETE: &[&str] = &[
    "hezbollah",
    "hizbollah",
    "hizbullah",
    "hizballah",
    "hamas",
    "qaeda",
    "qaida",
    "taliban",
    "islamic state",
    "houthi",
    "fatah",
];

/// Words that a formation's number and head noun do without.
const MINOR: &[&str] = &["guard", "separate", "independent", "special"];

/// Words that no name stands for.
const STOPS: &[&str] = &["of", "the", "and", "for", "in", "to", "on", "wal", "de", "du", "del", "s"];

/// Ordinals that are written as words.
const ORDINALS: &[&str] = &[
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth",
];

/// Bodies that go by names or initials which neither spelling nor first letters connect, as one name; folded,
/// singular, without stop words. A nation's forces are `forces NATION`.
const KNOWN: &[(&str, &str)] = &[
    ("idf", "forces israel"),
    ("tsahal", "forces israel"),
    ("fardc", "forces democratic republic of congo"),
    ("fama", "forces mali"),
    ("tatmadaw", "forces myanmar"),
    ("ssaf", "forces south sudan"),
    ("peoples liberation army", "forces china"),
    ("people liberation army", "forces china"),
    ("bundeswehr", "forces germany"),
    ("zsu", "forces ukraine"),
    ("afu", "forces ukraine"),
    ("uaf", "forces ukraine"),
    ("endf", "forces ethiopia"),
    ("laf", "forces lebanon"),
    ("saa", "forces syria"),
    ("updf", "forces uganda"),
    ("faca", "forces central african republic"),
    ("kdf", "forces kenya"),
    ("mouvement 23 mars", "march 23"),
    ("is", "islamic state"),
    ("isis", "islamic state"),
    ("isil", "islamic state"),
    ("daesh", "islamic state"),
    ("dash", "islamic state"),
    ("islamic state group", "islamic state"),
    ("islamic state iraq syria", "islamic state"),
    ("islamic state iraq levant", "islamic state"),
    ("so called islamic state", "islamic state"),
    ("ansar allah", "houthi"),
    ("ansarallah", "houthi"),
    ("ansarullah", "houthi"),
    ("houthi movement", "houthi"),
    ("pkk", "kurdistan worker party"),
    ("ypg", "people protection unit"),
    ("ypj", "woman protection unit"),
    ("farc", "revolutionary armed force colombia"),
    ("eln", "national liberation army"),
    ("pmf", "popular mobilization force"),
    ("pmu", "popular mobilization force"),
    ("popular mobilization unit", "popular mobilization force"),
    ("hashd shaabi", "popular mobilization force"),
    ("hashd al shaabi", "popular mobilization force"),
    ("iswap", "islamic state west africa province"),
    ("jnim", "jamaat nusrat islam muslimin"),
    ("hts", "hayat tahrir sham"),
    ("m23", "march 23"),
    ("march 23 movement", "march 23"),
    ("sbu", "security service ukraine"),
    ("fsb", "federal security service"),
    ("main intelligence directorate", "main intelligence directorate ukraine"),
    ("gru", "main intelligence directorate russia"),
    ("gur", "main intelligence directorate ukraine"),
    ("hur", "main intelligence directorate ukraine"),
    ("pla", "forces china"),
];

/// Bodies with a nation's name that are not its forces.
const NOT_NATIONAL: &[&str] = &["syrian national army", "libyan national army", "libyan arab armed force"];

/// Longer names are found by their whole only.
const LONGEST: usize = 8;

/// The form of an armed body's name.
pub(super) fn form(words: &[Word]) -> Form<String> {
    let texts: Vec<String> = texts(words);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut form = if texts.is_empty() || texts.len() > LONGEST {
        Form::whole(vec![key("words", &texts)], words)
    } else if let Some(numbered) = numbered(&texts, words) {
        numbered
    } else {
        named(&texts, words)
    };
    form.bracketed = true;
    form
}

/// The words that matter, each in its common form.
fn texts(words: &[Word]) -> Vec<String> {
    let mut texts = Vec::with_capacity(words.len());
    for (at, word) in words.iter().enumerate() {
        let last = at + 1 == words.len();
        let text = word.text.as_str();
        let article = ARTICLES.contains(&text) && !last && (word.shape != Shape::Capitals || words[at + 1].joined);
        if article || (STOPS.contains(&text) && !(last && at == 0)) {
            continue;
        }
        let text = match text {
            "defence" => "defense",
            "armoured" => "armored",
            "mechanised" => "mechanized",
            "motorised" => "motorized",
            "organisation" => "organization",
            "mobilisation" => "mobilization",
            "paramilitaries" => "paramilitary",
            "militaries" => "military",
            "armies" => "army",
            "militias" => "militia",
            "jabhat" => "front",
            "harakat" => "movement",
            _ => text,
        };
        let letters = word.shape == Shape::Capitals && !word.plural;
        texts.push(if letters { text } else { singular(text) }.to_owned());
    }
    texts
}

/// A plural without its ending.
pub(super) fn singular(word: &str) -> &str {
    match word.strip_suffix('s') {
        Some(stem) if stem.chars().count() >= 3 && !stem.ends_with(['s', 'u']) && stem != "corp" => stem,
        _ => word,
    }
}

/// The number that a word is the ordinal of.
fn ordinal(word: &str, first: bool) -> Option<String> {
    if let Some(at) = ORDINALS.iter().position(|ordinal| *ordinal == word) {
        return Some((at + 1).to_string());
    }
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    let (number, ending) = word.split_at(digits);
    let ordinal = matches!(ending, "st" | "nd" | "rd" | "th" | "d") || (ending.is_empty() && first);
    (digits > 0 && digits < 5 && ordinal).then(|| number.trim_start_matches('0').to_owned())
}

/// The form of a formation with a number: number, head noun and branch tell it from others, its other names do not.
fn numbered(texts: &[&str], words: &[Word]) -> Option<Form<String>> {
    let (at, number) = texts.iter().enumerate().find_map(|(at, word)| Some((at, ordinal(word, at == 0)?)))?;
    let others = || texts[at + 1..].iter().copied();
    let head = others().rfind(|word| HEADS.contains(word));
    let mut branches: Vec<&str> = others().filter(|word| BRANCHES.contains(word) && Some(*word) != head).collect();
    branches.sort_unstable();
    branches.dedup();
    // `March 23 Movement`: a number behind a name is part of it.
    if head.is_none() && branches.is_empty() && (at > 0 || !others().all(|word| MINOR.contains(&word))) {
        return None;
    }
    let head = head.unwrap_or("");
    let mut form = Form::whole(vec![key(&format!("number {number} {head}"), &branches)], words);
    form.fullness = fullness(words) + usize::from(!head.is_empty()) + branches.len();
    let common = |word: &str| BRANCHES.contains(&word) || HEADS.contains(&word) || MINOR.contains(&word);
    let names: Vec<&str> = others().filter(|word| !common(word)).collect();
    if !head.is_empty() {
        // `12th Special Purpose Brigade Azov` answers to `Azov` and to `Azov Brigade`.
        for name in &names {
            form.offers.extend(sounds("part", &[name]));
            form.offers.extend(sounds("part", &[name, head]));
        }
        form.offers.push(key("number", &[&number]));
        form.offers.extend(branches.iter().map(|branch| key("number", &[&number, "", branch])));
        if !branches.is_empty() {
            form.offers.push(key("number", &[&number, head]));
        }
        if branches.len() > 1 {
            form.offers.extend(branches.iter().map(|branch| key("number", &[&number, head, branch])));
        }
    }
    match branches.as_slice() {
        [] if !names.is_empty() && !head.is_empty() => form.ask(vec![key("number", &[&number, head])], Choice::Only),
        [] => {
            form.round = if head.is_empty() { Round::Bare } else { Round::Partial };
            let short = if head.is_empty() { key("number", &[&number]) } else { key("number", &[&number, head]) };
            form.ask(vec![short], Choice::Nearest);
        }
        [branch] => form.ask(vec![key("number", &[&number, head, branch])], Choice::Only),
        _ => {}
    }
    Some(form)
}

/// The form of a body that is known by a name.
fn named(texts: &[&str], words: &[Word]) -> Form<String> {
    let whole = texts.join(" ");
    let abbreviation = texts.len() == 1 && words.iter().any(|word| word.shape == Shape::Capitals);
    let national = forces(texts);
    let known = KNOWN.iter().find(|(name, _)| *name == whole).map(|(_, usual)| (*usual).to_owned());
    let bare = core(texts).join(" ");
    let known = known.or_else(|| (bare != whole && COMPLETE.contains(&bare.as_str()) && !wing(texts)).then_some(bare));
    let usual = known.clone().or(national.clone()).unwrap_or_else(|| whole.clone());
    let mut form = Form::whole(same(&usual), words);
    if usual.starts_with("forces ") && words.iter().all(|word| word.shape != Shape::Capital) {
        form.fullness = 0;
    }
    for letters in initials(words) {
        form.offers.push(key("initials", &[&letters]));
        // An abbreviation of a name in another language often has the same letters in another order: `FDLR`.
        form.offers.extend(anagram(&letters).map(|letters| key("letters", &[&letters])));
    }
    if abbreviation {
        form.round = Round::Partial;
        form.ask(vec![key("initials", &[texts[0]])], Choice::Only);
        form.ask(anagram(texts[0]).map(|letters| key("letters", &[&letters])).into_iter().collect(), Choice::Only);
        return form;
    }
    if national.is_some() {
        form.offers.extend(["army", "military", "armed force", "force", "troop"].map(|bare| key("part", &[bare])));
        return form;
    }
    offer_parts(&mut form, texts);
    if known.is_none() && !COMPLETE.contains(&whole.as_str()) {
        form.ask(sounds("part", texts), Choice::Only);
        let bare =
            texts.iter().all(|word| COLLECTIVE.contains(word) || matches!(*word, "navy" | "air" | "guard" | "coast"));
        if bare {
            form.round = Round::Bare;
            form.asks = Vec::new();
            form.ask(vec![key("part", texts)], Choice::Nearest);
        }
    }
    form
}

/// Whether the noun behind a name makes it a part of what has the name: `Hamas brigades`, not `Houthi forces`.
fn wing(texts: &[&str]) -> bool {
    let last = texts.last().copied().unwrap_or("");
    matches!(
        last,
        "brigade"
            | "battalion"
            | "regiment"
            | "unit"
            | "corps"
            | "company"
            | "division"
            | "network"
            | "cartel"
            | "clan"
    )
}

/// The keys of a name in any order of its words, with a nation's adjective as the nation: `Security Service of
/// Ukraine` is the `Ukrainian Security Service`.
fn same(usual: &str) -> Vec<String> {
    if usual.starts_with("forces ") {
        return vec![key("name", &[usual])];
    }
    let texts: Vec<&str> = usual.split(' ').collect();
    let mut words: Vec<&str> = Vec::with_capacity(texts.len());
    let mut at = 0;
    while at < texts.len() {
        let (nation, count) = allegiance(&texts[at..]).unwrap_or((texts[at], 1));
        words.push(nation);
        at += count;
    }
    words.sort_unstable();
    sounds("name", &words)
}

/// `forces NATION`, if the words mean a nation's forces as a whole: one nation, and otherwise collective nouns.
fn forces(texts: &[&str]) -> Option<String> {
    if NOT_NATIONAL.contains(&texts.join(" ").as_str()) {
        return None;
    }
    let mut nation = None;
    let mut body = false;
    let mut at = 0;
    while at < texts.len() {
        if COLLECTIVE.contains(&texts[at]) {
            body |= BODIES.contains(&texts[at]);
            at += 1;
        } else {
            let (name, count) = allegiance(&texts[at..])?;
            if nation.replace(name).is_some() {
                return None;
            }
            at += count;
        }
    }
    nation.filter(|_| body).map(|nation| format!("forces {nation}"))
}

/// A name without the nouns that it may carry or not; the whole name if nothing else is there.
fn core<'t>(texts: &[&'t str]) -> Vec<&'t str> {
    let loose = texts.iter().rev().take_while(|word| LOOSE.contains(word)).count();
    if loose < texts.len() { texts[..texts.len() - loose].to_vec() } else { texts.to_vec() }
}

/// The shorter names of a longer one: runs of its words that hold a word of their own, not only nouns for bodies and
/// nations. A branch of a nation's forces answers to the branch.
fn offer_parts(form: &mut Form<String>, texts: &[&str]) {
    let own = |words: &[&str]| {
        words.iter().any(|word| !LOOSE.contains(word) && !COLLECTIVE.contains(word))
            && allegiance(words).is_none_or(|(_, count)| count < words.len())
    };
    let mut offered = Vec::new();
    for from in 0..texts.len() {
        for to in from + 1..=texts.len() {
            let part = &texts[from..to];
            if part.len() < texts.len() && own(part) {
                offered.push(part.to_vec());
                offered.push(core(part));
            }
        }
    }
    offered.push(core(texts));
    offered.sort_unstable();
    offered.dedup();
    for part in offered.iter().filter(|part| part.len() < texts.len()) {
        form.offers.extend(sounds("part", part));
        form.offers.push(key("part", part));
    }
}

/// The letters of an abbreviation in the order of the alphabet, if there are enough to tell bodies apart.
fn anagram(letters: &str) -> Option<String> {
    let mut letters: Vec<char> = letters.chars().collect();
    letters.sort_unstable();
    (letters.len() >= 4).then(|| letters.into_iter().collect())
}

/// The abbreviations that a name of several words may have: of all its words, without small ones, without articles.
fn initials(words: &[Word]) -> Vec<String> {
    if words.len() < 2 {
        return Vec::new();
    }
    let letters = |keep: &dyn Fn(&Word) -> bool| -> String {
        words.iter().filter(|word| keep(word)).filter_map(|word| word.text.chars().next()).collect()
    };
    let small = |word: &Word| STOPS.contains(&word.text.as_str());
    let article = |word: &Word| ARTICLES.contains(&word.text.as_str());
    let mut all =
        vec![letters(&|_| true), letters(&|word| !small(word)), letters(&|word| !small(word) && !article(word))];
    all.dedup();
    all
}
