//! The list of formats, and what each can do.

use std::fmt;
use std::io;
use std::str::FromStr;

use dateline_text::OffsetUnit;

use crate::conll::Scheme;
use crate::{
    Annotated, FormatError, brat, conll, csv, doccano, ftm, html, jsonl, label_studio, newsml_g2, ninjs, spacy,
    web_annotation,
};

/// Takes documents one by one and writes them in one format. Memory does not grow with the number of documents.
pub trait Write {
    /// Writes a document.
    ///
    /// # Errors
    /// [`FormatError`] if the format has no way to spell it, or the sink fails. The output stays well-formed after an
    /// unwritable document, which is left out of it.
    fn document(&mut self, document: &Annotated) -> Result<(), FormatError>;

    /// Writes what the format has at its end. Nothing is whole before.
    ///
    /// # Errors
    /// [`FormatError::Io`] if the sink fails.
    fn finish(self: Box<Self>) -> Result<(), FormatError>;
}

/// Reads documents one by one. After an error of one document the next call goes on with the next, wherever the format
/// allows it; after an error of the input itself there is no next.
pub trait Read: Iterator<Item = Result<Annotated, FormatError>> {}

impl<R: Iterator<Item = Result<Annotated, FormatError>>> Read for R {}

/// What decides the form of an output, or how an input is understood, beside its format.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The unit of offsets, for formats that leave it open (`jsonl`, `csv`). The others have one of their own.
    pub offsets: OffsetUnit,
    /// The model's name, for formats that say who made an annotation.
    pub model: Option<String>,
    /// When the output is made, as RFC 3339 has times, for formats that must say so (`newsml-g2`).
    pub created: Option<String>,
    /// Leaves the text out, for formats that can do without (`jsonl`).
    pub omit_text: bool,
    /// Writes only what goes into a page of one's own, for formats that are pages (`html`).
    pub fragment: bool,
}

/// A format, by the name that people call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Dateline's own JSON lines.
    Jsonl,
    /// CoNLL-2003's columns with BIO tags.
    Conll,
    /// The same columns with BIOES tags.
    ConllBioes,
    /// brat's standoff pairs, as a tar archive.
    Brat,
    /// JSON lines as spaCy's Prodigy has them.
    Spacy,
    /// doccano's JSON lines.
    Doccano,
    /// Label Studio's JSON.
    LabelStudio,
    /// A table, a row a mention.
    Csv,
    /// A page to look at.
    Html,
    /// W3C Web Annotations as JSON-LD lines.
    WebAnnotation,
    /// IPTC's ninjs 3.1.
    Ninjs,
    /// IPTC's ninjs 2.1.
    Ninjs2,
    /// IPTC's NewsML-G2 2.35.
    NewsmlG2,
    /// FollowTheMoney entities.
    Ftm,
}

impl Format {
    /// All formats, in the order in which help texts name them.
    pub const ALL: [Self; 14] = [
        Self::Jsonl,
        Self::Conll,
        Self::ConllBioes,
        Self::Brat,
        Self::Spacy,
        Self::Doccano,
        Self::LabelStudio,
        Self::Csv,
        Self::Html,
        Self::WebAnnotation,
        Self::Ninjs,
        Self::Ninjs2,
        Self::NewsmlG2,
        Self::Ftm,
    ];

    /// The format's name on the command line and over HTTP.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jsonl => jsonl::NAME,
            Self::Conll => Scheme::Bio.name(),
            Self::ConllBioes => Scheme::Bioes.name(),
            Self::Brat => brat::NAME,
            Self::Spacy => spacy::NAME,
            Self::Doccano => doccano::NAME,
            Self::LabelStudio => label_studio::NAME,
            Self::Csv => csv::NAME,
            Self::Html => html::NAME,
            Self::WebAnnotation => web_annotation::NAME,
            Self::Ninjs => ninjs::NAME,
            Self::Ninjs2 => ninjs::NAME_2,
            Self::NewsmlG2 => newsml_g2::NAME,
            Self::Ftm => ftm::NAME,
        }
    }

    /// The usual extension of its files, without the dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jsonl | Self::Spacy | Self::Doccano => "jsonl",
            Self::WebAnnotation | Self::Ninjs | Self::Ninjs2 | Self::Ftm => "jsonl",
            Self::NewsmlG2 => "xml",
            Self::Conll | Self::ConllBioes => "conll",
            Self::Brat => "tar",
            Self::LabelStudio => "json",
            Self::Csv => "csv",
            Self::Html => "html",
        }
    }

    /// Its media type, for a `Content-Type`.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Jsonl | Self::Spacy | Self::Doccano => "application/x-ndjson",
            Self::WebAnnotation | Self::Ninjs | Self::Ninjs2 | Self::Ftm => "application/x-ndjson",
            Self::NewsmlG2 => "application/vnd.iptc.g2.newsmessage+xml",
            Self::Conll | Self::ConllBioes => "text/plain; charset=utf-8",
            Self::Brat => "application/x-tar",
            Self::LabelStudio => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Html => "text/html; charset=utf-8",
        }
    }

    /// Whether it can be read. The others are for looking at, or do not say where mentions stand.
    #[must_use]
    pub const fn can_read(self) -> bool {
        !matches!(self, Self::Csv | Self::Html | Self::Ninjs | Self::Ninjs2 | Self::Ftm)
    }

    /// A writer of this format onto `sink`.
    #[must_use]
    pub fn writer<'w>(self, sink: Box<dyn io::Write + 'w>, options: &Options) -> Box<dyn Write + 'w> {
        match self {
            Self::Jsonl => Box::new(jsonl::Writer::new(sink, options)),
            Self::Conll => Box::new(conll::Writer::new(sink, Scheme::Bio)),
            Self::ConllBioes => Box::new(conll::Writer::new(sink, Scheme::Bioes)),
            Self::Brat => Box::new(brat::Writer::new(sink)),
            Self::Spacy => Box::new(spacy::Writer::new(sink, options)),
            Self::Doccano => Box::new(doccano::Writer::new(sink)),
            Self::LabelStudio => Box::new(label_studio::Writer::new(sink, options)),
            Self::Csv => Box::new(csv::Writer::new(sink, options)),
            Self::Html => Box::new(html::Writer::new(sink, options)),
            Self::WebAnnotation => Box::new(web_annotation::Writer::new(sink, options)),
            Self::Ninjs => Box::new(ninjs::Writer::new(sink, ninjs::Version::V3, options)),
            Self::Ninjs2 => Box::new(ninjs::Writer::new(sink, ninjs::Version::V2, options)),
            Self::NewsmlG2 => Box::new(newsml_g2::Writer::new(sink, options)),
            Self::Ftm => Box::new(ftm::Writer::new(sink, options)),
        }
    }

    /// A reader of this format, if it can be read.
    #[must_use]
    pub fn reader<'r>(self, source: Box<dyn io::BufRead + 'r>, options: &Options) -> Option<Box<dyn Read + 'r>> {
        Some(match self {
            Self::Jsonl => Box::new(jsonl::Reader::new(source, options.offsets)),
            Self::Conll => Box::new(conll::Reader::new(source, Scheme::Bio)),
            Self::ConllBioes => Box::new(conll::Reader::new(source, Scheme::Bioes)),
            Self::Brat => Box::new(brat::Reader::new(source)),
            Self::Spacy => Box::new(spacy::Reader::new(source)),
            Self::Doccano => Box::new(doccano::Reader::new(source)),
            Self::LabelStudio => Box::new(label_studio::Reader::new(source)),
            Self::WebAnnotation => Box::new(web_annotation::Reader::new(source)),
            Self::NewsmlG2 => Box::new(newsml_g2::Reader::new(source)),
            Self::Csv | Self::Html | Self::Ninjs | Self::Ninjs2 | Self::Ftm => return None,
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Not the name of a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown format {name:?}: use one of {}", Format::ALL.map(Format::name).join(", "))]
pub struct UnknownFormat {
    /// What was given.
    pub name: String,
}

impl FromStr for Format {
    type Err = UnknownFormat;

    /// The format of that name. `prodigy` is another name of `spacy`.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = if name == "prodigy" { spacy::NAME } else { name };
        Self::ALL
            .into_iter()
            .find(|format| format.name() == known)
            .ok_or_else(|| UnknownFormat { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_read_back() {
        for format in Format::ALL {
            assert_eq!(format.name().parse(), Ok(format));
            assert_eq!(Format::ALL.iter().filter(|other| other.name() == format.name()).count(), 1);
        }
        assert_eq!("prodigy".parse(), Ok(Format::Spacy));
    }

    #[test]
    fn an_unknown_name_is_answered_with_those_that_there_are() {
        let error = "conl".parse::<Format>().unwrap_err().to_string();
        assert!(error.starts_with("unknown format \"conl\": use one of jsonl, conll, conll-bioes, brat, "), "{error}");
    }

    #[test]
    fn what_can_be_read_has_a_reader() {
        for format in Format::ALL {
            let reader = format.reader(Box::new(io::empty()), &Options::default());
            assert_eq!(reader.is_some(), format.can_read(), "{format}");
        }
    }
}
