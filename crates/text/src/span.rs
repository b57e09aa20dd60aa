//! A half-open range of bytes in a text: the one way that Dateline says "from here to there".

use std::fmt;
use std::ops::Range;

/// A half-open byte range `start..end` with `start <= end`.
///
/// A span does not know its text; [`Span::slice`] is where the two meet. The type is `Copy`, unlike [`Range`], and its
/// invariant is checked when it is made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    start: usize,
    end: usize,
}

impl Span {
    /// The span `start..end`, in bytes.
    ///
    /// # Panics
    /// If `start > end`: a caller's bug, never a matter of input.
    #[must_use]
    pub const fn new(start: usize, end: usize) -> Self {
        assert!(start <= end, "a span must not end before it starts");
        Self { start, end }
    }

    /// The first byte.
    #[must_use]
    pub const fn start(self) -> usize {
        self.start
    }

    /// One past the last byte.
    #[must_use]
    pub const fn end(self) -> usize {
        self.end
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len(self) -> usize {
        self.end - self.start
    }

    /// Whether the span holds no byte.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Whether the two spans share a byte.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// The smallest span that holds both.
    #[must_use]
    pub fn cover(self, other: Self) -> Self {
        Self::new(self.start.min(other.start), self.end.max(other.end))
    }

    /// The same span moved right by `bytes`.
    #[must_use]
    pub const fn shift(self, bytes: usize) -> Self {
        Self::new(self.start + bytes, self.end + bytes)
    }

    /// The slice of `text` under this span; `None` where it leaves the text or cuts a character.
    #[must_use]
    pub fn slice(self, text: &str) -> Option<&str> {
        text.get(self.start..self.end)
    }

    /// The span without the white space at its ends (an empty span at its start if nothing else is there).
    ///
    /// # Panics
    /// If the span is not a slice of `text`.
    #[must_use]
    pub fn trim(self, text: &str) -> Self {
        let slice = self.slice(text).expect("a span is trimmed in its own text");
        let start = self.start + (slice.len() - slice.trim_start().len());
        Self::new(start, start + slice.trim().len())
    }
}

impl From<Span> for Range<usize> {
    fn from(span: Span) -> Self {
        span.start..span.end
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_or_refuses() {
        let text = "a🚀b";
        assert_eq!(Span::new(1, 5).slice(text), Some("🚀"));
        assert_eq!(Span::new(1, 3).slice(text), None, "cuts a character");
        assert_eq!(Span::new(4, 9).slice(text), None, "leaves the text");
    }

    #[test]
    fn trims_every_kind_of_white_space() {
        let text = "x \u{a0}Kyiv\r\n y";
        assert_eq!(Span::new(1, text.len() - 1).trim(text).slice(text), Some("Kyiv"));
        assert!(Span::new(1, 4).trim(text).is_empty());
    }

    #[test]
    fn neighbours_do_not_overlap() {
        assert!(!Span::new(0, 3).overlaps(Span::new(3, 5)));
        assert!(Span::new(0, 4).overlaps(Span::new(3, 5)));
        assert_eq!(Span::new(0, 3).cover(Span::new(7, 9)), Span::new(0, 9));
    }
}
