//! What can be wrong with an input as a whole; what is wrong with a row stays with the row.

use std::io;

use parquet::errors::ParquetError;

use crate::{Kind, Part};

/// An input that could not be read, or not further. What is wrong with one row only is in
/// [`Chunk::texts`](crate::Chunk::texts).
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store did not give the bytes.
    #[error("{name} could not be read: {source}")]
    Store {
        /// The file.
        name: String,
        /// What the store said.
        source: object_store::Error,
    },
    /// The file is another one than when it was listed.
    #[error("{name} changed after the plan was made: plan again, or put the old file back")]
    Changed {
        /// The file.
        name: String,
    },
    /// The file ends before its format says, or is none of that format.
    #[error("{name} is cut off or is no Parquet file ({reason}): write it again, or leave it out")]
    NotParquet {
        /// The file.
        name: String,
        /// What was missing.
        reason: String,
    },
    /// A row group cannot be decoded.
    #[error("{name}, row group {row_group}: {source}")]
    RowGroup {
        /// The file.
        name: String,
        /// The row group, counted from 0.
        row_group: usize,
        /// What the decoder said.
        source: ParquetError,
    },
    /// A compressed stream is broken.
    #[error("{name}: the {} stream is damaged or cut off after {byte} decoded bytes: {source}", .kind.compression.extension())]
    Compressed {
        /// The file.
        name: String,
        /// How it is compressed.
        kind: Kind,
        /// How many bytes had been decoded.
        byte: u64,
        /// What the decoder said.
        source: io::Error,
    },
    /// A column that was asked for is not there.
    #[error("{name} has no column {column:?}{}; it has {}", nearest(.column, .columns), listed(.columns))]
    MissingColumn {
        /// The file.
        name: String,
        /// The column that was asked for.
        column: String,
        /// The columns that there are.
        columns: Vec<String>,
    },
    /// The text column holds something else.
    #[error("{name}: the column {column:?} holds {found}, not text: name the column of the texts with --text-column")]
    NotText {
        /// The file.
        name: String,
        /// The column.
        column: String,
        /// The type that it has.
        found: String,
    },
    /// A part that a file of this kind cannot have, or that goes past its end.
    #[error("{name} has no {part}: the plan was made for another file")]
    NoSuchPart {
        /// The file.
        name: String,
        /// The part.
        part: Part,
    },
    /// A kind of file that is not read.
    #[error("{name}: a Parquet file compressed as a whole cannot be read in parts: decompress it first")]
    CompressedParquet {
        /// The file.
        name: String,
    },
    /// An output that is no output of Dateline, or a damaged one.
    #[error("{name}, {place}: {reason}")]
    NotAnOutput {
        /// The file.
        name: String,
        /// Where in it.
        place: String,
        /// What is wrong there.
        reason: String,
    },
    /// The thread that read ended early.
    #[error("reading {name} broke off: {reason}")]
    Broken {
        /// The file.
        name: String,
        /// How.
        reason: String,
    },
}

/// `; did you mean "body"?`, if one of the names is near.
fn nearest(column: &str, columns: &[String]) -> String {
    let distance = |name: &&String| strsim::damerau_levenshtein(&name.to_lowercase(), &column.to_lowercase());
    columns
        .iter()
        .filter(|name| distance(name) <= 1 + column.chars().count() / 4)
        .min_by_key(distance)
        .map_or_else(String::new, |name| format!(" (did you mean {name:?}?)"))
}

/// At most so many names: a table of a thousand columns would fill the screen.
const SHOWN: usize = 20;

fn listed(columns: &[String]) -> String {
    let shown: Vec<_> = columns.iter().take(SHOWN).map(|name| format!("{name:?}")).collect();
    match columns.len() {
        0 => "no columns".to_owned(),
        all if all > SHOWN => format!("{} and {} more", shown.join(", "), all - SHOWN),
        _ => shown.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_column_is_told_with_its_neighbours() {
        let missing = |column: &str, columns: &[&str]| {
            let columns = columns.iter().map(|&name| name.to_owned()).collect();
            ReadError::MissingColumn { name: "a.csv".into(), column: column.into(), columns }.to_string()
        };
        let said = missing("text", &["id", "Text"]);
        assert_eq!(said, r#"a.csv has no column "text" (did you mean "Text"?); it has "id", "Text""#);
        assert_eq!(missing("text", &["body"]), r#"a.csv has no column "text"; it has "body""#);
        assert_eq!(missing("text", &[]), r#"a.csv has no column "text"; it has no columns"#);
    }
}
