//! What is written and read back is what went in.

use std::sync::Arc;

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray, TimestampSecondArray};
use dateline_batch::{
    Chunk, Compression, OutputFormat, ReadOptions, ShardWriter, Tally, WriteError, WriteOptions, output_metadata,
    output_positions, output_tally,
};
use dateline_text::{Label, Mention, OffsetMap, OffsetUnit, Span};
use futures::TryStreamExt;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn labels() -> Vec<Label> {
    ["PLACE", "PERSON"].map(Label::new).to_vec()
}

type Found = Result<Vec<Mention>, String>;

fn write(chunks: &[(Chunk, Vec<Found>)], options: &WriteOptions) -> (Vec<u8>, Tally) {
    let schema = chunks[0].0.carried.schema();
    let mut writer = ShardWriter::new(Vec::new(), options, &schema, &labels()).unwrap();
    for (chunk, found) in chunks {
        writer.write(chunk, found).unwrap();
    }
    writer.finish().unwrap()
}

/// A mention as an output has it.
#[derive(Clone, Debug, PartialEq)]
struct Wire {
    start: u64,
    end: u64,
    label: String,
    text: String,
    score: f32,
}

/// A document as an output has it: its row, its text if that was written, its mentions or its error.
type Back = (u64, Option<String>, Result<Vec<Wire>, String>);

fn wire(value: &Value) -> Option<Wire> {
    Some(Wire {
        start: value["start"].as_u64()?,
        end: value["end"].as_u64()?,
        label: value["label"].as_str()?.to_owned(),
        text: value["text"].as_str()?.to_owned(),
        score: value["score"].as_f64()? as f32,
    })
}

/// A row of an exploded output: one mention of a document, or none.
type Flat = (u64, Option<String>, Result<Option<Wire>, String>);

/// Puts the rows of an exploded output together again.
fn gather(rows: Vec<Flat>) -> Vec<Back> {
    let mut all: Vec<Back> = Vec::new();
    for (row, text, found) in rows {
        match (all.last_mut(), found) {
            (Some((last, _, Ok(mentions))), Ok(Some(wire))) if *last == row && !mentions.is_empty() => {
                mentions.push(wire)
            }
            (_, found) => all.push((row, text, found.map(|wire| wire.into_iter().collect()))),
        }
    }
    all
}

fn from_jsonl(bytes: &[u8], explode: bool, text: &str) -> Vec<Back> {
    let lines: Vec<Value> = bytes.lines_of().map(|line| serde_json::from_str(line).unwrap()).collect();
    let head = |line: &Value| (line["row"].as_u64().unwrap(), line[text].as_str().map(str::to_owned));
    let error = |line: &Value| line["error"].as_str().map(str::to_owned);
    if explode {
        let row = |line: &Value| (head(line).0, head(line).1, error(line).map_or_else(|| Ok(wire(line)), Err));
        return gather(lines.iter().map(row).collect());
    }
    let mentions = |line: &Value| line["mentions"].as_array().unwrap().iter().map(|it| wire(it).unwrap()).collect();
    lines.iter().map(|line| (head(line).0, head(line).1, error(line).map_or_else(|| Ok(mentions(line)), Err))).collect()
}

trait LinesOf {
    fn lines_of(&self) -> impl Iterator<Item = &str>;
}

impl LinesOf for [u8] {
    fn lines_of(&self) -> impl Iterator<Item = &str> {
        std::str::from_utf8(self).unwrap().lines()
    }
}

fn wires(columns: &[ArrayRef]) -> Vec<Option<Wire>> {
    let [start, end] = [0, 1].map(|at: usize| columns[at].as_primitive::<UInt32Type>());
    let label = columns[2].as_any_dictionary();
    let names = label.values().as_string::<i32>();
    // Of a dictionary without values there are no keys either.
    let keys = if names.is_empty() { Vec::new() } else { label.normalized_keys() };
    let (text, score) = (columns[3].as_string::<i32>(), columns[4].as_primitive::<Float32Type>());
    let wire = |at| Wire {
        start: start.value(at).into(),
        end: end.value(at).into(),
        label: names.value(keys[at]).to_owned(),
        text: text.value(at).to_owned(),
        score: score.value(at),
    };
    (0..start.len()).map(|at| start.is_valid(at).then(|| wire(at))).collect()
}

fn from_parquet(bytes: Vec<u8>, explode: bool, text: &str) -> Vec<Back> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap().build().unwrap();
    let mut all = Vec::new();
    let mut flat = Vec::new();
    for batch in reader.map(Result::unwrap) {
        let rows = batch.column_by_name("row").unwrap().as_primitive::<UInt64Type>();
        let errors = batch.column_by_name("error").unwrap().as_string::<i32>();
        let texts = batch.column_by_name(text).map(|column| column.as_string::<i32>());
        let error = |at| errors.is_valid(at).then(|| errors.value(at).to_owned());
        let text = |at| texts.filter(|texts| texts.is_valid(at)).map(|texts| texts.value(at).to_owned());
        if explode {
            let columns =
                ["start", "end", "label", "text", "score"].map(|name| batch.column_by_name(name).unwrap().clone());
            for (at, wire) in wires(&columns).into_iter().enumerate() {
                flat.push((rows.value(at), text(at), error(at).map_or(Ok(wire), Err)));
            }
        } else {
            let lists = batch.column_by_name("mentions").unwrap().as_list::<i32>();
            for at in 0..batch.num_rows() {
                assert_eq!(lists.is_null(at), error(at).is_some());
                let mentions = || wires(lists.value(at).as_struct().columns()).into_iter().flatten().collect();
                all.push((rows.value(at), text(at), error(at).map_or_else(|| Ok(mentions()), Err)));
            }
        }
    }
    if explode { gather(flat) } else { all }
}

/// Text that is hard on offsets.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof!["[a-z ]{0,4}", Just("🚀".to_owned()), Just("é".to_owned()), Just("👩‍🚒\n\"".to_owned())];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

type Spans = Vec<(prop::sample::Index, prop::sample::Index, bool, f32)>;

fn document() -> impl Strategy<Value = (Result<String, String>, Result<Spans, String>)> {
    let span = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<bool>(), 0.0_f32..1.0);
    let found = prop_oneof![4 => prop::collection::vec(span, 0..4).prop_map(Ok), 1 => Just(Err("panicked".to_owned()))];
    (prop_oneof![6 => text().prop_map(Ok), 1 => Just(Err("no text".to_owned()))], found)
}

fn mentions(text: &str, spans: &Spans) -> Vec<Mention> {
    let bounds: Vec<_> = (0..=text.len()).filter(|&byte| text.is_char_boundary(byte)).collect();
    let mention = |&(a, b, place, score): &(prop::sample::Index, prop::sample::Index, bool, f32)| {
        let (a, b) = (bounds[a.index(bounds.len())], bounds[b.index(bounds.len())]);
        Mention::new(Span::new(a.min(b), a.max(b)), labels()[usize::from(place)].clone(), score)
    };
    spans.iter().map(mention).collect()
}

fn expected(row: u64, text: &Result<Arc<str>, String>, found: &Found, options: &WriteOptions) -> Back {
    let shown = text.as_ref().ok().filter(|_| options.include_text).map(ToString::to_string);
    let (text, found) = match (text, found) {
        (Err(error), _) | (_, Err(error)) => return (row, shown, Err(error.clone())),
        (Ok(text), Ok(found)) => (text, found),
    };
    let mut map = OffsetMap::new(text, options.offsets);
    let wire = |mention: &Mention| {
        let (start, end) = map.span_from_bytes(mention.span);
        Wire {
            start: start as u64,
            end: end as u64,
            label: mention.label.to_string(),
            text: mention.slice(text).to_owned(),
            score: (f64::from(mention.score) * 1e4).round() as f32 / 1e4,
        }
    };
    (row, shown, Ok(found.iter().map(wire).collect()))
}

fn carried(rows: usize) -> RecordBatch {
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("id {row}"))));
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter((0..rows as i64).map(|row| (row % 2 == 0).then_some(row))));
    RecordBatch::try_from_iter_with_nullable([("id", ids, true), ("n", numbers, true)]).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_written_is_what_was_found(
        documents in prop::collection::vec(prop::collection::vec(document(), 1..5), 1..4),
        parquet in any::<bool>(),
        explode in any::<bool>(),
        include_text in any::<bool>(),
        offsets in prop::sample::select(&OffsetUnit::ALL),
        compression in prop::sample::select(vec![Compression::None, Compression::Gzip, Compression::Zstd]),
    ) {
        let format = if parquet { OutputFormat::Parquet } else { OutputFormat::Jsonl };
        let options = WriteOptions { format, explode, include_text, offsets, compression, ..WriteOptions::default() };
        let mut all = Vec::new();
        let mut wanted = Vec::new();
        let mut tally = Tally::default();
        for documents in documents {
            let first = wanted.len() as u64 * 10;
            let mut chunk = Chunk { positions: Vec::new(), texts: Vec::new(), carried: carried(documents.len()) };
            let mut found = Vec::new();
            for (row, (text, spans)) in (first..).step_by(10).zip(documents) {
                let spans = spans.map(|spans| mentions(text.as_deref().unwrap_or_default(), &spans));
                let text = text.map(Arc::from);
                let back = expected(row, &text, &spans, &options);
                tally.rows += 1;
                match &back.2 {
                    Ok(wires) => wires.iter().for_each(|wire| *tally.mentions.entry(wire.label.clone()).or_default() += 1),
                    Err(_) => tally.failed += 1,
                }
                wanted.push(back);
                chunk.positions.push(row);
                chunk.texts.push(text);
                found.push(spans);
            }
            all.push((chunk, found));
        }
        let (bytes, counted) = write(&all, &options);
        prop_assert_eq!(&counted, &tally);
        prop_assert_eq!(&write(&all, &options).0, &bytes, "the same rows are the same bytes");

        let name = if parquet { "out.parquet".to_owned() } else { format!("out.jsonl{}", compression.extension()) };
        block_on(async {
            let object = object(&name, bytes.clone()).await;
            let positions: Vec<Vec<u64>> = output_positions(object.clone()).try_collect().await.unwrap();
            prop_assert_eq!(positions.concat(), wanted.iter().map(|back| back.0).collect::<Vec<_>>());
            prop_assert_eq!(output_tally(&object).await.unwrap(), tally);
            Ok(())
        })?;
        let text = if explode { "document" } else { "text" };
        let back = match (format, compression) {
            (OutputFormat::Parquet, _) => from_parquet(bytes, explode, text),
            (OutputFormat::Jsonl, Compression::None) => from_jsonl(&bytes, explode, text),
            (OutputFormat::Jsonl, Compression::Zstd) => from_jsonl(&::zstd::decode_all(&bytes[..]).unwrap(), explode, text),
            (OutputFormat::Jsonl, Compression::Gzip) => {
                let mut plain = Vec::new();
                std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&bytes[..]), &mut plain).unwrap();
                from_jsonl(&plain, explode, text)
            }
        };
        prop_assert_eq!(back, wanted);
    }
}

fn one(text: &str, carried: RecordBatch) -> Chunk {
    Chunk { positions: vec![7], texts: vec![Ok(text.into())], carried }
}

fn kyiv(text: &str) -> Found {
    let start = text.find("Kyiv").unwrap();
    Ok(vec![Mention::new(Span::new(start, start + 4), Label::new("PLACE"), 0.987_654)])
}

fn lines(chunk: Chunk, found: Found, options: &WriteOptions) -> String {
    String::from_utf8(
        write(&[(chunk, vec![found])], &WriteOptions { format: OutputFormat::Jsonl, ..options.clone() }).0,
    )
    .unwrap()
}

/// What came in JSON goes out as the same JSON; types of tables have their usual forms.
#[tokio::test]
async fn jsonl_keeps_what_was_carried() {
    let line = r#"{"z":1.10,"text":"🚀 Kyiv","id":12345678901234567890123,"a":{"y":[1, 2]}}"#;
    let read = |options: ReadOptions| async move {
        let object = object("in.jsonl", line).await;
        let piece = pieces(&object, &options, 1 << 20).await.unwrap()[0];
        chunks(&object, piece.part, &options).await.unwrap().remove(0)
    };
    let options = WriteOptions { offsets: OffsetUnit::Utf16, ..WriteOptions::default() };
    let mention = r#"{"start":3,"end":7,"label":"PLACE","text":"Kyiv","score":0.9877}"#;
    let chunk = read(ReadOptions::default()).await;
    let id = r#""id":12345678901234567890123"#;
    let said = lines(chunk.clone(), kyiv("🚀 Kyiv"), &options);
    assert_eq!(said, format!("{{{id},\"z\":1.10,\"a\":{{\"y\":[1, 2]}},\"row\":0,\"mentions\":[{mention}]}}\n"));
    let said = lines(chunk, Err("too hard".into()), &WriteOptions { include_text: true, ..options.clone() });
    assert_eq!(
        said,
        format!("{{{id},\"z\":1.10,\"a\":{{\"y\":[1, 2]}},\"text\":\"🚀 Kyiv\",\"row\":0,\"error\":\"too hard\"}}\n")
    );

    let named = ReadOptions { carry: Some(vec!["z".into(), "none".into()]), ..ReadOptions::default() };
    let said = lines(read(named).await, kyiv("🚀 Kyiv"), &WriteOptions { explode: true, ..options.clone() });
    assert_eq!(said, format!("{{{id},\"z\":1.10,\"row\":0,{}\n", &mention[1..]));

    let when: ArrayRef = Arc::new(TimestampSecondArray::from(vec![0]).with_timezone("Europe/Kyiv"));
    let batch = RecordBatch::try_from_iter([("when", when)]).unwrap();
    let said = lines(one("x", batch), Ok(vec![]), &options);
    assert_eq!(said, "{\"when\":\"1970-01-01T03:00:00+03:00\",\"row\":7,\"mentions\":[]}\n");
    let said = lines(one("x", carried(1)), Ok(vec![]), &WriteOptions { explode: true, ..options });
    assert_eq!(
        said,
        r#"{"id":"id 0","n":0,"row":7,"start":null,"end":null,"label":null,"text":null,"score":null}"#.to_owned()
            + "\n"
    );
}

/// JSON's strings are strings in Parquet, and the other fields one object.
#[tokio::test]
async fn parquet_has_json_as_strings() {
    let lines =
        "{\"id\":\"a\\u00e9\",\"text\":\"x\",\"n\":1}\n{\"id\":5,\"text\":\"y\"}\n{\"id\":null,\"text\":\"z\"}\n";
    let object = object("in.jsonl", lines).await;
    let piece = pieces(&object, &ReadOptions::default(), 1 << 20).await.unwrap()[0];
    let chunk = chunks(&object, piece.part, &ReadOptions::default()).await.unwrap().remove(0);
    let options = WriteOptions { metadata: vec![("dateline.model".into(), "small".into())], ..WriteOptions::default() };
    let (bytes, _) = write(&[(chunk, vec![Ok(vec![]), Ok(vec![]), Ok(vec![])])], &options);
    let object = super::object("out.parquet", bytes.clone()).await;
    assert_eq!(output_metadata(&object).await.unwrap()["dateline.model"], "small");
    let mut reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap().build().unwrap();
    let batch = reader.next().unwrap().unwrap();
    let schema = batch.schema();
    let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["id", "fields", "row", "mentions", "error"]);
    let strings =
        |at: usize| batch.column(at).as_string::<i32>().iter().map(|it| it.map(str::to_owned)).collect::<Vec<_>>();
    assert_eq!(strings(0), [Some("aé".to_owned()), Some("5".to_owned()), None]);
    assert_eq!(strings(1), [Some("{\"n\":1}".to_owned()), None, None]);
}

#[tokio::test]
async fn names_that_clash_are_told() {
    let column = |name: &'static str| {
        let values: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
        RecordBatch::try_from_iter([(name, values)]).unwrap().schema()
    };
    let clash = |name, options: &WriteOptions| ShardWriter::new(Vec::new(), options, &column(name), &[]).err();
    let plain = WriteOptions::default();
    let exploded = WriteOptions { explode: true, ..WriteOptions::default() };
    let with_text = WriteOptions { include_text: true, text_column: "body".into(), ..WriteOptions::default() };
    assert!(matches!(clash("mentions", &plain), Some(WriteError::NameClash { column }) if column == "mentions"));
    assert!(clash("label", &plain).is_none());
    assert!(clash("label", &exploded).is_some());
    assert!(clash("body", &with_text).is_some());

    // A field of one line costs that line.
    let object = object("in.jsonl", "{\"id\":1,\"text\":\"Kyiv\",\"row\":3}\n").await;
    let piece = pieces(&object, &ReadOptions::default(), 1 << 20).await.unwrap()[0];
    let chunk = chunks(&object, piece.part, &ReadOptions::default()).await.unwrap().remove(0);
    let line: Value = serde_json::from_str(&lines(chunk, kyiv("Kyiv"), &plain)).unwrap();
    assert_eq!((&line["id"], &line["row"]), (&json!(1), &json!(0)));
    assert!(line["error"].as_str().unwrap().starts_with("the line has a field \"row\" of its own"), "{line}");
}

/// A full disk is told as such, and names of its kind stay.
#[test]
fn a_sink_that_is_full_is_an_error_of_the_sink() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    for format in [OutputFormat::Parquet, OutputFormat::Jsonl] {
        let options = WriteOptions { format, ..WriteOptions::default() };
        let chunk = one("Kyiv", carried(1));
        let written = ShardWriter::new(Full, &options, &chunk.carried.schema(), &labels()).and_then(|mut writer| {
            writer.write(&chunk, &[kyiv("Kyiv")])?;
            writer.finish().map(|_| ())
        });
        let error = written.unwrap_err();
        assert!(
            matches!(&error, WriteError::Sink(error) if error.kind() == std::io::ErrorKind::StorageFull),
            "{format:?}: {error:?}"
        );
    }
}

#[tokio::test]
async fn what_is_no_output_is_told() {
    let object = object("out.jsonl", "{\"row\":1,\"mentions\":[]}\n{\"row\":2,\"ment").await;
    let error = output_positions(object).try_collect::<Vec<_>>().await.unwrap_err().to_string();
    assert!(error.starts_with("out.jsonl, the line at byte 24: "), "{error}");
    let object = super::object("in.parquet", b"PAR1".to_vec()).await;
    assert!(output_tally(&object).await.unwrap_err().to_string().contains("is cut off or is no Parquet file"));
}

/// The same document twice is seen, also where mentions of one document count once.
#[tokio::test]
async fn rows_twice_are_seen() {
    for (explode, format) in [(false, OutputFormat::Jsonl), (true, OutputFormat::Jsonl), (false, OutputFormat::Parquet)]
    {
        let options = WriteOptions { format, explode, ..WriteOptions::default() };
        let (bytes, _) =
            write(&[(one("x", carried(1)), vec![Ok(vec![])]), (one("x", carried(1)), vec![Ok(vec![])])], &options);
        let name = if format == OutputFormat::Parquet { "out.parquet" } else { "out.jsonl" };
        let object = object(name, bytes).await;
        let positions: Vec<_> = output_positions(object).try_collect::<Vec<_>>().await.unwrap().concat();
        assert_eq!(positions, [7, 7]);
    }
}
