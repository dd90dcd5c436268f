//! Sigstore bundle v0.1 to v0.3 (spec/clients.md c.1).
//!
//! [`Bundle::parse`] answers for the shape only: after it exactly one content, one kind of
//! verification material and the members that the bundle's version demands are there, and all
//! lists and numbers are within bounds. Nothing is verified.

mod check;

use crate::b64::B64;
use crate::dsse::Envelope;
use crate::json::{self, JsonError, null_default};
use crate::limits;
use serde::{Deserialize, Serialize};

/// The media type of bundles that this project writes.
pub const MEDIA_TYPE_V03: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// The media types that are read: v0.3 has an old and a new spelling.
const MEDIA_TYPES: [(&str, Version); 4] = [
    (
        "application/vnd.dev.sigstore.bundle+json;version=0.1",
        Version::V01,
    ),
    (
        "application/vnd.dev.sigstore.bundle+json;version=0.2",
        Version::V02,
    ),
    (
        "application/vnd.dev.sigstore.bundle+json;version=0.3",
        Version::V03,
    ),
    (MEDIA_TYPE_V03, Version::V03),
];

/// What a bundle must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// A certificate chain; entries need an inclusion promise.
    V01,
    /// A certificate chain; entries need an inclusion proof with checkpoint.
    V02,
    /// One certificate; entries need an inclusion proof with checkpoint.
    V03,
}

impl Version {
    /// Reads a media type in either spelling; `None` when it is unknown.
    pub fn from_media_type(media_type: &str) -> Option<Self> {
        MEDIA_TYPES
            .iter()
            .find(|(name, _)| *name == media_type)
            .map(|(_, version)| *version)
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Version::V01 => "v0.1",
            Version::V02 => "v0.2",
            Version::V03 => "v0.3",
        })
    }
}

/// A signature with everything that is needed to verify it offline.
///
/// Deserializing checks that there is exactly one content; use [`Bundle::parse`] for all checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "RawBundle")]
pub struct Bundle {
    /// Says the version; see [`Bundle::version`].
    pub media_type: String,
    /// Who signed, and who witnessed it.
    pub verification_material: VerificationMaterial,
    /// What was signed.
    #[serde(flatten)]
    pub content: Content,
}

/// The signed content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// A signature over an artifact.
    #[serde(rename = "messageSignature")]
    Message(MessageSignature),
    /// A signature over an attestation about an artifact.
    #[serde(rename = "dsseEnvelope")]
    Dsse(Envelope),
}

/// A signature over an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MessageSignature {
    /// An unauthenticated hint; when present it must equal the artifact's digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_digest: Option<HashOutput>,
    /// Raw signature bytes (ECDSA: ASN.1 DER).
    #[serde(default)]
    pub signature: B64,
}

/// A digest with its algorithm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HashOutput {
    /// `SHA2_256`, `SHA2_384` or `SHA2_512`.
    #[serde(default, deserialize_with = "null_default")]
    pub algorithm: String,
    /// Raw bytes.
    #[serde(default)]
    pub digest: B64,
}

/// Who signed, and who witnessed it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerificationMaterial {
    /// v0.3: the leaf certificate alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<RawBytes>,
    /// v0.1 and v0.2: leaf and intermediates, never a root.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        rename = "x509CertificateChain"
    )]
    pub x509_certificate_chain: Option<CertificateChain>,
    /// The verifier brings the key; this may say which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<PublicKeyIdentifier>,
    /// At most [`limits::TLOG_ENTRIES`].
    #[serde(
        default,
        deserialize_with = "null_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub tlog_entries: Vec<TransparencyLogEntry>,
    /// At most [`limits::TIMESTAMPS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp_verification_data: Option<TimestampVerificationData>,
}

impl VerificationMaterial {
    /// The leaf certificate's DER, in whichever form the version has it; `None` with a managed key.
    pub fn leaf_der(&self) -> Option<&[u8]> {
        let chain = || {
            self.x509_certificate_chain
                .as_ref()
                .and_then(|chain| chain.certificates.first())
        };
        self.certificate
            .as_ref()
            .or_else(chain)
            .map(|leaf| leaf.raw_bytes.0.as_slice())
    }

    /// The DER time-stamp responses.
    pub fn timestamps(&self) -> impl Iterator<Item = &[u8]> {
        let data = self.timestamp_verification_data.iter();
        data.flat_map(|data| &data.rfc3161_timestamps)
            .map(|timestamp| timestamp.signed_timestamp.0.as_slice())
    }
}

/// One DER object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RawBytes {
    /// DER.
    #[serde(default)]
    pub raw_bytes: B64,
}

/// Certificates from leaf to root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateChain {
    /// At most [`limits::CHAIN_CERTIFICATES`].
    #[serde(default, deserialize_with = "null_default")]
    pub certificates: Vec<RawBytes>,
}

/// A hint which key the verifier should bring.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicKeyIdentifier {
    /// By custom base64 of the SHA-256 of the SPKI.
    #[serde(default, deserialize_with = "null_default")]
    pub hint: String,
}

/// Timestamps over the raw signature bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TimestampVerificationData {
    /// RFC 3161 responses.
    #[serde(default, deserialize_with = "null_default")]
    pub rfc3161_timestamps: Vec<SignedTimestamp>,
}

/// One timestamp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedTimestamp {
    /// DER TimeStampResp (with status, not the bare token).
    #[serde(default)]
    pub signed_timestamp: B64,
}

/// One log entry, as in bundles and as Rekor v2 answers (protojson).
///
/// Serializing it gives the form of a bundle: absent members are left out, which every client
/// reads; Rekor v2 answers with [`TransparencyLogEntry::to_rekor_v2_json`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TransparencyLogEntry {
    /// v1: over all shards; v2: in the one tree. Never left out: the first entry of a log has index 0.
    #[serde(default, with = "crate::b64::int64")]
    pub log_index: i64,
    /// Which log.
    #[serde(
        default,
        deserialize_with = "null_default",
        skip_serializing_if = "LogId::is_empty"
    )]
    pub log_id: LogId,
    /// Kind and version of the body.
    #[serde(default, deserialize_with = "null_default")]
    pub kind_version: KindVersion,
    /// Unix seconds; 0 from Rekor v2, which keeps no time.
    #[serde(default, with = "crate::b64::int64", skip_serializing_if = "is_zero")]
    pub integrated_time: i64,
    /// The SET, from Rekor v1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inclusion_promise: Option<InclusionPromise>,
    /// The proof, with its checkpoint from v0.2 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inclusion_proof: Option<InclusionProof>,
    /// The Merkle leaf data.
    #[serde(default)]
    pub canonicalized_body: B64,
}

/// Names a log by its key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogId {
    /// 32 bytes: SHA-256 of the SPKI (v1, CT) or the whole note key hash (v2).
    #[serde(default)]
    pub key_id: B64,
}

impl LogId {
    /// True when no log is named.
    pub fn is_empty(&self) -> bool {
        self.key_id.is_empty()
    }
}

/// Kind and version of an entry body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindVersion {
    /// `hashedrekord`, `dsse`, `intoto` ….
    #[serde(default, deserialize_with = "null_default")]
    pub kind: String,
    /// `0.0.1`, `0.0.2`.
    #[serde(default, deserialize_with = "null_default")]
    pub version: String,
}

/// A log's promise to include an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InclusionPromise {
    /// Signature over [`crate::entry::set_input`].
    #[serde(default)]
    pub signed_entry_timestamp: B64,
}

/// Proof that an entry is in a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InclusionProof {
    /// In this tree; v1 shards make it differ from the entry's log index.
    #[serde(default, with = "crate::b64::int64")]
    pub log_index: i64,
    /// 32 bytes.
    #[serde(default)]
    pub root_hash: B64,
    /// Leaves in the tree.
    #[serde(default, with = "crate::b64::int64")]
    pub tree_size: i64,
    /// 32 bytes each, from leaf to root; at most [`limits::PROOF_HASHES`].
    #[serde(default, deserialize_with = "null_default")]
    pub hashes: Vec<B64>,
    /// The signed tree head with this size and root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<CheckpointEnvelope>,
}

/// A checkpoint as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointEnvelope {
    /// Signed note with its signature lines.
    #[serde(default, deserialize_with = "null_default")]
    pub envelope: String,
}

impl Bundle {
    /// Parses and checks the shape: a known media type, exactly one content, the verification
    /// material that its version demands, non-negative indices, all within [`limits`].
    pub fn parse(json: &[u8]) -> Result<Self, BundleError> {
        let raw: RawBundle = json::parse(json, limits::BUNDLE_BYTES)?;
        let bundle = Self::try_from(raw)?;
        bundle.check()?;
        Ok(bundle)
    }

    /// Checks a bundle that was put together in the program as [`Bundle::parse`] does.
    pub fn check(&self) -> Result<(), BundleError> {
        check::shape(self)
    }

    /// Writes compact JSON, without a trailing newline.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("text, integers and lists of them always serialize")
    }

    /// The version that the media type says; `None` when it is unknown (never after [`Bundle::parse`]).
    pub fn version(&self) -> Option<Version> {
        Version::from_media_type(&self.media_type)
    }

    /// The raw signature bytes, which timestamps cover.
    pub fn signature(&self) -> Option<&[u8]> {
        match &self.content {
            Content::Message(message) => Some(&message.signature.0),
            Content::Dsse(envelope) => envelope
                .signatures
                .first()
                .map(|signature| signature.sig.0.as_slice()),
        }
    }
}

impl TransparencyLogEntry {
    /// Writes the answer of Rekor v2 (spec/rekor.md B.5): every member of the message and nothing
    /// else, `integratedTime` `"0"`, `inclusionPromise` `null`, `hashes` `[]` when there are none.
    pub fn to_rekor_v2_json(&self) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer<'a> {
            #[serde(with = "crate::b64::int64")]
            log_index: i64,
            log_id: &'a LogId,
            kind_version: &'a KindVersion,
            #[serde(with = "crate::b64::int64")]
            integrated_time: i64,
            inclusion_promise: &'a Option<InclusionPromise>,
            inclusion_proof: &'a Option<InclusionProof>,
            canonicalized_body: &'a B64,
        }
        let answer = Answer {
            log_index: self.log_index,
            log_id: &self.log_id,
            kind_version: &self.kind_version,
            integrated_time: self.integrated_time,
            inclusion_promise: &self.inclusion_promise,
            inclusion_proof: &self.inclusion_proof,
            canonicalized_body: &self.canonicalized_body,
        };
        serde_json::to_string(&answer).expect("text, integers and lists of them always serialize")
    }

    /// Parses an answer of Rekor v2 and checks bounds, the proof and its checkpoint being there.
    pub fn parse_rekor_v2(json: &[u8]) -> Result<Self, BundleError> {
        let entry: Self = json::parse(json, limits::BUNDLE_BYTES)?;
        check::tlog_entry(&entry, 0, Version::V03)?;
        Ok(entry)
    }
}

/// The top level as JSON has it; becomes a [`Bundle`] with exactly one content.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawBundle {
    #[serde(default, deserialize_with = "null_default")]
    media_type: String,
    verification_material: Option<VerificationMaterial>,
    message_signature: Option<MessageSignature>,
    dsse_envelope: Option<Envelope>,
}

impl TryFrom<RawBundle> for Bundle {
    type Error = BundleError;

    fn try_from(raw: RawBundle) -> Result<Self, BundleError> {
        let content = match (raw.message_signature, raw.dsse_envelope) {
            (Some(message), None) => Content::Message(message),
            (None, Some(envelope)) => Content::Dsse(envelope),
            (None, None) => return Err(BundleError::NoContent),
            (Some(_), Some(_)) => return Err(BundleError::TwoContents),
        };
        let verification_material = raw
            .verification_material
            .ok_or(BundleError::NoVerificationMaterial)?;
        Ok(Self {
            media_type: raw.media_type,
            verification_material,
            content,
        })
    }
}

fn is_zero(value: &i64) -> bool {
    *value == 0
}

/// Why a bundle was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Not JSON, too large, or a member that the bundle message does not have.
    #[error("the bundle is not Sigstore bundle JSON: {0}")]
    Json(#[from] JsonError),
    /// The media type is none of the four known spellings.
    #[error("the bundle's mediaType {0:?} is unknown; known are versions 0.1, 0.2 and 0.3")]
    UnknownMediaType(String),
    /// Neither `messageSignature` nor `dsseEnvelope`.
    #[error("the bundle has no content: messageSignature or dsseEnvelope must be present")]
    NoContent,
    /// Both `messageSignature` and `dsseEnvelope`.
    #[error("the bundle has two contents: messageSignature and dsseEnvelope exclude each other")]
    TwoContents,
    /// `verificationMaterial` is absent.
    #[error("the bundle has no verificationMaterial")]
    NoVerificationMaterial,
    /// None of the three ways to name the signer.
    #[error(
        "verificationMaterial names no signer: certificate, x509CertificateChain or publicKey must be present"
    )]
    NoSigner,
    /// More than one way to name the signer.
    #[error(
        "verificationMaterial names the signer {0} times; certificate, x509CertificateChain and publicKey exclude each other"
    )]
    SeveralSigners(usize),
    /// A chain in v0.3, which holds the leaf alone.
    #[error("a {0} bundle must hold `certificate`, not `x509CertificateChain`")]
    ChainInNewBundle(Version),
    /// A single certificate before v0.3.
    #[error("a {0} bundle must hold `x509CertificateChain`, not `certificate`")]
    CertificateInOldBundle(Version),
    /// A chain without certificates.
    #[error("the bundle's x509CertificateChain is empty")]
    EmptyChain,
    /// A list is longer than its limit.
    #[error("{list} has {have} items, the limit is {limit}")]
    TooMany {
        /// JSON name of the list.
        list: &'static str,
        /// Items given.
        have: usize,
        /// Items allowed.
        limit: usize,
    },
    /// A byte string is longer than its limit.
    #[error("{member} has {have} bytes, the limit is {limit}")]
    TooLong {
        /// JSON name of the member.
        member: &'static str,
        /// Bytes given.
        have: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A required byte string or text is absent or empty.
    #[error("{0} is absent or empty")]
    Missing(&'static str),
    /// A hash has the wrong length.
    #[error("{member} has {have} bytes, a SHA-256 hash has 32")]
    HashLength {
        /// JSON name of the member.
        member: &'static str,
        /// Bytes given.
        have: usize,
    },
    /// A negative index, size or time.
    #[error("tlogEntries[{entry}].{member} is {value}; it must not be negative")]
    Negative {
        /// Position of the entry in the bundle.
        entry: usize,
        /// JSON name of the member.
        member: &'static str,
        /// Value given.
        value: i64,
    },
    /// v0.1 entries need a SET.
    #[error("tlogEntries[{0}] has no inclusionPromise, which a v0.1 bundle needs")]
    NoInclusionPromise(usize),
    /// v0.2 and v0.3 entries need a proof.
    #[error("tlogEntries[{entry}] has no inclusionProof, which a {version} bundle needs")]
    NoInclusionProof {
        /// Position of the entry in the bundle.
        entry: usize,
        /// Version of the bundle.
        version: Version,
    },
    /// v0.2 and v0.3 proofs need a checkpoint.
    #[error(
        "tlogEntries[{entry}].inclusionProof has no checkpoint, which a {version} bundle needs"
    )]
    NoCheckpoint {
        /// Position of the entry in the bundle.
        entry: usize,
        /// Version of the bundle.
        version: Version,
    },
    /// DSSE envelopes in bundles have exactly one signature.
    #[error("the dsseEnvelope has {0} signatures; exactly one is allowed")]
    NotOneSignature(usize),
}
