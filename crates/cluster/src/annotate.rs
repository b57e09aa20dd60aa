//! The function `annotate(text)`: the mentions of a text, for queries of any kind. It hands its texts to the one model that
//! an executor has and waits without holding a thread.
//!
//! ```sql
//! SELECT id, unnest(annotate(text)) FROM 'stories.parquet'
//! ```

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{
    Array, Float32Array, ListArray, RecordBatch, RecordBatchOptions, StringArray, StructArray, UInt32Array,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema};
use datafusion::common::cast::as_string_array;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::async_udf::AsyncScalarUDFImpl;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use dateline_batch::Chunk;
use dateline_text::OffsetUnit;
use dateline_text::record::{self, MentionRecord};
use tracing::warn;

use crate::shard::no_worker;
use crate::worker::Worker;

/// What the function is called in queries.
const NAME: &str = "annotate";

/// The function.
#[derive(Debug)]
pub(crate) struct Annotate {
    signature: Signature,
    worker: Option<Arc<Worker>>,
}

impl Annotate {
    /// By `worker`; without one the function can only be planned.
    pub(crate) fn new(worker: Option<Arc<Worker>>) -> Self {
        // Volatile, though it is not: else `annotate('a constant')` would be called where queries are planned.
        Self { signature: Signature::exact(vec![DataType::Utf8], Volatility::Volatile), worker }
    }
}

impl PartialEq for Annotate {
    fn eq(&self, other: &Self) -> bool {
        self.signature == other.signature
    }
}

impl Eq for Annotate {}

impl Hash for Annotate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        NAME.hash(state);
    }
}

impl ScalarUDFImpl for Annotate {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(item()))
    }

    fn invoke_with_args(&self, _arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(DataFusionError::Execution(format!("{NAME} is called by executors, not while a query is planned")))
    }
}

#[async_trait]
impl AsyncScalarUDFImpl for Annotate {
    async fn invoke_async_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let worker = self.worker.as_ref().ok_or_else(|| no_worker(NAME))?;
        let column = arguments.args[0].to_array(arguments.number_rows)?;
        let texts = as_string_array(&column)?;
        let chunk = chunk(texts)?;
        let outcomes = worker.annotate(&chunk).await.map_err(|error| DataFusionError::External(error.into()))?;
        let mut failed = 0;
        let mentions = texts.iter().zip(outcomes).map(|(text, outcome)| match (text, outcome) {
            (Some(text), Ok(mentions)) => Some(record::mentions(text, &mentions, OffsetUnit::Codepoint)),
            (Some(_), Err(_)) => {
                failed += 1;
                None
            }
            (None, _) => None,
        });
        let mentions: Vec<_> = mentions.collect();
        if failed > 0 {
            warn!(failed, "the model failed on texts; their mentions are NULL");
        }
        Ok(ColumnarValue::Array(Arc::new(list(&mentions)?)))
    }
}

/// The texts as a chunk of a file. A NULL is no text.
fn chunk(texts: &StringArray) -> Result<Chunk> {
    let rows = texts.len();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(Chunk {
        positions: (0..rows as u64).collect(),
        texts: texts.iter().map(|text| text.map(Arc::from).ok_or_else(String::new)).collect(),
        carried: RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options)?,
    })
}

/// The type of a mention: as in the outputs of `dateline batch`, but for the label, which is plain text.
fn fields() -> Fields {
    Fields::from(vec![
        Field::new("start", DataType::UInt32, true),
        Field::new("end", DataType::UInt32, true),
        Field::new("label", DataType::Utf8, true),
        Field::new("text", DataType::Utf8, true),
        Field::new("score", DataType::Float32, true),
    ])
}

fn item() -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Struct(fields()), true))
}

fn list(rows: &[Option<Vec<MentionRecord>>]) -> Result<ListArray> {
    let all = || rows.iter().flatten().flatten();
    let strings = |of: fn(&MentionRecord) -> &str| Arc::new(StringArray::from(all().map(of).collect::<Vec<_>>()));
    let number = |offset: usize| {
        u32::try_from(offset)
            .map_err(|_| DataFusionError::Execution(format!("a mention lies at {offset}, which does not fit 32 bits")))
    };
    let starts = all().map(|mention| number(mention.start)).collect::<Result<Vec<_>>>()?;
    let ends = all().map(|mention| number(mention.end)).collect::<Result<Vec<_>>>()?;
    #[expect(clippy::cast_possible_truncation, reason = "a score was an f32 before it was rounded")]
    let scores = all().map(|mention| mention.score as f32);
    let values = StructArray::try_new(
        fields(),
        vec![
            Arc::new(UInt32Array::from(starts)),
            Arc::new(UInt32Array::from(ends)),
            strings(|mention| mention.label.as_str()),
            strings(|mention| mention.text.as_str()),
            Arc::new(Float32Array::from_iter_values(scores)),
        ],
        None,
    )?;
    let lengths = OffsetBuffer::from_lengths(rows.iter().map(|row| row.as_ref().map_or(0, Vec::len)));
    let nulls = NullBuffer::from_iter(rows.iter().map(Option::is_some));
    Ok(ListArray::try_new(item(), lengths, Arc::new(values), Some(nulls))?)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::AsArray;
    use dateline_text::Label;

    use super::*;

    #[test]
    fn a_row_has_its_mentions_and_a_null_has_none() {
        let mention = |text: &str, start| MentionRecord {
            start,
            end: start + text.len(),
            label: Label::new("PLACE"),
            text: text.to_owned(),
            score: 0.5,
        };
        let list = list(&[Some(vec![mention("Lagos", 3), mention("Oslo", 9)]), None, Some(vec![])]).unwrap();
        assert_eq!(list.data_type(), &DataType::List(item()));
        assert_eq!(
            (0..3).map(|row| (list.is_null(row), list.value(row).len())).collect::<Vec<_>>(),
            [(false, 2), (true, 0), (false, 0)]
        );
        let first = list.value(0);
        let texts = first.as_struct().column_by_name("text").unwrap();
        assert_eq!(texts.as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["Lagos", "Oslo"]);
    }

    #[test]
    fn nulls_are_no_texts() {
        let chunk = chunk(&StringArray::from(vec![Some("a"), None])).unwrap();
        assert_eq!((chunk.positions.len(), chunk.texts[0].as_deref(), chunk.texts[1].is_err()), (2, Ok("a"), true));
    }
}
