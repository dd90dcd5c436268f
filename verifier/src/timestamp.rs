//! RFC 3161 timestamp tokens against the timestamp authorities of the trusted root.

mod failure;
mod gen_time;

pub use failure::TimestampFailure;

use crate::budget::Budget;
use crate::limits;
use crate::times::show;
use crate::trust::{Authority, TrustMaterial};
use cms::cert::CertificateChoices;
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use der::asn1::{Int, ObjectIdentifier, OctetString};
use der::{Any, Decode, Encode, Header, Reader, Sequence, SliceReader, Tag, Tagged};
use gen_time::parse_gen_time;
use pki::cert::Certificate;
use pki::key::{HashAlgorithm, PublicKey, Scheme};
use pki::path::{self, Usage};
use pki::tlv;
use std::cell::OnceCell;
use time::OffsetDateTime;
use x509_cert::ext::Extensions;
use x509_cert::ext::pkix::name::GeneralName;
use x509_tsp::{Accuracy, MessageImprint, TimeStampResp, TspVersion};

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const ECDSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const RSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const RSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// The identifier octet of SignedData's certificates: [0] IMPLICIT, constructed (RFC 5652 section 5.1).
const CERTIFICATES: u8 = 0xa0;
/// DER of PKIStatus granted (RFC 3161 section 2.4.2): INTEGER 0.
const GRANTED: [u8; 3] = [2, 1, 0];

/// A verified timestamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Timestamp {
    pub(crate) at: OffsetDateTime,
    /// The authority as thresholds count it.
    pub(crate) party: String,
    /// The authority for people.
    pub(crate) label: String,
}

/// TSTInfo (RFC 3161 section 2.4.2), with genTime kept raw.
///
/// Differs from x509-tsp's type, whose GeneralizedTime refuses the fractions of a second that RFC 3161 allows.
#[derive(Sequence)]
struct TstInfo {
    version: TspVersion,
    policy: ObjectIdentifier,
    message_imprint: MessageImprint,
    serial_number: Int,
    gen_time: Any,
    #[asn1(optional = "true")]
    accuracy: Option<Accuracy>,
    #[asn1(default = "Default::default")]
    ordering: bool,
    #[asn1(optional = "true")]
    nonce: Option<Int>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    tsa: Option<GeneralName>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    extensions: Option<Extensions>,
}

/// Verifies a DER TimeStampResp over `message` (the raw signature bytes of the bundle).
pub(crate) fn verify_token(
    token: &[u8],
    message: &[u8],
    trust: &TrustMaterial,
    budget: &Budget,
) -> Result<Timestamp, TimestampFailure> {
    let token = Token::parse(token, &trust.timestamp_authorities)?;
    token.check_imprint(message)?;
    token.check_signed_attributes()?;
    token.verify_signer(trust, budget)
}

/// A token's parts.
struct Token<'t> {
    /// The encoded TSTInfo: what the messageDigest attribute covers.
    content: Vec<u8>,
    info: TstInfo,
    at: OffsetDateTime,
    signer: SignerInfo,
    embedded: Embedded<'t>,
}

impl<'t> Token<'t> {
    fn parse(token: &[u8], authorities: &'t [Authority]) -> Result<Self, TimestampFailure> {
        if token.len() > limits::TOKEN_BYTES {
            return Err(TimestampFailure::Size {
                have: token.len(),
                limit: limits::TOKEN_BYTES,
            });
        }
        tlv::check_sets(token)?;
        let response = TimeStampResp::from_der(token).map_err(malformed("TimeStampResp"))?;
        // Differs: RFC 3161 also lets grantedWithMods carry a token; clients refuse it (spec d.2), so do we.
        if response
            .status
            .status
            .to_der()
            .map_err(malformed("PKIStatus"))?
            != GRANTED
        {
            return Err(TimestampFailure::NotGranted);
        }
        let content_info = response
            .time_stamp_token
            .ok_or(TimestampFailure::Malformed { what: "no token" })?;
        if content_info.content_type != SIGNED_DATA {
            return Err(TimestampFailure::Malformed {
                what: "content type is not SignedData",
            });
        }
        let known = without_known_certificate(&content_info.content, authorities);
        let (content, known) = match known {
            Some((content, certificate)) => (content, Some(certificate)),
            None => (content_info.content, None),
        };
        let signed_data: SignedData = content.decode_as().map_err(malformed("SignedData"))?;
        Self::from_signed_data(signed_data, known)
    }

    fn from_signed_data(
        signed_data: SignedData,
        known: Option<&'t Certificate>,
    ) -> Result<Self, TimestampFailure> {
        let encapsulated = signed_data.encap_content_info;
        if encapsulated.econtent_type != TST_INFO {
            return Err(TimestampFailure::Malformed {
                what: "content is not TSTInfo",
            });
        }
        let content: OctetString = encapsulated
            .econtent
            .ok_or(TimestampFailure::Malformed { what: "no TSTInfo" })?
            .decode_as()
            .map_err(malformed("TSTInfo octets"))?;
        let content = content.into_bytes();
        tlv::check_sets(&content)?;
        let info = TstInfo::from_der(&content).map_err(malformed("TSTInfo"))?;
        check_extensions(info.extensions.as_ref())?;
        let at = parse_gen_time(&info.gen_time)
            .ok_or(TimestampFailure::Malformed { what: "genTime" })?;
        let signers = signed_data.signer_infos.0.into_vec();
        let have = signers.len();
        let [signer] =
            <[SignerInfo; 1]>::try_from(signers).map_err(|_| TimestampFailure::Signers { have })?;
        let choices = signed_data.certificates.map(|set| set.0.into_vec());
        let embedded = Embedded::new(known, choices.unwrap_or_default())?;
        Ok(Self {
            content,
            info,
            at,
            signer,
            embedded,
        })
    }

    /// The imprint is the hash of the raw signature bytes (spec c.2.1a).
    fn check_imprint(&self, message: &[u8]) -> Result<(), TimestampFailure> {
        let imprint = &self.info.message_imprint;
        let hash = hash_by_oid(&imprint.hash_algorithm.oid)?;
        let have = imprint.hashed_message.as_bytes();
        if hash.digest(message) == have {
            Ok(())
        } else {
            Err(TimestampFailure::Imprint {
                have: hex::encode(have),
            })
        }
    }

    /// contentType and messageDigest bind the signature to this content (RFC 5652 section 11).
    fn check_signed_attributes(&self) -> Result<(), TimestampFailure> {
        let content_type: Option<ObjectIdentifier> = self
            .attribute(CONTENT_TYPE)?
            .and_then(|value| value.decode_as().ok());
        if content_type != Some(TST_INFO) {
            return Err(TimestampFailure::SignedAttribute {
                attribute: "contentType",
            });
        }
        let digest: Option<OctetString> = self
            .attribute(MESSAGE_DIGEST)?
            .and_then(|value| value.decode_as().ok());
        let want = hash_by_oid(&self.signer.digest_alg.oid)?.digest(&self.content);
        match digest {
            Some(have) if have.as_bytes() == want => Ok(()),
            _ => Err(TimestampFailure::SignedAttribute {
                attribute: "messageDigest",
            }),
        }
    }

    /// The single value of a signed attribute that stands there exactly once.
    fn attribute(&self, oid: ObjectIdentifier) -> Result<Option<&Any>, TimestampFailure> {
        let attributes = self
            .signer
            .signed_attrs
            .as_ref()
            .ok_or(TimestampFailure::Malformed {
                what: "no signed attributes",
            })?;
        let mut found = attributes.iter().filter(|attribute| attribute.oid == oid);
        let first = found.next();
        Ok(match (first, found.next()) {
            (Some(attribute), None) if attribute.values.len() == 1 => attribute.values.get(0),
            _ => None,
        })
    }

    /// Finds the authority that made the token and checks signature, chain and validity.
    fn verify_signer(
        &self,
        trust: &TrustMaterial,
        budget: &Budget,
    ) -> Result<Timestamp, TimestampFailure> {
        let mut failure = TimestampFailure::UnknownAuthority;
        for authority in &trust.timestamp_authorities {
            let Some(leaf) = self.signing_certificate(authority) else {
                continue;
            };
            match self.verify_by(authority, leaf, budget) {
                Ok(()) => {
                    return Ok(Timestamp {
                        at: self.at,
                        party: authority.party(),
                        label: authority.label(),
                    });
                }
                Err(reason) => failure = reason,
            }
        }
        Err(failure)
    }

    /// The trusted chain's own leaf; only when that chain has none, an embedded certificate (a hint, not an anchor).
    fn signing_certificate<'a>(&'a self, authority: &'a Authority) -> Option<&'a Certificate> {
        let first = authority.first()?;
        let mut candidates: Box<dyn Iterator<Item = &Certificate>> = if first.is_ca() {
            Box::new(self.embedded.certificates().filter(|cert| !cert.is_ca()))
        } else {
            Box::new(std::iter::once(first))
        };
        candidates.find(|cert| is_signer(&self.signer.sid, cert))
    }

    fn verify_by(
        &self,
        authority: &Authority,
        leaf: &Certificate,
        budget: &Budget,
    ) -> Result<(), TimestampFailure> {
        budget.spend(1)?;
        self.verify_signature(leaf.public_key())
            .map_err(|failure| match failure {
                None => TimestampFailure::Signature {
                    authority: authority.label(),
                },
                Some(failure) => failure,
            })?;
        self.check_path(authority, leaf, budget)?;
        // validFor of the root entry, beside the X.509 validity; inclusive at both ends (spec a.1).
        if !authority.validity.contains(self.at) {
            return Err(TimestampFailure::Validity {
                authority: authority.label(),
                at: show(self.at),
            });
        }
        Ok(())
    }

    /// `Err(None)` when the signature is wrong.
    fn verify_signature(&self, key: &PublicKey) -> Result<(), Option<TimestampFailure>> {
        let attributes = self.signer.signed_attrs.as_ref().ok_or(None)?;
        // RFC 5652 section 5.4: over the DER of the attributes as SET OF, not as [0].
        let message = attributes.to_der().map_err(|_| None)?;
        let scheme = signature_scheme(&self.signer, key).map_err(Some)?;
        key.verify(scheme, &message, self.signer.signature.as_bytes())
            .map_err(|_| None)
    }

    fn check_path(
        &self,
        authority: &Authority,
        leaf: &Certificate,
        budget: &Budget,
    ) -> Result<(), TimestampFailure> {
        budget.spend(authority.chain.len())?;
        let holds = if authority.first().is_some_and(Certificate::is_ca) {
            // Only the authority's own: an embedded CA may be one that was removed from the trusted root.
            let between: Vec<&Certificate> = authority.intermediates().iter().collect();
            let anchors: Vec<&Certificate> = authority.anchor().into_iter().collect();
            path::check_path(leaf, &between, &anchors, Usage::TimeStamping, self.at).map(|_| ())
        } else {
            authority.tsa_path_holds(self.at)
        };
        holds.map_err(|source| TimestampFailure::Chain {
            authority: authority.label(),
            at: show(self.at),
            source: Box::new(source),
        })
    }
}

fn malformed(what: &'static str) -> impl Fn(der::Error) -> TimestampFailure {
    move |_| TimestampFailure::Malformed { what }
}

/// An extension that we do not know and that is critical voids the token (RFC 3161 section 2.4.2). None is known.
fn check_extensions(extensions: Option<&Extensions>) -> Result<(), TimestampFailure> {
    let critical = extensions.and_then(|list| list.iter().find(|extension| extension.critical));
    critical.map_or(Ok(()), |extension| {
        Err(TimestampFailure::Algorithm {
            oid: extension.extn_id.to_string(),
        })
    })
}

/// The certificates in a token: hints, which are needed only for an authority whose own chain has no signing certificate.
struct Embedded<'t> {
    /// The only one, when the trusted root has it too.
    known: Option<&'t Certificate>,
    choices: Vec<CertificateChoices>,
    parsed: OnceCell<Vec<Certificate>>,
}

impl<'t> Embedded<'t> {
    fn new(
        known: Option<&'t Certificate>,
        choices: Vec<CertificateChoices>,
    ) -> Result<Self, TimestampFailure> {
        if choices.len() > limits::TOKEN_CERTIFICATES {
            return Err(TimestampFailure::Malformed {
                what: "too many embedded certificates",
            });
        }
        Ok(Self {
            known,
            choices,
            parsed: OnceCell::new(),
        })
    }

    fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        // One that does not parse is left out, and missed only if it was needed.
        let parse = |choice: &CertificateChoices| match choice {
            CertificateChoices::Certificate(cert) => cert
                .to_der()
                .ok()
                .and_then(|der| Certificate::parse_der(&der).ok()),
            CertificateChoices::Other(_) => None,
        };
        let parsed = || self.choices.iter().filter_map(parse).collect();
        self.known
            .into_iter()
            .chain(self.parsed.get_or_init(parsed))
    }
}

/// SignedData without its certificates, when they are one that the trusted root has too: that one was decoded before, so
/// leaving it out changes nothing about whether the rest decodes.
fn without_known_certificate<'t>(
    signed_data: &Any,
    authorities: &'t [Authority],
) -> Option<(Any, &'t Certificate)> {
    if signed_data.tag() != Tag::Sequence {
        return None;
    }
    let parts = signed_data.value();
    let mut reader = SliceReader::new(parts).ok()?;
    // version, digestAlgorithms, encapContentInfo
    for _ in 0..3 {
        reader.tlv_bytes().ok()?;
    }
    let start = usize::try_from(reader.position()).ok()?;
    let certificates = reader.tlv_bytes().ok()?;
    let end = usize::try_from(reader.position()).ok()?;
    if certificates.first() != Some(&CERTIFICATES) {
        return None;
    }
    let known = authorities
        .iter()
        .flat_map(|authority| &authority.chain)
        .find(|cert| is_content(certificates, cert.der()))?;
    let rest = [parts.get(..start)?, parts.get(end..)?].concat();
    Some((Any::new(Tag::Sequence, rest).ok()?, known))
}

/// Whether an element, whose length was read before, has exactly this content.
fn is_content(element: &[u8], content: &[u8]) -> bool {
    let mut reader = match SliceReader::new(element) {
        Ok(reader) => reader,
        Err(_) => return false,
    };
    let length = Header::decode(&mut reader).map(|header| header.length);
    length.and_then(|length| reader.read_slice(length)) == Ok(content)
}

fn is_signer(sid: &SignerIdentifier, cert: &Certificate) -> bool {
    match sid {
        SignerIdentifier::IssuerAndSerialNumber(id) => {
            let tbs = &cert.x509().tbs_certificate;
            tbs.issuer == id.issuer && tbs.serial_number == id.serial_number
        }
        SignerIdentifier::SubjectKeyIdentifier(id) => {
            cert.subject_key_identifier() == Some(id.0.as_bytes())
        }
    }
}

/// Digest algorithms accepted in tokens: SHA-2 only, no SHA-1.
fn hash_by_oid(oid: &ObjectIdentifier) -> Result<HashAlgorithm, TimestampFailure> {
    match *oid {
        SHA256 => Ok(HashAlgorithm::Sha256),
        SHA384 => Ok(HashAlgorithm::Sha384),
        SHA512 => Ok(HashAlgorithm::Sha512),
        other => Err(TimestampFailure::Algorithm {
            oid: other.to_string(),
        }),
    }
}

/// The scheme of a SignerInfo: RFC 5754 (ECDSA, RSA PKCS#1 v1.5) and RFC 8419 (Ed25519).
fn signature_scheme(signer: &SignerInfo, key: &PublicKey) -> Result<Scheme, TimestampFailure> {
    use pki::key::KeyKind::{Ed25519, Rsa};
    let oid = signer.signature_algorithm.oid;
    let refused = || TimestampFailure::Algorithm {
        oid: oid.to_string(),
    };
    let (rsa, hash) = match oid {
        ECDSA_SHA256 => (false, HashAlgorithm::Sha256),
        ECDSA_SHA384 => (false, HashAlgorithm::Sha384),
        ECDSA_SHA512 => (false, HashAlgorithm::Sha512),
        RSA => (true, hash_by_oid(&signer.digest_alg.oid)?),
        RSA_SHA256 => (true, HashAlgorithm::Sha256),
        RSA_SHA384 => (true, HashAlgorithm::Sha384),
        RSA_SHA512 => (true, HashAlgorithm::Sha512),
        ED25519 if key.kind() == Ed25519 => return Ok(Scheme::Ed25519),
        _ => return Err(refused()),
    };
    match Scheme::of(key.kind(), hash) {
        Some(scheme) if rsa == matches!(key.kind(), Rsa { .. }) => Ok(scheme),
        _ => Err(refused()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(token: &[u8]) -> Result<Token<'static>, TimestampFailure> {
        Token::parse(token, &[])
    }

    #[test]
    fn nonsense_does_not_parse() {
        assert_eq!(
            parse(b"").err(),
            Some(TimestampFailure::Malformed {
                what: "TimeStampResp"
            })
        );
        assert_eq!(
            parse(&vec![0x30; 70_000]).err(),
            Some(TimestampFailure::Size {
                have: 70_000,
                limit: 65_536
            })
        );
    }

    #[test]
    fn a_refusal_is_told_apart() {
        // TimeStampResp { status: PKIStatusInfo { status: rejection(2) } }
        assert_eq!(
            parse(&[0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x02]).err(),
            Some(TimestampFailure::NotGranted)
        );
        // granted, but without a token
        assert_eq!(
            parse(&[0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x00]).err(),
            Some(TimestampFailure::Malformed { what: "no token" })
        );
    }

    /// A SET of algorithms in descending order, the worst for a decoder that sorts by insertion.
    fn algorithms(members: u8) -> Vec<u8> {
        let algorithm = |at| [0x30, 0x05, 0x06, 0x03, 0x2a, 0x03, at];
        let members: Vec<u8> = (0..members).rev().flat_map(algorithm).collect();
        element(0x31, &members)
    }

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        der::Any::new(der::Tag::try_from(tag).expect("a tag"), content)
            .and_then(|any| any.to_der())
            .expect("short")
    }

    /// A granted response around a SignedData of these digest algorithms and this TSTInfo, without signers.
    fn response(digest_algorithms: &[u8], tst_info: &[u8]) -> Vec<u8> {
        let id = |oid: ObjectIdentifier| oid.to_der().expect("an OID");
        let octets = element(0xa0, &element(0x04, tst_info));
        let content = element(0x30, &[id(TST_INFO), octets].concat());
        let parts = [&[2, 1, 3], digest_algorithms, &content, &[0x31, 0]].concat();
        let signed_data = element(0xa0, &element(0x30, &parts));
        let token = element(0x30, &[id(SIGNED_DATA), signed_data].concat());
        let granted = element(0x30, &GRANTED);
        element(0x30, &[granted, token].concat())
    }

    /// A TSTInfo whose `tsa` has a relative name of so many members.
    fn tst_info(members: u8) -> Vec<u8> {
        let attribute = |at| [0x30, 0x08, 0x06, 0x03, 0x2a, 0x03, 0x04, 0x0c, 0x01, at];
        let name: Vec<u8> = (0..members).rev().flat_map(attribute).collect();
        let name = element(0x30, &element(0x31, &name));
        let imprint = element(
            0x30,
            &[&[0x30, 5, 6, 3, 0x2a, 3, 4][..], &[4, 1, 0]].concat(),
        );
        let time = element(0x18, b"20300101000000Z");
        let tsa = element(0xa0, &element(0xa4, &name));
        element(
            0x30,
            &[
                &[2, 1, 1, 6, 3, 0x2a, 3, 4][..],
                &imprint,
                &[2, 1, 1],
                &time,
                &tsa,
            ]
            .concat(),
        )
    }

    #[test]
    fn a_set_that_would_cost_quadratic_time_is_not_decoded() {
        let too_large = Some(TimestampFailure::Der(tlv::DerError::SetTooLarge));
        let parse = |algorithms: u8, members: u8| {
            self::parse(&response(&self::algorithms(algorithms), &tst_info(members))).err()
        };
        // Within the bounds the parser gets as far as the missing signer.
        assert_eq!(parse(64, 64), Some(TimestampFailure::Signers { have: 0 }));
        assert_eq!(parse(65, 64), too_large);
        assert_eq!(parse(64, 65), too_large);
        let many = element(
            0x31,
            &[0x30, 0x05, 0x06, 0x03, 0x2a, 0x03, 0x04].repeat(9_000),
        );
        assert_eq!(self::parse(&response(&many, &tst_info(1))).err(), too_large);
    }

    #[test]
    fn sha1_is_not_accepted() {
        let sha1 = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
        assert_eq!(
            hash_by_oid(&sha1),
            Err(TimestampFailure::Algorithm {
                oid: "1.3.14.3.2.26".into()
            })
        );
    }
}
