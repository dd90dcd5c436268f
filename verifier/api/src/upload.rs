//! Uploads: a form whose last part, the artifact, streams by and is never held.

use crate::engine::read_bundle;
use crate::error::{ApiError, quoted};
use crate::limits;
use crate::policies::Policies;
use crate::question::{Question, Wish, missing_bundle, parse};
use crate::subject::Stream as Digests;
use crate::wire::VerifyRequest;
use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures::Stream;
use multer::{Constraints, Field, Multipart, SizeLimit};
use service::deadline::Deadline;
use std::pin::Pin;
use std::task::{Context, Poll};
use trust::Roots;

/// The media type of an upload, without its parameters.
pub(crate) const FORM: &str = "multipart/form-data";

/// Reads a form into a question. `deadline` is moved on while the artifact arrives.
pub(crate) async fn read(
    content_type: &str,
    body: Body,
    max_artifact: u64,
    (roots, policies): (&Roots, &Policies),
    deadline: Option<&Deadline>,
) -> Result<(Question, Wish), ApiError> {
    let boundary = multer::parse_boundary(content_type).map_err(form_error)?;
    let constraints = Constraints::new().size_limit(
        SizeLimit::new()
            .for_field("request", to_u64(limits::REQUEST_PART_BYTES))
            .for_field("bundle", to_u64(limits::BUNDLE_PART_BYTES))
            .for_field("artifact", max_artifact),
    );
    let stream = Paced::new(body.into_data_stream());
    let mut form = Multipart::with_constraints(stream, boundary, constraints);
    // 1. The question, so that its mistakes are told before the artifact is sent for nothing.
    let field = expect(&mut form, "request").await?;
    let parsed = parse(&whole(field, "request").await?);
    let mut request: VerifyRequest = parsed.map_err(|error| match error.body.field.as_deref() {
        Some("body") => error.at("request"),
        _ => error,
    })?;
    let demand = request.demand(roots, policies)?;
    let wish = request.wish()?;
    if request.artifact.is_some() {
        let cure = "leave it out: the part `artifact` is what is verified";
        return Err(ApiError::unreadable(
            "request.artifact",
            "it is given twice",
            cure,
        ));
    }
    // 2. The bundle, there or here.
    let mut field = next(&mut form).await?;
    let mut bundle = request.take_bundle();
    if field.name() == Some("bundle") {
        if bundle.is_some() {
            let cure = "give it in `request` or as a part, not both";
            return Err(ApiError::unreadable("bundle", "it is given twice", cure));
        }
        bundle = Some(whole(field, "bundle").await?);
        field = next(&mut form).await?;
    }
    let bundle = bundle.ok_or_else(missing_bundle)?;
    read_bundle(&bundle)?;
    // 3. The artifact, and nothing behind it.
    named(&field, "artifact")?;
    let subject = stream_artifact(field, deadline).await?.finish();
    if form.next_field().await.map_err(form_error)?.is_some() {
        let cure = format!("send {} parts at most, the artifact last", limits::PARTS);
        return Err(ApiError::unreadable("artifact", "a part follows it", cure));
    }
    Ok((
        Question {
            bundle,
            subject,
            demand,
        },
        wish,
    ))
}

/// Hashes what arrives. Two chunks of a connection's buffer are in memory at a time.
async fn stream_artifact(
    mut field: Field<'static>,
    deadline: Option<&Deadline>,
) -> Result<Digests, ApiError> {
    let mut digests = Digests::new();
    let mut extended = 0;
    while let Some(chunk) = field.chunk().await.map_err(form_error)? {
        // A tenth of a millisecond a chunk: not worth the way to another thread.
        let have = digests.update(&chunk);
        if have.saturating_sub(extended) >= limits::UPLOAD_STEP_BYTES {
            extended = have;
            if let Some(deadline) = deadline {
                deadline.extend(limits::UPLOAD_STEP_TIME);
            }
        }
    }
    Ok(digests)
}

/// A part that is small enough to be held: its limit is among the constraints.
async fn whole(field: Field<'static>, name: &str) -> Result<Vec<u8>, ApiError> {
    let bytes = field
        .bytes()
        .await
        .map_err(|error| form_error(error).at(name));
    Ok(bytes?.to_vec())
}

async fn next(form: &mut Multipart<'static>) -> Result<Field<'static>, ApiError> {
    let field = form.next_field().await.map_err(form_error)?;
    field.ok_or_else(|| {
        let cure =
            "send the parts request, bundle (or the bundle in request) and artifact, in this order";
        ApiError::unreadable("artifact", "the form has no such part", cure)
    })
}

async fn expect(form: &mut Multipart<'static>, name: &str) -> Result<Field<'static>, ApiError> {
    let field = next(form).await.map_err(|error| error.at(name))?;
    named(&field, name)?;
    Ok(field)
}

fn named(field: &Field<'_>, name: &str) -> Result<(), ApiError> {
    let have = field.name().unwrap_or_default();
    match have == name {
        true => Ok(()),
        false => {
            let message = format!("the part {:?} stands where {name} should", quoted(have));
            let cure = "send the parts request, bundle and artifact, in this order";
            Err(ApiError::unreadable(name, message, cure))
        }
    }
}

fn form_error(error: multer::Error) -> ApiError {
    match error {
        multer::Error::FieldSizeExceeded { limit, field_name } => {
            ApiError::too_large(field_name.unwrap_or_default(), limit)
        }
        multer::Error::StreamSizeExceeded { limit } => ApiError::too_large("body", limit),
        error => ApiError::unreadable(
            "body",
            quoted(&error.to_string()),
            "send multipart/form-data with a boundary, complete to its end",
        ),
    }
}

fn to_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Gives one chunk at a time. The form's reader takes chunks for as long as some are ready, into memory: from a sender that
/// is faster than hashing, the whole artifact. A pause behind each chunk ends its turn.
struct Paced {
    inner: BodyDataStream,
    pause: bool,
}

impl Paced {
    fn new(inner: BodyDataStream) -> Self {
        Self {
            inner,
            pause: false,
        }
    }
}

impl Stream for Paced {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.pause) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let next = Pin::new(&mut self.inner).poll_next(cx);
        self.pause = next.is_ready();
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;

    #[tokio::test]
    async fn a_sender_that_is_always_ready_gives_one_chunk_a_turn() {
        let chunks = stream::iter((0..3).map(|number| Ok::<_, std::io::Error>(vec![number])));
        let mut paced = Paced::new(Body::from_stream(chunks).into_data_stream());
        let mut turns = Vec::new();
        for _ in 0..6 {
            turns.push(match futures::poll!(futures::StreamExt::next(&mut paced)) {
                Poll::Ready(chunk) => chunk.map(|chunk| chunk.unwrap().to_vec()),
                Poll::Pending => None,
            });
        }
        assert_eq!(
            turns,
            [
                Some(vec![0]),
                None,
                Some(vec![1]),
                None,
                Some(vec![2]),
                None
            ]
        );
    }
}
