//! What is not what it should be: JSON with every byte wrong in turn, requests that do not wait, bytes that are no HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::bodies::{lines, named};
use super::{Abuse, Verdict, Wrong};
use crate::client::{Answer, Connection, KeptAlive};

/// A valid body of 200 bytes that uses all of the API.
const BODY: &str = concat!(
    r#"{"documents":[{"id":"a-1","text":"Maria Kovalenko left Kharkiv on Friday."},"#,
    r#"{"id":2.50,"text":"\ud83d\ude80 The é 93rd Brigade held Bakhmut."}],"#,
    r#""offsets":"utf16","min_score":0.25,"include_text":true}"#
);
/// Requests that are sent at once.
const PIPELINED: usize = 50;
/// Open brackets.
const DEPTH: usize = 100_000;
/// What a garbled body may be answered.
const ALLOWED: [u16; 4] = [200, 400, 413, 422];

/// Every byte replaced by others, and the body cut off before every byte.
pub(super) async fn json(abuse: &Abuse) -> Verdict {
    let body = BODY.as_bytes();
    let mut bodies = vec![body.to_vec()];
    for place in 0..body.len() {
        for byte in [0x00, b'"', b'{', 0xFF] {
            let mut garbled = body.to_vec();
            garbled[place] = byte;
            bodies.push(garbled);
        }
        bodies.push(body[..place].to_vec());
    }
    let mut connection = KeptAlive::new(abuse.target.clone());
    let mut statuses: BTreeMap<String, usize> = BTreeMap::new();
    for (index, body) in bodies.iter().enumerate() {
        let wrong = |what: String| Wrong::Broken(format!("{what} for {:?}", String::from_utf8_lossy(body)));
        let request = abuse.target.post("", "application/json", body);
        let answer = connection.ask(&request).await.map_err(|error| wrong(error.to_string()))?;
        let status = answer.head.status;
        *statuses.entry(status.to_string()).or_default() += 1;
        // The first body is the one without a fault.
        let expected = if index == 0 { status == 200 } else { ALLOWED.contains(&status) };
        if !expected || (status != 200 && !is_problem(&answer)) {
            return Err(wrong(format!("{}: {}", answer.summary(), String::from_utf8_lossy(&answer.body))));
        }
    }
    Ok(format!("{} bodies: {}", bodies.len(), counted(&statuses)))
}

/// How often each thing was seen.
fn counted(seen: &BTreeMap<String, usize>) -> String {
    seen.iter().map(|(what, times)| format!("{times} x {what}")).collect::<Vec<_>>().join(", ")
}

/// Whether an answer is a problem detail that says what and where.
fn is_problem(answer: &Answer) -> bool {
    let problem = answer.json();
    let said = |field: &str| problem[field].as_str().is_some_and(|text| !text.is_empty());
    answer.head.header("content-type") == Some("application/problem+json")
        && said("code")
        && said("detail")
        && problem["status"] == answer.head.status
}

/// All requests in one write, before any answer is read.
pub(super) async fn pipelined(abuse: &Abuse) -> Verdict {
    let request = |id: usize| {
        let body = json!({ "id": id, "text": "Olena left Kharkiv." }).to_string();
        abuse.target.post("", "application/json", body.as_bytes())
    };
    let requests: Vec<u8> = (0..PIPELINED).flat_map(request).collect();
    let mut connection = Connection::open(&abuse.target).await?;
    connection.writer.write_all(&requests).await?;
    for id in 0..PIPELINED {
        let answer = connection.answer().await.map_err(|error| Wrong::Broken(format!("answer {id}: {error}")))?;
        if answer.head.status != 200 || answer.json()["id"] != id {
            return Err(Wrong::Broken(format!("answer {id} is {} with id {}", answer.summary(), answer.json()["id"])));
        }
    }
    Ok(format!("{PIPELINED} answers in order"))
}

/// Bytes of other protocols, of none, and of requests that contradict themselves.
pub(super) async fn garbage(abuse: &Abuse) -> Verdict {
    let random: Vec<u8> =
        (0..100_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect();
    let path = [b"GET /".to_vec(), vec![b'a'; 1 << 20], b" HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()].concat();
    let post = |more: &str| abuse.target.post_head("", "application/json", more);
    let samples: [(&str, Vec<u8>); 12] = [
        ("random bytes", random),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        ("SSH", b"SSH-2.0-OpenSSH_9.6\r\n\r\n".to_vec()),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("zeros", vec![0; 10_000]),
        ("line ends", b"\r\n".repeat(10_000)),
        ("half a line", b"GET / HT".to_vec()),
        ("a path of a MiB", path),
        ("a negative length", post("Content-Length: -1\r\n")),
        ("two lengths", post("Content-Length: 5\r\nContent-Length: 6\r\n")),
        (
            "a length and chunks",
            [post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), b"zz\r\n".to_vec()].concat(),
        ),
        ("a chunk of no size", [post("Transfer-Encoding: chunked\r\n"), b"-5\r\nabc\r\n".to_vec()].concat()),
    ];
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (name, sample) in &samples {
        let mut connection = Connection::open(&abuse.target).await?;
        let work = connection.exchange(async |writer| {
            writer.write_all(sample).await?;
            writer.shutdown().await
        });
        let end = match timeout(abuse.patience, work).await {
            Ok(Ok(answer)) if (400..500).contains(&answer.head.status) => answer.head.status.to_string(),
            Ok(Ok(answer)) => return Err(Wrong::Broken(format!("{name}: {}", answer.summary()))),
            Ok(Err(_)) => "closed".to_owned(),
            Err(_) => return Err(Wrong::Broken(format!("{name}: neither answered nor closed"))),
        };
        *seen.entry(end).or_default() += 1;
    }
    Ok(counted(&seen))
}

/// A header of a MiB, and ten thousand headers.
pub(super) async fn huge_head(abuse: &Abuse) -> Verdict {
    let long = format!("X-Long: {}\r\n", "a".repeat(1 << 20));
    let many: String = (0..10_000).map(|index| format!("X-{index}: a\r\n")).collect();
    let mut seen = Vec::new();
    for more in [long, many] {
        let mut request = abuse.target.get("/health/live");
        request.splice(request.len() - 2.., format!("{more}\r\n").into_bytes());
        match timeout(Duration::from_secs(30), abuse.target.ask(&request)).await {
            Ok(Ok(answer)) if [400, 431].contains(&answer.head.status) => seen.push(answer.head.status.to_string()),
            Ok(Ok(answer)) => return Err(Wrong::Broken(answer.summary())),
            Ok(Err(_)) => seen.push("closed".to_owned()),
            Err(_) => return Err(Wrong::broken("neither answered nor closed")),
        }
    }
    Ok(format!("one of a MiB: {}, ten thousand: {}", seen[0], seen[1]))
}

/// Brackets as the whole body, as the text, and as a field of a line that is only passed through.
pub(super) async fn deep(abuse: &Abuse) -> Verdict {
    let brackets = "[".repeat(DEPTH);
    let mut seen = Vec::new();
    for body in [brackets.clone(), format!("{{\"text\":{brackets}"), "{\"text\":".repeat(DEPTH)] {
        let answer = abuse.target.ask(&abuse.target.post("", "application/json", body.as_bytes())).await?;
        seen.push(answer.summary());
        if ![400, 422].contains(&answer.head.status) || !is_problem(&answer) {
            return Err(Wrong::Broken(seen.join(", ")));
        }
    }
    let closed = "]".repeat(DEPTH);
    let stream = format!(
        "{{\"id\":1,\"text\":\"a\",\"deep\":{brackets}{closed}}}\n{{\"id\":2,\"text\":{brackets}\n{{\"id\":3,\"text\":\"b\"}}\n"
    );
    let answer = abuse.target.ask(&abuse.target.post("", "application/x-ndjson", stream.as_bytes())).await?;
    let lines = lines(&answer);
    seen.extend(lines.iter().map(named));
    let expected = lines.len() == 3 && lines[1]["error"].is_object() && lines[2]["mentions"].is_array();
    if expected { Ok(seen.join(", ")) } else { Err(Wrong::Broken(seen.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_that_is_garbled_is_valid() {
        assert_eq!(BODY.len(), 200);
        assert!(serde_json::from_str::<serde_json::Value>(BODY).is_ok());
    }
}
