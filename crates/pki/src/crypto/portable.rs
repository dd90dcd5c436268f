//! The backend for targets that C does not reach: the RustCrypto crates. Several times slower than the usual one.

use super::Refused;
use crate::algorithm::{HashAlgorithm, Scheme};
use ed25519_dalek::VerifyingKey;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rsa::traits::PublicKeyParts;
use rsa::{BigUint, Pkcs1v15Sign, Pss, RsaPublicKey, pkcs1};
use sha2::{Digest, Sha256, Sha384, Sha512};

/// As the usual backend has it.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// Bytes of a P-521 field element.
const P521_BYTES: usize = 66;

pub(crate) fn digest(hash: HashAlgorithm, data: &[u8]) -> Vec<u8> {
    match hash {
        HashAlgorithm::Sha256 => Sha256::digest(data).to_vec(),
        HashAlgorithm::Sha384 => Sha384::digest(data).to_vec(),
        HashAlgorithm::Sha512 => Sha512::digest(data).to_vec(),
    }
}

pub(crate) fn digest_parts(hash: HashAlgorithm, parts: &[&[u8]]) -> Vec<u8> {
    fn all<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
        let mut hasher = D::new();
        parts.iter().for_each(|part| hasher.update(part));
        hasher.finalize().to_vec()
    }
    match hash {
        HashAlgorithm::Sha256 => all::<Sha256>(parts),
        HashAlgorithm::Sha384 => all::<Sha384>(parts),
        HashAlgorithm::Sha512 => all::<Sha512>(parts),
    }
}

pub(crate) fn sha1(data: &[u8]) -> [u8; 20] {
    sha1::Sha1::digest(data).into()
}

/// A key that was found to be one.
#[derive(Clone)]
pub(crate) struct Parsed(Vec<u8>);

impl Parsed {
    /// `None` when the key is none of the scheme's kind.
    pub(crate) fn new(scheme: Scheme, raw: &[u8]) -> Option<Self> {
        let good = match family(scheme) {
            Family::P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(raw).is_ok(),
            Family::P384 => p384::ecdsa::VerifyingKey::from_sec1_bytes(raw).is_ok(),
            Family::P521 => p521::ecdsa::VerifyingKey::from_sec1_bytes(raw).is_ok(),
            Family::RsaPkcs1 | Family::RsaPss => rsa_key(raw).is_ok(),
            Family::Ed25519 => <&[u8; 32]>::try_from(raw).is_ok(),
            Family::Ed25519ph => false,
        };
        good.then(|| Self(raw.to_vec()))
    }

    pub(crate) fn verify(
        &self,
        scheme: Scheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Refused> {
        verify(scheme, &self.0, message, signature)
    }

    pub(crate) fn verify_digest(
        &self,
        scheme: Scheme,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), Refused> {
        verify_digest(scheme, &self.0, digest, signature)
    }
}

pub(crate) fn verify(
    scheme: Scheme,
    raw: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), Refused> {
    if family(scheme) == Family::Ed25519 {
        let key = VerifyingKey::try_from(raw).map_err(|_| Refused)?;
        let signature = ed25519_dalek::Signature::from_slice(signature).map_err(|_| Refused)?;
        // Not strict: the usual backend is not either; weak keys are refused when they are parsed.
        use ed25519_dalek::Verifier;
        return key.verify(message, &signature).map_err(|_| Refused);
    }
    let hash = scheme.hash().ok_or(Refused)?;
    verify_digest(scheme, raw, &digest(hash, message), signature)
}

pub(crate) fn verify_digest(
    scheme: Scheme,
    raw: &[u8],
    digest: &[u8],
    signature: &[u8],
) -> Result<(), Refused> {
    match family(scheme) {
        Family::P256 => {
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(raw).map_err(|_| Refused)?;
            let signature = p256::ecdsa::Signature::from_der(signature).map_err(|_| Refused)?;
            key.verify_prehash(digest, &signature).map_err(|_| Refused)
        }
        Family::P384 => {
            let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(raw).map_err(|_| Refused)?;
            let signature = p384::ecdsa::Signature::from_der(signature).map_err(|_| Refused)?;
            key.verify_prehash(digest, &signature).map_err(|_| Refused)
        }
        Family::P521 => {
            let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(raw).map_err(|_| Refused)?;
            let signature = p521::ecdsa::Signature::from_der(signature).map_err(|_| Refused)?;
            // The crate refuses digests below half of the field; zeros in front are the same number.
            let mut padded = [0; P521_BYTES];
            let start = P521_BYTES.checked_sub(digest.len()).ok_or(Refused)?;
            padded[start..].copy_from_slice(digest);
            key.verify_prehash(&padded, &signature).map_err(|_| Refused)
        }
        Family::RsaPkcs1 => {
            let padding = match scheme.hash().ok_or(Refused)? {
                HashAlgorithm::Sha256 => Pkcs1v15Sign::new::<Sha256>(),
                HashAlgorithm::Sha384 => Pkcs1v15Sign::new::<Sha384>(),
                HashAlgorithm::Sha512 => Pkcs1v15Sign::new::<Sha512>(),
            };
            let key = rsa_key(raw)?;
            key.verify(padding, digest, signature).map_err(|_| Refused)
        }
        Family::RsaPss => {
            // Salts are as long as the digest.
            let padding = match scheme.hash().ok_or(Refused)? {
                HashAlgorithm::Sha256 => Pss::new::<Sha256>(),
                HashAlgorithm::Sha384 => Pss::new::<Sha384>(),
                HashAlgorithm::Sha512 => Pss::new::<Sha512>(),
            };
            let key = rsa_key(raw)?;
            key.verify(padding, digest, signature).map_err(|_| Refused)
        }
        Family::Ed25519 | Family::Ed25519ph => Err(Refused),
    }
}

fn rsa_key(raw: &[u8]) -> Result<RsaPublicKey, Refused> {
    let parts = pkcs1::RsaPublicKey::try_from(raw).map_err(|_| Refused)?;
    let n = BigUint::from_bytes_be(parts.modulus.as_bytes());
    let e = BigUint::from_bytes_be(parts.public_exponent.as_bytes());
    let key = RsaPublicKey::new_with_max_size(n, e, *RSA_BITS.end()).map_err(|_| Refused)?;
    match RSA_BITS.contains(&key.n().bits()) {
        true => Ok(key),
        false => Err(Refused),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    P256,
    P384,
    P521,
    RsaPkcs1,
    RsaPss,
    Ed25519,
    Ed25519ph,
}

fn family(scheme: Scheme) -> Family {
    match scheme {
        Scheme::EcdsaP256Sha256 | Scheme::EcdsaP256Sha384 | Scheme::EcdsaP256Sha512 => Family::P256,
        Scheme::EcdsaP384Sha256 | Scheme::EcdsaP384Sha384 | Scheme::EcdsaP384Sha512 => Family::P384,
        Scheme::EcdsaP521Sha256 | Scheme::EcdsaP521Sha384 | Scheme::EcdsaP521Sha512 => Family::P521,
        Scheme::RsaPkcs1Sha256 | Scheme::RsaPkcs1Sha384 | Scheme::RsaPkcs1Sha512 => {
            Family::RsaPkcs1
        }
        Scheme::RsaPssSha256 | Scheme::RsaPssSha384 | Scheme::RsaPssSha512 => Family::RsaPss,
        Scheme::Ed25519 => Family::Ed25519,
        Scheme::Ed25519ph => Family::Ed25519ph,
    }
}

#[cfg(test)]
mod tests {
    use super::super::aws;
    use super::*;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{
        self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaEncoding, RsaKeyPair,
    };

    const MESSAGE: &[u8] = b"a message";

    /// A public key and a signature over [`MESSAGE`], made by the other library.
    struct Signed {
        scheme: Scheme,
        key: Vec<u8>,
        signature: Vec<u8>,
    }

    fn ecdsa(scheme: Scheme, algorithm: &'static EcdsaSigningAlgorithm) -> Signed {
        let pair = EcdsaKeyPair::generate(algorithm).unwrap();
        let signature = pair.sign(&SystemRandom::new(), MESSAGE).unwrap();
        Signed {
            scheme,
            key: pair.public_key().as_ref().to_vec(),
            signature: signature.as_ref().to_vec(),
        }
    }

    fn rsa(scheme: Scheme, pair: &RsaKeyPair, padding: &'static dyn RsaEncoding) -> Signed {
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(padding, &SystemRandom::new(), MESSAGE, &mut signature)
            .unwrap();
        Signed {
            scheme,
            key: pair.public_key().as_ref().to_vec(),
            signature,
        }
    }

    fn samples() -> Vec<Signed> {
        let small = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let large = RsaKeyPair::generate(KeySize::Rsa4096).unwrap();
        let edwards = Ed25519KeyPair::generate().unwrap();
        vec![
            ecdsa(
                Scheme::EcdsaP256Sha256,
                &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
            ),
            ecdsa(
                Scheme::EcdsaP384Sha384,
                &signature::ECDSA_P384_SHA384_ASN1_SIGNING,
            ),
            ecdsa(
                Scheme::EcdsaP521Sha256,
                &signature::ECDSA_P521_SHA256_ASN1_SIGNING,
            ),
            ecdsa(
                Scheme::EcdsaP521Sha512,
                &signature::ECDSA_P521_SHA512_ASN1_SIGNING,
            ),
            rsa(Scheme::RsaPkcs1Sha256, &small, &signature::RSA_PKCS1_SHA256),
            rsa(Scheme::RsaPkcs1Sha512, &large, &signature::RSA_PKCS1_SHA512),
            rsa(Scheme::RsaPssSha256, &small, &signature::RSA_PSS_SHA256),
            rsa(Scheme::RsaPssSha384, &large, &signature::RSA_PSS_SHA384),
            Signed {
                scheme: Scheme::Ed25519,
                key: edwards.public_key().as_ref().to_vec(),
                signature: edwards.sign(MESSAGE).as_ref().to_vec(),
            },
        ]
    }

    #[test]
    fn both_backends_accept_and_refuse_the_same_signatures() {
        for sample in samples() {
            let both = |message: &[u8], signature: &[u8]| {
                let key = Parsed::new(sample.scheme, &sample.key).unwrap();
                let ours = key.verify(sample.scheme, message, signature);
                let usual = aws::verify(sample.scheme, &sample.key, message, signature);
                assert_eq!(ours, usual, "{:?}", sample.scheme);
                ours
            };
            assert_eq!(both(MESSAGE, &sample.signature), Ok(()));
            assert_eq!(both(b"another", &sample.signature), Err(Refused));
            assert_eq!(both(MESSAGE, &[]), Err(Refused));
            for at in (0..sample.signature.len()).step_by(9) {
                let mut altered = sample.signature.clone();
                altered[at] ^= 1;
                assert_eq!(both(MESSAGE, &altered), Err(Refused));
            }
        }
    }

    #[test]
    fn a_digest_verifies_as_its_message_does() {
        for sample in samples().iter().filter(|s| s.scheme.hash().is_some()) {
            let digest = digest(sample.scheme.hash().unwrap(), MESSAGE);
            let key = Parsed::new(sample.scheme, &sample.key).unwrap();
            let verified = key.verify_digest(sample.scheme, &digest, &sample.signature);
            assert_eq!(verified, Ok(()), "{:?}", sample.scheme);
        }
    }

    #[test]
    fn a_key_that_is_none_is_refused() {
        for sample in samples() {
            assert!(Parsed::new(sample.scheme, &sample.key).is_some());
            assert!(Parsed::new(sample.scheme, &sample.key[1..]).is_none());
            assert!(Parsed::new(sample.scheme, &[]).is_none());
        }
    }

    #[test]
    fn digests_are_those_of_the_usual_backend() {
        for hash in [
            HashAlgorithm::Sha256,
            HashAlgorithm::Sha384,
            HashAlgorithm::Sha512,
        ] {
            let whole = digest(hash, MESSAGE);
            assert_eq!(whole, aws::digest(hash, MESSAGE));
            let (head, tail) = MESSAGE.split_at(3);
            assert_eq!(whole, digest_parts(hash, &[head, tail]));
            assert_eq!(whole, aws::digest_parts(hash, &[head, tail]));
        }
        assert_eq!(sha1(MESSAGE), aws::sha1(MESSAGE));
    }
}
