//! A private key in this process's memory.
//!
//! The numbers of the key live inside AWS-LC, which cleanses every buffer it frees; what passes through
//! our hands while reading and writing files is in zeroising types.

use crate::encrypted::{self, Passphrase};
use crate::{Algorithm, Backend, KeyError, PemProblem};
use async_trait::async_trait;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
};
use pkcs8::{LineEnding, ObjectIdentifier, PrivateKeyInfo, SecretDocument};
use pki::key::PublicKey;
use std::fmt;
use zeroize::Zeroizing;

/// PEM label of PKCS#8, RFC 7468 section 10.
const LABEL: &str = "PRIVATE KEY";

// RFC 5480 section 2.1.1, RFC 8410 section 3, RFC 8017 appendix A.1.
const ID_EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ID_ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// A key pair of one of the supported algorithms. Not `Clone`, Debug is redacted.
pub(crate) enum SoftwareKey {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(rsa::KeyPair),
}

impl SoftwareKey {
    /// Draws a new key.
    pub(crate) fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let ecdsa = |curve| EcdsaKeyPair::generate(curve).map(Self::Ecdsa);
        match algorithm {
            Algorithm::EcdsaP256 => ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING),
            Algorithm::EcdsaP384 => ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING),
            Algorithm::Ed25519 => Ed25519KeyPair::generate().map(Self::Ed25519),
            Algorithm::Rsa2048 => rsa::KeyPair::generate(KeySize::Rsa2048).map(Self::Rsa),
        }
        .map_err(|_| KeyError::Generate)
    }

    /// Reads an unencrypted PKCS#8 PEM block. The caller bounds the text.
    pub(crate) fn parse_pem(text: &str) -> Result<Self, PemProblem> {
        Self::parse_pem_with(text, None)
    }

    /// The same, opening an encrypted block.
    pub(crate) fn parse_pem_with(
        text: &str,
        passphrase: Option<&Passphrase>,
    ) -> Result<Self, PemProblem> {
        if let Some(problem) = foreign_label(text, passphrase.is_some()) {
            return Err(problem);
        }
        // The decoder's own error is dropped: it may quote what it stumbled over.
        let (label, document) = SecretDocument::from_pem(text).map_err(|_| PemProblem::NotPem)?;
        match label {
            LABEL => Self::parse_pkcs8(document.as_bytes()),
            encrypted::LABEL => {
                let opened = encrypted::open(document.as_bytes(), passphrase)?;
                Self::parse_pkcs8(opened.as_bytes())
            }
            _ => Err(PemProblem::NotPkcs8),
        }
    }

    fn parse_pkcs8(der: &[u8]) -> Result<Self, PemProblem> {
        let info = PrivateKeyInfo::try_from(der).map_err(|_| PemProblem::Malformed)?;
        let rejected = |_| PemProblem::Rejected;
        match info.algorithm.oid {
            ID_EC_PUBLIC_KEY => {
                let curve = info
                    .algorithm
                    .parameters_oid()
                    .map_err(|_| PemProblem::Malformed)?;
                EcdsaKeyPair::from_pkcs8(ecdsa_algorithm(curve)?, der)
                    .map(Self::Ecdsa)
                    .map_err(rejected)
            }
            ID_ED25519 => Ed25519KeyPair::from_pkcs8(der)
                .map(Self::Ed25519)
                .map_err(rejected),
            RSA_ENCRYPTION => rsa::KeyPair::from_pkcs8(der)
                .map(Self::Rsa)
                .map_err(rejected),
            other => Err(PemProblem::Algorithm(other)),
        }
    }

    /// PKCS#8 version 1 as PEM, which openssl reads for every algorithm.
    #[cfg(test)]
    pub(crate) fn to_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        self.to_pem_with(None)
    }

    /// The same; encrypted when there is a passphrase.
    pub(crate) fn to_pem_with(
        &self,
        passphrase: Option<&Passphrase>,
    ) -> Result<Zeroizing<String>, KeyError> {
        let unspecified = |_| KeyError::Generate;
        let document = match self {
            Self::Ecdsa(pair) => secret(pair.to_pkcs8v1().map_err(unspecified)?.as_ref()),
            Self::Ed25519(pair) => secret(pair.to_pkcs8v1().map_err(unspecified)?.as_ref()),
            Self::Rsa(pair) => {
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(unspecified)?;
                secret(der.as_ref())
            }
        }?;
        if let Some(passphrase) = passphrase {
            return encrypted::seal(&document, passphrase);
        }
        document
            .to_pem(LABEL, LineEnding::LF)
            .map_err(|_| KeyError::Generate)
    }

    /// The public half.
    pub(crate) fn public_key(&self) -> Result<PublicKey, KeyError> {
        let spki: PublicKeyX509Der<'_> = match self {
            Self::Ecdsa(pair) => pair.public_key().as_der(),
            Self::Ed25519(pair) => pair.public_key().as_der(),
            Self::Rsa(pair) => pair.public_key().as_der(),
        }
        .map_err(|_| KeyError::Generate)?;
        Ok(PublicKey::parse_spki(spki.as_ref())?)
    }

    fn sign_now(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let refused = |_| KeyError::sign("the cryptographic library refused");
        let random = SystemRandom::new();
        match self {
            Self::Ecdsa(pair) => Ok(pair
                .sign(&random, message)
                .map_err(refused)?
                .as_ref()
                .to_vec()),
            Self::Ed25519(pair) => Ok(pair.try_sign(message).map_err(refused)?.as_ref().to_vec()),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(refused)?;
                Ok(signature)
            }
        }
    }
}

#[async_trait]
impl Backend for SoftwareKey {
    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.sign_now(message)
    }
}

impl fmt::Debug for SoftwareKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SoftwareKey(redacted)")
    }
}

/// Recognizes the PEM forms that people have at hand but that are not plain PKCS#8.
fn foreign_label(text: &str, can_open: bool) -> Option<PemProblem> {
    const BEGIN: &str = "-----BEGIN ";
    let label = text.split(BEGIN).nth(1)?.split("-----").next()?;
    match label {
        LABEL => None,
        encrypted::LABEL if can_open => None,
        encrypted::LABEL => Some(PemProblem::Encrypted),
        // RFC 1423 encryption announces itself in a header below the first line.
        _ if text.contains("Proc-Type: 4,ENCRYPTED") => Some(PemProblem::OldEncryption),
        _ => Some(PemProblem::NotPkcs8),
    }
}

fn ecdsa_algorithm(curve: ObjectIdentifier) -> Result<&'static EcdsaSigningAlgorithm, PemProblem> {
    match curve {
        SECP256R1 => Ok(&ECDSA_P256_SHA256_ASN1_SIGNING),
        SECP384R1 => Ok(&ECDSA_P384_SHA384_ASN1_SIGNING),
        other => Err(PemProblem::Algorithm(other)),
    }
}

fn secret(der: &[u8]) -> Result<SecretDocument, KeyError> {
    SecretDocument::try_from(der).map_err(|_| KeyError::Generate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALGORITHMS: [Algorithm; 4] = [
        Algorithm::EcdsaP256,
        Algorithm::EcdsaP384,
        Algorithm::Ed25519,
        Algorithm::Rsa2048,
    ];

    #[test]
    fn a_written_key_reads_back_as_itself() {
        for algorithm in ALGORITHMS {
            let key = SoftwareKey::generate(algorithm).unwrap();
            let pem = key.to_pem().unwrap();
            assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
            let again = SoftwareKey::parse_pem(&pem).unwrap();
            assert_eq!(key.public_key().unwrap(), again.public_key().unwrap());
        }
    }

    #[test]
    fn written_keys_are_pkcs8_version_1() {
        for algorithm in ALGORITHMS {
            let pem = SoftwareKey::generate(algorithm).unwrap().to_pem().unwrap();
            let (_, document) = SecretDocument::from_pem(&pem).unwrap();
            let info = PrivateKeyInfo::try_from(document.as_bytes()).unwrap();
            assert_eq!(info.version(), pkcs8::Version::V1);
        }
    }

    #[test]
    fn each_unsupported_form_is_named_with_its_cure() {
        let cases = [
            ("", PemProblem::NotPem),
            ("key", PemProblem::NotPem),
            (
                "-----BEGIN PRIVATE KEY-----\n%%%%\n-----END PRIVATE KEY-----\n",
                PemProblem::NotPem,
            ),
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
                PemProblem::Encrypted,
            ),
            (
                "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n",
                PemProblem::OldEncryption,
            ),
            (
                "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n",
                PemProblem::NotPkcs8,
            ),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nMAA=\n-----END RSA PRIVATE KEY-----\n",
                PemProblem::NotPkcs8,
            ),
            (
                "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
                PemProblem::Malformed,
            ),
        ];
        for (text, want) in cases {
            assert_eq!(SoftwareKey::parse_pem(text).unwrap_err(), want, "{text}");
        }
    }

    #[test]
    fn an_unsupported_curve_is_named() {
        let pem = SoftwareKey::generate(Algorithm::EcdsaP256)
            .unwrap()
            .to_pem()
            .unwrap();
        let (_, document) = SecretDocument::from_pem(&pem).unwrap();
        let curve = SECP256R1.as_bytes();
        let mut der = document.as_bytes().to_vec();
        let at = der.windows(curve.len()).position(|w| w == curve).unwrap();
        der[at + curve.len() - 1] = 0x06;
        assert_eq!(
            SoftwareKey::parse_pkcs8(&der).unwrap_err(),
            PemProblem::Algorithm(ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.6"))
        );
    }

    #[test]
    fn debug_is_redacted() {
        let key = SoftwareKey::generate(Algorithm::Ed25519).unwrap();
        assert_eq!(format!("{key:?}"), "SoftwareKey(redacted)");
    }

    proptest! {
        #[test]
        fn a_damaged_key_never_panics(at in 0_usize..138, value: u8) {
            let key = SoftwareKey::generate(Algorithm::EcdsaP256).unwrap();
            let pem = key.to_pem().unwrap();
            let (_, document) = SecretDocument::from_pem(&pem).unwrap();
            let mut der = document.as_bytes().to_vec();
            let at = at % der.len();
            der[at] = value;
            let _ = SoftwareKey::parse_pkcs8(&der);
        }

        #[test]
        fn any_text_is_answered(text in ".{0,400}") {
            prop_assert!(SoftwareKey::parse_pem(&text).is_err());
        }
    }
}
