//! Where inputs lie and outputs go: a path or a URL as a person writes it becomes a store and a path in it.
//!
//! Credentials come from the environment, under the names that each store's own tools use.

use std::collections::HashMap;
use std::env;
use std::fmt;
use std::path::{Component, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreScheme, RetryConfig, parse_url_opts};
use url::Url;

use crate::BatchError;
use crate::error::broke_off;

/// The variables that say how to reach a store begin so.
const PREFIXES: [&str; 3] = ["AWS_", "GOOGLE_", "AZURE_"];
/// A server that has not understood a request answers 5xx, as a busy one does; so often it is asked again when the
/// question is which of the two it is.
const RETRIES_OF_THE_HASTY: usize = 2;
/// How often a listing is asked for that breaks off each time.
const LISTINGS: usize = 5;

/// The stores that were opened, each once, so that their connections are shared.
pub struct Stores {
    options: Vec<(String, String)>,
    open: Mutex<HashMap<String, Opened>>,
}

#[derive(Clone)]
struct Opened {
    store: Arc<dyn ObjectStore>,
    hasty: Arc<dyn ObjectStore>,
}

impl Stores {
    /// With the credentials of this process's environment.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self::new(
            env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    /// With the credentials that `variables` hold.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let known = |name: &str| PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        // A variable that is set to nothing is how a shell says that it is not set.
        let mut options: Vec<_> = variables
            .into_iter()
            .filter(|(name, value)| known(name) && !value.is_empty())
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect();
        // Whoever names an endpoint without TLS has decided already.
        if options.iter().any(|(name, value)| name.contains("endpoint") && value.starts_with("http://")) {
            options.push(("allow_http".to_owned(), "true".to_owned()));
        }
        options.sort();
        Self { options, open: Mutex::default() }
    }

    /// The place that `argument` names: a path of this machine, or a URL.
    ///
    /// # Errors
    /// [`BatchError::Usage`] if it cannot be one, or if the environment's settings for its store are wrong.
    pub fn locate(&self, argument: &str) -> Result<Location, BatchError> {
        if argument.is_empty() {
            return Err(BatchError::Usage("an empty name is no place: name a file, a folder or a URL".to_owned()));
        }
        if let Some((scheme, rest)) = argument.split_once("://") {
            if scheme != "file" {
                return self.locate_url(argument);
            }
            return Self::locate_path(rest);
        }
        Self::locate_path(argument)
    }

    fn locate_url(&self, argument: &str) -> Result<Location, BatchError> {
        let refuse = |why: &dyn fmt::Display| {
            BatchError::Usage(format!(
                "{argument} cannot be used: {why}; known are paths, s3://BUCKET/…, gs://BUCKET/…, az://CONTAINER/… and \
                 http(s)://…"
            ))
        };
        let url = Url::parse(argument).map_err(|error| refuse(&error))?;
        if url.query().is_some() {
            return Err(refuse(&"a URL with a query (a signed one, say) names no file of a store; ? in a name is %3F"));
        }
        if url.fragment().is_some() {
            return Err(refuse(&"# in a name is written %23"));
        }
        let (kind, path) = ObjectStoreScheme::parse(&url).map_err(|error| refuse(&error))?;
        if matches!(kind, ObjectStoreScheme::Memory) {
            return Err(refuse(&"that is no lasting place"));
        }
        let prefix = prefix(&url, &path);
        let known = self.open.lock().unwrap_or_else(PoisonError::into_inner).get(&prefix).cloned();
        let opened = match known {
            Some(opened) => opened,
            None => {
                let opened =
                    self.open_store(&url, &kind).map_err(|error| refuse(&crate::error::with_causes(&error)))?;
                self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(prefix.clone(), opened.clone());
                opened
            }
        };
        let name = argument.trim_end_matches('/').to_owned();
        let listable = !matches!(kind, ObjectStoreScheme::Http);
        Ok(Location { store: opened.store, hasty: opened.hasty, path, name, prefix, local: None, listable })
    }

    fn open_store(&self, url: &Url, kind: &ObjectStoreScheme) -> Result<Opened, object_store::Error> {
        let mut options = self.options.clone();
        if matches!(kind, ObjectStoreScheme::Http) && url.scheme() == "http" {
            options.push(("allow_http".to_owned(), "true".to_owned()));
        }
        let store: Arc<dyn ObjectStore> = Arc::from(parse_url_opts(url, options.clone())?.0);
        let hasty = match kind {
            ObjectStoreScheme::AmazonS3 => {
                let retry = RetryConfig {
                    max_retries: RETRIES_OF_THE_HASTY,
                    retry_timeout: Duration::from_secs(60),
                    ..RetryConfig::default()
                };
                let builder = AmazonS3Builder::new().with_url(url.to_string()).with_retry(retry);
                let with = |builder: AmazonS3Builder, (name, value): (String, String)| match name.parse() {
                    Ok(key) => builder.with_config(key, value),
                    Err(_) => builder,
                };
                Arc::new(options.into_iter().fold(builder, with).build()?)
            }
            _ => Arc::clone(&store),
        };
        Ok(Opened { store, hasty })
    }

    fn locate_path(path: &str) -> Result<Location, BatchError> {
        let absolute = std::path::absolute(path).map_err(|error| BatchError::io("cannot use", path, &error))?;
        // The same file must have the same name from whichever folder it is named.
        Location::of_path(canonical(absolute))
    }
}

impl fmt::Debug for Stores {
    /// Without the values: they are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stores")
            .field("options", &self.options.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .finish()
    }
}

/// A file, or a folder (a common beginning of names), in a store.
#[derive(Clone)]
pub struct Location {
    /// The store.
    pub store: Arc<dyn ObjectStore>,
    /// The same store, asked again less often when it answers that it cannot.
    pub(crate) hasty: Arc<dyn ObjectStore>,
    /// The path in it.
    pub path: Path,
    /// As a person writes it.
    pub name: String,
    /// What stands before paths of this store in their names.
    prefix: String,
    /// The path in this machine's file system, if it is there.
    pub local: Option<PathBuf>,
    /// Whether what is in it can be listed; a plain web server cannot.
    pub(crate) listable: bool,
}

impl Location {
    pub(crate) fn of_path(path: PathBuf) -> Result<Self, BatchError> {
        let store: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new());
        let name = path
            .to_str()
            .ok_or_else(|| BatchError::Usage(format!("{} is not UTF-8: rename it", path.display())))?
            .to_owned();
        let in_store = Path::from_absolute_path(&path)
            .map_err(|error| BatchError::Usage(format!("{name} cannot be used as a path: {error}")))?;
        Ok(Self {
            hasty: Arc::clone(&store),
            store,
            path: in_store,
            name,
            prefix: String::new(),
            local: Some(path),
            listable: true,
        })
    }

    /// What is called `name` in this folder.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        let path = name.split('/').fold(self.path.clone(), |path, part| path.join(part));
        let local = self.local.as_ref().map(|folder| folder.join(name));
        Self { path, name: format!("{}/{name}", self.name.trim_end_matches('/')), local, ..self.clone() }
    }

    /// All files below.
    pub(crate) async fn list(&self) -> object_store::Result<Vec<ObjectMeta>> {
        listed(|| self.store.list(Some(&self.path)).try_collect()).await
    }

    /// The files in this folder, those in folders below left out.
    pub(crate) async fn list_here(&self) -> object_store::Result<Vec<ObjectMeta>> {
        let list = || async { Ok(self.store.list_with_delimiter(Some(&self.path)).await?.objects) };
        listed(list).await
    }

    /// The name, as a person writes it, of a path in this store.
    pub(crate) fn name_of(&self, path: &Path) -> String {
        match &self.local {
            Some(_) => format!("/{}", decoded(path)),
            // As it is written in a URL, so that it can be taken for one again.
            None => {
                let path = path.as_ref().replace('%', "%25").replace('#', "%23").replace('?', "%3F");
                format!("{}/{path}", self.prefix)
            }
        }
    }

    /// Whether `path` of `other`'s store is in this folder.
    pub(crate) fn holds(&self, other: &Self, path: &Path) -> bool {
        self.prefix == other.prefix && self.local.is_some() == other.local.is_some() && path.prefix_matches(&self.path)
    }
}

/// A path without links and steps back, of which the end need not be there yet.
fn canonical(path: PathBuf) -> PathBuf {
    let mut missing = Vec::new();
    let mut there = path.as_path();
    loop {
        if let Ok(mut found) = there.canonicalize() {
            for part in missing.into_iter().rev() {
                match part {
                    Component::ParentDir => _ = found.pop(),
                    part => found.push(part),
                }
            }
            return found;
        }
        match (there.parent(), there.components().next_back()) {
            (Some(parent), Some(part)) => {
                missing.push(part);
                there = parent;
            }
            _ => return path,
        }
    }
}

/// What `list` gives, asked for again if the answer breaks off half-way: files are fetched on by the client itself then,
/// listings are not.
async fn listed<T, L: Future<Output = object_store::Result<T>>>(list: impl Fn() -> L) -> object_store::Result<T> {
    for _ in 1..LISTINGS {
        match list().await {
            Err(error) if broke_off(&error) => {}
            answer => return answer,
        }
    }
    list().await
}

/// All of a URL that is not the path in its store: the bucket stands in the host's place or begins the path.
fn prefix(url: &Url, path: &Path) -> String {
    let segments: Vec<_> = url.path().split('/').filter(|segment| !segment.is_empty()).collect();
    let bucket = &segments[..segments.len().saturating_sub(path.parts().count())];
    let host = url.as_str().strip_suffix(url.path()).unwrap_or(url.as_str()).trim_end_matches('/');
    bucket.iter().fold(host.to_owned(), |prefix, segment| format!("{prefix}/{segment}"))
}

/// A local path as the file system has it: the store escapes what other stores' names could not hold.
fn decoded(path: &Path) -> String {
    LocalFileSystem::new()
        .path_to_filesystem(path)
        .ok()
        .and_then(|path| Some(path.to_str()?.trim_start_matches('/').to_owned()))
        .unwrap_or_else(|| path.to_string())
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_store;

    fn stores(variables: &[(&str, &str)]) -> Stores {
        Stores::new(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn urls_name_a_store_and_a_path() {
        let stores = stores(&[("AWS_REGION", "eu-central-1")]);
        let place = stores.locate("s3://news/2024/in/").unwrap();
        assert_eq!((place.path.as_ref(), place.name.as_str()), ("2024/in", "s3://news/2024/in"));
        assert_eq!(place.join("_plan/x.json").path.as_ref(), "2024/in/_plan/x.json");
        assert_eq!(place.name_of(&Path::from("2024/in/a.jsonl")), "s3://news/2024/in/a.jsonl");
        let again = stores.locate("s3://news/2023").unwrap();
        assert!(Arc::ptr_eq(&again.store, &place.store), "one store for a bucket");
        assert!(!Arc::ptr_eq(&stores.locate("s3://other/2023").unwrap().store, &place.store));
    }

    #[tokio::test]
    async fn a_listing_that_breaks_off_is_asked_for_again() {
        let list = "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>in/a.csv</Key><Size>3</Size>\
                    <LastModified>2024-02-17T06:00:00.000Z</LastModified></Contents></ListBucketResult>";
        let stores = fake_store::s3(move |_, times| {
            let sent = if times < LISTINGS { &list[..list.len() / 2] } else { list };
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{sent}", list.len())
        });
        let listed = stores.locate("s3://news/in").unwrap().list().await.unwrap();
        assert_eq!(listed.iter().map(|meta| meta.location.as_ref()).collect::<Vec<_>>(), ["in/a.csv"]);
    }

    /// Plans name files by them, and `verify` finds them again.
    #[test]
    fn names_can_be_taken_for_urls_again() {
        let stores = stores(&[("AWS_REGION", "eu-central-1"), ("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")]);
        for folder in ["s3://news/in", "https://mine.blob.core.windows.net/news/in"] {
            let folder = stores.locate(folder).unwrap();
            let path = Path::parse("in/50 % of #1, why?.jsonl").unwrap();
            let again = stores.locate(&folder.name_of(&path)).unwrap();
            assert_eq!((again.path, again.prefix), (path, folder.prefix.clone()), "{}", folder.name);
        }
        let other = stores.locate("https://mine.blob.core.windows.net/other/in").unwrap();
        let news = stores.locate("https://mine.blob.core.windows.net/news/in").unwrap();
        assert!(!Arc::ptr_eq(&other.store, &news.store), "two containers are two stores");
    }

    #[test]
    fn what_is_no_place_is_said_with_the_known_ones() {
        for bad in ["ftp://host/a", "s3:///a", "https://host/a?signature=x", "memory://a", "s3://a/b#c", ""] {
            let error = stores(&[]).locate(bad).unwrap_err().to_string();
            assert!(error.contains("s3://") || error.contains("empty name"), "{bad}: {error}");
        }
    }

    #[test]
    fn a_local_path_is_absolute_whatever_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ein #1 % [x] ü.txt");
        std::fs::write(&file, "x").unwrap();
        let place = stores(&[]).locate(file.to_str().unwrap()).unwrap();
        assert_eq!(place.name_of(&place.path), place.name);
        assert_eq!(place.name, file.canonicalize().unwrap().to_str().unwrap());
    }

    #[test]
    fn what_is_not_there_yet_has_a_plain_name_too() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for (name, expected) in [("gone/../out", "out"), ("a/b/c", "a/b/c"), ("./out/", "out")] {
            let place = stores(&[]).locate(root.join(name).to_str().unwrap()).unwrap();
            assert_eq!(place.name, root.join(expected).to_str().unwrap());
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?}", stores(&[("AWS_SECRET_ACCESS_KEY", "hush"), ("AWS_REGION", "")]));
        assert!(
            shown.contains("aws_secret_access_key") && !shown.contains("hush") && !shown.contains("region"),
            "{shown}"
        );
    }

    #[test]
    fn a_folder_holds_what_is_in_it() {
        let stores = stores(&[]);
        let (folder, other) = (stores.locate("/data/out").unwrap(), stores.locate("/data").unwrap());
        assert!(folder.holds(&other, &Path::from("data/out/part-1")));
        assert!(!folder.holds(&other, &Path::from("data/outer/part-1")));
        let bucket = stores.locate("s3://data/out").unwrap();
        assert!(!bucket.holds(&other, &Path::from("out/part-1")));
    }
}
