//! Which signature scheme a key and a hash make, and which of them a log takes.

use pki::key::{HashAlgorithm, KeyKind, Scheme};

/// The scheme of a signature over a digest; `None` for Ed25519 with another hash than SHA-512,
/// which Ed25519ph does not have.
pub(crate) fn over_digest(key: KeyKind, hash: HashAlgorithm) -> Option<Scheme> {
    use HashAlgorithm::{Sha256, Sha384, Sha512};
    Some(match (key, hash) {
        (KeyKind::EcdsaP256, Sha256) => Scheme::EcdsaP256Sha256,
        (KeyKind::EcdsaP256, Sha384) => Scheme::EcdsaP256Sha384,
        (KeyKind::EcdsaP256, Sha512) => Scheme::EcdsaP256Sha512,
        (KeyKind::EcdsaP384, Sha256) => Scheme::EcdsaP384Sha256,
        (KeyKind::EcdsaP384, Sha384) => Scheme::EcdsaP384Sha384,
        (KeyKind::EcdsaP384, Sha512) => Scheme::EcdsaP384Sha512,
        (KeyKind::EcdsaP521, Sha256) => Scheme::EcdsaP521Sha256,
        (KeyKind::EcdsaP521, Sha384) => Scheme::EcdsaP521Sha384,
        (KeyKind::EcdsaP521, Sha512) => Scheme::EcdsaP521Sha512,
        (KeyKind::Rsa { .. }, Sha256) => Scheme::RsaPkcs1Sha256,
        (KeyKind::Rsa { .. }, Sha384) => Scheme::RsaPkcs1Sha384,
        (KeyKind::Rsa { .. }, Sha512) => Scheme::RsaPkcs1Sha512,
        (KeyKind::Ed25519, Sha512) => Scheme::Ed25519ph,
        (KeyKind::Ed25519, Sha256 | Sha384) => return None,
    })
}

/// The scheme of a DSSE signature in a v1 log: SHA-256 for every key but Ed25519 (spec A.11).
pub(crate) fn over_envelope(key: KeyKind) -> Scheme {
    over_digest(key, HashAlgorithm::Sha256).unwrap_or(Scheme::Ed25519)
}

/// True for the pairs of Rekor's default `client-signing-algorithms` (spec A.4 step 4, B.4 step 2).
pub(crate) fn is_allowed(key: KeyKind, scheme: Scheme) -> bool {
    matches!(
        (key, scheme),
        (KeyKind::EcdsaP256, Scheme::EcdsaP256Sha256)
            | (KeyKind::EcdsaP384, Scheme::EcdsaP384Sha384)
            | (KeyKind::EcdsaP521, Scheme::EcdsaP521Sha512)
            | (
                KeyKind::Rsa {
                    bits: 2048 | 3072 | 4096
                },
                Scheme::RsaPkcs1Sha256
            )
            | (KeyKind::Ed25519, Scheme::Ed25519 | Scheme::Ed25519ph)
    )
}

/// A key's kind in words.
pub(crate) fn key_name(key: KeyKind) -> String {
    match key {
        KeyKind::EcdsaP256 => "ECDSA P-256".into(),
        KeyKind::EcdsaP384 => "ECDSA P-384".into(),
        KeyKind::EcdsaP521 => "ECDSA P-521".into(),
        KeyKind::Rsa { bits } => format!("RSA-{bits}"),
        KeyKind::Ed25519 => "Ed25519".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hash_a_curve_is_allowed() {
        use HashAlgorithm::{Sha256, Sha384, Sha512};
        let pairs = [
            (KeyKind::EcdsaP256, Sha256),
            (KeyKind::EcdsaP384, Sha384),
            (KeyKind::EcdsaP521, Sha512),
            (KeyKind::Rsa { bits: 3072 }, Sha256),
            (KeyKind::Ed25519, Sha512),
        ];
        for (key, only) in pairs {
            for hash in [Sha256, Sha384, Sha512] {
                let allowed = over_digest(key, hash).is_some_and(|scheme| is_allowed(key, scheme));
                assert_eq!(allowed, hash == only, "{key:?} {hash:?}");
            }
        }
    }

    #[test]
    fn odd_rsa_sizes_are_not_allowed() {
        assert!(!is_allowed(
            KeyKind::Rsa { bits: 1024 },
            Scheme::RsaPkcs1Sha256
        ));
        assert!(!is_allowed(
            KeyKind::Rsa { bits: 2056 },
            Scheme::RsaPkcs1Sha256
        ));
        assert!(!is_allowed(
            KeyKind::Rsa { bits: 2048 },
            Scheme::RsaPssSha256
        ));
    }
}
