//! From the arguments of a command line to the files that they mean: a file, a folder with all below it, or a pattern.

use std::collections::BTreeMap;
use std::path::PathBuf;

use globset::{GlobBuilder, GlobMatcher};
use object_store::{ObjectMeta, ObjectStoreExt};
use serde::{Deserialize, Serialize};

use crate::error::explain;
use crate::{BatchError, Format, Kind, Location, Object, Stores};

/// What tells a version of a file from another: part of the names of all outputs that are made of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Input {
    /// The file as a person writes it: an absolute path or a URL.
    pub name: String,
    /// What it holds.
    #[serde(flatten)]
    pub kind: KindOfInput,
    /// Its size in bytes.
    pub size: u64,
    /// The store's mark of this version. Files of this machine have none that a copy on another machine shares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// When it was changed last, in UTC; only where there is no etag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<String>,
}

/// [`Kind`], with an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KindOfInput(pub Kind);

impl PartialOrd for KindOfInput {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for KindOfInput {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.to_string().cmp(&other.0.to_string())
    }
}

/// The files that arguments mean.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// The files, by name; each once, however often it is meant.
    pub files: Vec<(Input, Object)>,
    /// How many files in folders were left out because their names do not say what they hold.
    pub unknown: usize,
}

/// Lists the files that `arguments` mean. In folders only files are taken whose names say what they hold, and none that
/// begin with a dot or an underscore; `format` says it for all of them. What lies in `output` is no input.
///
/// # Errors
/// [`BatchError`] if an argument means nothing that is there, or what it names cannot be looked at.
pub async fn list_inputs(
    stores: &Stores,
    arguments: &[String],
    format: Option<Format>,
    output: &Location,
) -> Result<Inputs, BatchError> {
    let mut found = Found { format, output, files: BTreeMap::new(), unknown: 0 };
    for argument in arguments {
        found.argument(stores, argument).await?;
    }
    if found.files.is_empty() {
        let hint = if found.unknown > 0 {
            format!(
                "{} files were left out because their names do not say what they hold: say it with --input, or name \
                 files that end in .parquet, .jsonl, .csv, .tsv, .txt or .md (and .gz or .zst after it)",
                found.unknown
            )
        } else {
            "there is no file in what was named".to_owned()
        };
        return Err(BatchError::Usage(format!("nothing to annotate: {hint}")));
    }
    let files = found.files.into_values().collect();
    Ok(Inputs { files, unknown: found.unknown })
}

struct Found<'f> {
    format: Option<Format>,
    output: &'f Location,
    files: BTreeMap<String, (Input, Object)>,
    unknown: usize,
}

impl Found<'_> {
    async fn argument(&mut self, stores: &Stores, argument: &str) -> Result<(), BatchError> {
        let is_web = argument.starts_with("http://") || argument.starts_with("https://");
        let Some((base, pattern)) = split_pattern(argument).filter(|_| !is_web) else {
            return self.named(&stores.locate(argument)?).await;
        };
        // A file may be called so.
        if let Ok(place) = stores.locate(argument)
            && place.local.as_ref().is_some_and(|path| path.is_file())
        {
            return self.named(&place).await;
        }
        let matcher = matcher(pattern).map_err(|error| {
            BatchError::Usage(format!(
                "{argument} is no pattern: {error}; `*`, `**`, `?`, `[…]` and `{{…,…}}` are known"
            ))
        })?;
        let base = stores.locate(if base.is_empty() { "." } else { base })?;
        if self.folder(&base, Some(&matcher)).await? == 0 {
            return Err(BatchError::Usage(format!("no file matches {argument}")));
        }
        Ok(())
    }

    /// A file or a folder.
    async fn named(&mut self, place: &Location) -> Result<(), BatchError> {
        if place.local.as_ref().is_some_and(|path| path.is_dir()) || place.path.as_ref().is_empty() {
            return self.folder(place, None).await.map(drop);
        }
        match place.store.head(&place.path).await {
            Ok(meta) => {
                let Some(kind) = self.kind_of(&place.name) else {
                    return Err(BatchError::Usage(format!(
                        "the name of {} does not say what it holds: say it with --input parquet, jsonl, csv, tsv or text",
                        place.name
                    )));
                };
                self.add(place, &meta, kind);
                Ok(())
            }
            Err(object_store::Error::NotFound { .. }) if place.local.is_none() && place.listable => {
                if self.folder(place, None).await? == 0 {
                    return Err(BatchError::Usage(format!("there is no file {0}, and nothing below {0}/", place.name)));
                }
                Ok(())
            }
            Err(error) => Err(BatchError::place("cannot read", &place.name, &error)),
        }
    }

    /// The files below a folder, or those of them that match; how many there are, also of those that were named before.
    async fn folder(&mut self, place: &Location, matcher: Option<&GlobMatcher>) -> Result<usize, BatchError> {
        if !place.listable {
            return Err(BatchError::Usage(format!(
                "{} cannot be listed: name the files themselves when they come from a web server",
                place.name
            )));
        }
        if let Some(folder) = place.local.as_ref().filter(|folder| !folder.is_dir()) {
            return Err(BatchError::Usage(format!("there is no folder {}", folder.display())));
        }
        let files = place.list().await.map_err(|error| BatchError::place("cannot list", &place.name, &error))?;
        let mut found = 0;
        for meta in files {
            let below = || meta.location.prefix_match(&place.path).into_iter().flatten();
            let hidden = below().any(|part| part.as_ref().starts_with(['.', '_']));
            if hidden || self.output.holds(place, &meta.location) {
                continue;
            }
            if let Some(matcher) = matcher {
                let below: Vec<_> = below().map(|part| part.as_ref().to_owned()).collect();
                if !matcher.is_match(below.join("/")) {
                    continue;
                }
            }
            found += 1;
            match self.kind_of(meta.location.as_ref()) {
                Some(kind) => self.add(place, &meta, kind),
                None => self.unknown += 1,
            }
        }
        Ok(found)
    }

    fn kind_of(&self, name: &str) -> Option<Kind> {
        match self.format {
            Some(format) => Some(Kind { format, compression: Kind::compression_of(name).1 }),
            None => Kind::of(name),
        }
    }

    fn add(&mut self, place: &Location, meta: &ObjectMeta, kind: Kind) {
        let file = file(place, meta, kind);
        self.files.insert(file.0.name.clone(), file);
    }
}

fn file(place: &Location, meta: &ObjectMeta, kind: Kind) -> (Input, Object) {
    let name = place.name_of(&meta.location);
    // The mark of a local file holds the number of its inode: a copy on another machine has another one.
    let etag = meta.e_tag.clone().filter(|_| place.local.is_none());
    let modified = etag.is_none().then(|| meta.last_modified.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string());
    let object = Object {
        store: place.store.clone(),
        path: meta.location.clone(),
        name: name.clone(),
        size: meta.size,
        etag: meta.e_tag.clone(),
    };
    (Input { name, kind: KindOfInput(kind), size: meta.size, etag, modified }, object)
}

/// The file of a plan, if it is still the one that was planned.
///
/// # Errors
/// Why it is not: it cannot be found, or it was changed since.
pub async fn find_input(stores: &Stores, input: &Input) -> Result<Object, String> {
    // Not by way of links: the name is the one under which it was found.
    let is_url = input.name.contains("://");
    let place = if is_url { stores.locate(&input.name) } else { Location::of_path(PathBuf::from(&input.name)) };
    let place = place.map_err(|error| error.to_string())?;
    let meta = place.store.head(&place.path).await;
    let meta = meta.map_err(|error| format!("{}: {}", input.name, explain(&error)))?;
    let (now, object) = file(&place, &meta, input.kind.0);
    if (now.size, &now.etag, &now.modified) != (input.size, &input.etag, &input.modified) {
        return Err(format!("{} was changed since it was annotated", input.name));
    }
    Ok(object)
}

/// The folder before the first part that is a pattern, and the pattern; `None` if there is none.
fn split_pattern(argument: &str) -> Option<(&str, &str)> {
    let first = argument.find(['*', '?', '[', '{'])?;
    let cut = argument[..first].rfind('/').map_or(0, |slash| slash + 1);
    let (base, pattern) = argument.split_at(cut);
    // Of the root there is nothing but its slash.
    let base = if base.len() > 1 && !base.ends_with("://") { base.trim_end_matches('/') } else { base };
    Some((base, pattern))
}

fn matcher(pattern: &str) -> Result<GlobMatcher, globset::Error> {
    Ok(GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build()?.compile_matcher())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    async fn names(
        arguments: &[&str],
        format: Option<Format>,
        folder: &std::path::Path,
    ) -> Result<Vec<String>, String> {
        let stores = Stores::new([]);
        let output = stores.locate(folder.join("out").to_str().unwrap()).unwrap();
        let arguments: Vec<_> =
            arguments.iter().map(|argument| folder.join(argument).to_str().unwrap().to_owned()).collect();
        let root = folder.canonicalize().unwrap();
        let inputs = list_inputs(&stores, &arguments, format, &output).await.map_err(|error| error.to_string())?;
        let relative = |(input, _): &(Input, Object)| {
            input.name.strip_prefix(root.to_str().unwrap()).unwrap().trim_start_matches('/').to_owned()
        };
        Ok(inputs.files.iter().map(relative).collect())
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in
            ["in/b.jsonl", "in/a.parquet", "in/deep/c.csv.gz", "in/README", "in/.x.jsonl", "in/_y.jsonl", "out/p.jsonl"]
        {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        folder
    }

    #[tokio::test]
    async fn folders_are_taken_whole_and_outputs_never() {
        let folder = folder();
        let all = names(&[""], None, folder.path()).await.unwrap();
        assert_eq!(all, ["in/a.parquet", "in/b.jsonl", "in/deep/c.csv.gz"]);
        let twice = names(&["in/b.jsonl", "in/../in/b.jsonl", "in/b.*"], None, folder.path()).await.unwrap();
        assert_eq!(twice, ["in/b.jsonl"], "a file is taken once");
    }

    #[tokio::test]
    async fn patterns_match_below_their_folder() {
        let folder = folder();
        assert_eq!(names(&["in/*"], None, folder.path()).await.unwrap(), ["in/a.parquet", "in/b.jsonl"]);
        assert_eq!(names(&["in/**/*.csv.gz"], None, folder.path()).await.unwrap(), ["in/deep/c.csv.gz"]);
        assert_eq!(names(&["*/{a,b}.*"], None, folder.path()).await.unwrap(), ["in/a.parquet", "in/b.jsonl"]);
        let none = names(&["in/*.tsv"], None, folder.path()).await.unwrap_err();
        assert!(none.starts_with("no file matches"), "{none}");
    }

    #[tokio::test]
    async fn what_a_file_holds_can_be_said() {
        let folder = folder();
        let unknown = names(&["in/README"], None, folder.path()).await.unwrap_err();
        assert!(unknown.contains("--input"), "{unknown}");
        assert_eq!(names(&["in/README"], Some(Format::Text), folder.path()).await.unwrap(), ["in/README"]);
        let gone = names(&["in/gone.jsonl"], None, folder.path()).await.unwrap_err();
        assert!(gone.contains("gone.jsonl: there is no such file"), "{gone}");
    }

    #[test]
    fn a_pattern_begins_with_a_folder() {
        assert_eq!(split_pattern("s3://b/2024/*/x.parquet"), Some(("s3://b/2024", "*/x.parquet")));
        assert_eq!(split_pattern("*.jsonl"), Some(("", "*.jsonl")));
        assert_eq!(split_pattern("/a*"), Some(("/", "a*")));
        assert_eq!(split_pattern("in/a.jsonl"), None);
    }
}
