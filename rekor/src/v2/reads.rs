//! Static reads of C2SP tlog-tiles: checkpoint, tiles, entry bundles (spec C.2).

use crate::v2::error::ApiError;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, header};
use merkle::tile;
use tlog::Log;

/// A full tile never changes; a week is what Tessera says.
const FULL: HeaderValue = HeaderValue::from_static("max-age=604800, immutable");
/// A partial tile does not change either, but is of no use once the tree has grown past it.
const PARTIAL: HeaderValue = HeaderValue::from_static("max-age=60");
const CHECKPOINT: HeaderValue = HeaderValue::from_static("no-cache");

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// The newest committed checkpoint. Everything that it implies can be read (invariant 3).
pub(crate) fn checkpoint(log: &Log) -> Response {
    file(log.head().checkpoint.clone(), TEXT, CHECKPOINT)
}

/// The file at `tile/<level>/<path>`, where level `entries` means entry bundles.
pub(crate) async fn tile(log: &Log, level: &str, path: &str) -> Result<Response, ApiError> {
    let (index, width) = tile::parse_index_path(path).map_err(|_| ApiError::not_found())?;
    let bytes = match level {
        "entries" => log.bundle(index, width).await?,
        level => {
            let level = tile::parse_level(level).map_err(|_| ApiError::not_found())?;
            log.tile(level, index, width).await?
        }
    };
    let cache = if width == tile::WIDTH { FULL } else { PARTIAL };
    Ok(file(bytes.ok_or_else(ApiError::not_found)?, OCTETS, cache))
}

fn file(bytes: Bytes, content_type: HeaderValue, cache: HeaderValue) -> Response {
    (
        [
            (header::CONTENT_TYPE, content_type),
            (header::CACHE_CONTROL, cache),
        ],
        bytes,
    )
        .into_response()
}
