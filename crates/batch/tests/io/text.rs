//! Files of text: a document a file.

use dateline_batch::{Format, Kind, Part, ReadOptions, positions, read};
use futures::TryStreamExt;

use super::*;

#[tokio::test]
async fn each_file_is_a_document() {
    let objects = vec![
        object("a/one.txt", "\u{feff}Kyiv\r\n").await,
        object("b.txt", &b"\xff"[..]).await,
        object("empty.txt", "").await,
        object("long.txt", "x".repeat(101)).await,
    ];
    let kind = Kind::plain(Format::Text);
    let options = ReadOptions { max_document_bytes: Some(100), ..ReadOptions::default() };
    let chunks: Vec<_> = read(objects.clone(), kind, Part::Files, options.clone()).try_collect().await.unwrap();
    let found = rows(&chunks);
    assert_eq!(found[0], (0, Ok("Kyiv\r\n".into()), vec![Some("a/one.txt".into())]));
    assert_eq!(found[1].1, Err("the text is not UTF-8 at its byte 0".into()));
    assert_eq!(found[2].1, Ok(String::new()));
    assert_eq!(found[3].1, Err("a text of 101 bytes is longer than the 100 bytes that a document may have".into()));
    let named: Vec<_> = positions(objects.clone(), kind, Part::Files).try_collect::<Vec<_>>().await.unwrap().concat();
    assert_eq!(named, [0, 1, 2, 3]);
    let piece = pieces(&objects[0], &options, 10).await.unwrap()[0];
    assert_eq!((piece.part, piece.rows), (Part::Files, Some(1)));
    // A part of another format is an error, not an empty shard.
    let wrong = read(objects, kind, Part::RowGroups { first: 0, count: 1 }, options).try_collect::<Vec<_>>().await;
    assert!(wrong.unwrap_err().to_string().contains("a/one.txt has no row group 0"));
}
