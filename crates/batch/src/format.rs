//! What kind of file an input is: its format and how it is compressed, told by its name.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The format of an input file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Apache Parquet: a document a row.
    Parquet,
    /// A JSON object a line.
    Jsonl,
    /// Comma-separated values with a header.
    Csv,
    /// Tab-separated values with a header, quoted as CSV is.
    Tsv,
    /// A document a file.
    Text,
}

impl Format {
    /// All formats, in the order in which help texts name them.
    pub const ALL: [Self; 5] = [Self::Parquet, Self::Jsonl, Self::Csv, Self::Tsv, Self::Text];

    /// The format's name on the command line and in a plan.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Text => "text",
        }
    }

    /// The format that a file name's extension (without the dot, any case) stands for.
    #[must_use]
    pub fn from_extension(extension: &str) -> Option<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "parquet" | "pq" | "parq" => Some(Self::Parquet),
            "jsonl" | "ndjson" | "jsonlines" => Some(Self::Jsonl),
            "csv" => Some(Self::Csv),
            "tsv" | "tab" => Some(Self::Tsv),
            "txt" | "text" | "md" => Some(Self::Text),
            _ => None,
        }
    }

    /// Whether a file of this format is a table with named columns.
    #[must_use]
    pub const fn has_columns(self) -> bool {
        !matches!(self, Self::Text)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How a whole file is compressed, beyond what its format does inside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip, of one member or several.
    Gzip,
    /// Zstandard, of one frame or several.
    Zstd,
}

impl Compression {
    /// The extension that a file so compressed has, with its dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }
}

/// Format and compression of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Kind {
    /// What the file holds.
    pub format: Format,
    /// What is wrapped around it.
    #[serde(default, skip_serializing_if = "is_none")]
    pub compression: Compression,
}

fn is_none(compression: &Compression) -> bool {
    *compression == Compression::None
}

impl Kind {
    /// A file of `format` that is not compressed as a whole.
    #[must_use]
    pub const fn plain(format: Format) -> Self {
        Self { format, compression: Compression::None }
    }

    /// The kind that a file's name stands for: `news.jsonl.zst` is JSONL in Zstandard. `None` for any other extension.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        let (stem, compression) = Self::compression_of(name);
        let format = Format::from_extension(stem.rsplit(['/', '\\']).next()?.rsplit_once('.')?.1)?;
        Some(Self { format, compression })
    }

    /// A name without the extension of a compression, and that compression.
    #[must_use]
    pub fn compression_of(name: &str) -> (&str, Compression) {
        let Some((stem, extension)) = name.rsplit_once('.') else { return (name, Compression::None) };
        match extension.to_ascii_lowercase().as_str() {
            "gz" | "gzip" => (stem, Compression::Gzip),
            "zst" | "zstd" => (stem, Compression::Zstd),
            _ => (name, Compression::None),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.format, self.compression.extension())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_kind() {
        let kinds = [
            "a/b.parquet",
            "news.JSONL.GZ",
            "s3://b/x.ndjson.zst",
            "t.tsv",
            "notes.md",
            "README",
            "x.gz",
            "dir.csv/x",
            "a.tar.gz",
        ]
        .map(|name| Kind::of(name).map(|kind| kind.to_string()));
        let kinds = kinds.each_ref().map(|kind| kind.as_deref());
        let expected =
            [Some("parquet"), Some("jsonl.gz"), Some("jsonl.zst"), Some("tsv"), Some("text"), None, None, None, None];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn a_plan_names_formats_as_the_command_line_does() {
        for format in Format::ALL {
            assert_eq!(serde_json::to_string(&format).unwrap(), format!("\"{format}\""));
        }
        assert_eq!(serde_json::to_string(&Kind::plain(Format::Csv)).unwrap(), r#"{"format":"csv"}"#);
    }
}
