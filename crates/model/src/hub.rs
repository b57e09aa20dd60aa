//! Models from a Hugging Face hub: `owner/name` becomes a folder with the three files that a model needs, and with the
//! `int8.safetensors` that some have.
//!
//! The revision is resolved to a commit first and the files are fetched from that commit, so a folder never mixes two
//! versions of a model; where the commit is at hand already, only that one question is asked, and none at all if the
//! revision is a full commit. A file gets its name in the cache only when it has all its bytes (see `cache.rs`); a
//! download that breaks off is resumed, by the same call while it makes headway and by the next call else.
//!
//! This is written on `ureq` rather than the `hf-hub` crate. Version 0.5 of that has no timeouts, appends a whole file
//! to the half that it has if a proxy ignores its range, never looks at what it got before it names it a finished
//! file, and sends the user's token to wherever the hub redirects; version 1.0 cannot resume, and brings the Xet
//! transfer stack (230 more crates and a C build). The cache's layout is theirs, so models are shared with them and with
//! Python.

mod cache;
mod client;
mod error;

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::cache::{Cached, RepoCache, is_commit, is_sha256, make_folder, sha256, trouble, with_suffix};
use self::client::{AppendError, Client, FileInfo, RepoInfo};
pub use self::error::HubError;
use crate::{BALANCE_FILE, ModelError};

/// The files of a model, small ones first: a wrong id or a missing right shows before the long download.
const FILES: [&str; 3] = ["config.json", "tokenizer.json", "model.safetensors"];

/// What only some models have; that a commit lacks it is remembered.
const OPTIONAL: &str = BALANCE_FILE;

/// A broken connection that brought this many bytes is taken up again by the same call; one that brought fewer is an
/// error, so that a hub which breaks off each time ends the call.
const HEADWAY: u64 = 1 << 20;

/// What to fetch, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HubOptions {
    /// A branch, a tag or a commit; `main` if none.
    pub revision: Option<String>,
    /// Use the cache only, and fail if the model is not in it.
    pub offline: bool,
}

/// What the environment says about the hub. The one place that reads it is [`HubEnvironment::from_env`].
#[derive(Clone, PartialEq, Eq)]
pub struct HubEnvironment {
    /// The hub's address, without a slash at the end (`HF_ENDPOINT`, else `https://huggingface.co`).
    pub endpoint: String,
    /// The cache's folder (`HF_HUB_CACHE`, else `hub` in `HF_HOME`, which is `~/.cache/huggingface` unless set).
    pub cache: PathBuf,
    /// Sent to the hub, and only there (`HF_TOKEN`, else the file `HF_TOKEN_PATH`, else the file `token` in `HF_HOME`).
    pub token: Option<String>,
    /// As [`HubOptions::offline`] (`HF_HUB_OFFLINE`).
    pub offline: bool,
    /// Whether to use the proxy that `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` name.
    pub use_proxy: bool,
    /// How long the hub may be silent (`HF_HUB_DOWNLOAD_TIMEOUT` in seconds, else 30 s). A slow transfer may take any
    /// time.
    pub timeout: Duration,
}

impl HubEnvironment {
    /// Reads the environment.
    ///
    /// # Errors
    /// [`HubError::Environment`] if a variable has an unusable value, or if no home folder is known.
    pub fn from_env() -> Result<Self, HubError> {
        Self::from_variables(|name| std::env::var_os(name), std::env::home_dir())
    }

    /// As [`HubEnvironment::from_env`], with variables from elsewhere. An empty variable counts as not set.
    ///
    /// # Errors
    /// As [`HubEnvironment::from_env`].
    pub fn from_variables(
        variable: impl Fn(&str) -> Option<OsString>,
        home: Option<PathBuf>,
    ) -> Result<Self, HubError> {
        let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let text = |name: &str| variable(name).map(|value| value.to_string_lossy().trim().to_owned());
        let text = |name: &str| text(name).filter(|value| !value.is_empty());
        let hf_home = path("HF_HOME")
            .or_else(|| Some(path("XDG_CACHE_HOME")?.join("huggingface")))
            .or_else(|| Some(home?.join(".cache").join("huggingface")))
            .ok_or_else(|| HubError::Environment {
                name: "HF_HOME",
                detail: "is not set and there is no home folder: set it to a folder for fetched models".to_owned(),
            })?;
        let token_file = path("HF_TOKEN_PATH").unwrap_or_else(|| hf_home.join("token"));
        let token_in_file = || fs::read_to_string(token_file).ok().map(|token| token.trim().to_owned());
        let timeout = match text("HF_HUB_DOWNLOAD_TIMEOUT") {
            None => 30,
            Some(seconds) => {
                seconds.parse().ok().filter(|seconds| (1..=86_400).contains(seconds)).ok_or_else(|| {
                    let detail = format!("is {seconds:?}: it must be a whole number of seconds from 1 to 86400");
                    HubError::Environment { name: "HF_HUB_DOWNLOAD_TIMEOUT", detail }
                })?
            }
        };
        let endpoint = text("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        let offline = text("HF_HUB_OFFLINE").unwrap_or_default().to_ascii_uppercase();
        Ok(Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            cache: path("HF_HUB_CACHE").unwrap_or_else(|| hf_home.join("hub")),
            token: text("HF_TOKEN").or_else(token_in_file).filter(|token| !token.is_empty()),
            offline: matches!(offline.as_str(), "1" | "ON" | "YES" | "TRUE"),
            use_proxy: true,
            timeout: Duration::from_secs(timeout),
        })
    }
}

impl fmt::Debug for HubEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The token is a secret; a log is none.
        f.debug_struct("HubEnvironment")
            .field("endpoint", &self.endpoint)
            .field("cache", &self.cache)
            .field("token", &self.token.as_ref().map(|_| "…"))
            .field("offline", &self.offline)
            .field("use_proxy", &self.use_proxy)
            .field("timeout", &self.timeout)
            .finish()
    }
}

/// What happens while a model is fetched, for a progress bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HubEvent<'a> {
    /// Bytes of a file are on disk; the first such event of a file may come with those of an earlier call.
    Fetching {
        /// The file.
        file: &'a str,
        /// Bytes that are there.
        bytes: u64,
        /// Bytes that there will be.
        total: u64,
    },
    /// A damaged file was found in the cache and removed; it is fetched again.
    Removed {
        /// The file.
        file: &'a str,
        /// Where its bytes were.
        blob: &'a Path,
    },
}

/// Fetches the model `id` (`owner/name`), or finds it in the cache, with the environment as it is. Returns the folder
/// that holds `config.json`, `tokenizer.json`, `model.safetensors` and perhaps `int8.safetensors`; its name is the commit.
///
/// # Errors
/// [`ModelError::Hub`], which says what to do.
pub fn download(id: &str, options: &HubOptions) -> Result<PathBuf, ModelError> {
    let environment = HubEnvironment::from_env().map_err(|problem| failed(id, problem))?;
    download_with(id, options, &environment, &mut |_| {})
}

/// As [`download`], in a given environment and telling `on_event` how far it is.
///
/// # Errors
/// As [`download`].
pub fn download_with(
    id: &str,
    options: &HubOptions,
    environment: &HubEnvironment,
    on_event: &mut dyn FnMut(HubEvent<'_>),
) -> Result<PathBuf, ModelError> {
    fetch_model(id, options, environment, on_event).map_err(|problem| failed(id, problem))
}

fn failed(id: &str, problem: HubError) -> ModelError {
    ModelError::Hub { id: id.to_owned(), problem }
}

fn fetch_model(
    id: &str,
    options: &HubOptions,
    environment: &HubEnvironment,
    on_event: &mut dyn FnMut(HubEvent<'_>),
) -> Result<PathBuf, HubError> {
    if !is_id(id) {
        return Err(HubError::Id);
    }
    let revision = options.revision.as_deref().unwrap_or("main");
    if !is_revision(revision) {
        return Err(HubError::Revision(revision.to_owned()));
    }
    let cache = RepoCache::new(&environment.cache, id);
    if options.offline || environment.offline {
        return find_offline(&cache, revision);
    }
    let has = |commit: &str, file: &str| matches!(cache.look(commit, file), Ok(Cached::Whole));
    let in_cache = |commit: &str| FILES.iter().all(|file| has(commit, file));
    let knows_optional = |commit: &str| has(commit, OPTIONAL) || cache.is_absent(commit, OPTIONAL);
    if is_commit(revision) && in_cache(revision) && knows_optional(revision) {
        return Ok(cache.snapshot(revision));
    }
    let client = Client::new(id, environment)?;
    let info = match client.info(revision) {
        // All that a model needs is there, and never changes; only whether it has more could not be asked.
        Err(HubError::Unreachable { .. }) if is_commit(revision) && in_cache(revision) => {
            return Ok(cache.snapshot(revision));
        }
        Err(HubError::Unreachable { host, detail, .. }) => {
            let cached = cache.commit(revision).is_some_and(|commit| in_cache(&commit));
            return Err(HubError::Unreachable { host, detail, cached });
        }
        answer => answer?,
    };
    check_files(&info, revision)?;
    // First, so that whoever finds the others finds this one, too.
    let optional = info.has(OPTIONAL).then_some(OPTIONAL);
    for file in optional.into_iter().chain(FILES) {
        if cache.look(&info.sha, file)? != Cached::Whole {
            fetch_file(&client, &cache, &info.sha, file, on_event)?;
        }
    }
    if optional.is_none() {
        // A cache that cannot be written to costs a question each time, no more.
        let _ = cache.set_absent(&info.sha, OPTIONAL);
    }
    if !is_commit(revision) {
        // Last, so that offline use keeps the older, whole snapshot until the new one is whole.
        cache.set_commit(revision, &info.sha)?;
    }
    Ok(cache.snapshot(&info.sha))
}

fn find_offline(cache: &RepoCache, revision: &str) -> Result<PathBuf, HubError> {
    let not_cached = |missing: Vec<&'static str>, looked: &Path| HubError::NotCached {
        revision: revision.to_owned(),
        missing,
        looked: looked.display().to_string(),
    };
    let Some(commit) = cache.commit(revision) else { return Err(not_cached(FILES.to_vec(), &cache.snapshots())) };
    let mut missing = Vec::new();
    for file in FILES.into_iter().chain([OPTIONAL]) {
        match cache.look(&commit, file)? {
            Cached::Whole => {}
            Cached::Missing if file == OPTIONAL => {}
            Cached::Missing => missing.push(file),
            Cached::Damaged(blob) => {
                fs::remove_file(&blob).map_err(|error| trouble(&blob, &error))?;
                return Err(HubError::DamagedCache { file, blob });
            }
        }
    }
    let snapshot = cache.snapshot(&commit);
    if missing.is_empty() { Ok(snapshot) } else { Err(not_cached(missing, &snapshot)) }
}

/// Refuses a model that lacks one of the files, before anything is fetched.
fn check_files(info: &RepoInfo, revision: &str) -> Result<(), HubError> {
    let has = |file: &str| info.has(file);
    let Some(file) = FILES.into_iter().find(|file| !has(file)) else { return Ok(()) };
    let hint = match file {
        "model.safetensors" if has("model.safetensors.index.json") => {
            "its weights are sharded, which Dateline does not read; save them as one file \
             (`save_pretrained(…, max_shard_size=\"100GB\")`) and give that folder"
        }
        "model.safetensors" if has("pytorch_model.bin") || has("pytorch_model.bin.index.json") => {
            "its weights are a pickle (pytorch_model.bin), which Dateline does not open; try a converted revision \
             (--revision refs/pr/N, see the model's Community page), or save them with \
             `save_pretrained(…, safe_serialization=True)` and give that folder"
        }
        "tokenizer.json" => {
            "it has no fast tokeniser; make one with `AutoTokenizer.from_pretrained(…, use_fast=True)\
             .save_pretrained(…)` beside the model's files and give that folder"
        }
        _ => "a model needs config.json, tokenizer.json and model.safetensors; check the id and --revision",
    };
    Err(HubError::MissingFile { revision: revision.to_owned(), file, hint })
}

fn fetch_file(
    client: &Client<'_>,
    cache: &RepoCache,
    commit: &str,
    file: &'static str,
    on_event: &mut dyn FnMut(HubEvent<'_>),
) -> Result<(), HubError> {
    let url = client.file_url(commit, file);
    let info = client.file_info(&url)?;
    let blob = cache.blob(&info.etag);
    make_folder(blob.parent().expect("a blob lies in the blobs folder"))?;
    // One writer at a time, also among processes; the second finds the blob done. Held until the end of this function.
    let lock_path = with_suffix(&blob, ".lock");
    let lock = File::create(&lock_path).map_err(|error| trouble(&lock_path, &error))?;
    match lock.lock() {
        Err(error) if error.kind() != io::ErrorKind::Unsupported => return Err(trouble(&lock_path, &error)),
        _ => {}
    }
    let mut there = blob.is_file();
    if there && !cache.is_whole(&blob, Some(info.length))? {
        fs::remove_file(&blob).map_err(|error| trouble(&blob, &error))?;
        on_event(HubEvent::Removed { file, blob: &blob });
        there = false;
    }
    if !there {
        let part = with_suffix(&blob, ".part");
        fetch_part(client, (&url, file), &part, &info, on_event)?;
        fs::rename(&part, &blob).map_err(|error| trouble(&blob, &error))?;
    }
    cache.link(commit, file, &info.etag)
}

/// Fills `part` with the whole file and checks it; a damaged one is removed.
fn fetch_part(
    client: &Client<'_>,
    (url, file): (&str, &str),
    part: &Path,
    info: &FileInfo,
    on_event: &mut dyn FnMut(HubEvent<'_>),
) -> Result<(), HubError> {
    let trouble = |error| trouble(part, &error);
    let mut bytes = OpenOptions::new().create(true).truncate(false).write(true).open(part).map_err(trouble)?;
    let mut start = bytes.metadata().map_err(trouble)?.len();
    if start > info.length {
        bytes.set_len(0).map_err(trouble)?;
        start = 0;
    }
    while start < info.length {
        let progress = |bytes| on_event(HubEvent::Fetching { file, bytes, total: info.length });
        let result = client.append((url, file), &mut bytes, (start, info.length), progress);
        let reached = bytes.metadata().map_err(trouble)?.len();
        match result {
            Ok(()) => {}
            Err(AppendError::Hub(HubError::Interrupted { .. })) if reached >= start + HEADWAY => {}
            Err(AppendError::Hub(problem)) => return Err(problem),
            Err(AppendError::Write(error)) => return Err(trouble(error)),
        }
        start = reached;
    }
    // Before its rename: a power cut must not leave a finished name on unwritten bytes.
    bytes.sync_all().map_err(trouble)?;
    drop(bytes);
    if is_sha256(&info.etag) {
        let (found, expected) = (sha256(part)?, info.etag.to_ascii_lowercase());
        if found != expected {
            fs::remove_file(part).map_err(trouble)?;
            return Err(HubError::Damaged { file: file.to_owned(), expected, found });
        }
    }
    Ok(())
}

/// Whether `id` is `owner/name` as the hub allows it. (It forbids `--`, which would make two models share a folder.)
fn is_id(id: &str) -> bool {
    let is_part = |part: &str| {
        (1..=96).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
            && !part.starts_with(['-', '.'])
            && !part.ends_with(['-', '.'])
            && !part.contains("--")
            && !part.contains("..")
    };
    id.split_once('/').is_some_and(|(owner, name)| is_part(owner) && is_part(name))
}

/// Whether `revision` is the name of a branch, tag or commit, and of a file below the cache's `refs` folder.
fn is_revision(revision: &str) -> bool {
    (1..=200).contains(&revision.len())
        && revision.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./+@=#%,".contains(&byte))
        && revision.split('/').all(|part| !part.is_empty() && !part.starts_with(['.', '-']) && !part.contains(".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_owner_and_name() {
        for id in ["dslim/bert-base-NER", "a/b", "FacebookAI/xlm-roberta-large", "o_1/x.y-z"] {
            assert!(is_id(id), "{id}");
        }
        for id in
            ["", "bert", "a/", "/b", "a/b/c", "../b", "a/..", "a/.b", "a--b/c", "a/b c", "./model", "a\\b/c", "ä/b"]
        {
            assert!(!is_id(id), "{id}");
        }
    }

    #[test]
    fn revisions_stay_below_the_refs_folder() {
        for revision in ["main", "v1.0", "refs/pr/12", "feature/x+y", "0123abc"] {
            assert!(is_revision(revision), "{revision}");
        }
        for revision in ["", "..", "a/../b", "/main", "a//b", "-x", ".git", "a b", "a\\b", "a\nb"] {
            assert!(!is_revision(revision), "{revision:?}");
        }
    }
}
