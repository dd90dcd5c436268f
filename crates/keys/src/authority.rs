//! CA and timestamping certificates (spec/fulcio.md 4.2, spec/clients.md d.2).
//!
//! rcgen writes the TBS, but its signing call is synchronous. So a recorder catches the TBS, our own
//! async [`Signer`] signs it, and `pki` assembles the certificate; HSM and KMS keys fit.

use crate::error::CertificateRule;
use crate::{KeyError, Purpose, Signer};
use pkcs8::spki::SubjectPublicKeyInfoRef;
use pki::cert::Certificate;
use pki::key::{KeyKind, PublicKey};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyUsagePurpose, PublicKeyData,
    SerialNumber, SignatureAlgorithm, SigningKey,
};
use std::cell::RefCell;
use time::{Date, Month, OffsetDateTime, UtcOffset};
use x509_cert::der::asn1::{Ia5StringRef, PrintableStringRef, Utf8StringRef};
use x509_cert::der::{Any, Tag, Tagged};

/// Longest accepted O and CN, in characters: ub-organization-name and ub-common-name, RFC 5280 appendix A.
pub const MAX_NAME_CHARACTERS: usize = 64;

/// Longest accepted life of a root in years; a typing error would otherwise last for centuries.
pub const MAX_ROOT_YEARS: i32 = 50;

// Arcs for rcgen, which takes them apart: id-ce-subjectKeyIdentifier and id-ce-extKeyUsage.
const SUBJECT_KEY_IDENTIFIER: &[u64] = &[2, 5, 29, 14];
const EXTENDED_KEY_USAGE: &[u64] = &[2, 5, 29, 37];

/// SEQUENCE { id-kp-timeStamping 1.3.6.1.5.5.7.3.8 }.
const TIME_STAMPING_ONLY: [u8; 12] = [
    0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08,
];

/// The subject of a certificate: one O and one CN, 1 to 64 characters each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Organization; code-signing root and intermediate must carry the same one (spec/clients.md 0.11).
    pub organization: String,
    /// Common name.
    pub common_name: String,
}

/// What an issued certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// A CA for ten-minute certificates: path length 0, EKU codeSigning.
    CodeSigningCa,
    /// A CA for timestamping leaves: path length 0, EKU timeStamping.
    TimeStampingCa,
    /// Signs timestamp tokens: not a CA, KU digitalSignature, EKU timeStamping alone and critical.
    TimeStampingLeaf,
}

/// Makes a self-signed root CA and returns its DER.
///
/// Whole-second times, KU keyCertSign and cRLSign (critical), BasicConstraints CA without path length
/// (critical), SKI = SHA-1 of the key, no EKU. `serial` is random; it is made positive here.
pub async fn root(
    signer: &Signer,
    names: &Names,
    not_before: OffsetDateTime,
    years: i32,
    serial: [u8; 20],
) -> Result<Vec<u8>, KeyError> {
    check_signer(signer)?;
    check_names(names)?;
    let not_before = whole_seconds(not_before);
    let not_after = years_later(not_before, years)?;

    let mut params = params(names, signer.public_key(), not_before, not_after, serial);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let recorder = Recorder::new(signer.public_key())?;
    params.self_signed(&recorder)?;

    let der = sign_tbs(signer, recorder.into_tbs()).await?;
    let certificate = Certificate::parse_der(&der)?;
    certificate.verify_signed_by(&certificate)?;
    Ok(der)
}

/// Makes a certificate for `subject_key`, signed by `issuer`, and returns its DER.
///
/// Whole-second times, SKI = SHA-1 of the key, AKI = the issuer's SKI, the issuer's name byte for byte.
///
/// # Errors
/// When the issuing key and certificate are not a pair, the period is not inside the issuer's, or a name
/// breaks a rule of the profile.
#[allow(clippy::too_many_arguments)]
pub async fn issue(
    issuer: &Signer,
    issuer_cert_der: &[u8],
    subject_key: &PublicKey,
    names: &Names,
    profile: Profile,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    serial: [u8; 20],
) -> Result<Vec<u8>, KeyError> {
    let issuer_cert = Certificate::parse_der(issuer_cert_der)?;
    let (not_before, not_after) = (whole_seconds(not_before), whole_seconds(not_after));
    check_signer(issuer)?;
    check_names(names)?;
    check_issuer(issuer, &issuer_cert, names, profile)?;
    check_validity(&issuer_cert, not_before, not_after)?;

    // 1. The TBS, caught on its way to rcgen's signature.
    let mut params = params(names, subject_key, not_before, not_after, serial);
    apply(profile, &mut params);
    params.use_authority_key_identifier_extension = true;
    let recorder = Recorder::new(issuer.public_key())?;
    let mut parent = CertificateParams::default();
    parent.distinguished_name = subject_of(&issuer_cert)?;
    parent.key_identifier_method = KeyIdMethod::PreSpecified(issuer_key_id(&issuer_cert));
    params.signed_by(
        &SubjectKey::new(subject_key)?,
        &Issuer::from_params(&parent, &recorder),
    )?;

    // 2. Our signature over it.
    let der = sign_tbs(issuer, recorder.into_tbs()).await?;

    // 3. What leaves this room fits under its issuer. RFC 5280 section 6.1.3 compares names; clients compare bytes.
    let certificate = Certificate::parse_der(&der)?;
    if certificate.issuer_der() != issuer_cert.subject_der() {
        return Err(CertificateRule::IssuerName.into());
    }
    certificate.verify_signed_by(&issuer_cert)?;
    Ok(der)
}

/// The fields that all profiles share.
fn params(
    names: &Names,
    key: &PublicKey,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    serial: [u8; 20],
) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = not_before;
    params.not_after = not_after;
    params.serial_number = Some(SerialNumber::from_slice(&positive(serial)));
    params.distinguished_name = distinguished_name(names);
    // rcgen's own method is a truncated SHA-256 of the key; Fulcio's is RFC 5280 section 4.2.1.2, method 1.
    params.key_identifier_method = KeyIdMethod::PreSpecified(key.subject_key_identifier().to_vec());
    params
}

fn apply(profile: Profile, params: &mut CertificateParams) {
    let ca = |params: &mut CertificateParams, usage| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        // Not critical: sigstore-python's path builder rejects a critical EKU on code-signing chains.
        params.extended_key_usages = vec![usage];
    };
    match profile {
        Profile::CodeSigningCa => ca(params, ExtendedKeyUsagePurpose::CodeSigning),
        Profile::TimeStampingCa => ca(params, ExtendedKeyUsagePurpose::TimeStamping),
        Profile::TimeStampingLeaf => timestamping_leaf(params),
    }
}

fn timestamping_leaf(params: &mut CertificateParams) {
    params.is_ca = IsCa::NoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    // RFC 3161 section 2.3: one EKU, and critical. rcgen's own field cannot be critical.
    let mut usage =
        CustomExtension::from_oid_content(EXTENDED_KEY_USAGE, TIME_STAMPING_ONLY.to_vec());
    usage.set_criticality(true);
    params.custom_extensions.push(usage);
    // rcgen writes the SKI of CAs only.
    if let KeyIdMethod::PreSpecified(id) = &params.key_identifier_method {
        let mut content = vec![0x04, 20];
        content.extend_from_slice(id);
        let id = CustomExtension::from_oid_content(SUBJECT_KEY_IDENTIFIER, content);
        params.custom_extensions.push(id);
    }
}

async fn sign_tbs(signer: &Signer, tbs: Vec<u8>) -> Result<Vec<u8>, KeyError> {
    let signature = signer.sign(&tbs).await?;
    Ok(pki::profile::assemble(&tbs, signer.scheme(), &signature)?)
}

/// Catches the bytes that rcgen wants signed.
struct Recorder {
    key: SubjectKey,
    tbs: RefCell<Vec<u8>>,
}

impl Recorder {
    fn new(key: &PublicKey) -> Result<Self, KeyError> {
        Ok(Self {
            key: SubjectKey::new(key)?,
            tbs: RefCell::default(),
        })
    }

    fn into_tbs(self) -> Vec<u8> {
        self.tbs.into_inner()
    }
}

impl PublicKeyData for Recorder {
    fn der_bytes(&self) -> &[u8] {
        self.key.der_bytes()
    }
    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.key.algorithm()
    }
}

impl SigningKey for Recorder {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.tbs.replace(message.to_vec());
        Ok(Vec::new())
    }
}

/// A public key as rcgen wants it: the bits of the key, and the algorithm that it would sign with.
struct SubjectKey {
    bits: Vec<u8>,
    algorithm: &'static SignatureAlgorithm,
}

impl SubjectKey {
    fn new(key: &PublicKey) -> Result<Self, KeyError> {
        let malformed = || KeyError::from(rcgen::Error::UnsupportedSignatureAlgorithm);
        let spki = SubjectPublicKeyInfoRef::try_from(key.spki_der()).map_err(|_| malformed())?;
        let bits = spki.subject_public_key.as_bytes().ok_or_else(malformed)?;
        Ok(Self {
            bits: bits.to_vec(),
            algorithm: match key.kind() {
                KeyKind::EcdsaP256 => &rcgen::PKCS_ECDSA_P256_SHA256,
                KeyKind::EcdsaP384 => &rcgen::PKCS_ECDSA_P384_SHA384,
                KeyKind::EcdsaP521 => &rcgen::PKCS_ECDSA_P521_SHA512,
                KeyKind::Ed25519 => &rcgen::PKCS_ED25519,
                KeyKind::Rsa { .. } => &rcgen::PKCS_RSA_SHA256,
            },
        })
    }
}

impl PublicKeyData for SubjectKey {
    fn der_bytes(&self) -> &[u8] {
        &self.bits
    }
    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

fn check_signer(signer: &Signer) -> Result<(), CertificateRule> {
    let purpose: Purpose = signer.purpose();
    if !purpose.signs_certificates() {
        return Err(CertificateRule::Purpose(purpose));
    }
    if signer.public_key().kind() == KeyKind::Ed25519 {
        return Err(CertificateRule::Ed25519Issuer);
    }
    Ok(())
}

fn check_names(names: &Names) -> Result<(), CertificateRule> {
    let fields = [
        ("organization", &names.organization),
        ("common name", &names.common_name),
    ];
    for (field, value) in fields {
        let length = value.chars().count();
        if length == 0 || length > MAX_NAME_CHARACTERS || value.chars().any(char::is_control) {
            return Err(CertificateRule::Name {
                field,
                limit: MAX_NAME_CHARACTERS,
            });
        }
    }
    Ok(())
}

fn check_issuer(
    issuer: &Signer,
    certificate: &Certificate,
    names: &Names,
    profile: Profile,
) -> Result<(), CertificateRule> {
    if issuer.public_key() != certificate.public_key() {
        return Err(CertificateRule::IssuerKey(issuer.purpose()));
    }
    if !certificate.is_ca() {
        return Err(CertificateRule::IssuerNotCa);
    }
    let organization = certificate.subject_organization();
    let same_organization = organization.as_deref() == Some(names.organization.as_str());
    if profile == Profile::CodeSigningCa && !same_organization {
        return Err(CertificateRule::Organization {
            organization: names.organization.clone(),
            issuer: organization,
        });
    }
    let common_name = certificate.subject_common_name();
    if same_organization && common_name.as_deref() == Some(names.common_name.as_str()) {
        return Err(CertificateRule::SameName);
    }
    Ok(())
}

fn check_validity(
    issuer: &Certificate,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
) -> Result<(), CertificateRule> {
    if not_after <= not_before {
        return Err(CertificateRule::Validity {
            limit_years: MAX_ROOT_YEARS,
        });
    }
    if not_before < issuer.not_before() || not_after > issuer.not_after() {
        return Err(CertificateRule::OutlivesIssuer {
            not_before: issuer.not_before(),
            not_after: issuer.not_after(),
        });
    }
    Ok(())
}

/// The AKI of what `certificate` issues: its own SKI, or the one it would have.
fn issuer_key_id(certificate: &Certificate) -> Vec<u8> {
    certificate.subject_key_identifier().map_or_else(
        || certificate.public_key().subject_key_identifier().to_vec(),
        <[u8]>::to_vec,
    )
}

fn distinguished_name(names: &Names) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, names.organization.as_str());
    name.push(DnType::CommonName, names.common_name.as_str());
    name
}

/// The subject of an existing certificate in rcgen's terms, string types kept.
///
/// rcgen cannot hold every name (one value an attribute type); the caller compares the bytes afterwards.
fn subject_of(certificate: &Certificate) -> Result<DistinguishedName, CertificateRule> {
    let mut name = DistinguishedName::new();
    for attribute in certificate
        .x509()
        .tbs_certificate
        .subject
        .0
        .iter()
        .flat_map(|rdn| rdn.0.iter())
    {
        let arcs: Vec<u64> = attribute.oid.arcs().map(u64::from).collect();
        let value = dn_value(&attribute.value).ok_or(CertificateRule::IssuerName)?;
        name.push(DnType::from_oid(&arcs), value);
    }
    Ok(name)
}

fn dn_value(value: &Any) -> Option<DnValue> {
    match value.tag() {
        Tag::Utf8String => {
            let text = value.decode_as::<Utf8StringRef<'_>>().ok()?;
            Some(DnValue::Utf8String(text.as_str().to_owned()))
        }
        Tag::PrintableString => {
            let text = value.decode_as::<PrintableStringRef<'_>>().ok()?;
            Some(DnValue::PrintableString(text.as_str().try_into().ok()?))
        }
        Tag::Ia5String => {
            let text = value.decode_as::<Ia5StringRef<'_>>().ok()?;
            Some(DnValue::Ia5String(text.as_str().try_into().ok()?))
        }
        _ => None,
    }
}

/// RFC 5280 section 4.1.2.2: positive and at most 20 octets.
fn positive(mut serial: [u8; 20]) -> [u8; 20] {
    serial[0] &= 0x7f;
    if serial == [0; 20] {
        serial[19] = 1;
    }
    serial
}

fn whole_seconds(at: OffsetDateTime) -> OffsetDateTime {
    let at = at.to_offset(UtcOffset::UTC);
    at - time::Duration::nanoseconds(i64::from(at.nanosecond()))
}

fn years_later(at: OffsetDateTime, years: i32) -> Result<OffsetDateTime, CertificateRule> {
    let out_of_range = CertificateRule::Validity {
        limit_years: MAX_ROOT_YEARS,
    };
    if !(1..=MAX_ROOT_YEARS).contains(&years) {
        return Err(out_of_range);
    }
    let year = at.year() + years;
    let date = Date::from_calendar_date(year, at.month(), at.day())
        // 29 February, in a year that has none.
        .or_else(|_| Date::from_calendar_date(year, Month::February, 28))
        .map_err(|_| out_of_range)?;
    Ok(at.replace_date(date))
}

#[cfg(test)]
mod tests;
