//! Clients that mean no good, one kind after the other, each with what the service should do about it. After each the
//! service must be ready, and its memory must have stayed within a limit throughout.

mod bodies;
mod connections;
mod malformed;
mod readers;

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::args::HostileArgs;
use crate::client::{Answer, Target};
use crate::failure::Failure;
use crate::memory::Watch;
use crate::output::{mib, say, table};
use crate::server::Server;

/// How long a case may take beyond the time in which slow clients are to be cut off.
const CASE: Duration = Duration::from_secs(300);
/// How often someone else asks.
const OTHERS_PAUSE: Duration = Duration::from_millis(500);

/// The kinds of abuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Case {
    /// Thousands of connections are open before the first sends anything.
    Connections,
    /// Heads that come a byte a second.
    SlowHeads,
    /// Bodies that come byte by byte, and bodies that stop coming.
    SlowBodies,
    /// A huge body that says how long it is.
    HugeBody,
    /// A huge JSON body that does not.
    HugeChunked,
    /// A huge line of NDJSON.
    HugeLine,
    /// NDJSON streams whose answers nobody reads.
    UnreadStreams,
    /// Large answers that nobody reads.
    UnreadAnswers,
    /// A body with every byte replaced, and cut off at every byte.
    MalformedJson,
    /// Requests sent without waiting for answers.
    Pipelined,
    /// What is no HTTP.
    Garbage,
    /// A head of a MiB.
    HugeHead,
    /// Ten thousand documents in one body.
    ManyDocuments,
    /// A hundred thousand open brackets.
    DeepNesting,
    /// A small body that is huge when decompressed.
    GzipBomb,
    /// Clients that leave in the middle of a request.
    Leavers,
}

/// What a case may end with that is not what was expected.
#[derive(Debug)]
enum Wrong {
    /// The service did not do what it should.
    Broken(String),
    /// The case does not apply to this service.
    Skipped(String),
}

impl Wrong {
    fn broken(what: impl fmt::Display) -> Self {
        Self::Broken(what.to_string())
    }
}

impl From<io::Error> for Wrong {
    fn from(error: io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

/// What was seen.
type Verdict = Result<String, Wrong>;

/// What cases share.
#[derive(Clone, Debug)]
struct Abuse {
    target: Target,
    /// When whoever is slow or silent must have been cut off.
    patience: Duration,
    /// How long a request of someone else may take meanwhile.
    within: Duration,
    connections: usize,
    /// Bytes of what is huge.
    huge: u64,
}

impl Case {
    /// What the service should do.
    const fn expected(self) -> &'static str {
        match self {
            Self::Connections => "all are answered 200",
            Self::SlowHeads => "others are served, all are cut off",
            Self::SlowBodies => "others are served, slow ones get 200 or 408, silent ones are cut off",
            Self::HugeBody | Self::HugeChunked => "413",
            Self::HugeLine => "line_too_large, the next line is answered",
            Self::UnreadStreams => "others are served",
            Self::UnreadAnswers => "others are served, the answers are cut off",
            Self::MalformedJson => "200, 400, 413 or 422, each error a problem with code and detail",
            Self::Pipelined => "all are answered, in order",
            Self::Garbage => "4xx or nothing, and closed",
            Self::HugeHead => "431 or 400 or closed",
            Self::ManyDocuments => "200 with all of them, or 413 or 422",
            Self::DeepNesting => "400 or 422; as a line, the next is answered",
            Self::GzipBomb => "413; as a line, line_too_large",
            Self::Leavers => "others are served at once",
        }
    }

    async fn run(self, abuse: &Abuse) -> Verdict {
        match self {
            Self::Connections => connections::many(abuse).await,
            Self::SlowHeads => connections::slow_heads(abuse).await,
            Self::SlowBodies => connections::slow_bodies(abuse).await,
            Self::HugeBody => bodies::huge(abuse, bodies::Length::Declared).await,
            Self::HugeChunked => bodies::huge(abuse, bodies::Length::Unknown).await,
            Self::HugeLine => bodies::huge_line(abuse).await,
            Self::UnreadStreams => readers::unread_streams(abuse).await,
            Self::UnreadAnswers => readers::unread_answers(abuse).await,
            Self::MalformedJson => malformed::json(abuse).await,
            Self::Pipelined => malformed::pipelined(abuse).await,
            Self::Garbage => malformed::garbage(abuse).await,
            Self::HugeHead => malformed::huge_head(abuse).await,
            Self::ManyDocuments => bodies::many_documents(abuse).await,
            Self::DeepNesting => malformed::deep(abuse).await,
            Self::GzipBomb => bodies::gzip_bomb(abuse).await,
            Self::Leavers => connections::leavers(abuse).await,
        }
    }
}

impl Abuse {
    /// Asks as an honest client for `time`; the longest answer, or what went wrong.
    async fn others(&self, time: Duration) -> Result<Duration, Wrong> {
        let start = Instant::now();
        let mut longest = Duration::ZERO;
        while start.elapsed() < time || longest.is_zero() {
            longest = longest.max(self.honest().await?);
            tokio::time::sleep(OTHERS_PAUSE).await;
        }
        Ok(longest)
    }

    /// One honest request on a connection of its own.
    async fn honest(&self) -> Result<Duration, Wrong> {
        let asked = Instant::now();
        let request = self.target.single("Maria Kovalenko told reporters in Kharkiv that the work would go on.");
        let answer = tokio::time::timeout(self.within, self.target.ask(&request)).await;
        match answer {
            Ok(Ok(answer)) if answer.head.status == 200 => Ok(asked.elapsed()),
            Ok(Ok(answer)) => Err(Wrong::Broken(format!("an honest request was answered {}", answer.summary()))),
            Ok(Err(error)) => Err(Wrong::Broken(format!("an honest request: {error}"))),
            Err(_) => Err(Wrong::Broken(format!("an honest request got no answer for {} s", self.within.as_secs()))),
        }
    }

    async fn ready(&self) -> bool {
        let request = self.target.get("/health/ready");
        let answer = tokio::time::timeout(self.within, self.target.ask(&request)).await;
        matches!(answer, Ok(Ok(Answer { head, .. })) if head.status == 200)
    }
}

/// Runs the cases and prints the table.
pub(crate) async fn run(args: &HostileArgs) -> Result<bool, Failure> {
    // Before this process may open more files: the service must come by its own limit by itself.
    let server = Server::start(&args.server)?;
    let wanted = args.connections as u64 + 500;
    let files = rlimit::increase_nofile_limit(wanted).map_err(Failure::io("the limit of open files"))?;
    if files < wanted {
        return Err(Failure::Usage(format!("{wanted} open files are needed and {files} allowed: see `ulimit -Hn`")));
    }
    let abuse = Abuse {
        target: server.target.clone(),
        patience: Duration::from_secs(args.patience),
        within: Duration::from_secs(args.within),
        connections: args.connections,
        huge: args.huge << 20,
    };
    let watch = Watch::start(server.pid);
    let (start, limit) = (watch.now(), args.growth << 20);
    let mut highest = start;
    let mut rows = Vec::new();
    let cases = Case::value_variants().iter().filter(|case| args.only.is_empty() || args.only.contains(case));
    for &case in cases {
        let name = case.to_possible_value().expect("no case is hidden").get_name().to_owned();
        watch.take_highest();
        let begun = Instant::now();
        let verdict = tokio::time::timeout(CASE + 2 * abuse.patience, case.run(&abuse)).await;
        let mut verdict = verdict.unwrap_or_else(|_| Err(Wrong::broken("it did not come to an end")));
        let took = begun.elapsed();
        let peak = watch.take_highest();
        highest = highest.max(peak);
        if !abuse.ready().await {
            verdict = Err(Wrong::broken(format!("the service was not ready afterwards ({verdict:?})")));
        } else if peak > start + limit && verdict.is_ok() {
            verdict = Err(Wrong::broken("memory grew over the limit"));
        }
        let (held, seen) = match verdict {
            Ok(seen) => ("held", seen),
            Err(Wrong::Broken(what)) => ("FAILED", what),
            Err(Wrong::Skipped(why)) => ("skipped", why),
        };
        say(format_args!("{held:<7} {name}: {seen} ({:.1} s, {} MiB at most)", took.as_secs_f64(), mib(peak)));
        let cells = [&name, held, case.expected(), &seen, &format!("{:.1}", took.as_secs_f64()), &mib(peak)];
        rows.push(cells.map(ToOwned::to_owned).to_vec());
    }
    say("");
    say(table(&["abuse", "result", "expected", "seen", "seconds", "memory at most, MiB"], &rows));
    let grown = highest.saturating_sub(start);
    say(format_args!(
        "\nmemory: {} MiB at the start, {} MiB at most, grown by {} MiB of {} allowed; now {} MiB",
        mib(start),
        mib(highest),
        mib(grown),
        args.growth,
        mib(watch.now())
    ));
    let mut held = grown <= limit && rows.iter().all(|row| row[1] != "FAILED");
    if let Some(ended) = server.end()? {
        held &= ended.code == Some(0);
        say(format_args!("after SIGTERM it ended with {:?} in {:.1} s", ended.code, ended.after.as_secs_f64()));
    }
    Ok(held)
}
