//! Keys and signatures: every scheme against signatures made by another library.
use crate::support::public_key;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaKeyPair,
};
use der::asn1::{Any, UintRef};
use der::{Encode, Tag};
use ed25519_dalek::Signer;
use num_bigint::BigUint;
use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::pkcs8::EncodePublicKey;
use pki::key::{HashAlgorithm, KeyError, KeyKind, PublicKey, Scheme};
use pki::pem::{self, PemError};
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize, SigningKey};
use sha2::{Digest, Sha512};

const MESSAGE: &[u8] = b"what is signed";

/// Checks a signature over message and digest, and that it fails over anything else.
fn check(key: &PublicKey, scheme: Scheme, signature: &[u8]) {
    assert_eq!(key.verify(scheme, MESSAGE, signature), Ok(()), "{scheme:?}");
    assert_eq!(
        key.verify(scheme, b"other", signature),
        Err(KeyError::Signature),
        "{scheme:?}"
    );
    let mut broken = signature.to_vec();
    *broken.last_mut().unwrap() ^= 1;
    assert_eq!(
        key.verify(scheme, MESSAGE, &broken),
        Err(KeyError::Signature),
        "{scheme:?}"
    );
    if let Some(hash) = scheme.hash() {
        assert_eq!(
            key.verify_digest(scheme, &hash.digest(MESSAGE), signature),
            Ok(()),
            "{scheme:?}"
        );
        assert_eq!(
            key.verify_digest(scheme, &hash.digest(b"other"), signature),
            Err(KeyError::Signature)
        );
    }
    for other in Scheme::ALL.into_iter().filter(|other| *other != scheme) {
        assert!(
            key.verify(other, MESSAGE, signature).is_err(),
            "{scheme:?} verified as {other:?}"
        );
    }
}

#[test]
fn p256_verifies_with_each_hash() {
    let signer = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
    let key = PublicKey::parse_spki(
        signer
            .verifying_key()
            .to_public_key_der()
            .unwrap()
            .as_bytes(),
    )
    .unwrap();
    assert_eq!(key.kind(), KeyKind::EcdsaP256);
    for scheme in [
        Scheme::EcdsaP256Sha256,
        Scheme::EcdsaP256Sha384,
        Scheme::EcdsaP256Sha512,
    ] {
        let signature: p256::ecdsa::Signature = signer
            .sign_prehash(&scheme.hash().unwrap().digest(MESSAGE))
            .unwrap();
        check(&key, scheme, signature.to_der().as_bytes());
    }
}

#[test]
fn p384_verifies_with_each_hash() {
    let signer = p384::ecdsa::SigningKey::from_slice(&[7; 48]).unwrap();
    let key = PublicKey::parse_spki(
        signer
            .verifying_key()
            .to_public_key_der()
            .unwrap()
            .as_bytes(),
    )
    .unwrap();
    assert_eq!(key.kind(), KeyKind::EcdsaP384);
    for scheme in [
        Scheme::EcdsaP384Sha256,
        Scheme::EcdsaP384Sha384,
        Scheme::EcdsaP384Sha512,
    ] {
        let signature: p384::ecdsa::Signature = signer
            .sign_prehash(&scheme.hash().unwrap().digest(MESSAGE))
            .unwrap();
        check(&key, scheme, signature.to_der().as_bytes());
    }
}

#[test]
fn p521_verifies_with_each_hash() {
    for (algorithm, scheme) in [
        (&rcgen::PKCS_ECDSA_P521_SHA256, Scheme::EcdsaP521Sha256),
        (&rcgen::PKCS_ECDSA_P521_SHA384, Scheme::EcdsaP521Sha384),
        (&rcgen::PKCS_ECDSA_P521_SHA512, Scheme::EcdsaP521Sha512),
    ] {
        let signer = KeyPair::generate_for(algorithm).unwrap();
        let key = public_key(&signer);
        assert_eq!(key.kind(), KeyKind::EcdsaP521);
        check(&key, scheme, &signer.sign(MESSAGE).unwrap());
    }
}

#[test]
fn rsa_verifies_with_each_padding_and_hash() {
    let signer = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let key = public_key(&signer);
    assert_eq!(key.kind(), KeyKind::Rsa { bits: 2048 });
    assert_eq!(key.check_strength(), Ok(()));
    let signer = RsaKeyPair::from_pkcs8(signer.serialized_der()).unwrap();
    for (encoding, scheme) in [
        (
            &RSA_PKCS1_SHA256 as &dyn aws_lc_rs::signature::RsaEncoding,
            Scheme::RsaPkcs1Sha256,
        ),
        (&RSA_PKCS1_SHA384, Scheme::RsaPkcs1Sha384),
        (&RSA_PKCS1_SHA512, Scheme::RsaPkcs1Sha512),
        (&RSA_PSS_SHA256, Scheme::RsaPssSha256),
        (&RSA_PSS_SHA384, Scheme::RsaPssSha384),
        (&RSA_PSS_SHA512, Scheme::RsaPssSha512),
    ] {
        let mut signature = vec![0; 256];
        signer
            .sign(encoding, &SystemRandom::new(), MESSAGE, &mut signature)
            .unwrap();
        check(&key, scheme, &signature);
    }
}

#[test]
fn ed25519_verifies_pure_and_prehashed() {
    let signer = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let key = ed25519_key(&signer.verifying_key().to_bytes());
    check(&key, Scheme::Ed25519, &signer.sign(MESSAGE).to_bytes());
    let signature = signer
        .sign_prehashed(Sha512::new_with_prefix(MESSAGE), None)
        .unwrap();
    check(&key, Scheme::Ed25519ph, &signature.to_bytes());
    assert_eq!(
        key.verify_digest(Scheme::Ed25519, &[0; 64], &[0; 64]),
        Err(KeyError::NeedsMessage)
    );
}

/// RFC 8032 section 7.3.
#[test]
fn ed25519ph_has_the_bytes_of_the_rfc() {
    let seed =
        hex::decode("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42").unwrap();
    let signer = ed25519_dalek::SigningKey::from_bytes(seed.as_slice().try_into().unwrap());
    let signature = hex::decode(
        "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41\
         31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406",
    )
    .unwrap();
    let key = ed25519_key(&signer.verifying_key().to_bytes());
    assert_eq!(key.verify(Scheme::Ed25519ph, b"abc", &signature), Ok(()));
    assert_eq!(
        key.verify(Scheme::Ed25519, b"abc", &signature),
        Err(KeyError::Signature)
    );
}

#[test]
fn digests_of_the_wrong_length_and_foreign_schemes_are_refused_with_facts() {
    let key = public_key(&KeyPair::generate().unwrap());
    let verify = |scheme, digest: &[u8]| key.verify_digest(scheme, digest, &[0; 70]);
    assert_eq!(
        verify(Scheme::EcdsaP256Sha256, &[0; 31]),
        Err(KeyError::DigestLength { have: 31, want: 32 })
    );
    let mismatch = KeyError::SchemeMismatch {
        kind: KeyKind::EcdsaP256,
        scheme: Scheme::RsaPssSha256,
    };
    assert_eq!(verify(Scheme::RsaPssSha256, &[0; 32]), Err(mismatch));
    let too_long = key.verify(Scheme::EcdsaP256Sha256, b"", &[0; 1025]);
    assert_eq!(
        too_long,
        Err(KeyError::SignatureTooLong {
            len: 1025,
            max: 1024
        })
    );
}

#[test]
fn default_schemes_are_those_of_the_registry() {
    let p256 = public_key(&KeyPair::generate().unwrap());
    let p521 = public_key(&KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap());
    let ed25519 = public_key(&KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap());
    assert_eq!(
        (p256.default_scheme(), p256.default_digest_scheme()),
        (Scheme::EcdsaP256Sha256, Scheme::EcdsaP256Sha256)
    );
    assert_eq!(p521.default_scheme(), Scheme::EcdsaP521Sha512);
    assert_eq!(
        (ed25519.default_scheme(), ed25519.default_digest_scheme()),
        (Scheme::Ed25519, Scheme::Ed25519ph)
    );
    assert_eq!(
        ed25519.key_details(Scheme::Ed25519ph),
        Some("PKIX_ED25519_PH")
    );
    assert_eq!(
        p256.scheme_for_details("PKIX_ECDSA_P256_SHA_256"),
        Some(Scheme::EcdsaP256Sha256)
    );
    assert_eq!(p256.scheme_for_details("PKIX_ED25519_PH"), None);
}

#[test]
fn lenient_pem_gives_the_same_key_and_canonical_pem() {
    let key = public_key(&KeyPair::generate().unwrap());
    let canonical = key.to_pem();
    assert!(
        canonical.starts_with("-----BEGIN PUBLIC KEY-----\n")
            && canonical.ends_with("-----END PUBLIC KEY-----\n")
    );
    let base64: String = canonical
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    for form in [
        canonical.replace('\n', "\r\n"),
        canonical.trim_end().to_owned(),
        format!(" \n\n{canonical}\n\n"),
        format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----"),
    ] {
        let parsed = PublicKey::parse_pem(&form).unwrap();
        assert_eq!((&parsed, parsed.to_pem()), (&key, canonical.clone()));
    }
    let private = pem::encode("PRIVATE KEY", key.spki_der());
    let label = PemError::Label {
        found: "PRIVATE KEY".into(),
        want: "PUBLIC KEY",
    };
    assert_eq!(PublicKey::parse_pem(&private), Err(KeyError::Pem(label)));
}

#[test]
fn pkcs1_pem_is_the_same_key_as_its_spki() {
    let key = public_key(&KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072).unwrap());
    let pkcs1 = pem::encode("RSA PUBLIC KEY", key.raw());
    assert_eq!(PublicKey::parse_pem(&pkcs1).unwrap(), key);
    assert_eq!(
        key.key_details(Scheme::RsaPkcs1Sha256),
        Some("PKIX_RSA_PKCS1V15_3072_SHA256")
    );
    assert_eq!(key.check_strength(), Ok(()));
}

#[test]
fn identifiers_are_hashes_of_the_spki_and_of_its_bits() {
    let pem = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2G2Y+2tabdTV5BcGiBIx0a9fAFwr\n\
               kBbmLSGtks4L3qX6yYY0zufBnhC8Ur/iy55GhWP/9A/bY2LhC30M9+RYtw==\n-----END PUBLIC KEY-----\n";
    let key = PublicKey::parse_pem(pem).unwrap();
    // Log ID of the public instance's Rekor.
    assert_eq!(
        hex::encode(key.key_id()),
        "c0d23d6ad406973f9559f3ba2d1ca01f84147d8ffc5b8445c224f98b9591801d"
    );
    assert_eq!(key.subject_key_identifier().len(), 20);
    assert_eq!(key.to_pem(), pem);
}

#[test]
fn points_off_the_curve_and_other_encodings_are_refused() {
    let key = public_key(&KeyPair::generate().unwrap());
    let with = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut der = key.spki_der().to_vec();
        edit(&mut der);
        PublicKey::parse_spki(&der)
    };
    assert_eq!(with(&|der| der[90] ^= 1), Err(KeyError::NotOnCurve));
    assert_eq!(with(&|der| der[26] = 2), Err(KeyError::NotOnCurve));
    assert_eq!(with(&|der| der.push(0)), Err(KeyError::Malformed));
    assert_eq!(
        with(&|der| der.resize(5000, 0)),
        Err(KeyError::TooLarge {
            len: 5000,
            max: 4096
        })
    );
    // secp256k1 has the same size; its OID is 1.3.132.0.10.
    let k1 = hex::decode(format!(
        "3056301006072a8648ce3d020106052b8104000a034200{}",
        hex::encode(key.raw())
    ))
    .unwrap();
    assert_eq!(
        PublicKey::parse_spki(&k1),
        Err(KeyError::UnsupportedCurve {
            oid: "1.3.132.0.10".into()
        })
    );
    // Infinity is one zero byte.
    let infinity = hex::decode("301a301306072a8648ce3d020106082a8648ce3d03010703030000ff").unwrap();
    assert!(PublicKey::parse_spki(&infinity).is_err());
}

#[test]
fn other_algorithms_are_named() {
    let x25519 = hex::decode(format!("302a300506032b656e032100{}", "07".repeat(32))).unwrap();
    assert_eq!(
        PublicKey::parse_spki(&x25519),
        Err(KeyError::UnsupportedAlgorithm {
            oid: "1.3.101.110".into()
        })
    );
}

#[test]
fn an_ed25519_key_of_small_order_is_weak() {
    let mut identity = [0; 32];
    identity[0] = 1;
    assert_eq!(
        ed25519_key(&identity).check_strength(),
        Err(KeyError::Ed25519SmallOrder)
    );
    assert_eq!(
        public_key(&KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap()).check_strength(),
        Ok(())
    );
}

#[test]
fn weak_rsa_keys_are_refused_each_with_its_reason() {
    let odd = |bits: u32| (BigUint::from(1u32) << (bits - 1)) + BigUint::from(0xffff_ffffu32);
    let strength = |n: &BigUint, e: u32| rsa_key(n, e).check_strength();
    assert_eq!(
        strength(&odd(1024), 65537),
        Err(KeyError::RsaSize { bits: 1024 })
    );
    assert_eq!(
        strength(&odd(2056), 65537),
        Err(KeyError::RsaSize { bits: 2056 })
    );
    assert_eq!(strength(&odd(2048), 3), Err(KeyError::RsaExponent));
    assert_eq!(
        strength(&(odd(2048) + 1u32), 65537),
        Err(KeyError::RsaSmallFactor { factor: 2 })
    );
    assert_eq!(
        strength(&close_factors(), 65537),
        Err(KeyError::RsaClosePrimes)
    );
    let huge = PublicKey::parse_pkcs1(&pkcs1(&odd(8200), 65537));
    assert_eq!(huge, Err(KeyError::RsaSize { bits: 8200 }));
}

/// A 2048-bit product of two neighbors without small factors.
fn close_factors() -> BigUint {
    let has_small_factor = |n: &BigUint| (2u32..752).any(|f| n % f == BigUint::ZERO);
    let mut candidate = (BigUint::from(1u32) << 1024u32) - BigUint::from(1u32);
    let mut next = || {
        loop {
            candidate -= 2u32;
            if !has_small_factor(&candidate) {
                return candidate.clone();
            }
        }
    };
    next() * next()
}

fn pkcs1(n: &BigUint, e: u32) -> Vec<u8> {
    let number = |bytes: &[u8]| UintRef::new(bytes).unwrap().to_der().unwrap();
    let body = [number(&n.to_bytes_be()), number(&e.to_be_bytes())].concat();
    Any::new(Tag::Sequence, body).unwrap().to_der().unwrap()
}

fn rsa_key(n: &BigUint, e: u32) -> PublicKey {
    PublicKey::parse_pkcs1(&pkcs1(n, e)).unwrap()
}

fn ed25519_key(raw: &[u8; 32]) -> PublicKey {
    let spki = [
        hex::decode("302a300506032b6570032100").unwrap().as_slice(),
        raw,
    ]
    .concat();
    PublicKey::parse_spki(&spki).unwrap()
}

#[test]
fn signatures_of_other_clients_verify() {
    let Some(dir) = testkit::vectors("rekor/client-algos") else {
        return;
    };
    let read = |name: &str| std::fs::read(dir.join(name)).unwrap();
    let key = |name: &str| PublicKey::parse_pem(&String::from_utf8(read(name)).unwrap()).unwrap();
    for (file, key_file, signature, scheme) in [
        (
            "file1",
            "ec_public.pem",
            "file1.ec.sig",
            Scheme::EcdsaP256Sha256,
        ),
        (
            "file2",
            "ec_public.pem",
            "file2.ec.sig",
            Scheme::EcdsaP256Sha256,
        ),
        (
            "file1",
            "rsa_public.pem",
            "file1.rsa.sig",
            Scheme::RsaPkcs1Sha256,
        ),
        (
            "file2",
            "rsa_public.pem",
            "file2.rsa.sig",
            Scheme::RsaPkcs1Sha256,
        ),
        (
            "file2",
            "rsa_public.pem",
            "file2.rsa512.sig",
            Scheme::RsaPkcs1Sha512,
        ),
        (
            "file1",
            "ed25519_public.pem",
            "file1.ed25519.sig",
            Scheme::Ed25519,
        ),
        (
            "file1",
            "ed25519_public.pem",
            "file1.ed25519ph.sig",
            Scheme::Ed25519ph,
        ),
    ] {
        assert_eq!(
            key(key_file).verify(scheme, &read(file), &read(signature)),
            Ok(()),
            "{signature}"
        );
    }
}

#[test]
fn keys_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + Clone>() {}
    shared::<PublicKey>();
    shared::<pki::cert::Certificate>();
}

#[test]
fn digests_are_those_of_another_library() {
    assert_eq!(
        HashAlgorithm::Sha512.digest(MESSAGE),
        Sha512::digest(MESSAGE).to_vec()
    );
}
