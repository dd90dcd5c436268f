//! A parsed X.509 certificate and what Sigstore reads from it.
use crate::algorithm::SignatureOidError;
use crate::extensions;
use crate::key::{KeyError, PublicKey, Scheme};
use crate::pem::{self, PemError};
use crate::tlv::DerError;
use crate::{limits, oid, tlv};
use const_oid::ObjectIdentifier;
use der::asn1::{Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use der::{Decode, Tag, Tagged};
use std::ops::Range;
use std::sync::OnceLock;
use time::OffsetDateTime;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectKeyIdentifier,
};
use x509_cert::name::Name;

const LABEL: &str = "CERTIFICATE";

/// One certificate: DER kept as received, parsed once. Holding one says nothing about trust.
#[derive(Clone, Debug)]
pub struct Certificate {
    der: Vec<u8>,
    spans: Spans,
    x509: x509_cert::Certificate,
    key: PublicKey,
    known: Known,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    /// Made when it is first asked for: reports name the same CA again and again.
    subject_text: OnceLock<String>,
}

/// Where parts lie in the DER: signatures and names are compared by the bytes, never re-encoded.
#[derive(Clone, Debug)]
struct Spans {
    tbs: Range<usize>,
    issuer: Range<usize>,
    subject: Range<usize>,
}

/// The extensions that path checks read.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) basic: Option<BasicConstraints>,
    pub(crate) key_usage: Option<KeyUsage>,
    pub(crate) extended_key_usage: Option<ExtendedKeyUsage>,
    subject_key: Option<Vec<u8>>,
    authority_key: Option<Vec<u8>>,
}

impl Certificate {
    /// Parses a DER certificate of at most [`limits::CERTIFICATE_DER`] bytes.
    ///
    /// Refuses trailing data, unsupported keys, signature algorithms that differ inside and outside the signed part,
    /// repeated extensions, and known extensions that do not decode.
    pub fn parse_der(der: &[u8]) -> Result<Self, CertError> {
        if der.len() > limits::CERTIFICATE_DER {
            return Err(CertError::TooLarge {
                len: der.len(),
                max: limits::CERTIFICATE_DER,
            });
        }
        let x509: x509_cert::Certificate = tlv::decode(der)?;
        let (spans, spki) = spans(der)?;
        // RFC 5280 section 4.1.1.2: the unsigned copy of the algorithm must equal the signed one.
        if x509.signature_algorithm != x509.tbs_certificate.signature {
            return Err(CertError::AlgorithmsDiffer);
        }
        check_extensions(extension_list(&x509))?;
        let key = PublicKey::parse_spki(&der[spki])?;
        let known = Known::read(&x509)?;
        let validity = &x509.tbs_certificate.validity;
        let (not_before, not_after) = (
            to_time(&validity.not_before)?,
            to_time(&validity.not_after)?,
        );
        Ok(Self {
            der: der.to_vec(),
            spans,
            x509,
            key,
            known,
            not_before,
            not_after,
            subject_text: OnceLock::new(),
        })
    }

    /// Parses the first PEM block, a `CERTIFICATE`; as lenient as [`pem`].
    pub fn parse_pem(text: &str) -> Result<Self, CertError> {
        let block = pem::first(text)?;
        if block.label != LABEL {
            return Err(PemError::Label {
                found: block.label,
                want: LABEL,
            }
            .into());
        }
        Self::parse_der(&block.der)
    }

    /// Parses all `CERTIFICATE` blocks in order, at least one and at most [`limits::CERTIFICATES_IN_PEM`]; other blocks are
    /// passed over.
    pub fn parse_pem_chain(text: &str) -> Result<Vec<Self>, CertError> {
        let blocks = pem::blocks(text, limits::CERTIFICATES_IN_PEM)?;
        let chain: Vec<_> = blocks
            .iter()
            .filter(|block| block.label == LABEL)
            .map(|block| Self::parse_der(&block.der))
            .collect::<Result<_, _>>()?;
        if chain.is_empty() {
            Err(PemError::NoBlock.into())
        } else {
            Ok(chain)
        }
    }

    /// Gives the DER as received.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Writes canonical PEM: 64 columns, LF, one LF at the end.
    pub fn to_pem(&self) -> String {
        pem::encode(LABEL, &self.der)
    }

    /// Tells whether [`Certificate::parse_pem`] would read this very certificate from the text.
    pub fn is_in_pem(&self, text: &str) -> bool {
        pem::is_first(text, LABEL, &self.der)
    }

    /// Gives the subject's key.
    pub fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// Gives the DER of the subject's name as received.
    pub fn subject_der(&self) -> &[u8] {
        &self.der[self.spans.subject.clone()]
    }

    /// Gives the DER of the issuing CA's name as received.
    pub fn issuer_der(&self) -> &[u8] {
        &self.der[self.spans.issuer.clone()]
    }

    /// Gives the subject's name for people (RFC 4514).
    pub fn subject_text(&self) -> &str {
        self.subject_text
            .get_or_init(|| self.x509.tbs_certificate.subject.to_string())
    }

    /// Gives the issuing CA's name for people (RFC 4514).
    pub fn issuer_text(&self) -> String {
        self.x509.tbs_certificate.issuer.to_string()
    }

    /// Gives the first common name of the subject.
    pub fn subject_common_name(&self) -> Option<String> {
        attribute(&self.x509.tbs_certificate.subject, oid::COMMON_NAME)
    }

    /// Gives the first organization of the subject.
    pub fn subject_organization(&self) -> Option<String> {
        attribute(&self.x509.tbs_certificate.subject, oid::ORGANIZATION)
    }

    /// Gives the content octets of the serial number: big-endian, two's complement, at most 21 bytes.
    pub fn serial(&self) -> &[u8] {
        self.x509.tbs_certificate.serial_number.as_bytes()
    }

    /// Gives the first second of validity.
    pub fn not_before(&self) -> OffsetDateTime {
        self.not_before
    }

    /// Gives the last second of validity, which still belongs to it.
    pub fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }

    /// Tells whether `at` lies in the validity, both ends included.
    pub fn is_valid_at(&self, at: OffsetDateTime) -> bool {
        self.not_before <= at && at <= self.not_after
    }

    /// Tells whether BasicConstraints says CA.
    pub fn is_ca(&self) -> bool {
        self.known.basic.as_ref().is_some_and(|basic| basic.ca)
    }

    /// Gives the SubjectKeyIdentifier.
    pub fn subject_key_identifier(&self) -> Option<&[u8]> {
        self.known.subject_key.as_deref()
    }

    /// Gives the key identifier of the AuthorityKeyIdentifier.
    pub fn authority_key_identifier(&self) -> Option<&[u8]> {
        self.known.authority_key.as_deref()
    }

    /// Gives the DER of the TBSCertificate as signed: the bytes received, not re-encoded.
    pub fn tbs_der(&self) -> &[u8] {
        &self.der[self.spans.tbs.clone()]
    }

    /// Gives the signature value.
    pub fn signature(&self) -> &[u8] {
        self.x509.signature.raw_bytes()
    }

    /// Gives the content of an extension's extnValue, with its critical flag. `oid` is dotted.
    pub fn extension(&self, oid: &str) -> Option<(bool, &[u8])> {
        self.find(ObjectIdentifier::new(oid).ok()?)
    }

    /// Verifies the signature on this certificate by `issuer`'s key. Names, times and purposes are not compared:
    /// that is [`crate::path`].
    pub fn verify_signed_by(&self, issuer: &Certificate) -> Result<(), CertError> {
        let scheme = self.signature_scheme(issuer.public_key())?;
        let signature = self.x509.signature.as_bytes().ok_or(CertError::Malformed)?;
        issuer
            .public_key()
            .verify(scheme, self.tbs_der(), signature)
            .map_err(|_| CertError::Signature)
    }

    /// Gives the scheme of the signature on this certificate when `key` made it.
    pub fn signature_scheme(&self, key: &PublicKey) -> Result<Scheme, CertError> {
        let id = self.x509.signature_algorithm.oid;
        Scheme::from_signature_oid(&id, key.kind()).map_err(|error| match error {
            SignatureOidError::Unknown => CertError::UnknownSignatureAlgorithm {
                oid: id.to_string(),
            },
            // Another type of key cannot have signed it.
            SignatureOidError::OtherKey => CertError::Signature,
        })
    }

    /// Gives the TBSCertificate without SCT list and poison: what an RFC 6962 precert entry holds.
    ///
    /// The rest is copied byte for byte. Special pre-certificate signing CAs (RFC 6962 section 3.1) are not supported:
    /// the issuer stays as it is.
    pub fn precert_tbs(&self) -> Result<Vec<u8>, CertError> {
        Ok(tlv::edit_extensions(
            self.tbs_der(),
            |id| !tlv::is_transparency(id),
            None,
        )?)
    }

    /// Tells whether this is a pre-certificate: it carries the poison extension.
    pub fn is_precertificate(&self) -> bool {
        self.find(oid::POISON).is_some()
    }

    /// Reads the one subject alternative name.
    pub fn san(&self) -> Result<San, CertError> {
        let (_, der) = self
            .find(oid::SUBJECT_ALT_NAME)
            .ok_or(CertError::SanCount { count: 0 })?;
        extensions::parse_san(der)
    }

    /// Gives the certificate as parsed by x509-cert.
    pub fn x509(&self) -> &x509_cert::Certificate {
        &self.x509
    }

    pub(crate) fn find(&self, id: ObjectIdentifier) -> Option<(bool, &[u8])> {
        extension_list(&self.x509)
            .iter()
            .find(|e| e.extn_id == id)
            .map(|e| (e.critical, e.extn_value.as_bytes()))
    }

    pub(crate) fn extensions(&self) -> impl Iterator<Item = (&ObjectIdentifier, &[u8])> {
        extension_list(&self.x509)
            .iter()
            .map(|e| (&e.extn_id, e.extn_value.as_bytes()))
    }

    pub(crate) fn known(&self) -> &Known {
        &self.known
    }

    pub(crate) fn critical_extensions(&self) -> impl Iterator<Item = &ObjectIdentifier> {
        extension_list(&self.x509)
            .iter()
            .filter(|e| e.critical)
            .map(|e| &e.extn_id)
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}
impl Eq for Certificate {}

impl Known {
    fn read(x509: &x509_cert::Certificate) -> Result<Self, CertError> {
        let subject_key: Option<SubjectKeyIdentifier> = decode(x509, oid::SUBJECT_KEY_IDENTIFIER)?;
        let authority_key: Option<AuthorityKeyIdentifier> =
            decode(x509, oid::AUTHORITY_KEY_IDENTIFIER)?;
        Ok(Self {
            basic: decode(x509, oid::BASIC_CONSTRAINTS)?,
            key_usage: decode(x509, oid::KEY_USAGE)?,
            extended_key_usage: decode(x509, oid::EXTENDED_KEY_USAGE)?,
            subject_key: subject_key.map(|id| id.0.into_bytes()),
            authority_key: authority_key
                .and_then(|id| id.key_identifier)
                .map(|id| id.into_bytes()),
        })
    }
}

fn decode<'a, T: Decode<'a>>(
    x509: &'a x509_cert::Certificate,
    id: ObjectIdentifier,
) -> Result<Option<T>, CertError> {
    let Some(extension) = extension_list(x509).iter().find(|e| e.extn_id == id) else {
        return Ok(None);
    };
    // An AuthorityKeyIdentifier may hold names, and those SETs.
    let value = tlv::decode(extension.extn_value.as_bytes());
    value.map(Some).map_err(|_| CertError::MalformedExtension {
        oid: id.to_string(),
    })
}

fn extension_list(x509: &x509_cert::Certificate) -> &[Extension] {
    x509.tbs_certificate
        .extensions
        .as_deref()
        .unwrap_or_default()
}

/// RFC 5280 section 4.2: at most one extension of a kind. Quadratic, over a bounded list.
fn check_extensions(list: &[Extension]) -> Result<(), CertError> {
    if list.len() > limits::EXTENSIONS {
        return Err(CertError::TooManyExtensions {
            count: list.len(),
            max: limits::EXTENSIONS,
        });
    }
    for (i, extension) in list.iter().enumerate() {
        if list[..i]
            .iter()
            .any(|earlier| earlier.extn_id == extension.extn_id)
        {
            return Err(CertError::RepeatedExtension {
                oid: extension.extn_id.to_string(),
            });
        }
    }
    Ok(())
}

/// Finds the signed part, the names and the key in the DER (RFC 5280 section 4.1).
fn spans(der: &[u8]) -> Result<(Spans, Range<usize>), CertError> {
    let tbs = tlv::children(der, Tag::Sequence)?
        .first()
        .cloned()
        .ok_or(CertError::Malformed)?;
    let parts = tlv::children(&der[tbs.clone()], Tag::Sequence)?;
    let at = |index: usize| {
        let part = parts.get(index).ok_or(CertError::Malformed)?;
        Ok::<_, CertError>(tbs.start + part.start..tbs.start + part.end)
    };
    // version [0] is absent in version 1; then serial, signature, issuer, validity, subject, key.
    let serial = usize::from(tlv::first_tag(&der[at(0)?])?.is_context_specific());
    let spans = Spans {
        tbs: tbs.clone(),
        issuer: at(serial + 2)?,
        subject: at(serial + 4)?,
    };
    Ok((spans, at(serial + 5)?))
}

fn to_time(time: &x509_cert::time::Time) -> Result<OffsetDateTime, CertError> {
    let seconds =
        i64::try_from(time.to_unix_duration().as_secs()).map_err(|_| CertError::Malformed)?;
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| CertError::Malformed)
}

fn attribute(name: &Name, id: ObjectIdentifier) -> Option<String> {
    let value = &name
        .0
        .iter()
        .flat_map(|rdn| rdn.0.iter())
        .find(|attribute| attribute.oid == id)?
        .value;
    let text = match value.tag() {
        Tag::Utf8String => Utf8StringRef::try_from(value).ok()?.as_str().to_owned(),
        Tag::PrintableString => PrintableStringRef::try_from(value)
            .ok()?
            .as_str()
            .to_owned(),
        Tag::Ia5String => Ia5StringRef::try_from(value).ok()?.as_str().to_owned(),
        Tag::TeletexString => TeletexStringRef::try_from(value).ok()?.as_str().to_owned(),
        _ => return None,
    };
    Some(text)
}

/// The one name of a Fulcio certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum San {
    /// rfc822Name: an email address.
    Email(String),
    /// uniformResourceIdentifier.
    Uri(String),
    /// otherName 1.3.6.1.4.1.57264.1.7: `name!domain`.
    OtherName(String),
}

impl San {
    /// Gives the name without its kind.
    pub fn value(&self) -> &str {
        match self {
            San::Email(s) | San::Uri(s) | San::OtherName(s) => s,
        }
    }
}

/// Why a certificate was refused, or could not be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertError {
    /// The DER is longer than the limit.
    #[error("certificate has {len} bytes, the limit is {max}")]
    TooLarge {
        /// Bytes of the certificate.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// The PEM armor is wrong.
    #[error("certificate: {0}")]
    Pem(#[from] PemError),
    /// The bytes are no DER certificate.
    #[error("certificate is not well-formed DER")]
    Malformed,
    /// The bytes nest too deep or hold too large a SET.
    #[error("certificate: {0}")]
    Bounds(DerError),
    /// The subject's key is refused.
    #[error("certificate: {0}")]
    Key(#[from] KeyError),
    /// The signature algorithm inside differs from the one outside.
    #[error("certificate names one signature algorithm inside and another outside its signed part")]
    AlgorithmsDiffer,
    /// There are more extensions than the limit.
    #[error("certificate has {count} extensions, the limit is {max}")]
    TooManyExtensions {
        /// Number of extensions.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// An extension occurs twice.
    #[error("certificate has extension {oid} more than once")]
    RepeatedExtension {
        /// Dotted OID of the extension.
        oid: String,
    },
    /// A known extension does not decode.
    #[error("certificate extension {oid} is malformed")]
    MalformedExtension {
        /// Dotted OID of the extension.
        oid: String,
    },
    /// The signature algorithm is not supported.
    #[error(
        "certificate is signed with {oid}, which is not supported: use ECDSA or RSA PKCS#1 v1.5 with SHA-2, or Ed25519"
    )]
    UnknownSignatureAlgorithm {
        /// Dotted OID of the algorithm.
        oid: String,
    },
    /// The signature does not verify with the issuing CA's key.
    #[error("certificate is not signed by that CA")]
    Signature,
    /// There is not exactly one subject alternative name.
    #[error("certificate has {count} subject alternative names, expected exactly one")]
    SanCount {
        /// Number of names.
        count: usize,
    },
    /// The subject alternative name is of a kind that Sigstore does not use.
    #[error("subject alternative name is no email, URI or Fulcio otherName")]
    SanKind,
    /// A name to embed is empty or has characters outside ASCII.
    #[error("subject alternative name `{value}` must be non-empty ASCII: percent-encode it")]
    SanEncoding {
        /// The name.
        value: String,
    },
    /// A certificate without OIDC issuer was asked for.
    #[error("no OIDC issuer to embed")]
    NoOidcIssuer,
    /// The validity asked for ends before it starts, or cannot be written.
    #[error("validity from {not_before} to {not_after} is impossible")]
    Validity {
        /// Start asked for.
        not_before: OffsetDateTime,
        /// End asked for.
        not_after: OffsetDateTime,
    },
    /// The validity asked for does not lie inside the issuing CA's.
    #[error(
        "validity would end at {not_after}, but the CA certificate is valid from {ca_not_before} to {ca_not_after}: renew the CA"
    )]
    OutlivesCa {
        /// End asked for.
        not_after: OffsetDateTime,
        /// Start of the CA.
        ca_not_before: OffsetDateTime,
        /// End of the CA.
        ca_not_after: OffsetDateTime,
    },
    /// The issuing certificate is no CA.
    #[error("issuing certificate is no CA: its BasicConstraints must say CA:TRUE")]
    IssuerNotCa,
    /// The CA's subject does not survive re-encoding, so that certificates would not chain.
    #[error("subject of the CA certificate is not canonical DER: issue the CA certificate again")]
    CaSubjectNotCanonical,
    /// The scheme cannot sign certificates, or is not the one named in the TBS.
    #[error("certificate cannot be signed with {scheme:?}")]
    SchemeUnfit {
        /// Scheme asked for.
        scheme: Scheme,
    },
    /// A pre-certificate has no poison, a certificate has it, or one carries SCTs where it must not.
    #[error("expected a pre-certificate with poison and a certificate without")]
    NotPrecertificatePair,
    /// Pre-certificate and certificate differ in more than poison and SCT list.
    #[error("pre-certificate and certificate do not correspond")]
    DoNotCorrespond,
}

impl From<der::Error> for CertError {
    fn from(_: der::Error) -> Self {
        Self::Malformed
    }
}

impl From<DerError> for CertError {
    fn from(error: DerError) -> Self {
        match error {
            DerError::Malformed => Self::Malformed,
            DerError::TooDeep | DerError::SetTooLarge => Self::Bounds(error),
        }
    }
}
