//! Too many connections, slow ones, and those that end too early.

use std::io;
use std::ops::Range;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Abuse, Verdict, Wrong};
use crate::client::{Answer, BODY_END, CHUNK_END, Connection, Target, chunk_start};
use crate::texts::{line_rest, story};

/// Connections that are being opened at once: more would only try the kernel's queue.
const OPENING: usize = 100;
/// Slow clients.
const SLOW: usize = 100;
/// Clients that leave.
const LEAVERS: usize = 500;
/// Pause between the bytes of a slow body, and its length: it is whole after ten seconds.
const DRIP: Duration = Duration::from_millis(100);
const DRIPS: usize = 100;

/// Opens all, then asks on all, then reads all answers.
pub(super) async fn many(abuse: &Abuse) -> Verdict {
    let start = Instant::now();
    let mut open = Vec::with_capacity(abuse.connections);
    while open.len() < abuse.connections {
        let mut opening = JoinSet::new();
        for _ in 0..OPENING.min(abuse.connections - open.len()) {
            let target = abuse.target.clone();
            opening.spawn(async move { Connection::open(&target).await });
        }
        for connection in opening.join_all().await {
            open.push(connection.map_err(|error| Wrong::broken(format!("connection {}: {error}", open.len())))?);
        }
    }
    let opened = start.elapsed();
    let request = abuse.target.single("Maria Kovalenko left Kharkiv.");
    let mut unsent = 0;
    for connection in &mut open {
        // Why it could not be sent shows when the answer is read.
        unsent += usize::from(connection.writer.write_all(&request).await.is_err());
    }
    let (mut good, mut other) = (0, Vec::new());
    for connection in &mut open {
        match connection.answer().await {
            Ok(answer) if answer.head.status == 200 => good += 1,
            Ok(answer) => other.push(answer.summary()),
            Err(error) => other.push(error.to_string()),
        }
    }
    let seen = format!(
        "{good} of {} answered 200; open after {:.1} s, answered after {:.1} s",
        open.len(),
        opened.as_secs_f64(),
        start.elapsed().as_secs_f64()
    );
    match other.first() {
        None => Ok(seen),
        Some(first) => Err(Wrong::Broken(format!("{seen}; {unsent} unsent; first other: {first}"))),
    }
}

/// How a slow client's connection ended.
#[derive(Debug)]
enum End {
    /// The service answered, and when.
    Answered(Answer, Duration),
    /// The service closed the connection without a word, and when.
    Closed(Duration),
    /// It did neither.
    Never,
}

/// Begins with `start`, sends `more` byte by byte with `pause` between, for ever if nothing ends it, and waits for what
/// the service does about it.
async fn slow_client(target: Target, start: Vec<u8>, more: Vec<u8>, pause: Duration, patience: Duration) -> End {
    let begun = Instant::now();
    let work = async {
        let mut connection = Connection::open(&target).await?;
        let sent = async |writer: &mut tokio::net::tcp::OwnedWriteHalf| {
            writer.write_all(&start).await?;
            for byte in more {
                sleep(pause).await;
                writer.write_all(&[byte]).await?;
            }
            Ok(())
        };
        connection.exchange(sent).await
    };
    match timeout(patience, work).await {
        Ok(Ok(answer)) => End::Answered(answer, begun.elapsed()),
        Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => End::Never,
        Ok(Err(_)) => End::Closed(begun.elapsed()),
        Err(_) => End::Never,
    }
}

fn seconds(times: &[Duration]) -> String {
    let range: Range<f64> = match (times.iter().min(), times.iter().max()) {
        (Some(least), Some(most)) => least.as_secs_f64()..most.as_secs_f64(),
        _ => return "never".to_owned(),
    };
    format!("after {:.1} to {:.1} s", range.start, range.end)
}

/// A byte of a header each second.
pub(super) async fn slow_heads(abuse: &Abuse) -> Verdict {
    let mut clients = JoinSet::new();
    for _ in 0..SLOW {
        let mut start = abuse.target.get("/health/live");
        start.truncate(start.len() - 2);
        start.extend_from_slice(b"X-Slow: ");
        let more = vec![b'a'; usize::try_from(abuse.patience.as_secs()).unwrap_or(0) + 1];
        clients.spawn(slow_client(abuse.target.clone(), start, more, Duration::from_secs(1), abuse.patience));
    }
    let others = abuse.others(Duration::from_secs(10)).await?;
    let (mut cut, mut never) = (Vec::new(), 0);
    for end in clients.join_all().await {
        match end {
            End::Closed(after) => cut.push(after),
            End::Answered(answer, after) if answer.head.status == 408 => cut.push(after),
            End::Answered(answer, _) => return Err(Wrong::Broken(format!("answered {}", answer.summary()))),
            End::Never => never += 1,
        }
    }
    let seen =
        format!("{} of {SLOW} cut off {}; others served within {} ms", cut.len(), seconds(&cut), others.as_millis());
    if never == 0 { Ok(seen) } else { Err(Wrong::Broken(seen)) }
}

/// Half of them send their bodies byte by byte to the end, half stop in the middle.
pub(super) async fn slow_bodies(abuse: &Abuse) -> Verdict {
    let request = abuse.target.single(&story(1, 60));
    let split = request.len() - DRIPS;
    let (mut slow, mut silent) = (JoinSet::new(), JoinSet::new());
    for _ in 0..SLOW / 2 {
        let (start, more) = (request[..split].to_vec(), request[split..].to_vec());
        slow.spawn(slow_client(abuse.target.clone(), start.clone(), more, DRIP, abuse.patience));
        silent.spawn(slow_client(abuse.target.clone(), start, Vec::new(), DRIP, abuse.patience));
    }
    let others = abuse.others(Duration::from_secs(10)).await?;
    let mut statuses = Vec::new();
    for end in slow.join_all().await {
        match end {
            End::Answered(answer, _) if [200, 408].contains(&answer.head.status) => statuses.push(answer.head.status),
            other => return Err(Wrong::Broken(format!("a slow body: {other:?}"))),
        }
    }
    let (mut cut, mut never) = (Vec::new(), 0);
    for end in silent.join_all().await {
        match end {
            End::Answered(answer, after) if answer.head.status == 408 => cut.push(after),
            End::Closed(after) => cut.push(after),
            End::Never => never += 1,
            End::Answered(answer, _) => return Err(Wrong::Broken(format!("a silent one: {}", answer.summary()))),
        }
    }
    let good = statuses.iter().filter(|&&status| status == 200).count();
    let seen = format!(
        "slow: {good} of {} got 200, the others 408; silent: {} of {} cut off {}; others served within {} ms",
        statuses.len(),
        cut.len(),
        cut.len() + never,
        seconds(&cut),
        others.as_millis()
    );
    if never == 0 { Ok(seen) } else { Err(Wrong::Broken(seen)) }
}

/// They leave within the head, within the body, before the answer and within the answer.
pub(super) async fn leavers(abuse: &Abuse) -> Verdict {
    let text = story(2, 400);
    let single = abuse.target.single(&text);
    let mut lines = Vec::new();
    for id in 0..20 {
        lines.extend_from_slice(format!("{{\"id\":{id}").as_bytes());
        lines.extend_from_slice(&line_rest(&text));
    }
    let head = abuse.target.post_head("", "application/x-ndjson", "Transfer-Encoding: chunked\r\n");
    let stream = [&head, chunk_start(lines.len()).as_bytes(), &lines, CHUNK_END, BODY_END].concat();
    for wave in 0..LEAVERS / OPENING {
        let mut leaving = JoinSet::new();
        for index in 0..OPENING {
            let (request, reads) = match index % 4 {
                0 => (&single[..20 + index], false),
                1 => (&single[..single.len() - 1 - index * 10], false),
                2 => (&single[..], false),
                _ => (&stream[..], wave % 2 == 0),
            };
            let (target, request) = (abuse.target.clone(), request.to_vec());
            leaving.spawn(async move {
                let mut connection = Connection::open(&target).await?;
                connection.writer.write_all(&request).await?;
                if reads {
                    crate::client::timed(connection.reader.head()).await?;
                }
                Ok::<_, io::Error>(())
            });
        }
        for left in leaving.join_all().await {
            left.map_err(|error| Wrong::Broken(format!("a leaver was cut off first: {error}")))?;
        }
    }
    let after = abuse.honest().await?;
    Ok(format!("{LEAVERS} left; the next request took {} ms", after.as_millis()))
}
