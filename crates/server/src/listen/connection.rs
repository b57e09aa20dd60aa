//! Serves one connection from its first byte to its last, within its limits.
//!
//! A peer that closes its sending side while it waits is taken to be gone, and its request is dropped: that frees the
//! model from work that nobody waits for. What it trades away are clients that half-close and still want an answer;
//! no common one does.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_io_timeout::TimeoutStream;

use super::tls::Tls;
use super::{ListenOptions, stopped};

/// The most that is held of a connection's bytes in each direction, and so the longest head of a request. Beyond it
/// hyper answers 431; cookies and tokens are far smaller.
pub(super) const BUFFER_BYTES: usize = 64 << 10;

/// What all connections have in common.
pub(super) struct Connections {
    router: Router,
    http: http1::Builder,
    tls: Option<Tls>,
    header_timeout: Duration,
    write_timeout: Duration,
    stopping: watch::Receiver<bool>,
}

impl Connections {
    pub(super) fn new(
        router: Router,
        options: &ListenOptions,
        tls: Option<Tls>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(options.header_timeout)
            .keep_alive(true)
            .half_close(false)
            .max_buf_size(BUFFER_BYTES);
        Self {
            // The routes are put together once, not for each request.
            router: router.with_state(()),
            http,
            tls,
            header_timeout: options.header_timeout,
            write_timeout: options.write_timeout,
            stopping,
        }
    }

    /// Serves the connection until either side ends it.
    pub(super) async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        // Answers are written whole; to wait for more would only make the last piece late.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "cannot set TCP_NODELAY");
        }
        // Below TLS, where a write is what the peer's system took, not what the TLS session took.
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.write_timeout));
        let stream = Box::pin(stream);

        let Some(tls) = &self.tls else {
            return self.speak(stream, peer).await;
        };
        let handshake = tokio::time::timeout(self.header_timeout, tls.acceptor().accept(stream));
        tokio::select! {
            shaken = handshake => match shaken {
                Ok(Ok(stream)) => self.speak(stream, peer).await,
                Ok(Err(error)) => tracing::debug!(%peer, %error, "the TLS handshake failed"),
                Err(_) => tracing::debug!(%peer, "the TLS handshake took too long"),
            },
            // No request is in flight yet.
            () = stopped(self.stopping.clone()) => {}
        }
    }

    /// Speaks HTTP on a stream that is ready for it.
    async fn speak<S>(&self, stream: S, peer: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let router = TowerToHyperService::new(self.router.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            router.call(request)
        });
        let mut connection = pin!(self.http.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            // First, so that a request that has arrived when the stop comes is in flight, not lost.
            biased;
            ended = &mut connection => ended,
            () = stopped(self.stopping.clone()) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "the connection ended early");
        }
    }
}
