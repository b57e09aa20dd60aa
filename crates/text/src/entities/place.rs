//! Forms of places' names: the name itself, and the kind of place that it may carry.

use super::form::{Choice, Form, Round, key, sounds};
use super::nations::country;
use super::person::ARTICLES;
use super::words::{Shape, Word};

/// What the words around a mention say about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Setting {
    /// The kind that a word behind the mention names: `[Kharkiv] region`.
    pub(super) kind: Option<&'static str>,
    /// Whether `the` stands before it: towns have no article, rivers have.
    pub(super) article: bool,
}

/// Whether the bare name, without the kind, means the same place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bare {
    /// Yes: `Litani` is the `Litani River`, `Gaza` the `Gaza Strip`.
    Same,
    /// If the place was introduced with its kind: `Zamzam` after `Zamzam camp`; but `Jenin` before the `Jenin camp` is the
    /// town.
    Later,
    /// No: `Donetsk` is not `Donetsk Oblast`, `Rafah` not the `Rafah crossing`.
    Other,
}

/// Kinds of places: words, the kind that they stand for, and what the bare name means.
const KINDS: &[(&str, &str, Bare)] = &[
    ("oblast", "region", Bare::Other),
    ("region", "region", Bare::Other),
    ("province", "region", Bare::Other),
    ("governorate", "region", Bare::Other),
    ("voivodeship", "region", Bare::Other),
    ("state", "state", Bare::Other),
    ("county", "county", Bare::Other),
    ("district", "district", Bare::Other),
    ("raion", "district", Bare::Other),
    ("rayon", "district", Bare::Other),
    ("city", "city", Bare::Other),
    ("border", "border", Bare::Other),
    ("airport", "airport", Bare::Other),
    ("crossing", "crossing", Bare::Other),
    ("bridge", "bridge", Bare::Other),
    ("port", "port", Bare::Other),
    ("harbor", "port", Bare::Other),
    ("harbour", "port", Bare::Other),
    ("dam", "dam", Bare::Other),
    ("university", "university", Bare::Other),
    ("plant", "plant", Bare::Other),
    ("npp", "plant", Bare::Other),
    ("lake", "lake", Bare::Other),
    ("sea", "sea", Bare::Other),
    ("gulf", "gulf", Bare::Other),
    ("bay", "bay", Bare::Other),
    ("ocean", "ocean", Bare::Other),
    ("river", "river", Bare::Same),
    ("strip", "strip", Bare::Same),
    ("peninsula", "peninsula", Bare::Same),
    ("heights", "heights", Bare::Same),
    ("hospital", "hospital", Bare::Same),
    ("strait", "strait", Bare::Same),
    ("straits", "strait", Bare::Same),
    ("corridor", "corridor", Bare::Same),
    ("base", "base", Bare::Later),
    ("airbase", "base", Bare::Later),
    ("airfield", "base", Bare::Later),
    ("camp", "camp", Bare::Later),
    ("valley", "valley", Bare::Same),
    ("desert", "desert", Bare::Same),
    ("island", "island", Bare::Same),
    ("islands", "island", Bare::Same),
    ("mountains", "mountains", Bare::Same),
    ("archipelago", "island", Bare::Same),
];

/// Two words that are one kind, or say no more than the second.
const PHRASES: &[(&str, &str)] = &[
    ("medical complex", "hospital"),
    ("medical center", "hospital"),
    ("medical centre", "hospital"),
    ("power plant", "plant"),
    ("power station", "plant"),
    ("nuclear plant", "plant"),
    ("air base", "base"),
    ("military base", "base"),
    ("refugee camp", "camp"),
    ("displacement camp", "camp"),
    ("international airport", "airport"),
    ("border crossing", "crossing"),
    ("people republic", "republic"),
];

/// Rivers that share their name with a country or a town: the bare name is theirs only where `the` stands before it.
const SHARED_RIVERS: &[&str] = &["dnipro", "jordan", "niger", "congo", "chad", "cauca", "senegal", "gambia", "volta"];

/// Places that two sides, or two times, call by names that no spelling connects; folded, without articles and kinds.
const RENAMED: &[(&str, &str)] = &[
    ("dnieper river", "dnipro river"),
    ("dnepr river", "dnipro river"),
    ("artyomovsk", "bakhmut"),
    ("artemovsk", "bakhmut"),
    ("artemivsk", "bakhmut"),
    ("nikolaev", "mykolaiv"),
    ("nikolayev", "mykolaiv"),
    ("ugledar", "vuhledar"),
    ("volchansk", "vovchansk"),
    ("konstantinovka", "kostiantynivka"),
    ("krivoy rog", "kryvyi rih"),
    ("krivoi rog", "kryvyi rih"),
    ("zaporozhye", "zaporizhzhia"),
    ("zaporozhe", "zaporizhzhia"),
    ("zaporozhzhia", "zaporizhzhia"),
    ("slavyansk", "sloviansk"),
    ("lvov", "lviv"),
    ("dnepr", "dnipro"),
    ("chernobyl", "chornobyl"),
    ("rabotino", "robotyne"),
    ("sumi", "sumy"),
    ("nagorno karabakh", "karabakh"),
    ("artsakh", "karabakh"),
    ("khankendi", "stepanakert"),
    ("xankandi", "stepanakert"),
    ("shusha", "shushi"),
    ("kayin", "karen"),
    ("arakan", "rakhine"),
    ("washington dc", "washington"),
    ("shujaiya", "shejaiya"),
    ("shijaiyah", "shejaiya"),
    ("crimean peninsula", "crimea"),
    ("donetsk peoples republic", "donetsk people republic"),
    ("dnr", "dpr"),
    ("lnr", "lpr"),
    ("constantinople", "istanbul"),
    ("rangoon", "yangon"),
    ("moskva", "moscow"),
    ("suweida", "sweida"),
    ("suwayda", "sweida"),
    ("makha", "mocha"),
    ("junaynah", "geneina"),
    ("bukamal", "albu kamal"),
    ("kobane", "kobani"),
    ("ayn arab", "kobani"),
];

/// Regions that share their name with no town: `region` or `state` behind them says nothing.
const NO_TOWN: &[&str] = &[
    "donbas",
    "donbass",
    "darfur",
    "amhara",
    "tigray",
    "oromia",
    "afar",
    "karabakh",
    "kurdistan",
    "crimea",
    "sahel",
    "catatumbo",
    "kashmir",
    "balochistan",
    "baluchistan",
    "somaliland",
    "puntland",
    "galicia",
    "transnistria",
    "rojava",
    "abkhazia",
    "chechnya",
    "dagestan",
    "ituri",
    "north kivu",
    "south kivu",
    "south darfur",
    "north darfur",
    "west darfur",
    "central darfur",
    "east darfur",
    "kordofan",
    "north kordofan",
    "south kordofan",
    "karen",
    "kayin",
    "rakhine",
    "kachin",
    "shan",
    "chin",
    "kayah",
    "borno",
    "yobe",
    "adamawa",
    "zamfara",
    "benue",
    "gezira",
    "jonglei",
    "upper nile",
    "blue nile",
    "white nile",
    "jubaland",
];

/// Longer names are found by their whole only.
const LONGEST: usize = 8;

/// The kind of place that `word`, folded, stands for.
pub(super) fn kind(word: &str) -> Option<&'static str> {
    KINDS.iter().find(|(name, _, _)| *name == word).map(|(_, kind, _)| *kind)
}

/// The form of a place's name in its setting.
pub(super) fn form(words: &[Word], setting: Setting) -> Form<String> {
    let texts = texts(words);
    let whole = texts.join(" ");
    if let Some(country) = country(&whole) {
        let mut form = Form::whole(vec![key("place", &[country])], words);
        form.offers.push(key("initials", &[&initials(country)]));
        form.bracketed = true;
        return form;
    }
    if texts.is_empty() || texts.len() > LONGEST {
        return Form::whole(vec![key("place", &texts)], words);
    }
    let (name, kind) = name_and_kind(&texts, setting);
    let renamed = renamed(&name, kind);
    let renamed: Vec<&str> = renamed.split(' ').filter(|word| !word.is_empty()).collect();
    let (name, kind) = match (renamed.as_slice(), kind) {
        ([name @ .., last], None) if !name.is_empty() && self::kind(last).is_some() => (name, self::kind(last)),
        (name, kind) => (name, kind),
    };
    let kind = kind.filter(|kind| !(matches!(*kind, "region" | "state") && NO_TOWN.contains(&name.join(" ").as_str())));
    let mut form = Form::whole(sounds(&format!("place {}", kind.unwrap_or("")), name), words);
    if name.len() > 1 {
        form.same.extend(sounds(&format!("place {}", kind.unwrap_or("")), &[&name.concat()]));
    }
    // `Ivano-Frankivsk` answers to `Frankivsk`.
    if let ([_, last], [_, second], None) = (name, words, kind)
        && second.joined
        && last.chars().count() >= 5
    {
        form.offers.extend(sounds("bare", &[last]));
    }
    if let [word] = words
        && word.shape == Shape::Capitals
        && word.text.chars().count() <= 6
    {
        form.bracketed = true;
        form.ask(vec![key("initials", &[&word.text])], Choice::Only);
    }
    if texts.len() > 1 {
        form.offers.push(key("initials", &[&initials(&texts.join(" "))]));
    }
    match kind {
        None if setting.article => {
            form.round = Round::Bare;
            form.ask(sounds("river", name), Choice::Nearest);
            form.ask(sounds("bare", name), Choice::Only);
        }
        None => {
            form.ask(sounds("bare", name), Choice::Only);
            form.ask(sounds("later", name), Choice::Later);
        }
        Some(kind) => offer_kind(&mut form, name, kind),
    }
    form
}

/// The short forms of a place whose kind is told: the bare name, and a facility's kind with one of its names.
fn offer_kind(form: &mut Form<String>, name: &[&str], kind: &'static str) {
    let bare = KINDS.iter().find(|(_, known, _)| *known == kind).map_or(Bare::Other, |(_, _, bare)| *bare);
    if kind == "river" {
        form.offers.extend(sounds("river", name));
    }
    if bare == Bare::Later {
        form.offers.extend(sounds("later", name));
    }
    if bare == Bare::Same && !(kind == "river" && SHARED_RIVERS.contains(&name.join(" ").as_str())) {
        form.offers.extend(sounds("bare", name));
    }
    let facility = matches!(kind, "hospital" | "plant" | "base" | "camp" | "airport" | "university" | "dam" | "bridge");
    if facility && name.len() == 1 {
        form.ask(sounds(&format!("facility {kind}"), name), Choice::Only);
    } else if facility {
        form.offers.extend(sounds(&format!("facility {kind}"), &name[..1]));
        form.offers.extend(sounds(&format!("facility {kind}"), &name[name.len() - 1..]));
    }
}

/// The words of a name that matter: without articles.
fn texts(words: &[Word]) -> Vec<&str> {
    let mut texts = Vec::with_capacity(words.len());
    for (at, word) in words.iter().enumerate() {
        let last = at + 1 == words.len();
        let text = word.text.as_str();
        let article = ARTICLES.contains(&text) || text == "the";
        match text {
            _ if article && !last => {}
            "mount" | "mt" if at == 0 && !last => {}
            "tel" | "tell" => texts.push("tal"),
            "saint" => texts.push("st"),
            _ => texts.push(text),
        }
    }
    texts
}

/// The name and the kind, which stands behind it (`Litani River`), before it (`Lake Chad`, `Strait of Hormuz`), or in
/// the sentence.
fn name_and_kind<'t>(texts: &[&'t str], setting: Setting) -> (Vec<&'t str>, Option<&'static str>) {
    let mut name = texts.to_vec();
    if let [before @ .., first, second] = texts {
        let phrase = format!("{first} {second}");
        if let Some((_, kind)) = PHRASES.iter().find(|(words, _)| *words == phrase)
            && !before.is_empty()
        {
            let before = before.strip_suffix(&["nuclear"]).unwrap_or(before);
            return (before.to_vec(), Some(kind));
        }
        if let Some(kind) = kind(second) {
            name.pop();
            return (name, Some(kind));
        }
        if let Some(kind) = kind(texts[0]).filter(|kind| texts[1] == "of" || matches!(*kind, "lake" | "camp")) {
            let name = texts[1..].iter().filter(|word| **word != "of").copied().collect();
            return (name, Some(kind));
        }
    }
    (name, setting.kind)
}

/// `name`, or what it is called elsewhere; a kind that decides is told behind it.
fn renamed(name: &[&str], kind: Option<&str>) -> String {
    let bare = name.join(" ");
    let told = kind.map(|kind| format!("{bare} {kind}"));
    let found = |name: &str| RENAMED.iter().find(|(other, _)| *other == name).map(|(_, usual)| (*usual).to_owned());
    match (told.as_deref().and_then(found), kind) {
        (Some(usual), Some(kind)) => usual.strip_suffix(kind).map_or(usual.as_str(), str::trim_end).to_owned(),
        _ => found(&bare).unwrap_or_else(|| if bare == "dnieper" { "dnipro river".to_owned() } else { bare }),
    }
}

/// The first letters of the words that an abbreviation counts.
fn initials(name: &str) -> String {
    name.split(' ')
        .filter(|word| !matches!(*word, "of" | "the" | "and"))
        .filter_map(|word| word.chars().next())
        .collect()
}
