//! Timestamp requests: DER (RFC 3161 section 2.4.1) and the JSON form that sigstore-js sends.

use crate::limits::{MAX_JSON_BYTES, MAX_NONCE_BYTES};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use der::asn1::{AnyRef, IntRef, ObjectIdentifier, OctetStringRef};
use der::{Decode, Encode, Sequence};
use pki::key::HashAlgorithm;
use serde::Deserialize;
use serde_json::value::RawValue;
use x509_cert::ext::Extensions;

/// The one policy: timestamps of a Sigstore authority (spec/clients.md d.2).
pub const POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.2");

// RFC 5754 section 2; SHA-1: RFC 3370 section 2.1.
const ID_SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
const ID_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const ID_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const ID_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");

/// A request that will be granted: hash, length, policy and extensions are acceptable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Hash algorithm of the imprint.
    pub hash: HashAlgorithm,
    /// The digest to be timestamped, of the length of `hash`.
    pub digest: Vec<u8>,
    /// DER of the MessageImprint as sent: it is echoed byte for byte.
    pub imprint: Vec<u8>,
    /// Contents octets of the nonce INTEGER as sent, at most [`MAX_NONCE_BYTES`].
    pub nonce: Option<Vec<u8>>,
    /// Whether the answer is to carry the signing certificate.
    pub cert_req: bool,
}

/// Why a request is not granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not a TimeStampReq.
    #[error("Error generating timestamp response: the body is not a DER TimeStampReq: {0}")]
    Der(der::Error),
    /// Not a JSON request.
    #[error(
        "Error generating timestamp response: the body is not a JSON timestamp request (line {line}, column {column})"
    )]
    Json {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// The JSON body is longer than any request.
    #[error("timestamp request is too large: {size} bytes of JSON, at most {limit} are accepted")]
    TooLarge {
        /// Bytes received.
        size: usize,
        /// The bound.
        limit: usize,
    },
    /// The digest is not base64.
    #[error("Error generating timestamp response: artifactHash is not standard base64")]
    Base64,
    /// A version that does not exist.
    #[error(
        "Error generating timestamp response: TimeStampReq version {0} is unknown, only 1 exists"
    )]
    Version(u8),
    /// SHA-1.
    #[error("Weak hash algorithm in timestamp request: SHA-1; use SHA-256, SHA-384 or SHA-512")]
    WeakHash,
    /// Neither SHA-1 nor one of the accepted ones.
    #[error(
        "Error generating timestamp response: unsupported hash algorithm {0:?}; use SHA-256, SHA-384 or SHA-512"
    )]
    UnknownHash(String),
    /// A hash algorithm with parameters that it does not have.
    #[error(
        "Error generating timestamp response: the hash algorithm has parameters other than NULL"
    )]
    HashParameters,
    /// Digest and hash do not fit.
    #[error(
        "Message digest has incorrect length for specified algorithm: {algorithm} has {want} bytes, got {have}"
    )]
    DigestLength {
        /// `sha256`, `sha384` or `sha512`.
        algorithm: &'static str,
        /// Bytes of that hash.
        want: usize,
        /// Bytes sent.
        have: usize,
    },
    /// Another policy than [`POLICY`].
    #[error(
        "unaccepted policy: requested TSA policy is not supported by the TSA: {0:?}; leave it out or ask for {POLICY}"
    )]
    Policy(String),
    /// Any extension: none is defined that this authority could honor.
    #[error("unaccepted extension: requested extensions are not supported by the TSA: {0}")]
    Extension(String),
    /// A nonce that is no integer, or beyond the bound.
    #[error(
        "Error generating timestamp response: the nonce must be an integer of at most {MAX_NONCE_BYTES} bytes"
    )]
    Nonce,
}

/// `TimeStampReq`, RFC 3161 section 2.4.1.
#[derive(Sequence)]
struct TimeStampReq<'a> {
    version: u8,
    message_imprint: MessageImprint<'a>,
    #[asn1(optional = "true")]
    req_policy: Option<ObjectIdentifier>,
    #[asn1(optional = "true")]
    nonce: Option<IntRef<'a>>,
    #[asn1(default = "Default::default")]
    cert_req: bool,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    extensions: Option<Extensions>,
}

/// `MessageImprint`, RFC 3161 section 2.4.1.
#[derive(Sequence)]
struct MessageImprint<'a> {
    hash_algorithm: HashIdentifier<'a>,
    hashed_message: OctetStringRef<'a>,
}

/// `AlgorithmIdentifier` of a hash.
#[derive(Sequence)]
struct HashIdentifier<'a> {
    oid: ObjectIdentifier,
    #[asn1(optional = "true")]
    parameters: Option<AnyRef<'a>>,
}

/// Parses and checks a DER TimeStampReq. The caller bounds its length.
///
/// # Errors
/// When it does not parse, or asks for something that is not granted.
pub fn parse_request(der: &[u8]) -> Result<Request, RequestError> {
    let request = TimeStampReq::from_der(der).map_err(RequestError::Der)?;
    if request.version != 1 {
        return Err(RequestError::Version(request.version));
    }
    let hash = check_hash(&request.message_imprint.hash_algorithm)?;
    let digest = request.message_imprint.hashed_message.as_bytes();
    check_digest(hash, digest)?;
    if let Some(policy) = request.req_policy {
        check_policy(policy, || policy.to_string())?;
    }
    // RFC 3161 section 2.4.1: an extension that is not recognized, critical or not, must be answered by a failure.
    if let Some(first) = request.extensions.as_ref().and_then(|all| all.first()) {
        return Err(RequestError::Extension(first.extn_id.to_string()));
    }
    Ok(Request {
        hash,
        digest: digest.to_vec(),
        imprint: request
            .message_imprint
            .to_der()
            .map_err(RequestError::Der)?,
        nonce: request
            .nonce
            .map(|n| checked_nonce(n.as_bytes()))
            .transpose()?,
        cert_req: request.cert_req,
    })
}

/// The JSON form (spec/clients.md d.1). Unknown members are ignored, as the reference server does.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonRequest<'a> {
    #[serde(default)]
    artifact_hash: String,
    #[serde(default)]
    hash_algorithm: String,
    #[serde(default)]
    certificates: bool,
    /// An integer of any size, so it is read as text.
    #[serde(borrow, default)]
    nonce: Option<&'a RawValue>,
    #[serde(default, rename = "tsaPolicyOID")]
    tsa_policy_oid: String,
}

/// Parses and checks a JSON request of at most [`MAX_JSON_BYTES`].
///
/// # Errors
/// When it does not parse, or asks for something that is not granted.
pub fn parse_json_request(json: &[u8]) -> Result<Request, RequestError> {
    if json.len() > MAX_JSON_BYTES {
        return Err(RequestError::TooLarge {
            size: json.len(),
            limit: MAX_JSON_BYTES,
        });
    }
    let request: JsonRequest<'_> =
        serde_json::from_slice(json).map_err(|error| RequestError::Json {
            line: error.line(),
            column: error.column(),
        })?;
    let (hash, oid) = named_hash(&request.hash_algorithm)?;
    let digest = STANDARD
        .decode(&request.artifact_hash)
        .map_err(|_| RequestError::Base64)?;
    check_digest(hash, &digest)?;
    if !request.tsa_policy_oid.is_empty() {
        let unaccepted = || request.tsa_policy_oid.clone();
        let policy = ObjectIdentifier::new(&request.tsa_policy_oid)
            .map_err(|_| RequestError::Policy(unaccepted()))?;
        check_policy(policy, unaccepted)?;
    }
    Ok(Request {
        hash,
        imprint: encode_imprint(oid, &digest).map_err(RequestError::Der)?,
        digest,
        nonce: request.nonce.map(|n| json_nonce(n.get())).transpose()?,
        cert_req: request.certificates,
    })
}

fn check_hash(algorithm: &HashIdentifier<'_>) -> Result<HashAlgorithm, RequestError> {
    let hash = match algorithm.oid {
        ID_SHA256 => HashAlgorithm::Sha256,
        ID_SHA384 => HashAlgorithm::Sha384,
        ID_SHA512 => HashAlgorithm::Sha512,
        ID_SHA1 => return Err(RequestError::WeakHash),
        other => return Err(RequestError::UnknownHash(other.to_string())),
    };
    // RFC 5754 section 2: absent or NULL. Both are echoed as sent.
    if algorithm.parameters.is_some_and(|p| p != AnyRef::NULL) {
        return Err(RequestError::HashParameters);
    }
    Ok(hash)
}

fn named_hash(name: &str) -> Result<(HashAlgorithm, ObjectIdentifier), RequestError> {
    match name.to_ascii_lowercase().as_str() {
        "sha256" => Ok((HashAlgorithm::Sha256, ID_SHA256)),
        "sha384" => Ok((HashAlgorithm::Sha384, ID_SHA384)),
        "sha512" => Ok((HashAlgorithm::Sha512, ID_SHA512)),
        "sha1" => Err(RequestError::WeakHash),
        _ => Err(RequestError::UnknownHash(name.to_owned())),
    }
}

fn check_digest(hash: HashAlgorithm, digest: &[u8]) -> Result<(), RequestError> {
    if digest.len() == hash.len() {
        return Ok(());
    }
    Err(RequestError::DigestLength {
        algorithm: hash.name(),
        want: hash.len(),
        have: digest.len(),
    })
}

fn check_policy(
    policy: ObjectIdentifier,
    text: impl FnOnce() -> String,
) -> Result<(), RequestError> {
    if policy == POLICY {
        return Ok(());
    }
    Err(RequestError::Policy(text()))
}

fn checked_nonce(content: &[u8]) -> Result<Vec<u8>, RequestError> {
    if content.len() > MAX_NONCE_BYTES {
        return Err(RequestError::Nonce);
    }
    Ok(content.to_vec())
}

/// NULL parameters, as the reference server writes.
fn encode_imprint(oid: ObjectIdentifier, digest: &[u8]) -> der::Result<Vec<u8>> {
    let imprint = MessageImprint {
        hash_algorithm: HashIdentifier {
            oid,
            parameters: Some(AnyRef::NULL),
        },
        hashed_message: OctetStringRef::new(digest)?,
    };
    imprint.to_der()
}

/// Contents octets of the INTEGER that a JSON number spells in decimal.
fn json_nonce(text: &str) -> Result<Vec<u8>, RequestError> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(RequestError::Nonce);
    }
    let mut content = from_decimal(digits);
    if negative {
        negate(&mut content);
    }
    checked_nonce(minimal(&content))
}

/// Big-endian bytes with a leading zero, so that the top bit is clear. Quadratic; the text is bounded.
fn from_decimal(digits: &str) -> Vec<u8> {
    let mut little: Vec<u8> = Vec::new();
    for digit in digits.bytes() {
        let mut carry = u16::from(digit - b'0');
        for byte in &mut little {
            let [high, low] = (u16::from(*byte) * 10 + carry).to_be_bytes();
            *byte = low;
            carry = u16::from(high);
        }
        // At most 9, since a byte times ten plus nine is below 2,560.
        match carry.to_be_bytes() {
            [_, 0] => {}
            [_, low] => little.push(low),
        }
    }
    little.push(0);
    little.reverse();
    little
}

/// Two's complement: all bits turned, plus one.
fn negate(bytes: &mut [u8]) {
    let mut carry = true;
    for byte in bytes.iter_mut().rev() {
        (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
    }
}

/// X.690 section 8.3.2: the first nine bits are not all alike.
fn minimal(mut bytes: &[u8]) -> &[u8] {
    while let [first, second, ..] = bytes {
        let redundant = matches!((first, second & 0x80), (0x00, 0) | (0xff, 0x80));
        if !redundant {
            break;
        }
        bytes = &bytes[1..];
    }
    bytes
}

#[cfg(test)]
mod tests;
