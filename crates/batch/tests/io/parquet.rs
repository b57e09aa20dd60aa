//! Parquet: types of text, bounded chunks, damaged files.

use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::data_type::{ByteArray, ByteArrayType};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, DictionaryArray, Int64Array, LargeStringArray, RecordBatch, StringArray, StringViewArray,
};
use dateline_batch::{Part, ReadError, ReadOptions};

use super::*;

const ALL: Part = Part::RowGroups { first: 0, count: 1 };

fn file(columns: Vec<(&str, ArrayRef)>, row_group: usize) -> Vec<u8> {
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
            .unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(row_group))
        .set_data_page_size_limit(1 << 10)
        .set_write_batch_size(16)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn texts(chunks: &[Chunk]) -> Vec<Result<String, String>> {
    rows(chunks).into_iter().map(|row| row.1).collect()
}

#[tokio::test]
async fn text_may_have_any_type_of_text() {
    let text = vec![Some("Kyiv"), None, Some("🚀"), Some("Kyiv")];
    let bytes: Vec<_> = text.iter().map(|text| text.map(str::as_bytes)).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(text.clone())),
        Arc::new(LargeStringArray::from(text.clone())),
        Arc::new(StringViewArray::from(text.clone())),
        Arc::new(text.iter().copied().collect::<DictionaryArray<Int32Type>>()),
        Arc::new(BinaryArray::from(bytes)),
    ];
    let expected =
        [Ok("Kyiv".to_owned()), Err("the text is null".to_owned()), Ok("🚀".to_owned()), Ok("Kyiv".to_owned())];
    for column in columns {
        let found = column.data_type().clone();
        let object = object("in.parquet", file(vec![("text", column)], 10)).await;
        let read = chunks(&object, ALL, &ReadOptions::default()).await.unwrap();
        assert_eq!(texts(&read), expected, "{found}");
        assert_eq!((read[0].carried.num_columns(), read[0].carried.num_rows()), (0, 4));
    }
    let bytes = BinaryArray::from(vec![Some(&b"ab\xff"[..]), Some(b"c")]);
    let object = object("in.parquet", file(vec![("text", Arc::new(bytes))], 10)).await;
    let found = texts(&chunks(&object, ALL, &ReadOptions::default()).await.unwrap());
    assert_eq!(found, [Err("the text is not UTF-8 at its byte 2".to_owned()), Ok("c".to_owned())]);
}

#[tokio::test]
async fn columns_are_carried_with_their_types() {
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let strings = |text: &'static str| Arc::new(StringArray::from(vec![text, text])) as ArrayRef;
    let bytes = file(vec![("x", strings("x")), ("text", strings("t")), ("n", numbers), ("id", strings("i"))], 10);
    let object = object("in.parquet", bytes).await;
    let names = |carry: Option<Vec<&str>>| {
        let carry = carry.map(|names| names.into_iter().map(str::to_owned).collect());
        let options = ReadOptions { carry, ..ReadOptions::default() };
        let object = object.clone();
        async move {
            let read = chunks(&object, ALL, &options).await?;
            let schema = read[0].carried.schema();
            Ok::<_, ReadError>(
                schema.fields().iter().map(|it| format!("{}: {}", it.name(), it.data_type())).collect::<Vec<_>>(),
            )
        }
    };
    assert_eq!(names(None).await.unwrap(), ["id: Utf8", "x: Utf8", "n: Int64"]);
    assert_eq!(names(Some(vec!["n"])).await.unwrap(), ["id: Utf8", "n: Int64"]);
    let missing = names(Some(vec!["N2"])).await.unwrap_err().to_string();
    assert_eq!(missing, r#"in.parquet has no column "N2" (did you mean "n"?); it has "x", "text", "n", "id""#);
    let options = ReadOptions { text_column: "n".into(), ..ReadOptions::default() };
    let wrong = pieces(&object, &options, 1).await.unwrap_err().to_string();
    assert!(wrong.starts_with(r#"in.parquet: the column "n" holds Int64, not text"#), "{wrong}");
}

/// Row groups go together until they are large enough; positions are rows of the file.
#[tokio::test]
async fn row_groups_are_shared_out() {
    let text: Vec<_> = (0..1000).map(|row| format!("{row} {}", "x".repeat(row % 97))).collect();
    let object = object("in.parquet", file(vec![("text", Arc::new(StringArray::from(text.clone())))], 64)).await;
    let options = ReadOptions { chunk_bytes: 500, ..ReadOptions::default() };
    for target in [1, 600, 6000, 1 << 40] {
        let pieces = pieces(&object, &options, target).await.unwrap();
        assert_eq!(pieces.iter().filter_map(|piece| piece.rows).sum::<u64>(), 1000);
        let found = rows_of(&object, &pieces, &options).await;
        assert!(found.iter().map(|row| row.0).eq(0..1000));
        assert!(found.iter().map(|row| row.1.as_deref().unwrap()).eq(text.iter().map(String::as_str)));
    }
    // Row groups of 64 rows are far more than is asked for: a row each.
    assert_eq!(pieces(&object, &options, 1).await.unwrap().len(), 1000);
    let by_tens = pieces(&object, &options, 600).await.unwrap();
    assert!(matches!(by_tens[1].part, Part::Rows { row_group: 0, .. }), "{by_tens:?}");
    assert!(by_tens.iter().all(|piece| piece.bytes < 1200 && piece.rows < Some(30)), "{by_tens:?}");
    for part in [
        Part::Rows { row_group: 0, start: 60, end: 65 },
        Part::Rows { row_group: 16, start: 0, end: 1 },
        Part::Rows { row_group: 0, start: 5, end: 5 },
    ] {
        assert!(matches!(chunks(&object, part, &options).await.unwrap_err(), ReadError::NoSuchPart { .. }));
    }
    for chunk in chunks(&object, ALL, &options).await.unwrap() {
        assert!(chunk.texts.iter().flatten().map(|text| text.len()).sum::<usize>() < 700);
    }
    let beyond = chunks(&object, Part::RowGroups { first: 15, count: 2 }, &options).await.unwrap_err();
    assert!(matches!(beyond, ReadError::NoSuchPart { .. }), "{beyond}");
}

#[tokio::test]
async fn a_file_that_is_cut_off_or_none_says_so() {
    let bytes = file(vec![("text", Arc::new(StringArray::from(vec!["Kyiv"; 100])))], 50);
    for bytes in [bytes[..bytes.len() / 2].to_vec(), b"PK".to_vec(), Vec::new()] {
        let object = object("in.parquet", bytes).await;
        let error = pieces(&object, &ReadOptions::default(), 1).await.unwrap_err();
        assert!(error.to_string().starts_with("in.parquet is cut off or is no Parquet file ("), "{error}");
    }
    let object = object("in.parquet.gz", bytes).await;
    assert!(pieces(&object, &ReadOptions::default(), 1).await.unwrap_err().to_string().contains("decompress it first"));
}

#[tokio::test]
async fn a_damaged_row_group_is_named() {
    let text: Vec<_> = (0..4000).map(|row| format!("text {row}")).collect();
    let mut bytes = file(vec![("text", Arc::new(StringArray::from(text)))], 2000);
    // Somewhere within the second row group, whose pages end where the footer begins.
    let middle = bytes.len() / 2 + bytes.len() / 8;
    bytes[middle..middle + 2000].fill(0xff);
    let object = object("in.parquet", bytes).await;
    let options = ReadOptions::default();
    assert_eq!(texts(&chunks(&object, ALL, &options).await.unwrap()).len(), 2000, "its neighbour can be read");
    let error = chunks(&object, Part::RowGroups { first: 1, count: 1 }, &options).await.unwrap_err();
    assert!(error.to_string().starts_with("in.parquet, row group 1: "), "{error}");
}

/// The format says that text is UTF-8; a writer that did not check costs the rows that are not.
#[tokio::test]
async fn rows_that_are_not_utf8_are_their_own_errors() {
    let schema = parse_message_type("message m { required int64 id; required binary text (UTF8); }").unwrap();
    let properties = WriterProperties::builder().set_dictionary_enabled(false).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let ids: Vec<i64> = (0..100).collect();
    column.typed::<::parquet::data_type::Int64Type>().write_batch(&ids, None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let bad = [3, 50, 51, 99];
    let text = |row| if bad.contains(&row) { b"\xff\xfe".to_vec() } else { format!("text {row}").into_bytes() };
    let values: Vec<_> = (0..100).map(|row| ByteArray::from(text(row))).collect();
    column.typed::<ByteArrayType>().write_batch(&values, None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    let object = object("in.parquet", writer.into_inner().unwrap()).await;
    for chunk_bytes in [1, 40, 1 << 20] {
        let options = ReadOptions { chunk_bytes, ..ReadOptions::default() };
        let read = chunks(&object, ALL, &options).await.unwrap();
        let found = rows(&read);
        assert!(found.iter().map(|row| row.0).eq(0..100));
        for (row, text, _) in found {
            let expected = if bad.contains(&row) {
                Err("the row holds text that is not UTF-8".to_owned())
            } else {
                Ok(format!("text {row}"))
            };
            assert_eq!(text, expected);
        }
        use arrow_array::cast::AsArray;
        let carried = read.iter().flat_map(|chunk| {
            chunk.carried.column(0).as_primitive::<arrow_array::types::Int64Type>().values().to_vec()
        });
        assert!(carried.eq(0..100), "the id of a broken row is still there");
    }
}
