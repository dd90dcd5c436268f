//! Public keys and signature checks.
//!
//! The cryptography itself is in one private module (aws-lc-rs; Ed25519ph by ed25519-dalek).
pub use crate::algorithm::{HashAlgorithm, KeyKind, Scheme};
use crate::crypto::{self, VerifyKey};
use crate::pem::{self, PemError};
use crate::{algorithm, limits, oid, strength, tlv};
use const_oid::ObjectIdentifier;
use der::asn1::{AnyRef, BitStringRef, UintRef};
use der::{Decode, Encode, Tag};
use spki::{AlgorithmIdentifier, SubjectPublicKeyInfo, SubjectPublicKeyInfoRef};
use std::sync::OnceLock;

const LABEL_SPKI: &str = "PUBLIC KEY";
const LABEL_PKCS1: &str = "RSA PUBLIC KEY";

/// A public key of a supported type, in DER as received, structurally sound: an EC point is on its curve.
///
/// Whether it is strong enough is another question: [`check_strength`](Self::check_strength).
#[derive(Clone, Debug)]
pub struct PublicKey {
    spki_der: Vec<u8>,
    kind: KeyKind,
    verify: VerifyKey,
    /// Hashed when it is first asked for: a log's or CA's key is named in every verification.
    key_id: OnceLock<[u8; 32]>,
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.spki_der == other.spki_der
    }
}
impl Eq for PublicKey {}

impl PublicKey {
    /// Parses a DER SubjectPublicKeyInfo: ECDSA on P-256, P-384, P-521 (named curve, uncompressed point), RSA up to
    /// [`limits::RSA_BITS`], Ed25519.
    pub fn parse_spki(der: &[u8]) -> Result<Self, KeyError> {
        check_size(der)?;
        tlv::check_sets(der).map_err(|_| KeyError::Malformed)?;
        let spki = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| KeyError::Malformed)?;
        let raw = spki
            .subject_public_key
            .as_bytes()
            .ok_or(KeyError::Malformed)?;
        let kind = kind_of(&spki.algorithm, raw)?;
        let verify =
            VerifyKey::new(kind, default_scheme(kind), raw).map_err(|_| KeyError::NotOnCurve)?;
        Ok(Self {
            spki_der: der.to_vec(),
            kind,
            verify,
            key_id: OnceLock::new(),
        })
    }

    /// Parses a DER RSAPublicKey (PKCS#1) and wraps it as SubjectPublicKeyInfo.
    pub fn parse_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        check_size(der)?;
        let algorithm = AlgorithmIdentifier {
            oid: oid::RSA_ENCRYPTION,
            parameters: Some(AnyRef::NULL),
        };
        let subject_public_key = BitStringRef::from_bytes(der).map_err(|_| KeyError::Malformed)?;
        let spki = SubjectPublicKeyInfo {
            algorithm,
            subject_public_key,
        }
        .to_der()
        .map_err(|_| KeyError::Malformed)?;
        Self::parse_spki(&spki)
    }

    /// Parses `rawBytes` of a protobuf-specs PublicKey: PKCS#1 when the `keyDetails` name says so (the staging instance's
    /// first CT log), else SPKI. Whether the name fits the key is for [`scheme_for_details`](Self::scheme_for_details).
    pub fn parse_with_details(name: &str, raw: &[u8]) -> Result<Self, KeyError> {
        if name.starts_with("PKCS1_") {
            Self::parse_pkcs1(raw)
        } else {
            Self::parse_spki(raw)
        }
    }

    /// Parses the first PEM block, a `PUBLIC KEY` or `RSA PUBLIC KEY`; as lenient as [`pem`].
    pub fn parse_pem(text: &str) -> Result<Self, KeyError> {
        let block = pem::first(text)?;
        match block.label.as_str() {
            LABEL_SPKI => Self::parse_spki(&block.der),
            LABEL_PKCS1 => Self::parse_pkcs1(&block.der),
            _ => Err(PemError::Label {
                found: block.label,
                want: LABEL_SPKI,
            }
            .into()),
        }
    }

    /// Tells whether [`PublicKey::parse_pem`] would read this very key from the text.
    pub fn is_in_pem(&self, text: &str) -> bool {
        // The same key may stand there as PKCS#1.
        pem::is_first(text, LABEL_SPKI, &self.spki_der)
            || Self::parse_pem(text).is_ok_and(|other| other == *self)
    }

    /// Gives the DER SubjectPublicKeyInfo.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki_der
    }

    /// Gives the subjectPublicKey bits: an EC point, a PKCS#1 RSAPublicKey, or the 32 bytes of Ed25519.
    pub fn raw(&self) -> &[u8] {
        self.verify.raw()
    }

    /// Writes canonical PEM: `PUBLIC KEY`, 64 columns, LF, one LF at the end.
    pub fn to_pem(&self) -> String {
        pem::encode(LABEL_SPKI, &self.spki_der)
    }

    /// Gives the type of the key.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Gives SHA-256 of the SPKI: log ID of Rekor v1 and of CT, issuer key hash.
    pub fn key_id(&self) -> [u8; 32] {
        *self.key_id.get_or_init(|| crypto::sha256(&self.spki_der))
    }

    /// Gives SHA-1 of the subjectPublicKey bits: the subject key identifier (RFC 5280 section 4.2.1.2, method 1).
    pub fn subject_key_identifier(&self) -> [u8; 20] {
        crypto::sha1_for_names(self.verify.raw())
    }

    /// Checks that the key is strong (spec/fulcio.md 2.3): RSA 2048, 3072 or 4096 with exponent 65537 and no findable
    /// factors; an Ed25519 key not of small order. ECDSA keys were checked when parsed.
    pub fn check_strength(&self) -> Result<(), KeyError> {
        match self.kind {
            KeyKind::EcdsaP256 | KeyKind::EcdsaP384 | KeyKind::EcdsaP521 => Ok(()),
            KeyKind::Ed25519 if self.verify.ed25519_is_weak() => Err(KeyError::Ed25519SmallOrder),
            KeyKind::Ed25519 => Ok(()),
            KeyKind::Rsa { bits } => {
                let (modulus, exponent) = rsa_numbers(self.verify.raw())?;
                strength::check_rsa(bits, modulus, exponent)
            }
        }
    }

    /// Gives the registry's scheme of the key when the message is at hand: P-256 with SHA-256, P-384 with SHA-384,
    /// P-521 with SHA-512, RSA PKCS#1 v1.5 with SHA-256, pure Ed25519.
    pub fn default_scheme(&self) -> Scheme {
        default_scheme(self.kind)
    }

    /// Gives the default scheme when only a digest is at hand: as above, but Ed25519ph for Ed25519.
    pub fn default_digest_scheme(&self) -> Scheme {
        match self.default_scheme() {
            Scheme::Ed25519 => Scheme::Ed25519ph,
            scheme => scheme,
        }
    }

    /// Names the protobuf-specs PublicKeyDetails of this key used with `scheme`, e.g. `PKIX_ECDSA_P256_SHA_256`,
    /// `PKIX_ED25519_PH`, `PKIX_RSA_PKCS1V15_2048_SHA256`; None when that list has no name for it.
    pub fn key_details(&self, scheme: Scheme) -> Option<&'static str> {
        algorithm::key_details(self.kind, scheme)
    }

    /// Finds the scheme that a `keyDetails` name means for this key; None when the name does not fit the key.
    pub fn scheme_for_details(&self, name: &str) -> Option<Scheme> {
        algorithm::scheme_for_details(self.kind, name)
    }

    /// Verifies a signature over a message.
    ///
    /// RSA keys below 2048 bits verify nothing.
    pub fn verify(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> Result<(), KeyError> {
        self.check_fit(scheme, signature)?;
        self.verify
            .verify(scheme, message, signature)
            .map_err(|_| KeyError::Signature)
    }

    /// Verifies a signature over a digest computed before. Not for pure Ed25519, which needs the message.
    pub fn verify_digest(
        &self,
        scheme: Scheme,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), KeyError> {
        self.check_fit(scheme, signature)?;
        let want = scheme.hash().ok_or(KeyError::NeedsMessage)?.len();
        if digest.len() != want {
            return Err(KeyError::DigestLength {
                have: digest.len(),
                want,
            });
        }
        self.verify
            .verify_digest(scheme, digest, signature)
            .map_err(|_| KeyError::Signature)
    }

    fn check_fit(&self, scheme: Scheme, signature: &[u8]) -> Result<(), KeyError> {
        if !scheme.fits(self.kind) {
            return Err(KeyError::SchemeMismatch {
                kind: self.kind,
                scheme,
            });
        }
        if signature.len() > limits::SIGNATURE {
            return Err(KeyError::SignatureTooLong {
                len: signature.len(),
                max: limits::SIGNATURE,
            });
        }
        Ok(())
    }
}

fn default_scheme(kind: KeyKind) -> Scheme {
    match kind {
        KeyKind::EcdsaP256 => Scheme::EcdsaP256Sha256,
        KeyKind::EcdsaP384 => Scheme::EcdsaP384Sha384,
        KeyKind::EcdsaP521 => Scheme::EcdsaP521Sha512,
        KeyKind::Rsa { .. } => Scheme::RsaPkcs1Sha256,
        KeyKind::Ed25519 => Scheme::Ed25519,
    }
}

fn check_size(der: &[u8]) -> Result<(), KeyError> {
    if der.len() > limits::KEY_DER {
        return Err(KeyError::TooLarge {
            len: der.len(),
            max: limits::KEY_DER,
        });
    }
    Ok(())
}

/// Reads the type of a key and checks its parameters (RFC 3279 section 2.3, RFC 5480, RFC 8410) and size.
fn kind_of(algorithm: &AlgorithmIdentifier<AnyRef<'_>>, raw: &[u8]) -> Result<KeyKind, KeyError> {
    match (algorithm.oid, algorithm.parameters) {
        (oid::EC_PUBLIC_KEY, Some(parameters)) => {
            let curve = parameters
                .decode_as::<ObjectIdentifier>()
                .map_err(|_| KeyError::Malformed)?;
            let (kind, coordinate) = match curve {
                oid::P256 => (KeyKind::EcdsaP256, 32),
                oid::P384 => (KeyKind::EcdsaP384, 48),
                oid::P521 => (KeyKind::EcdsaP521, 66),
                _ => {
                    return Err(KeyError::UnsupportedCurve {
                        oid: curve.to_string(),
                    });
                }
            };
            // Uncompressed points only, as Go: a second encoding of one key would be a second log ID.
            let uncompressed = raw.len() == 1 + 2 * coordinate && raw.first() == Some(&4);
            if uncompressed {
                Ok(kind)
            } else {
                Err(KeyError::NotOnCurve)
            }
        }
        (oid::RSA_ENCRYPTION, Some(parameters)) if parameters.is_null() => {
            let bits = modulus_bits(rsa_numbers(raw)?.0);
            if bits > limits::RSA_BITS {
                return Err(KeyError::RsaSize { bits });
            }
            Ok(KeyKind::Rsa { bits })
        }
        (oid::ED25519, None) if raw.len() == 32 => Ok(KeyKind::Ed25519),
        (oid::EC_PUBLIC_KEY | oid::RSA_ENCRYPTION | oid::ED25519, _) => Err(KeyError::Malformed),
        (other, _) => Err(KeyError::UnsupportedAlgorithm {
            oid: other.to_string(),
        }),
    }
}

/// Reads modulus and exponent of an RSAPublicKey, big-endian without leading zeros (RFC 8017 appendix A.1.1).
fn rsa_numbers(pkcs1: &[u8]) -> Result<(&[u8], &[u8]), KeyError> {
    let parts = tlv::children(pkcs1, Tag::Sequence).map_err(|_| KeyError::Malformed)?;
    let [modulus, exponent] = parts.as_slice() else {
        return Err(KeyError::Malformed);
    };
    let number = |range: &std::ops::Range<usize>| {
        UintRef::from_der(&pkcs1[range.clone()])
            .map(|n| n.as_bytes())
            .map_err(|_| KeyError::Malformed)
    };
    Ok((number(modulus)?, number(exponent)?))
}

/// Counts the bits of a number that has no leading zero byte. The caller bounds its length to a few KiB.
fn modulus_bits(modulus: &[u8]) -> u32 {
    let bytes = u32::try_from(modulus.len()).unwrap_or(u32::MAX / 8);
    bytes * 8 - modulus.first().map_or(0, |byte| byte.leading_zeros())
}

/// Why a key or a signature was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The encoding is longer than the limit.
    #[error("public key has {len} bytes, the limit is {max}")]
    TooLarge {
        /// Bytes of the encoding.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// The PEM armor is wrong.
    #[error("public key: {0}")]
    Pem(#[from] PemError),
    /// The bytes are no DER SubjectPublicKeyInfo (or RSAPublicKey).
    #[error("public key is no well-formed DER SubjectPublicKeyInfo")]
    Malformed,
    /// The key is of a type that Sigstore does not use.
    #[error(
        "public key algorithm {oid} is not supported: use ECDSA (P-256, P-384, P-521), RSA or Ed25519"
    )]
    UnsupportedAlgorithm {
        /// Dotted OID of the algorithm.
        oid: String,
    },
    /// The curve is not supported.
    #[error("elliptic curve {oid} is not supported: use P-256, P-384 or P-521")]
    UnsupportedCurve {
        /// Dotted OID of the curve.
        oid: String,
    },
    /// The EC point is compressed, infinite, of wrong length or not on the curve.
    #[error("public key is no uncompressed point of its elliptic curve")]
    NotOnCurve,
    /// The RSA modulus has another size than accepted.
    #[error("RSA key has {bits} bits: use 2048, 3072 or 4096")]
    RsaSize {
        /// Bits of the modulus.
        bits: u32,
    },
    /// The RSA exponent is not 65537.
    #[error("RSA public exponent is not 65537")]
    RsaExponent,
    /// The RSA modulus has a small factor.
    #[error("RSA modulus is divisible by {factor}: generate a new key")]
    RsaSmallFactor {
        /// The factor; 2 for an even modulus.
        factor: u32,
    },
    /// The RSA modulus is the product of primes close to each other.
    #[error("RSA modulus can be factored, its primes are close to each other: generate a new key")]
    RsaClosePrimes,
    /// The Ed25519 point has small order.
    #[error("Ed25519 key has small order, anyone can sign for it: generate a new key")]
    Ed25519SmallOrder,
    /// The key cannot make such signatures.
    #[error("{kind} key cannot be used with {scheme:?}")]
    SchemeMismatch {
        /// Type of the key.
        kind: KeyKind,
        /// Scheme asked for.
        scheme: Scheme,
    },
    /// The digest has another length than the scheme's hash.
    #[error("digest has {have} bytes, the signature scheme wants {want}")]
    DigestLength {
        /// Bytes of the digest.
        have: usize,
        /// Bytes of the hash.
        want: usize,
    },
    /// Pure Ed25519 cannot be verified over a digest.
    #[error("pure Ed25519 signatures need the message, not its digest: sign with Ed25519ph")]
    NeedsMessage,
    /// The signature is longer than any real one.
    #[error("signature has {len} bytes, the limit is {max}")]
    SignatureTooLong {
        /// Bytes of the signature.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// The signature does not verify.
    #[error("signature does not verify with this key")]
    Signature,
}
