//! Byte offsets to code points and UTF-16 units, and back.
//!
//! The conversion walks the text once for any number of ascending offsets and costs nothing for ASCII, where all three
//! units are the same number. The walk counts lead bytes eight at a time, so a late offset in a long text stays cheap.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Span;

/// The unit in which a caller counts offsets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OffsetUnit {
    /// Bytes of UTF-8: Rust, Go, search indexes.
    Byte,
    /// Unicode code points: Python, spaCy, Label Studio, W3C Web Annotation.
    #[default]
    Codepoint,
    /// UTF-16 code units: JavaScript, Java, UIMA.
    Utf16,
}

impl OffsetUnit {
    /// All units, in the order in which help texts name them.
    pub const ALL: [Self; 3] = [Self::Codepoint, Self::Utf16, Self::Byte];

    /// The unit's name on the command line and over HTTP.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Byte => "byte",
            Self::Codepoint => "codepoint",
            Self::Utf16 => "utf16",
        }
    }
}

impl fmt::Display for OffsetUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Not the name of an offset unit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown offset unit {0:?}: use \"codepoint\", \"utf16\" or \"byte\"")]
pub struct UnknownOffsetUnit(pub String);

impl FromStr for OffsetUnit {
    type Err = UnknownOffsetUnit;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|unit| unit.name() == name).ok_or_else(|| UnknownOffsetUnit(name.to_owned()))
    }
}

/// An offset that is no position of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OffsetError {
    /// The offset is past the text's end.
    #[error("offset {offset} is past the end of the text, which has {length} in {unit} units")]
    PastEnd {
        /// The offset as given.
        offset: usize,
        /// The text's length in that unit.
        length: usize,
        /// The unit.
        unit: OffsetUnit,
    },
    /// The offset falls inside a character.
    #[error("offset {offset} in {unit} units falls inside a character")]
    InsideCharacter {
        /// The offset as given.
        offset: usize,
        /// The unit.
        unit: OffsetUnit,
    },
    /// A span that ends before it starts.
    #[error("a span ends at {end}, before its start at {start}")]
    Reversed {
        /// The start as given.
        start: usize,
        /// The end as given.
        end: usize,
    },
}

/// Converts offsets of one text between bytes and another unit.
///
/// It remembers the last position, so offsets that mostly ascend cost one walk over the text in all; a smaller offset
/// than the last starts again from the front.
///
/// ```
/// use dateline_text::{OffsetMap, OffsetUnit, Span};
///
/// let mut map = OffsetMap::new("né 🚀 Kyiv", OffsetUnit::Codepoint);
/// assert_eq!(map.span_from_bytes(Span::new(9, 13)), (5, 9));
/// assert_eq!(map.span_to_bytes(5, 9), Ok(Span::new(9, 13)));
/// ```
#[derive(Clone, Debug)]
pub struct OffsetMap<'t> {
    text: &'t str,
    unit: OffsetUnit,
    /// In every unit all offsets are byte offsets: the text is ASCII or the unit is the byte.
    identity: bool,
    byte: usize,
    count: usize,
}

impl<'t> OffsetMap<'t> {
    /// A converter for `text` between bytes and `unit`.
    #[must_use]
    pub fn new(text: &'t str, unit: OffsetUnit) -> Self {
        let identity = unit == OffsetUnit::Byte || text.is_ascii();
        Self { text, unit, identity, byte: 0, count: 0 }
    }

    /// The offset in the map's unit of a byte offset.
    ///
    /// # Panics
    /// If `byte` is past the text's end or inside a character: inside Dateline byte offsets are right by construction.
    pub fn from_bytes(&mut self, byte: usize) -> usize {
        assert!(self.text.is_char_boundary(byte), "byte offset {byte} is no character boundary of its text");
        if self.identity {
            return byte;
        }
        if byte < self.byte {
            (self.byte, self.count) = (0, 0);
        }
        self.count += self.units_in(&self.text[self.byte..byte]);
        self.byte = byte;
        self.count
    }

    /// Start and end of a byte span in the map's unit.
    ///
    /// # Panics
    /// If the span is not a slice of the text.
    pub fn span_from_bytes(&mut self, span: Span) -> (usize, usize) {
        (self.from_bytes(span.start()), self.from_bytes(span.end()))
    }

    /// The byte offset of an offset in the map's unit.
    ///
    /// # Errors
    /// [`OffsetError`] if `offset` is past the text's end or falls inside a character (half of a surrogate pair, or a
    /// byte within one).
    pub fn to_bytes(&mut self, offset: usize) -> Result<usize, OffsetError> {
        let unit = self.unit;
        if self.identity {
            return if offset > self.text.len() {
                Err(OffsetError::PastEnd { offset, length: self.text.len(), unit })
            } else if self.text.is_char_boundary(offset) {
                Ok(offset)
            } else {
                Err(OffsetError::InsideCharacter { offset, unit })
            };
        }
        if offset < self.count {
            (self.byte, self.count) = (0, 0);
        }
        for character in self.text[self.byte..].chars() {
            if self.count >= offset {
                break;
            }
            let width = self.units_of(character);
            if self.count + width > offset {
                return Err(OffsetError::InsideCharacter { offset, unit });
            }
            self.count += width;
            self.byte += character.len_utf8();
        }
        if self.count < offset {
            return Err(OffsetError::PastEnd { offset, length: self.count, unit });
        }
        Ok(self.byte)
    }

    /// The byte span of a start and an end in the map's unit.
    ///
    /// # Errors
    /// [`OffsetError`] if either is no position of the text, or if they are the wrong way round.
    pub fn span_to_bytes(&mut self, start: usize, end: usize) -> Result<Span, OffsetError> {
        if start > end {
            return Err(OffsetError::Reversed { start, end });
        }
        Ok(Span::new(self.to_bytes(start)?, self.to_bytes(end)?))
    }

    fn units_in(&self, slice: &str) -> usize {
        match self.unit {
            OffsetUnit::Byte => slice.len(),
            // `count` of std is vectorised: it counts the bytes that are no continuation.
            OffsetUnit::Codepoint => slice.chars().count(),
            // One unit for every character and one more for those of four bytes, whose lead byte is 0xF0 or above.
            OffsetUnit::Utf16 => slice.chars().count() + slice.bytes().filter(|&byte| byte >= 0xF0).count(),
        }
    }

    const fn units_of(&self, character: char) -> usize {
        match self.unit {
            OffsetUnit::Byte => character.len_utf8(),
            OffsetUnit::Codepoint => 1,
            OffsetUnit::Utf16 => character.len_utf16(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Text that is hard on offsets: emoji and their sequences, combining marks, right-to-left text, NUL, CRLF,
    /// characters of one to four bytes.
    fn awkward_text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("🚀".to_owned()),
            Just("👩‍🚒".to_owned()),
            Just("🇺🇦".to_owned()),
            Just("e\u{301}".to_owned()),
            Just("שלום".to_owned()),
            Just("دمشق".to_owned()),
            Just("\u{202e}".to_owned()),
            Just("\0".to_owned()),
            Just("\r\n".to_owned()),
            Just("𝕂yiv".to_owned()),
            Just("\u{10ffff}".to_owned()),
            Just("\u{feff}".to_owned()),
            "[a-zA-Z0-9 .,']{0,8}",
            any::<String>(),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    fn boundaries(text: &str) -> Vec<usize> {
        (0..=text.len()).filter(|&byte| text.is_char_boundary(byte)).collect()
    }

    /// The slow and obvious count that the fast one must equal.
    fn reference(text: &str, byte: usize, unit: OffsetUnit) -> usize {
        match unit {
            OffsetUnit::Byte => byte,
            OffsetUnit::Codepoint => text[..byte].chars().count(),
            OffsetUnit::Utf16 => text[..byte].encode_utf16().count(),
        }
    }

    proptest! {
        #[test]
        fn every_position_converts_there_and_back(text in awkward_text(), unit in prop::sample::select(&OffsetUnit::ALL)) {
            let mut forward = OffsetMap::new(&text, unit);
            let mut back = OffsetMap::new(&text, unit);
            for byte in boundaries(&text) {
                let offset = forward.from_bytes(byte);
                prop_assert_eq!(offset, reference(&text, byte, unit));
                prop_assert_eq!(back.to_bytes(offset), Ok(byte));
            }
        }

        #[test]
        fn order_of_the_questions_does_not_matter(
            text in awkward_text(),
            unit in prop::sample::select(&OffsetUnit::ALL),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
        ) {
            let bytes = boundaries(&text);
            let mut map = OffsetMap::new(&text, unit);
            for pick in picks {
                let byte = bytes[pick.index(bytes.len())];
                let offset = map.from_bytes(byte);
                prop_assert_eq!(offset, reference(&text, byte, unit));
                prop_assert_eq!(map.to_bytes(offset), Ok(byte));
            }
        }

        #[test]
        fn a_slice_is_the_same_in_all_units(text in awkward_text(), a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
            let bytes = boundaries(&text);
            let (a, b) = (bytes[a.index(bytes.len())], bytes[b.index(bytes.len())]);
            let span = Span::new(a.min(b), a.max(b));
            let slice = span.slice(&text).unwrap();

            let (start, end) = OffsetMap::new(&text, OffsetUnit::Codepoint).span_from_bytes(span);
            let by_codepoint: String = text.chars().skip(start).take(end - start).collect();
            prop_assert_eq!(&by_codepoint, slice);

            let (start, end) = OffsetMap::new(&text, OffsetUnit::Utf16).span_from_bytes(span);
            let utf16: Vec<u16> = text.encode_utf16().collect();
            prop_assert_eq!(&String::from_utf16(&utf16[start..end]).unwrap(), slice);
        }

        #[test]
        fn any_number_converts_or_is_refused(text in awkward_text(), offset in 0_usize..200, unit in prop::sample::select(&OffsetUnit::ALL)) {
            match OffsetMap::new(&text, unit).to_bytes(offset) {
                Ok(byte) => prop_assert_eq!(reference(&text, byte, unit), offset),
                Err(OffsetError::PastEnd { length, .. }) => {
                    prop_assert_eq!(length, reference(&text, text.len(), unit));
                    prop_assert!(offset > length);
                }
                Err(OffsetError::InsideCharacter { .. }) => {
                    prop_assert!(boundaries(&text).iter().all(|&byte| reference(&text, byte, unit) != offset));
                }
                Err(OffsetError::Reversed { .. }) => prop_assert!(false, "only spans can be reversed"),
            }
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_refused() {
        let mut map = OffsetMap::new("a🚀b", OffsetUnit::Utf16);
        assert_eq!(map.to_bytes(2), Err(OffsetError::InsideCharacter { offset: 2, unit: OffsetUnit::Utf16 }));
        assert_eq!(map.to_bytes(3), Ok(5), "a refused question does not spoil the next");
        assert_eq!(map.to_bytes(5), Err(OffsetError::PastEnd { offset: 5, length: 4, unit: OffsetUnit::Utf16 }));
        assert_eq!(map.span_to_bytes(4, 1), Err(OffsetError::Reversed { start: 4, end: 1 }));
    }

    #[test]
    fn units_are_known_by_name() {
        for unit in OffsetUnit::ALL {
            assert_eq!(unit.name().parse(), Ok(unit));
            assert_eq!(serde_json::to_string(&unit).unwrap(), format!("\"{unit}\""));
        }
        assert!("chars".parse::<OffsetUnit>().unwrap_err().to_string().contains("codepoint"));
    }
}
