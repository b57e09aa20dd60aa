//! What the columns of an output are called.

use arrow_schema::Schema;

use super::{WriteError, WriteOptions};

/// Where a row came from.
pub(crate) const ROW: &str = "row";
/// What was found in it.
pub(crate) const MENTIONS: &str = "mentions";
/// Why nothing was.
pub(crate) const ERROR: &str = "error";

/// Names that a carried column cannot have.
pub(crate) fn reserved(explode: bool) -> &'static [&'static str] {
    const PLAIN: &[&str] = &[ROW, MENTIONS, ERROR];
    const EXPLODED: &[&str] = &[ROW, MENTIONS, ERROR, "start", "end", "label", "text", "score"];
    if explode { EXPLODED } else { PLAIN }
}

/// What the column of the documents' texts is called, if there is one: as in the input, or `document` where that name
/// is taken (`text` is a mention's own words in an exploded output).
pub(super) fn text(options: &WriteOptions) -> Option<&str> {
    options.include_text.then(|| {
        let taken = reserved(options.explode).contains(&options.text_column.as_str());
        if taken { "document" } else { options.text_column.as_str() }
    })
}

/// An error if a carried column has the name of one of ours, or of another one.
pub(super) fn check(carried: &Schema, options: &WriteOptions) -> Result<(), WriteError> {
    for (index, field) in carried.fields().iter().enumerate() {
        let name = field.name();
        if reserved(options.explode).contains(&name.as_str()) || text(options) == Some(name) {
            return Err(WriteError::NameClash { column: name.clone() });
        }
        if carried.fields()[..index].iter().any(|other| other.name() == name) {
            return Err(WriteError::TwoColumns { column: name.clone() });
        }
    }
    Ok(())
}
