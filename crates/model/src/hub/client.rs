//! The hub's HTTP side: which commit a revision is and what files it has, a file's etag and length, and a file's bytes
//! from any position on.
//!
//! Redirects are followed by hand, because the token may go to the hub and nowhere else: large files come from a CDN
//! under a signed address, which must not learn it (and often refuses a request that carries one).

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::time::Duration;

use serde::Deserialize;
use ureq::http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, ETAG, LOCATION, RANGE};
use ureq::http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, Uri};
use ureq::{Agent, Body, Proxy};

use super::HubEnvironment;
use super::cache::is_plain_name;
use super::error::HubError;

const LINKED_ETAG: HeaderName = HeaderName::from_static("x-linked-etag");
const LINKED_SIZE: HeaderName = HeaderName::from_static("x-linked-size");
const ERROR_CODE: HeaderName = HeaderName::from_static("x-error-code");

/// The hub itself redirects once (a renamed model), and once more to its CDN.
const MAX_REDIRECTS: usize = 8;
/// No description of a model is longer.
const MAX_INFO_BYTES: u64 = 64 << 20;

/// A model's revision as the hub describes it.
#[derive(Debug, Deserialize)]
pub(super) struct RepoInfo {
    /// The commit.
    pub(super) sha: String,
    /// Its files.
    #[serde(default)]
    pub(super) siblings: Vec<Sibling>,
}

impl RepoInfo {
    /// Whether it holds a file of this path.
    pub(super) fn has(&self, file: &str) -> bool {
        self.siblings.iter().any(|sibling| sibling.rfilename == file)
    }
}

/// A file of a model's revision.
#[derive(Debug, Deserialize)]
pub(super) struct Sibling {
    /// Its path in the repository.
    pub(super) rfilename: String,
}

/// What a file must be when it has arrived.
#[derive(Debug)]
pub(super) struct FileInfo {
    /// Its name in the cache: SHA-256 for a large file, a git blob id or any other validator else.
    pub(super) etag: String,
    /// Its length in bytes.
    pub(super) length: u64,
}

/// A connection to one hub about one model.
pub(super) struct Client<'e> {
    agent: Agent,
    environment: &'e HubEnvironment,
    id: &'e str,
    origin: String,
}

impl<'e> Client<'e> {
    pub(super) fn new(id: &'e str, environment: &'e HubEnvironment) -> Result<Self, HubError> {
        let unusable = || HubError::Environment {
            name: "HF_ENDPOINT",
            detail: format!("is {:?}: it must be an address such as https://huggingface.co", environment.endpoint),
        };
        let uri: Uri = environment.endpoint.parse().map_err(|_| unusable())?;
        let origin = origin(&uri).ok_or_else(unusable)?;
        let connect = environment.timeout.min(Duration::from_secs(10));
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // A hub that is asked over TLS may not send the bytes without it.
            .https_only(origin.starts_with("https:"))
            .proxy(if environment.use_proxy { Proxy::try_from_env() } else { None })
            .user_agent(concat!("dateline/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(connect))
            .timeout_connect(Some(connect))
            .timeout_recv_response(Some(environment.timeout))
            .timeout_per_read(Some(environment.timeout))
            .timeout_per_write(Some(environment.timeout))
            .build()
            .new_agent();
        Ok(Self { agent, environment, id, origin })
    }

    /// The commit and the files of `revision`.
    pub(super) fn info(&self, revision: &str) -> Result<RepoInfo, HubError> {
        let url = format!("{}/api/models/{}/revision/{}", self.environment.endpoint, self.id, escape(revision));
        let mut answer = self.follow(&Method::GET, &url, None, |_| false)?;
        self.check_status(&answer, &url, Some(revision))?;
        let body = answer.response.body_mut().with_config().limit(MAX_INFO_BYTES).reader();
        let info: RepoInfo = serde_json::from_reader(body).map_err(|error| protocol(&url, error.to_string()))?;
        match is_plain_name(&info.sha) {
            true => Ok(info),
            false => Err(protocol(&url, format!("its commit is {:?}", info.sha))),
        }
    }

    /// The address of a file of a commit.
    pub(super) fn file_url(&self, commit: &str, file: &str) -> String {
        format!("{}/{}/resolve/{commit}/{file}", self.environment.endpoint, self.id)
    }

    /// The etag and the length of the file at `url`, which is one of this hub's.
    pub(super) fn file_info(&self, url: &str) -> Result<FileInfo, HubError> {
        // The hub describes a large file in its redirect to the CDN, which is then not asked at all: a signed address
        // is good for GET only.
        let described = |headers: &HeaderMap| headers.contains_key(&LINKED_ETAG) && headers.contains_key(&LINKED_SIZE);
        let answer = self.follow(&Method::HEAD, url, None, described)?;
        if !answer.response.status().is_redirection() {
            self.check_status(&answer, url, None)?;
        }
        let linked = |name: &HeaderName| answer.headers.iter().find_map(|headers| text(headers, name));
        let response = &answer.response;
        let etag = linked(&LINKED_ETAG).or_else(|| text(response.headers(), &ETAG)).unwrap_or_default();
        let etag = etag.trim_start_matches("W/").trim_matches('"');
        let length = linked(&LINKED_SIZE).or_else(|| text(response.headers(), &CONTENT_LENGTH));
        let length = length.and_then(|length| length.parse().ok());
        match length {
            _ if !is_plain_name(etag) => Err(protocol(url, format!("its etag is {etag:?}"))),
            None => Err(protocol(url, "it names no length".to_owned())),
            Some(length) => Ok(FileInfo { etag: etag.to_owned(), length }),
        }
    }

    /// Appends to `part`, which holds the first `start` bytes of `file`, what is missing of its `length` bytes. What
    /// has arrived stays in `part` if the connection breaks; bytes that are not the file's do not.
    pub(super) fn append(
        &self,
        (url, file): (&str, &str),
        part: &mut File,
        (start, length): (u64, u64),
        mut on_bytes: impl FnMut(u64),
    ) -> Result<(), AppendError> {
        let answer = self.follow(&Method::GET, url, (start > 0).then_some(start), |_| false)?;
        self.check_status(&answer, url, None)?;
        let mut response = answer.response;
        let mut done = start;
        let wrong = |part: &mut File, received| -> AppendError {
            part.set_len(0).map_or_else(AppendError::Write, |()| {
                AppendError::Hub(HubError::Length { file: file.to_owned(), expected: length, received })
            })
        };
        if response.status() == StatusCode::PARTIAL_CONTENT {
            let range = text(response.headers(), &CONTENT_RANGE).unwrap_or_default();
            if !range.starts_with(&format!("bytes {start}-")) {
                return Err(protocol(url, format!("asked for bytes from {start} on, it sent {range:?}")).into());
            }
        } else {
            // The whole file, asked for or not: some proxies do not pass a range on.
            part.set_len(0).map_err(AppendError::Write)?;
            done = 0;
        }
        let declared = text(response.headers(), &CONTENT_LENGTH).and_then(|declared| declared.parse::<u64>().ok());
        if let Some(declared) = declared.filter(|declared| done + declared != length) {
            return Err(wrong(part, done + declared));
        }
        part.seek(SeekFrom::Start(done)).map_err(AppendError::Write)?;
        on_bytes(done);
        let mut body = response.body_mut().as_reader();
        let mut buffer = vec![0; 128 << 10];
        let broke_off =
            |received, detail| HubError::Interrupted { file: file.to_owned(), received, total: length, detail };
        while done < length {
            match body.read(&mut buffer) {
                Ok(0) => return Err(broke_off(done, "the connection was closed".to_owned()).into()),
                Ok(read) if done + read as u64 > length => return Err(wrong(part, done + read as u64)),
                Ok(read) => {
                    part.write_all(&buffer[..read]).map_err(AppendError::Write)?;
                    done += read as u64;
                    on_bytes(done);
                }
                Err(error) => return Err(broke_off(done, error.to_string()).into()),
            }
        }
        Ok(())
    }

    /// Sends a request and follows redirects until an answer is none or `enough` says that its headers do.
    fn follow(
        &self,
        method: &Method,
        url: &str,
        start: Option<u64>,
        enough: impl Fn(&HeaderMap) -> bool,
    ) -> Result<Answer, HubError> {
        let mut headers = Vec::new();
        let mut here = url.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(method, &here, start)?;
            let status = response.status();
            let moved = status.is_redirection() && status != StatusCode::NOT_MODIFIED;
            headers.push(response.headers().clone());
            if !moved || enough(response.headers()) {
                let by_hub = here.parse().is_ok_and(|uri| origin(&uri).as_ref() == Some(&self.origin));
                return Ok(Answer { headers, response, by_hub });
            }
            here = text(response.headers(), &LOCATION)
                .and_then(|location| resolve(&here, location))
                .ok_or_else(|| protocol(url, "it redirects to nowhere".to_owned()))?;
        }
        Err(protocol(url, format!("it redirects more than {MAX_REDIRECTS} times")))
    }

    fn send(&self, method: &Method, url: &str, start: Option<u64>) -> Result<Response<Body>, HubError> {
        let uri: Uri = url.parse().map_err(|_| protocol(url, "it is no address".to_owned()))?;
        let origin = origin(&uri).ok_or_else(|| protocol(url, "it is no address".to_owned()))?;
        // Compressed on the way, a file has another length, and ranges of it mean something else.
        let mut request = Request::builder().method(method).uri(uri).header(ACCEPT_ENCODING, "identity");
        if let Some(start) = start {
            request = request.header(RANGE, format!("bytes={start}-"));
        }
        if let Some(token) = self.environment.token.as_ref().filter(|_| origin == self.origin) {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(()).map_err(|_| HubError::Environment {
            name: "HF_TOKEN",
            detail: "holds characters that no token has: copy it again".to_owned(),
        })?;
        self.agent.run(request).map_err(|error| HubError::Unreachable {
            host: origin,
            detail: match error {
                ureq::Error::Io(error) => error.to_string(),
                ureq::Error::Timeout(_) => format!("no answer in {} s", self.environment.timeout.as_secs_f32()),
                other => other.to_string(),
            },
            cached: false,
        })
    }

    /// Refuses an answer that is none; `revision` if that is what was asked for, and not a file.
    fn check_status(&self, answer: &Answer, url: &str, revision: Option<&str>) -> Result<(), HubError> {
        let endpoint = self.environment.endpoint.clone();
        let code = text(answer.response.headers(), &ERROR_CODE);
        match answer.response.status().as_u16() {
            200 | 206 => Ok(()),
            // From the CDN it means that the signed address is too old, or that a firewall stands in between.
            status @ (401 | 403) if answer.by_hub => Err(HubError::Denied {
                status,
                page: format!("{endpoint}/{}", self.id),
                with_token: self.environment.token.is_some(),
            }),
            404 => Err(HubError::NotFound {
                endpoint,
                what: match (code, revision) {
                    (Some("RepoNotFound"), _) => "model of this id".to_owned(),
                    (Some("RevisionNotFound"), Some(revision)) => format!("revision {revision:?} of this model"),
                    (_, Some(revision)) => format!("model of this id with a revision {revision:?}"),
                    (_, None) => format!("file {url}"),
                },
            }),
            status => Err(HubError::Status { status, url: url.to_owned() }),
        }
    }
}

/// What came back, at the end of all redirects.
struct Answer {
    /// The headers of each answer on the way, and of this one.
    headers: Vec<HeaderMap>,
    response: Response<Body>,
    /// Whether the hub itself gave this answer.
    by_hub: bool,
}

/// Why a file could not be continued.
pub(super) enum AppendError {
    /// On the hub's side.
    Hub(HubError),
    /// On the cache's side.
    Write(io::Error),
}

impl From<HubError> for AppendError {
    fn from(error: HubError) -> Self {
        Self::Hub(error)
    }
}

fn protocol(url: &str, detail: String) -> HubError {
    // The query of a signed address is a password of sorts.
    let url = url.split('?').next().unwrap_or(url).to_owned();
    HubError::Protocol { url, detail }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Scheme, host and port: who gets to see the token.
fn origin(uri: &Uri) -> Option<String> {
    let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"))?;
    let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    Some(format!("{scheme}://{}:{port}", uri.host()?.to_ascii_lowercase()))
}

/// Where a `Location` header leads.
fn resolve(from: &str, location: &str) -> Option<String> {
    let from: Uri = from.parse().ok()?;
    match location {
        _ if location.starts_with("http://") || location.starts_with("https://") => Some(location.to_owned()),
        _ if location.starts_with("//") => Some(format!("{}:{location}", from.scheme_str()?)),
        _ if location.starts_with('/') => Some(format!("{}://{}{location}", from.scheme_str()?, from.authority()?)),
        _ => None,
    }
}

/// A revision as one part of an address.
fn escape(revision: &str) -> String {
    revision.bytes().fold(String::new(), |mut escaped, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_resolved() {
        let from = "https://hub.example/a/b/resolve/main/f";
        for (location, leads_to) in [
            ("https://cdn.example/x?y", Some("https://cdn.example/x?y")),
            ("/a/c/resolve/main/f", Some("https://hub.example/a/c/resolve/main/f")),
            ("//cdn.example/x", Some("https://cdn.example/x")),
            ("ftp://cdn.example/x", None),
        ] {
            assert_eq!(resolve(from, location).as_deref(), leads_to, "{location}");
        }
    }

    #[test]
    fn origins_differ_by_scheme_host_and_port() {
        let of = |url: &str| origin(&url.parse().unwrap());
        assert_eq!(of("https://Hub.example/x"), of("https://hub.example:443/y"));
        assert_ne!(of("https://hub.example"), of("http://hub.example"));
        assert_ne!(of("http://hub.example"), of("http://hub.example:8080"));
        assert_eq!(of("ftp://hub.example"), None);
    }

    #[test]
    fn revisions_are_escaped() {
        assert_eq!(escape("refs/pr/1"), "refs%2Fpr%2F1");
        assert_eq!(escape("v1.0-rc_2"), "v1.0-rc_2");
    }
}
