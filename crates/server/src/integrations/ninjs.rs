//! `POST /v1/ninjs`: a story in IPTC's ninjs comes in, and goes back with the people, places, organisations and objects that
//! it speaks of. Nothing else of it is touched, and names that it has already are not added again.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use dateline_formats::ninjs::Item;
use dateline_formats::{Annotated, FormatError};
use dateline_text::{Document, entities};

use crate::annotate::Asker;
use crate::app::App;
use crate::body::Incoming;
use crate::options::OptionReader;
use crate::problem::{Code, Problem};
use crate::request::{aside, check_encoding, only_json, pairs, refuse, whole};

const PATH: &str = "/v1/ninjs";

/// The route.
pub(super) fn routes() -> Router<App> {
    Router::new().route(PATH, post(enrich))
}

/// Whether a request is for this route.
pub(super) fn is_asked(uri: &Uri) -> bool {
    uri.path() == PATH
}

async fn enrich(State(app): State<App>, uri: Uri, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let mut body = Incoming::new(body, app.limits().idle_timeout);
    match answer(&app, &uri, &headers, &mut body).await {
        Ok(response) => Ok(response),
        Err(problem) => Err(refuse(problem, &headers, body).await),
    }
}

async fn answer(app: &App, uri: &Uri, headers: &HeaderMap, body: &mut Incoming) -> Result<Response, Problem> {
    only_json(headers)?;
    check_encoding(headers)?;
    let options = OptionReader::new(app.engine().models()).query(&pairs(uri)?)?.finish()?;
    let read = whole(app, headers, body, |json| Ok((json.to_owned(), text_of(json)?))).await?;
    let ((story, text), length) = (read.value, read.length);
    let found = Asker { app, model: options.model, deadline: read.deadline }.one(&text).await??;
    let mentions = options.filter.apply(found);
    let model = app.engine().models()[options.model].name.clone();
    let enriched = aside(length, move || {
        let entities = entities::group(&text, &mentions);
        let document = Document { id: None, text: text.as_ref().to_owned() };
        let found = Annotated { entities, ..Annotated::new(document, mentions) };
        Item::parse(&story).and_then(|item| item.enriched(&found, Some(&model)))
    });
    let enriched = enriched.await.map_err(|error| malformed(&error))?;
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok((StatusCode::OK, [kind], enriched).into_response())
}

/// The text of a story that is to be annotated.
fn text_of(story: &str) -> Result<Arc<str>, Problem> {
    let text = Item::parse(story).and_then(|item| item.text()).map_err(|error| malformed(&error))?;
    let none = "the story has no text: send ninjs with a headline, a body or a description";
    text.map(Arc::from).ok_or_else(|| Problem::new(Code::MissingField, none))
}

fn malformed(error: &FormatError) -> Problem {
    Problem::new(Code::InvalidField, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_has_a_text_or_is_told_what_it_lacks() {
        let story = r#"{"uri":"x","headlines":[{"value":"Kyiv hit"}],"bodies":[{"contenttype":"text/plain","value":"Two drones."}]}"#;
        assert_eq!(text_of(story).unwrap().as_ref(), "Kyiv hit\n\nTwo drones.");
        assert_eq!(text_of(r#"{"uri":"x"}"#).unwrap_err().code, Code::MissingField);
        for bad in ["[]", "{", r#"{"uri":"x","headlines":5}"#] {
            assert_eq!(text_of(bad).unwrap_err().code, Code::InvalidField, "{bad}");
        }
    }
}
