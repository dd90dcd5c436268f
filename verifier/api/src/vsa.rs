//! Verification summaries: what this verifier says, in a form that others can verify. SLSA VSA v1.
//!
//! The summary is an in-toto statement in a DSSE envelope in a Sigstore bundle v0.3 with a managed key: no certificate,
//! no log entry, no timestamp. Whoever relies on it has the verifier's public key from its operator.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use formats::bundle::{Bundle, Content, MEDIA_TYPE_V03, PublicKeyIdentifier, VerificationMaterial};
use formats::dsse::{self, Envelope, IN_TOTO, STATEMENT_V1, Signature, Statement, Subject};
use keys::{KeyError, Purpose, Signer};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The predicate type of a summary.
pub const PREDICATE_TYPE: &str = "https://slsa.dev/verification_summary/v1";
/// The version of the SLSA specification whose levels are named.
const SLSA_VERSION: &str = "1.0";
/// Signatures and policies were checked, not how the artifact was built: saying a level would be a lie.
const LEVEL: &str = "SLSA_BUILD_LEVEL_UNEVALUATED";

/// What the names of verifiers without an address begin with.
const ID_OF_KEY: &str = "urn:sigstead:verifier:";

/// Why a summary could not be made.
#[derive(Debug, thiserror::Error)]
pub enum VsaError {
    /// A key of another purpose.
    #[error("the {0} key may not sign verification summaries: a signer is bound to its purpose")]
    Purpose(Purpose),
    /// The name of the verifier is no URI.
    #[error("the verifier's id {0:?} must be a URI, e.g. https://verifier.example.com")]
    Id(String),
    /// The key did not sign.
    #[error("the verification summary was not signed: {0}")]
    Key(#[from] KeyError),
    /// A time that RFC 3339 cannot write.
    #[error("the time of the verification cannot be written: {0}")]
    Time(#[from] time::error::Format),
}

/// Makes summaries under one name with one key.
#[derive(Clone, Debug)]
pub struct Summarizer {
    id: String,
    signer: Signer,
    hint: String,
}

/// What a summary says. Made for positive verdicts only.
#[derive(Clone, Debug)]
pub struct Summary<'a> {
    /// URI of the artifact.
    pub resource_uri: &'a str,
    /// SHA-256 of the artifact.
    pub sha256: [u8; 32],
    /// When it was verified.
    pub verified_at: OffsetDateTime,
    /// Name of the policy below the verifier's id; none for what a request demanded itself.
    pub policy_name: Option<&'a str>,
    /// SHA-256 of the policy document, or of the canonical JSON of the demand.
    pub policy_sha256: [u8; 32],
    /// SHA-256 of each bundle that was verified.
    pub bundles: &'a [[u8; 32]],
}

impl Summarizer {
    /// Takes the verifier's name, a URI, and its key, of [`Purpose::Verifier`].
    ///
    /// # Errors
    /// When the key is for something else, or the name is no URI.
    pub fn new(id: &str, signer: Signer) -> Result<Self, VsaError> {
        if signer.purpose() != Purpose::Verifier {
            return Err(VsaError::Purpose(signer.purpose()));
        }
        let scheme = id.split_once(':').map(|(scheme, _)| scheme);
        let is_scheme = |text: &str| {
            text.starts_with(|c: char| c.is_ascii_alphabetic())
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        };
        if !scheme.is_some_and(is_scheme) || id.chars().any(|c| c.is_control() || c == ' ') {
            return Err(VsaError::Id(id.to_owned()));
        }
        // What cosign writes: base64 of the digest of the key's SPKI.
        let hint = STANDARD.encode(signer.public_key().key_id());
        Ok(Self {
            id: id.trim_end_matches('/').to_owned(),
            signer,
            hint,
        })
    }

    /// Takes a key of [`Purpose::Verifier`] alone, for a verifier that has no address: it is named by its key,
    /// `urn:sigstead:verifier:` and SHA-256 of the SPKI in hexadecimal digits.
    ///
    /// # Errors
    /// When the key is for something else.
    pub fn named_by_key(signer: Signer) -> Result<Self, VsaError> {
        let id = format!("{ID_OF_KEY}{}", hex::encode(signer.public_key().key_id()));
        Self::new(&id, signer)
    }

    /// The public key that verifies the summaries, PEM.
    pub fn public_key_pem(&self) -> String {
        self.signer.public_key().to_pem()
    }

    /// Signs a summary; gives the JSON of a bundle.
    ///
    /// # Errors
    /// When the key does not sign.
    pub async fn sign(&self, summary: &Summary<'_>) -> Result<String, VsaError> {
        let payload = self.statement(summary)?;
        let signature = self.signer.sign(&dsse::pae(IN_TOTO, &payload)).await?;
        let bundle = Bundle {
            media_type: MEDIA_TYPE_V03.to_owned(),
            verification_material: VerificationMaterial {
                public_key: Some(PublicKeyIdentifier {
                    hint: self.hint.clone(),
                }),
                ..VerificationMaterial::default()
            },
            content: Content::Dsse(Envelope {
                payload: payload.into(),
                payload_type: IN_TOTO.to_owned(),
                signatures: vec![Signature {
                    sig: signature.into(),
                    keyid: String::new(),
                }],
            }),
        };
        Ok(bundle.to_json())
    }

    fn statement(&self, summary: &Summary<'_>) -> Result<Vec<u8>, VsaError> {
        let digest = |bytes: &[u8]| serde_json::json!({"sha256": hex::encode(bytes)});
        let policy = summary.policy_name.unwrap_or("request");
        let attestations = summary.bundles.iter();
        let attestations: Vec<_> = attestations
            .map(|bundle| serde_json::json!({"digest": digest(bundle)}))
            .collect();
        let verified_at = summary.verified_at.replace_nanosecond(0);
        let verified_at = verified_at.unwrap_or(summary.verified_at);
        let predicate = serde_json::json!({
            "verifier": {"id": self.id},
            "timeVerified": verified_at.format(&Rfc3339)?,
            "resourceUri": summary.resource_uri,
            "policy": {
                "uri": format!("{}/policies/{}", self.id, escaped(policy)),
                "digest": digest(&summary.policy_sha256),
            },
            "inputAttestations": attestations,
            "verificationResult": "PASSED",
            "verifiedLevels": [LEVEL],
            "slsaVersion": SLSA_VERSION,
        });
        let statement = Statement {
            type_: STATEMENT_V1.to_owned(),
            subject: vec![Subject {
                name: summary.resource_uri.to_owned(),
                digest: BTreeMap::from([("sha256".to_owned(), hex::encode(summary.sha256))]),
            }],
            predicate_type: PREDICATE_TYPE.to_owned(),
            predicate,
        };
        Ok(serde_json::to_vec(&statement).expect("text and JSON values always serialize"))
    }
}

/// SHA-256, as summaries name bundles and policies.
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// A name as a segment of a URI: the names of policies are free text.
fn escaped(name: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    name.bytes().map(byte).collect()
}

/// What a summary calls an artifact that nobody named.
pub fn artifact_uri(sha256: &[u8; 32]) -> String {
    format!("sha256:{}", hex::encode(sha256))
}

/// What a summary calls an image of a registry: as it was asked for, with the digest that was verified.
pub fn image_uri(image: &str, digest: &str) -> String {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    format!("{name}@{digest}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use keys::Algorithm;
    use time::macros::datetime;

    fn key(purpose: Purpose) -> Signer {
        Signer::in_memory(purpose, Algorithm::EcdsaP256).unwrap()
    }

    fn summary<'a>() -> Summary<'a> {
        Summary {
            resource_uri: "pkg:generic/app@1.0",
            sha256: digest(b"app"),
            verified_at: datetime!(2026-01-02 3:04:05.678 UTC),
            policy_name: Some("release"),
            policy_sha256: digest(b"policy"),
            bundles: &[[7; 32]],
        }
    }

    #[tokio::test]
    async fn our_own_engine_verifies_a_summary_with_the_verifiers_key_alone() {
        let summarizer =
            Summarizer::new("https://verifier.example.com/", key(Purpose::Verifier)).unwrap();
        let json = summarizer.sign(&summary()).await.unwrap();
        let bundle = Bundle::parse(json.as_bytes()).unwrap();
        let root = trust::embedded().unwrap();
        let mut policy = verifier::Policy::new(verifier::Signer::Key(summarizer.public_key_pem()));
        (policy.tlog_threshold, policy.timestamp_threshold) = (0, 0);
        let now = datetime!(2026-01-03 0:00 UTC);
        let verify = |artifact: &[u8], policy: &verifier::Policy| {
            let artifact = verifier::Artifact::Bytes(artifact);
            verifier::verify(&bundle, &artifact, root.material(), policy, now)
        };
        let report = verify(b"app", &policy);
        assert!(report.verified, "{}", report.to_text(false));
        assert_eq!(report.predicate_type.as_deref(), Some(PREDICATE_TYPE));
        assert!(!verify(b"another", &policy).verified);
        policy.signer = verifier::Signer::Key(key(Purpose::Verifier).public_key().to_pem());
        assert!(!verify(b"app", &policy).verified);
    }

    #[tokio::test]
    async fn the_statement_has_the_fields_of_slsa() {
        let summarizer =
            Summarizer::new("https://verifier.example.com/", key(Purpose::Verifier)).unwrap();
        let statement = summarizer.statement(&summary()).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&statement).unwrap();
        assert_eq!(
            json["subject"][0]["digest"]["sha256"],
            hex::encode(digest(b"app"))
        );
        let want = serde_json::json!({
            "verifier": {"id": "https://verifier.example.com"},
            "timeVerified": "2026-01-02T03:04:05Z",
            "resourceUri": "pkg:generic/app@1.0",
            "policy": {
                "uri": "https://verifier.example.com/policies/release",
                "digest": {"sha256": hex::encode(digest(b"policy"))},
            },
            "inputAttestations": [{"digest": {"sha256": "07".repeat(32)}}],
            "verificationResult": "PASSED",
            "verifiedLevels": ["SLSA_BUILD_LEVEL_UNEVALUATED"],
            "slsaVersion": "1.0",
        });
        assert_eq!(json["predicate"], want);
    }

    #[test]
    fn a_policys_name_becomes_part_of_a_uri() {
        assert_eq!(escaped("two maintainers/é"), "two%20maintainers%2F%C3%A9");
    }

    #[test]
    fn an_image_is_named_by_the_digest_that_was_verified() {
        for asked in ["r.example/a:v1", "r.example/a:v1@sha256:00"] {
            assert_eq!(image_uri(asked, "sha256:11"), "r.example/a:v1@sha256:11");
        }
    }

    #[test]
    fn another_key_or_a_name_that_is_no_uri_is_refused() {
        let refused = Summarizer::new("https://v.example.com", key(Purpose::Tsa)).unwrap_err();
        assert!(matches!(refused, VsaError::Purpose(Purpose::Tsa)));
        assert!(Summarizer::named_by_key(key(Purpose::Tsa)).is_err());
        assert!(Summarizer::named_by_key(key(Purpose::Verifier)).is_ok());
        for id in ["", "verifier", "a b:c", "1:2"] {
            let refused = Summarizer::new(id, key(Purpose::Verifier)).unwrap_err();
            assert!(matches!(refused, VsaError::Id(_)), "{id}");
        }
    }
}
