//! How `dateline serve` is configured, what it logs, and who is let in: as an operator sees it.

use std::fs;
use std::process::Stdio;

use dateline_tests::{Dateline, Finished, Server};
use serde_json::Value;

use crate::{bare, tiny};

/// Runs `dateline serve --print-config` with `variables` in the environment.
fn printed(dateline: &Dateline, args: &[&str], variables: &[(&str, &str)]) -> Finished {
    let mut command = dateline.command([&["serve", "--print-config"], args].concat());
    let output = command.envs(variables.iter().copied()).stdin(Stdio::null()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    Finished { code: output.status.code(), stdout: output.stdout, stderr }
}

/// The order is a promise: a flag beats a variable, a variable beats the file, the file beats the default.
#[test]
fn flag_then_environment_then_file_then_default() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dateline.toml");
    let settings = "max-body = 1\nmax-queue = 1\nmax-documents = 1\nmodel = \"a/b\"\n";
    fs::write(&path, settings).unwrap();
    let variables = [
        ("DATELINE_CONFIG", path.to_str().unwrap()),
        ("DATELINE_MAX_BODY", "2"),
        ("DATELINE_MAX_QUEUE", "2"),
        ("DATELINE_MODEL", "a/b,fr=a/c"),
        ("DATELINE_IDLE_TIMEOUT", "0.5"),
        ("DATELINE_OFFLINE", "yes"),
        // Set to nothing is not set.
        ("DATELINE_LISTEN", ""),
        ("DATELINE_KEYS", ""),
    ];
    let finished = printed(&bare(), &["--max-body", "3"], &variables).ok();
    let lines: Vec<_> = finished.text().lines().collect();
    for line in [
        "max-body = 3",
        "max-queue = 2",
        "max-documents = 1",
        "max-connections = 4096",
        "model = [\"a/b\", \"fr=a/c\"]",
        "idle-timeout = 0.5",
        "offline = true",
        "listen = \"127.0.0.1:8080\"",
        "# keys is not set",
    ] {
        assert!(lines.contains(&line), "no {line} in\n{}", finished.text());
    }
    let again = folder.path().join("again.toml");
    fs::write(&again, &finished.stdout).unwrap();
    assert_eq!(printed(&bare(), &["--config", again.to_str().unwrap()], &[]).ok().text(), finished.text());
}

/// A configuration that is wrong ends before anything begins, and says where.
#[test]
fn a_wrong_configuration_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dateline.toml");
    fs::write(&path, "max-body = 8\nmax-bodies = 8\n").unwrap();
    let path = path.to_str().unwrap();
    let finished = printed(&tiny(), &["--config", path], &[]).with_code(2);
    for part in [path, "line 2", "max-bodies", "`max-body`"] {
        assert!(finished.stderr.contains(part), "no {part}: {}", finished.stderr);
    }
    let finished = tiny().run(["serve", "--listen", "0.0.0.0:0"], "").with_code(2);
    assert!(finished.stderr.contains("--keys FILE") && finished.stderr.contains("--open"), "{}", finished.stderr);
    let finished = printed(&tiny(), &[], &[("DATELINE_MAX_BODY", "0")]).with_code(2);
    assert!(finished.stderr.contains("--max-body"), "{}", finished.stderr);
}

/// A log that a collector cannot parse is lost; so is a service whose announcement scripts no longer find.
#[test]
fn the_log_is_an_object_a_line() {
    let server = Server::start(&tiny(), &["--log-format", "json"]);
    assert_eq!(server.get("/health/ready").status, 200);
    for line in server.said() {
        let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for field in ["timestamp", "level", "message"] {
            assert!(line[field].is_string(), "no {field} in {line}");
        }
    }
    assert!(server.said().iter().any(|line| line.contains("\"ready, with the model ")), "{:?}", server.said());
}

/// A variable with a slip in its name is warned of, one that Kubernetes sets is not.
#[test]
fn a_variable_that_means_nothing_is_warned_of() {
    let mut command = tiny().command(["serve", "--listen", "192.0.2.1:1", "--open"]);
    command.envs([("DATELINE_KEY", "keys.toml"), ("DATELINE_PORT", "tcp://10.0.0.1:80")]);
    let stderr = String::from_utf8(command.stdin(Stdio::null()).output().unwrap().stderr).unwrap();
    let warnings: Vec<_> = stderr.lines().filter(|line| line.contains("means nothing")).collect();
    assert_eq!(warnings.len(), 1, "{stderr}");
    assert!(warnings[0].contains("DATELINE_KEY ") && warnings[0].contains("DATELINE_KEYS"), "{stderr}");
}

/// A key is shown once, alone on standard output, and the file does not hold it.
#[test]
fn keys_are_made_listed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.toml");
    let file = path.to_str().unwrap();
    let added = bare().run(["keys", "add", "cms", "--file", file], "").ok();
    let key = added.text().trim_end();
    assert!(key.starts_with("dl_") && key.len() == 46 && added.text().lines().count() == 1, "{key}");
    assert!(added.stderr.contains("Authorization: Bearer") && !added.stderr.contains(key), "{}", added.stderr);
    assert!(!fs::read_to_string(&path).unwrap().contains(key));
    let _ = bare().run(["keys", "add", "archive", "--file", file], "").ok();
    let taken = bare().run(["keys", "add", "cms", "--file", file], "").with_code(2);
    assert!(taken.stderr.contains("\"cms\" already") && taken.stdout.is_empty(), "{}", taken.stderr);

    let mut command = bare().command(["keys", "list"]);
    let listed = command.env("DATELINE_KEYS", file).output().unwrap().stdout;
    let listed = String::from_utf8(listed).unwrap();
    let names: Vec<_> = listed.lines().map(|line| line.split('\t').next().unwrap()).collect();
    assert_eq!(names, ["cms", "archive"]);
    assert!(listed.lines().all(|line| line.split('\t').nth(1).unwrap().starts_with("20")), "{listed}");

    let _ = bare().run(["keys", "remove", "cms", "--file", file], "").ok();
    let gone = bare().run(["keys", "remove", "cms", "--file", file], "").with_code(2);
    assert!(gone.stderr.contains("archive"), "{}", gone.stderr);
    let nowhere = folder.path().join("nowhere.toml");
    let missing = bare().run(["keys", "list", "--file", nowhere.to_str().unwrap()], "").with_code(2);
    assert!(missing.stderr.contains("nowhere.toml"), "{}", missing.stderr);
}
