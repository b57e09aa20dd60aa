//! Loads the certificate and its key, and loads them again while the service runs: certificates live for weeks,
//! services for months.
//!
//! A reload builds the whole configuration anew and swaps it in only when it is complete, so a half-written file never
//! takes the service down. Handshakes that have begun, and connections that stand, keep the certificate they had.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, version};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::ListenError;

/// PEM files of the certificate chain and its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate of the service first, then those that lead to its authority.
    pub certificate: PathBuf,
    /// The private key of the first certificate, in PKCS#8, PKCS#1 or SEC1, without a passphrase.
    pub key: PathBuf,
}

/// Why the TLS files cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file cannot be read.
    #[error("cannot read the TLS {what} {}: {source} (check the path and who may read it)", path.display())]
    Read {
        /// Which of the two files.
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The certificate file holds no certificate that can be read.
    #[error(
        "no usable TLS certificate in {}: {reason} (it must hold the chain as PEM, BEGIN CERTIFICATE)",
        path.display()
    )]
    Certificate {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The key file holds no key that can be used.
    #[error(
        "no usable TLS key in {}: {reason} (it must hold one private key as PEM without a passphrase, RSA, ECDSA or \
         Ed25519)",
        path.display()
    )]
    Key {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Each file is sound, but they are of different pairs.
    #[error(
        "the TLS key {} is not the key of the first certificate in {} (give the two files of one pair, the \
         certificate of the service before those of its authority)",
        key.display(),
        certificate.display()
    )]
    Mismatch {
        /// The path of the certificate.
        certificate: PathBuf,
        /// The path of the key.
        key: PathBuf,
    },
}

/// A certificate in use, which can be read again from its files. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    files: TlsFiles,
    /// A watch channel that nobody watches: a value to swap, without a lock that could be poisoned.
    current: watch::Sender<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`ListenError::Tls`], naming the file.
    pub(crate) fn load(files: &TlsFiles) -> Result<Self, ListenError> {
        let config = configuration(files)?;
        Ok(Self { files: files.clone(), current: watch::Sender::new(Arc::new(config)) })
    }

    /// Reads the same files again, for the handshakes from now on.
    ///
    /// # Errors
    /// [`ListenError::Tls`], naming the file; what was in use stays in use.
    pub(crate) fn reload(&self) -> Result<(), ListenError> {
        let config = configuration(&self.files)?;
        self.current.send_replace(Arc::new(config));
        Ok(())
    }

    /// Makes the next handshake, with what is in use now.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current.borrow()))
    }
}

/// The configuration that the files make. Two small files are read without a thread of their own.
fn configuration(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let chain = chain(&files.certificate)?;
    let key = key(&files.key)?;
    // The provider is named here, so that no other crate's choice of a default for the process changes it.
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .expect("ring has cipher suites for TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| refused(files, &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unusable = |error: pem::Error| TlsError::Certificate { path: path.to_owned(), reason: plain(&error) };
    let text = read("certificate", path)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>().map_err(unusable)?;
    if chain.is_empty() { Err(unusable(pem::Error::NoItemsFound)) } else { Ok(chain) }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read("key", path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| TlsError::Key { path: path.to_owned(), reason: plain(&error) })
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read { what, path: path.to_owned(), source })
}

/// The error in words; some of the crate's own show their text as numbers.
fn plain(error: &pem::Error) -> String {
    match error {
        pem::Error::NoItemsFound => "there is none in it".to_owned(),
        pem::Error::MissingSectionEnd { .. } => "it is cut short, an END line is missing".to_owned(),
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line is malformed".to_owned(),
        other => other.to_string(),
    }
}

/// Which file it is that TLS does not take.
fn refused(files: &TlsFiles, error: &rustls::Error) -> TlsError {
    match error {
        rustls::Error::InvalidCertificate(_) => {
            TlsError::Certificate { path: files.certificate.clone(), reason: error.to_string() }
        }
        rustls::Error::InconsistentKeys(_) => {
            TlsError::Mismatch { certificate: files.certificate.clone(), key: files.key.clone() }
        }
        other => TlsError::Key { path: files.key.clone(), reason: other.to_string() },
    }
}
