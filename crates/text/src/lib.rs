//! What every part of Dateline speaks: documents, mentions, labels, spans in bytes, and the units in which callers
//! count offsets. No machine learning, no input or output.
//!
//! Inside Dateline an offset is always a byte offset into the document's own UTF-8 text, and the text is never
//! normalised, trimmed or re-joined. Other units exist only at the edge: see [`OffsetUnit`] and [`OffsetMap`].
//!
//! ```
//! use dateline_text::{Label, Mention, OffsetUnit, Span, record};
//!
//! let text = "🚀 Kyiv";
//! let kyiv = Mention::new(Span::new(5, 9), Label::new("PLACE"), 0.98);
//! assert_eq!(kyiv.slice(text), "Kyiv");
//! let wire = record::mentions(text, &[kyiv], OffsetUnit::Utf16);
//! assert_eq!((wire[0].start, wire[0].end), (3, 7));
//! ```

pub mod entities;
mod entity;
mod filter;
mod label;
mod mention;
mod offsets;
pub mod record;
mod span;

pub use entity::Entity;
pub use filter::MentionFilter;
pub use label::Label;
pub use mention::{Document, Mention};
pub use offsets::{OffsetError, OffsetMap, OffsetUnit, UnknownOffsetUnit};
pub use span::Span;
