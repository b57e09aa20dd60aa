//! Writes the OpenAPI document into a file: `cargo run -p dateline-server --example openapi -- docs/openapi.json`, or
//! `make openapi`.

use std::io;

fn main() -> io::Result<()> {
    let path = std::env::args_os().nth(1).ok_or_else(|| io::Error::other("name the file to write"))?;
    std::fs::write(path, dateline_server::openapi_json())
}
