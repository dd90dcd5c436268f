//! What kind of thing a bundle is, as far as requirements are concerned.

use crate::limits;
use formats::bundle::{Bundle, Content};
use formats::dsse::{Envelope, IN_TOTO};
use formats::json;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Predicate types of statements that sign and say nothing else: cosign's since 3.0.
const SIGNING_PREDICATES: [&str; 1] = ["https://sigstore.dev/cosign/sign/v1"];

/// What a bundle may count as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A signature of the artifact: a message signature, or cosign's statement that it signs, of this predicate type.
    Signature(Option<String>),
    /// A statement of this predicate type. Says something about the artifact, which need not be praise: it does not
    /// count as a signature.
    Attestation(String),
    /// An envelope that cannot be read; why.
    Unreadable(String),
}

impl Kind {
    pub(crate) fn of(bundle: &Bundle) -> Self {
        let envelope = match &bundle.content {
            Content::Message(_) => return Self::Signature(None),
            Content::Dsse(envelope) => envelope,
        };
        match predicate_type(envelope) {
            Ok(name) if SIGNING_PREDICATES.contains(&name.as_str()) => Self::Signature(Some(name)),
            Ok(name) => Self::Attestation(name),
            Err(why) => Self::Unreadable(why),
        }
    }
}

/// The members that decide; one that stands there twice is refused, for then readers differ.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    predicate_type: String,
    #[serde(default, rename = "predicate")]
    _predicate: IgnoredAny,
    #[serde(default, rename = "subject")]
    _subject: IgnoredAny,
}

fn predicate_type(envelope: &Envelope) -> Result<String, String> {
    if envelope.payload_type != IN_TOTO {
        return Err(format!(
            "payload type `{}` is not an in-toto statement",
            short(&envelope.payload_type)
        ));
    }
    let header: Header = json::parse_nested(
        &envelope.payload.0,
        limits::STATEMENT_BYTES,
        limits::STATEMENT_DEPTH,
    )
    .map_err(|error| {
        format!(
            "the statement cannot be read: {}",
            short(&error.to_string())
        )
    })?;
    Ok(header.predicate_type)
}

/// Outside text in a line of a report: bounded.
pub(crate) fn short(text: &str) -> String {
    const CHARS: usize = 300;
    match text.char_indices().nth(CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
