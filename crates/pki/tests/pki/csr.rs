//! Certificate signing requests in the shapes that clients send.
use crate::support::public_key;
use pki::csr::{CertificateRequest, CsrError};
use pki::key::{KeyError, Scheme};
use pki::pem::{self, PemError};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, PKCS_RSA_SHA256,
    RsaKeySize,
};

/// As sigstore-python: P-256 with SHA-256, an email in the subject (older releases), BasicConstraints asked for.
fn python_params(email: Option<&str>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if let Some(email) = email {
        params.distinguished_name.push(
            DnType::CustomDnType(vec![1, 2, 840, 113549, 1, 9, 1]),
            email,
        );
    }
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn pem_of(params: &CertificateParams, key: &KeyPair) -> String {
    params.serialize_request(key).unwrap().pem().unwrap()
}

#[test]
fn the_requests_of_sigstore_python_verify() {
    for email in [None, Some("alice@example.com")] {
        let key = KeyPair::generate().unwrap();
        let csr = CertificateRequest::parse_pem(&pem_of(&python_params(email), &key)).unwrap();
        assert_eq!(csr.verify(), Ok(()));
        assert_eq!(csr.scheme(), Scheme::EcdsaP256Sha256);
        assert_eq!(*csr.public_key(), public_key(&key));
    }
}

#[test]
fn each_key_type_verifies() {
    let rsa = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let of = |algorithm| KeyPair::generate_for(algorithm).unwrap();
    for (key, scheme) in [
        (rsa, Scheme::RsaPkcs1Sha256),
        (of(&rcgen::PKCS_ECDSA_P384_SHA384), Scheme::EcdsaP384Sha384),
        (of(&rcgen::PKCS_ECDSA_P521_SHA512), Scheme::EcdsaP521Sha512),
        (of(&rcgen::PKCS_ECDSA_P521_SHA256), Scheme::EcdsaP521Sha256),
        (of(&rcgen::PKCS_ED25519), Scheme::Ed25519),
    ] {
        let csr = CertificateRequest::parse_pem(&pem_of(&python_params(None), &key)).unwrap();
        assert_eq!((csr.scheme(), csr.verify()), (scheme, Ok(())));
    }
}

#[test]
fn the_old_label_and_lenient_pem_are_accepted() {
    let text = pem_of(&python_params(None), &KeyPair::generate().unwrap());
    for form in [
        text.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"),
        text.replace('\n', "\r\n"),
    ] {
        assert_eq!(
            CertificateRequest::parse_pem(&form).unwrap().verify(),
            Ok(())
        );
    }
    let label = PemError::Label {
        found: "CERTIFICATE".into(),
        want: "CERTIFICATE REQUEST",
    };
    let other = text.replace("CERTIFICATE REQUEST", "CERTIFICATE");
    assert_eq!(
        CertificateRequest::parse_pem(&other).unwrap_err(),
        CsrError::Pem(label)
    );
}

#[test]
fn a_changed_signature_or_content_does_not_verify() {
    let der = pem::first(&pem_of(
        &python_params(Some("a@b.c")),
        &KeyPair::generate().unwrap(),
    ))
    .unwrap()
    .der;
    let at = |index: usize| {
        let mut changed = der.clone();
        changed[index] ^= 1;
        CertificateRequest::parse_der(&changed).unwrap().verify()
    };
    assert_eq!(at(der.len() - 1), Err(CsrError::Signature));
    let email = der
        .windows(5)
        .position(|window| window == b"a@b.c")
        .unwrap();
    assert_eq!(at(email), Err(CsrError::Signature));
}

#[test]
fn an_unknown_signature_algorithm_is_named() {
    let mut der = pem::first(&pem_of(&python_params(None), &KeyPair::generate().unwrap()))
        .unwrap()
        .der;
    let sha256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    let at = der.windows(8).position(|window| window == sha256).unwrap();
    der[at + 7] = 1; // ecdsa-with-SHA224
    let error = CertificateRequest::parse_der(&der).unwrap_err();
    assert_eq!(
        error,
        CsrError::UnknownAlgorithm("1.2.840.10045.4.3.1".into())
    );
}

#[test]
fn trailing_bytes_and_oversize_are_refused() {
    let mut der = pem::first(&pem_of(&python_params(None), &KeyPair::generate().unwrap()))
        .unwrap()
        .der;
    der.push(0);
    assert_eq!(
        CertificateRequest::parse_der(&der).unwrap_err(),
        CsrError::Malformed
    );
    der.resize(70_000, 0);
    assert!(matches!(
        CertificateRequest::parse_der(&der),
        Err(CsrError::TooLarge { len: 70_000, .. })
    ));
}

#[test]
fn a_request_with_a_bad_key_says_so() {
    let mut der = pem::first(&pem_of(&python_params(None), &KeyPair::generate().unwrap()))
        .unwrap()
        .der;
    let point = der
        .windows(3)
        .position(|window| window == [0x42, 0x00, 0x04])
        .unwrap()
        + 2;
    der[point + 10] ^= 1;
    assert_eq!(
        CertificateRequest::parse_der(&der).unwrap_err(),
        CsrError::Key(KeyError::NotOnCurve)
    );
}
