//! TLS as a client sees it, and what is said of files that cannot be used.

use std::path::Path;
use std::sync::Arc;

use rcgen::{CertifiedKey, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{LARGE, Running, SHORT, answer, ask, options, rest, start_with, within};
use crate::listen::{ListenError, ListenOptions, Tls, TlsFiles};

fn pair() -> CertifiedKey<KeyPair> {
    rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

fn files(folder: &TempDir) -> TlsFiles {
    TlsFiles { certificate: folder.path().join("chain.pem"), key: folder.path().join("key.pem") }
}

fn write(files: &TlsFiles, pair: &CertifiedKey<KeyPair>) {
    std::fs::write(&files.certificate, pair.cert.pem()).unwrap();
    std::fs::write(&files.key, pair.signing_key.serialize_pem()).unwrap();
}

/// A handshake by a client that trusts all of `trusted`.
async fn shake(
    running: &Running,
    trusted: &[&CertifiedKey<KeyPair>],
    version: &'static SupportedProtocolVersion,
) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    for pair in trusted {
        roots.add(pair.cert.der().clone()).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    let stream = running.connect().await;
    within(TlsConnector::from(Arc::new(config)).connect(name, stream)).await.unwrap()
}

fn shown(stream: &TlsStream<TcpStream>) -> &CertificateDer<'static> {
    &stream.get_ref().1.peer_certificates().unwrap()[0]
}

#[tokio::test]
async fn answers_over_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(&folder);
    let pair = pair();
    write(&files, &pair);
    let running = start_with(options(), Some(&files));
    for version in [&version::TLS12, &version::TLS13] {
        let mut client = shake(&running, &[&pair], version).await;
        assert_eq!(client.get_ref().1.protocol_version(), Some(version.version));
        assert_eq!(client.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));
        ask(&mut client, "/peer").await;
        assert_eq!(answer(&mut client).await.1, client.get_ref().0.local_addr().unwrap().to_string());
    }
    running.stopped().await.unwrap();
}

#[tokio::test]
async fn a_peer_that_takes_nothing_is_cut_off_below_tls_too() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(&folder);
    let pair = pair();
    write(&files, &pair);
    let running = start_with(ListenOptions { write_timeout: SHORT, ..options() }, Some(&files));
    let mut deaf = shake(&running, &[&pair], &version::TLS13).await;
    ask(&mut deaf, "/large").await;
    // One byte, so that the request is in flight when the stop comes.
    within(deaf.read_u8()).await.unwrap();
    running.stopped().await.unwrap();
    let received = rest(&mut deaf).await.len();
    assert!(received < LARGE, "{received}");
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(&folder);
    write(&files, &pair());
    let running = start_with(ListenOptions { header_timeout: SHORT, ..options() }, Some(&files));
    assert_eq!(rest(&mut running.connect().await).await, b"");
    running.stopped().await.unwrap();

    let running = start_with(options(), Some(&files));
    let mut silent = running.connect().await;
    running.stopped().await.unwrap();
    assert_eq!(rest(&mut silent).await, b"");
}

#[tokio::test]
async fn a_reload_shows_the_new_certificate_and_a_broken_one_keeps_the_old() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(&folder);
    let (old, new) = (pair(), pair());
    write(&files, &old);
    let running = start_with(options(), Some(&files));
    let tls = running.tls.clone().unwrap();
    let both = [&old, &new];
    let mut before = shake(&running, &both, &version::TLS13).await;
    assert_eq!(shown(&before), old.cert.der());

    std::fs::write(&files.certificate, "half a file").unwrap();
    let error = tls.reload().unwrap_err().to_string();
    assert!(error.contains("chain.pem"), "{error}");
    let kept = shake(&running, &both, &version::TLS13).await;
    assert_eq!(shown(&kept), old.cert.der());

    write(&files, &new);
    tls.reload().unwrap();
    let mut after = shake(&running, &both, &version::TLS13).await;
    assert_eq!(shown(&after), new.cert.der());
    // Connections that stand are not disturbed.
    for client in [&mut before, &mut after] {
        ask(client, "/peer").await;
        answer(client).await;
    }
    running.stopped().await.unwrap();
}

/// What is said of the files after `change`.
fn complaint(change: impl FnOnce(&TlsFiles)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let files = files(&folder);
    write(&files, &pair());
    change(&files);
    match Tls::load(&files) {
        Err(error @ ListenError::Tls(_)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

fn cut(path: &Path) {
    let text = std::fs::read_to_string(path).unwrap();
    std::fs::write(path, &text[..text.len() / 2]).unwrap();
}

#[test]
fn a_file_that_cannot_be_used_is_named() {
    let missing = complaint(|files| std::fs::remove_file(&files.key).unwrap());
    assert!(missing.contains("cannot read the TLS key") && missing.contains("key.pem"), "{missing}");
    let missing = complaint(|files| std::fs::remove_file(&files.certificate).unwrap());
    assert!(missing.contains("cannot read the TLS certificate") && missing.contains("chain.pem"), "{missing}");

    let cut_short = complaint(|files| cut(&files.key));
    assert!(cut_short.contains("key.pem") && cut_short.contains("END line is missing"), "{cut_short}");
    let empty = complaint(|files| std::fs::write(&files.certificate, "").unwrap());
    assert!(empty.contains("chain.pem") && empty.contains("there is none in it"), "{empty}");

    let pem = |what: &str| format!("-----BEGIN {what}-----\nbm90IHJlYWxseQ==\n-----END {what}-----\n");
    let garbled = complaint(|files| std::fs::write(&files.key, pem("PRIVATE KEY")).unwrap());
    assert!(garbled.contains("no usable TLS key") && garbled.contains("key.pem"), "{garbled}");
    let garbled = complaint(|files| std::fs::write(&files.certificate, pem("CERTIFICATE")).unwrap());
    assert!(garbled.contains("no usable TLS certificate") && garbled.contains("chain.pem"), "{garbled}");

    let swapped = complaint(|files| std::fs::write(&files.key, pair().signing_key.serialize_pem()).unwrap());
    assert!(swapped.contains("key.pem is not the key of") && swapped.contains("chain.pem"), "{swapped}");
}
