//! The document over HTTP: as JSON, and as a page to read it on and try the service.
//!
//! The page is Swagger UI, out of the binary. Its crate brings routes of its own, which are not used: they have no
//! policy, load a top bar whose only use is to open descriptions of other services, and serve builds of the program that
//! nothing asks for. So two files come from the crate, and the page around them is ours. The policy lets it load its own
//! files and talk to its own service, nothing else; Swagger UI would otherwise ask a validator at its maker's.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use utoipa_swagger_ui::Config;

/// What the page may do. Swagger UI's icons are `data:` images in its style sheet.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file as it is served.
struct File {
    path: &'static str,
    kind: &'static str,
    content: Cow<'static, [u8]>,
    tag: String,
}

impl File {
    fn new(path: &'static str, kind: &'static str, content: impl Into<Cow<'static, [u8]>>) -> Self {
        let content = content.into();
        let tag = format!("\"{}-{:x}\"", env!("CARGO_PKG_VERSION"), fingerprint(&content));
        Self { path, kind, content, tag }
    }
}

static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    vec![
        File::new("/openapi.json", "application/json", super::openapi_json().into_bytes()),
        File::new("/docs", "text/html; charset=utf-8", include_bytes!("../../../../web/docs/index.html").as_slice()),
        File::new("/docs/docs.css", CSS, include_bytes!("../../../../web/docs/docs.css").as_slice()),
        File::new("/docs/docs.js", SCRIPT, include_bytes!("../../../../web/docs/docs.js").as_slice()),
        File::new("/docs/swagger-ui.css", CSS, vendored("swagger-ui.css")),
        File::new("/docs/swagger-ui-bundle.js", SCRIPT, vendored("swagger-ui-bundle.js")),
    ]
});

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// A file of Swagger UI.
fn vendored(name: &str) -> Vec<u8> {
    let file = utoipa_swagger_ui::serve(name, Arc::new(Config::default()));
    file.ok().flatten().expect("Swagger UI is in its crate").bytes.into_owned()
}

/// `/openapi.json`, and `/docs` with its files.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let router = Router::new().route("/docs/", get(|| async { Redirect::permanent("../docs") }));
    FILES.iter().fold(router, |router, file| router.route(file.path, get(move |headers| answer(file, headers))))
}

#[expect(clippy::unused_async, reason = "a handler is async")]
async fn answer(file: &'static File, headers: HeaderMap) -> Response {
    // The files change only with the binary; a browser asks each time and gets them only when they did.
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == file.tag.as_bytes());
    let mut response =
        if known { StatusCode::NOT_MODIFIED.into_response() } else { file.content.as_ref().into_response() };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, file.kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::CACHE_CONTROL, "no-cache"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(tag) = HeaderValue::from_str(&file.tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// FNV-1a: tells two versions of a file apart.
fn fingerprint(content: &[u8]) -> u64 {
    content.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt;

    use super::*;

    async fn load(path: &str) -> (StatusCode, HeaderMap, Vec<u8>) {
        let response = routes::<()>().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        (head.status, head.headers, to_bytes(body, usize::MAX).await.unwrap().to_vec())
    }

    /// What the page loads, as it is written in its markup.
    fn loaded(page: &str) -> Vec<&str> {
        let quoted = |attribute: &str| {
            let values = page.split(&format!(" {attribute}=\"")).skip(1).collect::<Vec<_>>();
            values.into_iter().filter_map(|rest| rest.split('"').next()).collect::<Vec<_>>()
        };
        [quoted("src"), quoted("href")].concat()
    }

    #[tokio::test]
    async fn every_file_of_the_page_is_there() {
        let (status, headers, page) = load("/docs").await;
        assert_eq!(
            (status, &headers[header::CONTENT_TYPE]),
            (StatusCode::OK, &"text/html; charset=utf-8".parse().unwrap())
        );
        let page = String::from_utf8(page).unwrap();
        assert!(!page.contains("<style") && !page.contains("style="), "styles belong in docs.css");
        let files = loaded(&page);
        assert_eq!(files.len(), 5, "{files:?}");
        // The icon is the page's at `/`.
        for file in files.into_iter().filter(|&file| file != "favicon.svg") {
            let (status, headers, body) = load(&format!("/{file}")).await;
            assert_eq!(status, StatusCode::OK, "{file}");
            assert!(body.len() > 100, "{file}");
            assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{file}");
            let kind = if file.ends_with(".css") { CSS } else { SCRIPT };
            assert_eq!(headers[header::CONTENT_TYPE], kind, "{file}");
        }
    }

    #[tokio::test]
    async fn nothing_is_loaded_from_another_host() {
        for path in ["/docs", "/docs/docs.js", "/docs/docs.css"] {
            let (_, headers, body) = load(path).await;
            let body = String::from_utf8(body).unwrap();
            assert!(!body.contains("//www") && !body.contains("http:") && !body.contains("https:"), "{path}");
            let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
            for allowed in policy.split([' ', ';']).filter(|word| word.contains(['\'', ':', '.', '*'])) {
                assert!(["'none'", "'self'", "data:"].contains(&allowed), "{allowed} in {policy}");
            }
        }
        let (_, _, style) = load("/docs/swagger-ui.css").await;
        let style = String::from_utf8(style).unwrap();
        assert!(!style.contains("@import"));
        for address in style.split("url(").skip(1) {
            assert!(address.trim_start_matches('"').starts_with("data:"), "{}", &address[..30]);
        }
        let (_, _, script) = load("/docs/docs.js").await;
        assert!(String::from_utf8(script).unwrap().contains("validatorUrl: null"), "it would ask validator.swagger.io");
    }

    #[tokio::test]
    async fn the_document_is_what_is_served() {
        let (status, headers, body) = load("/openapi.json").await;
        assert_eq!((status, String::from_utf8(body).unwrap()), (StatusCode::OK, crate::openapi_json()));
        assert_eq!(headers[header::CONTENT_TYPE], "application/json");
        let request = Request::get("/openapi.json").header(header::IF_NONE_MATCH, &headers[header::ETAG]);
        let again = routes::<()>().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    }

    #[tokio::test]
    async fn no_file_is_there_that_nothing_asks_for() {
        for path in ["/docs/swagger-ui.css.map", "/docs/swagger-ui-es-bundle.js", "/docs/swagger-initializer.js"] {
            assert_eq!(load(path).await.0, StatusCode::NOT_FOUND, "{path}");
        }
        let (status, headers, _) = load("/docs/").await;
        assert_eq!((status, &headers[header::LOCATION]), (StatusCode::PERMANENT_REDIRECT, &"../docs".parse().unwrap()));
    }
}
