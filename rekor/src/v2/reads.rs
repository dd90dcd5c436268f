//! Static reads of C2SP tlog-tiles: checkpoint, tiles, entry bundles (spec C.2).
//!
//! Every answer has an entity tag, so that a reader who has it already is told so in a few bytes. Entry bundles are
//! compressed for readers that take gzip, as C2SP asks; hashes do not compress.

use crate::v2::error::ApiError;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use headers::{ETag, HeaderMapExt, IfNoneMatch};
use http::{Extensions, HeaderMap, HeaderValue, StatusCode, Version, header};
use merkle::tile;
use sha2::{Digest, Sha256};
use tlog::Log;

/// A full tile never changes; a week is what Tessera says.
const FULL: HeaderValue = HeaderValue::from_static("max-age=604800, immutable");
/// A partial tile does not change either, but is of no use once the tree has grown past it.
const PARTIAL: HeaderValue = HeaderValue::from_static("max-age=60");
const CHECKPOINT: HeaderValue = HeaderValue::from_static("no-cache");

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Marks an answer that is worth compressing.
#[derive(Clone, Copy)]
struct Compressible;

/// Tells the compression layer which answers are worth it.
pub(crate) fn is_compressible(
    _: StatusCode,
    _: Version,
    _: &HeaderMap,
    extensions: &Extensions,
) -> bool {
    extensions.get::<Compressible>().is_some()
}

/// The newest committed checkpoint. Everything that it implies can be read (invariant 3).
pub(crate) fn checkpoint(log: &Log, asked: &HeaderMap) -> Response {
    file(log.head().checkpoint.clone(), TEXT, CHECKPOINT, asked)
}

/// The file at `tile/<level>/<path>`, where level `entries` means entry bundles.
pub(crate) async fn tile(
    log: &Log,
    level: &str,
    path: &str,
    asked: &HeaderMap,
) -> Result<Response, ApiError> {
    let (index, width) = tile::parse_index_path(path).map_err(|_| ApiError::not_found())?;
    let is_bundle = level == "entries";
    let bytes = match is_bundle {
        true => log.bundle(index, width).await?,
        false => {
            let level = tile::parse_level(level).map_err(|_| ApiError::not_found())?;
            log.tile(level, index, width).await?
        }
    };
    let bytes = bytes.ok_or_else(ApiError::not_found)?;
    let cache = if width == tile::WIDTH { FULL } else { PARTIAL };
    let mut response = file(bytes, OCTETS, cache, asked);
    if is_bundle {
        response.extensions_mut().insert(Compressible);
    }
    Ok(response)
}

/// The bytes, or 304 for who has them already (RFC 9110 section 13.1.2).
fn file(bytes: Bytes, kind: HeaderValue, cache: HeaderValue, asked: &HeaderMap) -> Response {
    let tag = entity_tag(&bytes);
    let has_it = asked
        .typed_get::<IfNoneMatch>()
        .is_some_and(|condition| !condition.precondition_passes(&tag));
    let mut response = match has_it {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(header::CONTENT_TYPE, kind)], bytes).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, cache);
    headers.typed_insert(tag);
    response
}

/// A weak tag, because compressed and plain bytes share it (RFC 9110 section 8.8.1): 64 bits of their hash.
fn entity_tag(bytes: &[u8]) -> ETag {
    let hash = Sha256::digest(bytes);
    let text = format!("W/\"{}\"", hex::encode(&hash[..8]));
    text.parse().expect("hex digits are a tag")
}
