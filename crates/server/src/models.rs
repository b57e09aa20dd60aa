//! What is served: `GET /v1/models` and `GET /v1/labels`.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use dateline_engine::ModelInfo;
use dateline_text::Label;
use serde::Serialize;

use crate::app::App;
use crate::problem::{Code, Problem};
use crate::request::{json, pairs};

#[derive(Serialize)]
struct Models<'m> {
    models: Vec<Model<'m>>,
}

#[derive(Serialize)]
struct Model<'m> {
    name: &'m str,
    default: bool,
    architecture: &'m str,
    window_tokens: usize,
    precision: &'static str,
    labels: &'m [Label],
}

/// All models, the default one first.
pub(crate) async fn models(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    if let Some((name, _)) = pairs(&uri)?.first() {
        let detail = format!("unknown query parameter `{name}`; this list takes none");
        return Err(Problem::of_field(Code::UnknownField, name, detail));
    }
    let models = app.engine().models().iter().enumerate().map(|(index, info)| model(index, info));
    Ok(json(&Models { models: models.collect() }))
}

fn model(index: usize, info: &ModelInfo) -> Model<'_> {
    Model {
        name: &info.name,
        default: index == 0,
        architecture: &info.architecture,
        window_tokens: info.window_tokens,
        precision: info.precision.name(),
        labels: &info.labels,
    }
}

#[derive(Serialize)]
struct Labels<'m> {
    model: &'m str,
    labels: &'m [Label],
}

/// The labels of one model, or of the default one.
pub(crate) async fn labels(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let models = app.engine().models();
    let mut model = &models[0];
    for (name, value) in pairs(&uri)? {
        if name != "model" {
            let detail = format!("unknown query parameter `{name}`; known is model");
            return Err(Problem::of_field(Code::UnknownField, name, detail));
        }
        model = models.iter().find(|model| model.name == value).ok_or_else(|| {
            let detail = format!("`model`: there is no model {value:?}; GET /v1/models names them");
            Problem::of_field(Code::InvalidField, "model", detail)
        })?;
    }
    Ok(json(&Labels { model: &model.name, labels: &model.labels }))
}
