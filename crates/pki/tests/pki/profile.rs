//! The leaf profile of spec/fulcio.md 4.1, read back with x509-cert.
use crate::support::*;
use der::{Decode, Encode};
use pki::cert::{CertError, Certificate, San};
use pki::extensions::FulcioExtensions;
use pki::key::{HashAlgorithm, PublicKey, Scheme};
use pki::profile::{LeafTbs, assemble, ca_scheme, check_correspond};
use pki::sct::{self, CtEntry, Sct, SctError};
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use time::Duration;
use x509_cert::Version;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectKeyIdentifier,
};
use x509_cert::time::Time;

/// A CT log that signs with P-256.
struct Log(KeyPair);
impl Log {
    fn key(&self) -> PublicKey {
        public_key(&self.0)
    }
    fn sct(&self, entry: &CtEntry, extensions: &[u8]) -> Sct {
        let timestamp = 1_900_000_000_123;
        let signature =
            rcgen::SigningKey::sign(&self.0, &entry.sct_input(timestamp, extensions)).unwrap();
        Sct {
            log_id: self.key().key_id(),
            timestamp,
            extensions: extensions.to_vec(),
            hash: 4,
            sig: 3,
            signature,
        }
    }
}

fn build(ca: &Holder, san: San) -> LeafTbs {
    LeafTbs::build(
        &ca.cert,
        request(&public_key(&KeyPair::generate().unwrap()), san),
    )
    .unwrap()
}

#[test]
fn every_field_is_as_specified() {
    let ca = root();
    let key = public_key(&KeyPair::generate().unwrap());
    let tbs = LeafTbs::build(&ca.cert, request(&key, email())).unwrap();
    let cert = certify(&ca, &tbs.with_scts(&[]).unwrap());
    let fields = &cert.x509().tbs_certificate;

    assert_eq!(fields.version, Version::V3);
    assert_eq!(hex::encode(cert.serial()), format!("6b{}", "ab".repeat(19)));
    assert_eq!(fields.signature.oid.to_string(), "1.2.840.10045.4.3.2");
    assert_eq!(fields.signature.parameters, None);
    assert_eq!(cert.issuer_der(), ca.cert.subject_der());
    assert_eq!(
        (cert.not_before(), cert.not_after()),
        (NOW, NOW + Duration::minutes(10))
    );
    assert!(matches!(
        (fields.validity.not_before, fields.validity.not_after),
        (Time::UtcTime(_), Time::UtcTime(_))
    ));
    assert_eq!(cert.subject_der(), [0x30, 0x00]);
    assert_eq!(
        fields.subject_public_key_info.to_der().unwrap(),
        key.spki_der()
    );
    assert_eq!(
        (&fields.issuer_unique_id, &fields.subject_unique_id),
        (&None, &None)
    );

    let (critical, usage): (bool, KeyUsage) = fields.get().unwrap().unwrap();
    assert_eq!(
        (critical, usage.to_der().unwrap()),
        (true, vec![3, 2, 7, 0x80])
    );
    let (critical, usages): (bool, ExtendedKeyUsage) = fields.get().unwrap().unwrap();
    assert_eq!(
        (critical, usages.0.iter().map(ToString::to_string).collect()),
        (false, vec!["1.3.6.1.5.5.7.3.3".to_owned()])
    );
    assert_eq!(fields.get::<BasicConstraints>().unwrap(), None);
    let (critical, id): (bool, SubjectKeyIdentifier) = fields.get().unwrap().unwrap();
    assert_eq!(
        (critical, id.0.as_bytes()),
        (false, key.subject_key_identifier().as_slice())
    );
    let (critical, id): (bool, AuthorityKeyIdentifier) = fields.get().unwrap().unwrap();
    assert_eq!(
        (critical, id.key_identifier.unwrap().as_bytes()),
        (false, ca.cert.subject_key_identifier().unwrap())
    );
    assert_eq!(
        (id.authority_cert_issuer, id.authority_cert_serial_number),
        (None, None)
    );
    assert!(
        cert.extension("2.5.29.17").unwrap().0,
        "the name is critical"
    );
    assert_eq!(cert.san(), Ok(email()));
    assert_eq!(FulcioExtensions::read(&cert), extensions());
    assert_eq!(cert.verify_signed_by(&ca.cert), Ok(()));
}

#[test]
fn extensions_stand_in_fulcios_order() {
    let tbs = build(&root(), San::Uri("https://x.example/y".into()))
        .precertificate()
        .unwrap();
    let tbs = x509_cert::TbsCertificate::from_der(&tbs).unwrap();
    let order: Vec<_> = tbs
        .extensions
        .unwrap()
        .iter()
        .map(|e| (e.extn_id.to_string(), e.critical))
        .collect();
    let want = [
        ("2.5.29.15", true),
        ("2.5.29.37", false),
        ("2.5.29.14", false),
        ("2.5.29.35", false),
        ("2.5.29.17", true),
        ("1.3.6.1.4.1.57264.1.1", false),
        ("1.3.6.1.4.1.57264.1.8", false),
        ("1.3.6.1.4.1.57264.1.24", false),
        ("1.3.6.1.4.1.11129.2.4.3", true),
    ];
    assert_eq!(
        order,
        want.map(|(oid, critical)| (oid.to_owned(), critical))
    );
}

/// spec/fulcio.md 4.4.
#[test]
fn the_poison_has_the_published_bytes() {
    let tbs = build(&root(), email()).precertificate().unwrap();
    assert!(hex::encode(tbs).ends_with("3013060a2b06010401d6790204030101ff04020500"));
}

#[test]
fn the_tbs_is_canonical_der() {
    let tbs = build(&root(), San::OtherName("alice!example.com".into()));
    for der in [
        tbs.bare().unwrap(),
        tbs.precertificate().unwrap(),
        tbs.with_scts(&[]).unwrap(),
    ] {
        assert_eq!(
            x509_cert::TbsCertificate::from_der(&der)
                .unwrap()
                .to_der()
                .unwrap(),
            der
        );
    }
}

#[test]
fn precertificate_and_certificate_share_all_but_the_last_extension() {
    let ca = root();
    let log = Log(KeyPair::generate().unwrap());
    let tbs = build(&ca, email());
    let precert = certify(&ca, &tbs.precertificate().unwrap());
    let entry = CtEntry::of(&precert, &ca.cert).unwrap();
    let want = CtEntry::Precert {
        issuer_key_hash: ca.cert.public_key().key_id(),
        tbs: tbs.bare().unwrap(),
    };
    assert_eq!(entry, want);

    let sct = log.sct(&entry, &[0, 0, 5, 0, 0, 0, 0, 9]);
    let cert = certify(&ca, &tbs.with_scts(std::slice::from_ref(&sct)).unwrap());
    assert_eq!(check_correspond(&precert, &cert), Ok(()));
    assert_eq!(sct::embedded(&cert), Ok(vec![sct.clone()]));
    assert!(
        !cert.extension("1.3.6.1.4.1.11129.2.4.2").unwrap().0,
        "the SCT list is not critical"
    );
    assert_eq!(
        sct::verify_embedded(&sct, &cert, &ca.cert, &log.key()),
        Ok(())
    );
}

#[test]
fn certificates_of_another_request_do_not_correspond() {
    let ca = root();
    let precert = certify(&ca, &build(&ca, email()).precertificate().unwrap());
    let other = certify(&ca, &build(&ca, email()).with_scts(&[]).unwrap());
    assert_eq!(
        check_correspond(&precert, &other),
        Err(CertError::DoNotCorrespond)
    );
    assert_eq!(
        check_correspond(&other, &precert),
        Err(CertError::NotPrecertificatePair)
    );
    assert_eq!(
        check_correspond(&precert, &precert),
        Err(CertError::NotPrecertificatePair)
    );
}

#[test]
fn an_sct_of_other_data_does_not_verify() {
    let ca = root();
    let log = Log(KeyPair::generate().unwrap());
    let cert = certify(&ca, &build(&ca, email()).bare().unwrap());
    let sct = log.sct(&CtEntry::precert(&cert, &ca.cert).unwrap(), &[]);
    let verify = |sct: &Sct, issuer: &Certificate, key: &PublicKey| {
        sct::verify_embedded(sct, &cert, issuer, key)
    };
    assert_eq!(verify(&sct, &ca.cert, &log.key()), Ok(()));
    assert_eq!(
        verify(&sct, &root().cert, &log.key()),
        Err(SctError::Signature)
    );
    let later = Sct {
        timestamp: sct.timestamp + 1,
        ..sct.clone()
    };
    assert_eq!(
        verify(&later, &ca.cert, &log.key()),
        Err(SctError::Signature)
    );
    let extended = Sct {
        extensions: vec![0],
        ..sct.clone()
    };
    assert_eq!(
        verify(&extended, &ca.cert, &log.key()),
        Err(SctError::Signature)
    );
    assert_eq!(
        verify(&sct, &ca.cert, ca.cert.public_key()),
        Err(SctError::OtherLog)
    );
    let sha512 = Sct {
        hash: 6,
        ..sct.clone()
    };
    assert_eq!(
        verify(&sha512, &ca.cert, &log.key()),
        Err(SctError::Algorithm { hash: 6, sig: 3 })
    );
}

#[test]
fn a_log_with_a_p384_key_signs_over_sha256() {
    let ca = root();
    let signer = p384::ecdsa::SigningKey::from_slice(&[9; 48]).unwrap();
    let spki = p256::pkcs8::EncodePublicKey::to_public_key_der(signer.verifying_key()).unwrap();
    let key = PublicKey::parse_spki(spki.as_bytes()).unwrap();
    let entry = CtEntry::X509(ca.cert.der().to_vec());
    let digest = HashAlgorithm::Sha256.digest(&entry.sct_input(1, &[]));
    let signature: p384::ecdsa::Signature =
        p256::ecdsa::signature::hazmat::PrehashSigner::sign_prehash(&signer, &digest).unwrap();
    let signature = signature.to_der().as_bytes().to_vec();
    let sct = Sct {
        log_id: key.key_id(),
        timestamp: 1,
        extensions: vec![],
        hash: 4,
        sig: 3,
        signature,
    };
    assert_eq!(sct::verify(&sct, &entry, &key), Ok(()));
}

#[test]
fn each_type_of_ca_key_signs_with_its_scheme() {
    let rsa = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let of = |algorithm| KeyPair::generate_for(algorithm).unwrap();
    for (key, scheme) in [
        (rsa, Scheme::RsaPkcs1Sha256),
        (of(&rcgen::PKCS_ECDSA_P384_SHA384), Scheme::EcdsaP384Sha384),
        (of(&rcgen::PKCS_ECDSA_P521_SHA512), Scheme::EcdsaP521Sha512),
        (of(&rcgen::PKCS_ED25519), Scheme::Ed25519),
    ] {
        let ca = self_signed(ca_params("ca"), key);
        assert_eq!(ca_scheme(ca.cert.public_key()), scheme);
        assert_eq!(
            fulcio_leaf(&ca).verify_signed_by(&ca.cert),
            Ok(()),
            "{scheme:?}"
        );
    }
}

#[test]
fn assembly_refuses_a_scheme_that_the_tbs_does_not_name() {
    let tbs = build(&root(), email()).bare().unwrap();
    for scheme in [
        Scheme::EcdsaP384Sha384,
        Scheme::Ed25519ph,
        Scheme::RsaPssSha256,
    ] {
        assert_eq!(
            assemble(&tbs, scheme, &[0]),
            Err(CertError::SchemeUnfit { scheme })
        );
    }
}

#[test]
fn impossible_requests_are_refused_before_signing() {
    let ca = root();
    let key = public_key(&KeyPair::generate().unwrap());
    let mut no_issuer = request(&key, email());
    no_issuer.extensions.issuer.clear();
    assert_eq!(
        LeafTbs::build(&ca.cert, no_issuer),
        Err(CertError::NoOidcIssuer)
    );

    let mut backwards = request(&key, email());
    backwards.not_after = NOW - Duration::seconds(1);
    assert!(matches!(
        LeafTbs::build(&ca.cert, backwards),
        Err(CertError::Validity { .. })
    ));

    let mut too_long = request(&key, email());
    too_long.not_after = ca.cert.not_after() + Duration::seconds(1);
    assert!(matches!(
        LeafTbs::build(&ca.cert, too_long),
        Err(CertError::OutlivesCa { .. })
    ));

    let leaf = fulcio_leaf(&ca);
    assert_eq!(
        LeafTbs::build(&leaf, request(&key, email())),
        Err(CertError::IssuerNotCa)
    );
    let umlaut = request(&key, San::Uri("https://ü.example".into()));
    assert!(matches!(
        LeafTbs::build(&ca.cert, umlaut),
        Err(CertError::SanEncoding { .. })
    ));
}

#[test]
fn fractions_of_seconds_are_cut() {
    let ca = root();
    let key = public_key(&KeyPair::generate().unwrap());
    let mut with_millis = request(&key, email());
    with_millis.not_before = NOW + Duration::milliseconds(999);
    let cert = certify(
        &ca,
        &LeafTbs::build(&ca.cert, with_millis)
            .unwrap()
            .bare()
            .unwrap(),
    );
    assert_eq!(cert.not_before(), NOW);
}

#[test]
fn the_name_of_the_ca_is_read() {
    let ca = root();
    assert_eq!(ca.cert.subject_common_name().as_deref(), Some("root"));
    assert_eq!(
        ca.cert.subject_organization().as_deref(),
        Some("Sigstead Test")
    );
    assert_eq!(fulcio_leaf(&ca).subject_common_name(), None);
}
