//! Protocols of other products, each in a module of its own: their clients talk to this service as they are. Every one
//! reads bodies, asks the engine and is let in like the service's own routes, and says what went wrong in its client's
//! shape.

mod basic;
pub(crate) mod imatrics;
pub(crate) mod inception;
pub(crate) mod labels;
pub(crate) mod open_inference;

use axum::Router;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::hf;
use crate::problem::Problem;

pub use imatrics::ImatricsSettings;
pub use inception::InceptionSettings;
pub use labels::LabelMap;
pub use open_inference::OpenInferenceSettings;

/// What the operator says of each protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Integrations {
    /// iMatrics, which Superdesk speaks.
    pub imatrics: ImatricsSettings,
    /// INCEpTION's external recommender.
    pub inception: InceptionSettings,
    /// The Open Inference Protocol.
    pub open_inference: OpenInferenceSettings,
}

impl Integrations {
    /// What holds where nobody says otherwise.
    #[must_use]
    pub fn standard() -> Self {
        Self {
            imatrics: ImatricsSettings::standard(),
            inception: InceptionSettings::standard(),
            open_inference: OpenInferenceSettings::standard(),
        }
    }

    /// These settings, and those of `other` where these say nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            imatrics: self.imatrics.or(other.imatrics),
            inception: self.inception.or(other.inception),
            open_inference: self.open_inference.or(other.open_inference),
        }
    }
}

/// The routes of all protocols.
pub(crate) fn routes() -> Router<App> {
    Router::new().merge(imatrics::routes()).merge(inception::routes()).merge(open_inference::routes())
}

/// Routes of protocols that want no key.
pub(crate) fn open_routes() -> Router<App> {
    open_inference::open_routes()
}

/// The key that a request comes with where the protocol has a way of its own to send one.
pub(crate) fn presented(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let ours = imatrics::is_asked(uri) || inception::is_asked(uri) || open_inference::is_asked(uri);
    if ours { basic::password(headers) } else { None }
}

/// The method that a path of a protocol takes.
pub(crate) fn method(uri: &Uri) -> Option<Method> {
    if open_inference::is_asked(uri) {
        Some(open_inference::method(uri))
    } else if imatrics::is_asked(uri) || inception::is_asked(uri) || hf::is_asked(uri) {
        Some(Method::POST)
    } else {
        None
    }
}

/// The answer to a request for `uri` that is refused before its route sees it, in the shape of the route's protocol.
pub(crate) fn refusal(uri: &Uri, problem: Problem) -> Response {
    if hf::is_asked(uri) {
        hf::refusal(problem)
    } else if open_inference::is_asked(uri) {
        open_inference::refusal(problem)
    } else {
        problem.into_response()
    }
}
