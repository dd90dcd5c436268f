//! Signed tree heads: RFC 6962 tree head signatures, kept in static-ct checkpoints.
//!
//! One signature serves both forms: the note's blob is the timestamp and the TLS DigitallySigned of get-sth.

use crate::CtError;
use bytes::Bytes;
use note::{Checkpoint, SignatureLine, SignedNote};
use pki::key::HashAlgorithm;
use pki::sct::{TLS_SHA256, signature_algorithm, sth_input};
use tlog::{HeadSigner, SignError, TreeHead};

/// The log's name: its submission prefix without the scheme (C2SP static-ct-api).
pub(crate) fn origin(host: &str) -> String {
    format!("{host}/ctlog")
}

/// TLS hash and signature algorithm of a log key. RFC 6962 section 2.1.4: SHA-256 with ECDSA or RSA.
pub(crate) fn tls_algorithm(signer: &keys::Signer) -> Result<(u8, u8), CtError> {
    let kind = signer.public_key().kind();
    match (signer.scheme().hash(), signature_algorithm(kind)) {
        (Some(HashAlgorithm::Sha256), Some(sig)) => Ok((TLS_SHA256, sig)),
        _ => Err(CtError::KeyKind(kind)),
    }
}

/// Signs heads for the engine.
pub(crate) struct Signer {
    origin: String,
    signer: keys::Signer,
}

impl Signer {
    pub(crate) fn new(origin: &str, signer: keys::Signer) -> Self {
        Self {
            origin: origin.to_owned(),
            signer,
        }
    }

    async fn sign(
        &self,
        size: u64,
        root: &merkle::Hash,
        time_ms: i64,
    ) -> Result<SignedNote, SignError> {
        let failed = |error: &dyn std::fmt::Display| SignError(error.to_string());
        let timestamp = u64::try_from(time_ms).map_err(|_| failed(&CtError::Clock))?;
        let (hash, sig) = tls_algorithm(&self.signer).map_err(|error| failed(&error))?;
        let signature = self
            .signer
            .sign(&sth_input(timestamp, size, root))
            .await
            .map_err(|error| failed(&error))?;
        let length = u16::try_from(signature.len()).map_err(|error| failed(&error))?;

        // C2SP static-ct-api, "Checkpoints": RFC6962NoteSignature { uint64 timestamp; TreeHeadSignature signature }.
        let mut blob = timestamp.to_be_bytes().to_vec();
        blob.extend([hash, sig]);
        blob.extend(length.to_be_bytes());
        blob.extend(signature);
        let checkpoint = Checkpoint {
            origin: self.origin.clone(),
            size,
            root: *root,
            extensions: Vec::new(),
        };
        let line = SignatureLine {
            name: self.origin.clone(),
            hint: hint(&self.origin, &self.signer),
            signature: blob,
        };
        SignedNote::new(checkpoint.to_text(), vec![line]).map_err(|error| failed(&error))
    }
}

#[async_trait::async_trait]
impl HeadSigner for Signer {
    async fn sign_head(
        &self,
        size: u64,
        root: &merkle::Hash,
        time_ms: i64,
    ) -> Result<Bytes, SignError> {
        Ok(self.sign(size, root, time_ms).await?.to_string().into())
    }
}

/// A signed tree head as get-sth shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sth {
    pub(crate) size: u64,
    pub(crate) timestamp: u64,
    pub(crate) root: merkle::Hash,
    /// TLS DigitallySigned.
    pub(crate) signature: Vec<u8>,
}

impl Sth {
    /// Reads the head's checkpoint; `None` when it has no signature of this name and key.
    pub(crate) fn read(head: &TreeHead, origin: &str, signer: &keys::Signer) -> Option<Self> {
        let note = SignedNote::parse(std::str::from_utf8(&head.checkpoint).ok()?).ok()?;
        let blob = note.by(origin, hint(origin, signer)).next()?;
        let (timestamp, signature) = blob.split_first_chunk::<8>()?;
        Some(Self {
            size: head.size,
            timestamp: u64::from_be_bytes(*timestamp),
            root: head.root,
            signature: signature.to_vec(),
        })
    }
}

fn hint(origin: &str, signer: &keys::Signer) -> note::Hint {
    note::hint(&note::key_id_rfc6962(origin, &signer.public_key().key_id()))
}
