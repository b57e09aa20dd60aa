//! Why a batch cannot be planned, run or verified: each message names the file or the store, and says what to do.

use std::error::Error;
use std::io;

use object_store::client::{HttpError, HttpErrorKind};

/// Why a batch cannot go on. What was committed before stays.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// An argument that cannot be understood, or options that do not fit each other or what is there.
    #[error("{0}")]
    Usage(String),
    /// A place that cannot be opened, listed, read or written.
    #[error("{action} {place}: {why}")]
    Place {
        /// What was tried, as in "cannot list".
        action: &'static str,
        /// Where, as a person writes it.
        place: String,
        /// What came of it, and what to do.
        why: String,
    },
    /// Inputs that cannot be split into shards, each with its reason.
    #[error("{}", broken_inputs(.0))]
    Inputs(Vec<String>),
    /// Shard after shard could not be read.
    #[error("{count} shards in a row could not be read, so the run was broken off; the last: {last}")]
    TooManyBroken {
        /// How many.
        count: usize,
        /// What was wrong with the last.
        last: String,
    },
    /// A shard's output cannot be made of what was read.
    #[error("cannot write the output of {shard}: {why}")]
    Write {
        /// The shard.
        shard: String,
        /// Why not.
        why: String,
    },
    /// The model fails on every text.
    #[error(
        "the model fails on any text on its device, so the run was broken off rather than noted as the documents' errors; \
         run the same command again when the device is well"
    )]
    Device,
    /// A plan or manifest that is none of ours.
    #[error("{place} is not what `dateline batch` writes: {why}")]
    Damaged {
        /// Where it lies.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// A task of the run panicked.
    #[error("a part of the run ended unexpectedly: {0}")]
    Internal(String),
}

impl BatchError {
    /// What the store said when `action` was tried at `place`, in words that help.
    pub(crate) fn place(action: &'static str, place: impl Into<String>, error: &object_store::Error) -> Self {
        Self::Place { action, place: place.into(), why: explain(error) }
    }

    /// As [`Self::place`], for the file system.
    pub(crate) fn io(action: &'static str, place: impl Into<String>, error: &io::Error) -> Self {
        Self::Place { action, place: place.into(), why: explain_io(error) }
    }
}

fn broken_inputs(reasons: &[String]) -> String {
    const SHOWN: usize = 20;
    let mut message = match reasons {
        [only] => return only.clone(),
        _ => format!("{} inputs cannot be read; mend them or leave them out:", reasons.len()),
    };
    for reason in reasons.iter().take(SHOWN) {
        message.push_str("\n  ");
        message.push_str(reason);
    }
    if reasons.len() > SHOWN {
        message.push_str(&format!("\n  and {} more", reasons.len() - SHOWN));
    }
    message
}

/// Where a client asks for the credentials of the machine's role, when none are set.
const ROLES: [&str; 3] = ["/latest/api/token", "/metadata/identity", "metadata.google.internal"];

/// An object store's error for a person: what it means, then what the store said.
#[must_use]
pub fn explain(error: &object_store::Error) -> String {
    use object_store::Error as Store;
    let said = with_causes(error);
    if http_cause(error).is_some() {
        if !ROLES.iter().any(|place| said.contains(place)) {
            return format!("the server cannot be reached, or breaks off: see to its address and the network ({said})");
        }
        return format!(
            "there are no credentials: none are set, and this machine has no role of a cloud. Set AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY (or AWS_SKIP_SIGNATURE=true for a public bucket), GOOGLE_APPLICATION_CREDENTIALS or \
             AZURE_STORAGE_ACCOUNT_KEY ({said})"
        );
    }
    if let Some(error) = io_cause(error) {
        return explain_io(error);
    }
    match error {
        // Of a listing the client does not say what kind of error it is.
        Store::Generic { .. } if ["NoSuchBucket", "ContainerNotFound"].iter().any(|code| said.contains(code)) => {
            "there is no such bucket or container".to_owned()
        }
        Store::NotFound { .. } => "there is no such file, bucket or container".to_owned(),
        Store::Unauthenticated { .. } => format!(
            "the store does not accept the credentials: check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, \
             GOOGLE_APPLICATION_CREDENTIALS or AZURE_STORAGE_ACCOUNT_KEY ({said})"
        ),
        Store::PermissionDenied { .. } => format!(
            "the store refuses it: the credentials are wrong, or they do not allow this (S3: AWS_ACCESS_KEY_ID, \
             AWS_SECRET_ACCESS_KEY and AWS_REGION; Google: GOOGLE_APPLICATION_CREDENTIALS; Azure: AZURE_STORAGE_ACCOUNT_NAME \
             and _KEY) ({said})"
        ),
        Store::Precondition { .. } => format!("the file was replaced meanwhile: run again to plan anew ({said})"),
        _ => said,
    }
}

/// A file system's error for a person.
#[must_use]
pub fn explain_io(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!("no permission: give this user the right to it, or name another place ({error})")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("the disk is full: make room and run the same command again; what was committed stays ({error})")
        }
        io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => format!("the file system is read-only: name another place ({error})"),
        _ => error.to_string(),
    }
}

/// The file system's error behind another one.
fn io_cause<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e io::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        // An HTTP client wraps its own errors in one of these, without a code of the system.
        if let Some(error) = error.downcast_ref::<io::Error>().filter(|error| error.raw_os_error().is_some()) {
            return Some(error);
        }
        cause = error.source();
    }
    None
}

/// Whether the connection broke before a store's answer was whole, so that nobody knows what came of the request.
pub(crate) fn broke_off(error: &object_store::Error) -> bool {
    http_cause(error).is_some_and(|error| error.kind() != HttpErrorKind::Connect)
}

/// What went wrong between this machine and a server, behind another error.
fn http_cause(error: &object_store::Error) -> Option<&HttpError> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<HttpError>() {
            return Some(error);
        }
        cause = error.source();
    }
    None
}

/// An error's message, and those of its causes that it does not already repeat, on one line.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !message.contains(&more) {
            message.push_str(": ");
            message.push_str(&more);
        }
        cause = error.source();
    }
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_reason_is_found_behind_the_stores() {
        let source = Box::new(io::Error::from_raw_os_error(28));
        let full = explain(&object_store::Error::Generic { store: "LocalFileSystem", source });
        assert!(full.starts_with("the disk is full: make room"), "{full}");
        let source = Box::new(io::Error::from_raw_os_error(13));
        let denied = explain(&object_store::Error::Generic { store: "LocalFileSystem", source });
        assert!(denied.starts_with("no permission"), "{denied}");
    }

    #[test]
    fn a_server_that_cannot_be_reached_is_no_file_that_cannot() {
        let broken = |url: &str| {
            let refused = io::Error::from_raw_os_error(111);
            let source =
                HttpError::new(HttpErrorKind::Connect, io::Error::new(refused.kind(), format!("{url}: {refused}")));
            object_store::Error::Generic { store: "S3", source: Box::new(source) }
        };
        let away = explain(&broken("http://127.0.0.1:9/news"));
        assert!(away.contains("cannot be reached") && away.contains("127.0.0.1:9/news"), "{away}");
        let roleless = explain(&broken("http://169.254.169.254/latest/api/token"));
        assert!(roleless.contains("AWS_SECRET_ACCESS_KEY"), "{roleless}");
        assert!(!broke_off(&broken("http://127.0.0.1:9/news")), "it never began");
    }

    #[test]
    fn a_wrong_credential_names_the_variables() {
        let source = "InvalidAccessKeyId".into();
        let said = explain(&object_store::Error::PermissionDenied { path: "a".into(), source });
        assert!(said.contains("AWS_ACCESS_KEY_ID") && said.contains("InvalidAccessKeyId"), "{said}");
        let source = "404 Not Found: <Error><Code>NoSuchBucket</Code></Error>".into();
        let gone = explain(&object_store::Error::Generic { store: "S3", source });
        assert_eq!(gone, "there is no such bucket or container");
    }

    #[test]
    fn one_broken_input_is_its_own_message_and_many_are_a_list() {
        let one = BatchError::Inputs(vec!["a is cut off".into()]);
        assert_eq!(one.to_string(), "a is cut off");
        let many = BatchError::Inputs((0..25).map(|n| format!("file {n}")).collect()).to_string();
        assert!(many.starts_with("25 inputs") && many.ends_with("and 5 more"), "{many}");
    }
}
