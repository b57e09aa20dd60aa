//! `POST /v1/annotate`: which body is read how, and what answers it.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::http::Uri;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use dateline_engine::{Failure, Lane, Outcome, Request};

use crate::app::App;
use crate::body::Incoming;
use crate::options::{OptionReader, Options};
use crate::problem::{Code, Problem};
use crate::request::{ACCEPTED, Format, aside, check_encoding, format, json, pairs, refuse, whole};
use crate::wire::{DocumentError, ManyAnswer, OneAnswer, Parsed, Texts, parse_body};
use crate::{health, ndjson};

/// Up to so many bytes a single text is taken for a story that somebody waits for; whatever is longer, and every batch
/// and stream, is bulk.
const INTERACTIVE_BYTES: usize = 16 << 10;
/// Annotates the texts of a body.
pub(crate) async fn annotate(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let mut body = Incoming::new(body, app.limits().idle_timeout);
    match answer(&app, &uri, &headers, &mut body).await {
        Ok(Answer::Whole(response)) => Ok(response),
        Ok(Answer::Lines(options)) => {
            if headers.contains_key(header::EXPECT) {
                // Reading gives the client leave to send; an answer that began without would be its final word.
                body.peek().await?;
            }
            Ok(stream(app, options, body))
        }
        Err(problem) => Err(refuse(problem, &headers, body).await),
    }
}

/// What answers a request: all at once, or line by line while its body is still coming.
enum Answer {
    Whole(Response),
    Lines(Options),
}

async fn answer(app: &App, uri: &Uri, headers: &HeaderMap, body: &mut Incoming) -> Result<Answer, Problem> {
    let format = format(headers)?;
    check_encoding(headers)?;
    let reader = query(app, uri)?;
    if format == Format::Lines {
        health::check_works(app)?;
        return Ok(Answer::Lines(reader.finish()?));
    }
    let (own, uri) = (app.clone(), uri.clone());
    // The query again: the options hold on to the models, and the text may be read on another thread.
    let read = whole(app, headers, body, move |text| parse(text, format, &own, &uri)).await?;
    let ((options, texts), length, deadline) = (read.value, read.length, read.deadline);
    let asker = Asker { app, model: options.model, deadline };
    match texts {
        Texts::One(document) => {
            let outcome = asker.one(&document.text).await?;
            let document = document.answer(outcome, &options).map_err(|bad| bad.problem)?;
            let (app, offsets) = (app.clone(), options.offsets);
            let respond = move || {
                let model = &app.engine().models()[options.model].name;
                json(&OneAnswer { model, offsets, document })
            };
            Ok(Answer::Whole(aside(length, respond).await))
        }
        Texts::Many(documents) => many(asker, options, documents, length).await.map(Answer::Whole),
    }
}

fn parse(text: &str, format: Format, app: &App, uri: &Uri) -> Result<(Options, Texts), Problem> {
    // What begins otherwise is a form; nothing at all, or JSON of another kind, is told what it lacks.
    if format == Format::MaybeJson && !text.trim_start().is_empty() && !text.trim_start().starts_with(['{', '[', '"']) {
        let detail = format!("a form is not accepted: send {ACCEPTED}");
        return Err(Problem::new(Code::UnsupportedMediaType, detail));
    }
    parse_body(text, query(app, uri)?, app.limits().max_documents)
}

/// Hands the texts of one request to the engine.
pub(crate) struct Asker<'a> {
    pub(crate) app: &'a App,
    pub(crate) model: usize,
    pub(crate) deadline: Instant,
}

impl Asker<'_> {
    /// Annotates one text; somebody waits for it unless it is very long.
    pub(crate) async fn one(&self, text: &Arc<str>) -> Result<Outcome, Problem> {
        health::check_works(self.app)?;
        let lane = if text.len() <= INTERACTIVE_BYTES { Lane::Interactive } else { Lane::Bulk };
        Ok(self.app.engine().try_submit(self.request(text, lane))?.outcome().await)
    }

    /// Annotates a batch. A service that has no room for its first text says so at once; after that the batch waits.
    pub(crate) async fn many(&self, texts: &[Arc<str>]) -> Result<Vec<Outcome>, Problem> {
        health::check_works(self.app)?;
        self.app.engine().has_room(Lane::Bulk)?;
        let requests = texts.iter().map(|text| self.request(text, Lane::Bulk)).collect();
        let all = self.app.engine().annotate_all(requests);
        // The texts have the deadline each; waiting for room in the queue has it only here.
        let outcomes = tokio::time::timeout_at(self.deadline.into(), all).await.map_err(|_| Failure::Deadline)?;
        // Half a job is none: who gave up on a text gave up on the request.
        let given_up = outcomes.iter().find_map(|outcome| match outcome {
            Err(failure @ (Failure::Deadline | Failure::Stopped)) => Some(*failure),
            _ => None,
        });
        match given_up {
            Some(failure) => Err(failure.into()),
            None if !outcomes.is_empty() && outcomes.iter().all(Result::is_err) => {
                Err(Problem::new(Code::ModelFailed, "the model failed on every document of the request"))
            }
            None => Ok(outcomes),
        }
    }

    fn request(&self, text: &Arc<str>, lane: Lane) -> Request {
        Request { text: Arc::clone(text), model: self.model, lane, deadline: Some(self.deadline) }
    }
}

/// Annotates a batch. What is wrong with single documents stands beside the others.
async fn many(asker: Asker<'_>, options: Options, parsed: Vec<Parsed>, length: usize) -> Result<Response, Problem> {
    let texts: Vec<Arc<str>> = parsed.iter().flatten().map(|document| Arc::clone(&document.text)).collect();
    let outcomes = match asker.many(&texts).await {
        // Other documents of the body were at fault by themselves: each is told its own.
        Err(problem) if problem.code == Code::ModelFailed && texts.len() < parsed.len() => {
            vec![Err(Failure::Model); texts.len()]
        }
        outcomes => outcomes?,
    };
    let app = asker.app.clone();
    let respond = move || {
        let mut outcomes = outcomes.into_iter();
        let (mut documents, mut errors) = (Vec::with_capacity(texts.len()), Vec::new());
        for (index, parsed) in parsed.into_iter().enumerate() {
            let answer = parsed
                .and_then(|document| document.answer(outcomes.next().expect("every text has an outcome"), &options));
            match answer {
                Ok(annotated) => documents.push(annotated),
                Err(bad) => errors.push(DocumentError { index, bad }),
            }
        }
        let model = &app.engine().models()[options.model].name;
        json(&ManyAnswer { model, offsets: options.offsets, documents, errors })
    };
    Ok(aside(length, respond).await)
}

/// Answers line by line; the model and the offset unit, which hold for every line, are named in headers.
fn stream(app: App, options: Options, body: Incoming) -> Response {
    let unit = HeaderValue::from_static(options.offsets.name());
    let model = HeaderValue::from_str(&app.engine().models()[options.model].name);
    let mut response = ndjson::annotate(app, options, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(HeaderName::from_static("dateline-offsets"), unit);
    // A name that no header can hold is still in every other kind of answer.
    if let Ok(model) = model {
        headers.insert(HeaderName::from_static("dateline-model"), model);
    }
    response
}

fn query<'a>(app: &'a App, uri: &Uri) -> Result<OptionReader<'a>, Problem> {
    OptionReader::new(app.engine().models()).query(&pairs(uri)?)
}
