//! The web page, inside the binary: it works without any other host and may load nothing from one.

use std::sync::LazyLock;

use axum::Router;

use crate::assets::{self, Asset, CSS, HTML, SCRIPT};

/// What the page may do: load its own files and talk to its own service.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static ASSETS: LazyLock<[Asset; 8]> = LazyLock::new(|| {
    [
        Asset::new("/", HTML, include_bytes!("../../../web/index.html").as_slice()),
        Asset::new("/style.css", CSS, include_bytes!("../../../web/style.css").as_slice()),
        Asset::new("/app.js", SCRIPT, include_bytes!("../../../web/app.js").as_slice()),
        Asset::new("/access.js", SCRIPT, include_bytes!("../../../web/access.js").as_slice()),
        Asset::new("/dom.js", SCRIPT, include_bytes!("../../../web/dom.js").as_slice()),
        Asset::new("/result.js", SCRIPT, include_bytes!("../../../web/result.js").as_slice()),
        Asset::new("/service.js", SCRIPT, include_bytes!("../../../web/service.js").as_slice()),
        Asset::new("/favicon.svg", "image/svg+xml", include_bytes!("../../../web/favicon.svg").as_slice()),
    ]
});

/// The page's routes.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    assets::routes(Router::new(), ASSETS.as_slice(), POLICY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_all_of_its_files_and_no_others() {
        for asset in ASSETS.iter() {
            // The icon must name the namespace of its markup.
            let content = std::str::from_utf8(&asset.content).unwrap().replace("http://www.w3.org/2000/svg", "");
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
