//! Step 5: the signature over the artifact or the attestation (spec/clients.md c.2 step 7).

use crate::Context;
use crate::digests::{ArtifactDigests, EnvelopeDigests};
use crate::failure::Failure;
use crate::material::{Credential, Material, Signed};
use crate::report::{Step, StepName, quoted};
use crate::statement::Statement;
use formats::bundle::HashOutput;
use formats::dsse::IN_TOTO;
use pki::key::{HashAlgorithm, KeyKind, PublicKey, Scheme};

/// Statement types that are read.
const STATEMENT_TYPES: [&str; 2] = [
    "https://in-toto.io/Statement/v0.1",
    "https://in-toto.io/Statement/v1",
];

/// Verifies the signature and binds it to the artifact; gives the predicate type of an attestation.
pub(crate) fn check(cx: &Context<'_>, material: &Material<'_>) -> (Step, Option<String>) {
    let Some(credential) = &material.credential else {
        return (
            Step::skipped(StepName::Signature, "not possible: no certificate or key"),
            None,
        );
    };
    let mut step = Step::new(StepName::Signature);
    let checked = match &material.signed {
        Signed::Message { digest } => {
            check_message(cx, credential, *digest, material.signature, &mut step).map(|()| None)
        }
        Signed::Dsse(signed) => {
            check_envelope(cx, credential, signed, material.signature, &mut step).map(Some)
        }
    };
    match checked {
        Ok(predicate_type) => (step, predicate_type),
        Err(failure) => {
            step.fail(failure);
            (step, None)
        }
    }
}

fn check_message(
    cx: &Context<'_>,
    credential: &Credential,
    hint: Option<&HashOutput>,
    signature: &[u8],
    step: &mut Step,
) -> Result<(), Failure> {
    let hinted = hint
        .map(|hint| check_digest_hint(&cx.digests, hint))
        .transpose()?;
    let key = credential.key();
    let scheme = verify_message(cx, key, hinted, signature)?;
    step.note(format!(
        "artifact {}",
        shown_digest(&cx.digests, scheme.hash().unwrap_or(HashAlgorithm::Sha256))
    ));
    step.note(format!("signature by {} ({scheme:?})", key_label(key)));
    Ok(())
}

/// An unauthenticated hint, but one that contradicts the artifact means the wrong file or the wrong bundle.
fn check_digest_hint(
    digests: &ArtifactDigests<'_>,
    hint: &HashOutput,
) -> Result<HashAlgorithm, Failure> {
    let algorithm = HashAlgorithm::from_proto_name(&hint.algorithm).ok_or_else(|| {
        Failure::DigestAlgorithm {
            have: quoted(&hint.algorithm),
        }
    })?;
    let have = digests.get(algorithm).ok_or(Failure::DigestMissing {
        algorithm: algorithm.name(),
    })?;
    if have != hint.digest.0 {
        return Err(Failure::ArtifactDigest {
            algorithm: algorithm.name(),
            artifact: hex::encode(have),
            bundle: quoted(&hex::encode(&hint.digest.0)),
        });
    }
    Ok(algorithm)
}

/// The scheme under which the signature verifies.
fn verify_message(
    cx: &Context<'_>,
    key: &PublicKey,
    hinted: Option<HashAlgorithm>,
    signature: &[u8],
) -> Result<Scheme, Failure> {
    if key.kind() == KeyKind::Ed25519 {
        return verify_ed25519(cx, key, signature);
    }
    // Signers choose the hash: SHA-256 with P-384 keys is common. The digest hint names it; without one it is the
    // key's default or SHA-256.
    let candidates = match hinted.and_then(|hash| Scheme::of(key.kind(), hash)) {
        Some(scheme) => vec![scheme],
        None => unnamed_schemes(key),
    };
    let mut failure = Failure::SignatureMismatch;
    for scheme in candidates {
        let Some(hash) = scheme.hash() else { continue };
        let Some(digest) = cx.digests.get(hash) else {
            failure = Failure::DigestMissing {
                algorithm: hash.name(),
            };
            continue;
        };
        cx.spend(1)?;
        if key.verify_digest(scheme, digest, signature).is_ok() {
            return Ok(scheme);
        }
    }
    Err(failure)
}

/// Pure over the bytes, or prehashed (what a log can check); the two cannot be mistaken for one another (RFC 8032).
fn verify_ed25519(cx: &Context<'_>, key: &PublicKey, signature: &[u8]) -> Result<Scheme, Failure> {
    if let Some(bytes) = cx.digests.bytes() {
        cx.spend(1)?;
        if key.verify(Scheme::Ed25519, bytes, signature).is_ok() {
            return Ok(Scheme::Ed25519);
        }
    }
    let digest = cx
        .digests
        .get(HashAlgorithm::Sha512)
        .ok_or(Failure::DigestMissing {
            algorithm: HashAlgorithm::Sha512.name(),
        })?;
    cx.spend(1)?;
    key.verify_digest(Scheme::Ed25519ph, digest, signature)
        .map(|()| Scheme::Ed25519ph)
        .map_err(|_| Failure::SignatureMismatch)
}

fn check_envelope(
    cx: &Context<'_>,
    credential: &Credential,
    signed: &EnvelopeDigests<'_>,
    signature: &[u8],
    step: &mut Step,
) -> Result<String, Failure> {
    let (key, envelope) = (credential.key(), signed.envelope());
    let scheme = verify_envelope(cx, key, signed, signature)?;
    step.note(format!(
        "signature by {} ({scheme:?}) over the envelope",
        key_label(key)
    ));
    // Only an in-toto statement says which artifact it is about.
    if envelope.payload_type != IN_TOTO {
        return Err(Failure::PayloadType {
            have: quoted(&envelope.payload_type),
        });
    }
    let statement = Statement::parse(&envelope.payload.0).map_err(|error| Failure::Statement {
        reason: quoted(&error.to_string()),
    })?;
    if !STATEMENT_TYPES.contains(&statement.type_.as_str()) {
        return Err(Failure::StatementType {
            have: quoted(&statement.type_),
        });
    }
    step.note(format!(
        "statement of {} subject(s), predicate {}",
        statement.subject.len(),
        quoted(&statement.predicate_type)
    ));
    let name = matching_subject(&cx.digests, &statement)?;
    step.note(format!("artifact is subject `{}`", quoted(name)));
    Ok(statement.predicate_type)
}

fn verify_envelope(
    cx: &Context<'_>,
    key: &PublicKey,
    signed: &EnvelopeDigests<'_>,
    signature: &[u8],
) -> Result<Scheme, Failure> {
    for scheme in unnamed_schemes(key) {
        cx.spend(1)?;
        let verified = match scheme.hash() {
            Some(hash) => key.verify_digest(scheme, signed.of_encoding(hash), signature),
            None => key.verify(scheme, &signed.encoding(), signature),
        };
        if verified.is_ok() {
            return Ok(scheme);
        }
    }
    Err(Failure::SignatureMismatch)
}

/// Where nothing names the hash: the key's default, SHA-256 (which Rekor v1 uses for every ECDSA key, spec A.11),
/// and Ed25519ph beside Ed25519 (which Rekor v2 asks for, spec h.3).
fn unnamed_schemes(key: &PublicKey) -> Vec<Scheme> {
    let default = key.default_scheme();
    let sha256 = Scheme::of(key.kind(), HashAlgorithm::Sha256).filter(|scheme| *scheme != default);
    let prehashed = (key.kind() == KeyKind::Ed25519).then_some(Scheme::Ed25519ph);
    [Some(default), sha256, prehashed]
        .into_iter()
        .flatten()
        .collect()
}

/// The name of a subject that shares a digest with the artifact (in-toto: digest sets match when any field does).
fn matching_subject<'s>(
    digests: &ArtifactDigests<'_>,
    statement: &'s Statement,
) -> Result<&'s str, Failure> {
    let is_artifact = |(algorithm, value): (HashAlgorithm, &str)| {
        let digest = digests.get(algorithm);
        digest.is_some_and(|digest| hex::encode(digest).eq_ignore_ascii_case(value))
    };
    let found = statement
        .subject
        .iter()
        .find(|subject| subject.digests().any(is_artifact));
    found
        .map(|subject| subject.name.as_str())
        .ok_or_else(|| Failure::Subject {
            artifact: shown_digest(digests, HashAlgorithm::Sha256),
            subjects: statement.subject.len(),
        })
}

fn shown_digest(digests: &ArtifactDigests<'_>, algorithm: HashAlgorithm) -> String {
    let digest = digests.get(algorithm).map(hex::encode);
    format!(
        "{}:{}",
        algorithm.name(),
        digest.as_deref().unwrap_or("not given")
    )
}

fn key_label(key: &PublicKey) -> String {
    format!("{:?} key {}", key.kind(), hex::encode(key.key_id()))
}
