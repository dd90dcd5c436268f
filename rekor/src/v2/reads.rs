//! Static reads of C2SP tlog-tiles: checkpoint, tiles, entry bundles (spec C.2).
//!
//! Every answer has an entity tag, so that a reader who has it already is told so in a few bytes. Entry bundles are
//! compressed for readers that take gzip, as C2SP asks; hashes do not compress.

use crate::v2::error::ApiError;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use headers::{ETag, HeaderMapExt, IfNoneMatch};
use http::{Extensions, HeaderMap, HeaderValue, StatusCode, Version, header};
use merkle::tile;
use quick_cache::sync::Cache;
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

/// Full tiles that were asked for, ready to be sent: 8 KiB each, so 1 MiB a log.
const TILES: usize = 128;

/// The newest committed checkpoint. Everything that it implies can be read (invariant 3).
pub(crate) fn checkpoint(log: &Log, asked: &HeaderMap) -> Response {
    let file = File::new(log.head().checkpoint.clone());
    file.answer(TEXT, CHECKPOINT, asked)
}

/// Splits a path that ends in `tile/<level>/<index>` into level and index.
pub(crate) fn split(path: &str) -> Result<(&str, &str), ApiError> {
    let (_, rest) = path.split_once("/tile/").ok_or_else(ApiError::not_found)?;
    rest.split_once('/').ok_or_else(ApiError::not_found)
}

/// The newest full tiles that somebody asked for. They never change.
pub(crate) struct Tiles(Cache<(u8, u64), File>);

impl Default for Tiles {
    fn default() -> Self {
        Self(Cache::new(TILES))
    }
}

impl Tiles {
    /// The file at `tile/<level>/<path>`.
    pub(crate) async fn tile(
        &self,
        log: &Log,
        level: &str,
        path: &str,
        asked: &HeaderMap,
    ) -> Result<Response, ApiError> {
        let (index, width) = tile::parse_index_path(path).map_err(|_| ApiError::not_found())?;
        let level = tile::parse_level(level).map_err(|_| ApiError::not_found())?;
        let is_full = width == tile::WIDTH;
        let kept = is_full.then(|| self.0.get(&(level, index))).flatten();
        let file = match kept {
            Some(file) => file,
            None => {
                let bytes = log.tile(level, index, width).await?;
                let file = File::new(bytes.ok_or_else(ApiError::not_found)?);
                if is_full {
                    self.0.insert((level, index), file.clone());
                }
                file
            }
        };
        Ok(file.answer(OCTETS, lifetime(width), asked))
    }
}

/// The entry bundle at `tile/entries/<path>`.
pub(crate) async fn bundle(log: &Log, path: &str, asked: &HeaderMap) -> Result<Response, ApiError> {
    let (index, width) = tile::parse_index_path(path).map_err(|_| ApiError::not_found())?;
    let bytes = log.bundle(index, width).await?;
    let file = File::new(bytes.ok_or_else(ApiError::not_found)?);
    let mut response = file.answer(OCTETS, lifetime(width), asked);
    response.extensions_mut().insert(Compressible);
    Ok(response)
}

fn lifetime(width: u16) -> HeaderValue {
    if width == tile::WIDTH { FULL } else { PARTIAL }
}

/// Bytes and their entity tag.
#[derive(Clone)]
struct File {
    bytes: Bytes,
    tag: HeaderValue,
}

impl File {
    fn new(bytes: Bytes) -> Self {
        let tag = entity_tag(&bytes);
        Self { bytes, tag }
    }

    /// The bytes, or 304 for who has them already (RFC 9110 section 13.1.2).
    fn answer(self, kind: HeaderValue, cache: HeaderValue, asked: &HeaderMap) -> Response {
        let has_it = asked.contains_key(header::IF_NONE_MATCH) && self.is_at(asked);
        let mut response = match has_it {
            true => StatusCode::NOT_MODIFIED.into_response(),
            false => {
                let mut response = Response::new(Body::from(self.bytes));
                response.headers_mut().insert(header::CONTENT_TYPE, kind);
                response
            }
        };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, cache);
        headers.insert(header::ETAG, self.tag);
        response
    }

    fn is_at(&self, asked: &HeaderMap) -> bool {
        let tag = self.tag.to_str().ok().and_then(|tag| tag.parse().ok());
        let condition = asked.typed_get::<IfNoneMatch>();
        tag.zip(condition)
            .is_some_and(|(tag, condition): (ETag, _)| !condition.precondition_passes(&tag))
    }
}

/// A weak tag, because compressed and plain bytes share it (RFC 9110 section 8.8.1): 64 bits of their hash.
fn entity_tag(bytes: &[u8]) -> HeaderValue {
    let hash = Sha256::digest(bytes);
    let text = format!("W/\"{}\"", hex::encode(&hash[..8]));
    HeaderValue::try_from(text).expect("hex digits and quotes are a header value")
}
