//! Writes the OpenAPI document: `cargo run -p dateline-server --example openapi > docs/openapi.json`, or `make openapi`.

use std::io::Write;

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(dateline_server::openapi_json().as_bytes())
}
