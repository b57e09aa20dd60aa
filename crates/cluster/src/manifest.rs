//! The table `manifest`: a plan's shards that are to be done, a row each and each in a partition of its own, so that each
//! becomes a task of its own. No file holds it: it travels inside the query, from whoever submits it to the scheduler.

use std::sync::Arc;

use async_trait::async_trait;
use ballista_core::serde::BallistaLogicalExtensionCodec;
use datafusion::arrow::array::{StringArray, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::TableReference;
use datafusion::datasource::TableType;
use datafusion::datasource::file_format::FileFormatFactory;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan};
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::logical_plan::LogicalExtensionCodec;
use serde::{Deserialize, Serialize};

/// What the table is called in queries.
pub(crate) const NAME: &str = "manifest";

/// Shards of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Where the plan lies: `OUTPUT/_plan/ID.json`.
    pub(crate) plan: String,
    /// The numbers of the shards.
    pub(crate) shards: Vec<u64>,
}

impl Manifest {
    fn row(&self, shard: u64) -> Result<RecordBatch> {
        let plan = StringArray::from(vec![self.plan.as_str()]);
        Ok(RecordBatch::try_new(schema(), vec![Arc::new(plan), Arc::new(UInt64Array::from(vec![shard]))])?)
    }
}

fn schema() -> SchemaRef {
    let fields = vec![Field::new("plan", DataType::Utf8, false), Field::new("shard", DataType::UInt64, false)];
    Arc::new(Schema::new(fields))
}

#[async_trait]
impl TableProvider for Manifest {
    fn schema(&self) -> SchemaRef {
        schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rows = self.shards.iter().map(|&shard| Ok(vec![self.row(shard)?])).collect::<Result<Vec<_>>>()?;
        Ok(MemorySourceConfig::try_new_exec(&rows, schema(), projection.cloned())?)
    }
}

/// Ballista's way to write queries down, which does not know our table.
#[derive(Debug, Default)]
pub(crate) struct Codec {
    ballista: BallistaLogicalExtensionCodec,
}

impl LogicalExtensionCodec for Codec {
    fn try_decode(&self, bytes: &[u8], inputs: &[LogicalPlan], context: &TaskContext) -> Result<Extension> {
        self.ballista.try_decode(bytes, inputs, context)
    }

    fn try_encode(&self, node: &Extension, to: &mut Vec<u8>) -> Result<()> {
        self.ballista.try_encode(node, to)
    }

    fn try_decode_table_provider(
        &self,
        bytes: &[u8],
        table: &TableReference,
        schema: SchemaRef,
        context: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        match serde_json::from_slice::<Manifest>(bytes) {
            Ok(manifest) => Ok(Arc::new(manifest)),
            Err(_) => self.ballista.try_decode_table_provider(bytes, table, schema, context),
        }
    }

    fn try_encode_table_provider(
        &self,
        table: &TableReference,
        provider: Arc<dyn TableProvider>,
        to: &mut Vec<u8>,
    ) -> Result<()> {
        match provider.downcast_ref::<Manifest>() {
            Some(manifest) => {
                serde_json::to_writer(to, manifest).map_err(|error| DataFusionError::External(error.into()))
            }
            None => self.ballista.try_encode_table_provider(table, provider, to),
        }
    }

    fn try_decode_file_format(&self, bytes: &[u8], context: &TaskContext) -> Result<Arc<dyn FileFormatFactory>> {
        self.ballista.try_decode_file_format(bytes, context)
    }

    fn try_encode_file_format(&self, to: &mut Vec<u8>, format: Arc<dyn FileFormatFactory>) -> Result<()> {
        self.ballista.try_encode_file_format(to, format)
    }
}

#[cfg(test)]
mod tests {
    use datafusion::physical_plan::ExecutionPlanProperties;
    use datafusion::prelude::SessionContext;

    use super::*;

    #[tokio::test]
    async fn a_shard_is_a_partition() {
        let manifest = Manifest { plan: "out/_plan/x.json".to_owned(), shards: vec![3, 5, 8] };
        let context = SessionContext::new();
        context.register_table(NAME, Arc::new(manifest)).unwrap();
        let plan = context.sql("SELECT shard FROM manifest").await.unwrap().create_physical_plan().await.unwrap();
        assert_eq!(plan.output_partitioning().partition_count(), 3);
    }

    #[test]
    fn the_table_travels_in_the_query() {
        let manifest = Manifest { plan: "s3://news/out/_plan/x.json".to_owned(), shards: (0..1000).collect() };
        let (codec, table, mut bytes) = (Codec::default(), TableReference::bare(NAME), Vec::new());
        codec.try_encode_table_provider(&table, Arc::new(manifest.clone()), &mut bytes).unwrap();
        let context = SessionContext::new().task_ctx();
        let decoded = codec.try_decode_table_provider(&bytes, &table, schema(), &context).unwrap();
        assert_eq!(decoded.downcast_ref(), Some(&manifest));
    }
}
