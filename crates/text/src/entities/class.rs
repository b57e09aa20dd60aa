//! Which rules a label's mentions are grouped by.

/// A family of labels with rules of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Class {
    /// Human beings.
    Person,
    /// Places.
    Place,
    /// Bodies of people.
    Unit,
    /// Weapons and other models of things.
    Weapon,
    /// Anything else: mentions are one thing if their folded words are the same.
    Other,
}

impl Class {
    /// The class of a label's name, in any case. The names are those of the default model and of the public models and
    /// corpora that mark news: CoNLL 2003, OntoNotes 5, WikiNEuRal, Few-NERD's coarse types, MUC.
    pub(super) fn of(label: &str) -> Self {
        match label.to_ascii_uppercase().as_str() {
            "PERSON" | "PER" | "PERS" => Self::Person,
            "PLACE" | "LOC" | "LOCATION" | "GPE" | "FAC" | "FACILITY" | "BUILDING" => Self::Place,
            "UNIT" | "ORG" | "ORGANIZATION" | "ORGANISATION" => Self::Unit,
            "WEAPON" | "PRODUCT" | "VEHICLE" => Self::Weapon,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_other_models_have_their_class() {
        for (label, class) in [
            ("PERSON", Class::Person),
            ("per", Class::Person),
            ("GPE", Class::Place),
            ("ORG", Class::Unit),
            ("WEAPON", Class::Weapon),
            ("DATE", Class::Other),
            ("", Class::Other),
        ] {
            assert_eq!(Class::of(label), class, "{label}");
        }
    }
}
