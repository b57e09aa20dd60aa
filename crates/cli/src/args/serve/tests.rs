//! Precedence, checks, and the way through a file and back.

use std::fs;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches, Parser};
use dateline_model::DeviceSpec;

use super::*;
use crate::logging::LogFormat;
use crate::model::Located;

#[derive(Parser)]
struct Only {
    #[command(flatten)]
    serve: ServeArgs,
}

/// What `args` give, whatever the environment of the tests is.
fn resolve(args: &[&str]) -> Result<ServeTask, Failure> {
    let command = Only::command().mut_args(|arg| arg.env(clap::builder::Resettable::Reset));
    let matches = command.get_matches_from([&["serve"], args].concat());
    let places = Places { folders: vec![], embedded: true, hub: true };
    Only::from_arg_matches(&matches).unwrap().serve.resolve_in(&places)
}

fn config(args: &[&str]) -> ServeConfig {
    match resolve(args).unwrap() {
        ServeTask::Serve(config) => *config,
        ServeTask::Print(text) => panic!("it was printed: {text}"),
    }
}

fn refused(args: &[&str]) -> String {
    match resolve(args) {
        Err(Failure::Usage(message)) => message,
        Err(other) => panic!("{args:?}: another failure: {other}"),
        Ok(_) => panic!("{args:?} was taken"),
    }
}

/// A file of settings, which lies there as long as the folder is kept.
fn file(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dateline.toml");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn a_flag_beats_the_file_which_beats_the_default() {
    let (_folder, path) = file("max-body = 8\nidle-timeout = 0.5\nmodel = \"a/b\"\nlog-format = \"json\"\n");
    let config = config(&["--config", &path, "--max-body", "4", "--header-timeout", "2.5"]);
    assert_eq!(config.max_body_bytes, 4 << 20);
    assert_eq!(config.idle_timeout, Duration::from_millis(500));
    assert_eq!(config.header_timeout, Duration::from_millis(2500));
    assert_eq!(config.request_timeout, Duration::from_secs(300));
    assert_eq!((config.max_queue_bytes, config.max_documents, config.max_connections), (64 << 20, 10_000, 4096));
    assert_eq!((config.rate_limit, config.log_format), (None, LogFormat::Json));
    assert_eq!(config.models[0].located, Located::Hub("a/b".to_owned()));
}

#[test]
fn lists_are_repeated_or_separated_by_commas() {
    let (_folder, path) = file("model = [\"a/b\", \"fr=a/c\"]\ndevice = \"cuda:0,cuda:1\"\n");
    let from_file = config(&["--config", &path]);
    assert_eq!(from_file, config(&["--model", "a/b", "--model", "fr=a/c", "--device", "cuda:0,cuda:1"]));
    assert_eq!(from_file, config(&["--model", "a/b,fr=a/c", "--device", "cuda:0", "--device", "cuda:1"]));
    let names: Vec<_> = from_file.models.iter().map(|model| model.name.as_str()).collect();
    assert_eq!((names, from_file.devices), (vec!["a/b", "fr"], vec![DeviceSpec::Cuda(0), DeviceSpec::Cuda(1)]));
}

/// They are counted when the service starts: the settings can be checked where there is no GPU.
#[test]
fn all_gpus_are_one_entry() {
    assert_eq!(config(&["--device", "cuda:all"]).devices, [DeviceSpec::CudaAll]);
}

#[test]
fn a_mistake_in_the_file_is_shown_with_its_line() {
    let cases = [
        (
            "listen = \"127.0.0.1:1\"\nmax-bodies = 3\n",
            &["line 2", "`max-bodies`", "`max-body`", "`otlp-endpoint`"][..],
        ),
        ("max-body = 0\n", &["line 1", "max-body = 0"]),
        ("idle-timeout = \"long\"\n", &["line 1", "idle-timeout", "decimal seconds"]),
        ("idle-timeout = -1\n", &["line 1", "idle-timeout"]),
        ("device = [\"gpu\"]\n", &["line 1", "cuda:N"]),
        ("precision = \"int4\"\n", &["line 1", "\"int8\", \"bf16\" or \"f32\""]),
        ("open = yes\n", &["line 1", "open = yes"]),
    ];
    for (text, says) in cases {
        let (_folder, path) = file(text);
        let message = refused(&["--config", &path]);
        assert!(message.contains(&path), "{message}");
        says.iter().for_each(|part| assert!(message.contains(part), "{part}: {message}"));
    }
    assert!(refused(&["--config", "/nowhere/dateline.toml"]).contains("/nowhere/dateline.toml"));
}

/// `--print-config > dateline.toml` must be the way to begin a file, and to see what runs.
#[test]
fn what_is_printed_gives_the_same_again() {
    let printed = |args: &[&str]| match resolve(&[args, &["--print-config"]].concat()) {
        Ok(ServeTask::Print(text)) => text,
        _ => panic!("it was not printed"),
    };
    let all = [
        "--listen=[::1]:0",
        "--model=a/b,fr=a/c",
        "--offline",
        "--device=cuda:0,cuda:1",
        "--precision=int8",
        "--threads=3",
        "--text-threads=2",
        "--max-batch-tokens=9000",
        "--max-queue=1",
        "--max-body=2",
        "--max-documents=3",
        "--max-connections=4",
        "--header-timeout=0.25",
        "--idle-timeout=6",
        "--request-timeout=7",
        "--drain-timeout=0",
        "--rate-limit=9",
        "--keys=k \"1\".toml",
        "--open",
        "--metrics-listen=0.0.0.0:9090",
        "--cors-origin=https://a.example,http://b:3000",
        "--tls-cert=c.pem",
        "--tls-key=k.pem",
        "--log-format=json",
        "--log-level=info,dateline_server=debug",
    ];
    for args in [&[][..], &all[..]] {
        let text = printed(args);
        let (_folder, path) = file(&text);
        assert!(text.contains("\n[integrations.comprehend.labels]\n"), "{text}");
        assert_eq!(printed(&["--config", &path]), text);
        assert_eq!(config(&["--config", &path]), config(args));
        for key in ServeSettings::keys() {
            assert!(text.lines().any(|line| line.trim_start_matches("# ").starts_with(&key)), "no {key}: {text}");
        }
    }
}

/// A flag without its key in the file, or without its variable, would be a surprise.
#[test]
fn every_flag_has_its_key_and_its_variable() {
    let error = toml::from_str::<ServeSettings>("nothing = 1").unwrap_err().to_string();
    for arg in
        Only::command().get_arguments().filter(|arg| !["config", "print-config"].contains(&arg.get_long().unwrap()))
    {
        let name = arg.get_long().unwrap();
        assert!(error.contains(&format!("`{name}`")), "{name}");
        let variable = format!("DATELINE_{}", name.to_uppercase().replace('-', "_"));
        assert_eq!(arg.get_env().and_then(|env| env.to_str()), Some(variable.as_str()));
    }
    // The tables of the integrations have neither.
    assert!(error.contains("`integrations`"), "{error}");
    assert_eq!(error.matches("`, `").count(), ServeSettings::keys().len());
}

/// A model of a newsroom's sources must not be open to a network because somebody wrote 0.0.0.0.
#[test]
fn an_address_for_other_machines_needs_keys_or_a_word() {
    for listen in ["0.0.0.0:8080", "192.0.2.1:0", "[::]:8080", "[::ffff:10.0.0.1]:1"] {
        let message = refused(&["--listen", listen]);
        assert!(message.contains("--keys FILE") && message.contains("--open"), "{message}");
        assert_eq!(config(&["--listen", listen, "--open"]).keys, None);
        assert!(config(&["--listen", listen, "--keys", "keys.toml"]).keys.is_some());
        assert!(refused(&["--listen", listen, "--open=false"]).contains("--open"));
    }
    for listen in ["127.0.0.1:1", "127.8.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        assert_eq!(config(&["--listen", listen]).listen, listen.parse().unwrap());
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    let cases: [(&[&str], &str); 14] = [
        (&["--tls-cert", "c.pem"], "tls-cert goes with tls-key"),
        (&["--tls-key", "k.pem"], "tls-key goes with tls-cert"),
        (&["--model", "a/b,a/b"], "two models called a/b"),
        (&["--model", "a=a/b,a=a/c"], "two models called a"),
        (&["--model", "dateline-en-small", "--revision", "v1"], "--revision goes with a model on a hub"),
        (&["--model", "a/b,a/c", "--revision", "v1"], "more than one"),
        (&["--device", "cpu,cpu"], "device names cpu twice"),
        (&["--device", "cuda:all,cuda:1"], "cuda:all stands for every GPU"),
        (&["--cors-origin", "*,https://a.example"], "* stands for all"),
        (&["--header-timeout", "0"], "header-timeout is 0"),
        (&["--idle-timeout", "0"], "idle-timeout is 0"),
        (&["--request-timeout", "0"], "request-timeout is 0"),
        (&["--metrics-listen", "127.0.0.1:8080"], "both 127.0.0.1:8080"),
        (&["--log-level", "dateline=loud"], "log-level"),
    ];
    for (args, says) in cases {
        let message = refused(args);
        assert!(message.contains(says), "{args:?}: {message}");
    }
    let (_folder, path) = file("model = []\n");
    assert!(refused(&["--config", &path]).contains("empty list"));
}

/// An entry of the file changes its label and leaves the others as they are.
#[test]
fn integrations_call_labels_as_the_file_says() {
    let (_folder, path) = file(
        "max-body = 3\n[integrations.comprehend]\nlanguages = [\"fr\"]\n[integrations.comprehend.labels]\nWEAPON = \"OTHER\"\n\
         [integrations.label-studio.labels]\nPLACE = [\"Ort\", \"Stadt\"]\nUNIT = []\n",
    );
    let integrations = config(&["--config", &path]).integrations;
    let comprehend = &integrations.comprehend;
    assert_eq!(comprehend.languages.as_deref(), Some(&["fr".to_owned()][..]));
    assert_eq!(
        (comprehend.labels.name_of("WEAPON"), comprehend.labels.name_of("PLACE")),
        (Some("OTHER"), Some("LOCATION"))
    );
    let label_studio = &integrations.label_studio.labels;
    assert_eq!(label_studio.names("PLACE").unwrap(), ["Ort", "Stadt"]);
    assert_eq!((label_studio.names("UNIT").unwrap().len(), label_studio.names("PERSON").unwrap().len()), (0, 1));
    for (text, says) in [
        ("[integrations.comprehend.labels]\nPLACE = \"GPE\"\n", "none of PERSON, LOCATION"),
        ("[integrations.comprehend.labels]\nPLACE = [\"LOCATION\", \"OTHER\"]\n", "several types"),
        ("[integrations.comprehend]\nlanguages = [\"english\"]\n", "none of en, es"),
        ("[integrations.comprehends.labels]\nPLACE = \"GPE\"\n", "label-studio"),
        ("[integrations.label-studio.labels]\nPLACE = 1\n", "a list of names"),
    ] {
        let (_folder, path) = file(text);
        let message = refused(&["--config", &path]);
        assert!(message.contains(says), "{text}: {message}");
    }
}

#[cfg(not(feature = "otlp"))]
#[test]
fn traces_need_a_build_that_sends_them() {
    assert!(refused(&["--otlp-endpoint", "http://localhost:4318"]).contains("`otlp`"));
}
