//! What a protocol calls our labels. Each protocol has a map of its own, which the operator's file of settings changes
//! label by label; what a protocol does with a label that has no entry is that protocol's affair.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The names that a protocol has for our labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LabelMap(BTreeMap<String, Names>);

/// The names of one label, in order of preference; none leaves the label out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a name, or a list of names")]
enum Names {
    One(String),
    Many(Vec<String>),
}

impl Names {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }
}

impl LabelMap {
    /// A map of these labels.
    pub(crate) fn of(entries: &[(&str, &[&str])]) -> Self {
        let names = |names: &[&str]| match names {
            [name] => Names::One((*name).to_owned()),
            names => Names::Many(names.iter().map(|&name| name.to_owned()).collect()),
        };
        Self(entries.iter().map(|&(label, of)| (label.to_owned(), names(of))).collect())
    }

    /// The names of `label`, the preferred one first: `None` if the map has no entry for it, none of them if its entry
    /// leaves it out.
    #[must_use]
    pub fn names(&self, label: &str) -> Option<&[String]> {
        self.0.get(label).map(Names::as_slice)
    }

    /// The preferred name of `label`: `label` itself if the map has no entry for it, nothing if its entry leaves it out.
    #[must_use]
    pub fn name_of<'a>(&'a self, label: &'a str) -> Option<&'a str> {
        match self.names(label) {
            Some(names) => names.first().map(String::as_str),
            None => Some(label),
        }
    }

    /// These entries, and those of `other` for labels that have none here.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let mut entries = other.0;
        entries.extend(self.0);
        Self(entries)
    }

    /// Every label with its names.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(label, names)| (label.as_str(), names.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_may_be_one_name_or_several_or_none() {
        let map: LabelMap = toml::from_str("PLACE = \"LOCATION\"\nUNIT = [\"ORG\", \"MIL\"]\nWEAPON = []\n").unwrap();
        assert_eq!(map.names("UNIT").unwrap(), ["ORG", "MIL"]);
        assert_eq!((map.names("WEAPON").unwrap().len(), map.names("PERSON")), (0, None));
        let names = ["PLACE", "UNIT", "WEAPON", "PERSON"].map(|label| map.name_of(label));
        assert_eq!(names, [Some("LOCATION"), Some("ORG"), None, Some("PERSON")]);
        let error = toml::from_str::<LabelMap>("PLACE = 5").unwrap_err().to_string();
        assert!(error.contains("expected a name, or a list of names"), "{error}");
    }

    #[test]
    fn an_entry_takes_the_place_of_the_default_for_its_label_only() {
        let defaults = LabelMap::of(&[("PLACE", &["LOCATION"]), ("UNIT", &["ORG"])]);
        let map = LabelMap::of(&[("PLACE", &["GPE"])]).or(defaults);
        assert_eq!((map.name_of("PLACE"), map.name_of("UNIT")), (Some("GPE"), Some("ORG")));
    }
}
