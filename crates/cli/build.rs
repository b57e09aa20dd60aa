//! Checks that the model which the binary is to carry is there, so that a checkout without it gets one sentence with
//! the way out instead of the compiler's complaints about missing bytes.

use std::path::Path;

const FOLDER: &str = "../../models/dateline-en-small";
const FILES: [&str; 4] = ["config.json", "tokenizer.json", "model.safetensors", "SHA256SUMS"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_EMBED_MODEL").is_none() {
        return;
    }
    for file in FILES {
        let path = Path::new(FOLDER).join(file);
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
