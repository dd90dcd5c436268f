//! The key a certificate is for, and the proof that the client holds its private half.

use crate::issue::IssueError;
use pki::csr::{CertificateRequest, CsrError};
use pki::key::{HashAlgorithm, KeyError, KeyKind, PublicKey};

/// How a request gives its key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum KeyRequest {
    /// A public key with a signature over the principal's name.
    PublicKey {
        /// PEM, or (v1 only) DER.
        content: Vec<u8>,
        /// The raw signature.
        proof: Vec<u8>,
    },
    /// A PEM certificate signing request, whose own signature is the proof.
    Csr(Vec<u8>),
}

/// Parses the key, checks its strength and its proof, in Fulcio's order (spec 1.5).
pub(crate) fn check_proof(request: &KeyRequest, names: &[String]) -> Result<PublicKey, IssueError> {
    match request {
        KeyRequest::PublicKey { content, proof } => check_public_key(content, proof, names),
        KeyRequest::Csr(pem) => check_csr(pem),
    }
}

fn check_public_key(
    content: &[u8],
    proof: &[u8],
    names: &[String],
) -> Result<PublicKey, IssueError> {
    let key = parse_key(content)?;
    key.check_strength().map_err(IssueError::KeyWeak)?;
    // The key decides the hash: P-256/SHA-256, P-384/SHA-384, P-521/SHA-512, RSA PKCS#1/SHA-256, Ed25519 pure.
    let scheme = key.default_scheme();
    if names
        .iter()
        .any(|name| key.verify(scheme, name.as_bytes(), proof).is_ok())
    {
        return Ok(key);
    }
    Err(IssueError::Proof {
        names: names.to_vec(),
        kind: key.kind(),
    })
}

fn parse_key(content: &[u8]) -> Result<PublicKey, IssueError> {
    if content.is_empty() {
        return Err(IssueError::KeyMissing);
    }
    let parsed = match std::str::from_utf8(content) {
        Ok(text) if text.contains("-----BEGIN") => PublicKey::parse_pem(text),
        _ => PublicKey::parse_spki(content),
    };
    parsed.map_err(|e| {
        if is_weak(&e) {
            IssueError::KeyWeak(e)
        } else {
            IssueError::Key(e)
        }
    })
}

fn check_csr(pem: &[u8]) -> Result<PublicKey, IssueError> {
    let text = std::str::from_utf8(pem).map_err(|_| IssueError::Csr(CsrError::Malformed))?;
    let csr = CertificateRequest::parse_pem(text).map_err(|e| match e {
        CsrError::Key(e) if is_weak(&e) => IssueError::KeyWeak(e),
        CsrError::Key(e) => IssueError::Key(e),
        other => IssueError::Csr(other),
    })?;
    csr.public_key()
        .check_strength()
        .map_err(IssueError::KeyWeak)?;
    csr.verify().map_err(IssueError::Csr)?;
    // Only the registry's default pairs of key and hash (spec 2.2).
    let (have, want) = (csr.scheme(), csr.public_key().default_scheme());
    if have != want {
        let kind = csr.public_key().kind();
        return Err(IssueError::NotPermitted {
            kind,
            have: have.hash(),
            want: want.hash(),
        });
    }
    Ok(csr.public_key().clone())
}

/// Keys that parse in Go, but are too weak: Fulcio calls them insecure, not unparsable.
fn is_weak(error: &KeyError) -> bool {
    matches!(
        error,
        KeyError::UnsupportedCurve { .. }
            | KeyError::RsaSize { .. }
            | KeyError::RsaExponent
            | KeyError::Ed25519SmallOrder
    )
}

/// Names a key type as Go prints it, which is what upstream's message shows.
pub(crate) fn go_type(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::EcdsaP256 | KeyKind::EcdsaP384 | KeyKind::EcdsaP521 => "*ecdsa.PublicKey",
        KeyKind::Rsa { .. } => "*rsa.PublicKey",
        KeyKind::Ed25519 => "ed25519.PublicKey",
    }
}

/// Names a hash as Go prints it.
pub(crate) fn go_hash(hash: Option<HashAlgorithm>) -> &'static str {
    match hash {
        Some(HashAlgorithm::Sha256) => "SHA-256",
        Some(HashAlgorithm::Sha384) => "SHA-384",
        Some(HashAlgorithm::Sha512) => "SHA-512",
        None => "no hash",
    }
}
