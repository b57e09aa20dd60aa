//! One NDJSON stream that is larger than memory: whether everything comes back, in order, and what the service holds of
//! it meanwhile. Most of a line is a field that only passes through, so the stream is as fast as the plumbing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::args::StreamArgs;
use crate::bulk;
use crate::failure::Failure;
use crate::memory::Watch;
use crate::output::{mib, say, table};
use crate::server::Server;

/// How often progress is said.
const PROGRESS: Duration = Duration::from_secs(10);

/// Sends the stream and prints the table.
pub(crate) async fn run(args: &StreamArgs) -> Result<bool, Failure> {
    let server = Server::start(&args.server)?;
    let watch = Watch::start(server.pid);
    let start = watch.now();
    let rest = format!(",\"pad\":\"{}\",\"text\":\"Olena left Kharkiv.\"}}\n", "x".repeat(args.pad << 10));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a size that the caller chose")]
    let total = (args.gigabytes * 1e9) as u64;
    let lines = total.div_ceil(rest.len() as u64);
    say(format_args!("{} GB in {lines} lines of {} KiB\n", args.gigabytes, rest.len() >> 10));

    let misplaced = AtomicU64::new(0);
    let begun = Instant::now();
    let mut told = begun;
    let line = |number: u64, buffer: &mut Vec<u8>| {
        if number < lines {
            buffer.extend_from_slice(format!("{{\"id\":{number}").as_bytes());
            buffer.extend_from_slice(rest.as_bytes());
        }
    };
    let seen = |number: u64, head: &[u8]| {
        if !head.starts_with(format!("{{\"id\":{number},").as_bytes()) {
            misplaced.fetch_add(1, Ordering::Relaxed);
        }
        if told.elapsed() > PROGRESS {
            told = Instant::now();
            say(format_args!("{:>6.0} s: {number} lines back", begun.elapsed().as_secs_f64()));
        }
    };
    let report = bulk::run(&server.target, None, line, seen).await.map_err(Failure::io("the stream"))?;
    let (highest, end) = (watch.take_highest(), watch.now());
    #[expect(clippy::cast_precision_loss, reason = "for reading, not for counting")]
    let speed = report.bytes as f64 / 1e6 / report.elapsed.as_secs_f64();
    let misplaced = misplaced.into_inner();
    let rows = [
        ("lines sent", report.sent.to_string()),
        ("lines back", report.answered.to_string()),
        ("errors", report.errors.to_string()),
        ("out of place", misplaced.to_string()),
        ("seconds", format!("{:.1}", report.elapsed.as_secs_f64())),
        ("MB/s", format!("{speed:.1}")),
        ("memory at the start, MiB", mib(start)),
        ("memory at most, MiB", mib(highest)),
        ("memory at the end, MiB", mib(end)),
    ];
    say(table(&["", "value"], &rows.map(|(name, value)| vec![name.to_owned(), value])));
    server.end()?;
    let bounded = highest.saturating_sub(start) <= args.growth << 20;
    let held = report.fault().is_none() && misplaced == 0 && bounded;
    if !held {
        say(format_args!(
            "\nFAILED: lines are missing, wrong or out of place, or memory grew by over {} MiB",
            args.growth
        ));
    }
    Ok(held)
}
