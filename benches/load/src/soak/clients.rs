//! The clients of the mixture and the count of what they were answered.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use crate::bulk::{self, Lines};
use crate::client::{Connection, KeptAlive, Target, chunk_start};
use crate::output::table;
use crate::texts::story;

/// Lines of one bulk stream; then the client comes back with another.
const STREAM_LINES: u64 = 600;
/// Texts of a batch.
const BATCH: usize = 20;
/// Faults that are kept to be shown.
const FAULTS: usize = 20;

/// What is wrong so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    /// How many times.
    pub(super) number: u64,
    /// The first of them.
    pub(super) first: Vec<String>,
}

/// Counts what clients were answered.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counts: Mutex<BTreeMap<(&'static str, String), u64>>,
    faults: Mutex<Faults>,
}

impl Tally {
    fn counts(&self) -> MutexGuard<'_, BTreeMap<(&'static str, String), u64>> {
        self.counts.lock().expect("nobody panics with the lock")
    }

    fn count(&self, client: &'static str, outcome: impl Into<String>) {
        *self.counts().entry((client, outcome.into())).or_default() += 1;
    }

    /// Something that should not have happened.
    pub(super) fn fault(&self, what: String) {
        let mut faults = self.faults.lock().expect("nobody panics with the lock");
        faults.number += 1;
        if faults.first.len() < FAULTS {
            faults.first.push(what);
        }
    }

    /// What should not have happened.
    pub(super) fn faults(&self) -> Faults {
        self.faults.lock().expect("nobody panics with the lock").clone()
    }

    /// How many requests have been made.
    pub(super) fn all(&self) -> u64 {
        self.counts().values().sum()
    }

    /// How many were answered 2xx, 4xx, 5xx, and how many clients left.
    pub(super) fn classes(&self) -> [u64; 4] {
        let counts = self.counts();
        let of = |start: &str| {
            counts.iter().filter(|((_, outcome), _)| outcome.starts_with(start)).map(|(_, number)| number).sum()
        };
        ["2", "4", "5", "left"].map(of)
    }

    /// Everything by client and outcome.
    pub(super) fn table(&self) -> String {
        let counts = self.counts();
        let row = |((client, outcome), number): (&(&str, String), &u64)| {
            vec![(*client).to_owned(), outcome.clone(), number.to_string()]
        };
        table(&["client", "answered", "times"], &counts.iter().map(row).collect::<Vec<_>>())
    }
}

/// All that clients share.
pub(super) struct Mixture {
    target: Target,
    texts: Vec<String>,
    lines: Lines,
    until: Instant,
    /// What they were answered.
    pub(super) tally: Tally,
}

impl Mixture {
    /// A mixture against `target` until a time.
    pub(super) fn new(target: &Target, texts: &[String], until: Instant) -> Self {
        let lines = Lines::new(texts);
        Self { target: target.clone(), texts: texts.to_vec(), lines, until, tally: Tally::default() }
    }

    /// Starts all clients.
    pub(super) fn start(self: &Arc<Self>, clients: &mut JoinSet<()>) {
        for index in 0..2 {
            let mixture = Arc::clone(self);
            clients.spawn(async move { mixture.bulk(index * 101).await });
        }
        for index in 0..2 {
            let mixture = Arc::clone(self);
            clients.spawn(async move { mixture.singles(index * 53).await });
        }
        let mixture = Arc::clone(self);
        clients.spawn(async move { mixture.batches().await });
        let mixture = Arc::clone(self);
        clients.spawn(async move { mixture.bad().await });
        let mixture = Arc::clone(self);
        clients.spawn(async move { mixture.leavers().await });
    }

    fn goes_on(&self) -> bool {
        Instant::now() < self.until
    }

    async fn bulk(&self, first: usize) {
        while self.goes_on() {
            let line = |number: u64, buffer: &mut Vec<u8>| {
                if number < STREAM_LINES && self.goes_on() {
                    self.lines.append(first, number, buffer);
                }
            };
            let seen = |_: u64, _: &[u8]| self.tally.count("line of a bulk stream", "200");
            match bulk::run(&self.target, Some(64 << 10), line, seen).await {
                Ok(report) => {
                    self.tally.count("bulk stream", "200");
                    if let Some(fault) = report.fault() {
                        self.tally.fault(format!("a bulk stream: {fault}"));
                    }
                }
                Err(error) => self.broken("bulk stream", &error).await,
            }
        }
    }

    async fn singles(&self, first: usize) {
        let mut connection = KeptAlive::new(self.target.clone());
        for number in first.. {
            if !self.goes_on() {
                break;
            }
            let request = self.target.single(&story(number, 20 + number % 80));
            self.expect("single", &mut connection, &request, 200).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn batches(&self) {
        let mut connection = KeptAlive::new(self.target.clone());
        let mut next = 0;
        while self.goes_on() {
            let document = |index: usize| serde_json::json!({ "id": index, "text": self.texts[index] });
            let documents: Vec<_> = (next..next + BATCH).map(|index| document(index % self.texts.len())).collect();
            next += BATCH;
            let body = serde_json::json!({ "documents": documents, "include_text": true }).to_string();
            let request = self.target.post("", "application/json", body.as_bytes());
            self.expect("batch", &mut connection, &request, 200).await;
        }
    }

    async fn bad(&self) {
        let json = |body: &[u8]| self.target.post("", "application/json", body);
        let requests = [
            (json(b"{\"text\": \"Kyiv"), 400),
            (json(b"{\"text\": \"Ky\xFFiv\"}"), 400),
            (json(b"{\"txet\": \"Kyiv\"}"), 422),
            (json(b"{\"text\": 5}"), 422),
            (json(b"[]"), 422),
            (self.target.post("?offsets=char", "application/json", b"{\"text\": \"Kyiv\"}"), 422),
            (self.target.post("", "text/plain", b"Kyiv"), 415),
            (self.target.get("/v1/annotate"), 405),
            (self.target.get("/v2/annotate"), 404),
        ];
        let mut connection = KeptAlive::new(self.target.clone());
        for (request, status) in requests.iter().cycle() {
            if !self.goes_on() {
                break;
            }
            self.expect("bad", &mut connection, request, *status).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn leavers(&self) {
        for number in 0.. {
            if !self.goes_on() {
                break;
            }
            match self.leave(number).await {
                Ok(()) => self.tally.count("leaver", "left"),
                Err(error) => self.broken("leaver", &error).await,
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Leaves in the middle of a body, of an answer that has begun, or of one that has not.
    async fn leave(&self, number: usize) -> io::Result<()> {
        let mut connection = Connection::open(&self.target).await?;
        match number % 3 {
            0 => {
                let request = self.target.single(&self.texts[number % self.texts.len()]);
                connection.writer.write_all(&request[..request.len() - 20]).await
            }
            1 => connection.writer.write_all(&self.target.single(&self.texts[number % self.texts.len()])).await,
            _ => {
                let mut lines = Vec::new();
                (0..50).for_each(|line| self.lines.append(number, line, &mut lines));
                let head = self.target.post_head("", "application/x-ndjson", "Transfer-Encoding: chunked\r\n");
                let start = [head, chunk_start(lines.len()).into_bytes(), lines].concat();
                connection.writer.write_all(&start).await?;
                crate::client::timed(connection.reader.head()).await?;
                crate::client::timed(connection.reader.piece()).await.map(drop)
            }
        }
    }

    async fn expect(&self, client: &'static str, connection: &mut KeptAlive, request: &[u8], status: u16) {
        match connection.ask(request).await {
            Ok(answer) => {
                self.tally.count(client, answer.head.status.to_string());
                if answer.head.status != status {
                    self.tally.fault(format!("{client}: {} and not {status}", answer.summary()));
                }
            }
            Err(error) => self.broken(client, &error).await,
        }
    }

    /// A connection broke that the client did not break. It does not come back at once, to spare the report.
    async fn broken(&self, client: &'static str, error: &io::Error) {
        self.tally.count(client, "connection error");
        self.tally.fault(format!("{client}: {error}"));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
