//! JSONL: each line exactly once under any cutting, bad lines by themselves.

use dateline_batch::{Part, ReadError, ReadOptions};
use object_store::{ObjectStoreExt, PutPayload};
use proptest::prelude::*;

use super::*;

const WHOLE: Part = Part::Bytes { start: 0, end: u64::MAX };

/// Every kind of bad line is one row with its own error; its neighbours are read.
#[tokio::test]
async fn bad_lines_stand_between_good_ones() {
    let lines: [&[u8]; 14] = [
        b"\xef\xbb\xbf{\"text\":\"one\",\"id\":\"a\"}\r",
        b"",
        b" \t\r",
        b"{\"id\":7}",
        b"Kyiv",
        b"{\"text\":\"\xe9\"}",
        b"{\"id\":\"s\",\"text\":\"\\ud800\"}",
        b"{\"text\":5}",
        b"{\"text\":null,\"id\":3}",
        b"[1]",
        b"{\"text\":\"two\"} x",
        b"{\"text\":\"a\",\"text\":\"b\"}",
        b"{}",
        b"{\"text\":\"\\ud83d\\ude80 last\",\"z\":1.10,\"a\":{\"y\":[1, 2]}}",
    ];
    let bytes = lines.join(&b'\n');
    let object = object("in.jsonl", bytes).await;
    let found = rows(&chunks(&object, WHOLE, &ReadOptions::default()).await.unwrap());
    let said: Vec<_> = found.iter().map(|row| row.1.as_deref().unwrap_or_else(|error| error)).collect();
    let expected = [
        "one",
        r#"the line has no field "text"; it has "id""#,
        "the line is not a JSON object (expected value at column 1)",
        "the line is not UTF-8 at its byte 9",
        r#"the field "text" is not a string of Unicode characters ("#,
        r#"the field "text" is not a string of Unicode characters ("#,
        r#"the field "text" is null"#,
        "the line is not a JSON object (",
        "the line is not a JSON object (trailing characters",
        r#"the line has two fields "text""#,
        r#"the line has no field "text"; it has nothing"#,
        "🚀 last",
    ];
    assert_eq!(said.len(), expected.len(), "{said:#?}");
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.starts_with(expected), "{said:?} does not start with {expected:?}");
    }
    assert_eq!((found[0].0, found[1].0), (0, 33), "a line begins before its byte order mark");
    assert_eq!(found[1].2, [Some("7".to_owned()), None]);
    let last = &found[11];
    assert_eq!(last.2, [None, Some(r#"{"z":1.10,"a":{"y":[1, 2]}}"#.to_owned())], "fields keep their order and digits");
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[a-zé🚀\\\\\"]{0,12}".prop_map(|text| serde_json::json!({"text": text, "id": 1}).to_string().into_bytes()),
        1 => Just(Vec::new()),
        1 => Just(b" \t".to_vec()),
        1 => Just(b"{\"text\":\"\xff\"}".to_vec()),
        1 => "[a-z{}\\[\\]\":,]{0,9}".prop_map(String::into_bytes),
    ]
}

/// A file: lines, how each ends, whether the last one does, a mark before the first.
fn file() -> impl Strategy<Value = Vec<u8>> {
    let lines = prop::collection::vec((line(), any::<bool>()), 0..12);
    (lines, any::<bool>(), any::<bool>()).prop_map(|(lines, ends, mark)| {
        let mut bytes = if mark { b"\xef\xbb\xbf".to_vec() } else { Vec::new() };
        for (line, cr) in lines {
            bytes.extend(line);
            bytes.extend(if cr { &b"\r\n"[..] } else { b"\n" });
        }
        if !ends {
            bytes.pop();
        }
        bytes
    })
}

/// Where lines begin that are not blank, counted the slow and obvious way.
fn reference(bytes: &[u8]) -> Vec<u64> {
    let mut begin = 0;
    let mut found = Vec::new();
    for line in bytes.split(|&byte| byte == b'\n') {
        let text = if begin == 0 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        if !text.trim_ascii().is_empty() {
            found.push(begin);
        }
        begin += line.len() as u64 + 1;
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_cutting_gives_each_line_once_and_in_order(
        bytes in file(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        compression in 0..3,
        chunk_bytes in 1_usize..64,
    ) {
        let size = bytes.len() as u64;
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1) as u64).chain([0, size]).collect();
        cuts.sort_unstable();
        let cut: Vec<_> = cuts.windows(2).map(|ends| part(ends[0], ends[1])).collect();
        let options = ReadOptions { chunk_bytes, ..ReadOptions::default() };
        block_on(async {
            let object = match compression {
                0 => object("a.jsonl", bytes.clone()).await,
                1 => object("a.jsonl.gz", gzip(&bytes, 7)).await,
                _ => object("a.jsonl.zst", zstd(&bytes, 7)).await,
            };
            let whole = rows(&chunks(&object, WHOLE, &options).await.unwrap());
            let named: Vec<_> = whole.iter().map(|row| row.0).collect();
            prop_assert_eq!(named, reference(&bytes));
            prop_assert_eq!(rows_of(&object, &cut, &options).await, whole.clone());
            // A file of bad lines only may be told to have no such column.
            if let Ok(split) = pieces(&object, &options, 9).await {
                prop_assert_eq!(rows_of(&object, &split, &options).await, whole);
            }
            Ok(())
        })?;
    }
}

/// More than one block is fetched, lines run over their borders, and chunks stay near what was asked for.
#[tokio::test]
async fn a_large_file_is_read_in_blocks() {
    let text = "Kyiv, ".repeat(15_000);
    let line = serde_json::json!({"id": "x", "text": text}).to_string() + "\n";
    let object = object("large.jsonl", line.repeat(110)).await;
    let options = ReadOptions { chunk_bytes: 200_000, ..ReadOptions::default() };
    let pieces = pieces(&object, &options, 3_000_000).await.unwrap();
    assert_eq!(pieces.len(), 4);
    let expected: Vec<_> = (0..110).map(|row| row * line.len() as u64).collect();
    let mut found = Vec::new();
    for piece in &pieces {
        for chunk in chunks(&object, piece.part, &options).await.unwrap() {
            assert!(chunk.texts.iter().flatten().map(|text| text.len()).sum::<usize>() < 300_000);
            assert!(chunk.texts.iter().all(|read| read.as_deref() == Ok(text.as_str())));
            found.extend(chunk.positions);
        }
    }
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_line_over_the_limit_is_its_own_error() {
    let long = format!("{{\"text\":\"{}\"}}", "x".repeat(300));
    let object =
        object("in.jsonl", format!("{{\"text\":\"a\"}}\n{long}\n{{\"text\":\"b\"}}\n{}", " ".repeat(400))).await;
    let options = ReadOptions { max_document_bytes: Some(100), ..ReadOptions::default() };
    let pieces = pieces(&object, &options, 100).await.unwrap();
    let found = rows_of(&object, &pieces, &options).await;
    let texts: Vec<_> = found.iter().map(|row| row.1.clone()).collect();
    let error = "a line of 311 bytes is longer than the 100 bytes that a document may have";
    assert_eq!(texts, [Ok("a".into()), Err(error.into()), Ok("b".into())]);
}

/// Forty million errors would come too late.
#[tokio::test]
async fn a_wrong_field_name_is_found_while_splitting() {
    let object = object("in.jsonl", "oops\n{\"id\":1,\"Text\":\"a\"}\n{\"id\":2,\"Text\":\"b\",\"day\":3}\n").await;
    let error = pieces(&object, &ReadOptions::default(), 100).await.unwrap_err().to_string();
    assert_eq!(error, r#"in.jsonl has no column "text" (did you mean "Text"?); it has "id", "Text", "day""#);
}

#[tokio::test]
async fn named_fields_have_columns_of_their_own() {
    let object =
        object("in.jsonl", "{\"key\":\"k\",\"text\":\"a\",\"day\":1.0,\"x\":2}\n{\"text\":\"b\",\"day\":null}\n").await;
    let options = ReadOptions {
        id_column: Some("key".into()),
        carry: Some(vec!["day".into(), "none".into(), "text".into()]),
        ..ReadOptions::default()
    };
    let read = chunks(&object, WHOLE, &options).await.unwrap();
    let schema = read[0].carried.schema();
    let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["key", "day", "none"]);
    let found = rows(&read);
    assert_eq!(found[0].2, [Some("\"k\"".to_owned()), Some("1.0".to_owned()), None]);
    assert_eq!(found[1].2, [None, Some("null".to_owned()), None]);
}

#[tokio::test]
async fn a_compressed_file_that_is_cut_off_says_so() {
    let plain = "{\"text\":\"Kyiv\"}\n".repeat(5000).into_bytes();
    for (name, mut bytes) in [("in.jsonl.gz", gzip(&plain, 1 << 20)), ("in.jsonl.zst", zstd(&plain, 1 << 20))] {
        bytes.truncate(bytes.len() - 9);
        let object = object(name, bytes).await;
        let error = chunks(&object, WHOLE, &ReadOptions::default()).await.unwrap_err();
        assert!(matches!(error, ReadError::Compressed { .. }), "{error}");
        assert!(error.to_string().contains("damaged or cut off"), "{error}");
        assert!(pieces(&object, &ReadOptions::default(), 1000).await.is_err());
    }
}

#[tokio::test]
async fn a_file_that_changed_is_not_mixed_with_the_old_one() {
    let mut object = object("in.jsonl", "{\"text\":\"a\"}\n").await;
    object.store.put(&object.path, PutPayload::from("{\"text\":\"b\"}\n")).await.unwrap();
    let options = ReadOptions::default();
    let error = chunks(&object, WHOLE, &options).await.unwrap_err();
    assert!(matches!(error, ReadError::Changed { .. }), "{error}");
    // Where a store gives no marks, a shorter file is noticed at least.
    object.etag = None;
    object.store.put(&object.path, PutPayload::from("{}\n")).await.unwrap();
    let error = chunks(&object, WHOLE, &options).await.unwrap_err();
    assert!(matches!(error, ReadError::Changed { .. }), "{error}");
    object.store.delete(&object.path).await.unwrap();
    let error = chunks(&object, WHOLE, &options).await.unwrap_err();
    assert!(error.to_string().starts_with("in.jsonl could not be read: "), "{error}");
}

#[tokio::test]
async fn an_empty_file_has_no_rows() {
    for (name, bytes) in [("in.jsonl", vec![]), ("in.jsonl.gz", gzip(b"\n\n", 9)), ("in.jsonl.zst", zstd(b" \n", 9))] {
        let object = object(name, bytes).await;
        assert_eq!(pieces(&object, &ReadOptions::default(), 1000).await.unwrap(), []);
        assert_eq!(rows(&chunks(&object, WHOLE, &ReadOptions::default()).await.unwrap()), []);
    }
}
