//! For whoever starts, stops and watches the service: live, ready, metrics. Live says that the process answers at all;
//! ready that it can annotate. A device that is started again, or a shutdown that has begun, makes it live but not ready; if no
//! device can be brought to work at all, it is not live either, and should be started anew.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing};
use dateline_engine::DeviceState;
use serde::Serialize;

use crate::app::App;
use crate::problem::{self, Code, Problem};

/// The routes that probes ask, none of which needs a key.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/health/live", routing::get(live)).route("/health/ready", routing::get(ready))
}

#[derive(Serialize)]
struct Live {
    status: &'static str,
}

#[derive(Serialize)]
struct Ready<'a> {
    status: &'static str,
    devices: Vec<Device>,
    models: Vec<&'a str>,
}

/// A device and what it does.
#[derive(Serialize)]
pub(crate) struct Device {
    device: String,
    state: &'static str,
}

async fn live(State(app): State<App>) -> Result<Response, Problem> {
    check_works(&app)?;
    Ok(fresh(Json(Live { status: "live" })))
}

/// Refuses work, and a probe's question whether the process is of use, if no device can be brought to work. The engine
/// goes on trying; a new process may fare better.
pub(crate) fn check_works(app: &App) -> Result<(), Problem> {
    if app.engine().is_failing() {
        let detail = "no device can be brought to work; the operator of the service sees why";
        return Err(Problem::new(Code::NotReady, detail).retry_after(10));
    }
    Ok(())
}

async fn ready(State(app): State<App>) -> Result<Response, Problem> {
    let devices = check_ready(&app)?;
    let models = app.engine().models().iter().map(|model| model.name.as_str()).collect();
    Ok(fresh(Json(Ready { status: "ready", devices, models })))
}

/// The devices, if all of them can annotate and no shutdown has begun.
pub(crate) fn check_ready(app: &App) -> Result<Vec<Device>, Problem> {
    if app.is_draining() {
        return Err(problem::draining());
    }
    let devices: Vec<Device> = app
        .engine()
        .devices()
        .into_iter()
        .map(|status| Device {
            device: status.device,
            state: match status.state {
                DeviceState::Starting => "starting",
                DeviceState::Ready => "ready",
                DeviceState::Restarting => "restarting",
                DeviceState::Failing => "failing",
            },
        })
        .collect();
    if let Some(device) = devices.iter().find(|device| device.state != "ready") {
        let detail = format!("the device {} is {}; ask again soon", device.device, device.state);
        return Err(Problem::new(Code::NotReady, detail).retry_after(1));
    }
    Ok(devices)
}

/// All that is counted, as OpenMetrics text.
pub(crate) async fn metrics(State(app): State<App>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    fresh(([(header::CONTENT_TYPE, kind)], app.metrics().text()))
}

/// An answer that nobody may keep: it holds for this moment.
pub(crate) fn fresh(response: impl IntoResponse) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], response).into_response()
}
