//! The handle that services hold instead of a key.

use crate::software::SoftwareKey;
use crate::{Algorithm, KeyError, Purpose};
use async_trait::async_trait;
use pki::key::{PublicKey, Scheme};
use std::fmt;
use std::sync::Arc;

/// Where a key lives: memory, an HSM, a KMS.
///
/// An implementation signs with the default scheme of its public key (see [`Signer::scheme`]) and must
/// not put key material into errors.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Signs `message`, hashing it as the scheme says. ECDSA signatures are ASN.1 DER.
    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError>;
}

/// A handle that can sign for one purpose. Cheap to clone; cannot give the key away.
#[derive(Clone)]
pub struct Signer {
    purpose: Purpose,
    public_key: Arc<PublicKey>,
    scheme: Scheme,
    backend: Arc<dyn Backend>,
}

impl Signer {
    /// Binds a backend to a purpose. `public_key` must be the public half of the backend's key.
    pub fn new(purpose: Purpose, public_key: PublicKey, backend: Arc<dyn Backend>) -> Self {
        let scheme = public_key.default_scheme();
        Self {
            purpose,
            public_key: Arc::new(public_key),
            scheme,
            backend,
        }
    }

    /// Generates a key that lives in this process only; for tests and throw-away instances.
    pub fn in_memory(purpose: Purpose, algorithm: Algorithm) -> Result<Self, KeyError> {
        Self::from_software(purpose, SoftwareKey::generate(algorithm)?)
    }

    /// Reads an unencrypted PKCS#8 PEM key (`PRIVATE KEY`) that is already in memory.
    pub fn from_pkcs8_pem(purpose: Purpose, pem: &str) -> Result<Self, KeyError> {
        Self::from_software(purpose, SoftwareKey::parse_pem(pem)?)
    }

    pub(crate) fn from_software(purpose: Purpose, key: SoftwareKey) -> Result<Self, KeyError> {
        let public_key = key.public_key()?;
        Ok(Self::new(purpose, public_key, Arc::new(key)))
    }

    /// What this signer may be used for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The scheme this key signs with: the registry default of its kind; RSA: PKCS#1 v1.5 with SHA-256.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Signs a message, hashing it as the scheme says. ECDSA signatures are ASN.1 DER.
    ///
    /// Async so that HSM and KMS keys fit; a key in memory answers at once.
    pub async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.backend.sign(message).await
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.public_key.key_id();
        write!(f, "Signer({}, ", self.purpose)?;
        for byte in id.iter().take(8) {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALGORITHMS: [(Algorithm, Scheme); 4] = [
        (Algorithm::EcdsaP256, Scheme::EcdsaP256Sha256),
        (Algorithm::EcdsaP384, Scheme::EcdsaP384Sha384),
        (Algorithm::Ed25519, Scheme::Ed25519),
        (Algorithm::Rsa2048, Scheme::RsaPkcs1Sha256),
    ];

    #[tokio::test]
    async fn every_algorithm_signs_what_its_public_key_verifies() {
        for (algorithm, scheme) in ALGORITHMS {
            let signer = Signer::in_memory(Purpose::DevIssuer, algorithm).unwrap();
            assert_eq!(signer.scheme(), scheme);
            let signature = signer.sign(b"message").await.unwrap();
            signer
                .public_key()
                .verify(scheme, b"message", &signature)
                .unwrap();
            assert!(
                signer
                    .public_key()
                    .verify(scheme, b"massage", &signature)
                    .is_err()
            );
        }
    }

    #[tokio::test]
    async fn an_independent_library_accepts_the_signature() {
        use p256::ecdsa::signature::Verifier;
        use p256::pkcs8::DecodePublicKey;
        let signer = Signer::in_memory(Purpose::CtLog, Algorithm::EcdsaP256).unwrap();
        let key =
            p256::ecdsa::VerifyingKey::from_public_key_der(signer.public_key().spki_der()).unwrap();
        let signature =
            p256::ecdsa::Signature::from_der(&signer.sign(b"tree head").await.unwrap()).unwrap();
        key.verify(b"tree head", &signature).unwrap();
    }

    #[tokio::test]
    async fn a_foreign_backend_fits() {
        struct Refusing;
        #[async_trait]
        impl Backend for Refusing {
            async fn sign(&self, _: &[u8]) -> Result<Vec<u8>, KeyError> {
                Err(KeyError::sign("slot 3 is locked"))
            }
        }
        let public = Signer::in_memory(Purpose::Tsa, Algorithm::EcdsaP256)
            .unwrap()
            .public_key()
            .clone();
        let signer = Signer::new(Purpose::Tsa, public, Arc::new(Refusing));
        let error = signer.sign(b"x").await.unwrap_err();
        assert_eq!(error.to_string(), "cannot sign: slot 3 is locked");
    }

    #[test]
    fn debug_shows_purpose_and_key_id_only() {
        let signer = Signer::in_memory(Purpose::IssuingCa, Algorithm::EcdsaP256).unwrap();
        let text = format!("{signer:?}");
        assert!(text.starts_with("Signer(issuing-ca, "), "{text}");
        assert_eq!(text.chars().count(), "Signer(issuing-ca, ".len() + 16 + 2);
    }
}
