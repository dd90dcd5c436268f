//! A certificate authority of rcgen for tests, and shorthands.
use pki::cert::{Certificate, San};
use pki::extensions::FulcioExtensions;
use pki::key::PublicKey;
use pki::profile::{LeafRequest, LeafTbs, assemble, ca_scheme};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SigningKey,
};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

/// The moment at which tests issue and check.
pub(crate) const NOW: OffsetDateTime = datetime!(2030-05-06 07:08:09 UTC);

/// A certificate with its private key.
pub(crate) struct Holder {
    pub(crate) cert: Certificate,
    pub(crate) params: CertificateParams,
    pub(crate) key: KeyPair,
}

impl Holder {
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        SigningKey::sign(&self.key, message).unwrap()
    }
}

/// Parameters of a CA that passes every check, valid a year around now.
pub(crate) fn ca_params(name: &str) -> CertificateParams {
    let mut params = leaf_params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.extended_key_usages = vec![];
    params
}

/// Parameters of a code-signing leaf that passes every check.
pub(crate) fn leaf_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Sigstead Test");
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = NOW - Duration::days(100);
    params.not_after = NOW + Duration::days(100);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    params.use_authority_key_identifier_extension = true;
    params
}

/// Extended key usages as a critical extension; `last` are the last arcs below 1.3.6.1.5.5.7.3.
pub(crate) fn critical_eku(last: &[u8]) -> CustomExtension {
    let ids: Vec<u8> = last
        .iter()
        .flat_map(|last| [6, 8, 0x2b, 6, 1, 5, 5, 7, 3, *last])
        .collect();
    let content = [&[0x30, u8::try_from(ids.len()).unwrap()], ids.as_slice()].concat();
    let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 37], content);
    extension.set_criticality(true);
    extension
}

pub(crate) fn root() -> Holder {
    self_signed(ca_params("root"), KeyPair::generate().unwrap())
}

pub(crate) fn self_signed(params: CertificateParams, key: KeyPair) -> Holder {
    let cert = Certificate::parse_der(params.self_signed(&key).unwrap().der()).unwrap();
    Holder { cert, params, key }
}

pub(crate) fn issue(ca: &Holder, params: CertificateParams) -> Holder {
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::from_params(&ca.params, &ca.key);
    let cert = Certificate::parse_der(params.signed_by(&key, &issuer).unwrap().der()).unwrap();
    Holder { cert, params, key }
}

pub(crate) fn public_key(key: &KeyPair) -> PublicKey {
    PublicKey::parse_spki(&key.subject_public_key_info()).unwrap()
}

pub(crate) fn extensions() -> FulcioExtensions {
    FulcioExtensions {
        issuer: "https://issuer.example".into(),
        subject: "alice".into(),
        ..Default::default()
    }
}

pub(crate) fn request(subject_key: &PublicKey, san: San) -> LeafRequest<'_> {
    LeafRequest {
        subject_key,
        san,
        extensions: extensions(),
        serial: [0xab; 20],
        not_before: NOW,
        not_after: NOW + Duration::minutes(10),
    }
}

pub(crate) fn email() -> San {
    San::Email("alice@example.com".into())
}

/// Signs a TBS as `ca` and parses the certificate.
pub(crate) fn certify(ca: &Holder, tbs: &[u8]) -> Certificate {
    let der = assemble(tbs, ca_scheme(ca.cert.public_key()), &ca.sign(tbs)).unwrap();
    Certificate::parse_der(&der).unwrap()
}

/// Issues a leaf of Fulcio's profile, without SCT.
pub(crate) fn fulcio_leaf(ca: &Holder) -> Certificate {
    let key = public_key(&KeyPair::generate().unwrap());
    certify(
        ca,
        &LeafTbs::build(&ca.cert, request(&key, email()))
            .unwrap()
            .bare()
            .unwrap(),
    )
}
