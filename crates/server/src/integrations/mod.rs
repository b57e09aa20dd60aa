//! Protocols of other products, each in a module of its own: their clients talk to this service as they are. Every one
//! reads bodies, asks the engine and is let in like the service's own routes, and says what went wrong in its client's
//! shape.

pub(crate) mod comprehend;
pub(crate) mod label_studio;
pub(crate) mod labels;

use axum::Router;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::hf;
use crate::problem::Problem;

pub use comprehend::ComprehendSettings;
pub use label_studio::LabelStudioSettings;
pub use labels::LabelMap;

/// What the operator says of each protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Integrations {
    /// Amazon Comprehend.
    pub comprehend: ComprehendSettings,
    /// Label Studio's machine learning backend.
    pub label_studio: LabelStudioSettings,
}

impl Integrations {
    /// What holds where nobody says otherwise.
    #[must_use]
    pub fn standard() -> Self {
        Self { comprehend: ComprehendSettings::standard(), label_studio: LabelStudioSettings::standard() }
    }

    /// These settings, and those of `other` where these say nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            comprehend: self.comprehend.or(other.comprehend),
            label_studio: self.label_studio.or(other.label_studio),
        }
    }

    /// Whether the protocols can keep to the settings.
    ///
    /// # Errors
    /// What cannot be kept to, with the key that says it.
    pub fn check(&self) -> Result<(), String> {
        self.comprehend.check()
    }
}

/// The routes of all protocols.
pub(crate) fn routes() -> Router<App> {
    Router::new().merge(comprehend::routes()).merge(label_studio::routes())
}

/// Whether the route at `uri` takes POST and nothing else.
pub(crate) fn is_posted(uri: &Uri) -> bool {
    let path = uri.path().strip_prefix("/integrations/");
    path.is_some_and(|path| !path.ends_with("/health") && !path.ends_with("/versions"))
}

/// The key that a request comes with where the protocol has a way of its own to send one.
pub(crate) fn presented(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    if comprehend::is_asked(uri) {
        comprehend::presented(headers)
    } else if label_studio::is_asked(uri) {
        label_studio::presented(headers)
    } else {
        None
    }
}

/// The answer to a request for `uri` that is refused before its route sees it, in the shape of the route's protocol.
pub(crate) fn refusal(uri: &Uri, problem: Problem) -> Response {
    if hf::is_asked(uri) {
        hf::refusal(problem)
    } else if comprehend::is_asked(uri) {
        comprehend::refusal(problem)
    } else {
        problem.into_response()
    }
}
