//! The web page, inside the binary: it works without any other host and may load nothing from one.

use axum::Router;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// What the page may do: load its own files and talk to its own service.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const SCRIPT: &str = "text/javascript; charset=utf-8";

struct Asset {
    path: &'static str,
    kind: &'static str,
    content: &'static str,
}

const ASSETS: [Asset; 8] = [
    Asset { path: "/", kind: "text/html; charset=utf-8", content: include_str!("../../../web/index.html") },
    Asset { path: "/style.css", kind: "text/css; charset=utf-8", content: include_str!("../../../web/style.css") },
    Asset { path: "/app.js", kind: SCRIPT, content: include_str!("../../../web/app.js") },
    Asset { path: "/access.js", kind: SCRIPT, content: include_str!("../../../web/access.js") },
    Asset { path: "/dom.js", kind: SCRIPT, content: include_str!("../../../web/dom.js") },
    Asset { path: "/result.js", kind: SCRIPT, content: include_str!("../../../web/result.js") },
    Asset { path: "/service.js", kind: SCRIPT, content: include_str!("../../../web/service.js") },
    Asset { path: "/favicon.svg", kind: "image/svg+xml", content: include_str!("../../../web/favicon.svg") },
];

/// The page's routes.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    ASSETS
        .iter()
        .fold(Router::new(), |router, asset| router.route(asset.path, get(move |headers| answer(asset, headers))))
}

#[expect(clippy::unused_async, reason = "a handler is async")]
async fn answer(asset: &'static Asset, headers: HeaderMap) -> Response {
    // The files change only with the binary; a browser asks each time and gets them only when they did.
    let tag = format!("\"{}-{:x}\"", env!("CARGO_PKG_VERSION"), fingerprint(asset.content));
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = if known { StatusCode::NOT_MODIFIED.into_response() } else { asset.content.into_response() };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, asset.kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::CACHE_CONTROL, "no-cache"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// FNV-1a: tells two versions of a file apart.
fn fingerprint(content: &str) -> u64 {
    content.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_all_of_its_files_and_no_others() {
        for asset in &ASSETS {
            // The icon must name the namespace of its markup.
            let content = asset.content.replace("http://www.w3.org/2000/svg", "");
            for foreign in ["http://", "https://", "innerHTML", "outerHTML", "localStorage", " style=", " onclick="] {
                assert!(!content.contains(foreign), "{} must not contain {foreign}", asset.path);
            }
            for import in content.lines().filter(|line| line.starts_with("import ")) {
                let path = import.split('"').nth(1).unwrap();
                assert!(ASSETS.iter().any(|asset| asset.path == path), "{}: {import}", asset.path);
            }
        }
    }
}
