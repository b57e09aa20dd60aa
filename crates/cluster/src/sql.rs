//! `dateline-cluster sql`: a query on the cluster, its rows on standard output.

use std::io::{self, Write};

use datafusion::arrow::json::LineDelimitedWriter;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::error::DataFusionError;
use datafusion::prelude::{CsvReadOptions, JsonReadOptions, ParquetReadOptions, SessionContext};
use futures::StreamExt;

use crate::args::{RowFormat, SqlArgs, scheduler_url};
use crate::failure::Failure;
use crate::net;
use crate::session;

/// Runs the query and prints its rows.
pub(crate) async fn run(args: SqlArgs) -> Result<(), Failure> {
    net::scheduler_answers(&args.scheduler, net::CLIENT_WAITS).await?;
    let context = session::client(&scheduler_url(&args.scheduler))?.enable_url_table();
    for table in &args.tables {
        register(&context, table).await?;
    }
    let query = context.sql(&args.query).await.map_err(|error| unplanned(&error))?;
    let mut out = io::stdout();
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

/// A query that nobody can plan, with a hint if it is a file that has no name.
fn unplanned(error: &DataFusionError) -> Failure {
    let message = error.to_string();
    let hint = if message.contains("not found") && message.contains('/') {
        "; a quoted path is a table only if it ends in .parquet, .json or .csv: name others by --table NAME=PLACE"
    } else {
        ""
    };
    Failure::Usage(format!("{message}{hint}"))
}

/// Gives the files at a place a name; what they hold is told by the place's name.
async fn register(context: &SessionContext, table: &str) -> Result<(), Failure> {
    let (name, place) =
        table.split_once('=').ok_or_else(|| Failure::Usage(format!("--table {table}: give NAME=PLACE")))?;
    let registered = match place.rsplit_once('.').map(|(_, extension)| extension) {
        Some(extension @ ("jsonl" | "ndjson" | "json")) => {
            context.register_json(name, place, JsonReadOptions::default().file_extension(extension)).await
        }
        Some(extension @ ("csv" | "tsv")) => {
            let delimiter = if extension == "tsv" { b'\t' } else { b',' };
            let options = CsvReadOptions::new().file_extension(extension).delimiter(delimiter);
            context.register_csv(name, place, options).await
        }
        // A folder, too.
        _ => context.register_parquet(name, place, ParquetReadOptions::default()).await,
    };
    registered.map_err(|error| Failure::Usage(format!("--table {table}: {error}")))
}
