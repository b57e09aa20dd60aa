//! A whole file, or all of standard input, as one document. Its text is exactly what was read: nothing is trimmed.

use std::io::Read;
use std::sync::Arc;

use super::{BadInput, Item, Origin, Record, Rejected, json_string};

/// Reads `input` to its end. A file's name is its document's id.
pub(super) fn read(mut input: impl Read, file: Option<Arc<str>>) -> Item {
    let mut bytes = Vec::new();
    let read = input.read_to_end(&mut bytes);
    let id = file.as_deref().map(json_string);
    let size = bytes.len();
    let text = read.map_err(BadInput::from).and_then(|_| {
        BadInput::utf8(&bytes)?;
        Ok(String::from_utf8(bytes).expect("just checked"))
    });
    let content = match text {
        Ok(text) => Ok(Record::plain(id, text)),
        Err(error) => Err(Rejected { id, error }),
    };
    Item { origin: Origin { file, line: None }, bytes: size, content }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_trimmed() {
        let text = "\u{feff} \r\nKyiv\n\n";
        let item = read(text.as_bytes(), Some("a.txt".into()));
        assert_eq!((item.bytes, item.content.unwrap().text()), (text.len(), text));
    }

    #[test]
    fn the_first_bad_byte_is_named() {
        let item = read(&b"caf\xe9 in Kyiv"[..], Some("latin.txt".into()));
        assert_eq!(item.origin.to_string(), "latin.txt");
        let error = item.content.unwrap_err().error.to_string();
        assert_eq!(error, "is not UTF-8 at byte 3; convert it first, as with `iconv -f WINDOWS-1252 -t UTF-8`");
    }
}
