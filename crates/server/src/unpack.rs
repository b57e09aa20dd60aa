//! Zstandard bodies. The other encodings are undone by tower-http, which would let a zstd frame ask for a window of
//! 128 MiB: a few kilobytes from each of many connections would fill the memory, outside of every limit. RFC 9659 has
//! 8 MiB for what goes over HTTP.

use std::io;

use async_compression::tokio::bufread::ZstdDecoder;
use async_compression::zstd::DParameter;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use tokio_stream::StreamExt;
use tokio_util::io::{ReaderStream, StreamReader};

/// The base-two logarithm of the largest window.
const WINDOW_LOG: u32 = 23;

/// Unpacks a body that says it is packed with zstd.
pub(crate) async fn zstd(request: Request, next: Next) -> Response {
    let encoding = request.headers().get(header::CONTENT_ENCODING);
    if !encoding.is_some_and(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"zstd")) {
        return next.run(request).await;
    }
    let (mut head, body) = request.into_parts();
    head.headers.remove(header::CONTENT_ENCODING);
    head.headers.remove(header::CONTENT_LENGTH);
    let packed = StreamReader::new(body.into_data_stream().map(|piece| piece.map_err(io::Error::other)));
    let decoder = ZstdDecoder::with_params(packed, &[DParameter::window_log_max(WINDOW_LOG)]);
    next.run(Request::from_parts(head, Body::from_stream(ReaderStream::new(decoder)))).await
}
