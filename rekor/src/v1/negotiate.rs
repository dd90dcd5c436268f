//! Content negotiation of the v1 API (spec A.2).

use crate::body::{BodyError, read_body};
use crate::v1::error::ApiError;
use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};

pub(crate) const JSON: &str = "application/json";
pub(crate) const PEM: &str = "application/x-pem-file";

/// Checks that the client takes `offer`. No `Accept` header takes all.
pub(crate) fn check_accept(headers: &HeaderMap, offer: &'static str) -> Result<(), ApiError> {
    let mut ranges = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .peekable();
    if ranges.peek().is_none()
        || ranges
            .flat_map(|list| list.split(','))
            .any(|range| takes(range, offer))
    {
        return Ok(());
    }
    let message = format!("unsupported media type requested, only [{offer}] are available");
    Err(ApiError::new(StatusCode::NOT_ACCEPTABLE, message))
}

/// True when a media range of RFC 9110 section 12.5.1 covers `offer`.
fn takes(range: &str, offer: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    let refused = parts.any(|parameter| {
        let weight = parameter
            .strip_prefix("q=")
            .or_else(|| parameter.strip_prefix("Q="));
        weight
            .and_then(|q| q.parse::<f32>().ok())
            .is_some_and(|q| q <= 0.0)
    });
    let (offer_type, _) = offer.split_once('/').unwrap_or_default();
    let covers = media.is_empty()
        || media == "*/*"
        || media.eq_ignore_ascii_case(offer)
        || media
            .strip_suffix("/*")
            .is_some_and(|group| group.eq_ignore_ascii_case(offer_type));
    covers && !refused
}

/// Reads a JSON request body of at most `max` bytes.
pub(crate) async fn read_json(
    headers: &HeaderMap,
    body: Body,
    max: usize,
) -> Result<Bytes, ApiError> {
    // A request without body has no type to check: it fails later, for what it lacks.
    if !body.is_end_stream() {
        check_content_type(headers)?;
    }
    read_body(body, max).await.map_err(|problem| match problem {
        BodyError::TooLarge => ApiError::too_large(max),
        BodyError::Broken => ApiError::bad_request("the request body broke off"),
    })
}

fn check_content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    // go-openapi: no content type means application/octet-stream.
    let given = headers
        .get(header::CONTENT_TYPE)
        .map_or(Ok("application/octet-stream"), |v| v.to_str());
    let given = given.unwrap_or("");
    let media = given.split(';').next().unwrap_or_default().trim();
    if media.eq_ignore_ascii_case(JSON) {
        return Ok(());
    }
    let message = format!(
        "unsupported media type {:?}, only [{JSON}] are allowed",
        crate::echo(given)
    );
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_covers_by_type_group_or_all() {
        for range in [
            "*/*",
            "application/*",
            "application/json",
            "Application/JSON; q=0.5",
            "",
            " */* ",
        ] {
            assert!(takes(range, JSON), "{range}");
        }
        for range in [
            "text/html",
            "text/*",
            "application/xml",
            "application/json;q=0",
            "*/*; q=0.0",
        ] {
            assert!(!takes(range, JSON), "{range}");
        }
    }
}
