//! `dateline-cluster sql`: a query on the cluster, its rows on standard output.

use std::io::{self, Write};

use datafusion::arrow::json::LineDelimitedWriter;
use datafusion::arrow::util::pretty::pretty_format_batches;
use futures::StreamExt;

use crate::args::{RowFormat, SqlArgs, scheduler_url};
use crate::failure::Failure;
use crate::session;

/// Runs the query and prints its rows.
pub(crate) async fn run(args: SqlArgs) -> Result<(), Failure> {
    let context = session::client(&scheduler_url(&args.scheduler))?.enable_url_table();
    let query = context.sql(&args.query).await.map_err(|error| Failure::Usage(error.to_string()))?;
    let mut out = io::stdout().lock();
    match args.format {
        RowFormat::Table => {
            let batches = query.collect().await?;
            let table = pretty_format_batches(&batches).map_err(Failure::work)?;
            writeln!(out, "{table}").map_err(Failure::work)?;
        }
        RowFormat::Jsonl => {
            let mut batches = query.execute_stream().await?;
            let mut writer = LineDelimitedWriter::new(out);
            while let Some(batch) = batches.next().await {
                writer.write(&batch?).map_err(Failure::work)?;
            }
            writer.finish().map_err(Failure::work)?;
        }
    }
    Ok(())
}
