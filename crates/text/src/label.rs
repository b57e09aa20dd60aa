//! What a mention is marked as. The default model knows PERSON, PLACE, UNIT and WEAPON, but the labels of any model
//! pass through unchanged, so a label is a shared string and not an enum.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A mention's label, such as `PLACE`. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Label(#[serde(with = "shared_string")] Arc<str>);

impl Label {
    /// A label of that name.
    #[must_use]
    pub fn new(name: impl AsRef<str>) -> Self {
        Self(Arc::from(name.as_ref()))
    }

    /// The label's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Label {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl PartialEq<str> for Label {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<&str> for Label {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == *other
    }
}

/// `Arc<str>` as a plain JSON string, without serde's `rc` feature for the whole workspace.
mod shared_string {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(name: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(name)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
        String::deserialize(deserializer).map(Arc::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_plain_string_in_json() {
        let label: Label = serde_json::from_str("\"PLACE\"").unwrap();
        assert_eq!(label, "PLACE");
        assert_eq!(serde_json::to_string(&label).unwrap(), "\"PLACE\"");
        assert_eq!(format!("{label:>7}|"), "  PLACE|");
    }
}
