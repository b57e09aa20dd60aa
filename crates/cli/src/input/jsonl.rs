//! A document a line. Blank lines are skipped; a bad line is a rejected document, and the next line is read.

use std::io::{self, BufRead};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::record::Record;
use super::{BadInput, InputFormat, Item, Origin, Rejected, Sink};

/// Reads one document per line of `input` into `sink`.
pub(super) fn read(mut input: impl BufRead, file: Option<Arc<str>>, sink: Sink<'_>) -> ControlFlow<()> {
    let mut buffer = Vec::new();
    for line in 1.. {
        buffer.clear();
        let origin = || Origin { file: file.clone(), line: Some(line) };
        let bytes = match input.read_until(b'\n', &mut buffer) {
            Ok(0) => break,
            Ok(bytes) => bytes,
            Err(error) => {
                return sink(Item {
                    origin: origin(),
                    bytes: 0,
                    content: Err(Rejected { id: None, error: error.into() }),
                });
            }
        };
        // Some editors begin a file with a byte order mark; it is no part of its first line.
        let content = if line == 1 { buffer.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&buffer) } else { &buffer };
        if content.trim_ascii().is_empty() {
            continue;
        }
        sink(Item { origin: origin(), bytes, content: parse(content) })?;
    }
    ControlFlow::Continue(())
}

fn parse(line: &[u8]) -> Result<Record, Rejected> {
    match BadInput::utf8(line.trim_ascii_end()) {
        Ok(line) => Record::parse(line),
        Err(error) => Err(Rejected { id: None, error }),
    }
}

/// Reads `input` up to its first line that is not blank, which tells whether it is a document a line: the format, and
/// what was read. A text that only begins with a brace is a text.
pub(super) fn sniff(input: &mut impl BufRead) -> io::Result<(InputFormat, Vec<u8>)> {
    let mut head = Vec::new();
    loop {
        let start = head.len();
        if input.read_until(b'\n', &mut head)? == 0 {
            return Ok((InputFormat::Text, head));
        }
        let line = head[start..].trim_ascii();
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        if !line.is_empty() {
            let is_record = line.starts_with(b"{") && parse(line).is_ok();
            return Ok((if is_record { InputFormat::Jsonl } else { InputFormat::Text }, head));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(input: &[u8]) -> Vec<Item> {
        let mut items = Vec::new();
        let _ = read(input, Some("in.jsonl".into()), &mut |item| {
            items.push(item);
            ControlFlow::Continue(())
        });
        items
    }

    /// Every kind of bad line is rejected by itself, named by its line, and its neighbours are read.
    #[test]
    fn bad_lines_stand_between_good_ones() {
        let input = b"\xef\xbb\xbf{\"text\":\"one\"}\r\n\n{\"id\":7}\nKyiv\n{\"text\":\"\xe9\"}\n{\"id\":\"s\",\"text\":\"\\ud800\"}\n\
            {\"text\":5}\n[1]\n{\"text\":\"two\"} x\n{\"text\":\"last\"}";
        let found: Vec<_> = items(input)
            .into_iter()
            .map(|item| {
                let said = match item.content {
                    Ok(record) => record.text().to_owned(),
                    Err(bad) => format!("{:?} {}", bad.id.map(|id| id.get().to_owned()), bad.error),
                };
                format!("{}: {said}", item.origin)
            })
            .collect();
        let expected = [
            "in.jsonl, line 1: one",
            "in.jsonl, line 3: Some(\"7\") has no \"text\"",
            "in.jsonl, line 4: None is not a JSON object (expected value at column 1)",
            "in.jsonl, line 5: None is not UTF-8 at byte 9",
            "in.jsonl, line 6: Some(\"\\\"s\\\"\") has a \"text\" that is not a string of Unicode characters (",
            "in.jsonl, line 7: None has a \"text\" that is not a string of Unicode characters (",
            "in.jsonl, line 8: None is not a JSON object (",
            "in.jsonl, line 9: None is not a JSON object (trailing characters",
            "in.jsonl, line 10: last",
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found:?} does not start with {expected:?}");
        }
    }

    #[test]
    fn the_first_line_tells_the_format() {
        let formats =
            ["{\"text\":\"a\"}\n", " \n\n{\"id\":1,\"text\":\"\"}", "Kyiv\n{\"text\":\"a\"}", "{curly}", "{}", ""]
                .map(|input| sniff(&mut input.as_bytes()).unwrap().0);
        use InputFormat::{Jsonl, Text};
        assert_eq!(formats, [Jsonl, Jsonl, Text, Text, Text, Text]);
    }

    #[test]
    fn what_was_sniffed_is_given_back() {
        let mut input = &b"\n\nfirst\nsecond"[..];
        assert_eq!(sniff(&mut input).unwrap().1, b"\n\nfirst\n");
        assert_eq!(input, b"second");
    }
}
