//! Clients that ask and do not read what they are answered.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Abuse, Verdict, Wrong};
use crate::bulk::Lines;
use crate::client::{CHUNK_END, Connection, chunk_start};
use crate::texts::story;

/// What the kernel may hold of an answer that nobody reads.
const NARROW: u32 = 16 << 10;
/// Streams that are not read, how much each sends at most, and how long they are looked at.
const STREAMS: usize = 10;
const STREAM_BYTES: usize = 256 << 20;
const STREAM_TIME: Duration = Duration::from_secs(20);
/// Answers that are not read, and how large each is.
const ANSWERS: usize = 3;
const ANSWER_BYTES: usize = 20 << 20;

/// Streams that send and never read.
pub(super) async fn unread_streams(abuse: &Abuse) -> Verdict {
    let texts: Vec<String> = (0..10).map(|number| story(number, 200)).collect();
    let lines = Lines::new(&texts);
    let mut buffer = Vec::new();
    (0..50).for_each(|number| lines.append(0, number, &mut buffer));
    let chunk = [chunk_start(buffer.len()).as_bytes(), &buffer, CHUNK_END].concat();
    let head = abuse.target.post_head("?include_text=true", "application/x-ndjson", "Transfer-Encoding: chunked\r\n");
    let mut streams = JoinSet::new();
    for _ in 0..STREAMS {
        let (target, head, chunk) = (abuse.target.clone(), head.clone(), chunk.clone());
        streams.spawn(async move {
            let mut sent = 0;
            let Ok(mut connection) = Connection::open_narrow(&target, NARROW).await else { return sent };
            let sending = async {
                connection.writer.write_all(&head).await?;
                while sent < STREAM_BYTES {
                    connection.writer.write_all(&chunk).await?;
                    sent += chunk.len();
                }
                Ok::<_, std::io::Error>(())
            };
            // That it gets stuck, or is cut off, is right.
            let _ = timeout(STREAM_TIME, sending).await;
            sent
        });
    }
    sleep(Duration::from_secs(1)).await;
    let others = abuse.others(STREAM_TIME).await?;
    let sent: usize = streams.join_all().await.iter().sum();
    Ok(format!(
        "{STREAMS} streams sent {} MiB in {} s; others served within {} ms",
        sent >> 20,
        STREAM_TIME.as_secs(),
        others.as_millis()
    ))
}

/// Asks for large answers that cost the model nothing (blanks that come back), and reads them when it should be too
/// late.
pub(super) async fn unread_answers(abuse: &Abuse) -> Verdict {
    let text = " ".repeat(64 << 10);
    let documents: Vec<Value> = (0..ANSWER_BYTES / text.len()).map(|id| json!({ "id": id, "text": text })).collect();
    let body = json!({ "documents": documents, "include_text": true }).to_string();
    let request = abuse.target.post("", "application/json", body.as_bytes());
    let mut connections = Vec::new();
    for _ in 0..ANSWERS {
        let mut connection = Connection::open_narrow(&abuse.target, NARROW).await?;
        connection.writer.write_all(&request).await?;
        connections.push(connection);
    }
    let others = abuse.others(abuse.patience).await?;
    let mut ends = Vec::new();
    for connection in &mut connections {
        ends.push(match connection.answer().await {
            Ok(answer) if answer.head.status == 200 => "whole".to_owned(),
            Ok(answer) => answer.summary(),
            Err(_) => "cut off".to_owned(),
        });
    }
    let seen = format!(
        "after {} s unread: {}; others served within {} ms",
        abuse.patience.as_secs(),
        ends.join(", "),
        others.as_millis()
    );
    if ends.iter().all(|end| end == "cut off") { Ok(seen) } else { Err(Wrong::Broken(seen)) }
}
