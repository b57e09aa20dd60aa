//! Where models are found, and whether they are whole.

use std::fs;

use dateline_tests::{copy_model, tiny_model};

use crate::bare;

/// A model put in a search folder is found by its name; the environment names further folders.
#[test]
fn a_model_is_found_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("models/mine");
    fs::create_dir_all(&model).unwrap();
    copy_model(&tiny_model(), &model);
    let here = bare().run_in(folder.path(), ["annotate", "--model", "mine"], "Kyiv").ok();
    let listed = bare().run_in(folder.path(), ["models", "list"], "").ok();
    assert!(listed.text().contains("mine\tmodels/mine\n"), "{}", listed.text());
    let elsewhere = tempfile::tempdir().unwrap();
    let mut command = bare().command(["models", "path", "mine"]);
    let command = command.current_dir(elsewhere.path()).env("DATELINE_MODELS", folder.path().join("models"));
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end(), model.to_str().unwrap());
    assert_eq!(here.lines().len(), 1);
}

/// The one question after "it finds strange things": is this the model that was published?
#[test]
fn a_changed_file_of_a_model_is_told() {
    let folder = tempfile::tempdir().unwrap();
    copy_model(&tiny_model(), folder.path());
    let path = folder.path().to_str().unwrap();
    let unknown = bare().run(["models", "verify", path], "").with_code(1);
    assert!(unknown.stderr.contains("has no SHA256SUMS"), "{}", unknown.stderr);
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    fs::write(folder.path().join("README.md"), "").unwrap();
    fs::write(folder.path().join("SHA256SUMS"), format!("{empty}  README.md\n{empty}  config.json\n")).unwrap();
    let changed = bare().run(["models", "verify", path], "").with_code(1);
    assert!(changed.text().contains("README.md: ok\nconfig.json: FAILED"), "{}", changed.text());
    assert!(changed.stderr.contains("1 of 2 files"), "{}", changed.stderr);
}

/// The model that everybody gets is the one that was published, in the repository and inside the binary.
#[test]
#[cfg(feature = "embed-model")]
fn the_default_model_is_whole_and_inside_the_binary() {
    let folder = tempfile::tempdir().unwrap();
    let _ = bare().with_model(dateline_tests::default_model()).run(["models", "verify"], "").ok();
    let verified = bare().run_in(folder.path(), ["models", "verify"], "").ok();
    assert!(verified.text().contains("inside the dateline binary"), "{}", verified.text());
    let found = bare().run_in(folder.path(), ["annotate"], "General Syrskyi visited Kharkiv.").ok().lines();
    assert!(found[0]["mentions"].as_array().unwrap().iter().any(|mention| mention["text"] == "Kharkiv"), "{found:?}");
}
