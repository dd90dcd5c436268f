//! Reads canonical bodies. Members that matter must be there; members of other releases are ignored,
//! because the log has signed the bytes as they are.

use super::{Body, EntryError, Verifier, VerifierMaterial};
use crate::b64::B64;
use crate::json::{self, null_default};
use crate::limits;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Parses a canonical body; gives kind, version and body.
pub(super) fn body(json: &[u8]) -> Result<(String, String, Body), EntryError> {
    // Logs write kind and version first, so one pass does; whatever else is read in two, which also explain what is wrong.
    if let Some((kind, version)) = canonical_head(json)
        && let Ok(body) = body_of(kind, version, json)
    {
        return Ok((kind.to_owned(), version.to_owned(), body));
    }
    let (kind, version) = kind_version(json)?;
    let body = body_of(&kind, &version, json)?;
    Ok((kind, version, body))
}

/// Reads a body of this kind and version; refuses one that says another kind or version.
fn body_of(kind: &str, version: &str, json: &[u8]) -> Result<Body, EntryError> {
    match (kind, version) {
        ("hashedrekord", "0.0.1") => hashedrekord_v001(spec(kind, version, json)?),
        ("dsse", "0.0.1") => dsse_v001(spec(kind, version, json)?),
        ("hashedrekord", "0.0.2") => hashedrekord_v002(spec(kind, version, json)?),
        ("dsse", "0.0.2") => dsse_v002(spec(kind, version, json)?),
        ("intoto", "0.0.1") => intoto_v001(spec(kind, version, json)?),
        ("intoto", "0.0.2") => intoto_v002(spec(kind, version, json)?),
        _ => Err(EntryError::UnknownKind {
            kind: kind.to_owned(),
            version: version.to_owned(),
        }),
    }
}

/// Kind and version where JCS puts them; a guess, since what follows may repeat them.
fn canonical_head(json: &[u8]) -> Option<(&str, &str)> {
    let rest = json.strip_prefix(br#"{"apiVersion":""#)?;
    let (version, rest) = until_quote(rest)?;
    let (kind, _) = until_quote(rest.strip_prefix(br#","kind":""#)?)?;
    Some((kind, version))
}

/// A text of at most 16 bytes, as kinds and versions are, and what follows its quotation mark.
fn until_quote(json: &[u8]) -> Option<(&str, &[u8])> {
    let end = json.iter().take(17).position(|byte| *byte == b'"')?;
    let text = std::str::from_utf8(json.get(..end)?).ok()?;
    Some((text, json.get(end + 1..)?))
}

/// Reads kind and version of a body of whatever kind.
pub(super) fn kind_version(json: &[u8]) -> Result<(String, String), EntryError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Head {
        #[serde(default, deserialize_with = "null_default")]
        kind: String,
        #[serde(default, deserialize_with = "null_default")]
        api_version: String,
    }
    let head: Head = json::parse(json, limits::BODY_BYTES)?;
    Ok((
        present("kind", head.kind)?,
        present("apiVersion", head.api_version)?,
    ))
}

fn spec<T: DeserializeOwned>(kind: &str, version: &str, json: &[u8]) -> Result<T, EntryError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Entry<T> {
        #[serde(default, deserialize_with = "null_default")]
        kind: String,
        #[serde(default, deserialize_with = "null_default")]
        api_version: String,
        spec: Option<T>,
    }
    let entry: Entry<T> = json::parse(json, limits::BODY_BYTES)?;
    if entry.kind != kind || entry.api_version != version {
        return Err(EntryError::UnknownKind {
            kind: entry.kind,
            version: entry.api_version,
        });
    }
    entry.spec.ok_or(EntryError::Missing("spec"))
}

fn hashedrekord_v001(spec: HashedRekordV001) -> Result<Body, EntryError> {
    Ok(Body::HashedRekordV001 {
        hash_algorithm: present("data.hash.algorithm", spec.data.hash.algorithm)?,
        hash_value: present("data.hash.value", spec.data.hash.value)?,
        signature: filled("signature.content", spec.signature.content)?,
        public_key: filled(
            "signature.publicKey.content",
            spec.signature.public_key.content,
        )?,
    })
}

fn dsse_v001(spec: DsseV001) -> Result<Body, EntryError> {
    at_most_signatures(spec.signatures.len())?;
    let signatures = spec.signatures.into_iter().map(|signature| {
        Ok((
            present("signatures[].signature", signature.signature)?,
            filled("signatures[].verifier", signature.verifier)?,
        ))
    });
    Ok(Body::DsseV001 {
        envelope_hash: sha256("envelopeHash", spec.envelope_hash)?,
        payload_hash: sha256("payloadHash", spec.payload_hash)?,
        signatures: signatures.collect::<Result<_, EntryError>>()?,
    })
}

fn hashedrekord_v002(spec: SpecV002) -> Result<Body, EntryError> {
    let entry = spec
        .hashed_rekord
        .ok_or(EntryError::Missing("spec.hashedRekordV002"))?;
    Ok(Body::HashedRekordV002 {
        algorithm: present("data.algorithm", entry.data.algorithm)?,
        digest: filled("data.digest", entry.data.digest)?,
        signature: filled("signature.content", entry.signature.content)?,
        verifier: verifier(entry.signature.verifier)?,
    })
}

fn dsse_v002(spec: SpecV002) -> Result<Body, EntryError> {
    let entry = spec.dsse.ok_or(EntryError::Missing("spec.dsseV002"))?;
    at_most_signatures(entry.signatures.len())?;
    let signatures = entry.signatures.into_iter();
    let signatures = signatures.map(|s| {
        Ok((
            filled("signatures[].content", s.content)?,
            verifier(s.verifier)?,
        ))
    });
    Ok(Body::DsseV002 {
        algorithm: present("payloadHash.algorithm", entry.payload_hash.algorithm)?,
        payload_digest: filled("payloadHash.digest", entry.payload_hash.digest)?,
        signatures: signatures.collect::<Result<_, EntryError>>()?,
    })
}

fn intoto_v001(spec: IntotoV001) -> Result<Body, EntryError> {
    Ok(Body::IntotoV001 {
        envelope_hash: sha256("content.hash", spec.content.hash)?,
        payload_hash: spec
            .content
            .payload_hash
            .map(|hash| sha256("content.payloadHash", hash))
            .transpose()?,
        public_key: filled("publicKey", spec.public_key)?,
    })
}

fn intoto_v002(spec: IntotoV002) -> Result<Body, EntryError> {
    let envelope = spec.content.envelope;
    at_most_signatures(envelope.signatures.len())?;
    let signatures = envelope.signatures.into_iter().map(|signature| {
        Ok((
            filled("signatures[].sig", signature.sig)?,
            filled("signatures[].publicKey", signature.public_key)?,
        ))
    });
    Ok(Body::IntotoV002 {
        payload_type: present("envelope.payloadType", envelope.payload_type)?,
        payload_hash: spec
            .content
            .payload_hash
            .map(|hash| sha256("content.payloadHash", hash))
            .transpose()?,
        envelope_hash: sha256("content.hash", spec.content.hash)?,
        signatures: signatures.collect::<Result<_, EntryError>>()?,
    })
}

fn verifier(verifier: WireVerifier) -> Result<Verifier, EntryError> {
    let material = match (verifier.public_key, verifier.x509_certificate) {
        (Some(key), None) => {
            VerifierMaterial::PublicKey(filled("publicKey.rawBytes", key.raw_bytes)?)
        }
        (None, Some(cert)) => {
            VerifierMaterial::Certificate(filled("x509Certificate.rawBytes", cert.raw_bytes)?)
        }
        _ => return Err(EntryError::VerifierForm),
    };
    Ok(Verifier {
        key_details: present("keyDetails", verifier.key_details)?,
        material,
    })
}

fn sha256(member: &'static str, hash: Hash) -> Result<String, EntryError> {
    if hash.algorithm != "sha256" {
        return Err(EntryError::HashAlgorithm {
            member,
            algorithm: hash.algorithm,
        });
    }
    present(member, hash.value)
}

fn present(member: &'static str, text: String) -> Result<String, EntryError> {
    if text.is_empty() {
        Err(EntryError::Missing(member))
    } else {
        Ok(text)
    }
}

fn filled(member: &'static str, bytes: B64) -> Result<Vec<u8>, EntryError> {
    if bytes.is_empty() {
        Err(EntryError::Missing(member))
    } else {
        Ok(bytes.0)
    }
}

fn at_most_signatures(have: usize) -> Result<(), EntryError> {
    let limit = limits::ENTRY_SIGNATURES;
    match have {
        0 => Err(EntryError::Missing("signatures")),
        have if have > limit => Err(EntryError::TooMany {
            list: "signatures",
            have,
            limit,
        }),
        _ => Ok(()),
    }
}

#[derive(Deserialize)]
struct Hash {
    algorithm: String,
    value: String,
}

#[derive(Deserialize)]
struct Data {
    hash: Hash,
}

#[derive(Deserialize)]
struct Pem {
    content: B64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignatureV001 {
    content: B64,
    public_key: Pem,
}

#[derive(Deserialize)]
struct HashedRekordV001 {
    data: Data,
    signature: SignatureV001,
}

#[derive(Deserialize)]
struct DsseSignature {
    signature: String,
    verifier: B64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DsseV001 {
    envelope_hash: Hash,
    payload_hash: Hash,
    signatures: Vec<DsseSignature>,
}

#[derive(Deserialize)]
struct SpecV002 {
    #[serde(rename = "hashedRekordV002")]
    hashed_rekord: Option<HashedRekordV002>,
    #[serde(rename = "dsseV002")]
    dsse: Option<DsseV002>,
}

#[derive(Deserialize)]
struct HashedRekordV002 {
    data: HashV002,
    signature: SignatureV002,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DsseV002 {
    payload_hash: HashV002,
    signatures: Vec<SignatureV002>,
}

#[derive(Deserialize)]
struct HashV002 {
    algorithm: String,
    digest: B64,
}

#[derive(Deserialize)]
struct SignatureV002 {
    content: B64,
    verifier: WireVerifier,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireVerifier {
    key_details: String,
    public_key: Option<Raw>,
    x509_certificate: Option<Raw>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    raw_bytes: B64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IntotoV001 {
    content: IntotoContentV001,
    public_key: B64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IntotoContentV001 {
    hash: Hash,
    payload_hash: Option<Hash>,
}

#[derive(Deserialize)]
struct IntotoV002 {
    content: IntotoContentV002,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IntotoContentV002 {
    envelope: IntotoEnvelope,
    hash: Hash,
    payload_hash: Option<Hash>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IntotoEnvelope {
    payload_type: String,
    signatures: Vec<IntotoSignature>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IntotoSignature {
    sig: B64,
    public_key: B64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry;
    use proptest::prelude::*;

    const HASH: &str = r#"{"algorithm":"sha256","value":"00ff"}"#;

    fn parse(kind: &str, version: &str, spec: &str) -> Result<Body, EntryError> {
        let json = format!(r#"{{"apiVersion":"{version}","kind":"{kind}","spec":{spec}}}"#);
        Body::parse(json.as_bytes()).map(|(_, _, body)| body)
    }

    #[test]
    fn what_is_built_is_read_back() {
        let json = entry::hashedrekord_v001("sha256", "00", b"sig", "PEM");
        let body = Body::HashedRekordV001 {
            hash_algorithm: "sha256".into(),
            hash_value: "00".into(),
            signature: b"sig".to_vec(),
            public_key: b"PEM".to_vec(),
        };
        assert_eq!(
            Body::parse(&json),
            Ok(("hashedrekord".into(), "0.0.1".into(), body))
        );

        let verifier = Verifier {
            key_details: "PKIX_ED25519_PH".into(),
            material: VerifierMaterial::PublicKey(b"der".to_vec()),
        };
        let json = entry::hashedrekord_v002("SHA2_512", b"digest", b"sig", &verifier);
        let body = Body::HashedRekordV002 {
            algorithm: "SHA2_512".into(),
            digest: b"digest".to_vec(),
            signature: b"sig".to_vec(),
            verifier,
        };
        assert_eq!(
            Body::parse(&json),
            Ok(("hashedrekord".into(), "0.0.2".into(), body))
        );
    }

    #[test]
    fn the_order_of_members_does_not_matter() {
        let spec = format!(r#"{{"content":{{"hash":{HASH}}},"publicKey":"UEVN"}}"#);
        let canonical = parse("intoto", "0.0.1", &spec);
        assert!(canonical.is_ok());
        for json in [
            format!(r#"{{"spec":{spec},"kind":"intoto","apiVersion":"0.0.1"}}"#),
            format!(r#"{{ "apiVersion": "0.0.1", "kind": "\u0069ntoto", "spec": {spec} }}"#),
            format!(r#"{{"apiVersion":"0.0.1","kind":"\u0069ntoto","spec":{spec}}}"#),
        ] {
            assert_eq!(
                Body::parse(json.as_bytes()).map(|(_, _, body)| body),
                canonical,
                "{json}"
            );
        }
    }

    #[test]
    fn an_old_rekor_v2_dsse_body_is_read() {
        let spec = r#"{"dsseV002":{"payloadHash":{"algorithm":"SHA2_256","digest":"ZA=="},"signatures":[{"content":"cw==","verifier":{"keyDetails":"K","x509Certificate":{"rawBytes":"Yw=="}}}]}}"#;
        let verifier = Verifier {
            key_details: "K".into(),
            material: VerifierMaterial::Certificate(b"c".to_vec()),
        };
        assert_eq!(
            parse("dsse", "0.0.2", spec),
            Ok(Body::DsseV002 {
                algorithm: "SHA2_256".into(),
                payload_digest: b"d".to_vec(),
                signatures: vec![(b"s".to_vec(), verifier)],
            })
        );
    }

    #[test]
    fn old_intoto_bodies_may_lack_the_payload_hash() {
        let spec = format!(r#"{{"content":{{"hash":{HASH}}},"publicKey":"UEVN"}}"#);
        assert_eq!(
            parse("intoto", "0.0.1", &spec),
            Ok(Body::IntotoV001 {
                envelope_hash: "00ff".into(),
                payload_hash: None,
                public_key: b"PEM".to_vec()
            })
        );
    }

    #[test]
    fn intoto_signatures_stay_base64_text() {
        // "TUVVPQ==" is the base64 of the text "MEU=".
        let spec = format!(
            r#"{{"content":{{"envelope":{{"payloadType":"t","signatures":[{{"sig":"TUVVPQ==","publicKey":"UEVN"}}]}},"hash":{HASH},"payloadHash":{HASH}}}}}"#
        );
        let Ok(Body::IntotoV002 {
            signatures,
            payload_hash,
            ..
        }) = parse("intoto", "0.0.2", &spec)
        else {
            panic!("not read");
        };
        assert_eq!(signatures, vec![(b"MEU=".to_vec(), b"PEM".to_vec())]);
        assert_eq!(payload_hash.as_deref(), Some("00ff"));
    }

    #[test]
    fn another_hash_than_sha256_is_refused_where_it_is_fixed() {
        let spec = format!(
            r#"{{"envelopeHash":{HASH},"payloadHash":{{"algorithm":"sha512","value":"00"}},"signatures":[{{"signature":"s","verifier":"UEVN"}}]}}"#
        );
        let error = EntryError::HashAlgorithm {
            member: "payloadHash",
            algorithm: "sha512".into(),
        };
        assert_eq!(parse("dsse", "0.0.1", &spec), Err(error));
    }

    #[test]
    fn unknown_kinds_missing_specs_and_two_verifiers_have_their_own_errors() {
        assert_eq!(
            parse("rpm", "0.0.1", "{}"),
            Err(EntryError::UnknownKind {
                kind: "rpm".into(),
                version: "0.0.1".into()
            })
        );
        assert_eq!(
            Body::parse(br#"{"apiVersion":"0.0.1"}"#),
            Err(EntryError::Missing("kind"))
        );
        assert_eq!(
            Body::parse(br#"{"apiVersion":"0.0.1","kind":"hashedrekord"}"#),
            Err(EntryError::Missing("spec"))
        );
        let both = r#"{"hashedRekordV002":{"data":{"algorithm":"a","digest":"ZA=="},"signature":{"content":"cw==","verifier":{"keyDetails":"K","publicKey":{"rawBytes":"aw=="},"x509Certificate":{"rawBytes":"Yw=="}}}}}"#;
        assert_eq!(
            parse("hashedrekord", "0.0.2", both),
            Err(EntryError::VerifierForm)
        );
    }

    #[test]
    fn a_repeated_member_is_refused() {
        let json = br#"{"apiVersion":"0.0.1","kind":"dsse","kind":"hashedrekord","spec":{}}"#;
        assert!(matches!(Body::parse(json), Err(EntryError::Json(_))));
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_without_panic(bytes: Vec<u8>) {
            let _ = Body::parse(&bytes);
        }
    }
}
