//! A trusted root, parsed once: keys, chains and validity ready for use.

mod anchors;
mod error;

pub use anchors::Anchor;
pub use error::{Bound, TrustList, TrustMaterialError};

use crate::limits;
use formats::trust::{CertificateAuthority, LogInstance, TimeRange, TrustedRoot};
use pki::cert::Certificate;
use pki::key::{KeyKind, PublicKey, Scheme};
use pki::path::{self, Usage};
use std::sync::OnceLock;
use time::OffsetDateTime;
use x509_cert::spki;

/// A trusted root, parsed once: keys and certificates ready for use.
///
/// Cheap to share between threads; it also remembers which of its own certificate chains were found sound,
/// so build it once for many verifications.
#[derive(Debug)]
pub struct TrustMaterial {
    pub(crate) tlogs: Vec<Log>,
    pub(crate) ctlogs: Vec<Log>,
    pub(crate) certificate_authorities: Vec<Authority>,
    pub(crate) timestamp_authorities: Vec<Authority>,
    ignored: Vec<String>,
}

impl TrustMaterial {
    /// Parses every key, certificate and validity period of `root`.
    ///
    /// One bad entry refuses the whole root, with its position: a verifier that drops entries in silence
    /// later reports "unknown log" for what is a typing error. Only logs whose key algorithm this build does
    /// not know are set aside, see [`TrustMaterial::ignored`], so that a newer root stays usable.
    pub fn new(root: &TrustedRoot) -> Result<Self, TrustMaterialError> {
        let mut ignored = Vec::new();
        Ok(Self {
            tlogs: parse_logs(TrustList::Tlogs, &root.tlogs, &mut ignored)?,
            ctlogs: parse_logs(TrustList::Ctlogs, &root.ctlogs, &mut ignored)?,
            certificate_authorities: parse_authorities(
                TrustList::CertificateAuthorities,
                &root.certificate_authorities,
            )?,
            timestamp_authorities: parse_authorities(
                TrustList::TimestampAuthorities,
                &root.timestamp_authorities,
            )?,
            ignored,
        })
    }

    /// Names the entries set aside because this build does not know their key algorithm, one line each.
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }
}

/// When a key or chain was in use: inclusive at both ends (spec: `TimeRange` is a closed interval).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) start: OffsetDateTime,
    pub(crate) end: Option<OffsetDateTime>,
}

impl Validity {
    pub(crate) fn contains(&self, at: OffsetDateTime) -> bool {
        self.start <= at && self.end.is_none_or(|end| at <= end)
    }

    fn parse(
        list: TrustList,
        index: usize,
        range: Option<&TimeRange>,
    ) -> Result<Self, TrustMaterialError> {
        let missing = |bound| TrustMaterialError::Validity { list, index, bound };
        let range = range.ok_or(missing(Bound::Start))?;
        let start = range.start_time().ok_or(missing(Bound::Start))?;
        let end = range.end_time();
        // An end that is there but does not parse must not become "open".
        if range.end.is_some() && end.is_none() {
            return Err(missing(Bound::End));
        }
        Ok(Self { start, end })
    }
}

/// A transparency log or certificate-transparency log.
#[derive(Debug)]
pub(crate) struct Log {
    /// As bundles and SCTs name it: SHA-256 of the SPKI, or for Rekor v2 the C2SP key ID.
    pub(crate) id: [u8; 32],
    pub(crate) key: PublicKey,
    pub(crate) scheme: Scheme,
    /// SHA-256 of the SPKI: its first 4 bytes are the hint of v1 checkpoints.
    pub(crate) spki_hash: [u8; 32],
    /// Host of the base URL, without port: origin and signature name of v2 checkpoints.
    pub(crate) host: String,
    /// What thresholds count: the operator where the root names one, else the log (spec c.5).
    pub(crate) party: String,
    /// The log for people: its URL, else its ID.
    pub(crate) label: String,
    pub(crate) validity: Validity,
}

impl Log {
    fn parse(list: TrustList, index: usize, log: &LogInstance) -> Result<Self, TrustMaterialError> {
        let id_bytes = &log.log_id.key_id.0;
        let id =
            <[u8; 32]>::try_from(id_bytes.as_slice()).map_err(|_| TrustMaterialError::LogId {
                list,
                index,
                have: id_bytes.len(),
            })?;
        if log.hash_algorithm != "SHA2_256" {
            return Err(TrustMaterialError::HashAlgorithm {
                list,
                index,
                have: log.hash_algorithm.clone(),
            });
        }
        let (key, scheme) = parse_key(list, index, log)?;
        Ok(Self {
            id,
            spki_hash: key.key_id(),
            key,
            scheme,
            host: host_of(&log.base_url).to_owned(),
            party: first_filled(&log.operator, &id),
            label: first_filled(&log.base_url, &id),
            validity: Validity::parse(list, index, log.public_key.valid_for.as_ref())?,
        })
    }
}

/// A name, or the ID where there is none.
fn first_filled(name: &str, id: &[u8; 32]) -> String {
    match name {
        "" => hex::encode(id),
        name => name.to_owned(),
    }
}

/// A Fulcio or timestamp authority chain.
#[derive(Debug)]
pub(crate) struct Authority {
    uri: String,
    operator: String,
    position: usize,
    /// Issuing certificate (or TSA signing certificate) first, anchor last; never empty.
    pub(crate) chain: Vec<Certificate>,
    pub(crate) validity: Validity,
    /// Whether the chain's own signatures and CA flags hold; they do not depend on the bundle or, apart from
    /// validity periods, on the time.
    sound: OnceLock<bool>,
}

impl Authority {
    fn parse(
        list: TrustList,
        index: usize,
        authority: &CertificateAuthority,
    ) -> Result<Self, TrustMaterialError> {
        let certificates = &authority.cert_chain.certificates;
        if certificates.is_empty() || certificates.len() > limits::CHAIN {
            return Err(TrustMaterialError::ChainLength {
                list,
                index,
                have: certificates.len(),
            });
        }
        let chain = certificates.iter().enumerate().map(|(certificate, raw)| {
            Certificate::parse_der(&raw.raw_bytes.0).map_err(|source| {
                TrustMaterialError::Certificate {
                    list,
                    index,
                    certificate,
                    source,
                }
            })
        });
        let chain: Vec<Certificate> = chain.collect::<Result<_, _>>()?;
        // A signing certificate alone would be its own anchor, checked by nobody; other clients refuse it (spec a.4).
        if !chain.last().is_some_and(Certificate::is_ca) {
            return Err(TrustMaterialError::AnchorNotCa { list, index });
        }
        Ok(Self {
            uri: authority.uri.clone(),
            operator: authority.operator.clone(),
            position: index,
            chain,
            validity: Validity::parse(list, index, Some(&authority.valid_for))?,
            sound: OnceLock::new(),
        })
    }

    /// What thresholds count: the operator, else the URI, else the entry (spec c.5).
    pub(crate) fn party(&self) -> String {
        match (self.operator.as_str(), self.uri.as_str()) {
            ("", "") => format!("#{}", self.position),
            ("", uri) => uri.to_owned(),
            (operator, _) => operator.to_owned(),
        }
    }

    /// The authority for people: its URI, else its position.
    pub(crate) fn label(&self) -> String {
        if self.uri.is_empty() {
            format!("authority #{}", self.position)
        } else {
            self.uri.clone()
        }
    }

    /// The anchor: the last certificate.
    pub(crate) fn anchor(&self) -> Option<&Certificate> {
        self.chain.last()
    }

    /// The first certificate: the issuing CA, or the TSA's signing certificate.
    pub(crate) fn first(&self) -> Option<&Certificate> {
        self.chain.first()
    }

    /// All but the anchor.
    pub(crate) fn intermediates(&self) -> &[Certificate] {
        self.chain.split_last().map_or(&[], |(_, rest)| rest)
    }

    /// Whether every certificate of the chain is inside its own validity period at `at`.
    pub(crate) fn valid_at(&self, at: OffsetDateTime) -> bool {
        self.chain
            .iter()
            .all(|cert| cert.not_before() <= at && at <= cert.not_after())
    }

    /// Whether the first CA may stand for the whole chain at `at`: then only the leaf's signature is left to check.
    ///
    /// The signatures above it are checked once per trusted root, a P-384 check less for each bundle.
    pub(crate) fn issuing_ca_is_sound(&self, at: OffsetDateTime) -> bool {
        let check = || path::check_ca_chain(&self.chain, Usage::CodeSigning, at).is_ok();
        self.chain.len() > 1 && self.valid_at(at) && *self.sound.get_or_init(check)
    }

    /// Whether the TSA signing certificate, first of this chain, leads to the anchor at `at`.
    ///
    /// The signatures are checked once per trusted root; the validity periods at each call.
    pub(crate) fn tsa_path_holds(&self, at: OffsetDateTime) -> Result<(), path::PathError> {
        if self.sound.get() == Some(&true) && self.valid_at(at) {
            return Ok(());
        }
        if let (Some(leaf), Some(anchor)) = (self.first(), self.anchor()) {
            let between: Vec<&Certificate> = self.intermediates().iter().skip(1).collect();
            path::check_path(leaf, &between, &[anchor], Usage::TimeStamping, at)?;
            // The path used certificates of this chain only, so it holds whenever all of them are valid.
            self.sound.get_or_init(|| true);
        }
        Ok(())
    }
}

fn parse_logs(
    list: TrustList,
    logs: &[LogInstance],
    ignored: &mut Vec<String>,
) -> Result<Vec<Log>, TrustMaterialError> {
    check_length(list, logs.len())?;
    let mut parsed = Vec::with_capacity(logs.len());
    for (index, log) in logs.iter().enumerate() {
        if is_known_algorithm(&log.public_key.key_details) {
            parsed.push(Log::parse(list, index, log)?);
        } else {
            ignored.push(format!(
                "{list}[{index}] ({}): key algorithm `{}` is not known",
                log.base_url, log.public_key.key_details
            ));
        }
    }
    Ok(parsed)
}

fn parse_authorities(
    list: TrustList,
    authorities: &[CertificateAuthority],
) -> Result<Vec<Authority>, TrustMaterialError> {
    check_length(list, authorities.len())?;
    authorities
        .iter()
        .enumerate()
        .map(|(index, authority)| Authority::parse(list, index, authority))
        .collect()
}

fn check_length(list: TrustList, have: usize) -> Result<(), TrustMaterialError> {
    let limit = limits::TRUST_ENTRIES;
    if have > limit {
        Err(TrustMaterialError::TooMany { list, have, limit })
    } else {
        Ok(())
    }
}

/// The protobuf-specs families this build verifies; later ones (ML-DSA, LMS) are set aside, not errors.
fn is_known_algorithm(details: &str) -> bool {
    ["PKIX_ECDSA_", "PKIX_ED25519", "PKIX_RSA_", "PKCS1_RSA_"]
        .iter()
        .any(|family| details.starts_with(family))
}

fn parse_key(
    list: TrustList,
    index: usize,
    log: &LogInstance,
) -> Result<(PublicKey, Scheme), TrustMaterialError> {
    let details = &log.public_key.key_details;
    let raw = &log.public_key.raw_bytes.0;
    let fault = |source| TrustMaterialError::Key {
        list,
        index,
        source,
    };
    let mismatch = |kind| TrustMaterialError::KeyDetails {
        list,
        index,
        details: details.clone(),
        kind,
    };
    // Old RSA logs carry the bare PKCS#1 key (spec a.1); some carry the SPKI under the same name.
    if details.starts_with("PKCS1_RSA_") {
        let key = PublicKey::parse_spki(raw).or_else(|source| match pkcs1_to_spki(raw) {
            Some(spki) => PublicKey::parse_spki(&spki),
            None => Err(source),
        });
        let key = key.map_err(fault)?;
        return match key.kind() {
            KeyKind::Rsa { .. } => Ok((key, Scheme::RsaPkcs1Sha256)),
            kind => Err(mismatch(kind)),
        };
    }
    let key = PublicKey::parse_spki(raw).map_err(fault)?;
    let scheme = key
        .scheme_for_details(details)
        .ok_or_else(|| mismatch(key.kind()))?;
    Ok((key, scheme))
}

/// Wraps a PKCS#1 RSAPublicKey into a SubjectPublicKeyInfo (RFC 3279 section 2.3.1).
fn pkcs1_to_spki(pkcs1: &[u8]) -> Option<Vec<u8>> {
    use der::{Encode, asn1::BitString};
    let algorithm = spki::AlgorithmIdentifierOwned {
        oid: der::asn1::ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1"),
        parameters: Some(der::Any::null()),
    };
    let subject_public_key = BitString::from_bytes(pkcs1).ok()?;
    spki::SubjectPublicKeyInfoOwned {
        algorithm,
        subject_public_key,
    }
    .to_der()
    .ok()
}

/// The host of a URL, without user, port and path. Differs: a URL without scheme still gives its host.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host_port = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    match host_port
        .strip_prefix('[')
        .and_then(|v6| v6.split_once(']'))
    {
        Some((v6, _)) => v6,
        None => host_port.split(':').next().unwrap_or(host_port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_base_url_has_no_port_and_no_path() {
        assert_eq!(host_of("https://log.example.com"), "log.example.com");
        assert_eq!(
            host_of("https://log.example.com:8443/api"),
            "log.example.com"
        );
        assert_eq!(host_of("http://user@localhost:3000?x"), "localhost");
        assert_eq!(host_of("http://[::1]:3000/"), "::1");
        assert_eq!(host_of("log.example.com/x"), "log.example.com");
        assert_eq!(host_of(""), "");
    }

    #[test]
    fn validity_is_inclusive_at_both_ends() {
        let second = |s| OffsetDateTime::from_unix_timestamp(s).expect("in range");
        let validity = Validity {
            start: second(10),
            end: Some(second(20)),
        };
        assert!(!validity.contains(second(9)));
        assert!(validity.contains(second(10)));
        assert!(validity.contains(second(20)));
        assert!(!validity.contains(second(21)));
        assert!(
            Validity {
                start: second(10),
                end: None
            }
            .contains(second(1_000_000))
        );
    }

    #[test]
    fn only_algorithm_families_of_this_build_are_read() {
        assert!(is_known_algorithm("PKIX_ECDSA_P256_SHA_256"));
        assert!(is_known_algorithm("PKCS1_RSA_PKCS1V5"));
        assert!(!is_known_algorithm("ML_DSA_65"));
    }
}
