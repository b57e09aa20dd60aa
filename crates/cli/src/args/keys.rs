//! The arguments of `dateline keys`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

/// What can be done with API keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key and print it, this once; the file keeps only its hash.
    #[command(after_help = "\
Examples:
  dateline keys add cms --file keys.toml
  dateline serve --listen 0.0.0.0:8080 --keys keys.toml
  curl http://127.0.0.1:8080/v1/annotate -H \"Authorization: Bearer $KEY\" --json '{\"text\": \"Kyiv\"}'")]
    Add {
        /// Who is to use it, in letters, digits, dots, hyphens and underscores. The log shows this name.
        name: String,
        #[command(flatten)]
        keys: KeysFileArgs,
    },
    /// List the names of the keys and the days on which they were made.
    #[command(after_help = "Example:\n  dateline keys list --file keys.toml")]
    List {
        #[command(flatten)]
        keys: KeysFileArgs,
    },
    /// Remove a key, so that its holder is let in no more.
    #[command(after_help = "Example:\n  dateline keys remove cms --file keys.toml")]
    Remove {
        /// Whose key.
        name: String,
        #[command(flatten)]
        keys: KeysFileArgs,
    },
}

/// Where the keys are.
#[derive(Debug, Args)]
pub(crate) struct KeysFileArgs {
    /// The file of the keys, the same as for `dateline serve --keys`.
    #[arg(long, env = "DATELINE_KEYS", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
}
