//! Prints settings as a configuration file that, read again, gives the same settings.

use super::ServeSettings;

/// `settings` as TOML; those that have no value are named in a comment, so that none is missing from sight.
pub(super) fn to_toml(settings: &ServeSettings) -> String {
    let mut text = toml::to_string(settings).expect("strings, numbers and lists of strings are valid TOML");
    for key in ServeSettings::keys() {
        if !text.lines().any(|line| line.strip_prefix(&key).is_some_and(|rest| rest.starts_with(" ="))) {
            text.push_str(&format!("# {key} is not set\n"));
        }
    }
    text
}

impl ServeSettings {
    /// The names of all settings.
    pub(super) fn keys() -> Vec<String> {
        let command = <Self as clap::Args>::augment_args(clap::Command::new("serve"));
        command.get_arguments().filter_map(|arg| arg.get_long().map(str::to_owned)).collect()
    }
}
