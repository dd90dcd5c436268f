//! The layout of cosign 1 and 2 (spec/clients.md c.6): signatures in the annotations of layers, read as bundles of
//! version 0.1, and written from bundles of version 0.3. Pure.

use crate::{ImageDigest, OciError, limits};
use formats::b64::{self, B64};
use formats::bundle::{
    Bundle, CertificateChain, Content, HashOutput, InclusionPromise, KindVersion, LogId,
    MessageSignature, PublicKeyIdentifier, RawBytes, SignedTimestamp, TimestampVerificationData,
    TransparencyLogEntry, VerificationMaterial,
};
use formats::dsse::Envelope;
use pki::cert::Certificate;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Layers that hold a simple-signing payload.
pub(crate) const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Layers that hold an envelope.
pub(crate) const DSSE: &str = "application/vnd.dsse.envelope.v1+json";

const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
const CHAIN: &str = "dev.sigstore.cosign/chain";
const ENTRY: &str = "dev.sigstore.cosign/bundle";
const TIMESTAMP: &str = "dev.sigstore.cosign/rfc3161timestamp";
const PREDICATE_TYPE: &str = "predicateType";
const MEDIA_TYPE_V01: &str = "application/vnd.dev.sigstore.bundle+json;version=0.1";
const PAYLOAD_TYPE: &str = "cosign container image signature";

type Annotations = BTreeMap<String, String>;

/// Reads a layer of a `.sig` manifest. The payload must be about `image`: the signature covers the payload alone.
pub fn read_signature(
    annotations: &Annotations,
    payload: &[u8],
    image: ImageDigest,
) -> Result<Bundle, LegacyProblem> {
    let about = payload_image(payload)?;
    if about != image.to_string() {
        return Err(LegacyProblem::OtherImage {
            about: about.chars().take(100).collect(),
        });
    }
    let signature = annotation(annotations, SIGNATURE)?.ok_or(LegacyProblem::NoSignature)?;
    let signature = base64(SIGNATURE, signature)?;
    let content = Content::Message(MessageSignature {
        message_digest: Some(HashOutput {
            algorithm: "SHA2_256".to_owned(),
            digest: B64(ImageDigest::of(payload).0.to_vec()),
        }),
        signature: B64(signature),
    });
    assemble(annotations, content, true)
}

/// Reads a layer of an `.att` manifest.
pub fn read_attestation(
    annotations: &Annotations,
    envelope: &[u8],
) -> Result<Bundle, LegacyProblem> {
    let envelope: Envelope = formats::json::parse(envelope, limits::SIGNATURE_BLOB_BYTES)
        .map_err(|error| LegacyProblem::Envelope(error.to_string()))?;
    // cosign's timestamps cover the whole envelope here, those of bundles the signature in it: they prove nothing to
    // a reader of bundles. The log entry has a signed time.
    assemble(annotations, Content::Dsse(envelope), false)
}

/// The image that a simple-signing payload is about, as the payload writes it.
fn payload_image(payload: &[u8]) -> Result<String, LegacyProblem> {
    let payload: Payload = formats::json::parse(payload, limits::PAYLOAD_BYTES)
        .map_err(|error| LegacyProblem::Payload(error.to_string()))?;
    // A signature over something else that happens to name an image is none of the image.
    if payload.critical.kind != PAYLOAD_TYPE {
        return Err(LegacyProblem::Payload(format!(
            "its type is not {PAYLOAD_TYPE:?}"
        )));
    }
    Ok(payload.critical.image.digest)
}

fn assemble(
    annotations: &Annotations,
    content: Content,
    with_timestamp: bool,
) -> Result<Bundle, LegacyProblem> {
    let mut material = signer(annotations)?;
    if let Some(json) = annotation(annotations, ENTRY)? {
        material.tlog_entries.push(entry(json)?);
    }
    if with_timestamp && let Some(json) = annotation(annotations, TIMESTAMP)? {
        let stamp: Timestamp = json_of(TIMESTAMP, json)?;
        let signed_timestamp = B64(base64(TIMESTAMP, &stamp.token)?);
        material.timestamp_verification_data = Some(TimestampVerificationData {
            rfc3161_timestamps: vec![SignedTimestamp { signed_timestamp }],
        });
    }
    let bundle = Bundle {
        media_type: MEDIA_TYPE_V01.to_owned(),
        verification_material: material,
        content,
    };
    bundle
        .check()
        .map_err(|error| LegacyProblem::Bundle(error.to_string()))?;
    Ok(bundle)
}

/// The certificate with what is above it; without a certificate it was a managed key.
fn signer(annotations: &Annotations) -> Result<VerificationMaterial, LegacyProblem> {
    let Some(leaf) = annotation(annotations, CERTIFICATE)? else {
        return Ok(VerificationMaterial {
            public_key: Some(PublicKeyIdentifier::default()),
            ..VerificationMaterial::default()
        });
    };
    let leaf = Certificate::parse_pem(leaf)
        .map_err(|error| LegacyProblem::Certificate(error.to_string()))?;
    let mut certificates = vec![raw(&leaf)];
    // The chain decides nothing: authorities come from the trusted root. So a broken one does no harm, and roots, which
    // bundles must not hold, are left out.
    if let Some(chain) = annotation(annotations, CHAIN)?
        && let Ok(chain) = Certificate::parse_pem_chain(chain)
    {
        let below_root = chain
            .iter()
            .filter(|ca| ca.subject_der() != ca.issuer_der());
        certificates.extend(
            below_root
                .take(formats::limits::CHAIN_CERTIFICATES - 1)
                .map(raw),
        );
    }
    Ok(VerificationMaterial {
        x509_certificate_chain: Some(CertificateChain { certificates }),
        ..VerificationMaterial::default()
    })
}

fn raw(certificate: &Certificate) -> RawBytes {
    RawBytes {
        raw_bytes: B64(certificate.der().to_vec()),
    }
}

/// Rekor v1's answer in short: the body, and the log's promise to include it.
fn entry(json: &str) -> Result<TransparencyLogEntry, LegacyProblem> {
    let entry: LoggedEntry = json_of(ENTRY, json)?;
    let body = base64(ENTRY, &entry.payload.body)?;
    let (kind, version) = formats::entry::kind_version(&body)
        .map_err(|error| LegacyProblem::Entry(error.to_string()))?;
    let mut key_id = [0; 32];
    hex::decode_to_slice(&entry.payload.log_id, &mut key_id)
        .map_err(|_| LegacyProblem::Entry("its log ID is not 64 hexadecimal digits".to_owned()))?;
    Ok(TransparencyLogEntry {
        log_index: entry.payload.log_index,
        log_id: LogId {
            key_id: B64(key_id.to_vec()),
        },
        kind_version: KindVersion { kind, version },
        integrated_time: entry.payload.integrated_time,
        inclusion_promise: Some(InclusionPromise {
            signed_entry_timestamp: B64(base64(ENTRY, &entry.signed_entry_timestamp)?),
        }),
        inclusion_proof: None,
        canonicalized_body: B64(body),
    })
}

/// Writes a simple-signing payload about an image, as cosign does.
pub fn payload(repository: &str, image: ImageDigest) -> Vec<u8> {
    let payload = Payload {
        critical: Critical {
            identity: Identity {
                reference: repository.to_owned(),
            },
            image: PayloadImage {
                digest: image.to_string(),
            },
            kind: PAYLOAD_TYPE.to_owned(),
        },
        optional: None,
    };
    serde_json::to_vec(&payload).expect("text always serializes")
}

/// A layer of a `.sig` or `.att` manifest, to be stored.
pub(crate) struct Layer {
    pub(crate) media_type: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) annotations: Annotations,
}

/// Writes a bundle as a layer. `payload` is what a message signature covers; `chain` are the CA's certificates in PEM.
pub(crate) fn write(
    bundle: &Bundle,
    payload: &[u8],
    chain: Option<&str>,
) -> Result<Layer, OciError> {
    let material = &bundle.verification_material;
    let mut annotations = Annotations::new();
    let mut put = |name: &str, value: String| annotations.insert(name.to_owned(), value);
    if let Some(der) = material.leaf_der() {
        let leaf = Certificate::parse_der(der)
            .map_err(|_| OciError::NoLegacyForm("its certificate cannot be read"))?;
        put(CERTIFICATE, leaf.to_pem());
        if let Some(chain) = chain {
            put(CHAIN, chain.to_owned());
        }
    }
    let promised = material
        .tlog_entries
        .iter()
        .find(|entry| entry.inclusion_promise.is_some());
    match promised {
        Some(entry) => put(ENTRY, LoggedEntry::json(entry)?),
        None => {
            return Err(OciError::NoLegacyForm(
                "it needs an entry with a signed promise, which Rekor v1 gives (--rekor-version 1)",
            ));
        }
    };
    match &bundle.content {
        Content::Message(message) => {
            put(SIGNATURE, b64::encode(&message.signature.0));
            if let Some(token) = material.timestamps().next() {
                let stamp = Timestamp {
                    token: b64::encode(token),
                };
                put(TIMESTAMP, to_json(&stamp));
            }
            Ok(Layer {
                media_type: SIMPLE_SIGNING,
                bytes: payload.to_vec(),
                annotations,
            })
        }
        Content::Dsse(envelope) => {
            put(SIGNATURE, String::new());
            if let Some(predicate_type) = crate::found::predicate_type(envelope) {
                put(PREDICATE_TYPE, predicate_type);
            }
            Ok(Layer {
                media_type: DSSE,
                bytes: to_json(envelope).into_bytes(),
                annotations,
            })
        }
    }
}

fn annotation<'a>(
    annotations: &'a Annotations,
    name: &'static str,
) -> Result<Option<&'a str>, LegacyProblem> {
    match annotations.get(name).map(String::as_str) {
        Some(text) if text.len() > limits::ANNOTATION_BYTES => {
            Err(LegacyProblem::AnnotationSize(name))
        }
        Some("") | None => Ok(None),
        Some(text) => Ok(Some(text)),
    }
}

fn base64(name: &'static str, text: &str) -> Result<Vec<u8>, LegacyProblem> {
    b64::decode_lenient(text).ok_or(LegacyProblem::Base64(name))
}

fn json_of<T: serde::de::DeserializeOwned>(
    name: &'static str,
    text: &str,
) -> Result<T, LegacyProblem> {
    formats::json::parse(text.as_bytes(), limits::ANNOTATION_BYTES).map_err(|error| {
        LegacyProblem::Annotation {
            name,
            reason: error.to_string(),
        }
    })
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("text, integers and lists of them always serialize")
}

/// Why a layer is no signature that could be verified.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LegacyProblem {
    /// The payload is not simple signing.
    #[error("its payload is not simple signing: {0}")]
    Payload(String),
    /// A signature of another image, copied here.
    #[error("its payload is about another image, {about}")]
    OtherImage {
        /// As the payload writes it, shortened.
        about: String,
    },
    /// No signature annotation.
    #[error("it has no annotation dev.cosignproject.cosign/signature")]
    NoSignature,
    /// An annotation longer than any manifest may be.
    #[error("its annotation {0} is too long")]
    AnnotationSize(&'static str),
    /// An annotation that is not base64 where it should be.
    #[error("its annotation {0} is not base64")]
    Base64(&'static str),
    /// An annotation that is not the JSON that it should be.
    #[error("its annotation {name} cannot be read: {reason}")]
    Annotation {
        /// Which.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificate cannot be read.
    #[error("its certificate cannot be read: {0}")]
    Certificate(String),
    /// The log entry cannot be read.
    #[error("its log entry cannot be read: {0}")]
    Entry(String),
    /// The envelope cannot be read.
    #[error("its envelope cannot be read: {0}")]
    Envelope(String),
    /// The parts do not make a bundle.
    #[error("its parts do not make a bundle: {0}")]
    Bundle(String),
}

#[derive(Serialize, Deserialize)]
struct Payload {
    critical: Critical,
    #[serde(default)]
    optional: Option<serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
struct Critical {
    #[serde(default)]
    identity: Identity,
    image: PayloadImage,
    #[serde(rename = "type", default)]
    kind: String,
}

#[derive(Default, Serialize, Deserialize)]
struct Identity {
    #[serde(rename = "docker-reference", default)]
    reference: String,
}

#[derive(Serialize, Deserialize)]
struct PayloadImage {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

#[derive(Serialize, Deserialize)]
struct LoggedEntry {
    #[serde(rename = "SignedEntryTimestamp")]
    signed_entry_timestamp: String,
    #[serde(rename = "Payload")]
    payload: LoggedPayload,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LoggedPayload {
    body: String,
    integrated_time: i64,
    log_index: i64,
    #[serde(rename = "logID")]
    log_id: String,
}

impl LoggedEntry {
    fn json(entry: &TransparencyLogEntry) -> Result<String, OciError> {
        let promise = entry
            .inclusion_promise
            .as_ref()
            .ok_or(OciError::NoLegacyForm("its entry has no promise"))?;
        Ok(to_json(&Self {
            signed_entry_timestamp: b64::encode(&promise.signed_entry_timestamp.0),
            payload: LoggedPayload {
                body: b64::encode(&entry.canonicalized_body.0),
                integrated_time: entry.integrated_time,
                log_index: entry.log_index,
                log_id: hex::encode(&entry.log_id.key_id.0),
            },
        }))
    }
}

#[derive(Serialize, Deserialize)]
struct Timestamp {
    #[serde(rename = "SignedRFC3161Timestamp")]
    token: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: ImageDigest = ImageDigest([7; 32]);

    fn signed(more: &[(&str, &str)]) -> Annotations {
        let mut all = vec![(SIGNATURE, "c2ln")];
        all.extend(more);
        all.into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }

    fn entry_json() -> String {
        let body = formats::entry::hashedrekord_v001("sha256", "00", b"sig", "PEM");
        serde_json::json!({
            "SignedEntryTimestamp": "c2V0",
            "Payload": {"body": b64::encode(&body), "integratedTime": 5, "logIndex": 6, "logID": "ab".repeat(32)},
        })
        .to_string()
    }

    #[test]
    fn a_managed_keys_signature_needs_no_certificate() {
        let bytes = payload("r.example/a", IMAGE);
        let json = entry_json();
        let bundle = read_signature(&signed(&[(ENTRY, &json)]), &bytes, IMAGE).unwrap();
        let material = &bundle.verification_material;
        assert!(material.public_key.is_some());
        assert_eq!(bundle.signature(), Some(&b"sig"[..]));
        let entry = &material.tlog_entries[0];
        assert_eq!((entry.log_index, entry.integrated_time), (6, 5));
        assert_eq!(entry.kind_version.kind, "hashedrekord");
        assert_eq!(
            entry
                .inclusion_promise
                .as_ref()
                .unwrap()
                .signed_entry_timestamp
                .0,
            b"set"
        );
        let Content::Message(message) = &bundle.content else {
            panic!("not a message");
        };
        assert_eq!(
            message.message_digest.as_ref().unwrap().digest.0,
            ImageDigest::of(&bytes).0
        );
    }

    #[test]
    fn a_signature_of_another_image_is_told_apart() {
        let bytes = payload("r.example/a", ImageDigest([8; 32]));
        assert_eq!(
            read_signature(&signed(&[]), &bytes, IMAGE),
            Err(LegacyProblem::OtherImage {
                about: ImageDigest([8; 32]).to_string()
            })
        );
    }

    #[test]
    fn a_broken_part_is_named() {
        let bytes = payload("r", IMAGE);
        let read = |annotations: &Annotations| read_signature(annotations, &bytes, IMAGE);
        assert_eq!(read(&Annotations::new()), Err(LegacyProblem::NoSignature));
        assert_eq!(
            read(&[(SIGNATURE.to_owned(), "?".to_owned())].into()),
            Err(LegacyProblem::Base64(SIGNATURE))
        );
        assert!(matches!(
            read(&signed(&[(ENTRY, "{}")])),
            Err(LegacyProblem::Annotation { name: ENTRY, .. })
        ));
        assert!(matches!(
            read(&signed(&[(CERTIFICATE, "x")])),
            Err(LegacyProblem::Certificate(_))
        ));
        assert!(matches!(
            read_signature(&signed(&[]), b"[]", IMAGE),
            Err(LegacyProblem::Payload(_))
        ));
        let other = String::from_utf8(bytes.clone()).unwrap();
        let other = other.replace("cosign container image", "another");
        assert!(matches!(
            read_signature(&signed(&[]), other.as_bytes(), IMAGE),
            Err(LegacyProblem::Payload(_))
        ));
        assert!(matches!(
            read_attestation(&signed(&[]), b"x"),
            Err(LegacyProblem::Envelope(_))
        ));
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let bytes = payload("r.example/a", IMAGE);
        let json = entry_json();
        let token = serde_json::json!({"SignedRFC3161Timestamp": "dHNy"}).to_string();
        let bundle = read_signature(
            &signed(&[(ENTRY, &json), (TIMESTAMP, &token)]),
            &bytes,
            IMAGE,
        )
        .unwrap();
        let layer = write(&bundle, &bytes, None).unwrap();
        assert_eq!(layer.media_type, SIMPLE_SIGNING);
        assert_eq!(
            read_signature(&layer.annotations, &layer.bytes, IMAGE).unwrap(),
            bundle
        );
    }

    #[test]
    fn an_entry_without_promise_has_no_legacy_form() {
        let bytes = payload("r", IMAGE);
        let bundle = read_signature(&signed(&[]), &bytes, IMAGE).unwrap();
        assert!(matches!(
            write(&bundle, &bytes, None),
            Err(OciError::NoLegacyForm(_))
        ));
    }

    #[test]
    fn the_payload_is_cosigns() {
        let text = String::from_utf8(payload("r.example/a", IMAGE)).unwrap();
        assert_eq!(
            text,
            format!(
                r#"{{"critical":{{"identity":{{"docker-reference":"r.example/a"}},"image":{{"docker-manifest-digest":"{IMAGE}"}},"type":"cosign container image signature"}},"optional":null}}"#
            )
        );
    }
}
