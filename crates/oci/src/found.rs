//! What was found about an image, ready to be verified.

use crate::ImageDigest;
use formats::bundle::{Bundle, Content};
use formats::dsse::{Envelope, IN_TOTO};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The predicate type of cosign's signatures in bundles: a statement that says nothing but that somebody signed.
pub const COSIGN_SIGN: &str = "https://sigstore.dev/cosign/sign/v1";

/// An image and everything that was found about it.
#[derive(Clone, Debug)]
pub struct Found {
    /// What was verified: the digest of the bytes that came.
    pub digest: ImageDigest,
    /// OCI's or Docker's, image or index.
    pub media_type: String,
    /// Signatures and attestations, those that cannot be read included.
    pub signatures: Vec<FoundSignature>,
    /// Where signatures were looked for, for the case that there are none.
    pub looked: Vec<String>,
    /// The images of an index, when they were asked for.
    pub children: Vec<Found>,
}

/// One signature or attestation.
#[derive(Clone, Debug)]
pub struct FoundSignature {
    /// Where it was.
    pub place: Place,
    /// What it claims to be: unverified, but the same bytes that the signature covers.
    pub kind: Kind,
    /// The bundle, or why there is none.
    pub bundle: Result<Bundle, String>,
    /// What the bundle must be about.
    pub artifact: Subject,
}

/// Where a signature was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Place {
    /// A manifest on the registry's own list of referrers, or one of a layout that refers to the image.
    Referrer {
        /// Of the manifest; absent when the list's entry cannot be read.
        #[serde(skip_serializing_if = "Option::is_none")]
        digest: Option<ImageDigest>,
    },
    /// A manifest in the index under the tag `sha256-…`.
    FallbackTag {
        /// Of the manifest; absent when the index's entry cannot be read.
        #[serde(skip_serializing_if = "Option::is_none")]
        digest: Option<ImageDigest>,
    },
    /// A layer of the manifest under the tag `sha256-….sig`.
    LegacySignature {
        /// Of the manifest.
        digest: ImageDigest,
        /// From 0.
        layer: usize,
    },
    /// A layer of the manifest under the tag `sha256-….att`.
    LegacyAttestation {
        /// Of the manifest.
        digest: ImageDigest,
        /// From 0.
        layer: usize,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_unknown =
            |digest: &Option<ImageDigest>| digest.map_or("?".to_owned(), |one| one.to_string());
        match self {
            Self::Referrer { digest } => write!(f, "referrer {}", or_unknown(digest)),
            Self::FallbackTag { digest } => write!(f, "referrer by tag {}", or_unknown(digest)),
            Self::LegacySignature { digest, layer } => {
                write!(f, "legacy .sig {digest}, layer {layer}")
            }
            Self::LegacyAttestation { digest, layer } => {
                write!(f, "legacy .att {digest}, layer {layer}")
            }
        }
    }
}

/// Whether somebody signed, or stated something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum Kind {
    /// A signature: a message signature, or cosign's empty statement.
    Signature,
    /// A statement.
    Attestation {
        /// What kind of statement; empty when it is no in-toto statement.
        predicate_type: String,
    },
    /// Cannot be told.
    Unreadable,
}

impl Kind {
    pub(crate) fn of(bundle: &Bundle) -> Self {
        match &bundle.content {
            Content::Message(_) => Self::Signature,
            Content::Dsse(envelope) => match predicate_type(envelope) {
                Some(text) if text == COSIGN_SIGN => Self::Signature,
                other => Self::Attestation {
                    predicate_type: other.unwrap_or_default(),
                },
            },
        }
    }
}

/// What a signature must be about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The manifest, by its digest.
    Manifest(ImageDigest),
    /// The simple-signing payload of a legacy signature, which names the manifest: that was checked.
    Payload(Vec<u8>),
}

impl Subject {
    /// The form that the verifier takes.
    pub fn as_artifact(&self) -> verifier::Artifact<'_> {
        match self {
            Self::Manifest(digest) => verifier::Artifact::Digests {
                sha256: digest.0,
                sha384: None,
                sha512: None,
            },
            Self::Payload(bytes) => verifier::Artifact::Bytes(bytes),
        }
    }
}

/// The predicate type of an in-toto statement in an envelope.
pub(crate) fn predicate_type(envelope: &Envelope) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Statement {
        predicate_type: String,
    }
    if envelope.payload_type != IN_TOTO {
        return None;
    }
    let limit = formats::limits::BUNDLE_BYTES;
    formats::json::parse_nested::<Statement>(&envelope.payload.0, limit, PREDICATE_DEPTH)
        .ok()
        .map(|statement| statement.predicate_type)
}

/// Predicates are other people's JSON; the bound is the verifier's.
const PREDICATE_DEPTH: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use formats::b64::B64;

    fn envelope(payload_type: &str, payload: &str) -> Envelope {
        Envelope {
            payload: B64(payload.into()),
            payload_type: payload_type.into(),
            signatures: vec![],
        }
    }

    #[test]
    fn a_predicate_type_is_that_of_an_in_toto_statement() {
        let statement = r#"{"predicateType":"https://example.com/p","predicate":{}}"#;
        assert_eq!(
            predicate_type(&envelope(IN_TOTO, statement)).as_deref(),
            Some("https://example.com/p")
        );
        assert_eq!(predicate_type(&envelope("text/plain", statement)), None);
        assert_eq!(predicate_type(&envelope(IN_TOTO, "[]")), None);
    }

    #[test]
    fn a_place_says_where() {
        let digest = ImageDigest([1; 32]);
        let place = Place::LegacySignature { digest, layer: 2 };
        assert_eq!(place.to_string(), format!("legacy .sig {digest}, layer 2"));
        let json = serde_json::to_value(Place::FallbackTag {
            digest: Some(digest),
        })
        .unwrap();
        assert_eq!(json["kind"], "fallback-tag");
        assert_eq!(json["digest"], digest.to_string());
    }
}
