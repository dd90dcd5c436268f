//! Doors for the fuzz targets; not part of the API.

use crate::advice;
use crate::engine::Engine;
use crate::error::ApiError;
use crate::image::{ImageQuestion, Registries};
use crate::policies::Policies;
use crate::question::{Question, Wish, parse};
use crate::upload;
use crate::wire::{BatchRequest, CheckRequest, ImageRequest, SuggestRequest, VerifyRequest};
use axum::body::Body;
use bytes::Bytes;
use clock::Clock;
use futures::executor::block_on;
use futures::stream;
use prometheus::Registry;
use std::convert::Infallible;
use std::sync::OnceLock;
use time::OffsetDateTime;
use trust::Roots;

/// The boundary of [`form`].
pub const BOUNDARY: &str = "b";
/// An artifact may have so many bytes in [`form`]: few, so that the limit is met.
pub const MAX_ARTIFACT: u64 = 4096;

/// Why a request got no verdict.
#[derive(Debug)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// The member that is meant.
    pub field: Option<String>,
    /// Characters of message and cure.
    pub length: usize,
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self {
            status: error.status.as_u16(),
            field: error.body.field,
            length: error.body.message.chars().count() + error.body.cure.chars().count(),
        }
    }
}

/// Reads a JSON body as a request of each kind; what can be answered without a registry is answered.
pub fn requests(json: &[u8]) -> Vec<Refusal> {
    let (roots, policies) = (roots(), &Policies::default());
    let now = OffsetDateTime::UNIX_EPOCH + time::Duration::days(365 * 56);
    let verify = || {
        let request: VerifyRequest = parse(json)?;
        answer(request.question(roots, policies)?)
    };
    let image = || {
        let request: ImageRequest = parse(json)?;
        ImageQuestion::read(&request, &Registries::Loopback, (roots, policies)).map(drop)
    };
    let answers = [
        verify(),
        image(),
        parse::<BatchRequest>(json).map(drop),
        parse::<CheckRequest>(json)
            .and_then(|request| advice::check(&request))
            .map(drop),
        parse::<SuggestRequest>(json)
            .and_then(|request| advice::suggest(request, roots, now))
            .map(drop),
    ];
    let refused = answers.into_iter().filter_map(Result::err);
    refused.map(Refusal::from).collect()
}

/// Reads an upload that arrives in pieces of `step` bytes, and answers it.
///
/// # Errors
/// With what the caller would be told.
pub fn form(body: &[u8], step: usize) -> Result<(), Refusal> {
    let (roots, policies) = (roots(), &Policies::default());
    let pieces = body.chunks(step.max(1)).map(Bytes::copy_from_slice);
    let pieces: Vec<Result<Bytes, Infallible>> = pieces.map(Ok).collect();
    let body = Body::from_stream(stream::iter(pieces));
    let content_type = format!("{}; boundary={BOUNDARY}", upload::FORM);
    let read = upload::read(&content_type, body, MAX_ARTIFACT, (roots, policies), None);
    Ok(answer(block_on(read)?)?)
}

fn answer((question, _): (Question, Wish)) -> Result<(), ApiError> {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| Engine::new(Clock::system()));
    engine.answer(&question).map(drop)
}

/// The public instance's root, under its own name and as the default one.
fn roots() -> &'static Roots {
    static ROOTS: OnceLock<Roots> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let roots = Roots::builder().embedded().embedded_as(trust::DEFAULT);
        let built = block_on(roots.build(Clock::system(), &Registry::new()));
        built.unwrap_or_else(|error| unreachable!("the embedded root is a root: {error}"))
    })
}
