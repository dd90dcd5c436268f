//! Public keys of logs and witnesses, ready to verify with.

use note::{KeyType, NoteError, Signed, SignedNote, VerifierKey};
use pki::key::{KeyKind, PublicKey, Scheme};

/// A verifier key that the cryptographic library accepted.
#[derive(Clone, Debug)]
pub(crate) struct TrustedKey {
    key: VerifierKey,
    public: PublicKey,
    scheme: Scheme,
}

/// Why a verifier key cannot verify anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustedKeyError {
    /// The bytes are no key of a supported kind.
    #[error("the key of {name} does not parse: {reason}")]
    Key {
        /// Name of the key.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A key of another kind than the type byte says.
    #[error("the verifier key of {name} says type 0x{kind:02x}, and holds a key of another kind")]
    Kind {
        /// Name of the key.
        name: String,
        /// The type's byte.
        kind: u8,
    },
}

impl TrustedKey {
    pub(crate) fn new(key: VerifierKey) -> Result<Self, TrustedKeyError> {
        let refused = |error: pki::key::KeyError| TrustedKeyError::Key {
            name: key.name().to_owned(),
            reason: error.to_string(),
        };
        let public = PublicKey::parse_spki(&key.spki_der()).map_err(refused)?;
        // A key of small order would verify forged signatures.
        public.check_strength().map_err(refused)?;
        let scheme =
            scheme(key.key_type(), public.kind()).ok_or_else(|| TrustedKeyError::Kind {
                name: key.name().to_owned(),
                kind: key.key_type().byte(),
            })?;
        Ok(Self {
            key,
            public,
            scheme,
        })
    }

    /// Checks this key's signatures on a note; see [`VerifierKey::open`].
    pub(crate) fn open(&self, note: &SignedNote) -> Result<Signed, NoteError> {
        self.key.open(note, |message, signature| {
            self.public.verify(self.scheme, message, signature).is_ok()
        })
    }
}

/// C2SP signed-note: type 0x02 hashes with SHA-256 whatever the curve.
fn scheme(key_type: KeyType, kind: KeyKind) -> Option<Scheme> {
    match (key_type, kind) {
        (KeyType::Ed25519 | KeyType::CosignatureEd25519, KeyKind::Ed25519) => Some(Scheme::Ed25519),
        (KeyType::Ecdsa, KeyKind::EcdsaP256) => Some(Scheme::EcdsaP256Sha256),
        (KeyType::Ecdsa, KeyKind::EcdsaP384) => Some(Scheme::EcdsaP384Sha256),
        (KeyType::Ecdsa, KeyKind::EcdsaP521) => Some(Scheme::EcdsaP521Sha256),
        _ => None,
    }
}
