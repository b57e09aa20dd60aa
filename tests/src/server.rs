//! Runs `dateline serve` and talks to it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use serde_json::Value;
use ureq::Agent;

use crate::Dateline;

/// A running service on a port of its own. Dropping it ends it by force.
#[derive(Debug)]
pub struct Server {
    child: Child,
    url: String,
    heard: Mutex<Heard>,
    agent: Agent,
    listener: Option<JoinHandle<()>>,
}

/// What the service says on standard error.
#[derive(Debug)]
struct Heard {
    coming: Receiver<String>,
    lines: Vec<String>,
}

/// What the service answered.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The content type, without parameters.
    pub content_type: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// If it is not JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The body as one JSON value a line.
    ///
    /// # Panics
    /// If a line is not JSON.
    #[must_use]
    pub fn lines(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        self.body.lines().map(parse).collect()
    }
}

impl Server {
    /// Starts the service on a free port and waits until its model is ready.
    ///
    /// # Panics
    /// If it ends before, with what it said.
    #[must_use]
    pub fn start(dateline: &Dateline, args: &[&str]) -> Self {
        let mut command = dateline.command([&["serve", "--listen", "127.0.0.1:0"], args].concat());
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start the service: {error}"));
        let stderr = child.stderr.take().expect("standard error is a pipe");
        let (sender, said) = mpsc::channel();
        let listener = thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // Read on when nobody listens any more: a full pipe would stop the service.
                let _ = sender.send(line);
            }
        });
        let config = Agent::config_builder().http_status_as_error(false).build();
        let heard = Mutex::new(Heard { coming: said, lines: Vec::new() });
        let mut server = Self { child, url: String::new(), heard, agent: config.into(), listener: Some(listener) };
        let rest = server.wait_until_said("listening on ");
        // What follows the address is the log's: in text nothing or fields, in JSON the end of a string.
        server.url = rest.split(|c: char| c == '"' || c.is_whitespace()).next().unwrap_or_default().to_owned();
        server.wait_until_said("ready");
        server
    }

    /// What the service has said on standard error so far, a line an entry, as far as somebody waited for it.
    #[must_use]
    pub fn said(&self) -> Vec<String> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).lines.clone()
    }

    /// Waits until the service says a line that holds `words`, from what nobody has waited for yet, and gives what
    /// follows them in it.
    ///
    /// # Panics
    /// If it ends before, with what it said.
    pub fn wait_until_said(&self, words: &str) -> String {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        while let Ok(line) = heard.coming.recv() {
            let rest = line.split_once(words).map(|(_, rest)| rest.to_owned());
            heard.lines.push(line);
            if let Some(rest) = rest {
                return rest;
            }
        }
        panic!("the service ended without saying {words:?}; it said:\n{}", heard.lines.join("\n"));
    }

    /// The service's address, `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// GETs `path`.
    ///
    /// # Panics
    /// If there is no answer.
    #[must_use]
    pub fn get(&self, path: &str) -> Answer {
        let response = self.agent.get(format!("{}{path}", self.url)).call();
        answer(response.unwrap_or_else(|error| panic!("GET {path}: {error}")))
    }

    /// POSTs `body` to `path`.
    ///
    /// # Panics
    /// If there is no answer.
    #[must_use]
    pub fn post(&self, path: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
        let request = self.agent.post(format!("{}{path}", self.url)).header("content-type", content_type);
        answer(request.send(body.into()).unwrap_or_else(|error| panic!("POST {path}: {error}")))
    }

    /// Annotates one text with the query `query`.
    ///
    /// # Panics
    /// If the answer is not 200.
    #[must_use]
    pub fn annotate(&self, text: &str, query: &str) -> Value {
        let body = serde_json::json!({ "text": text }).to_string();
        let answer = self.post(&format!("/v1/annotate{query}"), "application/json", body);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    /// Asks the service to end, as a supervisor does, and gives its exit code.
    ///
    /// # Panics
    /// If it cannot be asked or waited for.
    #[must_use]
    pub fn terminate(mut self) -> Option<i32> {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(asked.expect("kill can be run").success());
        self.child.wait().expect("the service can be waited for").code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

fn answer(response: ureq::http::Response<ureq::Body>) -> Answer {
    let status = response.status().as_u16();
    let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content_type = content_type.split(';').next().unwrap_or_default().to_owned();
    let mut body = String::new();
    response.into_body().into_reader().read_to_string(&mut body).expect("the answer comes whole and is UTF-8");
    Answer { status, content_type, body }
}
