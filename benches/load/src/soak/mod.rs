//! Minutes of a mixture that saturates the service: bulk streams, single requests, batches, bad requests and clients
//! that leave in the middle. Its memory must be at the end what it was once everything had happened for the first time.

mod clients;

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::args::SoakArgs;
use crate::failure::Failure;
use crate::memory::resident;
use crate::output::{mib, say, table, warn};
use crate::plot::{self, Titles};
use crate::server::Server;
use crate::stats::median;
use clients::{Mixture, Tally};

/// When memory is taken for settled, in minutes; in a trial of less than [`JUDGED`], at a fifth of it.
const SETTLED: f64 = 2.0;
/// From how many minutes on memory is judged.
const JUDGED: f64 = 4.0;
/// Around that moment, and before the end, memory is the median of so many seconds.
const AROUND: f64 = 10.0;
/// What memory at the end may be of that.
const ALLOWED: std::ops::RangeInclusive<f64> = 0.5..=1.1;
/// How long clients may take to come to an end.
const LAST: Duration = Duration::from_secs(150);

/// Memory at a time.
#[derive(Clone, Copy, Debug)]
struct Sample {
    seconds: f64,
    bytes: u64,
    requests: u64,
}

/// Runs the mixture and prints minute by minute how it goes.
pub(crate) async fn run(args: &SoakArgs) -> Result<bool, Failure> {
    let server = Server::start(&args.server)?;
    let start = Instant::now();
    let length = Duration::from_secs_f64(args.minutes * 60.0);
    let mixture = Arc::new(Mixture::new(&server.target, &crate::texts::texts(&args.texts)?, start + length));
    let mut clients = JoinSet::new();
    mixture.start(&mut clients);
    let samples = watch(server.pid, &mixture.tally, start, length).await;
    let begun = Instant::now();
    while tokio::time::timeout(LAST.saturating_sub(begun.elapsed()), clients.join_next())
        .await
        .is_ok_and(|one| one.is_some())
    {}
    if !clients.is_empty() {
        mixture.tally.fault(format!("{} clients were still waiting {} s after the end", clients.len(), LAST.as_secs()));
    }
    write(args.csv.as_deref(), || csv(&samples))?;
    write(args.svg.as_deref(), || draw(&samples))?;

    say("");
    say(mixture.tally.table());
    let faults = mixture.tally.faults();
    for fault in &faults.first {
        say(format_args!("fault: {fault}"));
    }
    if faults.number > faults.first.len() as u64 {
        say(format_args!("and {} more faults", faults.number - faults.first.len() as u64));
    }
    let steady = verdict(&samples, args.minutes * 60.0);
    if let Some(ended) = server.end()? {
        say(format_args!("after SIGTERM it ended with {:?} in {:.1} s", ended.code, ended.after.as_secs_f64()));
    }
    Ok(steady && faults.number == 0)
}

/// Samples memory once a second and says each minute how it stands.
async fn watch(pid: Option<u32>, tally: &Tally, start: Instant, length: Duration) -> Vec<Sample> {
    if pid.is_none() {
        warn("the service's process is not known (--pid): its memory is not watched");
    }
    say("| minute | memory, MiB | at most | 2xx     | 4xx     | 5xx     | left    | faults  |");
    say("| ------ | ----------- | ------- | ------- | ------- | ------- | ------- | ------- |");
    let mut samples: Vec<Sample> = Vec::new();
    let mut minute = 1;
    while start.elapsed() < length {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let seconds = start.elapsed().as_secs_f64();
        samples.push(Sample { seconds, bytes: pid.and_then(resident).unwrap_or(0), requests: tally.all() });
        if seconds >= f64::from(minute) * 60.0 || start.elapsed() >= length {
            let latest: Vec<_> =
                samples.iter().filter(|sample| sample.seconds > f64::from(minute - 1) * 60.0).collect();
            let now = latest.last().map_or(0, |sample| sample.bytes);
            let most = latest.iter().map(|sample| sample.bytes).max().unwrap_or(0);
            let [good, bad, broken, left] = tally.classes();
            let faults = tally.faults().number;
            say(format_args!(
                "| {minute:<6} | {:<11} | {:<7} | {good:<7} | {bad:<7} | {broken:<7} | {left:<7} | {faults:<7} |",
                mib(now),
                mib(most)
            ));
            minute += 1;
        }
    }
    samples
}

/// Says whether memory has stayed.
fn verdict(samples: &[Sample], length: f64) -> bool {
    let judged = length >= JUDGED * 60.0;
    let early = if judged { SETTLED * 60.0 } else { length / 5.0 };
    let around = |from: f64, to: f64| {
        let within = samples.iter().filter(|sample| (from..=to).contains(&sample.seconds));
        #[expect(clippy::cast_precision_loss, reason = "for a ratio")]
        let bytes = within.map(|sample| sample.bytes as f64 / f64::from(1 << 20));
        median(&bytes.collect::<Vec<_>>())
    };
    let last = samples.last().map_or(0.0, |sample| sample.seconds);
    let (settled, end) = (around(early - AROUND / 2.0, early + AROUND / 2.0), around(last - AROUND, last));
    if !(settled > 0.0 && end > 0.0) {
        say("\nmemory was not measured");
        return samples.iter().all(|sample| sample.bytes == 0);
    }
    let ratio = end / settled;
    let steady = ALLOWED.contains(&ratio);
    let rows = [vec![format!("{early:.0} s"), format!("{settled:.1}"), format!("{end:.1}"), format!("{ratio:.3}")]];
    say("");
    say(table(&["settled at", "memory then, MiB", "at the end, MiB", "end / settled"], &rows));
    if !judged {
        say(format_args!("too short to judge: memory settles within {SETTLED} minutes, and {JUDGED} are needed"));
    } else if !steady {
        say(format_args!("FAILED: memory at the end must be {} to {} of that", ALLOWED.start(), ALLOWED.end()));
    }
    steady || !judged
}

fn csv(samples: &[Sample]) -> String {
    let mut csv = "seconds,resident_bytes,requests\n".to_owned();
    for Sample { seconds, bytes, requests } in samples {
        writeln!(csv, "{seconds:.1},{bytes},{requests}").expect("a string takes all");
    }
    csv
}

fn draw(samples: &[Sample]) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for a plot")]
    let point = |sample: &Sample| (sample.seconds / 60.0, sample.bytes as f64 / f64::from(1 << 20));
    let title = "Memory of dateline serve under a saturating mixture of requests";
    let titles = Titles { title, across: "time (minutes)", up: "resident memory (MiB)" };
    plot::svg(titles, &samples.iter().map(point).collect::<Vec<_>>())
}

fn write(file: Option<&Path>, content: impl FnOnce() -> String) -> Result<(), Failure> {
    let Some(file) = file else { return Ok(()) };
    std::fs::write(file, content()).map_err(Failure::io(format!("cannot write {}", file.display())))
}
