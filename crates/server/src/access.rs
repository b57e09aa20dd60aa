//! Who may call, and how often: API keys and a rate per caller. Without a file of keys everybody is let in, and a
//! caller is an address; with one, a caller is the holder of a key.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::HeaderMap;
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::app::App;
use crate::body::Incoming;
use crate::keys::KeyStore;
use crate::problem::{Code, Problem};
use crate::{integrations, request};

/// After so many requests callers that have been away for long are forgotten.
const FORGET_EVERY: u64 = 4096;

/// The keys and the limit.
pub(crate) struct Access {
    keys: Option<Arc<KeyStore>>,
    rate: Option<DefaultKeyedRateLimiter<Caller>>,
    requests: AtomicU64,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Caller {
    /// The holder of a key.
    Holder(Arc<str>),
    /// Somebody at an address.
    Address(IpAddr),
    /// Somebody who did not come over a socket.
    Inside,
}

impl Caller {
    /// The name of the key's holder, for the log. Addresses are not logged.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Holder(name) => Some(name),
            Self::Address(_) | Self::Inside => None,
        }
    }
}

impl Access {
    /// Lets in who has one of the keys (everybody, if there is no store of them), so often a second.
    pub(crate) fn new(keys: Option<Arc<KeyStore>>, rate: Option<NonZeroU32>) -> Self {
        let rate = rate.map(|rate| RateLimiter::keyed(Quota::per_second(rate)));
        Self { keys, rate, requests: AtomicU64::new(0) }
    }

    fn identify(&self, request: &Request) -> Result<Caller, Problem> {
        let Some(keys) = &self.keys else {
            let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
            return Ok(peer.map_or(Caller::Inside, |ConnectInfo(peer)| Caller::Address(peer.ip())));
        };
        let refuse = |detail: &str| {
            let how = "send Authorization: Bearer KEY, or X-API-Key: KEY";
            Problem::new(Code::Unauthorized, format!("{detail}: {how}"))
        };
        let presented = presented(request.headers()).map(str::to_owned);
        let presented = presented
            .or_else(|| integrations::presented(request.uri(), request.headers()))
            .ok_or_else(|| refuse("this service wants an API key"))?;
        keys.check(&presented).map(Caller::Holder).ok_or_else(|| refuse("the API key is not known"))
    }

    fn admit(&self, caller: &Caller) -> Result<(), Problem> {
        let Some(rate) = &self.rate else { return Ok(()) };
        if self.requests.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            rate.retain_recent();
        }
        rate.check_key(caller).map_err(|until| {
            let seconds = until.wait_time_from(DefaultClock::default().now()).as_secs_f64().ceil().max(1.0);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few seconds, at least one")]
            let seconds = seconds as u64;
            let detail = format!("more requests than this service allows a caller; try again in {seconds} s");
            Problem::new(Code::RateLimited, detail).retry_after(seconds)
        })
    }
}

/// The key that a request comes with.
fn presented(headers: &HeaderMap) -> Option<&str> {
    if let Some(key) = headers.get("x-api-key") {
        return key.to_str().ok();
    }
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
}

/// Lets in who may come in; the answer carries who it was, for the log.
pub(crate) async fn check(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let caller = match app.access().identify(&request) {
        Ok(caller) => caller,
        Err(problem) => return refuse(problem, request, &app).await,
    };
    request.extensions_mut().insert(caller.clone());
    let mut response = match app.access().admit(&caller) {
        Ok(()) => next.run(request).await,
        Err(problem) => refuse(problem, request, &app).await,
    };
    response.extensions_mut().insert(caller);
    response
}

/// Refuses a request so that a client which is still sending gets to read why.
async fn refuse(problem: Problem, refused: Request, app: &App) -> Response {
    let (head, body) = refused.into_parts();
    let problem = request::refuse(problem, &head.headers, Incoming::new(body, app.limits().idle_timeout)).await;
    integrations::refusal(&head.uri, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_in_either_header() {
        let of = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            presented(&headers).map(str::to_owned)
        };
        assert_eq!(of("authorization", "Bearer dl_x").as_deref(), Some("dl_x"));
        assert_eq!(of("authorization", "bearer  dl_x ").as_deref(), Some("dl_x"));
        assert_eq!(of("x-api-key", "dl_x").as_deref(), Some("dl_x"));
        assert_eq!(of("authorization", "Basic dl_x"), None);
        assert_eq!(of("authorization", "dl_x"), None);
    }

    #[test]
    fn one_caller_is_slowed_down_and_another_is_not() {
        let access = Access::new(None, NonZeroU32::new(2));
        let (one, two) = (Caller::Holder(Arc::from("one")), Caller::Holder(Arc::from("two")));
        assert!(access.admit(&one).is_ok() && access.admit(&one).is_ok());
        let problem = access.admit(&one).unwrap_err();
        assert_eq!((problem.code, problem.retry_after), (Code::RateLimited, Some(1)));
        assert!(access.admit(&two).is_ok());
    }
}
