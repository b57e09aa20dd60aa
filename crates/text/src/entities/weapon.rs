//! Forms of weapons: models, found by their designation, and kinds, found by their words.

use super::form::{Choice, Form, Round, fullness, key};
use super::unit::singular;
use super::words::{Shape, Word};

/// Words for kinds, which are no names also where they are capitalised: at a sentence's beginning, in headlines.
const KINDS: &[&str] = &[
    "drone",
    "missile",
    "rocket",
    "tank",
    "launcher",
    "system",
    "jet",
    "fighter",
    "plane",
    "warplane",
    "aircraft",
    "bomber",
    "helicopter",
    "gunship",
    "howitzer",
    "gun",
    "rifle",
    "pistol",
    "battery",
    "interceptor",
    "mortar",
    "shell",
    "vehicle",
    "carrier",
    "bomb",
    "cruise",
    "ballistic",
    "kamikaze",
    "attack",
    "combat",
    "munition",
    "ammunition",
    "loitering",
    "glide",
    "guided",
    "air",
    "defense",
    "multiple",
    "launch",
    "armored",
    "personnel",
    "fighting",
    "infantry",
    "main",
    "battle",
    "anti",
    "ship",
    "warship",
    "boat",
    "submarine",
    "frigate",
    "destroyer",
    "cruiser",
    "corvette",
    "class",
    "strike",
    "surveillance",
    "reconnaissance",
    "surface",
    "to",
    "self",
    "propelled",
    "machine",
    "assault",
    "sniper",
    "hypersonic",
    "long",
    "range",
    "short",
    "medium",
    "torpedo",
    "mine",
    "landmine",
    "grenade",
    "explosive",
    "device",
    "improvised",
    "charge",
    "warhead",
    "light",
    "heavy",
    "unmanned",
    "aerial",
    "artillery",
    "car",
    "suicide",
    "vest",
    "cluster",
    "nuclear",
    "chemical",
    "weapon",
    "small",
    "arm",
    "patrol",
    "military",
    "naval",
    "sea",
    "vessel",
    "knife",
    "machete",
    "antitank",
    "antiaircraft",
    "antipersonnel",
    "incendiary",
    "barrel",
    "roadside",
];

/// Words before a ship's name that are no part of it.
const SHIPS: &[&str] = &["uss", "hms", "ins", "hmcs", "hmas", "rfs", "bns", "pns", "fs", "css", "plans"];

/// Kinds that are known by letters, or by two names.
const KNOWN: &[(&str, &str)] = &[
    ("uav", "drone"),
    ("unmannedaerialvehicle", "drone"),
    ("unmannedaircraft", "drone"),
    ("unmannedaerialsystem", "drone"),
    ("manpads", "manportableairdefensesystem"),
    ("manpad", "manportableairdefensesystem"),
    ("icbm", "intercontinentalballisticmissile"),
    ("apc", "armoredpersonnelcarrier"),
    ("atgm", "antitankguidedmissile"),
    ("fighter", "fighterjet"),
    ("fighterplane", "fighterjet"),
    ("fighteraircraft", "fighterjet"),
    ("armoredcar", "armoredvehicle"),
];

/// The form of a weapon.
pub(super) fn form(words: &[Word]) -> Form<String> {
    let found = names(words);
    if found.is_empty() {
        return kind(words);
    }
    let names: Vec<&str> = found.iter().map(|name| name.text.as_str()).collect();
    let all = names.concat();
    let mut form = Form::whole(vec![key("model", &[&all])], words);
    form.fullness = fullness(words);
    form.bracketed = true;
    let mut offers = Vec::new();
    for name in &found {
        offers.extend([name.text.clone(), name.stem.clone()]);
        offers.extend(bases(&name.text));
    }
    if names.len() > 1 {
        offers.push(names[..names.len() - 1].concat());
        offers.push(names[1..].concat());
    }
    offers.retain(|offer| *offer != all);
    offers.sort_unstable();
    offers.dedup();
    form.offers = offers.iter().map(|offer| key("short", &[offer])).collect();
    let mut keys = vec![key("short", &[&all])];
    if names.len() == 1 && words.iter().any(|word| word.shape == Shape::Capitals) {
        keys.push(key("initials", &[&all]));
        if let Some((_, usual)) = KNOWN.iter().find(|(letters, _)| *letters == all) {
            form.same.push(key("kind", &[usual]));
        }
    }
    // A name without a designation may be short for a model, whichever was mentioned last.
    let bare = names.len() == 1 && form.offers.is_empty();
    form.round = if bare { Round::Bare } else { Round::Whole };
    form.ask(keys, if bare { Choice::Nearest } else { Choice::Only });
    form
}

/// The form of a weapon that is told by its kind only: its words, singular, however they are joined.
fn kind(words: &[Word]) -> Form<String> {
    let texts: Vec<&str> = words.iter().map(|word| common(&word.text)).collect();
    let all = texts.concat();
    let usual = KNOWN.iter().find(|(name, _)| *name == all).map_or(all.as_str(), |(_, usual)| usual);
    let mut form = Form::whole(vec![key("kind", &[usual])], words);
    if texts.len() > 1 {
        let letters: String = texts.iter().filter_map(|word| word.chars().next()).collect();
        form.offers.push(key("initials", &[&letters]));
        if texts.contains(&"to") {
            let letters: String =
                texts.iter().filter(|word| **word != "to").filter_map(|word| word.chars().next()).collect();
            form.offers.push(key("initials", &[&letters]));
        }
        // `rocket-propelled grenade launcher` answers to `RPG`.
        if letters.len() > 3 {
            form.offers.push(key(
                "initials",
                &[&letters[..letters.len() - texts[texts.len() - 1].chars().next().map_or(0, char::len_utf8)]],
            ));
        }
    }
    form
}

/// A word for a kind in its common form.
fn common(word: &str) -> &str {
    match word {
        "armoured" => "armored",
        "defence" => "defense",
        "batteries" => "battery",
        "millimeter" | "millimetre" => "mm",
        "rounds" => "round",
        _ => singular(word),
    }
}

/// A name or a designation.
struct Name {
    text: String,
    /// What stands before a hyphen or a number: `iskander` of `iskanderm`.
    stem: String,
}

/// The names and designations among `words`, plurals and hyphens gone: `shahed136`, `bayraktar` and `tb2`. Empty: the
/// weapon is told by its kind only.
fn names(words: &[Word]) -> Vec<Name> {
    let mut names: Vec<Name> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let digits = word.text.bytes().any(|byte| byte.is_ascii_digit());
        let numeral = digits && word.text.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
        let after_name = at > 0 && is_name(&words[at - 1]);
        let calibre = numeral
            && (word.text.ends_with("mm")
                || words.get(at + 1).is_some_and(|next| {
                    matches!(next.text.as_str(), "mm" | "millimeter" | "pound" | "kilogram" | "inch")
                }));
        let text = designation(word);
        if calibre || SHIPS.contains(&word.text.as_str()) && word.shape == Shape::Capitals {
            continue;
        }
        let joins = after_name && (numeral || (word.joined && text.chars().count() <= 3));
        match names.last_mut() {
            Some(name) if joins => name.text.push_str(&text),
            _ if is_name(word) || (digits && !numeral) => names.push(Name { stem: text.clone(), text }),
            _ => {}
        }
    }
    names
}

/// Whether a word names a model.
fn is_name(word: &Word) -> bool {
    word.shape != Shape::Plain && !KINDS.contains(&common(&word.text))
}

/// A name or designation without a plural's ending.
fn designation(word: &Word) -> String {
    let text = word.text.as_str();
    let capitals = word.shape == Shape::Capitals;
    match text.strip_suffix('s') {
        Some(stem) if stem.ends_with(|c: char| c.is_ascii_digit()) || stem.chars().count() == 1 && word.joined => {
            stem.to_owned()
        }
        Some(stem) if capitals && word.plural => stem.to_owned(),
        Some(_) if !capitals => singular(text).to_owned(),
        _ => text.to_owned(),
    }
}

/// Shorter designations of a model: `t72` and `leopard2` of `t72b3` and `leopard2a6`, `mig` of `mig29`.
fn bases(name: &str) -> Vec<String> {
    let letters = name.find(|c: char| c.is_ascii_digit()).unwrap_or(name.len());
    if letters == name.len() {
        return Vec::new();
    }
    let digits = name[letters..].find(|c: char| !c.is_ascii_digit()).map_or(name.len(), |length| letters + length);
    let mut bases = Vec::new();
    if letters > 1 {
        bases.push(name[..letters].to_owned());
    }
    if digits < name.len() {
        bases.push(name[..digits].to_owned());
    }
    bases
}

#[cfg(test)]
mod tests {
    use super::super::words::words;
    use super::*;

    #[test]
    fn designations_decide() {
        let names = |surface| names(&words(surface)).into_iter().map(|name| name.text).collect::<Vec<_>>().join(" ");
        for (surface, expected) in [
            ("F-16s", "f16"),
            ("F16", "f16"),
            ("F-16 fighter jets", "f16"),
            ("Shahed-136 drones", "shahed136"),
            ("Shahed 136", "shahed136"),
            ("Shaheds", "shahed"),
            ("Bayraktar TB2s", "bayraktar tb2"),
            ("T-72B3", "t72b3"),
            ("Leopard 2A6 tanks", "leopard2a6"),
            ("HIMARS launchers", "himars"),
            ("Iskander-M ballistic missiles", "iskanderm"),
            ("Kh-59 missile", "kh59"),
            ("USS Halvorsen", "halvorsen"),
            ("155mm howitzers", ""),
            ("Kamikaze drones", ""),
            ("DRONES", ""),
            ("7.62 mm machine guns", ""),
        ] {
            assert_eq!(names(surface), expected, "{surface}");
        }
    }
}
