//! The hub path against a hub on the loopback interface: what is fetched and asked for, what stays in the cache, and
//! what is said and kept when something breaks.
#![cfg(feature = "hub")]
#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap like the tests themselves")]

mod hub_server;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dateline_model::hub::{HubEnvironment, HubError, HubEvent, HubOptions, download_with};
use dateline_model::{ModelError, ModelFiles};
use hub_server::{Fault, Files, Hub, Seen, sha256};
use tempfile::TempDir;

const ID: &str = "owner/name";
const WEIGHTS: &[u8] = include_bytes!("fixtures/parity/bert/model.safetensors");
const TOKENIZER: &[u8] = include_bytes!("fixtures/parity/bert/tokenizer.json");
const CONFIG: &[u8] = include_bytes!("fixtures/parity/bert/config.json");

fn files() -> Files {
    let mut files = Files::new();
    files.insert("README.md", b"A model.".to_vec());
    files.insert("config.json", CONFIG.to_vec());
    files.insert("tokenizer.json", TOKENIZER.to_vec());
    files.insert("model.safetensors", WEIGHTS.to_vec());
    files
}

/// Weights that take more than one read, and more than the headway that a call must make to go on.
fn large_files() -> Files {
    let mut files = files();
    let mut word = 1_u32;
    let mut next = || {
        word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (word >> 24) as u8
    };
    files.insert("model.safetensors", (0..5 << 19).map(|_| next()).collect());
    files
}

/// A client with a cache of its own.
struct Client {
    home: TempDir,
    environment: HubEnvironment,
    options: HubOptions,
}

impl Client {
    fn of(endpoint: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let environment = HubEnvironment {
            endpoint: endpoint.to_owned(),
            cache: home.path().join("hub"),
            token: None,
            offline: false,
            use_proxy: false,
            timeout: Duration::from_secs(20),
        };
        Self { home, environment, options: HubOptions::default() }
    }

    fn revision(mut self, revision: &str) -> Self {
        self.options.revision = Some(revision.to_owned());
        self
    }

    fn get(&self) -> Result<PathBuf, ModelError> {
        download_with(ID, &self.options, &self.environment, &mut |_| {})
    }

    fn problem(&self) -> HubError {
        match self.get().unwrap_err() {
            ModelError::Hub { id, problem } if id == ID => problem,
            other => panic!("{other}"),
        }
    }

    fn offline(&self) -> Result<PathBuf, ModelError> {
        let options = HubOptions { offline: true, ..self.options.clone() };
        download_with(ID, &options, &self.environment, &mut |_| {})
    }

    /// Names of the finished and unfinished blobs, and their lengths.
    fn blobs(&self) -> Vec<(String, u64)> {
        let folder = self.environment.cache.join("models--owner--name/blobs");
        let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
        let blobs = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len()));
        blobs.filter(|(name, _)| !name.ends_with(".lock")).collect()
    }
}

#[track_caller]
fn assert_holds(folder: &Path, files: &Files) {
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        assert!(fs::read(folder.join(file)).unwrap() == files[file], "{file}");
    }
}

#[track_caller]
fn assert_says(message: &impl ToString, parts: &[&str]) {
    let message = message.to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

fn bytes_requests(seen: &[Seen]) -> Vec<Option<String>> {
    seen.iter().filter(|seen| seen.by_cdn).map(|seen| seen.range.clone()).collect()
}

#[test]
fn three_files_are_fetched_once() {
    let (hub, commit) = Hub::start(files());
    let client = Client::of(&hub.endpoint);
    let mut reached = Vec::new();
    let mut watch = |event: HubEvent<'_>| match event {
        HubEvent::Fetching { file, bytes, total } if bytes == total => reached.push((file.to_owned(), total)),
        _ => {}
    };
    let folder = download_with(ID, &client.options, &client.environment, &mut watch).unwrap();
    assert_holds(&folder, &files());
    assert_eq!(ModelFiles::read(&folder).unwrap().weights, WEIGHTS);
    assert!(folder.ends_with(Path::new("models--owner--name/snapshots").join(&commit)), "{folder:?}");
    assert!(reached.contains(&("model.safetensors".to_owned(), WEIGHTS.len() as u64)), "{reached:?}");
    // The layout is the Python library's, and the large file is under its digest.
    let refs = client.environment.cache.join("models--owner--name/refs/main");
    assert_eq!(fs::read_to_string(refs).unwrap(), commit);
    assert!(client.blobs().contains(&(sha256(WEIGHTS), WEIGHTS.len() as u64)));

    let what: Vec<_> = hub.seen().into_iter().map(|seen| seen.what).collect();
    assert_eq!(what[0], "GET /api/models/owner/name/revision/main");
    assert!(what[1..].iter().all(|what| !what.contains("README") && !what.contains("resolve/main")), "{what:?}");

    assert_eq!(client.get().unwrap(), folder);
    assert_eq!(hub.seen().len(), 1, "where main stands, and no more");
}

#[test]
fn a_full_commit_is_asked_for_once() {
    let (hub, commit) = Hub::start(files());
    let client = Client::of(&hub.endpoint).revision(&commit);
    let folder = client.get().unwrap();
    hub.seen();
    assert_eq!(client.get().unwrap(), folder);
    assert_eq!(hub.seen(), []);
    assert_eq!(client.offline().unwrap(), folder);
}

/// Most models have no `int8.safetensors`; those that do lose their speed without it.
#[test]
fn the_file_for_int8_comes_along_where_there_is_one() {
    let (hub, _) = Hub::start(files());
    let mut with = files();
    with.insert("int8.safetensors", b"factors".to_vec());
    let commit = hub.push("int8", with);
    let client = Client::of(&hub.endpoint).revision(&commit);
    let folder = client.get().unwrap();
    assert_eq!(ModelFiles::read(&folder).unwrap().int8.as_deref(), Some(&b"factors"[..]));
    assert_eq!(client.offline().unwrap(), folder);
    hub.seen();
    assert_eq!(client.get().unwrap(), folder);
    assert_eq!(hub.seen(), []);
    // Another tool fetches what it knows: then the hub is asked once more.
    fs::remove_file(folder.join("int8.safetensors")).unwrap();
    // … and where it cannot be, what is needed is there all the same.
    let mut unreachable = client.environment.clone();
    unreachable.endpoint = "http://127.0.0.1:1".to_owned();
    assert_eq!(download_with(ID, &client.options, &unreachable, &mut |_| {}).unwrap(), folder);
    assert_eq!(ModelFiles::read(&client.offline().unwrap()).unwrap().int8, None);
    assert!(ModelFiles::read(&client.get().unwrap()).unwrap().int8.is_some());
}

#[test]
fn revisions_are_honoured_and_share_what_is_equal() {
    let (hub, _) = Hub::start(files());
    let mut other = files();
    other.insert("config.json", b"{\"other\": 1}".to_vec());
    let commit = hub.push("refs/pr/7", other.clone());
    let client = Client::of(&hub.endpoint);
    assert_holds(&client.get().unwrap(), &files());
    hub.seen();
    let client = client.revision("refs/pr/7");
    let folder = client.get().unwrap();
    assert_holds(&folder, &other);
    assert!(folder.ends_with(commit));
    let seen = hub.seen();
    assert_eq!(seen[0].what, "GET /api/models/owner/name/revision/refs%2Fpr%2F7");
    assert_eq!(bytes_requests(&seen), [], "the same weights are not fetched twice");
    assert_eq!(client.offline().unwrap(), folder);
}

#[test]
fn a_branch_that_moved_is_followed_online_only() {
    let (hub, _) = Hub::start(files());
    let client = Client::of(&hub.endpoint);
    let old = client.get().unwrap();
    let mut newer = large_files();
    newer.insert("config.json", b"{}".to_vec());
    hub.push("main", newer.clone());
    assert_eq!(client.offline().unwrap(), old);
    // Half of the new one does not replace the whole old one.
    hub.fail(&[Fault::BreakAfter(1000)]);
    client.problem();
    assert_eq!(client.offline().unwrap(), old);
    let new = client.get().unwrap();
    assert_holds(&new, &newer);
    assert_eq!(client.offline().unwrap(), new);
}

#[test]
fn offline_asks_nobody_and_names_what_is_missing() {
    let (hub, commit) = Hub::start(files());
    let mut client = Client::of(&hub.endpoint);
    let message = client.offline().unwrap_err();
    let looked = client.environment.cache.join("models--owner--name").join("snapshots").display().to_string();
    assert_says(
        &message,
        &[
            "\"owner/name\"",
            "\"main\"",
            "config.json, tokenizer.json, model.safetensors",
            &looked,
            "--offline",
            "HF_HUB_OFFLINE",
        ],
    );
    hub.fail(&[Fault::BreakAfter(0)]);
    client.options.revision = Some(commit.clone());
    client.problem();
    let message = client.offline().unwrap_err();
    assert_says(&message, &[": model.safetensors missing", &commit, "HF_HOME"]);
    hub.seen();
    client.environment.offline = true;
    assert!(matches!(client.problem(), HubError::NotCached { missing, .. } if missing == ["model.safetensors"]));
    assert_eq!(hub.seen(), []);
}

#[test]
fn the_token_goes_to_the_hub_and_nowhere_else() {
    let (hub, _) = Hub::start(files());
    hub.gate("hf_right", 401);
    let mut client = Client::of(&hub.endpoint);
    let page = format!("{}/owner/name", hub.endpoint);
    assert_says(&client.get().unwrap_err(), &["401", "gated", "HF_TOKEN", &page]);
    client.environment.token = Some("hf_wrong".to_owned());
    let message = client.get().unwrap_err();
    assert_says(&message, &["401", "does not accept the token", "HF_TOKEN"]);
    assert!(!message.to_string().contains("hf_wrong") && !format!("{message:?}").contains("hf_wrong"));
    assert!(!format!("{:?}", client.environment).contains("hf_wrong"));
    hub.gate("hf_right", 403);
    assert_says(&client.get().unwrap_err(), &["403", "accept its terms", &page]);
    client.environment.token = None;
    assert_says(&client.get().unwrap_err(), &["403", "HF_TOKEN", &page]);
    client.environment.token = Some("bad\ntoken".to_owned());
    assert_says(&client.get().unwrap_err(), &["HF_TOKEN", "copy it again"]);

    hub.seen();
    client.environment.token = Some("hf_right".to_owned());
    assert_holds(&client.get().unwrap(), &files());
    for seen in hub.seen() {
        let expected = (!seen.by_cdn).then_some("Bearer hf_right");
        assert_eq!(seen.authorization.as_deref(), expected, "{}", seen.what);
    }
}

#[test]
fn unknown_models_and_revisions_are_told_apart() {
    let (hub, _) = Hub::start(files());
    let client = Client::of(&hub.endpoint).revision("v9");
    assert_says(&client.get().unwrap_err(), &[&hub.endpoint, "revision \"v9\"", "--revision"]);
    let message = download_with("owner/nothing", &HubOptions::default(), &client.environment, &mut |_| {}).unwrap_err();
    assert_says(&message, &["\"owner/nothing\"", "no model of this id", "spelling"]);
    hub.seen();
    for id in ["bert", "../../etc", "owner/na--me", "/tmp/model", ""] {
        let message = download_with(id, &HubOptions::default(), &client.environment, &mut |_| {}).unwrap_err();
        assert_says(&message, &["owner/name", "folder", id]);
    }
    let client = client.revision("../../../main");
    assert_says(&client.get().unwrap_err(), &["\"../../../main\" is not a revision"]);
    assert_eq!(hub.seen(), []);
}

#[test]
fn a_renamed_model_is_followed() {
    let (hub, _) = Hub::start(files());
    let client = Client::of(&hub.endpoint);
    let options = HubOptions::default();
    let folder = download_with("owner/former-name", &options, &client.environment, &mut |_| {}).unwrap();
    assert_holds(&folder, &files());
}

#[test]
fn models_without_the_needed_files_are_refused_before_the_download() {
    let (hub, _) = Hub::start(files());
    for (revision, without, with, parts) in [
        ("pickle", "model.safetensors", "pytorch_model.bin", ["model.safetensors", "pickle", "--revision refs/pr/"]),
        ("sharded", "model.safetensors", "model.safetensors.index.json", ["model.safetensors", "sharded", "max_shard"]),
        ("slow", "tokenizer.json", "vocab.txt", ["tokenizer.json", "fast tokeniser", "use_fast=True"]),
        ("empty", "config.json", "x", ["config.json", "needs", "--revision"]),
    ] {
        let mut files = files();
        files.remove(without);
        files.insert(with, vec![]);
        hub.push(revision, files);
        let client = Client::of(&hub.endpoint).revision(revision);
        hub.seen();
        assert_says(&client.get().unwrap_err(), &[&parts[..], &["owner/name", revision]].concat());
        assert_eq!(hub.seen().len(), 1);
    }
}

#[test]
fn a_broken_download_is_resumed_by_the_next_call() {
    let (hub, commit) = Hub::start(files());
    let client = Client::of(&hub.endpoint);
    hub.fail(&[Fault::BreakAfter(40_000)]);
    let problem = client.problem();
    assert!(matches!(problem, HubError::Interrupted { received: 40_000, .. }), "{problem:?}");
    assert_says(&problem, &["model.safetensors", "40000", &WEIGHTS.len().to_string(), "run again"]);
    let part = format!("{}.part", sha256(WEIGHTS));
    assert!(client.blobs().contains(&(part, 40_000)));
    assert!(
        !client.environment.cache.join("models--owner--name/snapshots").join(commit).join("model.safetensors").exists()
    );
    hub.seen();
    assert_holds(&client.get().unwrap(), &files());
    assert_eq!(bytes_requests(&hub.seen()), [Some("bytes=40000-".to_owned())]);
    assert!(client.blobs().iter().all(|(name, _)| !name.ends_with(".part")));
}

#[test]
fn a_download_that_makes_headway_is_resumed_by_the_same_call() {
    let (hub, _) = Hub::start(large_files());
    let client = Client::of(&hub.endpoint);
    hub.fail(&[Fault::BreakAfter((1 << 20) + 5), Fault::BreakAfter(1 << 20)]);
    assert_holds(&client.get().unwrap(), &large_files());
    let ranges = [None, Some(format!("bytes={}-", (1 << 20) + 5)), Some(format!("bytes={}-", (2 << 20) + 5))];
    assert_eq!(bytes_requests(&hub.seen()), ranges);
}

#[test]
fn a_whole_file_in_answer_to_a_range_replaces_the_half() {
    let (hub, _) = Hub::start(files());
    let client = Client::of(&hub.endpoint);
    hub.fail(&[Fault::BreakAfter(40_000), Fault::IgnoreRange]);
    client.problem();
    assert_holds(&client.get().unwrap(), &files());
}

#[test]
fn a_finished_part_of_a_killed_process_is_not_fetched_again() {
    let (hub, _) = Hub::start(files());
    let client = Client::of(&hub.endpoint);
    let folder = client.get().unwrap();
    let blob = folder.join("model.safetensors").canonicalize().unwrap();
    let part = blob.with_extension("part");
    fs::rename(&blob, &part).unwrap();
    hub.seen();
    assert_holds(&client.get().unwrap(), &files());
    assert_eq!(bytes_requests(&hub.seen()), []);
    // One that is longer than the file cannot be the file's.
    fs::remove_file(&blob).unwrap();
    fs::write(&part, [WEIGHTS, b"more"].concat()).unwrap();
    assert_holds(&client.get().unwrap(), &files());
    assert_eq!(bytes_requests(&hub.seen()), [None]);
}

#[test]
fn what_is_not_the_file_never_gets_its_name() {
    let (hub, commit) = Hub::start(files());
    for (fault, parts) in [
        (Fault::ShortLength(1000), ["1000 were sent", "run again"]),
        (Fault::ShortWithoutLength(1000), ["broke off after 1000 of", "run again"]),
        (Fault::TooLong, ["were sent", "nothing was kept"]),
        (Fault::Corrupt, ["damaged on the way", "thrown away"]),
        (Fault::Status(503), ["status 503", "later"]),
        (Fault::Status(403), ["status 403", "later"]),
    ] {
        let client = Client::of(&hub.endpoint);
        hub.fail(&[fault]);
        assert_says(&client.problem(), &parts);
        assert!(client.blobs().iter().all(|(name, _)| *name != sha256(WEIGHTS)), "{fault:?}");
        let snapshot = client.environment.cache.join("models--owner--name/snapshots").join(&commit);
        assert!(!snapshot.join("model.safetensors").exists(), "{fault:?}");
        assert!(client.offline().is_err(), "{fault:?}");
        // And the cache is not spoilt for the next call.
        assert_holds(&client.get().unwrap(), &files());
    }
}

#[test]
fn damage_in_the_cache_is_noticed() {
    let (hub, _) = Hub::start(files());
    let client = Client::of(&hub.endpoint);
    let folder = client.get().unwrap();
    let blob = folder.join("model.safetensors").canonicalize().unwrap();
    fs::write(&blob, &WEIGHTS[..1000]).unwrap();
    let message = client.offline().unwrap_err();
    assert_says(&message, &["model.safetensors is damaged", &blob.display().to_string(), "without --offline"]);
    assert!(!blob.exists());
    client.get().unwrap();

    // Online it is removed, told and fetched again.
    let mut damaged = WEIGHTS.to_vec();
    damaged[77] ^= 1;
    fs::write(&blob, damaged).unwrap();
    let mut removed = Vec::new();
    let mut watch = |event: HubEvent<'_>| {
        if let HubEvent::Removed { file, blob } = event {
            removed.push((file.to_owned(), blob.file_name().unwrap().to_owned()));
        }
    };
    let folder = download_with(ID, &client.options, &client.environment, &mut watch).unwrap();
    assert_holds(&folder, &files());
    assert_eq!(removed, [("model.safetensors".to_owned(), sha256(WEIGHTS).into())]);
}

#[test]
fn a_hub_out_of_reach_is_told_with_the_way_out() {
    let (hub, _) = Hub::start(files());
    let mut client = Client::of(&hub.endpoint);
    client.get().unwrap();
    // A port that nobody listens on any more.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    client.environment.endpoint = format!("http://{closed}");
    assert_says(&client.get().unwrap_err(), &[&closed.to_string(), "HF_ENDPOINT", "copy in the cache with --offline"]);
    let other = Client::of(&client.environment.endpoint);
    assert_says(&other.get().unwrap_err(), &[&closed.to_string(), "give a folder"]);
    client.environment.endpoint = "huggingface.co".to_owned();
    assert_says(&client.get().unwrap_err(), &["HF_ENDPOINT is \"huggingface.co\"", "https://"]);
}

#[test]
fn a_silent_hub_is_not_waited_for_for_ever() {
    let (hub, _) = Hub::start(files());
    let mut client = Client::of(&hub.endpoint);
    client.environment.timeout = Duration::from_millis(300);
    hub.fail(&[Fault::Silence]);
    assert_says(&client.problem(), &["no answer in 0.3 s", "cannot reach"]);
    client.environment.timeout = Duration::from_secs(20);
    assert_holds(&client.get().unwrap(), &files());
}

#[test]
fn what_is_no_hub_is_told() {
    let (hub, _) = Hub::start(files());
    let client = Client::of(&hub.endpoint);
    for (status, parts) in [
        (200, ["does not answer like a Hugging Face hub", "HF_ENDPOINT"]),
        (302, ["redirects to nowhere", "HF_ENDPOINT"]),
        (429, ["status 429", "too many requests"]),
        (500, ["status 500", "later"]),
    ] {
        hub.answer_all(status);
        assert_says(&client.problem(), &parts);
    }
}

#[test]
fn two_at_once_fetch_the_weights_once() {
    let (hub, _) = Hub::start(large_files());
    let client = Client::of(&hub.endpoint);
    std::thread::scope(|scope| {
        let calls = [scope.spawn(|| client.get()), scope.spawn(|| client.get())];
        for call in calls {
            assert_holds(&call.join().unwrap().unwrap(), &large_files());
        }
    });
    assert_eq!(bytes_requests(&hub.seen()), [None]);
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let (hub, _) = Hub::start(files());
    let client = Client::of(&hub.endpoint);
    fs::write(&client.environment.cache, "not a folder").unwrap();
    assert_says(&client.problem(), &["the cache at", &client.home.path().display().to_string(), "HF_HOME"]);
}

#[test]
fn the_environment_is_read_as_the_python_library_reads_it() {
    let read = |variables: &[(&str, &str)], home: Option<&str>| {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
        HubEnvironment::from_variables(find, home.map(PathBuf::from))
    };
    let plain = read(&[("HF_HOME", ""), ("HF_ENDPOINT", "")], Some("/home/kim")).unwrap();
    assert_eq!(plain.endpoint, "https://huggingface.co");
    assert_eq!(plain.cache, Path::new("/home/kim/.cache/huggingface/hub"));
    assert_eq!((plain.token, plain.offline, plain.timeout), (None, false, Duration::from_secs(30)));
    let xdg = read(&[("XDG_CACHE_HOME", "/cache")], None).unwrap();
    assert_eq!(xdg.cache, Path::new("/cache/huggingface/hub"));

    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("token"), "hf_file\n").unwrap();
    let hf_home = ("HF_HOME", home.path().to_str().unwrap());
    let set = read(&[hf_home, ("HF_ENDPOINT", "https://hub.example/"), ("HF_HUB_OFFLINE", "true")], None).unwrap();
    assert_eq!((set.endpoint.as_str(), set.offline), ("https://hub.example", true));
    assert_eq!((set.cache, set.token.as_deref()), (home.path().join("hub"), Some("hf_file")));
    let set = read(&[hf_home, ("HF_HUB_CACHE", "/models"), ("HF_TOKEN", " hf_env "), ("HF_HUB_OFFLINE", "0")], None);
    let set = set.unwrap();
    assert_eq!((set.cache, set.token.as_deref(), set.offline), (PathBuf::from("/models"), Some("hf_env"), false));

    assert_says(&read(&[], None).unwrap_err(), &["HF_HOME is not set"]);
    let wrong = read(&[hf_home, ("HF_HUB_DOWNLOAD_TIMEOUT", "soon")], None).unwrap_err();
    assert_says(&wrong, &["HF_HUB_DOWNLOAD_TIMEOUT is \"soon\"", "seconds"]);
}
