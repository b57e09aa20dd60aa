//! CSV and TSV: line breaks in quotes, ragged rows, each record exactly once.

use dateline_batch::{Part, ReadOptions};
use proptest::prelude::*;

use super::*;

const WHOLE: Part = Part::Bytes { start: 0, end: u64::MAX };

#[tokio::test]
async fn records_may_hold_line_breaks_and_be_broken() {
    let csv: &[u8] = b"\xef\xbb\xbfid,text,day\r\n1,\"Kyiv,\r\n\"\"Lviv\"\"\",Mon\r\n\r\n2,short\r\n3,\xff\xfe,Tue\n4,b,Wed,more\n5,c,\xff\n6,\"\",Thu";
    let object = object("in.csv", csv).await;
    let found = rows(&chunks(&object, WHOLE, &ReadOptions::default()).await.unwrap());
    let texts: Vec<_> = found.iter().map(|row| row.1.clone()).collect();
    let expected = [
        Ok("Kyiv,\r\n\"Lviv\"".to_owned()),
        Err("the record has 2 fields, the header 3".to_owned()),
        Err("the text is not UTF-8 at its byte 0".to_owned()),
        Err("the record has 4 fields, the header 3".to_owned()),
        Err("the column \"day\" is not UTF-8 at its byte 0".to_owned()),
        Ok(String::new()),
    ];
    assert_eq!(texts, expected);
    assert_eq!(found[0].0, 16);
    assert_eq!(found[1].2, [Some("2".to_owned()), None], "a broken record keeps what it has");
    let whole = pieces(&object, &ReadOptions::default(), 1).await.unwrap();
    assert_eq!(whole.len(), 6);
    assert_eq!(rows_of(&object, &whole, &ReadOptions::default()).await, found);
}

#[tokio::test]
async fn an_open_quote_costs_no_memory() {
    let csv = format!("text\nfirst\n\"{}", "x,\n".repeat(100_000));
    let object = object("in.csv", csv).await;
    let options = ReadOptions { max_document_bytes: Some(1000), ..ReadOptions::default() };
    let found = rows(&chunks(&object, WHOLE, &options).await.unwrap());
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].1, Err("a record is longer than the 1000 bytes that a document may have".to_owned()));
}

#[tokio::test]
async fn columns_that_are_missing_are_named() {
    let object = object("in.tsv", "id\tbody\n1\ta\n").await;
    let error = pieces(&object, &ReadOptions::default(), 1).await.unwrap_err().to_string();
    assert_eq!(error, r#"in.tsv has no column "text"; it has "id", "body""#);
    let options = ReadOptions { text_column: "body".into(), id_column: Some("key".into()), ..ReadOptions::default() };
    assert!(chunks(&object, WHOLE, &options).await.unwrap_err().to_string().contains("no column \"key\""));
    let empty = super::object("in.csv", "").await;
    let error = pieces(&empty, &ReadOptions::default(), 1).await.unwrap_err().to_string();
    assert_eq!(error, r#"in.csv has no column "text"; it has no columns"#);
}

fn quoted(cell: &str) -> String {
    format!("\"{}\"", cell.replace('"', "\"\""))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_target_gives_each_record_once_and_in_order(
        cells in prop::collection::vec(("[a\",\t\r\né🚀]{0,8}", "[a\",\n]{0,3}", 0_usize..3), 0..12),
        target in 1_u64..60,
        compression in 0..3,
        tabs in any::<bool>(),
    ) {
        let (delimiter, name) = if tabs { ("\t", "a.tsv") } else { (",", "a.csv") };
        let mut csv = format!("day{delimiter}text\n");
        for (text, day, breaks) in &cells {
            csv += &[quoted(day), quoted(text)].join(delimiter);
            csv += ["\n", "\r\n", "\n\n\r\n"][*breaks];
        }
        let bytes = csv.into_bytes();
        block_on(async {
            let object = match compression {
                0 => object(name, bytes.clone()).await,
                1 => object(&format!("{name}.gz"), gzip(&bytes, 11)).await,
                _ => object(&format!("{name}.zst"), zstd(&bytes, 11)).await,
            };
            let options = ReadOptions { chunk_bytes: 10, ..ReadOptions::default() };
            let whole = rows(&chunks(&object, WHOLE, &options).await.unwrap());
            let read: Vec<_> = whole.iter().map(|row| (row.1.clone().unwrap(), row.2[0].clone().unwrap())).collect();
            let expected: Vec<_> = cells.iter().map(|(text, day, _)| (text.clone(), day.clone())).collect();
            prop_assert_eq!(read, expected);
            prop_assert!(whole.is_sorted_by(|a, b| a.0 < b.0));
            let split = pieces(&object, &options, target).await.unwrap();
            prop_assert_eq!(rows_of(&object, &split, &options).await, whole);
            Ok(())
        })?;
    }
}
