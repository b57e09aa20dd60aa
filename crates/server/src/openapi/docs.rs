//! The document over HTTP: as JSON, and as a page to read it on and try the service.
//!
//! The page is Swagger UI, out of the binary. Its crate brings routes of its own, which are not used: they have no
//! policy, load a top bar whose only use is to open descriptions of other services, and serve builds of the program that
//! nothing asks for. So two files come from the crate, and the page around them is ours. The policy lets it load its own
//! files and talk to its own service, nothing else; Swagger UI would otherwise ask a validator at its maker's.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use utoipa_swagger_ui::Config;

use crate::assets::{self, Asset, CSS, HTML, SCRIPT};

/// What the page may do. Swagger UI's icons are `data:` images in its style sheet.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static FILES: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    vec![
        Asset::new("/openapi.json", "application/json", super::openapi_json().into_bytes()),
        Asset::new("/docs", HTML, include_bytes!("../../../../web/docs/index.html").as_slice()),
        Asset::new("/docs/docs.css", CSS, include_bytes!("../../../../web/docs/docs.css").as_slice()),
        Asset::new("/docs/docs.js", SCRIPT, include_bytes!("../../../../web/docs/docs.js").as_slice()),
        Asset::new("/docs/swagger-ui.css", CSS, vendored("swagger-ui.css")),
        Asset::new("/docs/swagger-ui-bundle.js", SCRIPT, vendored("swagger-ui-bundle.js")),
    ]
});

/// A file of Swagger UI.
fn vendored(name: &str) -> Vec<u8> {
    let file = utoipa_swagger_ui::serve(name, Arc::new(Config::default()));
    file.ok().flatten().expect("Swagger UI is in its crate").bytes.into_owned()
}

/// `/openapi.json`, and `/docs` with its files.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let router = Router::new().route("/docs/", get(|| async { Redirect::permanent("../docs") }));
    assets::routes(router, &FILES, POLICY)
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::{HeaderMap, Request, StatusCode, header};
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
