//! intoto 0.0.1 and 0.0.2: what older clients send for attestations (spec A.11).

use crate::json::{self, JsonError, Names};
use crate::kinds::base64;
use crate::kinds::envelope::{Envelope, PayloadAlphabet, Trial};
use crate::kinds::error::EntryError;
use crate::kinds::hashedrekord::parse_hash;
use crate::kinds::verifier::Verifier;
use crate::kinds::{bounded_items, optional_text, required_bytes, required_text, sha256_hex};
use crate::limits;
use formats::b64;
use pki::key::HashAlgorithm;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// intoto 0.0.1: the envelope as JSON text and one key. Client-supplied hashes are ignored.
pub(crate) fn canonicalize_v001(spec: &RawValue) -> Result<Vec<u8>, EntryError> {
    let [content, key] = json::members(spec, ["content", "publicKey"], Names::Exact)?;
    let content = content.ok_or(EntryError::Missing("content"))?;
    let [envelope] = json::members(content, ["envelope"], Names::Exact)?;
    let text = optional_text(envelope).ok_or(EntryError::Missing("envelope"))?;
    let verifier = Verifier::parse(&required_bytes(key, "public key")?)?;
    let envelope = Envelope::parse(&text, PayloadAlphabet::Standard)?;

    // One key only: a signature of another key could never be verified from this entry.
    envelope.cover(std::slice::from_ref(&verifier), Trial::All)?;
    canonical_json(
        "0.0.1",
        json!({
            "content": {
                "hash": sha256_of(text.as_bytes()),
                "payloadHash": sha256_of(&envelope.payload),
            },
            "publicKey": b64::encode(verifier.pem().as_bytes()),
        }),
    )
}

/// intoto 0.0.2: the envelope as an object whose payload and signatures are base64 twice over,
/// each signature with its key, and a hash that the client computed.
pub(crate) fn canonicalize_v002(spec: &RawValue) -> Result<Vec<u8>, EntryError> {
    let [content] = json::members(spec, ["content"], Names::Exact)?;
    let content = content.ok_or(EntryError::Missing("content"))?;
    let [envelope, hash] = json::members(content, ["envelope", "hash"], Names::Exact)?;
    let proposed = ProposedV002::parse(envelope.ok_or(EntryError::Missing("envelope"))?)?;
    let hash = client_hash(hash.ok_or(EntryError::Missing("hash"))?)?;

    let verifiers = proposed
        .signatures
        .iter()
        .map(|signature| Verifier::parse(&signature.public_key))
        .collect::<Result<Vec<_>, _>>()?;
    proposed.envelope.cover(&verifiers, Trial::All)?;
    canonical_json(
        "0.0.2",
        json!({
            "content": {
                "envelope": {
                    "payloadType": proposed.envelope.payload_type,
                    "signatures": proposed.signatures.iter().map(SignatureV002::to_json).collect::<Vec<_>>(),
                },
                "hash": hash,
                "payloadHash": sha256_of(&proposed.envelope.payload),
            },
        }),
    )
}

struct ProposedV002 {
    envelope: Envelope,
    signatures: Vec<SignatureV002>,
}

/// A signature as it is kept: as submitted, in the order submitted, its key not re-encoded.
struct SignatureV002 {
    key_id: String,
    /// The envelope's base64 text, as bytes.
    sig: Vec<u8>,
    public_key: Vec<u8>,
}

impl ProposedV002 {
    fn parse(json: &RawValue) -> Result<Self, EntryError> {
        let names = ["payloadType", "payload", "signatures"];
        let [payload_type, payload, signatures] = json::members(json, names, Names::Exact)?;
        let payload_type = required_text(payload_type, "payloadType")?.into_owned();
        let payload = required_bytes(payload, "payload")?;
        let payload = std::str::from_utf8(&payload)
            .ok()
            .and_then(base64::decode_either);
        let payload = payload.ok_or(EntryError::NotBase64("envelope payload"))?;

        let list = signatures.ok_or(EntryError::NoSignature)?;
        let items = bounded_items(list, "signatures", limits::SIGNATURES)?;
        let signatures = items
            .into_iter()
            .map(SignatureV002::parse)
            .collect::<Result<Vec<_>, _>>()?;
        let texts = signatures
            .iter()
            .map(SignatureV002::text)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            envelope: Envelope::new(payload_type, payload, texts)?,
            signatures,
        })
    }
}

impl SignatureV002 {
    fn parse(json: &RawValue) -> Result<Self, EntryError> {
        let [key_id, sig, public_key] =
            json::members(json, ["keyid", "sig", "publicKey"], Names::Exact)?;
        Ok(Self {
            key_id: optional_text(key_id).unwrap_or_default().into_owned(),
            sig: required_bytes(sig, "signature")?,
            public_key: required_bytes(public_key, "public key")?,
        })
    }

    fn text(&self) -> Result<String, EntryError> {
        String::from_utf8(self.sig.clone()).map_err(|_| EntryError::NotBase64("envelope signature"))
    }

    fn to_json(&self) -> Value {
        let mut json =
            json!({"sig": b64::encode(&self.sig), "publicKey": b64::encode(&self.public_key)});
        if !self.key_id.is_empty() {
            json["keyid"] = Value::from(self.key_id.as_str());
        }
        json
    }
}

/// The client's hash of its envelope: its shape is checked, its value is taken as it is.
fn client_hash(json: &RawValue) -> Result<Value, EntryError> {
    let (hash, value, _) = parse_hash(json)?;
    if hash != HashAlgorithm::Sha256 {
        return Err(EntryError::HashAlgorithm(hash.name().into()));
    }
    Ok(json!({"algorithm": "sha256", "value": value}))
}

fn sha256_of(bytes: &[u8]) -> Value {
    json!({"algorithm": "sha256", "value": sha256_hex(bytes)})
}

fn canonical_json(version: &str, spec: Value) -> Result<Vec<u8>, EntryError> {
    let entry = json!({"apiVersion": version, "kind": "intoto", "spec": spec});
    serde_jcs::to_vec(&entry).map_err(|error| JsonError::Syntax(error.to_string()).into())
}
