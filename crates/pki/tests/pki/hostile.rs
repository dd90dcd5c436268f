//! Bytes from attackers: refused, never a panic.
use crate::support::*;
use pki::cert::{CertError, Certificate};
use pki::csr::CertificateRequest;
use pki::extensions::FulcioExtensions;
use pki::key::PublicKey;
use pki::path::{Usage, check_ca_chain, check_path};
use pki::profile::assemble;
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
