//! The function `annotate_shard(plan, shard)`: does a shard of a plan, unless its output is there, and says what came of
//! it as JSON. It runs once for each row of the table `manifest`, each in a task of its own.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{Array, StringArray, StringBuilder, UInt64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::cast::{as_string_array, as_uint64_array};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::async_udf::AsyncScalarUDFImpl;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use dateline_batch::BatchError;
use serde::{Deserialize, Serialize};

use crate::worker::Worker;

/// What the function is called in queries.
pub(crate) const NAME: &str = "annotate_shard";

/// What came of a shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShardResult {
    /// Its number.
    pub(crate) shard: u64,
    /// What was done.
    #[serde(flatten)]
    pub(crate) end: ShardEnd,
}

/// How a shard came to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "lowercase")]
pub(crate) enum ShardEnd {
    /// Its output was there before anything was done.
    Found,
    /// It was annotated and put in its place.
    Committed {
        /// Its documents.
        rows: u64,
        /// How many of them failed.
        failed: u64,
    },
    /// It was annotated, and another executor had put the same there meanwhile.
    Twice,
    /// It cannot be read.
    Broken {
        /// Why not.
        error: String,
    },
}

/// The function.
#[derive(Debug)]
pub(crate) struct AnnotateShard {
    signature: Signature,
    worker: Option<Arc<Worker>>,
}

impl AnnotateShard {
    /// By `worker`; without one the function can only be planned.
    pub(crate) fn new(worker: Option<Arc<Worker>>) -> Self {
        // Volatile: it must not be called while a query is planned, nor be left out.
        let signature = Signature::exact(vec![DataType::Utf8, DataType::UInt64], Volatility::Volatile);
        Self { signature, worker }
    }
}

impl PartialEq for AnnotateShard {
    fn eq(&self, other: &Self) -> bool {
        self.signature == other.signature
    }
}

impl Eq for AnnotateShard {}

impl Hash for AnnotateShard {
    fn hash<H: Hasher>(&self, state: &mut H) {
        NAME.hash(state);
    }
}

impl ScalarUDFImpl for AnnotateShard {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, _arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(DataFusionError::Execution(format!("{NAME} is called by executors, not while a query is planned")))
    }
}

#[async_trait]
impl AsyncScalarUDFImpl for AnnotateShard {
    async fn invoke_async_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let worker = self.worker.as_ref().ok_or_else(|| no_worker(NAME))?;
        let column = |index: usize| arguments.args[index].to_array(arguments.number_rows);
        let (plans, shards) = (column(0)?, column(1)?);
        let results = all(worker, as_string_array(&plans)?, as_uint64_array(&shards)?).await?;
        Ok(ColumnarValue::Array(Arc::new(results)))
    }
}

async fn all(worker: &Worker, plans: &StringArray, shards: &UInt64Array) -> Result<StringArray> {
    let mut results = StringBuilder::new();
    for row in 0..shards.len() {
        let shard = shards.value(row);
        let end = worker.shard(plans.value(row), shard).await.map_err(|error| failure(shard, &error))?;
        let result = ShardResult { shard, end };
        results.append_value(serde_json::to_string(&result).map_err(|error| DataFusionError::External(error.into()))?);
    }
    Ok(results.finish())
}

/// Ballista tries a task again after an error of input and output, and gives the job up after any other.
fn failure(shard: u64, error: &BatchError) -> DataFusionError {
    let message = format!("shard {shard}: {error}");
    match error {
        BatchError::Usage(_) | BatchError::Damaged { .. } => DataFusionError::Execution(message),
        _ => DataFusionError::IoError(std::io::Error::other(message)),
    }
}

/// The error of a function that is called where there is no model.
pub(crate) fn no_worker(function: &str) -> DataFusionError {
    DataFusionError::Execution(format!("{function} is called where there is no model: only executors have one"))
}

/// The results in a column of what [`AnnotateShard`] returned.
pub(crate) fn results(column: &dyn Array) -> Result<Vec<ShardResult>> {
    let parse = |json: &str| serde_json::from_str(json).map_err(|error| DataFusionError::External(error.into()));
    as_string_array(column)?.iter().flatten().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_back_as_they_were_sent() {
        let sent = [
            ShardResult { shard: 1, end: ShardEnd::Found },
            ShardResult { shard: 2, end: ShardEnd::Committed { rows: 7, failed: 1 } },
            ShardResult { shard: 3, end: ShardEnd::Broken { error: "x.jsonl is cut off".to_owned() } },
        ];
        let json: Vec<String> = sent.iter().map(|result| serde_json::to_string(result).unwrap()).collect();
        assert_eq!(json[1], r#"{"shard":2,"end":"committed","rows":7,"failed":1}"#);
        assert_eq!(results(&StringArray::from(json)).unwrap(), sent);
    }
}
