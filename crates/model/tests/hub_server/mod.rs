//! A hub on the loopback interface that speaks as much HTTP as a client of the real one meets: descriptions of
//! revisions, `HEAD` and `GET` of files, ranges, the redirect of large files to a CDN (which is a second listener, so
//! another origin), error codes in headers; and that misbehaves when told to.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use sha2::{Digest, Sha256};

/// How the server fails the next request for the bytes of a large file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Closes the connection when this many bytes of the body are sent.
    BreakAfter(usize),
    /// Sends the first so many bytes only, and says that there are no more.
    ShortLength(usize),
    /// Sends the first so many bytes without saying how many there will be.
    ShortWithoutLength(usize),
    /// Appends some bytes.
    TooLong,
    /// Changes a byte.
    Corrupt,
    /// Sends everything, whatever range is asked for.
    IgnoreRange,
    /// Answers with this status.
    Status(u16),
    /// Reads the request and says nothing.
    Silence,
}

/// A request as the server saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// `GET /path`, without the query.
    pub(crate) what: String,
    /// The `Range` header.
    pub(crate) range: Option<String>,
    /// The `Authorization` header.
    pub(crate) authorization: Option<String>,
    /// Whether the CDN got it.
    pub(crate) by_cdn: bool,
}

/// A commit's files by name.
pub(crate) type Files = BTreeMap<&'static str, Vec<u8>>;

#[derive(Default)]
struct State {
    revisions: HashMap<String, String>,
    commits: HashMap<String, Files>,
    token: Option<(&'static str, u16)>,
    faults: Vec<Fault>,
    hub_status: Option<u16>,
    seen: Vec<Seen>,
    cdn: String,
    closing: bool,
}

/// A hub with one model, `owner/name`, also known as `owner/former-name`.
pub(crate) struct Hub {
    pub(crate) endpoint: String,
    addresses: [SocketAddr; 2],
    state: Arc<Mutex<State>>,
    threads: Vec<JoinHandle<()>>,
}

impl Hub {
    /// A hub whose model has these files at `main`, under the commit that is returned.
    pub(crate) fn start(files: Files) -> (Self, String) {
        let (hub, cdn) = (listen(), listen());
        let addresses = [hub.local_addr().unwrap(), cdn.local_addr().unwrap()];
        let state = State { cdn: format!("http://{}", addresses[1]), ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let threads = [(hub, false), (cdn, true)].map(|(listener, is_cdn)| {
            let state = Arc::clone(&state);
            std::thread::spawn(move || serve(&listener, is_cdn, &state))
        });
        let hub = Self { endpoint: format!("http://{}", addresses[0]), addresses, state, threads: threads.into() };
        let commit = hub.push("main", files);
        (hub, commit)
    }

    /// Moves `revision` to a new commit with these files.
    pub(crate) fn push(&self, revision: &str, files: Files) -> String {
        let mut state = self.state.lock().unwrap();
        let commit = format!("{:040x}", 0xc0ffee + state.commits.len());
        state.revisions.insert(revision.to_owned(), commit.clone());
        state.revisions.insert(commit.clone(), commit.clone());
        state.commits.insert(commit.clone(), files);
        commit
    }

    /// Lets only this token at the files, and answers others with `status`.
    pub(crate) fn gate(&self, token: &'static str, status: u16) {
        self.state.lock().unwrap().token = Some((token, status));
    }

    /// Fails the next requests for bytes from the CDN, in this order.
    pub(crate) fn fail(&self, faults: &[Fault]) {
        self.state.lock().unwrap().faults.extend(faults.iter().rev());
    }

    /// Answers everything that is not for the CDN with this status.
    pub(crate) fn answer_all(&self, status: u16) {
        self.state.lock().unwrap().hub_status = Some(status);
    }

    /// What was asked for since the last call.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.state.lock().unwrap().seen)
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if let Ok(mut state) = self.state.lock() {
            state.closing = true;
        }
        for address in self.addresses {
            drop(TcpStream::connect(address));
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn serve(listener: &TcpListener, is_cdn: bool, state: &Mutex<State>) {
    for stream in listener.incoming() {
        if state.lock().unwrap().closing {
            return;
        }
        // A client that hangs up in the middle is part of some tests.
        let _ = answer(stream.unwrap(), is_cdn, state);
    }
}

struct Response {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

fn response(status: u16, headers: Vec<(&'static str, String)>, body: impl Into<Vec<u8>>) -> Response {
    Response { status, headers, body: body.into() }
}

fn answer(mut stream: TcpStream, is_cdn: bool, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(()) };
    let path = target.split('?').next().unwrap_or_default().to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    assert_eq!(headers.get("accept-encoding").map(String::as_str), Some("identity"));
    let (range, authorization) = (headers.remove("range"), headers.remove("authorization"));
    let start = range.as_deref().and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let mut state = state.lock().unwrap();
    let what = format!("{method} {path}");
    state.seen.push(Seen { what, range, authorization: authorization.clone(), by_cdn: is_cdn });
    let fault = if is_cdn { state.faults.pop() } else { None };
    let response = match (fault, state.hub_status.filter(|_| !is_cdn)) {
        (Some(Fault::Status(status)), _) | (None, Some(status)) => response(status, vec![], "<html>"),
        (Some(Fault::Silence), _) => {
            drop(state);
            // Until the client has had enough.
            return reader.read_to_end(&mut Vec::new()).map(drop);
        }
        (fault, _) if is_cdn => bytes_of(&state, &path, start.unwrap_or(0), fault),
        _ => hub_response(&state, &path, start.unwrap_or(0), authorization.as_deref()),
    };
    drop(state);
    write!(stream, "HTTP/1.1 {} Whatever\r\nConnection: close\r\n", response.status)?;
    for (name, value) in &response.headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    if !matches!(fault, Some(Fault::ShortWithoutLength(_))) {
        write!(stream, "Content-Length: {}\r\n", response.body.len())?;
    }
    write!(stream, "\r\n")?;
    if method != "HEAD" {
        let sent = if let Some(Fault::BreakAfter(bytes)) = fault { bytes } else { response.body.len() };
        stream.write_all(&response.body[..sent.min(response.body.len())])?;
    }
    Ok(())
}

fn hub_response(state: &State, path: &str, start: usize, authorization: Option<&str>) -> Response {
    if path.contains("/former-name/") {
        return response(307, vec![("Location", path.replace("/former-name/", "/name/"))], "");
    }
    if let Some(revision) = path.strip_prefix("/api/models/owner/name/revision/") {
        let revision = revision.replace("%2F", "/");
        let Some(commit) = state.revisions.get(&revision) else {
            return response(404, vec![("X-Error-Code", "RevisionNotFound".to_owned())], "{}");
        };
        let names = state.commits[commit].keys().map(|name| format!("{{\"rfilename\":\"{name}\"}}"));
        let names = names.collect::<Vec<_>>().join(",");
        return response(200, vec![], format!("{{\"sha\":\"{commit}\",\"siblings\":[{names}],\"gated\":\"auto\"}}"));
    }
    if path.starts_with("/api/models/") {
        return response(404, vec![("X-Error-Code", "RepoNotFound".to_owned())], "{}");
    }
    if let Some((token, status)) = state.token
        && authorization != Some(&format!("Bearer {token}"))
    {
        return response(status, vec![("X-Error-Code", "GatedRepo".to_owned())], "Access is restricted");
    }
    // Where the hub sends a client for a file that is not large: the same origin, so the address is relative.
    let resolved = path.strip_prefix("/owner/name/resolve/");
    let cached = path.strip_prefix("/api/resolve-cache/");
    let found = resolved.or(cached).and_then(|rest| rest.split_once('/')).and_then(|(revision, file)| {
        let commit = state.revisions.get(revision)?;
        Some((commit, file, state.commits[commit].get(file)?))
    });
    let Some((commit, file, bytes)) = found else {
        return response(404, vec![("X-Error-Code", "EntryNotFound".to_owned())], "Entry not found");
    };
    let commit_header = ("X-Repo-Commit", commit.clone());
    if file == "model.safetensors" {
        let digest = sha256(bytes);
        let headers = vec![
            commit_header,
            ("X-Linked-Etag", format!("\"{digest}\"")),
            ("X-Linked-Size", bytes.len().to_string()),
            ("Location", format!("{}/{digest}?signature=secret", state.cdn)),
        ];
        return response(302, headers, "");
    }
    if file == "tokenizer.json" && resolved.is_some() {
        let location = format!("/api/resolve-cache/{commit}/{file}");
        return response(307, vec![commit_header, ("Location", location)], "");
    }
    // As for the hub, a small file's etag is an id of 40 digits that does not help to check it.
    let etag = format!("W/\"{}\"", &sha256(bytes)[..40]);
    let mut response = range_of(bytes, start);
    response.headers.extend([commit_header, ("ETag", etag)]);
    response
}

fn bytes_of(state: &State, path: &str, start: usize, fault: Option<Fault>) -> Response {
    let digest = path.trim_start_matches('/');
    let mut files = state.commits.values().flat_map(BTreeMap::values);
    let mut bytes = files.find(|bytes| sha256(bytes) == digest).unwrap().clone();
    match fault {
        Some(Fault::Corrupt) => bytes[start] ^= 1,
        Some(Fault::TooLong) => bytes.extend(b"<!-- injected -->"),
        Some(Fault::ShortLength(length) | Fault::ShortWithoutLength(length)) => bytes.truncate(length),
        Some(Fault::IgnoreRange) => return range_of(&bytes, 0),
        _ => {}
    }
    range_of(&bytes, start)
}

fn range_of(bytes: &[u8], start: usize) -> Response {
    if start == 0 {
        return response(200, vec![], bytes);
    }
    let range = format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len());
    response(206, vec![("Content-Range", range)], &bytes[start..])
}
