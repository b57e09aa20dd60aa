//! Bodies that are too large, in every way in which a body can be.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;

use super::{Abuse, Verdict, Wrong};
use crate::client::{Answer, BODY_END, CHUNK_END, Connection, chunk_start};

/// Bytes that are written at once.
const PIECE: usize = 64 << 10;
/// Documents of the large batch.
const DOCUMENTS: usize = 10_000;

/// Whether a body says how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// It does.
    Declared,
    /// It comes in chunks.
    Unknown,
}

/// One text that is far too long.
pub(super) async fn huge(abuse: &Abuse, length: Length) -> Verdict {
    let (front, back) = (b"{\"text\":\"", b"\"}");
    let size = abuse.huge + (front.len() + back.len()) as u64;
    let more = match length {
        Length::Declared => format!("Content-Length: {size}\r\n"),
        Length::Unknown => "Transfer-Encoding: chunked\r\n".to_owned(),
    };
    let head = abuse.target.post_head("", "application/json", &more);
    let mut sent = 0;
    let mut connection = Connection::open(&abuse.target).await?;
    let answer = connection
        .exchange(async |writer| {
            writer.write_all(&head).await?;
            write_part(writer, length, front).await?;
            send_filler(writer, length, abuse.huge, &mut sent).await?;
            write_part(writer, length, back).await?;
            if length == Length::Unknown { writer.write_all(BODY_END).await } else { Ok(()) }
        })
        .await?;
    let seen = format!("{} after {} of {} MiB", answer.summary(), sent >> 20, abuse.huge >> 20);
    let expected = answer.head.status == 413 && !answer.code().is_empty();
    if expected { Ok(seen) } else { Err(Wrong::Broken(seen)) }
}

async fn write_part(writer: &mut OwnedWriteHalf, length: Length, part: &[u8]) -> io::Result<()> {
    match length {
        Length::Declared => writer.write_all(part).await,
        Length::Unknown => writer.write_all(&[chunk_start(part.len()).as_bytes(), part, CHUNK_END].concat()).await,
    }
}

/// Sends about `bytes` of a long word; counts them in `sent`.
async fn send_filler(writer: &mut OwnedWriteHalf, length: Length, bytes: u64, sent: &mut u64) -> io::Result<()> {
    let piece = vec![b'a'; PIECE];
    let framed = match length {
        Length::Declared => piece,
        Length::Unknown => [chunk_start(PIECE).as_bytes(), &piece, CHUNK_END].concat(),
    };
    while *sent < bytes {
        writer.write_all(&framed).await?;
        *sent += PIECE as u64;
    }
    Ok(())
}

/// A line that is far too long between two that are not.
pub(super) async fn huge_line(abuse: &Abuse) -> Verdict {
    let head = abuse.target.post_head("", "application/x-ndjson", "Transfer-Encoding: chunked\r\n");
    let mut sent = 0;
    let mut connection = Connection::open(&abuse.target).await?;
    let answer = connection
        .exchange(async |writer| {
            writer.write_all(&head).await?;
            let front = b"{\"id\":1,\"text\":\"Kyiv\"}\n{\"id\":2,\"text\":\"";
            write_part(writer, Length::Unknown, front).await?;
            send_filler(writer, Length::Unknown, abuse.huge, &mut sent).await?;
            write_part(writer, Length::Unknown, b"\"}\n{\"id\":3,\"text\":\"Kyiv\"}\n").await?;
            writer.write_all(BODY_END).await
        })
        .await?;
    let lines = lines(&answer);
    let seen: Vec<String> = lines.iter().map(named).collect();
    let seen = format!("{}: {} after {} MiB", answer.head.status, seen.join(", "), sent >> 20);
    let expected = lines.len() == 3
        && lines[0]["id"] == 1
        && lines[1]["error"]["code"] == "line_too_large"
        && lines[2]["id"] == 3
        && lines[2]["mentions"].is_array();
    if expected { Ok(seen) } else { Err(Wrong::Broken(seen)) }
}

/// The lines of an answer.
pub(super) fn lines(answer: &Answer) -> Vec<Value> {
    let lines = answer.body.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap_or_default()).collect()
}

/// What a line is, in a word.
pub(super) fn named(line: &Value) -> String {
    match line["error"]["code"].as_str() {
        Some(code) => code.to_owned(),
        None if line.is_null() => "a line that is too deep to be read here".to_owned(),
        None => format!("id {}", line["id"]),
    }
}

/// More documents than anybody should send at once, each of a few words.
pub(super) async fn many_documents(abuse: &Abuse) -> Verdict {
    let text = "Olena left Kharkiv.";
    let documents: Vec<Value> = (0..DOCUMENTS).map(|id| json!({ "id": id, "text": text })).collect();
    let body = json!({ "documents": documents }).to_string();
    let answer = abuse.target.ask(&abuse.target.post("", "application/json", body.as_bytes())).await?;
    if [413, 422].contains(&answer.head.status) && !answer.code().is_empty() {
        return Ok(answer.summary());
    }
    let back = answer.json();
    let ids: Vec<u64> =
        back["documents"].as_array().into_iter().flatten().filter_map(|one| one["id"].as_u64()).collect();
    let seen = format!("{}, {} documents back", answer.summary(), ids.len());
    let all = answer.head.status == 200 && ids.iter().copied().eq(0..DOCUMENTS as u64);
    if all { Ok(seen) } else { Err(Wrong::Broken(seen)) }
}

/// A text of zeros that is a thousandth of its size when compressed: as a body, then as a line.
pub(super) async fn gzip_bomb(abuse: &Abuse) -> Verdict {
    let huge = abuse.huge;
    let bomb = tokio::task::spawn_blocking(move || compressed(huge))
        .await
        .map_err(Wrong::broken)?
        .map_err(|error| Wrong::Broken(format!("the bomb cannot be built: {error}")))?;
    let mut seen = format!("{} KiB for {} MiB", bomb.len() >> 10, huge >> 20);
    let mut expected = true;
    for kind in ["application/json", "application/x-ndjson"] {
        let more = format!("Content-Encoding: gzip\r\nContent-Length: {}\r\n", bomb.len());
        let request = [abuse.target.post_head("", kind, &more), bomb.clone()].concat();
        let answer = abuse.target.ask(&request).await?;
        if answer.head.status == 415 {
            return Err(Wrong::Skipped("415: the service takes no compressed bodies".to_owned()));
        }
        let as_line = match answer.head.status {
            200 => lines(&answer).first().map(named).unwrap_or_default(),
            _ => String::new(),
        };
        expected &= answer.head.status == 413 || (answer.head.status == 200 && as_line == "line_too_large");
        seen = format!("{seen}; {kind}: {}", format!("{} {as_line}", answer.summary()).trim_end());
    }
    if expected { Ok(seen) } else { Err(Wrong::Broken(seen)) }
}

fn compressed(size: u64) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(b"{\"text\":\"")?;
    let zeros = vec![b'0'; PIECE];
    for _ in 0..size / PIECE as u64 {
        encoder.write_all(&zeros)?;
    }
    encoder.write_all(b"\"}\n")?;
    encoder.finish()
}
