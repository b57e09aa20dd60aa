//! The values of settings that are no plain number or path. Each is read the same from a flag, a variable and a file.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A time span as whole or decimal seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seconds(pub(super) Duration);

/// A year: longer is a slip, and the sum of a moment and a much longer span is no moment any more.
const LONGEST: f64 = 31_536_000.0;

impl Seconds {
    /// Whole seconds.
    pub(super) const fn whole(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    fn new(seconds: f64) -> Result<Self, String> {
        if !(0.0..=LONGEST).contains(&seconds) {
            return Err("it must be between 0 and 31536000 seconds (a year)".to_owned());
        }
        Duration::try_from_secs_f64(seconds).map(Self).map_err(|error| error.to_string())
    }
}

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text.parse().map_err(|_| "give whole or decimal seconds, such as 30 or 0.5".to_owned())?)
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.subsec_nanos() == 0 {
            serializer.serialize_u64(self.0.as_secs())
        } else {
            serializer.serialize_f64(self.0.as_secs_f64())
        }
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = Seconds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("whole or decimal seconds, such as 30 or 0.5")
            }

            fn visit_i64<E: Error>(self, seconds: i64) -> Result<Seconds, E> {
                let whole = u64::try_from(seconds).map_err(|_| E::invalid_value(Unexpected::Signed(seconds), &self))?;
                self.visit_u64(whole)
            }

            fn visit_u64<E: Error>(self, seconds: u64) -> Result<Seconds, E> {
                let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
                Seconds::new(f64::from(seconds)).map_err(E::custom)
            }

            fn visit_f64<E: Error>(self, seconds: f64) -> Result<Seconds, E> {
                Seconds::new(seconds).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Number)
    }
}

/// A model to serve, and the name that it is to have in the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ModelSpec {
    /// The name, if one was given.
    pub(super) name: Option<String>,
    /// A folder, a name or an id.
    pub(super) source: String,
}

impl ModelSpec {
    /// The model `source` under its own name.
    pub(super) fn of(source: &str) -> Self {
        Self { name: None, source: source.to_owned() }
    }
}

impl FromStr for ModelSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let spec = match text.split_once('=') {
            // A folder whose name has an = in it is told from this by its path: ./a=b
            Some((name, source)) if !name.contains(['/', '\\']) => {
                if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
                    return Err(format!(
                        "{name:?} cannot be a model's name: use letters, digits, dots, hyphens and underscores"
                    ));
                }
                Self { name: Some(name.to_owned()), source: source.to_owned() }
            }
            _ => Self::of(text),
        };
        if spec.source.is_empty() {
            return Err("no model is named: give a folder, a name or OWNER/NAME".to_owned());
        }
        Ok(spec)
    }
}

impl fmt::Display for ModelSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name}=")?;
        }
        f.write_str(&self.source)
    }
}

/// Where a web page comes from, as browsers say it; `*` is any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin(String);

impl Origin {
    /// Whether it stands for all.
    pub(super) fn is_any(&self) -> bool {
        self.0 == "*"
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        // Browsers compare origins as strings: one with a path, or in capitals, would never match.
        let fits = host.is_some_and(|host| {
            !host.is_empty()
                && host.bytes().all(|b| b.is_ascii_graphic() && !b.is_ascii_uppercase() && !b"/?#@".contains(&b))
        });
        if fits || text == "*" {
            Ok(Self(text.to_owned()))
        } else {
            Err("give an origin as browsers send it, such as https://desk.example or http://localhost:3000, in lower \
                 case and without a path; or * for all"
                .to_owned())
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A list in a file: strings, or one string with commas, as in a flag.
pub(super) mod list {
    use std::marker::PhantomData;

    use serde::de::SeqAccess;

    use super::*;

    /// Writes the entries as strings.
    pub(in super::super) fn serialize<T: fmt::Display, S: Serializer>(
        list: &Option<Vec<T>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match list {
            Some(list) => serializer.collect_seq(list.iter().map(ToString::to_string)),
            None => serializer.serialize_none(),
        }
    }

    /// Reads the entries.
    pub(in super::super) fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
    where
        T: FromStr<Err: fmt::Display>,
        D: Deserializer<'de>,
    {
        deserializer.deserialize_any(Strings(PhantomData)).map(Some)
    }

    struct Strings<T>(PhantomData<T>);

    impl<'de, T: FromStr<Err: fmt::Display>> Visitor<'de> for Strings<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string or a list of strings")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<T>, E> {
            text.split(',').map(|part| part.parse().map_err(E::custom)).collect()
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(entry) = entries.next_element::<String>()? {
                list.push(entry.parse().map_err(A::Error::custom)?);
            }
            Ok(list)
        }
    }
}

/// A value in a file: a string, as in a flag.
pub(super) mod word {
    use super::*;

    /// Writes the value as a string.
    pub(in super::super) fn serialize<T: fmt::Display, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(value),
            None => serializer.serialize_none(),
        }
    }

    /// Reads the value.
    pub(in super::super) fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: fmt::Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?.parse().map(Some).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_whole_or_decimal() {
        assert_eq!("30".parse(), Ok(Seconds::whole(30)));
        assert_eq!("0.5".parse(), Ok(Seconds(Duration::from_millis(500))));
        assert_eq!("0".parse(), Ok(Seconds::whole(0)));
        for wrong in ["", "-1", "30s", "nan", "inf", "1e9"] {
            assert!(wrong.parse::<Seconds>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_model_may_have_a_name_of_its_own() {
        let spec =
            |name: Option<&str>, source: &str| ModelSpec { name: name.map(str::to_owned), source: source.to_owned() };
        for (text, expected) in [
            ("dateline-en-small", spec(None, "dateline-en-small")),
            ("fr=models/fr", spec(Some("fr"), "models/fr")),
            ("fr=owner/a=b", spec(Some("fr"), "owner/a=b")),
            ("./a=b", spec(None, "./a=b")),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
            assert_eq!(text.parse::<ModelSpec>().unwrap().to_string(), text);
        }
        for wrong in ["", "=x", "fr=", "the fr=x"] {
            assert!(wrong.parse::<ModelSpec>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_origin_is_what_browsers_send() {
        for right in ["*", "https://desk.example", "http://localhost:3000", "http://[::1]:80"] {
            assert!(right.parse::<Origin>().is_ok(), "{right}");
        }
        for wrong in
            ["", "desk.example", "https://", "https://desk.example/", "https://Desk.example", "ftp://a", "null"]
        {
            assert!(wrong.parse::<Origin>().is_err(), "{wrong}");
        }
    }
}
