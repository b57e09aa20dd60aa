//! Variables that look like settings and are none. A slip such as `DATELINE_KEY=keys.toml` would otherwise be silently
//! without effect; yet it is only warned of, because orchestrators put variables of the service's name there themselves.

use std::collections::BTreeSet;

use clap::CommandFactory;
use strsim::levenshtein as distance;

use crate::args::Cli;

const PREFIX: &str = "DATELINE_";
/// Variables that no argument names.
const OTHERS: [&str; 2] = ["DATELINE_MODELS", "DATELINE_CPU"];

/// A warning for each of the variables `names` that starts as the command's own do and is none of them.
pub(crate) fn unknown_variables(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut known: BTreeSet<String> = OTHERS.map(str::to_owned).into();
    collect(&Cli::command(), &mut known);
    let suspicious = |name: &String| name.starts_with(PREFIX) && !known.contains(name) && !is_injected(name);
    let warning = |name: String| {
        let nearest = known.iter().min_by_key(|known| distance(known, &name)).expect("there are settings");
        format!("the environment variable {name} means nothing to dateline; the nearest that does is {nearest}")
    };
    names.into_iter().filter(suspicious).map(warning).collect()
}

fn collect(command: &clap::Command, known: &mut BTreeSet<String>) {
    known.extend(command.get_arguments().filter_map(|arg| Some(arg.get_env()?.to_string_lossy().into_owned())));
    command.get_subcommands().for_each(|sub| collect(sub, known));
}

/// Whether an orchestrator sets such a variable in every container for a service called `dateline…`.
fn is_injected(name: &str) -> bool {
    name.contains("_SERVICE_") || name.ends_with("_PORT") || name.contains("_PORT_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warnings(names: &[&str]) -> Vec<String> {
        unknown_variables(names.iter().map(|&name| name.to_owned()))
    }

    #[test]
    fn a_slip_is_told_with_what_was_meant() {
        let [warning] = &warnings(&["DATELINE_MAX_BODYS"])[..] else { panic!("not one warning") };
        assert!(warning.contains("DATELINE_MAX_BODYS") && warning.ends_with("is DATELINE_MAX_BODY"), "{warning}");
        assert!(warnings(&["DATELINE_KEY"])[0].ends_with("is DATELINE_KEYS"));
    }

    #[test]
    fn what_is_known_or_injected_or_not_ours_is_no_slip() {
        let names = ["DATELINE_MODELS", "DATELINE_MODEL", "DATELINE_CONFIG", "DATELINE_SERVICE_HOST", "DATELINE_PORT"];
        assert!(warnings(&names).is_empty());
        assert!(warnings(&["DATELINE_PORT_8080_TCP_ADDR", "DATELINE_API_SERVICE_PORT_HTTP", "PATH"]).is_empty());
    }

    #[test]
    fn distances() {
        assert_eq!([("", "abc"), ("abc", "abc"), ("kitten", "sitting")].map(|(a, b)| distance(a, b)), [3, 0, 3]);
    }
}
