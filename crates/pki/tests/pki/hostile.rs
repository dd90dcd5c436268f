//! Bytes from attackers: refused, never a panic.
use crate::support::*;
use pki::cert::{CertError, Certificate};
use pki::csr::{CertificateRequest, CsrError};
use pki::extensions::FulcioExtensions;
use pki::key::{KeyError, PublicKey};
use pki::path::{Usage, check_ca_chain, check_path};
use pki::profile::assemble;
use pki::tlv::DerError;
use pki::{profile, sct};
use proptest::prelude::*;
use rcgen::CustomExtension;
use std::sync::LazyLock;

static ROOT: LazyLock<Holder> = LazyLock::new(root);
static LEAF: LazyLock<Vec<u8>> = LazyLock::new(|| fulcio_leaf(&ROOT).der().to_vec());

/// Calls everything that reads a certificate.
fn read_all(cert: &Certificate) {
    let _ = (
        cert.san(),
        cert.precert_tbs(),
        cert.serial(),
        cert.is_ca(),
        cert.signature(),
        cert.to_pem(),
    );
    let _ = (
        cert.subject_common_name(),
        cert.subject_organization(),
        cert.subject_der(),
        cert.issuer_der(),
    );
    let _ = (
        cert.verify_signed_by(&ROOT.cert),
        ROOT.cert.verify_signed_by(cert),
        sct::embedded(cert),
    );
    let _ = (
        FulcioExtensions::read(cert),
        cert.public_key().check_strength(),
    );
    let _ = check_path(cert, &[cert], &[&ROOT.cert], Usage::CodeSigning, NOW);
    let _ = check_path(&ROOT.cert, &[cert], &[cert], Usage::TimeStamping, NOW);
    let _ = check_ca_chain(&[cert.clone(), ROOT.cert.clone()], Usage::CodeSigning, NOW);
    let _ = profile::check_correspond(cert, cert);
}

#[test]
fn trailing_bytes_and_oversize_are_refused() {
    let mut der = LEAF.clone();
    der.push(0);
    assert_eq!(Certificate::parse_der(&der), Err(CertError::Malformed));
    der.resize(65_537, 0);
    assert_eq!(
        Certificate::parse_der(&der),
        Err(CertError::TooLarge {
            len: 65_537,
            max: 65_536
        })
    );
}

/// A relative name with descending members, the worst order for a decoder that sorts by insertion.
fn relative_name(members: u16) -> Vec<u8> {
    let attribute = |at: u16| {
        let [high, low] = at.to_be_bytes();
        vec![
            0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x02, high, low,
        ]
    };
    wrap(
        0x31,
        &(0..members).rev().flat_map(attribute).collect::<Vec<_>>(),
    )
}

/// DER of a short or long form length.
fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let length = match (high, low) {
        (0, ..=0x7f) => vec![low],
        (0, _) => vec![0x81, low],
        _ => vec![0x82, high, low],
    };
    [&[tag], length.as_slice(), content].concat()
}

/// `LEAF` with another DER subject.
fn leaf_named(subject: &[u8]) -> Vec<u8> {
    let leaf = Certificate::parse_der(&LEAF).unwrap();
    // The subject of a Fulcio leaf is the empty SEQUENCE before its key.
    let tbs = leaf.tbs_der();
    let key = leaf.public_key().spki_der();
    let at = tbs.windows(key.len()).position(|part| part == key).unwrap();
    assert_eq!(tbs[at - 2..at], [0x30, 0]);
    let signed = [&tbs[4..at - 2], subject, &tbs[at..]].concat();
    let rest = &LEAF[4 + tbs.len()..];
    wrap(0x30, &[&wrap(0x30, &signed), rest].concat())
}

#[test]
fn a_set_that_would_cost_quadratic_time_is_not_decoded() {
    let named = |members| Certificate::parse_der(&leaf_named(&wrap(0x30, &relative_name(members))));
    assert_eq!(
        named(5_400).err(),
        Some(CertError::Bounds(DerError::SetTooLarge))
    );
    assert_eq!(
        named(65).err(),
        Some(CertError::Bounds(DerError::SetTooLarge))
    );
    assert!(named(64).is_ok());
}

#[test]
fn a_large_set_inside_an_extension_is_not_decoded() {
    let with = |oid: &[u64], content: Vec<u8>| {
        let mut params = leaf_params("leaf");
        params.use_authority_key_identifier_extension = false;
        params.custom_extensions = vec![CustomExtension::from_oid_content(oid, content)];
        let key = rcgen::KeyPair::generate().unwrap();
        Certificate::parse_der(params.self_signed(&key).unwrap().der())
    };
    let malformed = |oid: &str| Some(CertError::MalformedExtension { oid: oid.into() });
    let directory_name = |members| wrap(0xa4, &wrap(0x30, &relative_name(members)));
    // AuthorityKeyIdentifier { authorityCertIssuer [1] }
    let authority = |members| wrap(0x30, &wrap(0xa1, &directory_name(members)));
    assert!(with(&[2, 5, 29, 35], authority(64)).is_ok());
    assert_eq!(
        with(&[2, 5, 29, 35], authority(5_000)).err(),
        malformed("2.5.29.35")
    );
    let san = |members| wrap(0x30, &directory_name(members));
    let san_of = |members| with(&[2, 5, 29, 17], san(members)).unwrap().san().err();
    assert_eq!(san_of(64), Some(CertError::SanKind));
    assert_eq!(san_of(5_000), malformed("2.5.29.17"));
}

#[test]
fn a_large_set_in_a_request_or_key_is_refused() {
    let key = rcgen::KeyPair::generate().unwrap();
    let spki = public_key(&key).spki_der().to_vec();
    let request = |members| {
        let subject = wrap(0x30, &relative_name(members));
        let info = wrap(
            0x30,
            &[&[2, 1, 0], subject.as_slice(), &spki, &[0xa0, 0]].concat(),
        );
        let ecdsa = wrap(0x30, &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]);
        CertificateRequest::parse_der(&wrap(0x30, &[info, ecdsa, vec![3, 2, 0, 0]].concat()))
    };
    assert!(request(64).is_ok());
    assert_eq!(
        request(5_400).err(),
        Some(CsrError::Bounds(DerError::SetTooLarge))
    );
    // SubjectPublicKeyInfo with a SET as parameters of its algorithm
    let algorithm = [&[6, 3, 0x2a, 3, 4], relative_name(65).as_slice()].concat();
    let key = wrap(0x30, &[wrap(0x30, &algorithm), vec![3, 1, 0]].concat());
    assert_eq!(PublicKey::parse_spki(&key), Err(KeyError::Malformed));
}

#[test]
fn an_extension_may_occur_once() {
    let mut params = leaf_params("leaf");
    params.custom_extensions =
        vec![CustomExtension::from_oid_content(&[1, 2, 3, 4, 5], vec![5, 0]); 2];
    let key = rcgen::KeyPair::generate().unwrap();
    let der = params.self_signed(&key).unwrap();
    assert_eq!(
        Certificate::parse_der(der.der()),
        Err(CertError::RepeatedExtension {
            oid: "1.2.3.4.5".into()
        })
    );
}

#[test]
fn signature_algorithms_inside_and_outside_must_agree() {
    let cert = Certificate::parse_der(&LEAF).unwrap();
    let mut der = LEAF.clone();
    // The outer algorithm ends 8 bytes of OID before the signature BIT STRING; turn SHA-256 into SHA-384.
    let outer = cert.tbs_der().len() + (der.len() - LEAF.len());
    let oid = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    let at = der.windows(8).rposition(|window| window == oid).unwrap();
    assert!(at > outer);
    der[at + 7] = 3;
    assert_eq!(
        Certificate::parse_der(&der),
        Err(CertError::AlgorithmsDiffer)
    );
}

#[test]
fn a_chain_of_pem_blocks_is_read_in_order_and_bounded() {
    let leaf = Certificate::parse_der(&LEAF).unwrap();
    let text = format!("{}{}", leaf.to_pem(), ROOT.cert.to_pem());
    assert_eq!(
        Certificate::parse_pem_chain(&text),
        Ok(vec![leaf.clone(), ROOT.cert.clone()])
    );
    assert_eq!(Certificate::parse_pem(&text), Ok(leaf.clone()));
    assert!(matches!(
        Certificate::parse_pem_chain(&leaf.to_pem().repeat(65)),
        Err(CertError::Pem(_))
    ));
    assert!(Certificate::parse_pem_chain("").is_err());
    let lenient = text.replace('\n', "\r\n");
    assert_eq!(
        Certificate::parse_pem_chain(lenient.trim_end())
            .unwrap()
            .len(),
        2
    );
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Certificate::parse_der(&bytes);
        let _ = CertificateRequest::parse_der(&bytes);
        let _ = PublicKey::parse_spki(&bytes);
        let _ = PublicKey::parse_pkcs1(&bytes);
        let _ = assemble(&bytes, pki::key::Scheme::Ed25519, &bytes);
    }

    #[test]
    fn changed_certificates_never_panic(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut der = LEAF.clone();
        for (index, byte) in changes {
            let at = index.index(der.len());
            der[at] = byte;
        }
        if let Ok(cert) = Certificate::parse_der(&der) {
            read_all(&cert);
        }
    }

    #[test]
    fn a_changed_certificate_is_not_signed_by_its_ca(index: prop::sample::Index, bit in 0u8..8) {
        let mut der = LEAF.clone();
        let at = index.index(der.len());
        der[at] ^= 1 << bit;
        if let Ok(cert) = Certificate::parse_der(&der) {
            prop_assert!(cert.verify_signed_by(&ROOT.cert).is_err());
        }
    }
}
