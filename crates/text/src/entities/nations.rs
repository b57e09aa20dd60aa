//! Countries under their other names, and the adjectives that make an army theirs.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A country's usual name and, folded, its other names; and the adjectives of what is its own.
struct Nation {
    name: &'static str,
    names: &'static [&'static str],
    adjectives: &'static [&'static str],
}

const fn nation(name: &'static str, names: &'static [&'static str], adjectives: &'static [&'static str]) -> Nation {
    Nation { name, names, adjectives }
}

/// Every country that has an abbreviation or a second name in English reporting, or an adjective that is often put
/// before `forces`. Others are themselves: a name that is not listed is compared like any other.
const NATIONS: &[Nation] = &[
    nation("united states", &["us", "usa", "united states of america", "america"], &["us", "american", "united state"]),
    nation("united kingdom", &["uk", "britain", "great britain"], &["british", "uk"]),
    nation("united arab emirates", &["uae", "emirates"], &["emirati", "uae", "united arab emirate"]),
    nation(
        "democratic republic of congo",
        &["drc", "congo", "dr congo", "democratic republic of the congo", "congo kinshasa", "democratic congo"],
        &["congolese", "democratic republic congo", "congo"],
    ),
    nation("central african republic", &["car"], &["central african"]),
    nation("turkey", &["turkiye"], &["turkish"]),
    nation("myanmar", &["burma"], &["myanmar", "burmese"]),
    nation("ivory coast", &["cote d ivoire", "cote divoire"], &["ivorian"]),
    nation("czech republic", &["czechia"], &["czech"]),
    nation("north korea", &["dprk"], &["north korean"]),
    nation("south korea", &["republic of korea", "rok"], &["south korean"]),
    nation("russia", &["russian federation"], &["russian"]),
    nation("saudi arabia", &["ksa"], &["saudi", "saudi arabian"]),
    nation("china", &["prc"], &["chinese"]),
    nation("afghanistan", &[], &["afghan"]),
    nation("algeria", &[], &["algerian"]),
    nation("armenia", &[], &["armenian"]),
    nation("australia", &[], &["australian"]),
    nation("azerbaijan", &[], &["azerbaijani", "azeri"]),
    nation("bangladesh", &[], &["bangladeshi"]),
    nation("belarus", &["byelorussia"], &["belarusian", "belarussian"]),
    nation("burkina faso", &["burkina"], &["burkinabe"]),
    nation("burundi", &[], &["burundian"]),
    nation("cameroon", &[], &["cameroonian"]),
    nation("canada", &[], &["canadian"]),
    nation("chad", &[], &["chadian"]),
    nation("colombia", &[], &["colombian"]),
    nation("cuba", &[], &["cuban"]),
    nation("ecuador", &[], &["ecuadorian", "ecuadorean"]),
    nation("egypt", &[], &["egyptian"]),
    nation("eritrea", &[], &["eritrean"]),
    nation("estonia", &[], &["estonian"]),
    nation("ethiopia", &[], &["ethiopian"]),
    nation("finland", &[], &["finnish"]),
    nation("france", &[], &["french"]),
    nation("georgia", &[], &["georgian"]),
    nation("germany", &[], &["german"]),
    nation("greece", &[], &["greek"]),
    nation("guinea bissau", &[], &[]),
    nation("republic of congo", &["republic of the congo", "congo brazzaville"], &[]),
    nation("timor leste", &["east timor"], &["timorese"]),
    nation("tigray", &[], &["tigrayan"]),
    nation("haiti", &[], &["haitian"]),
    nation("india", &[], &["indian"]),
    nation("indonesia", &[], &["indonesian"]),
    nation("iran", &["islamic republic of iran"], &["iranian"]),
    nation("iraq", &[], &["iraqi"]),
    nation("israel", &[], &["israeli"]),
    nation("italy", &[], &["italian"]),
    nation("japan", &[], &["japanese"]),
    nation("jordan", &[], &["jordanian"]),
    nation("kenya", &[], &["kenyan"]),
    nation("kosovo", &[], &["kosovar"]),
    nation("latvia", &[], &["latvian"]),
    nation("lebanon", &[], &["lebanese"]),
    nation("libya", &[], &["libyan"]),
    nation("lithuania", &[], &["lithuanian"]),
    nation("mali", &[], &["malian"]),
    nation("mexico", &[], &["mexican"]),
    nation("moldova", &[], &["moldovan"]),
    nation("morocco", &[], &["moroccan"]),
    nation("mozambique", &[], &["mozambican"]),
    nation("netherlands", &["holland"], &["dutch"]),
    nation("niger", &[], &["nigerien"]),
    nation("nigeria", &[], &["nigerian"]),
    nation("norway", &[], &["norwegian"]),
    nation("pakistan", &[], &["pakistani"]),
    nation("philippines", &[], &["philippine", "filipino"]),
    nation("poland", &[], &["polish"]),
    nation("qatar", &[], &["qatari"]),
    nation("romania", &[], &["romanian"]),
    nation("rwanda", &[], &["rwandan"]),
    nation("serbia", &[], &["serbian", "serb"]),
    nation("somalia", &[], &["somali"]),
    nation("south africa", &[], &["south african"]),
    nation("south sudan", &[], &["south sudanese"]),
    nation("spain", &[], &["spanish"]),
    nation("sudan", &[], &["sudanese"]),
    nation("sweden", &[], &["swedish"]),
    nation("syria", &["syrian arab republic"], &["syrian"]),
    nation("taiwan", &[], &["taiwanese"]),
    nation("tajikistan", &[], &["tajik"]),
    nation("thailand", &[], &["thai"]),
    nation("tunisia", &[], &["tunisian"]),
    nation("uganda", &[], &["ugandan"]),
    nation("ukraine", &[], &["ukrainian"]),
    nation("venezuela", &[], &["venezuelan"]),
    nation("vietnam", &[], &["vietnamese"]),
    nation("yemen", &[], &["yemeni"]),
];

static BY_NAME: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| {
    let names = |nation: &'static Nation| nation.names.iter().map(|name| (*name, nation.name));
    NATIONS.iter().flat_map(|nation| names(nation).chain([(nation.name, nation.name)])).collect()
});

static BY_ADJECTIVE: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| {
    let adjectives = |nation: &'static Nation| nation.adjectives.iter().map(|adjective| (*adjective, nation.name));
    NATIONS.iter().flat_map(|nation| adjectives(nation).chain([(nation.name, nation.name)])).collect()
});

/// The usual name of the country called `name`, folded, if the list has it.
pub(super) fn country(name: &str) -> Option<&'static str> {
    BY_NAME.get(name).copied()
}

/// The country that the first one or two of `words` make an armed body's: its usual name and how many words it took.
pub(super) fn allegiance(words: &[&str]) -> Option<(&'static str, usize)> {
    (1..=words.len().min(3)).rev().find_map(|count| {
        let name = words[..count].join(" ");
        BY_ADJECTIVE.get(name.as_str()).map(|nation| (*nation, count))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_adjectives_lead_to_one_country() {
        assert_eq!(country("us"), country("united states of america"));
        assert_eq!(allegiance(&["south", "sudanese", "army"]), Some(("south sudan", 2)));
        assert_eq!(allegiance(&["sudanese", "army"]), Some(("sudan", 1)));
        assert_eq!(allegiance(&["american", "troops"]), allegiance(&["us", "forces"]));
        assert_eq!(allegiance(&["rapid", "support"]), None);
    }

    #[test]
    fn no_name_belongs_to_two_countries() {
        let names = NATIONS.iter().map(|nation| nation.names.len() + 1).sum::<usize>();
        assert_eq!(BY_NAME.len(), names);
    }
}
