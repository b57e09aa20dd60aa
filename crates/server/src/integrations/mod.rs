//! Protocols of other products, each in a module of its own: their clients talk to this service as they are. Every one
//! reads bodies, asks the engine and is let in like the service's own routes, and says what went wrong in its client's
//! shape.

pub(crate) mod comprehend;
pub(crate) mod imatrics;
pub(crate) mod inception;
pub(crate) mod label_studio;
pub(crate) mod labels;
pub(crate) mod ninjs;
pub(crate) mod open_inference;

use axum::Router;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::hf;
use crate::problem::Problem;

pub use comprehend::ComprehendSettings;
pub use imatrics::ImatricsSettings;
pub use inception::InceptionSettings;
pub use label_studio::LabelStudioSettings;
pub use labels::LabelMap;
pub use open_inference::OpenInferenceSettings;

/// What the operator says of each protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Integrations {
    /// Amazon Comprehend.
    pub comprehend: ComprehendSettings,
    /// iMatrics, which Superdesk speaks.
    pub imatrics: ImatricsSettings,
    /// INCEpTION's external recommender.
    pub inception: InceptionSettings,
    /// Label Studio's machine learning backend.
    pub label_studio: LabelStudioSettings,
    /// The Open Inference Protocol.
    pub open_inference: OpenInferenceSettings,
}

impl Integrations {
    /// What holds where nobody says otherwise.
    #[must_use]
    pub fn standard() -> Self {
        Self {
            comprehend: ComprehendSettings::standard(),
            imatrics: ImatricsSettings::standard(),
            inception: InceptionSettings::default(),
            label_studio: LabelStudioSettings::standard(),
            open_inference: OpenInferenceSettings::default(),
        }
    }

    /// These settings, and those of `other` where these say nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            comprehend: self.comprehend.or(other.comprehend),
            imatrics: self.imatrics.or(other.imatrics),
            inception: self.inception.or(other.inception),
            label_studio: self.label_studio.or(other.label_studio),
            open_inference: self.open_inference.or(other.open_inference),
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
    Router::new()
        .merge(comprehend::routes())
        .merge(imatrics::routes())
        .merge(inception::routes())
        .merge(label_studio::routes())
        .merge(ninjs::routes())
        .merge(open_inference::routes())
}

/// Routes that probes ask, none of which needs a key.
pub(crate) fn open_routes() -> Router<App> {
    open_inference::open_routes()
}

/// Whether the route at `uri` takes POST and nothing else.
pub(crate) fn is_posted(uri: &Uri) -> bool {
    let path = uri.path().strip_prefix("/integrations/");
    let is_posted = path.is_some_and(|path| !path.ends_with("/health") && !path.ends_with("/versions"));
    is_posted || ninjs::is_asked(uri) || open_inference::is_posted(uri)
}

/// The key that a request comes with where the protocol has a way of its own to send one.
pub(crate) fn presented(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    if comprehend::is_asked(uri) {
        comprehend::presented(headers)
    } else if label_studio::is_asked(uri)
        || imatrics::is_asked(uri)
        || inception::is_asked(uri)
        || open_inference::is_asked(uri)
    {
        // The password of basic authentication.
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
    } else if open_inference::is_asked(uri) {
        open_inference::refusal(problem)
    } else {
        problem.into_response()
    }
}
