//! The command line itself: help, versions, completions, manual pages, mistakes.

use crate::{bare, tiny};

/// Whoever installs the command looks at these first; they need no model.
#[test]
fn help_and_version_need_no_model() {
    let version = bare().run(["--version"], "").ok();
    assert!(version.text().starts_with("dateline 0."), "{}", version.text());
    for command in [&[][..], &["annotate"], &["serve"], &["eval"], &["train"], &["models"], &["keys"], &["bench"]] {
        let help = bare().run([command, &["--help"]].concat(), "").ok();
        assert!(help.text().contains("Usage: dateline"), "{}", help.text());
        assert!(help.text().contains("dateline "), "{}", help.text());
    }
    assert!(bare().run(["help", "annotate"], "").ok().text().contains("Examples:"));
}

/// A completion script or a manual page that is empty is packaged and never noticed.
#[test]
fn completions_and_manual_pages_are_whole() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = bare().run(["completions", shell], "").ok();
        for word in ["annotate", "offsets", "min-score"] {
            assert!(script.text().contains(word), "no {word} in the script for {shell}");
        }
    }
    let page = bare().run(["man"], "").ok();
    assert!(page.text().contains(".TH dateline 1"), "{}", page.text());
    let folder = tempfile::tempdir().unwrap();
    let _ = bare().run(["man", "--out", folder.path().to_str().unwrap()], "").ok();
    for name in ["dateline.1", "dateline-annotate.1", "dateline-serve.1", "dateline-train.1"] {
        let page = std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(page.contains("OPTIONS"), "{name}: {page}");
    }
}

/// A mistake is told from a failure by its exit code, and nothing is written.
#[test]
fn mistakes_end_with_2_and_name_the_argument() {
    let cases: [(&[&str], &str); 12] = [
        (&["annotate", "--offsets", "chars"], "codepoint"),
        (&["annotate", "--min-score", "80"], "between 0 and 1"),
        (&["annotate", "--device", "gpu"], "cuda:N"),
        (&["annotate", "--precision", "int4"], "\"int8\", \"bf16\" or \"f32\""),
        (&["annotate", "--precision", "bf16"], "the CPU computes in int8 or f32"),
        (&["eval", "/dev/null", "--precision", "bf16"], "the CPU computes in int8 or f32"),
        (&["serve", "--listen", "127.0.0.1:0", "--precision", "bf16"], "the CPU computes in int8 or f32"),
        (&["annotate", "--revision", "main"], "--revision goes with a model on a hub"),
        (&["annotate", "-", "-"], "only once"),
        (&["bench", "--seconds", "0"], "above 0"),
        (&["bench", "gone.jsonl"], "gone.jsonl cannot be read"),
        (&["anotate"], "annotate"),
    ];
    for (args, says) in cases {
        let finished = tiny().run(args, "Kyiv").with_code(2);
        assert!(finished.stderr.contains(says), "{args:?}: {}", finished.stderr);
        assert!(finished.stdout.is_empty());
    }
    #[cfg(not(feature = "cuda"))]
    {
        let finished = tiny().run(["annotate", "--device", "cuda"], "Kyiv").with_code(2);
        assert!(finished.stderr.contains("--device cpu"), "{}", finished.stderr);
    }
}
