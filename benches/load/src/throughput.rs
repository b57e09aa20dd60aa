//! How much of the model's speed the service passes on: both are measured in turn, so that whatever else the machine
//! does falls on both, and the figure to quote is the median of the ratios.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::args::ThroughputArgs;
use crate::bare::{Bare, Work};
use crate::bulk::{self, Lines};
use crate::client::Target;
use crate::failure::Failure;
use crate::output::{say, table};
use crate::server::Server;
use crate::stats::median;
use crate::{memory, texts};

/// How long each works before the first measurement.
const WARM_UP: Duration = Duration::from_secs(2);

/// The texts as lines, and how many tokens each has.
struct Counted {
    lines: Lines,
    tokens: Vec<u64>,
}

/// Measures both and prints the table.
pub(crate) async fn run(args: &ThroughputArgs) -> Result<bool, Failure> {
    let texts = texts::texts(&args.texts)?;
    let mut bare = Bare::start(&args.server.model, &args.texts, args.batch)?;
    let counted = Arc::new(Counted { lines: Lines::new(&texts), tokens: bare.tokens.clone() });
    let server = Server::start(&args.server)?;
    let time = Duration::from_secs_f64(args.seconds);
    let words: usize = texts.iter().map(|text| text.split_whitespace().count()).sum();
    say(format_args!(
        "{} texts with {words} words and {} tokens; {} s a measurement, {} stream(s) to the service\n",
        texts.len(),
        counted.tokens.iter().sum::<u64>(),
        args.seconds,
        args.streams
    ));
    bare.measure(WARM_UP)?;
    measure(&server.target, &counted, args, WARM_UP).await?;
    let mut rows = Vec::new();
    let mut speeds: [Vec<f64>; 3] = Default::default();
    let mut own = 0.0;
    for round in 1..=args.rounds.max(1) {
        let alone = bare.measure(time)?;
        let before = memory::own_cpu_seconds();
        let served = measure(&server.target, &counted, args, time).await?;
        let cpu = memory::own_cpu_seconds().zip(before).map_or(f64::NAN, |(after, before)| after - before);
        own += 100.0 * cpu / served.seconds;
        let ratio = served.speed() / alone.speed();
        rows.push(row(&round.to_string(), [alone.speed(), served.speed(), ratio]));
        for (list, value) in speeds.iter_mut().zip([alone.speed(), served.speed(), ratio]) {
            list.push(value);
        }
    }
    let medians = speeds.map(|values| median(&values));
    rows.push(row("median", medians));
    say(table(&["round", "bare model, tokens/s", "service, tokens/s", "service / bare"], &rows));
    #[expect(clippy::cast_precision_loss, reason = "a few rounds")]
    let own = own / args.rounds.max(1) as f64;
    say(format_args!("\nthe generator took {own:.1} % of one CPU while the service was measured"));
    server.end()?;
    let enough = args.at_least.is_none_or(|least| medians[2] >= least);
    if !enough {
        say(format_args!("FAILED: the ratio is below {}", args.at_least.unwrap_or_default()));
    }
    Ok(enough)
}

fn row(name: &str, [bare, served, ratio]: [f64; 3]) -> Vec<String> {
    vec![name.to_owned(), format!("{bare:.0}"), format!("{served:.0}"), format!("{ratio:.3}")]
}

/// Sends texts for `time` and counts the tokens of those that were answered, up to the last answer.
async fn measure(
    target: &Target,
    texts: &Arc<Counted>,
    args: &ThroughputArgs,
    time: Duration,
) -> Result<Work, Failure> {
    let start = Instant::now();
    let mut streams = JoinSet::new();
    for index in 0..args.streams.max(1) {
        let (target, texts) = (target.clone(), Arc::clone(texts));
        let (first, in_flight) = (index * texts.tokens.len() / args.streams.max(1), args.in_flight << 10);
        streams.spawn(async move {
            let line = |number: u64, buffer: &mut Vec<u8>| {
                if start.elapsed() < time {
                    texts.lines.append(first, number, buffer);
                }
            };
            let mut tokens = 0;
            let seen = |number: u64, _: &[u8]| tokens += texts.tokens[texts.lines.text_of(first, number)];
            let report = bulk::run(&target, Some(in_flight), line, seen).await?;
            report.fault().map_or(Ok(tokens), |fault| Err(std::io::Error::other(fault)))
        });
    }
    let mut tokens = 0;
    for counted in streams.join_all().await {
        tokens += counted.map_err(Failure::io("a stream to the service"))?;
    }
    Ok(Work { tokens, seconds: start.elapsed().as_secs_f64() })
}
