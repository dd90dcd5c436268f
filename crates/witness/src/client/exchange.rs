//! One exchange with a witness: at most two requests. C2SP tlog-witness, add-checkpoint.

use super::Round;
use super::outcome::{Answer, AnswerError, Outcome};
use super::peer::Peer;
use crate::limits::{MAX_ANSWER_BYTES, MAX_REASON_CHARS, MAX_TIME_DIFFERENCE};
use crate::request::{SIZE_MEDIA_TYPE, encode, parse_size_body};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use note::{NoteError, SignatureLine, SignedNote, parse_signature_lines};
use reqwest::Response;

/// What one request brought.
enum Reply {
    Lines(Vec<u8>),
    /// 409: the size that the witness has.
    Elsewhere(u64),
}

/// Asks, and once more when the witness names another size than `seen`; keeps `seen` true.
pub(super) async fn exchange(peer: &Peer, round: &Round, seen: &mut u64) -> Answer {
    match attempts(peer, round, seen).await {
        Ok((line, time)) => {
            *seen = round.size;
            Answer {
                outcome: Outcome::Cosigned { time },
                line: Some(line),
            }
        }
        Err(outcome) => Answer::from(outcome),
    }
}

async fn attempts(
    peer: &Peer,
    round: &Round,
    seen: &mut u64,
) -> Result<(SignatureLine, u64), Outcome> {
    // A witness that was ahead may have been another's mistake by now: ask from what we have.
    let mut old = (*seen).min(round.size);
    for last_attempt in [false, true] {
        match request(peer, round, old).await? {
            Reply::Lines(body) => return accept(peer, round, &body).map_err(Outcome::Invalid),
            Reply::Elsewhere(size) => {
                *seen = size;
                if size > round.size {
                    return Err(Outcome::Ahead { size });
                }
                if last_attempt {
                    return Err(Outcome::Conflict { size });
                }
                old = size;
            }
        }
    }
    Err(Outcome::Conflict { size: old })
}

async fn request(peer: &Peer, round: &Round, old: u64) -> Result<Reply, Outcome> {
    // From nothing, and from the same size, the proof is empty.
    let proof = match old {
        0 => Vec::new(),
        old if old == round.size => Vec::new(),
        old => round
            .proofs
            .proof(old, round.size)
            .await
            .map_err(|error| Outcome::NoProof(error.to_string()))?,
    };
    let response = peer
        .client
        .post(peer.url.clone())
        .header(CONTENT_TYPE, "text/plain; charset=utf-8")
        .body(encode(old, &proof, &round.text))
        .send()
        .await
        .map_err(|error| Outcome::Unreachable(cause(&error)))?;
    let status = response.status();
    let names_size = media_type(&response) == Some(SIZE_MEDIA_TYPE);
    let body = bounded(response).await?;
    match status {
        StatusCode::OK => Ok(Reply::Lines(body)),
        StatusCode::CONFLICT => match parse_size_body(&body) {
            Some(size) if names_size => Ok(Reply::Elsewhere(size)),
            _ => Err(Outcome::Invalid(AnswerError::Size)),
        },
        _ => Err(Outcome::Refused {
            status: status.as_u16(),
            reason: one_line(&body),
        }),
    }
}

/// Takes the witness's line out of its answer, if it counts: name, key ID, signature, time.
fn accept(peer: &Peer, round: &Round, body: &[u8]) -> Result<(SignatureLine, u64), AnswerError> {
    let text = std::str::from_utf8(body).map_err(|_| AnswerError::NotText)?;
    let lines = parse_signature_lines(text).map_err(AnswerError::Lines)?;
    let note = SignedNote::new(round.note.text().to_owned(), lines).map_err(AnswerError::Lines)?;
    let signed = peer.key.open(&note).map_err(|error| match error {
        NoteError::NotSignedBy => AnswerError::OtherKey,
        _ => AnswerError::Forged,
    })?;
    let line = note.signatures().get(signed.line).cloned();
    // A policy's witness keys have a time.
    let (Some(line), Some(time)) = (line, signed.time) else {
        return Err(AnswerError::OtherKey);
    };
    let now = u64::try_from(peer.clock.unix_seconds()).unwrap_or(0);
    match time.abs_diff(now) <= MAX_TIME_DIFFERENCE {
        true => Ok((line, time)),
        false => Err(AnswerError::Time { time, now }),
    }
}

fn media_type(response: &Response) -> Option<&str> {
    let value = response.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(str::trim)
}

/// Reads a body chunk by chunk: a Content-Length may be absent or a lie.
async fn bounded(mut response: Response) -> Result<Vec<u8>, Outcome> {
    let mut body = Vec::new();
    let broken = |error| Outcome::Unreachable(cause(&error));
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(Outcome::Invalid(AnswerError::TooLong));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// A stranger's words, fit for a log.
fn one_line(body: &[u8]) -> String {
    String::from_utf8_lossy(body)
        .trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_REASON_CHARS)
        .collect()
}

/// The innermost cause says what to mend ("connection refused"); reqwest's own text does not.
pub(super) fn cause(error: &reqwest::Error) -> String {
    let mut source: &dyn std::error::Error = error;
    while let Some(inner) = source.source() {
        source = inner;
    }
    source.to_string()
}
