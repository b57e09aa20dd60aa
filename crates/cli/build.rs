//! Checks that the model which the binary is to carry is there, so that a checkout without it gets one sentence with
//! the way out instead of the compiler's complaints about missing bytes. Sets `embed_int8` if the model is one that
//! comes with an `int8.safetensors`, which its list of sums says.

use std::path::Path;

const FOLDER: &str = "../../models/dateline-en-small";
const SUMS: &str = "SHA256SUMS";
const FILES: [&str; 4] = ["config.json", "tokenizer.json", "model.safetensors", SUMS];
const INT8: &str = "int8.safetensors";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(embed_int8)");
    if std::env::var_os("CARGO_FEATURE_EMBED_MODEL").is_none() {
        return;
    }
    let folder = Path::new(FOLDER);
    let sums = std::fs::read_to_string(folder.join(SUMS)).unwrap_or_default();
    let int8 = sums.lines().any(|line| line.ends_with(INT8)).then_some(INT8);
    if int8.is_some() {
        println!("cargo::rustc-cfg=embed_int8");
    }
    for file in FILES.into_iter().chain(int8) {
        let path = folder.join(file);
        println!("cargo::rerun-if-changed={}", path.display());
        if !path.is_file() {
            println!(
                "cargo::error=models/dateline-en-small/{file} is not there, and the feature `embed-model` carries it \
                 inside the binary. Fetch the model (a shallow or partial checkout may lack it), or build without it: \
                 `cargo build -p dateline-cli --no-default-features --features hub`."
            );
        }
    }
}
