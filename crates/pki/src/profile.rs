//! The leaf certificate profile (spec/fulcio.md 4.1) as TBS bytes, and the assembly of signed certificates.
//!
//! Certificates are built here from x509-cert's types rather than by a certificate library, because the issuer's name must
//! be byte for byte the CA's subject (sigstore-js and others compare bytes), and because the TBS bytes are signed elsewhere,
//! perhaps by an HSM.
use crate::cert::{CertError, Certificate, San};
use crate::extensions::{FulcioExtensions, san_der};
use crate::key::{PublicKey, Scheme};
use crate::sct::{self, Sct};
use crate::{oid, tlv};
use const_oid::ObjectIdentifier;
use der::asn1::{BitString, GeneralizedTime, OctetString, UtcTime};
use der::{Decode, Encode, Tag};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use std::time::Duration;
use time::OffsetDateTime;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectKeyIdentifier,
};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::time::{Time, Validity};
use x509_cert::{TbsCertificate, Version};

/// What one leaf certificate says.
#[derive(Clone, Debug)]
pub struct LeafRequest<'a> {
    /// Key to certify; its strength is the caller's to check.
    pub subject_key: &'a PublicKey,
    /// The one subject alternative name.
    pub san: San,
    /// Fulcio's extensions; the issuer must not be empty.
    pub extensions: FulcioExtensions,
    /// Random bytes from the caller. Made positive and 20 octets long here, which leaves 158 random bits.
    pub serial: [u8; 20],
    /// Start of validity, truncated to seconds.
    pub not_before: OffsetDateTime,
    /// End of validity, truncated to seconds.
    pub not_after: OffsetDateTime,
}

/// The TBS of one leaf, before the last extension is chosen. Pre-certificate and certificate come from the
/// same bytes, so they share key, serial and everything else (invariant 7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafTbs {
    bare: Vec<u8>,
}

impl LeafTbs {
    /// Builds the TBS. Of `issuer`, the issuing CA's certificate, subject, SKI, validity and the type of its key are used.
    ///
    /// Refuses a validity that does not lie inside the CA's: clients that check the whole path at signing time would fail.
    pub fn build(issuer: &Certificate, request: LeafRequest<'_>) -> Result<Self, CertError> {
        if !issuer.is_ca() {
            return Err(CertError::IssuerNotCa);
        }
        let validity = validity(issuer, &request)?;
        let tbs = TbsCertificate {
            version: Version::V3,
            serial_number: serial(request.serial)?,
            signature: algorithm(ca_scheme(issuer.public_key()))?,
            issuer: Name::from_der(issuer.subject_der())?,
            validity,
            subject: Name::default(),
            subject_public_key_info: SubjectPublicKeyInfoOwned::from_der(
                request.subject_key.spki_der(),
            )?,
            issuer_unique_id: None,
            subject_unique_id: None,
            extensions: Some(extensions(issuer, &request)?),
        };
        // A name that re-encodes otherwise (e.g. an unsorted multi-valued RDN) would give leaves that do not chain.
        if tbs.issuer.to_der()? != issuer.subject_der() {
            return Err(CertError::CaSubjectNotCanonical);
        }
        Ok(Self {
            bare: tbs.to_der()?,
        })
    }

    /// Gives the TBS DER with the poison extension: sign this for the pre-certificate.
    pub fn precertificate(&self) -> Result<Vec<u8>, CertError> {
        // RFC 6962 section 3.1: critical, extnValue is NULL.
        self.with(extension(oid::POISON, true, vec![0x05, 0x00])?)
    }

    /// Gives the TBS DER without poison or SCT list: what the CT log entry carries.
    pub fn bare(&self) -> Result<Vec<u8>, CertError> {
        Ok(self.bare.clone())
    }

    /// Gives the TBS DER with the SCT list extension, non-critical.
    pub fn with_scts(&self, scts: &[Sct]) -> Result<Vec<u8>, CertError> {
        self.with(extension(oid::SCT_LIST, false, sct::list_der(scts)?)?)
    }

    fn with(&self, last: Extension) -> Result<Vec<u8>, CertError> {
        Ok(tlv::edit_extensions(
            &self.bare,
            |_| true,
            Some(&last.to_der()?),
        )?)
    }
}

/// Gives the scheme that a CA key signs certificates with (spec/fulcio.md 4.1).
pub fn ca_scheme(key: &PublicKey) -> Scheme {
    key.default_scheme()
}

/// Puts a certificate together from TBS DER, the CA's scheme (which the TBS names too) and the signature bytes.
pub fn assemble(tbs: &[u8], scheme: Scheme, signature: &[u8]) -> Result<Vec<u8>, CertError> {
    let algorithm = algorithm(scheme)?.to_der()?;
    // RFC 5280 section 4.1.1.2: both copies of the algorithm must be equal. Third field behind version [0], else second.
    let parts = tlv::children(tbs, Tag::Sequence)?;
    if !parts
        .iter()
        .take(3)
        .any(|part| tbs[part.clone()] == algorithm)
    {
        return Err(CertError::SchemeUnfit { scheme });
    }
    let signature = BitString::from_bytes(signature)?.to_der()?;
    Ok(tlv::wrap(
        Tag::Sequence,
        &[tbs, &algorithm, &signature].concat(),
    )?)
}

/// Checks that a pre-certificate and a certificate correspond: same TBS but for poison and SCT list (invariant 7).
pub fn check_correspond(precert: &Certificate, cert: &Certificate) -> Result<(), CertError> {
    let poisoned = precert.is_precertificate() && !cert.is_precertificate();
    if !poisoned || precert.find(oid::SCT_LIST).is_some() {
        return Err(CertError::NotPrecertificatePair);
    }
    if precert.precert_tbs()? != cert.precert_tbs()? {
        return Err(CertError::DoNotCorrespond);
    }
    Ok(())
}

fn algorithm(scheme: Scheme) -> Result<AlgorithmIdentifierOwned, CertError> {
    scheme
        .algorithm_identifier()
        .ok_or(CertError::SchemeUnfit { scheme })
}

/// Makes the number positive (top bit clear) and always 20 octets long (next bit set), so never zero.
fn serial(mut random: [u8; 20]) -> Result<SerialNumber, CertError> {
    random[0] = random[0] & 0x7f | 0x40;
    Ok(SerialNumber::new(&random)?)
}

fn validity(issuer: &Certificate, request: &LeafRequest<'_>) -> Result<Validity, CertError> {
    let (not_before, not_after) = (request.not_before, request.not_after);
    let impossible = CertError::Validity {
        not_before,
        not_after,
    };
    let (Some(start), Some(end)) = (to_time(not_before), to_time(not_after)) else {
        return Err(impossible);
    };
    if not_after < not_before {
        return Err(impossible);
    }
    let truncated = |time: OffsetDateTime| time.replace_nanosecond(0).unwrap_or(time);
    if !issuer.is_valid_at(truncated(not_before)) || !issuer.is_valid_at(truncated(not_after)) {
        let (ca_not_before, ca_not_after) = (issuer.not_before(), issuer.not_after());
        return Err(CertError::OutlivesCa {
            not_after,
            ca_not_before,
            ca_not_after,
        });
    }
    Ok(Validity {
        not_before: start,
        not_after: end,
    })
}

/// UTCTime until 2049, GeneralizedTime from 2050 (RFC 5280 section 4.1.2.5).
fn to_time(time: OffsetDateTime) -> Option<Time> {
    let since_1970 = Duration::from_secs(u64::try_from(time.unix_timestamp()).ok()?);
    let utc = UtcTime::from_unix_duration(since_1970).map(Time::UtcTime);
    utc.or_else(|_| GeneralizedTime::from_unix_duration(since_1970).map(Time::GeneralTime))
        .ok()
}

/// The extensions in Fulcio's order: key usages, key identifiers, name, Fulcio's own ascending. BasicConstraints is absent.
fn extensions(
    issuer: &Certificate,
    request: &LeafRequest<'_>,
) -> Result<Vec<Extension>, CertError> {
    if request.extensions.issuer.is_empty() {
        return Err(CertError::NoOidcIssuer);
    }
    let key_usage = KeyUsage(KeyUsages::DigitalSignature.into()).to_der()?;
    let extended = ExtendedKeyUsage(vec![oid::CODE_SIGNING]).to_der()?;
    let subject_key = SubjectKeyIdentifier(OctetString::new(
        request.subject_key.subject_key_identifier(),
    )?)
    .to_der()?;
    let mut list = vec![
        extension(oid::KEY_USAGE, true, key_usage)?,
        // Not critical: sigstore-python refuses it otherwise.
        extension(oid::EXTENDED_KEY_USAGE, false, extended)?,
        extension(oid::SUBJECT_KEY_IDENTIFIER, false, subject_key)?,
        extension(oid::AUTHORITY_KEY_IDENTIFIER, false, authority_key(issuer)?)?,
        // Critical since the subject is empty (RFC 5280 section 4.2.1.6).
        extension(oid::SUBJECT_ALT_NAME, true, san_der(&request.san)?)?,
    ];
    list.extend(request.extensions.to_x509()?);
    Ok(list)
}

/// The CA's own identifier, byte for byte: sigstore-js finds parents by it. A CA without one gets the usual hash.
fn authority_key(issuer: &Certificate) -> Result<Vec<u8>, CertError> {
    let computed = issuer.public_key().subject_key_identifier();
    let id = issuer.subject_key_identifier().unwrap_or(&computed);
    let key_identifier = Some(OctetString::new(id)?);
    Ok(AuthorityKeyIdentifier {
        key_identifier,
        ..Default::default()
    }
    .to_der()?)
}

fn extension(
    extn_id: ObjectIdentifier,
    critical: bool,
    content: Vec<u8>,
) -> der::Result<Extension> {
    Ok(Extension {
        extn_id,
        critical,
        extn_value: OctetString::new(content)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
    use time::Duration;

    /// A CA certificate whose subject is one RDN of two values, in the wrong order for a DER SET OF.
    fn ca_with_unsorted_name() -> Certificate {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let der = params
            .self_signed(&KeyPair::generate().unwrap())
            .unwrap()
            .der()
            .to_vec();
        let value = |oid_last: u8, text: u8| {
            [
                0x30, 0x08, 0x06, 0x03, 0x55, 0x04, oid_last, 0x0c, 0x01, text,
            ]
        };
        let set = tlv::wrap(Tag::Set, &[value(10, b'O'), value(3, b'C')].concat()).unwrap();
        let name = tlv::wrap(Tag::Sequence, &set).unwrap();

        let parts = tlv::children(&der, Tag::Sequence).unwrap();
        let tbs = &der[parts[0].clone()];
        let fields = tlv::children(tbs, Tag::Sequence).unwrap();
        let fields = fields
            .iter()
            .enumerate()
            .map(|(i, field)| if i == 5 { &name } else { &tbs[field.clone()] });
        let tbs = tlv::wrap(Tag::Sequence, &fields.collect::<Vec<_>>().concat()).unwrap();
        let rest = &der[parts[1].start..];
        Certificate::parse_der(&tlv::wrap(Tag::Sequence, &[&tbs, rest].concat()).unwrap()).unwrap()
    }

    #[test]
    fn a_ca_name_that_would_be_written_otherwise_is_refused() {
        let ca = ca_with_unsorted_name();
        let not_before = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
        let request = LeafRequest {
            subject_key: ca.public_key(),
            san: San::Email("a@b.c".into()),
            extensions: FulcioExtensions {
                issuer: "https://i.example".into(),
                ..Default::default()
            },
            serial: [0; 20],
            not_before,
            not_after: not_before + Duration::minutes(10),
        };
        assert_eq!(
            LeafTbs::build(&ca, request),
            Err(CertError::CaSubjectNotCanonical)
        );
    }

    #[test]
    fn serials_are_positive_and_twenty_octets_long() {
        for random in [[0; 20], [0xff; 20], [0x80; 20]] {
            let serial = serial(random).unwrap().to_der().unwrap();
            assert_eq!(serial[..2], [0x02, 20]);
            assert!((0x40..0x80).contains(&serial[2]));
        }
    }

    #[test]
    fn times_change_their_type_in_2050() {
        let tag = |seconds| {
            to_time(OffsetDateTime::from_unix_timestamp(seconds).unwrap())
                .unwrap()
                .to_der()
                .unwrap()[0]
        };
        assert_eq!(tag(2_524_607_999), 0x17);
        assert_eq!(tag(2_524_608_000), 0x18);
        assert_eq!(
            to_time(OffsetDateTime::from_unix_timestamp(-1).unwrap()),
            None
        );
    }
}
