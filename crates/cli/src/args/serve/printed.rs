//! Prints settings as a configuration file that, read again, gives the same settings.

use super::ServeSettings;

/// `settings` as TOML; those that have no value are named in a comment, so that none is missing from sight.
pub(super) fn to_toml(settings: &ServeSettings) -> String {
    let text = toml::to_string(settings).expect("strings, numbers, lists and tables of strings are valid TOML");
    // A key that stands behind a table belongs to the table.
    let tables = text.find("\n[").map_or(text.len(), |line_break| line_break + 1);
    let (keys, tables) = text.split_at(tables);
    let mut keys = keys.trim_end().to_owned() + "\n";
    for key in ServeSettings::keys() {
        if !keys.lines().any(|line| line.strip_prefix(&key).is_some_and(|rest| rest.starts_with(" ="))) {
            keys.push_str(&format!("# {key} is not set\n"));
        }
    }
    if tables.is_empty() { keys } else { format!("{keys}\n{tables}") }
}

impl ServeSettings {
    /// The names of all settings.
    pub(super) fn keys() -> Vec<String> {
        let command = <Self as clap::Args>::augment_args(clap::Command::new("serve"));
        command.get_arguments().filter_map(|arg| arg.get_long().map(str::to_owned)).collect()
    }
}
