//! What can go wrong between a hub and the cache. Every message says what to do, because the reader is usually at a
//! terminal with a model id and a guess.

use std::path::PathBuf;

/// Why a model could not be had from a hub.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// The id is no `owner/name`.
    #[error(
        "it is not a model id: write owner/name (letters, digits, \"-\", \"_\", \".\"), or give the path of a folder"
    )]
    Id,
    /// The revision is no name of a branch, tag or commit.
    #[error("{0:?} is not a revision: give a branch, a tag or a commit, such as \"main\"")]
    Revision(String),
    /// A variable of the environment has an unusable value.
    #[error("{name} {detail}")]
    Environment {
        /// The variable.
        name: &'static str,
        /// What is wrong with it, and what to do.
        detail: String,
    },
    /// Offline, and the cache does not hold the model.
    #[error(
        "revision {revision:?} is not complete in the cache: {} missing in {looked}; run once without --offline (and \
         without HF_HUB_OFFLINE), or set HF_HOME to the cache that has it", .missing.join(", ")
    )]
    NotCached {
        /// The revision as asked for.
        revision: String,
        /// The files that are not there.
        missing: Vec<&'static str>,
        /// The folder that should hold them.
        looked: String,
    },
    /// The hub wants to know who asks, or does not let this account in.
    #[error("{}", denied(*.status, page, *.with_token))]
    Denied {
        /// 401 or 403.
        status: u16,
        /// The model's page, where its terms are accepted.
        page: String,
        /// Whether a token was sent.
        with_token: bool,
    },
    /// The hub does not know the model, or not this revision of it.
    #[error("{endpoint} has no {what}: check the spelling of the id and of --revision")]
    NotFound {
        /// The hub.
        endpoint: String,
        /// What it does not have.
        what: String,
    },
    /// The model lacks a file that Dateline needs.
    #[error("revision {revision:?} has no {file}: {hint}")]
    MissingFile {
        /// The revision as asked for.
        revision: String,
        /// The file.
        file: &'static str,
        /// What it has instead, and what to do.
        hint: &'static str,
    },
    /// No connection, or no answer in time.
    #[error(
        "cannot reach {host} ({detail}): check the network, the proxy and HF_ENDPOINT, or {}",
        if *.cached { "use the copy in the cache with --offline" } else { "give a folder that holds the model" }
    )]
    Unreachable {
        /// Scheme, host and port.
        host: String,
        /// Why not.
        detail: String,
        /// Whether the cache holds the revision, as last seen.
        cached: bool,
    },
    /// An answer that says the hub is in trouble.
    #[error(
        "{url} answered with status {status}: {}",
        if *.status == 429 { "too many requests, wait or set HF_TOKEN" }
        else { "try again later, or --offline if it was fetched before" }
    )]
    Status {
        /// The HTTP status.
        status: u16,
        /// What was asked for.
        url: String,
    },
    /// An answer that a hub would not give.
    #[error("{url} does not answer like a Hugging Face hub ({detail}): check HF_ENDPOINT and the proxy")]
    Protocol {
        /// What was asked for.
        url: String,
        /// What is wrong with the answer.
        detail: String,
    },
    /// The connection broke or stalled in the middle of a file.
    #[error("{file} broke off after {received} of {total} bytes ({detail}): run again, it goes on where it stopped")]
    Interrupted {
        /// The file.
        file: String,
        /// Bytes that are on disk.
        received: u64,
        /// Bytes that there should be.
        total: u64,
        /// Why it broke off.
        detail: String,
    },
    /// A body whose length is not the file's.
    #[error("{file} has {expected} bytes on the hub, but {received} were sent: nothing was kept, run again")]
    Length {
        /// The file.
        file: String,
        /// The file's length.
        expected: u64,
        /// The length of what came, as far as it was read.
        received: u64,
    },
    /// Bytes that are not the file's.
    #[error(
        "{file} was damaged on the way (SHA-256 {found}, but the hub says {expected}): it was thrown away, run again; \
         if it happens twice, a proxy changes what it passes on"
    )]
    Damaged {
        /// The file.
        file: String,
        /// SHA-256 of the file, from the hub.
        expected: String,
        /// SHA-256 of what came.
        found: String,
    },
    /// Offline, and a file in the cache is not what it was when it was fetched.
    #[error("the cached {file} is damaged ({}) and was removed: run once without --offline", .blob.display())]
    DamagedCache {
        /// The file.
        file: &'static str,
        /// Where its bytes were.
        blob: PathBuf,
    },
    /// The cache cannot be read or written.
    #[error(
        "the cache at {}: {detail}: make room or give access there, or set HF_HOME to another folder", .path.display()
    )]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        detail: String,
    },
}

fn denied(status: u16, page: &str, with_token: bool) -> String {
    match (status, with_token) {
        (401, false) => format!(
            "the hub answers 401: the id is misspelt, or the model is private or gated; accept its terms at {page} \
             and set HF_TOKEN to a token of that account"
        ),
        (401, true) => format!(
            "the hub answers 401: the id is misspelt, or it does not accept the token in HF_TOKEN (or the token file \
             in HF_HOME): check {page}, and make a new token if it has expired"
        ),
        (_, false) => format!(
            "the hub answers 403: the model is gated; accept its terms at {page} and set HF_TOKEN to a token of that \
             account"
        ),
        (_, true) => format!(
            "the hub answers 403: the account of the token in HF_TOKEN may not read it; accept its terms at {page}, and \
             give the token the right to read gated models"
        ),
    }
}
