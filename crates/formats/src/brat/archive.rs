//! Pairs of brat's files as one stream: a tar archive.
//!
//! Files are named by the document's id; what has no place in a file's name is spelled as in a URL (`a/b` is `a%2Fb.txt`),
//! and read back from there. A document without an id is `document-N`, the Nth of the archive, and has that id when it is
//! read. Other files than `.txt` and `.ann` are configuration of brat's and are passed over.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, Read as _};

use dateline_text::Document;

use super::{NAME, ann, from_ann};
use crate::{Annotated, FormatError};

/// File systems take names of 255 bytes; this leaves room for an extension and what people append.
const LONGEST_NAME: usize = 200;

/// Writes a tar archive of pairs. It remembers eight bytes of each name, since a second file of a name would hide the first.
pub struct Writer<W: io::Write> {
    archive: tar::Builder<W>,
    names: HashSet<u64>,
    hasher: RandomState,
    documents: usize,
}

impl<W: io::Write> Writer<W> {
    /// An archive onto `sink`.
    #[must_use]
    pub fn new(sink: W) -> Self {
        Self { archive: tar::Builder::new(sink), names: HashSet::new(), hasher: RandomState::new(), documents: 0 }
    }

    fn file(&mut self, name: &str, content: &str) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        // The time of writing would make two archives of the same documents differ.
        header.set_mtime(0);
        self.archive.append_data(&mut header, name, content.as_bytes())
    }
}

impl<W: io::Write> crate::Write for Writer<W> {
    fn document(&mut self, annotated: &Annotated) -> Result<(), FormatError> {
        let refused = |why: String| FormatError::Unwritable { format: NAME, why };
        self.documents += 1;
        let name = match &annotated.document.id {
            None => format!("document-{}", self.documents),
            Some(id) => name(id).map_err(refused)?,
        };
        let marked = ann(annotated)?;
        if !self.names.insert(self.hasher.hash_one(&name)) {
            return Err(refused(format!("there is a file {name:?} already; documents need ids of their own")));
        }
        self.file(&format!("{name}.ann"), &marked)?;
        Ok(self.file(&format!("{name}.txt"), &annotated.document.text)?)
    }

    fn finish(self: Box<Self>) -> Result<(), FormatError> {
        let mut sink = self.archive.into_inner()?;
        Ok(sink.flush()?)
    }
}

/// Reads a tar archive of pairs. A file waits in memory until the other of its pair has come; archivers that sort by name, and
/// [`Writer`], put the two side by side.
pub struct Reader<R> {
    source: R,
    waiting: BTreeMap<String, Half>,
    done: bool,
}

/// The one file of a pair that came first.
enum Half {
    Text(Vec<u8>),
    Ann(Vec<u8>),
}

impl<R: BufRead> Reader<R> {
    /// The documents in the archive `source`.
    #[must_use]
    pub const fn new(source: R) -> Self {
        Self { source, waiting: BTreeMap::new(), done: false }
    }

    /// The next file's name and content.
    fn file(&mut self) -> Result<Option<(String, Vec<u8>)>, FormatError> {
        loop {
            // A new archive for each entry: the library's iterator borrows its archive, and ours is one itself.
            let mut archive = tar::Archive::new(&mut self.source);
            let Some(entry) = archive.entries()?.next() else { return Ok(None) };
            let mut entry = entry?;
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let (is_file, size) = (entry.header().entry_type().is_file(), entry.size());
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            if content.len() as u64 != size {
                return Err(malformed(path, "the archive is cut off in it"));
            }
            // Contents are filled up to blocks of 512 bytes.
            io::copy(&mut self.source.by_ref().take(size.next_multiple_of(512) - size), &mut io::sink())?;
            if is_file {
                return Ok(Some((path, content)));
            }
        }
    }

    /// The document of which this is the second file; `None` if it is the first, or no file of a pair.
    fn pair(&mut self, path: &str, content: Vec<u8>) -> Option<Result<Annotated, FormatError>> {
        let path = path.strip_prefix("./").unwrap_or(path);
        let (name, half) = match path.rsplit_once('.')? {
            (name, "txt") => (name, Half::Text(content)),
            (name, "ann") => (name, Half::Ann(content)),
            _ => return None,
        };
        let (text, marked) = match (self.waiting.remove(name), half) {
            (Some(Half::Text(text)), Half::Ann(marked)) | (Some(Half::Ann(marked)), Half::Text(text)) => (text, marked),
            (Some(_), _) => return Some(Err(malformed(path.to_owned(), "is in the archive twice"))),
            (None, half) => {
                self.waiting.insert(name.to_owned(), half);
                return None;
            }
        };
        Some(document(name, text, marked))
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Annotated, FormatError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.done {
            match self.file() {
                Ok(Some((path, content))) => {
                    if let Some(result) = self.pair(&path, content) {
                        return Some(result);
                    }
                }
                Ok(None) => self.done = true,
                Err(error) => {
                    self.done = true;
                    self.waiting.clear();
                    return Some(Err(error));
                }
            }
        }
        let (name, half) = self.waiting.pop_first()?;
        Some(Err(match half {
            Half::Text(_) => malformed(format!("{name}.txt"), "there is no .ann beside it, not even an empty one"),
            Half::Ann(_) => malformed(format!("{name}.ann"), "there is no .txt beside it"),
        }))
    }
}

fn malformed(place: String, why: &str) -> FormatError {
    FormatError::Malformed { format: NAME, place, why: why.to_owned() }
}

fn document(name: &str, text: Vec<u8>, marked: Vec<u8>) -> Result<Annotated, FormatError> {
    let utf8 = |bytes, extension: &str| {
        String::from_utf8(bytes)
            .map_err(|_| malformed(format!("{name}.{extension}"), "is not UTF-8: convert the file first"))
    };
    let (text, marked) = (utf8(text, "txt")?, utf8(marked, "ann")?);
    let (mentions, left_out) = from_ann(&text, &marked).map_err(|error| match error {
        FormatError::Malformed { format, place, why } => {
            FormatError::Malformed { format, place: format!("{name}.ann, {place}"), why }
        }
        other => other,
    })?;
    let document = Document { id: Some(id(name)), text };
    Ok(Annotated { left_out, ..Annotated::new(document, mentions) })
}

/// The name of the files of a document with that id.
fn name(id: &str) -> Result<String, String> {
    let plain = |place: usize, byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || (byte == b'.' && place > 0)
    };
    let spelled = |(place, byte): (usize, u8)| {
        if plain(place, byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    let name: String = id.bytes().enumerate().map(spelled).collect();
    match name.len() {
        0 => Err("its id is empty, and files are named by it".to_owned()),
        1..=LONGEST_NAME => Ok(name),
        _ => Err(format!("its id is too long for a file's name: {} bytes, at most {LONGEST_NAME}", name.len())),
    }
}

/// The id of the document whose files have that name. A name that [`name`] does not make is an id as it is.
fn id(given: &str) -> String {
    let mut bytes = Vec::with_capacity(given.len());
    let mut parts = given.split('%');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let code = part.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok());
        let Some(code) = code else { return given.to_owned() };
        bytes.push(code);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    let id = String::from_utf8(bytes).ok().filter(|id| name(id).as_deref() == Ok(given));
    id.unwrap_or_else(|| given.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Write as _;

    fn archive(files: &[(&str, &str)]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        for (name, content) in files {
            writer.file(name, content).unwrap();
        }
        writer.archive.into_inner().unwrap()
    }

    fn read(archive: &[u8]) -> Vec<Result<String, String>> {
        let shown = |annotated: Annotated| {
            format!("{} {:?} {}", annotated.document.id.unwrap(), annotated.document.text, annotated.mentions.len())
        };
        Reader::new(archive).map(|one| one.map(shown).map_err(|error| error.to_string())).collect()
    }

    #[test]
    fn ids_are_names_and_names_are_ids() {
        for known in ["a-1_b.c", "a/b", "../x", ".hidden", "Київ %", "\0", "100%", "%41"] {
            let name = name(known).unwrap();
            assert!(!name.starts_with('.') && !name.contains(['/', '\0']), "{name}");
            assert_eq!(id(&name), known);
        }
        for foreign in ["folder/a", "50%", "%zz", "%2f", "%41", "ж"] {
            assert_eq!(id(foreign), foreign);
        }
        assert!(name("").unwrap_err().contains("empty"));
        assert!(name(&"ж".repeat(40)).unwrap_err().contains("240 bytes"));
    }

    #[test]
    fn files_of_a_pair_may_come_in_any_order() {
        let long = "x".repeat(700);
        let files = [
            ("a.txt", "Kyiv"),
            ("annotation.conf", "[entities]"),
            ("b/c.ann", ""),
            ("a.ann", "T1\tPLACE 0 4\tKyiv\n"),
            ("b/c.txt", long.as_str()),
        ];
        assert_eq!(read(&archive(&files)), [Ok("a \"Kyiv\" 1".to_owned()), Ok(format!("b/c {long:?} 0"))]);
    }

    #[test]
    fn what_is_missing_or_bad_is_named() {
        let files = [
            ("a.txt", "Kyiv"),
            ("a.ann", "T1\tPLACE 9 10\tx"),
            ("b.ann", ""),
            ("c.txt", ""),
            ("d.txt", ""),
            ("d.ann", ""),
        ];
        let expected = [
            Err("brat, a.ann, line 1 (T1): offset 9 is past the end of the text, which has 4 in codepoint units"
                .to_owned()),
            Ok("d \"\" 0".to_owned()),
            Err("brat, b.ann: there is no .txt beside it".to_owned()),
            Err("brat, c.txt: there is no .ann beside it, not even an empty one".to_owned()),
        ];
        assert_eq!(read(&archive(&files)), expected);
        assert_eq!(
            read(&archive(&[("a.txt", "Kyiv")])[..514]),
            [Err("brat, a.txt: the archive is cut off in it".to_owned())]
        );
    }

    #[test]
    fn a_second_document_of_an_id_does_not_hide_the_first() {
        let mut writer = Writer::new(Vec::new());
        let with_id = |id: Option<&str>| {
            Annotated::new(Document { id: id.map(ToOwned::to_owned), text: String::new() }, Vec::new())
        };
        writer.document(&with_id(Some("document-2"))).unwrap();
        let error = writer.document(&with_id(None)).unwrap_err().to_string();
        assert!(error.contains("there is a file \"document-2\" already"), "{error}");
        writer.document(&with_id(None)).unwrap();
        assert_eq!(read(&writer.archive.into_inner().unwrap()).len(), 2);
    }
}
