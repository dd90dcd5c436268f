//! A log entry for a signature, from Rekor v1 (spec/rekor.md A.4, A.14) or v2 (B.3, B.5).

use crate::error::{ServiceName, SignError};
use crate::http::{Answer, Call, Transport, join};
use crate::limits;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use formats::bundle::TransparencyLogEntry;
use formats::dsse::Envelope;
use formats::entry::{self, Body, Verifier, VerifierMaterial};
use formats::wire::LogEntryMap;
use pki::cert::Certificate;
use serde_json::json;
use sha2::{Digest, Sha256};
use url::Url;

/// What is signed and by whom.
pub(crate) struct Proposal<'a> {
    pub(crate) signed: Signed<'a>,
    pub(crate) signature: &'a [u8],
    pub(crate) leaf: &'a Certificate,
}

/// What the signature covers.
pub(crate) enum Signed<'a> {
    /// SHA-256 of an artifact.
    Digest([u8; 32]),
    /// An envelope, through its PAE.
    Envelope(&'a Envelope),
}

/// A request with the body that an honest log makes of it.
struct Request {
    json: Vec<u8>,
    expected: Vec<u8>,
}

/// Puts an entry into the log at `base` and gives it as it stands in a bundle.
pub(crate) async fn log(
    transport: &Transport,
    base: &str,
    version: u32,
    proposal: &Proposal<'_>,
) -> Result<TransparencyLogEntry, SignError> {
    match version {
        2 => log_v2(transport, base, proposal.v2()).await,
        _ => log_v1(transport, base, proposal.v1()).await,
    }
}

async fn log_v1(
    transport: &Transport,
    base: &str,
    request: Request,
) -> Result<TransparencyLogEntry, SignError> {
    let post = call(
        join(ServiceName::Log, base, "api/v1/log/entries")?,
        Some(&request.json),
    );
    let answer = transport.send(&post).await?;
    match answer.status {
        200 | 201 => v1_entry(&post, &answer, &request.expected),
        // The entry is there already, from an attempt whose answer was lost: take it.
        409 => {
            let id = entry_id(answer.location.as_deref()).ok_or_else(|| post.refused(&answer))?;
            let get = call(
                join(ServiceName::Log, base, &format!("api/v1/log/entries/{id}"))?,
                None,
            );
            let answer = transport.send(&get).await?;
            if answer.status != 200 {
                return Err(get.refused(&answer));
            }
            v1_entry(&get, &answer, &request.expected)
        }
        _ => Err(post.refused(&answer)),
    }
}

async fn log_v2(
    transport: &Transport,
    base: &str,
    request: Request,
) -> Result<TransparencyLogEntry, SignError> {
    let post = call(
        join(ServiceName::Log, base, "api/v2/log/entries")?,
        Some(&request.json),
    );
    let answer = transport.send(&post).await?;
    if !matches!(answer.status, 200 | 201) {
        return Err(post.refused(&answer));
    }
    let entry = TransparencyLogEntry::parse_rekor_v2(&answer.body)
        .map_err(|error| post.unreadable(error))?;
    check_body(&post, entry, &request.expected)
}

fn call(url: Url, body: Option<&[u8]>) -> Call<'_> {
    Call {
        service: ServiceName::Log,
        url,
        body: body.map(|body| ("application/json", body)),
        accept: "application/json",
        token: None,
        limit: limits::REKOR_ANSWER,
    }
}

fn v1_entry(
    call: &Call<'_>,
    answer: &Answer,
    expected: &[u8],
) -> Result<TransparencyLogEntry, SignError> {
    let map: LogEntryMap = formats::json::parse(&answer.body, limits::REKOR_ANSWER)
        .map_err(|error| call.unreadable(error))?;
    if map.len() != 1 {
        return Err(call.unreadable(format!("it holds {} entries instead of one", map.len())));
    }
    let entry = map
        .values()
        .next()
        .ok_or_else(|| call.unreadable("it holds no entry"))?;
    let entry = entry
        .to_transparency_log_entry()
        .map_err(|error| call.unreadable(error))?;
    check_body(call, entry, expected)
}

/// The log must have logged what was sent; compared by meaning, the bytes are the verifier's matter.
fn check_body(
    call: &Call<'_>,
    entry: TransparencyLogEntry,
    expected: &[u8],
) -> Result<TransparencyLogEntry, SignError> {
    let logged =
        Body::parse(&entry.canonicalized_body.0).map_err(|error| call.unreadable(error))?;
    if Body::parse(expected).is_ok_and(|expected| expected == logged) {
        return Ok(entry);
    }
    Err(SignError::ForeignEntry {
        url: call.url.to_string(),
    })
}

/// The last segment of a Location: 64 or 80 hex digits. Only that is taken, so that a log cannot send
/// the client elsewhere.
fn entry_id(location: Option<&str>) -> Option<&str> {
    let path = location?.split(['?', '#']).next()?;
    let id = path.trim_end_matches('/').rsplit('/').next()?;
    (matches!(id.len(), 64 | 80) && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

impl Proposal<'_> {
    fn v1(&self) -> Request {
        match &self.signed {
            Signed::Digest(digest) => self.hashedrekord_v001(digest),
            Signed::Envelope(envelope) => self.dsse_v001(envelope),
        }
    }

    fn hashedrekord_v001(&self, digest: &[u8; 32]) -> Request {
        let (pem, hash) = (self.leaf.to_pem(), hex::encode(digest));
        let request = json!({
            "apiVersion": "0.0.1",
            "kind": "hashedrekord",
            "spec": {
                "data": {"hash": {"algorithm": "sha256", "value": hash}},
                "signature": {
                    "content": STANDARD.encode(self.signature),
                    "publicKey": {"content": STANDARD.encode(&pem)},
                },
            },
        });
        let expected = entry::hashedrekord_v001("sha256", &hash, self.signature, &pem);
        Request {
            json: request.to_string().into_bytes(),
            expected,
        }
    }

    fn dsse_v001(&self, envelope: &Envelope) -> Request {
        let pem = self.leaf.to_pem();
        // The log hashes this very text, so it must be the one that is sent.
        let text = serde_json::to_string(envelope).expect("text and lists of it always serialize");
        let request = json!({
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {"proposedContent": {"envelope": text, "verifiers": [STANDARD.encode(&pem)]}},
        });
        let envelope_hash = hex::encode(Sha256::digest(&text));
        let payload_hash = hex::encode(Sha256::digest(&envelope.payload.0));
        let signatures = [(STANDARD.encode(self.signature), pem)];
        let expected = entry::dsse_v001(&envelope_hash, &payload_hash, &signatures);
        Request {
            json: request.to_string().into_bytes(),
            expected,
        }
    }

    /// Both contents are a hashedrekord 0.0.2; an envelope's digest is that of its PAE.
    fn v2(&self) -> Request {
        let digest: [u8; 32] = match &self.signed {
            Signed::Digest(digest) => *digest,
            Signed::Envelope(envelope) => Sha256::digest(envelope.pae()).into(),
        };
        let der = self.leaf.der();
        let request = json!({
            "hashedRekordRequestV002": {
                "digest": STANDARD.encode(digest),
                "signature": {
                    "content": STANDARD.encode(self.signature),
                    "verifier": {"x509Certificate": {"rawBytes": STANDARD.encode(der)}, "keyDetails": KEY_DETAILS},
                },
            },
        });
        let verifier = Verifier {
            key_details: KEY_DETAILS.to_owned(),
            material: VerifierMaterial::Certificate(der.to_vec()),
        };
        let expected = entry::hashedrekord_v002("SHA2_256", &digest, self.signature, &verifier);
        Request {
            json: request.to_string().into_bytes(),
            expected,
        }
    }
}

/// The scheme of every [`keys::EphemeralKey`].
const KEY_DETAILS: &str = "PKIX_ECDSA_P256_SHA_256";

#[cfg(test)]
mod tests {
    use super::*;
    use formats::b64::B64;
    use formats::dsse::{IN_TOTO, Signature};
    use serde_json::Value;

    fn envelope() -> Envelope {
        let signatures = vec![Signature {
            sig: B64(b"sig".to_vec()),
            keyid: String::new(),
        }];
        Envelope {
            payload: B64(b"{}".to_vec()),
            payload_type: IN_TOTO.to_owned(),
            signatures,
        }
    }

    /// A certificate out of a published bundle.
    fn leaf() -> Option<Certificate> {
        let folder = testkit::vectors("conformance")?;
        let json = std::fs::read(folder.join("happy-path-v0.3/bundle.sigstore.json")).unwrap();
        let bundle = formats::bundle::Bundle::parse(&json).unwrap();
        Some(Certificate::parse_der(bundle.verification_material.leaf_der().unwrap()).unwrap())
    }

    fn value(json: &[u8]) -> Value {
        serde_json::from_slice(json).unwrap()
    }

    #[test]
    fn a_v1_hashedrekord_request_has_the_shape_of_its_body() {
        let Some(leaf) = leaf() else { return };
        let proposal = Proposal {
            signed: Signed::Digest([0xab; 32]),
            signature: b"sig",
            leaf: &leaf,
        };
        let request = proposal.v1();
        assert_eq!(value(&request.json), value(&request.expected));
        let json = value(&request.json);
        assert_eq!(
            json["spec"]["data"]["hash"],
            json!({"algorithm": "sha256", "value": "ab".repeat(32)})
        );
        assert_eq!(json["spec"]["signature"]["content"], "c2ln");
        let pem = STANDARD
            .decode(
                json["spec"]["signature"]["publicKey"]["content"]
                    .as_str()
                    .unwrap(),
            )
            .unwrap();
        assert!(
            pem.starts_with(b"-----BEGIN CERTIFICATE-----\n")
                && pem.ends_with(b"-----END CERTIFICATE-----\n")
        );
    }

    #[test]
    fn a_v1_dsse_request_sends_the_text_whose_hash_is_logged() {
        let Some(leaf) = leaf() else { return };
        let envelope = envelope();
        let proposal = Proposal {
            signed: Signed::Envelope(&envelope),
            signature: b"sig",
            leaf: &leaf,
        };
        let request = proposal.v1();
        let json = value(&request.json);
        assert_eq!(
            (&json["kind"], &json["apiVersion"]),
            (&json!("dsse"), &json!("0.0.1"))
        );
        let content = &json["spec"]["proposedContent"];
        let text = content["envelope"].as_str().unwrap();
        assert_eq!(
            text,
            format!(
                r#"{{"payload":"e30=","payloadType":"{IN_TOTO}","signatures":[{{"sig":"c2ln"}}]}}"#
            )
        );
        assert_eq!(content["verifiers"].as_array().unwrap().len(), 1);
        let body = value(&request.expected);
        assert_eq!(
            body["spec"]["envelopeHash"]["value"],
            hex::encode(Sha256::digest(text))
        );
        assert_eq!(
            body["spec"]["payloadHash"]["value"],
            hex::encode(Sha256::digest(b"{}"))
        );
        assert_eq!(body["spec"]["signatures"][0]["signature"], "c2ln");
    }

    #[test]
    fn a_v2_request_is_a_hashedrekord_for_both_contents() {
        let Some(leaf) = leaf() else { return };
        let request = Proposal {
            signed: Signed::Digest([0; 32]),
            signature: b"sig",
            leaf: &leaf,
        }
        .v2();
        let json = value(&request.json);
        let inner = &json["hashedRekordRequestV002"];
        assert_eq!(inner["digest"], STANDARD.encode([0; 32]));
        assert_eq!(
            inner["signature"]["verifier"]["keyDetails"],
            "PKIX_ECDSA_P256_SHA_256"
        );
        assert_eq!(
            inner["signature"]["verifier"]["x509Certificate"]["rawBytes"],
            STANDARD.encode(leaf.der())
        );
        assert_eq!(json.as_object().unwrap().len(), 1);

        let envelope = envelope();
        let request = Proposal {
            signed: Signed::Envelope(&envelope),
            signature: b"sig",
            leaf: &leaf,
        }
        .v2();
        let pae = format!("DSSEv1 {} {IN_TOTO} 2 {{}}", IN_TOTO.len());
        let digest = STANDARD.encode(Sha256::digest(pae));
        assert_eq!(
            value(&request.json)["hashedRekordRequestV002"]["digest"],
            digest
        );
        assert_eq!(
            value(&request.expected)["spec"]["hashedRekordV002"]["data"]["digest"],
            digest
        );
    }

    #[test]
    fn of_a_location_only_the_entry_id_is_taken() {
        let id = "ab".repeat(40);
        for location in [
            format!("/api/v1/log/entries/{id}"),
            format!("https://elsewhere.example/{id}/"),
            format!("/api/v1/log/entries/{id}?a=b"),
            id.clone(),
        ] {
            assert_eq!(entry_id(Some(&location)), Some(id.as_str()), "{location}");
        }
        let short = "ab".repeat(32);
        assert_eq!(entry_id(Some(&short)), Some(short.as_str()));
        for bad in [
            "",
            "/",
            "/api/v1/log/entries/",
            "/x/../../secret",
            "zz",
            &"zz".repeat(40),
            &"ab".repeat(41),
        ] {
            assert_eq!(entry_id(Some(bad)), None, "{bad}");
        }
        assert_eq!(entry_id(None), None);
    }

    #[test]
    fn an_entry_for_something_else_is_refused() {
        let url = Url::parse("https://rekor.example/api/v1/log/entries").unwrap();
        let call = call(url, None);
        let body = |digest: &str| entry::hashedrekord_v001("sha256", digest, b"sig", "PEM");
        let logged = |digest| TransparencyLogEntry {
            canonicalized_body: B64(body(digest)),
            ..Default::default()
        };
        assert!(check_body(&call, logged("aa"), &body("aa")).is_ok());
        let error = check_body(&call, logged("bb"), &body("aa")).unwrap_err();
        assert!(matches!(error, SignError::ForeignEntry { .. }));
    }
}
