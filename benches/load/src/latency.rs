//! Times of single requests, one after the other: on a service that does nothing else, then on one that a bulk stream
//! keeps busy. What the second costs over the first is how fair the service is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::args::LatencyArgs;
use crate::bulk::{self, Lines};
use crate::client::{KeptAlive, Target};
use crate::failure::Failure;
use crate::output::{say, table};
use crate::server::Server;
use crate::stats::percentile;
use crate::texts::{story, texts};

/// Answers of each bulk stream that are waited for before the service counts as busy.
const BUSY_AFTER: u64 = 16;
/// How long that may take.
const BUSY_WITHIN: Duration = Duration::from_secs(120);

/// Measures both and prints the table.
pub(crate) async fn run(args: &LatencyArgs) -> Result<bool, Failure> {
    let server = Server::start(&args.server)?;
    let requests: Vec<Vec<u8>> =
        (0..50).map(|number| server.target.single(&story(number, args.single_words))).collect();
    say(format_args!(
        "{} requests of {} words, {} ms after the answer to the one before; bulk: {} stream(s) of texts of {} words\n",
        args.requests, args.single_words, args.pause, args.streams, args.texts.words
    ));
    let warm_up = 20.min(args.requests);
    let most = Duration::from_secs(args.seconds);
    measure(&server.target, requests.iter().cycle().take(warm_up), Duration::ZERO, most).await?;
    let (requests, pause) = (requests.iter().cycle().take(args.requests), Duration::from_millis(args.pause));
    let idle = measure(&server.target, requests.clone(), pause, most).await?;

    let mut bulk_texts = texts(&args.texts)?;
    if args.texts.texts.is_none() {
        // Stories of one length: the longest that a request may find before it.
        bulk_texts = (0..args.texts.documents.max(1)).map(|number| story(number, args.texts.words)).collect();
    }
    let answered = Arc::new(AtomicU64::new(0));
    let mut streams = saturate(&server.target, &bulk_texts, args.streams, &answered);
    let begun = Instant::now();
    while answered.load(Ordering::Relaxed) < BUSY_AFTER * args.streams as u64 {
        if begun.elapsed() > BUSY_WITHIN {
            return Err(Failure::Usage("the bulk stream is not answered".to_owned()));
        }
        if let Some(ended) = streams.try_join_next() {
            return Err(stopped(ended));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (before, start) = (answered.load(Ordering::Relaxed), Instant::now());
    let busy = measure(&server.target, requests, pause, most).await?;
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 answers")]
    let bulk_speed = (answered.load(Ordering::Relaxed) - before) as f64 / start.elapsed().as_secs_f64();
    if let Some(ended) = streams.try_join_next() {
        return Err(stopped(ended));
    }
    streams.shutdown().await;

    let percents = [50.0, 95.0, 99.0, 100.0];
    let numbers = [idle.len(), busy.len()];
    let [idle, busy] = [&idle, &busy].map(|times| percents.map(|percent| percentile(times, percent)));
    let row = |name: &str, number: usize, times: [f64; 4]| {
        let cells = times.map(|time| format!("{time:.1}"));
        [name.to_owned(), number.to_string()].into_iter().chain(cells).collect::<Vec<_>>()
    };
    let rows = [row("nothing else", numbers[0], idle), row("bulk", numbers[1], busy)];
    say(table(&["the service does", "requests", "p50, ms", "p95, ms", "p99, ms", "longest, ms"], &rows));
    say(format_args!("\np99 under load / p99 without: {:.2}", busy[2] / idle[2]));
    say(format_args!("p99 under load / p50 without: {:.2}", busy[2] / idle[0]));
    say(format_args!("the bulk went on at {bulk_speed:.1} texts/s meanwhile"));
    server.end()?;
    let quick = args.at_most.is_none_or(|most| busy[2] / idle[2] <= most);
    if !quick {
        say(format_args!("FAILED: p99 under load is over {} times p99 without", args.at_most.unwrap_or_default()));
    }
    Ok(quick)
}

/// The times of requests in milliseconds, asked one after the other over one connection until `most` is over.
async fn measure(
    target: &Target,
    requests: impl Iterator<Item = &Vec<u8>>,
    pause: Duration,
    most: Duration,
) -> Result<Vec<f64>, Failure> {
    let mut connection = KeptAlive::new(target.clone());
    let mut times = Vec::new();
    let begun = Instant::now();
    for request in requests {
        if begun.elapsed() > most {
            break;
        }
        let start = Instant::now();
        let answer = connection.ask(request).await.map_err(Failure::io("a single request"))?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        if answer.head.status != 200 {
            let fault = std::io::Error::other(format!("answered with {}", answer.summary()));
            return Err(Failure::io("a single request")(fault));
        }
        tokio::time::sleep(pause).await;
    }
    Ok(times)
}

/// Streams that send as fast as the service takes it, until they are dropped.
fn saturate(
    target: &Target,
    texts: &[String],
    streams: usize,
    answered: &Arc<AtomicU64>,
) -> JoinSet<std::io::Result<bulk::Report>> {
    let lines = Arc::new(Lines::new(texts));
    let mut running = JoinSet::new();
    for index in 0..streams {
        let (target, lines, answered) = (target.clone(), Arc::clone(&lines), Arc::clone(answered));
        running.spawn(async move {
            let line = |number: u64, buffer: &mut Vec<u8>| lines.append(index * 7, number, buffer);
            let seen = |_: u64, _: &[u8]| {
                answered.fetch_add(1, Ordering::Relaxed);
            };
            bulk::run(&target, None, line, seen).await
        });
    }
    running
}

/// A stream that ended although nobody ended it.
fn stopped(ended: Result<std::io::Result<bulk::Report>, tokio::task::JoinError>) -> Failure {
    let error = match ended {
        Ok(Ok(_)) => std::io::Error::other("the service ended the answer"),
        Ok(Err(error)) => error,
        Err(error) => std::io::Error::other(error),
    };
    Failure::io("the bulk stream")(error)
}
