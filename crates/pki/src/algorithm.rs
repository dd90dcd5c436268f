//! Names of keys, hashes and signature schemes, and how they fit together.
use crate::{crypto, oid};
use const_oid::ObjectIdentifier;
use der::asn1::Any;
use spki::AlgorithmIdentifierOwned;
use std::fmt;

/// The type of a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// ECDSA on NIST P-256.
    EcdsaP256,
    /// ECDSA on NIST P-384.
    EcdsaP384,
    /// ECDSA on NIST P-521.
    EcdsaP521,
    /// RSA of any size that parses.
    Rsa {
        /// Bits of the modulus.
        bits: u32,
    },
    /// Ed25519.
    Ed25519,
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EcdsaP256 => f.write_str("ECDSA P-256"),
            Self::EcdsaP384 => f.write_str("ECDSA P-384"),
            Self::EcdsaP521 => f.write_str("ECDSA P-521"),
            Self::Rsa { bits } => write!(f, "RSA-{bits}"),
            Self::Ed25519 => f.write_str("Ed25519"),
        }
    }
}

/// The hashes of Sigstore, all SHA-2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashAlgorithm {
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-384, 48 bytes.
    Sha384,
    /// SHA-512, 64 bytes.
    Sha512,
}

impl HashAlgorithm {
    const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    /// Hashes `data`.
    pub fn digest(self, data: &[u8]) -> Vec<u8> {
        crypto::digest(self, data)
    }

    /// Hashes parts as if they were joined, without joining them.
    pub fn digest_parts(self, parts: &[&[u8]]) -> Vec<u8> {
        crypto::digest_parts(self, parts)
    }

    /// Gives the length of a digest, in bytes.
    #[allow(clippy::len_without_is_empty)] // a digest is never empty
    pub fn len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Gives the name of Rekor v1 and cosign: `sha256`, `sha384`, `sha512`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// Finds a hash by [`name`](Self::name), in exactly this case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hash| hash.name() == name)
    }

    /// Gives the name of protobuf-specs: `SHA2_256`, `SHA2_384`, `SHA2_512`.
    pub fn proto_name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA2_256",
            Self::Sha384 => "SHA2_384",
            Self::Sha512 => "SHA2_512",
        }
    }

    /// Finds a hash by [`proto_name`](Self::proto_name).
    pub fn from_proto_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hash| hash.proto_name() == name)
    }
}

/// How a signature is made: key type, hash, padding. ECDSA signatures are DER (r, s).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// ECDSA P-256 with SHA-256.
    EcdsaP256Sha256,
    /// ECDSA P-384 with SHA-384.
    EcdsaP384Sha384,
    /// ECDSA P-521 with SHA-512.
    EcdsaP521Sha512,
    /// ECDSA P-256 with SHA-384.
    EcdsaP256Sha384,
    /// ECDSA P-256 with SHA-512.
    EcdsaP256Sha512,
    /// ECDSA P-384 with SHA-256.
    EcdsaP384Sha256,
    /// ECDSA P-384 with SHA-512.
    EcdsaP384Sha512,
    /// ECDSA P-521 with SHA-256.
    EcdsaP521Sha256,
    /// ECDSA P-521 with SHA-384.
    EcdsaP521Sha384,
    /// RSA PKCS#1 v1.5 with SHA-256.
    RsaPkcs1Sha256,
    /// RSA PKCS#1 v1.5 with SHA-384.
    RsaPkcs1Sha384,
    /// RSA PKCS#1 v1.5 with SHA-512.
    RsaPkcs1Sha512,
    /// RSA PSS with SHA-256, MGF1 of the same hash, salt as long as the hash.
    RsaPssSha256,
    /// RSA PSS with SHA-384, MGF1 of the same hash, salt as long as the hash.
    RsaPssSha384,
    /// RSA PSS with SHA-512, MGF1 of the same hash, salt as long as the hash.
    RsaPssSha512,
    /// Ed25519 over the message (RFC 8032).
    Ed25519,
    /// Ed25519ph: over the SHA-512 of the message, no context (RFC 8032).
    Ed25519ph,
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Self; 17] = [
        Self::EcdsaP256Sha256,
        Self::EcdsaP384Sha384,
        Self::EcdsaP521Sha512,
        Self::EcdsaP256Sha384,
        Self::EcdsaP256Sha512,
        Self::EcdsaP384Sha256,
        Self::EcdsaP384Sha512,
        Self::EcdsaP521Sha256,
        Self::EcdsaP521Sha384,
        Self::RsaPkcs1Sha256,
        Self::RsaPkcs1Sha384,
        Self::RsaPkcs1Sha512,
        Self::RsaPssSha256,
        Self::RsaPssSha384,
        Self::RsaPssSha512,
        Self::Ed25519,
        Self::Ed25519ph,
    ];

    /// Gives the hash over the message; none for pure Ed25519, which hashes inside.
    pub fn hash(self) -> Option<HashAlgorithm> {
        match self {
            Self::EcdsaP256Sha256
            | Self::EcdsaP384Sha256
            | Self::EcdsaP521Sha256
            | Self::RsaPkcs1Sha256
            | Self::RsaPssSha256 => Some(HashAlgorithm::Sha256),
            Self::EcdsaP256Sha384
            | Self::EcdsaP384Sha384
            | Self::EcdsaP521Sha384
            | Self::RsaPkcs1Sha384
            | Self::RsaPssSha384 => Some(HashAlgorithm::Sha384),
            Self::EcdsaP256Sha512
            | Self::EcdsaP384Sha512
            | Self::EcdsaP521Sha512
            | Self::RsaPkcs1Sha512
            | Self::RsaPssSha512
            | Self::Ed25519ph => Some(HashAlgorithm::Sha512),
            Self::Ed25519 => None,
        }
    }

    /// Tells whether a key of this kind can make such signatures.
    pub fn fits(self, kind: KeyKind) -> bool {
        match self {
            Self::EcdsaP256Sha256 | Self::EcdsaP256Sha384 | Self::EcdsaP256Sha512 => {
                kind == KeyKind::EcdsaP256
            }
            Self::EcdsaP384Sha256 | Self::EcdsaP384Sha384 | Self::EcdsaP384Sha512 => {
                kind == KeyKind::EcdsaP384
            }
            Self::EcdsaP521Sha256 | Self::EcdsaP521Sha384 | Self::EcdsaP521Sha512 => {
                kind == KeyKind::EcdsaP521
            }
            Self::RsaPkcs1Sha256
            | Self::RsaPkcs1Sha384
            | Self::RsaPkcs1Sha512
            | Self::RsaPssSha256
            | Self::RsaPssSha384
            | Self::RsaPssSha512 => matches!(kind, KeyKind::Rsa { .. }),
            Self::Ed25519 | Self::Ed25519ph => kind == KeyKind::Ed25519,
        }
    }

    /// Finds the ECDSA scheme of a curve and a hash, or the PKCS#1 v1.5 scheme of RSA and a hash.
    pub fn of(kind: KeyKind, hash: HashAlgorithm) -> Option<Self> {
        let pss = [Self::RsaPssSha256, Self::RsaPssSha384, Self::RsaPssSha512];
        Self::ALL.into_iter().find(|s| {
            s.fits(kind) && s.hash() == Some(hash) && *s != Self::Ed25519ph && !pss.contains(s)
        })
    }

    /// Gives the X.509 signature AlgorithmIdentifier, parameters as RFC 4055, 5758 and 8410 want them.
    /// None for PSS and Ed25519ph, which no certificate here is signed with.
    pub fn algorithm_identifier(self) -> Option<AlgorithmIdentifierOwned> {
        let (oid, parameters) = match (self, self.hash()) {
            (Self::RsaPssSha256 | Self::RsaPssSha384 | Self::RsaPssSha512 | Self::Ed25519ph, _) => {
                return None;
            }
            (Self::RsaPkcs1Sha256, _) => (oid::RSA_SHA256, Some(Any::null())),
            (Self::RsaPkcs1Sha384, _) => (oid::RSA_SHA384, Some(Any::null())),
            (Self::RsaPkcs1Sha512, _) => (oid::RSA_SHA512, Some(Any::null())),
            (_, Some(HashAlgorithm::Sha256)) => (oid::ECDSA_SHA256, None),
            (_, Some(HashAlgorithm::Sha384)) => (oid::ECDSA_SHA384, None),
            (_, Some(HashAlgorithm::Sha512)) => (oid::ECDSA_SHA512, None),
            (_, None) => (oid::ED25519, None),
        };
        Some(AlgorithmIdentifierOwned { oid, parameters })
    }

    /// Finds the scheme that a signature algorithm OID means for a key of this kind.
    pub(crate) fn from_signature_oid(
        id: &ObjectIdentifier,
        kind: KeyKind,
    ) -> Result<Self, SignatureOidError> {
        if !KNOWN_SIGNATURES.contains(id) {
            return Err(SignatureOidError::Unknown);
        }
        Self::ALL
            .into_iter()
            .find(|s| s.fits(kind) && s.algorithm_identifier().is_some_and(|a| a.oid == *id))
            .ok_or(SignatureOidError::OtherKey)
    }
}

const KNOWN_SIGNATURES: [ObjectIdentifier; 7] = [
    oid::ECDSA_SHA256,
    oid::ECDSA_SHA384,
    oid::ECDSA_SHA512,
    oid::RSA_SHA256,
    oid::RSA_SHA384,
    oid::RSA_SHA512,
    oid::ED25519,
];

/// Why an OID gives no scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignatureOidError {
    Unknown,
    OtherKey,
}

/// The `keyDetails` names of protobuf-specs in use, each for one kind of key and one scheme.
const KEY_DETAILS: [(&str, KeyKind, Scheme); 13] = [
    (
        "PKIX_ECDSA_P256_SHA_256",
        KeyKind::EcdsaP256,
        Scheme::EcdsaP256Sha256,
    ),
    (
        "PKIX_ECDSA_P384_SHA_384",
        KeyKind::EcdsaP384,
        Scheme::EcdsaP384Sha384,
    ),
    (
        "PKIX_ECDSA_P521_SHA_512",
        KeyKind::EcdsaP521,
        Scheme::EcdsaP521Sha512,
    ),
    ("PKIX_ED25519", KeyKind::Ed25519, Scheme::Ed25519),
    ("PKIX_ED25519_PH", KeyKind::Ed25519, Scheme::Ed25519ph),
    (
        "PKIX_RSA_PKCS1V15_2048_SHA256",
        KeyKind::Rsa { bits: 2048 },
        Scheme::RsaPkcs1Sha256,
    ),
    (
        "PKIX_RSA_PKCS1V15_3072_SHA256",
        KeyKind::Rsa { bits: 3072 },
        Scheme::RsaPkcs1Sha256,
    ),
    (
        "PKIX_RSA_PKCS1V15_4096_SHA256",
        KeyKind::Rsa { bits: 4096 },
        Scheme::RsaPkcs1Sha256,
    ),
    (
        "PKIX_RSA_PSS_2048_SHA256",
        KeyKind::Rsa { bits: 2048 },
        Scheme::RsaPssSha256,
    ),
    (
        "PKIX_RSA_PSS_3072_SHA256",
        KeyKind::Rsa { bits: 3072 },
        Scheme::RsaPssSha256,
    ),
    (
        "PKIX_RSA_PSS_4096_SHA256",
        KeyKind::Rsa { bits: 4096 },
        Scheme::RsaPssSha256,
    ),
    // Deprecated there, but selectable by Fulcio's and Rekor's list of client signing algorithms.
    (
        "PKIX_ECDSA_P384_SHA_256",
        KeyKind::EcdsaP384,
        Scheme::EcdsaP384Sha256,
    ),
    (
        "PKIX_ECDSA_P521_SHA_256",
        KeyKind::EcdsaP521,
        Scheme::EcdsaP521Sha256,
    ),
];

/// Older names without a size; read, never written.
const KEY_DETAILS_ANY_RSA: [(&str, Scheme); 4] = [
    ("PKCS1_RSA_PKCS1V5", Scheme::RsaPkcs1Sha256),
    ("PKIX_RSA_PKCS1V5", Scheme::RsaPkcs1Sha256),
    ("PKCS1_RSA_PSS", Scheme::RsaPssSha256),
    ("PKIX_RSA_PSS", Scheme::RsaPssSha256),
];

/// Names the `keyDetails` of a key and a scheme.
pub(crate) fn key_details(kind: KeyKind, scheme: Scheme) -> Option<&'static str> {
    KEY_DETAILS
        .iter()
        .find(|(_, k, s)| *k == kind && *s == scheme)
        .map(|(name, ..)| *name)
}

/// Reads a `keyDetails` name for a key.
pub(crate) fn scheme_for_details(kind: KeyKind, name: &str) -> Option<Scheme> {
    let exact = KEY_DETAILS
        .iter()
        .find(|(n, k, _)| *n == name && *k == kind)
        .map(|(.., scheme)| *scheme);
    let any_rsa = || {
        KEY_DETAILS_ANY_RSA
            .iter()
            .find(|(n, s)| *n == name && s.fits(kind))
            .map(|(_, scheme)| *scheme)
    };
    exact.or_else(any_rsa)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_details_names_round_trip() {
        for (name, kind, scheme) in KEY_DETAILS {
            assert_eq!(key_details(kind, scheme), Some(name));
            assert_eq!(scheme_for_details(kind, name), Some(scheme));
        }
    }

    #[test]
    fn a_name_for_another_key_gives_no_scheme() {
        assert_eq!(
            scheme_for_details(KeyKind::EcdsaP384, "PKIX_ECDSA_P256_SHA_256"),
            None
        );
        assert_eq!(
            scheme_for_details(KeyKind::Rsa { bits: 2048 }, "PKIX_RSA_PKCS1V15_4096_SHA256"),
            None
        );
        assert_eq!(
            scheme_for_details(KeyKind::Ed25519, "PKIX_RSA_PKCS1V5"),
            None
        );
        assert_eq!(scheme_for_details(KeyKind::EcdsaP256, "nonsense"), None);
        assert_eq!(
            key_details(KeyKind::EcdsaP256, Scheme::EcdsaP256Sha512),
            None
        );
    }

    #[test]
    fn a_signature_oid_takes_its_curve_from_the_key() {
        let of = |id, kind| Scheme::from_signature_oid(&id, kind);
        assert_eq!(
            of(oid::ECDSA_SHA256, KeyKind::EcdsaP384),
            Ok(Scheme::EcdsaP384Sha256)
        );
        assert_eq!(
            of(oid::RSA_SHA512, KeyKind::Rsa { bits: 2048 }),
            Ok(Scheme::RsaPkcs1Sha512)
        );
        assert_eq!(of(oid::ED25519, KeyKind::Ed25519), Ok(Scheme::Ed25519));
        assert_eq!(
            of(oid::ECDSA_SHA256, KeyKind::Ed25519),
            Err(SignatureOidError::OtherKey)
        );
        assert_eq!(
            of(oid::CODE_SIGNING, KeyKind::Ed25519),
            Err(SignatureOidError::Unknown)
        );
    }

    #[test]
    fn a_kind_and_a_hash_make_a_scheme() {
        assert_eq!(
            Scheme::of(KeyKind::Rsa { bits: 2048 }, HashAlgorithm::Sha384),
            Some(Scheme::RsaPkcs1Sha384)
        );
        assert_eq!(
            Scheme::of(KeyKind::EcdsaP521, HashAlgorithm::Sha256),
            Some(Scheme::EcdsaP521Sha256)
        );
        assert_eq!(Scheme::of(KeyKind::Ed25519, HashAlgorithm::Sha512), None);
    }

    #[test]
    fn hash_names_round_trip() {
        for hash in HashAlgorithm::ALL {
            assert_eq!(HashAlgorithm::from_name(hash.name()), Some(hash));
            assert_eq!(
                HashAlgorithm::from_proto_name(hash.proto_name()),
                Some(hash)
            );
            assert_eq!(hash.digest(b"").len(), hash.len());
        }
        assert_eq!(HashAlgorithm::from_name("SHA256"), None);
    }
}
