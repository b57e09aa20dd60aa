//! Files inside the binary: how pages and what they load are served. They work without any other host, and what they may
//! do is in each one's policy.

use std::borrow::Cow;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// The content types of what pages are made of.
pub(crate) const HTML: &str = "text/html; charset=utf-8";
pub(crate) const CSS: &str = "text/css; charset=utf-8";
pub(crate) const SCRIPT: &str = "text/javascript; charset=utf-8";

/// A file as it is served.
pub(crate) struct Asset {
    pub(crate) path: &'static str,
    kind: &'static str,
    pub(crate) content: Cow<'static, [u8]>,
    tag: String,
}

impl Asset {
    /// The file `content` of the type `kind` at `path`.
    pub(crate) fn new(path: &'static str, kind: &'static str, content: impl Into<Cow<'static, [u8]>>) -> Self {
        let content = content.into();
        let tag = format!("\"{}-{:x}\"", env!("CARGO_PKG_VERSION"), fingerprint(&content));
        Self { path, kind, content, tag }
    }
}

/// Adds the routes of `assets`, which may do what `policy` says.
pub(crate) fn routes<S>(router: Router<S>, assets: &'static [Asset], policy: &'static str) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let add = |router: Router<S>, asset: &'static Asset| {
        router.route(asset.path, get(move |headers| answer(asset, policy, headers)))
    };
    assets.iter().fold(router, add)
}

#[expect(clippy::unused_async, reason = "a handler is async")]
async fn answer(asset: &'static Asset, policy: &'static str, headers: HeaderMap) -> Response {
    // The files change only with the binary; a browser asks each time and gets them only when they did.
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == asset.tag.as_bytes());
    let mut response =
        if known { StatusCode::NOT_MODIFIED.into_response() } else { asset.content.as_ref().into_response() };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, asset.kind),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::CACHE_CONTROL, "no-cache"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(tag) = HeaderValue::from_str(&asset.tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// FNV-1a: tells two versions of a file apart.
fn fingerprint(content: &[u8]) -> u64 {
    content.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
