//! Reads request bodies within bounds of memory.

use super::json::bad;
use crate::limits::{BODY_BYTES, SMALL_BODY_BYTES};
use axum::body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use service::error::{Code, GatewayError};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A body, and its place among the large ones. Keep it until the request is answered: what is decoded
/// from a large body is large as well.
pub(super) struct Held {
    pub(super) bytes: Vec<u8>,
    _place: Option<OwnedSemaphorePermit>,
}

/// Reads a body of at most [`BODY_BYTES`].
///
/// What is longer than [`SMALL_BODY_BYTES`] needs one of `places` to be read on. So senders of large
/// or slow bodies are in the way of each other, never of the requests that clients really send.
pub(super) async fn read(places: &Arc<Semaphore>, body: Body) -> Result<Held, GatewayError> {
    let mut body = Limited::new(body, BODY_BYTES);
    let mut bytes = Vec::new();
    let mut place = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|e| unreadable(&*e))?.into_data() else {
            continue;
        };
        if place.is_none() && bytes.len() + data.len() > SMALL_BODY_BYTES {
            let taken = places.clone().try_acquire_owned();
            place = Some(taken.map_err(|_| too_many())?);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Held {
        bytes,
        _place: place,
    })
}

fn unreadable(error: &(dyn std::error::Error + Send + Sync + 'static)) -> GatewayError {
    if error.is::<LengthLimitError>() {
        // Fulcio answers 400 with these words, not 413.
        return bad("http: request body too large");
    }
    bad("the request body could not be read")
}

fn too_many() -> GatewayError {
    let text = format!(
        "too many request bodies over {} KiB at once; try again in a second",
        SMALL_BODY_BYTES / 1024
    );
    GatewayError::new(Code::ResourceExhausted, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn code(places: &Arc<Semaphore>, length: usize) -> Option<Code> {
        let read = read(places, Body::from(vec![b' '; length])).await;
        read.err().map(|e| e.code)
    }

    #[tokio::test]
    async fn large_bodies_wait_for_a_place_and_small_ones_do_not() {
        let places = Arc::new(Semaphore::new(1));
        let held = read(&places, Body::from(vec![b' '; SMALL_BODY_BYTES + 1]))
            .await
            .unwrap_or_else(|e| panic!("{e:?}"));
        assert_eq!(held.bytes.len(), SMALL_BODY_BYTES + 1);
        assert_eq!(
            code(&places, SMALL_BODY_BYTES + 1).await,
            Some(Code::ResourceExhausted)
        );
        assert_eq!(code(&places, SMALL_BODY_BYTES).await, None);
        drop(held);
        assert_eq!(code(&places, BODY_BYTES).await, None);
        assert_eq!(
            code(&places, BODY_BYTES + 1).await,
            Some(Code::InvalidArgument)
        );
    }
}
