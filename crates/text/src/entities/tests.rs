//! The rules on names of their own, and what holds for any text.

use proptest::prelude::*;

use super::{counted, group};
use crate::{Entity, Label, Mention, Span};

/// A text of `surfaces` and a mention of each.
fn story(label: &str, surfaces: &[&str]) -> (String, Vec<Mention>) {
    let mut text = String::from("Headline\n\n");
    let mut mentions = Vec::new();
    for surface in surfaces {
        // What stands in `<>` is the mention; all of it if nothing does.
        let (before, rest) = surface.split_once('<').unwrap_or(("", surface));
        let (name, behind) = rest.split_once('>').unwrap_or((rest, ". "));
        text.push_str(before);
        let start = text.len();
        text.push_str(name);
        mentions.push(Mention::new(Span::new(start, text.len()), Label::new(label), 0.9));
        text.push_str(behind);
    }
    (text, mentions)
}

/// For each surface the number of its group, in the order in which groups are first mentioned.
fn grouped(label: &str, surfaces: &[&str]) -> Vec<usize> {
    let (text, mentions) = story(label, surfaces);
    let mut entities = group(&text, &mentions);
    entities.sort_by_key(|entity| entity.mentions[0]);
    let mut groups = vec![0; mentions.len()];
    for (number, entity) in entities.iter().enumerate() {
        entity.mentions.iter().for_each(|&mention| groups[mention] = number);
    }
    groups
}

/// Checks that the surfaces of a row are one thing, and rows different things, when all stand in one text.
fn check(label: &str, rows: &[&[&str]]) {
    let surfaces: Vec<&str> = rows.concat();
    let expected: Vec<usize> = rows.iter().enumerate().flat_map(|(row, names)| vec![row; names.len()]).collect();
    assert_eq!(grouped(label, &surfaces), expected, "{surfaces:?}");
}

#[test]
fn persons() {
    check(
        "PERSON",
        &[
            &[
                "Volodymyr Zelensky",
                "Zelensky",
                "Zelenskyy",
                "V. Zelensky",
                "Vladimir Zelenskiy",
                "ZELENSKY",
                "Zelensky’s",
            ],
            &["Olena Zelenska", "Zelenska"],
            &["Oleksandr Syrskyi", "Syrskyy", "Gen. Syrsky", "Alexander Syrsky"],
            &["Muammar Gaddafi", "Qaddafi", "Kadafi", "al-Gaddafi"],
            &["Mohammed bin Salman", "bin Salman", "Muhammad bin Salman"],
            &["Ursula von der Leyen", "von der Leyen", "Leyen"],
            &["J.D. Vance", "Vance", "JD Vance", "J. D. Vance"],
            &["Jean-Pierre Lacroix", "Lacroix", "Jean-Pierre"],
            &["Abdel Fattah al-Burhan", "Burhan", "Abdelfattah al-Burhan", "Abd al-Fattah el-Burhan"],
            &["Viktor Petrovych Lysenko", "Viktor Petrovych", "Lysenko", "Viktor Lysenko"],
            &["<Mohamed Hamdan Dagalo>, known as ", "Hemedti", "Dagalo", "Hemedti"],
            &["Félix-Antoine Tshisekedi", "Félix Tshisekedi", "Félix"],
            &["Anna Kowalska-Nowak", "Kowalska"],
            &["Iyad Ag Ghaly", "Ag Ghaly", "Ghaly"],
            &["Kim Jong Un", "Kim Jong-un", "Kim"],
        ],
    );
    check("PER", &[&["Владимир Зеленский", "Зеленский"], &["محمد ضيف", "ضيف"]]);
}

#[test]
fn a_surname_that_two_share_is_the_nearest_ones() {
    let surfaces = ["Ivan Petrenko", "Petrenko", "Anna Petrenko", "Anna", "Petrenko", "Ivan"];
    assert_eq!(grouped("PERSON", &surfaces), [0, 0, 1, 1, 0, 0], "and stays whose it was");
    assert_eq!(grouped("PERSON", &["Ivan Petrenko", "Anna Petrenko", "Petrenko"]), [0, 1, 1]);
    assert_eq!(
        grouped("PERSON", &["Petrenko", "Ivan Petrenko", "Anna Petrenko"]),
        [0, 0, 1],
        "of none before, the first"
    );
    assert_eq!(grouped("PERSON", &["Ivan Petrenko", "Anna Petrenko", "A. Petrenko"]), [0, 1, 1]);
    assert_eq!(grouped("PERSON", &["Abiy Ahmed", "Ahmed Hassan", "Ahmed"]), [0, 1, 0], "a surname before a given name");
}

#[test]
fn places() {
    check(
        "PLACE",
        &[
            &["Kyiv", "Kiev", "KYIV", "Kyiv’s"],
            &["Zaporizhzhia", "Zaporozhye", "Zaporizhia"],
            &["Zaporizhzhia Nuclear Power Plant", "ZNPP", "Zaporizhzhia nuclear plant", "Zaporizhzhia plant"],
            &["Kharkiv", "Kharkov"],
            &["Mykolaiv", "Nikolaev"],
            &["Bakhmut", "Bahmut", "Artyomovsk"],
            &["Donetsk"],
            &["Donetsk Oblast", "<Donetsk> region ", "the province of <Donetsk>, ", "<Donetsk> and Luhansk oblasts. "],
            &["Deir ez-Zor", "Deir al-Zour", "Dayr az-Zawr"],
            &["Khan Yunis", "Khan Younis"],
            &["Gaza Strip", "Gaza"],
            &["Gaza City"],
            &["U.S.", "US", "United States", "USA"],
            &["United Kingdom", "UK", "Britain"],
            &["Dnipro", "the city of <Dnipro>. "],
            &["Dnieper River", "Dnieper", "crossed the <Dnipro> and ", "Dnipro River"],
            &["Litani River", "Litani"],
            &["Al-Shifa Hospital", "Shifa Hospital", "al-Shifa", "Al-Shifa Medical Complex"],
            &["Strait of Hormuz", "Hormuz Strait"],
            &["Jenin"],
            &["Jenin refugee camp", "Jenin camp"],
            &["Zamzam camp", "Zamzam"],
            &["Khartoum"],
            &["Khartoum State", "<Khartoum> state "],
            &["Rakhine State", "Rakhine"],
            &["Lake Chad"],
            &["Chad"],
            &["Niger"],
            &["Nigeria"],
            &["Yemen"],
            &["Oman"],
            &["Sana'a", "Sanaa", "Sana’a", "Sanaʿa"],
            &["Democratic Republic of the Congo", "DRC", "Congo"],
        ],
    );
    check("LOC", &[&["Україна", "УКРАЇНА"], &["دمشق"]]);
}

#[test]
fn units() {
    check(
        "UNIT",
        &[
            &["<Rapid Support Forces> (", "<RSF>), ", "RSF"],
            &["Israel Defense Forces", "IDF", "Israeli army", "Israeli Defence Forces"],
            &["Russian forces", "Russian troops", "Russian army"],
            &["Armed Forces of Ukraine", "Ukrainian forces", "Ukrainian Armed Forces", "AFU"],
            &["United States Army", "American troops"],
            &["Armed Forces of the Democratic Republic of the Congo", "FARDC", "Congolese army"],
            &["Ukrainian Air Force", "Air Force"],
            &["93rd Mechanized Brigade", "93rd Brigade", "93rd", "93rd Separate Mechanised Brigade", "93rd Mechanized"],
            &["92nd Assault Brigade", "92nd"],
            &["3rd Assault Brigade", "Third Assault Brigade"],
            &["Wagner Group", "Wagner"],
            &["Hezbollah", "Hizbullah"],
            &["Kataib Hezbollah"],
            &["Islamic State", "ISIS", "Daesh", "Islamic State group"],
            &["Islamic Revolutionary Guard Corps", "IRGC", "Revolutionary Guards"],
            &["Houthis", "Houthi", "Houthi forces", "Ansar Allah"],
            &["March 23 Movement", "M23"],
            &["U.S. Navy", "Navy"],
            &["Ukrainian air defense"],
            &["Syrian army"],
            &["Syrian National Army", "SNA"],
            &["12th Special Purpose Brigade Azov", "Azov Brigade", "Azov"],
        ],
    );
}

#[test]
fn formations_that_contradict_stay_apart() {
    check("UNIT", &[&["1st Tank Brigade"], &["1st Mechanized Brigade"], &["1st Tank Army"], &["11th Tank Brigade"]]);
}

#[test]
fn weapons() {
    check(
        "WEAPON",
        &[
            &["F-16", "F16", "F-16s", "F-16 fighter jets", "F 16"],
            &["F-35"],
            &["Shahed-136 drones", "Shahed 136", "Shaheds", "Shahed–136s"],
            &["drones", "drone", "DRONES", "UAVs"],
            &["kamikaze drones", "Kamikaze drone"],
            &["HIMARS", "HIMARS launchers"],
            &["Bayraktar TB2", "TB2s", "Bayraktars"],
            &["T-72B3", "T-72"],
            &["anti-tank missiles", "antitank missile"],
            &["armored vehicles", "armoured vehicle"],
            &["improvised explosive devices", "IEDs", "IED"],
            &["155mm shells", "155-millimeter shells", "155 mm shell"],
            &["shells"],
            &["surface-to-air missiles", "SAMs"],
            &["BM-21 Grad", "Grads", "Grad rockets"],
            &["RPG-7", "RPGs"],
            &["USS Halvorsen", "Halvorsen"],
        ],
    );
    assert_eq!(grouped("WEAPON", &["Shahed-131", "Shahed-136", "Shaheds"]), [0, 1, 1], "of two models the nearest");
}

#[test]
fn labels_never_mix() {
    let text = "Wagner Wagner Wagner";
    let labels = ["PERSON", "UNIT", "ORG"];
    let mentions: Vec<Mention> = labels
        .iter()
        .enumerate()
        .map(|(at, label)| Mention::new(Span::new(7 * at, 7 * at + 6), Label::new(label), 0.5))
        .collect();
    let entities = group(text, &mentions);
    assert_eq!(entities.iter().map(|entity| entity.label.as_str()).collect::<Vec<_>>(), labels);
}

#[test]
fn labels_without_rules_are_grouped_by_their_words() {
    check("DATE", &[&["2 March", "2 march"], &["March"], &["🚀"], &["🚁"]]);
}

#[test]
fn the_fullest_name_is_the_name() {
    for (label, surfaces, name) in [
        ("PERSON", &["ZELENSKY", "Zelensky", "Volodymyr Zelensky", "V. Zelensky"][..], "Volodymyr Zelensky"),
        ("UNIT", &["RSF", "RSF", "Rapid Support Forces"], "Rapid Support Forces"),
        ("UNIT", &["Israeli army", "IDF", "Israel Defense Forces"], "Israel Defense Forces"),
        ("PLACE", &["U.S.", "U.S.", "United States"], "United States"),
        ("PLACE", &["KYIV", "Kiev", "Kyiv", "Kyiv"], "Kyiv"),
        ("WEAPON", &["drone", "drones", "drones"], "drones"),
    ] {
        let (text, mentions) = story(label, surfaces);
        let entities = group(&text, &mentions);
        assert_eq!(entities.len(), 1, "{surfaces:?}");
        assert_eq!(entities[0].name(&text, &mentions), name);
    }
}

#[test]
fn the_most_relevant_come_first() {
    let (text, mentions) = story("PLACE", &["Kyiv", "Odesa", "Lviv", "Odesa", "Odesa", "Sumy"]);
    let entities = group(&text, &mentions);
    let names: Vec<&str> = entities.iter().map(|entity| entity.name(&text, &mentions)).collect();
    assert_eq!(names, ["Odesa", "Kyiv", "Lviv", "Sumy"]);
}

/// The work, in keys looked up, on `count` mentions.
fn work(count: usize, name: impl Fn(usize) -> String) -> usize {
    let names: Vec<String> = (0..count).map(name).collect();
    let (text, mentions) = story("PERSON", &names.iter().map(String::as_str).collect::<Vec<_>>());
    let (entities, lookups) = counted(&text, &mentions);
    assert_eq!(entities.iter().map(|entity| entity.mentions.len()).sum::<usize>(), count);
    lookups
}

#[test]
fn the_work_grows_with_the_mentions() {
    // Many who share a surname, all different, or one again and again: what a comparison of pairs would stumble on.
    let name = |at: usize| match at % 4 {
        0 => format!("N{at} Petrov"),
        1 => "Petrov".to_owned(),
        2 => format!("S{at}"),
        _ => "Volodymyr Zelensky".to_owned(),
    };
    let (some, all) = (work(100_000, name), work(200_000, name));
    assert!(all <= 2 * some, "{some} lookups for half of them, {all} for all");
    assert!(all <= 200_000 * 10, "{all} lookups");
}

/// Words that rules look at, and text that takes any rule out of its depth.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(vec![
            "Zelensky", "V.", "al-", "Abd", "Abu ", "bin ", "the ", "Gaza ", "Strip", "Oblast", "93rd ", "Brigade", "(RSF)", "U.S. ",
            "forces", "F-16s", "Shahed", "136", "mm", "drone", "“Fox” ", "’s ", "'", "-", "–", ".", " of ", "River", "\r\n", "\0", " ",
            "🚀", "👩‍🚀", "e\u{301}", "שלום", "دمشق", "Київ", "𝔄", "known as ", "(", ")", "Jr.", "X Æ", "İ", "ß", "N",
        ])
        .prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

/// A text and mentions anywhere in it, also on top of each other and in no order.
fn document() -> impl Strategy<Value = (String, Vec<Mention>)> {
    let labels = prop::sample::select(vec!["PERSON", "PLACE", "UNIT", "WEAPON", "DATE", "PER"]);
    let places = prop::collection::vec((any::<prop::sample::Index>(), 1_usize..24, labels, 0.0_f32..1.0), 0..24);
    (prop::collection::vec(piece(), 1..40), places).prop_map(|(pieces, places)| {
        let text = pieces.concat();
        let mut edges: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        edges.push(text.len());
        let mentions = places.into_iter().filter(|_| edges.len() > 1).map(|(start, length, label, score)| {
            let start = start.index(edges.len() - 1);
            let end = (start + length).min(edges.len() - 1);
            Mention::new(Span::new(edges[start], edges[end]), Label::new(label), score)
        });
        let mentions = mentions.collect();
        (text, mentions)
    })
}

fn holds(entities: &[Entity], mentions: &[Mention]) {
    let mut seen: Vec<usize> = entities.iter().flat_map(|entity| entity.mentions.iter().copied()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..mentions.len()).collect::<Vec<_>>(), "every mention is in one entity");
    for entity in entities {
        assert!(entity.mentions.contains(&entity.name));
        assert!(entity.mentions.is_sorted());
        assert!(entity.mentions.iter().all(|&mention| mentions[mention].label == entity.label));
        assert!((0.0..=1.0).contains(&entity.relevance));
        assert!(entity.mentions.iter().any(|&mention| mentions[mention].score == entity.score));
        assert!(entity.mentions.iter().all(|&mention| mentions[mention].score <= entity.score));
    }
    assert!(entities.is_sorted_by(|left, right| left.relevance >= right.relevance));
}

proptest! {
    #[test]
    fn any_text_is_grouped_whole((text, mentions) in document(), (other, others) in document()) {
        let entities = group(&text, &mentions);
        holds(&entities, &mentions);
        // Nothing is remembered from document to document.
        let _ = group(&other, &others);
        prop_assert_eq!(&entities, &group(&text, &mentions));
    }

    #[test]
    fn like_surfaces_of_things_without_rules_are_one((text, mut mentions) in document()) {
        mentions.iter_mut().for_each(|mention| mention.label = Label::new("DATE"));
        let entities = group(&text, &mentions);
        let entity_of = |mention: usize| entities.iter().position(|entity| entity.mentions.contains(&mention));
        for left in 0..mentions.len() {
            for right in 0..left {
                if mentions[left].slice(&text) == mentions[right].slice(&text) {
                    prop_assert_eq!(entity_of(left), entity_of(right));
                }
            }
        }
    }
}
