//! RFC 6962 structures: SCT, SCT list, MerkleTreeLeaf, signed inputs, tree head input, extra data.
use crate::cert::{CertError, Certificate};
use crate::key::{HashAlgorithm, KeyKind, PublicKey, Scheme};
use crate::{limits, oid};
use der::asn1::{OctetString, OctetStringRef};
use der::{Decode, Encode};

/// Version v1 of SCT, leaf and tree head; also the leaf type `timestamped_entry` and signature type of an SCT.
const V1: u8 = 0;
/// SignatureType tree_hash.
const TREE_HASH: u8 = 1;
/// TLS HashAlgorithm sha256 (RFC 5246 section 7.4.1.4.1).
pub const TLS_SHA256: u8 = 4;
/// TLS SignatureAlgorithm rsa.
pub const TLS_RSA: u8 = 1;
/// TLS SignatureAlgorithm ecdsa.
pub const TLS_ECDSA: u8 = 3;

/// A signed certificate timestamp, version 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sct {
    /// SHA-256 of the log's SPKI.
    pub log_id: [u8; 32],
    /// Milliseconds since 1970.
    pub timestamp: u64,
    /// CtExtensions, at most 65535 bytes; signed.
    pub extensions: Vec<u8>,
    /// TLS hash algorithm, 4 = SHA-256.
    pub hash: u8,
    /// TLS signature algorithm, 3 = ECDSA, 1 = RSA.
    pub sig: u8,
    /// The signature, at most 65535 bytes.
    pub signature: Vec<u8>,
}

impl Sct {
    /// Encodes the SerializedSCT (RFC 6962 section 3.2).
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![V1];
        out.extend_from_slice(&self.log_id);
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        push_u16(&mut out, &self.extensions);
        out.extend(self.digitally_signed());
        out
    }

    /// Parses a SerializedSCT that fills `bytes`. Extensions and signature are not interpreted.
    pub fn parse(bytes: &[u8]) -> Result<Self, SctError> {
        let mut reader = Cursor(bytes);
        let version = reader.u8()?;
        if version != V1 {
            return Err(SctError::Version { version });
        }
        let sct = Self {
            log_id: reader.array()?,
            timestamp: u64::from_be_bytes(reader.array()?),
            extensions: reader.u16_prefixed()?.to_vec(),
            hash: reader.u8()?,
            sig: reader.u8()?,
            signature: reader.u16_prefixed()?.to_vec(),
        };
        reader.finish()?;
        Ok(sct)
    }

    /// Encodes the TLS DigitallySigned: hash ‖ sig ‖ u16 ‖ signature (`signature` of the add-chain JSON).
    pub fn digitally_signed(&self) -> Vec<u8> {
        let mut out = vec![self.hash, self.sig];
        push_u16(&mut out, &self.signature);
        out
    }
}

/// What is logged: an x509 certificate, or a pre-certificate's bare TBS with its issuer key hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CtEntry {
    /// DER of the certificate.
    X509(Vec<u8>),
    /// A pre-certificate.
    Precert {
        /// SHA-256 of the issuing CA's SPKI.
        issuer_key_hash: [u8; 32],
        /// TBS without poison and SCT list.
        tbs: Vec<u8>,
    },
}

impl CtEntry {
    /// Gives the entry of a certificate or pre-certificate that `issuer` issued.
    pub fn of(cert: &Certificate, issuer: &Certificate) -> Result<Self, CertError> {
        if cert.is_precertificate() {
            Self::precert(cert, issuer)
        } else {
            Ok(Self::X509(cert.der().to_vec()))
        }
    }

    /// Gives the precert entry of a certificate (its SCTs are left out) or pre-certificate (its poison is left out).
    pub fn precert(cert: &Certificate, issuer: &Certificate) -> Result<Self, CertError> {
        Ok(Self::Precert {
            issuer_key_hash: issuer.public_key().key_id(),
            tbs: cert.precert_tbs()?,
        })
    }

    /// Encodes the bytes that an SCT signs (RFC 6962 section 3.2).
    pub fn sct_input(&self, timestamp: u64, extensions: &[u8]) -> Vec<u8> {
        // version v1 ‖ signature type certificate_timestamp; the leaf has leaf type timestamped_entry there: all zero.
        self.leaf(timestamp, extensions)
    }

    /// Encodes the MerkleTreeLeaf (RFC 6962 section 3.4).
    pub fn leaf(&self, timestamp: u64, extensions: &[u8]) -> Vec<u8> {
        let mut out = vec![V1, V1];
        out.extend_from_slice(&timestamp.to_be_bytes());
        match self {
            Self::X509(der) => {
                out.extend_from_slice(&[0, 0]);
                push_u24(&mut out, der);
            }
            Self::Precert {
                issuer_key_hash,
                tbs,
            } => {
                out.extend_from_slice(&[0, 1]);
                out.extend_from_slice(issuer_key_hash);
                push_u24(&mut out, tbs);
            }
        }
        push_u16(&mut out, extensions);
        out
    }
}

/// Encodes what a tree head signature signs (RFC 6962 section 3.5). `timestamp` is in milliseconds.
pub fn sth_input(timestamp: u64, size: u64, root: &[u8; 32]) -> Vec<u8> {
    let mut out = vec![V1, TREE_HASH];
    out.extend_from_slice(&timestamp.to_be_bytes());
    out.extend_from_slice(&size.to_be_bytes());
    out.extend_from_slice(root);
    out
}

/// Encodes the content of the SCT list extension: an OCTET STRING around the TLS list. extnValue adds a second one.
pub(crate) fn list_der(scts: &[Sct]) -> der::Result<Vec<u8>> {
    let mut list = Vec::new();
    for sct in scts {
        push_u16(&mut list, &sct.to_bytes());
    }
    let mut tls = Vec::new();
    push_u16(&mut tls, &list);
    OctetString::new(tls)?.to_der()
}

/// Reads the SCTs embedded in a certificate; none when there is no list extension.
pub fn embedded(cert: &Certificate) -> Result<Vec<Sct>, SctError> {
    match cert.find(oid::SCT_LIST) {
        Some((_, value)) => parse_list(value),
        None => Ok(Vec::new()),
    }
}

fn parse_list(value: &[u8]) -> Result<Vec<Sct>, SctError> {
    let tls = OctetStringRef::from_der(value).map_err(|_| SctError::Malformed)?;
    let mut outer = Cursor(tls.as_bytes());
    let mut list = Cursor(outer.u16_prefixed()?);
    outer.finish()?;
    let mut scts = Vec::new();
    while !list.0.is_empty() {
        if scts.len() == limits::SCTS {
            return Err(SctError::TooMany { max: limits::SCTS });
        }
        scts.push(Sct::parse(list.u16_prefixed()?)?);
    }
    Ok(scts)
}

/// Verifies an embedded SCT of `cert`, issued by `issuer`, with the log's key.
///
/// Whether `issuer` issued `cert`, and whether the key was in use at the SCT's time, is the caller's to check.
pub fn verify_embedded(
    sct: &Sct,
    cert: &Certificate,
    issuer: &Certificate,
    log_key: &PublicKey,
) -> Result<(), SctError> {
    verify(sct, &CtEntry::precert(cert, issuer)?, log_key)
}

/// Verifies an SCT over an entry with the log's key.
pub fn verify(sct: &Sct, entry: &CtEntry, log_key: &PublicKey) -> Result<(), SctError> {
    if sct.log_id != log_key.key_id() {
        return Err(SctError::OtherLog);
    }
    // RFC 6962 section 2.1.4: logs sign with ECDSA or RSA, over SHA-256 whatever the size of the key.
    let scheme = Scheme::of(log_key.kind(), HashAlgorithm::Sha256).ok_or(SctError::LogKey {
        kind: log_key.kind(),
    })?;
    if sct.hash != TLS_SHA256 || Some(sct.sig) != signature_algorithm(log_key.kind()) {
        return Err(SctError::Algorithm {
            hash: sct.hash,
            sig: sct.sig,
        });
    }
    let input = entry.sct_input(sct.timestamp, &sct.extensions);
    log_key
        .verify(scheme, &input, &sct.signature)
        .map_err(|_| SctError::Signature)
}

/// Gives the TLS SignatureAlgorithm of a log key; none for keys that no log may have.
pub fn signature_algorithm(kind: KeyKind) -> Option<u8> {
    match kind {
        KeyKind::EcdsaP256 | KeyKind::EcdsaP384 | KeyKind::EcdsaP521 => Some(TLS_ECDSA),
        KeyKind::Rsa { .. } => Some(TLS_RSA),
        KeyKind::Ed25519 => None,
    }
}

/// Encodes extra_data of get-entries for a pre-certificate: itself, then its chain (RFC 6962 section 4.6, PrecertChainEntry).
pub fn extra_data_precert(precert: &[u8], chain: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    push_u24(&mut out, precert);
    out.extend(extra_data_x509(chain));
    out
}

/// Encodes extra_data of get-entries for a certificate: its chain without itself, root last (RFC 6962 section 4.6).
pub fn extra_data_x509(chain: &[&[u8]]) -> Vec<u8> {
    let mut list = Vec::new();
    for cert in chain {
        push_u24(&mut list, cert);
    }
    let mut out = Vec::new();
    push_u24(&mut out, &list);
    out
}

/// Appends bytes behind their length in 16 bits. More than fit are cut: such an SCT can only fail to verify.
fn push_u16(out: &mut Vec<u8>, bytes: &[u8]) {
    let len = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(&bytes[..usize::from(len)]);
}

/// Appends bytes behind their length in 24 bits. More than fit are cut; certificates are far smaller (`limits`).
fn push_u24(out: &mut Vec<u8>, bytes: &[u8]) {
    const MAX: usize = 0xff_ffff;
    let bytes = &bytes[..bytes.len().min(MAX)];
    let [_, _, _, _, _, prefix @ ..] = u64::try_from(bytes.len()).unwrap_or_default().to_be_bytes();
    out.extend_from_slice(&prefix);
    out.extend_from_slice(bytes);
}

/// Reads TLS structures from the front of a slice.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], SctError> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(SctError::Malformed)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], SctError> {
        self.take(N)?.try_into().map_err(|_| SctError::Malformed)
    }

    fn u8(&mut self) -> Result<u8, SctError> {
        Ok(self.array::<1>()?[0])
    }

    fn u16_prefixed(&mut self) -> Result<&'a [u8], SctError> {
        let len = u16::from_be_bytes(self.array()?);
        self.take(usize::from(len))
    }

    fn finish(self) -> Result<(), SctError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(SctError::Malformed)
        }
    }
}

/// Why an SCT or a list of them was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SctError {
    /// The bytes are no SCT or no list of SCTs.
    #[error("SCT is malformed")]
    Malformed,
    /// The SCT is of another version.
    #[error("SCT has version {version}, only version 0 (v1) is known")]
    Version {
        /// Version found.
        version: u8,
    },
    /// The list is longer than the limit.
    #[error("certificate has more than {max} SCTs")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// The SCT names another log.
    #[error("SCT comes from another log than the key")]
    OtherLog,
    /// A log cannot have such a key.
    #[error("CT log key is {kind}: use ECDSA or RSA")]
    LogKey {
        /// Type of the key.
        kind: KeyKind,
    },
    /// The algorithm in the SCT is not SHA-256 with the log key's type.
    #[error(
        "SCT has TLS hash {hash} and signature {sig}, which do not fit SHA-256 and the log's key"
    )]
    Algorithm {
        /// TLS hash algorithm found.
        hash: u8,
        /// TLS signature algorithm found.
        sig: u8,
    },
    /// The signature does not verify.
    #[error("signature of the SCT does not verify")]
    Signature,
    /// The certificate is at fault.
    #[error(transparent)]
    Cert(#[from] CertError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sct() -> Sct {
        Sct {
            log_id: [1; 32],
            timestamp: 2,
            extensions: vec![0, 0, 5, 0, 0, 0, 0, 9],
            hash: 4,
            sig: 3,
            signature: vec![7, 8],
        }
    }

    #[test]
    fn an_sct_has_the_bytes_of_the_rfc() {
        let want = format!(
            "00{}{}{}{}",
            "01".repeat(32),
            "0000000000000002",
            "00080000050000000009",
            "040300020708"
        );
        assert_eq!(hex::encode(sct().to_bytes()), want);
        assert_eq!(hex::encode(sct().digitally_signed()), "040300020708");
        assert_eq!(Sct::parse(&sct().to_bytes()), Ok(sct()));
    }

    #[test]
    fn trailing_bytes_and_other_versions_are_refused() {
        let mut bytes = sct().to_bytes();
        bytes.push(0);
        assert_eq!(Sct::parse(&bytes), Err(SctError::Malformed));
        bytes[0] = 1;
        assert_eq!(Sct::parse(&bytes), Err(SctError::Version { version: 1 }));
    }

    #[test]
    fn the_list_is_an_octet_string_around_tls_lengths() {
        let small = Sct {
            extensions: vec![],
            signature: vec![9],
            ..sct()
        };
        let der = list_der(std::slice::from_ref(&small)).unwrap();
        // 48 bytes an SCT; OCTET STRING, u16 50, u16 48.
        assert_eq!(hex::encode(&der[..6]), "043400320030");
        assert_eq!(parse_list(&der), Ok(vec![small.clone()]));
        assert_eq!(
            parse_list(&list_der(&[small.clone(), small.clone()]).unwrap())
                .unwrap()
                .len(),
            2
        );
        assert_eq!(
            parse_list(&list_der(&vec![small; 33]).unwrap()),
            Err(SctError::TooMany { max: 32 })
        );
    }

    #[test]
    fn leaves_and_inputs_have_the_bytes_of_the_rfc() {
        let x509 = CtEntry::X509(vec![0xaa, 0xbb]);
        assert_eq!(
            hex::encode(x509.leaf(1, &[])),
            "000000000000000000010000000002aabb0000"
        );
        let precert = CtEntry::Precert {
            issuer_key_hash: [3; 32],
            tbs: vec![0xcc],
        };
        let want = format!("000000000000000000010001{}000001cc0001ee", "03".repeat(32));
        assert_eq!(hex::encode(precert.sct_input(1, &[0xee])), want);
        let sth = format!("000100000000000000050000000000000006{}", "04".repeat(32));
        assert_eq!(hex::encode(sth_input(5, 6, &[4; 32])), sth);
    }

    #[test]
    fn extra_data_counts_in_24_bits() {
        assert_eq!(
            hex::encode(extra_data_x509(&[&[1, 2], &[3]])),
            "0000090000020102000001".to_owned() + "03"
        );
        assert_eq!(
            hex::encode(extra_data_precert(&[5], &[&[1]])),
            "000001050000040000".to_owned() + "0101"
        );
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Sct::parse(&bytes);
            let _ = parse_list(&bytes);
        }

        #[test]
        fn an_sct_round_trips(log_id: [u8; 32], timestamp: u64, extensions in proptest::collection::vec(any::<u8>(), 0..50), hash: u8, sig: u8, signature in proptest::collection::vec(any::<u8>(), 0..80)) {
            let sct = Sct { log_id, timestamp, extensions, hash, sig, signature };
            prop_assert_eq!(Sct::parse(&sct.to_bytes()), Ok(sct));
        }
    }
}
