//! Which CA certificates count: those of the trusted root alone. The certificates are made here.

use super::*;
use crate::budget::Budget;
use crate::digests::ArtifactDigests;
use crate::{Artifact, Match, Outcome, Policy, Signer, TrustMaterial, material};
use formats::bundle::Bundle;
use formats::trust::TrustedRoot;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde_json::json;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2030-05-06 07:08:09 UTC);

/// A certificate with what is needed to issue others.
struct Holder {
    der: Vec<u8>,
    params: CertificateParams,
    key: KeyPair,
}

impl Holder {
    fn new(name: &str, issuer: Option<&Holder>, usages: &[ExtendedKeyUsagePurpose]) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = NOW - time::Duration::days(1);
        params.not_after = NOW + time::Duration::days(1);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.extended_key_usages = usages.to_vec();
        Self::issued(params, issuer)
    }

    fn root() -> Self {
        Self::new("root", None, &[])
    }

    fn issuing_ca(name: &str, root: &Holder) -> Self {
        Self::new(name, Some(root), &[ExtendedKeyUsagePurpose::CodeSigning])
    }

    fn leaf(issuer: &Holder) -> Self {
        let mut params = CertificateParams::default();
        params.not_before = NOW - time::Duration::minutes(5);
        params.not_after = NOW + time::Duration::minutes(5);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        Self::issued(params, Some(issuer))
    }

    fn issued(params: CertificateParams, issuer: Option<&Holder>) -> Self {
        let key = KeyPair::generate().expect("a key");
        let cert = match issuer {
            Some(ca) => params.signed_by(&key, &Issuer::from_params(&ca.params, &ca.key)),
            None => params.self_signed(&key),
        };
        let der = cert.expect("a certificate").der().to_vec();
        Self { der, params, key }
    }
}

fn certificates(chain: &[&Holder]) -> serde_json::Value {
    let raw = |holder: &&Holder| json!({"rawBytes": formats::b64::encode(&holder.der)});
    chain.iter().map(raw).collect()
}

/// The steps on form and chain for a v0.1 bundle with this chain, under a root with this one authority.
fn steps(bundle_chain: &[&Holder], authority: &[&Holder]) -> (Step, Step) {
    let root = json!({
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "certificateAuthorities": [{
            "uri": "https://fulcio.example",
            "certChain": {"certificates": certificates(authority)},
            "validFor": {"start": "2030-01-01T00:00:00Z"},
        }],
    });
    let bundle = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.1",
        "verificationMaterial": {
            "x509CertificateChain": {"certificates": certificates(bundle_chain)},
            "tlogEntries": [],
        },
        "messageSignature": {"signature": "AAAA"},
    });
    let root: TrustedRoot = serde_json::from_value(root).expect("a root");
    let bundle: Bundle = serde_json::from_value(bundle).expect("a bundle");
    let any = || Match::Regexp(".*".into());
    let policy = Policy::new(Signer::Identity {
        identity: any(),
        issuer: any(),
    });
    let cx = Context {
        trust: &TrustMaterial::new(&root).expect("a usable root"),
        policy: &policy,
        now: NOW,
        digests: ArtifactDigests::new(&Artifact::Bytes(b"")),
        budget: Budget::new(),
    };
    let (material, form) = material::check(&bundle, &policy);
    let times = Times {
        at: [NOW].into(),
        ..Times::default()
    };
    let (chain, _) = check(&cx, material.credential.as_ref(), &times);
    (form, chain)
}

#[test]
fn the_authority_that_issued_the_leaf_is_found() {
    let root = Holder::root();
    let ca = Holder::issuing_ca("ca", &root);
    let leaf = Holder::leaf(&ca);
    let (form, chain) = steps(&[&leaf, &ca], &[&ca, &root]);
    assert_eq!(form.outcome, Outcome::Passed);
    assert_eq!(chain.outcome, Outcome::Passed, "{:?}", chain.failures);
    let (_, chain) = steps(&[&leaf], &[&ca, &root]);
    assert_eq!(chain.outcome, Outcome::Passed, "{:?}", chain.failures);
}

/// After a rotation that keeps the root, the old issuing CA is no longer listed: that ends its trust.
#[test]
fn a_ca_of_the_bundle_that_the_trusted_root_no_longer_lists_does_not_count() {
    let root = Holder::root();
    let removed = Holder::issuing_ca("2029", &root);
    let leaf = Holder::leaf(&removed);
    let current = Holder::issuing_ca("2030", &root);
    let (_, chain) = steps(&[&leaf, &removed], &[&current, &root]);
    assert!(
        matches!(chain.failures.as_slice(), [Failure::UnknownCa { .. }]),
        "{:?}",
        chain.failures
    );
    // The new CA may have the name of the old one.
    let namesake = Holder::issuing_ca("2029", &root);
    let (_, chain) = steps(&[&leaf, &removed], &[&namesake, &root]);
    assert!(
        matches!(chain.failures.as_slice(), [Failure::Path { .. }]),
        "{:?}",
        chain.failures
    );
}

#[test]
fn a_bundle_that_brings_its_root_is_refused() {
    let root = Holder::root();
    let ca = Holder::issuing_ca("ca", &root);
    let leaf = Holder::leaf(&ca);
    let (form, _) = steps(&[&leaf, &ca, &root], &[&ca, &root]);
    assert_eq!(form.failures, [Failure::RootInBundle { position: 2 }]);
}
