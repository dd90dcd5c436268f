//! Builds canonical bodies.
//!
//! The structs declare their members in JCS order and hold only text and integers below 2^53, for
//! which serde_json's output is canonical already (RFC 8785 sections 3.2.2 and 3.2.3); sorting
//! through a tree would cost several times as much on the hottest path of the log. The tests hold
//! both equal.

use super::{Verifier, VerifierMaterial};
use crate::b64;
use serde::Serialize;

/// Builds a hashedrekord 0.0.1 body. `public_key_pem` is canonical PEM text (64 columns, LF, final
/// LF); algorithm (`sha256`) and hex value are stored as submitted.
pub fn hashedrekord_v001(
    hash_algorithm: &str,
    hash_value: &str,
    signature: &[u8],
    public_key_pem: &str,
) -> Vec<u8> {
    let spec = HashedRekordV001 {
        data: Data {
            hash: Hash {
                algorithm: hash_algorithm,
                value: hash_value,
            },
        },
        signature: SignatureV001 {
            content: b64::encode(signature),
            public_key: Pem {
                content: b64::encode(public_key_pem.as_bytes()),
            },
        },
    };
    entry("hashedrekord", "0.0.1", &spec)
}

/// Builds a dsse 0.0.1 body. `signatures` are (the envelope's base64 signature text, canonical PEM);
/// they are sorted bytewise by signature text here.
pub fn dsse_v001(
    envelope_hash_hex: &str,
    payload_hash_hex: &str,
    signatures: &[(String, String)],
) -> Vec<u8> {
    let mut sorted: Vec<_> = signatures.iter().collect();
    sorted.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    let signatures = sorted
        .into_iter()
        .map(|(signature, pem)| DsseSignature {
            signature,
            verifier: b64::encode(pem.as_bytes()),
        })
        .collect();
    let sha256 = |value| Hash {
        algorithm: "sha256",
        value,
    };
    let spec = DsseV001 {
        envelope_hash: sha256(envelope_hash_hex),
        payload_hash: sha256(payload_hash_hex),
        signatures,
    };
    entry("dsse", "0.0.1", &spec)
}

/// Builds a hashedrekord 0.0.2 body. `algorithm` is `SHA2_256`, `SHA2_384` or `SHA2_512` and follows
/// from the verifier's key details; DER is stored as sent.
pub fn hashedrekord_v002(
    algorithm: &str,
    digest: &[u8],
    signature: &[u8],
    verifier: &Verifier,
) -> Vec<u8> {
    let (public_key, x509_certificate) = match &verifier.material {
        VerifierMaterial::PublicKey(der) => (
            Some(Raw {
                raw_bytes: b64::encode(der),
            }),
            None,
        ),
        VerifierMaterial::Certificate(der) => (
            None,
            Some(Raw {
                raw_bytes: b64::encode(der),
            }),
        ),
    };
    let spec = SpecV002 {
        hashed_rekord: HashedRekordV002 {
            data: DataV002 {
                algorithm,
                digest: b64::encode(digest),
            },
            signature: SignatureV002 {
                content: b64::encode(signature),
                verifier: WireVerifier {
                    key_details: &verifier.key_details,
                    public_key,
                    x509_certificate,
                },
            },
        },
    };
    entry("hashedrekord", "0.0.2", &spec)
}

/// Builds the bytes that a SET signs (spec/rekor.md A.5): JCS of `{body, integratedTime, logID, logIndex}`
/// with the body as base64 text, the log ID as hex and the index over all shards.
pub fn set_input(body: &[u8], integrated_time: i64, log_id: &[u8; 32], log_index: i64) -> Vec<u8> {
    // Neither base64, hex nor integers have anything to escape.
    let (body, log_id) = (b64::encode(body), hex::encode(log_id));
    format!(
        r#"{{"body":"{body}","integratedTime":{integrated_time},"logID":"{log_id}","logIndex":{log_index}}}"#
    )
    .into_bytes()
}

fn entry<T: Serialize>(kind: &'static str, api_version: &'static str, spec: &T) -> Vec<u8> {
    #[derive(Serialize)]
    struct Entry<'a, T> {
        #[serde(rename = "apiVersion")]
        api_version: &'static str,
        kind: &'static str,
        spec: &'a T,
    }
    json(&Entry {
        api_version,
        kind,
        spec,
    })
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("structs of text and integers always serialize")
}

#[derive(Serialize)]
struct Hash<'a> {
    algorithm: &'a str,
    value: &'a str,
}

#[derive(Serialize)]
struct Data<'a> {
    hash: Hash<'a>,
}

#[derive(Serialize)]
struct Pem {
    content: String,
}

#[derive(Serialize)]
struct SignatureV001 {
    content: String,
    #[serde(rename = "publicKey")]
    public_key: Pem,
}

#[derive(Serialize)]
struct HashedRekordV001<'a> {
    data: Data<'a>,
    signature: SignatureV001,
}

#[derive(Serialize)]
struct DsseSignature<'a> {
    signature: &'a str,
    verifier: String,
}

#[derive(Serialize)]
struct DsseV001<'a> {
    #[serde(rename = "envelopeHash")]
    envelope_hash: Hash<'a>,
    #[serde(rename = "payloadHash")]
    payload_hash: Hash<'a>,
    signatures: Vec<DsseSignature<'a>>,
}

#[derive(Serialize)]
struct DataV002<'a> {
    algorithm: &'a str,
    digest: String,
}

#[derive(Serialize)]
struct Raw {
    #[serde(rename = "rawBytes")]
    raw_bytes: String,
}

#[derive(Serialize)]
struct WireVerifier<'a> {
    #[serde(rename = "keyDetails")]
    key_details: &'a str,
    #[serde(rename = "publicKey", skip_serializing_if = "Option::is_none")]
    public_key: Option<Raw>,
    #[serde(rename = "x509Certificate", skip_serializing_if = "Option::is_none")]
    x509_certificate: Option<Raw>,
}

#[derive(Serialize)]
struct SignatureV002<'a> {
    content: String,
    verifier: WireVerifier<'a>,
}

#[derive(Serialize)]
struct HashedRekordV002<'a> {
    data: DataV002<'a>,
    signature: SignatureV002<'a>,
}

#[derive(Serialize)]
struct SpecV002<'a> {
    #[serde(rename = "hashedRekordV002")]
    hashed_rekord: HashedRekordV002<'a>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_canonical(bytes: &[u8]) -> bool {
        let value: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        crate::jcs::to_vec(&value).unwrap() == bytes
    }

    #[test]
    fn a_hashedrekord_v001_body_is_byte_exact() {
        let body = hashedrekord_v001("sha256", "ab", b"sig", "PEM\n");
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"apiVersion":"0.0.1","kind":"hashedrekord","spec":{"data":{"hash":{"algorithm":"sha256","value":"ab"}},"signature":{"content":"c2ln","publicKey":{"content":"UEVNCg=="}}}}"#
        );
    }

    #[test]
    fn a_hashedrekord_v002_body_holds_one_form_of_verifier() {
        let verifier = |material| Verifier {
            key_details: "PKIX_ECDSA_P256_SHA_256".into(),
            material,
        };
        let with_key = hashedrekord_v002(
            "SHA2_256",
            b"d",
            b"s",
            &verifier(VerifierMaterial::PublicKey(b"k".to_vec())),
        );
        assert_eq!(
            String::from_utf8(with_key).unwrap(),
            r#"{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{"hashedRekordV002":{"data":{"algorithm":"SHA2_256","digest":"ZA=="},"signature":{"content":"cw==","verifier":{"keyDetails":"PKIX_ECDSA_P256_SHA_256","publicKey":{"rawBytes":"aw=="}}}}}}"#
        );
        let with_certificate = hashedrekord_v002(
            "SHA2_256",
            b"d",
            b"s",
            &verifier(VerifierMaterial::Certificate(b"c".to_vec())),
        );
        assert!(
            String::from_utf8(with_certificate)
                .unwrap()
                .contains(r#""x509Certificate":{"rawBytes":"Yw=="}"#)
        );
    }

    #[test]
    fn dsse_signatures_are_sorted_bytewise() {
        let signatures = [
            ("b".to_owned(), "2".to_owned()),
            ("B".to_owned(), "1".to_owned()),
        ];
        let text = String::from_utf8(dsse_v001("e", "p", &signatures)).unwrap();
        assert!(text.ends_with(r#""signatures":[{"signature":"B","verifier":"MQ=="},{"signature":"b","verifier":"Mg=="}]}}"#), "{text}");
    }

    #[test]
    fn a_set_covers_four_members() {
        let input = set_input(b"{}", 1_700_000_000, &[0xab; 32], 7);
        let expected = format!(
            r#"{{"body":"e30=","integratedTime":1700000000,"logID":"{}","logIndex":7}}"#,
            "ab".repeat(32)
        );
        assert_eq!(String::from_utf8(input).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn struct_order_is_jcs_order(a: String, b: String, bytes: Vec<u8>, texts in prop::collection::vec((".*", ".*"), 0..4)) {
            prop_assert!(is_canonical(&hashedrekord_v001(&a, &b, &bytes, &a)));
            prop_assert!(is_canonical(&dsse_v001(&a, &b, &texts)));
            let material = VerifierMaterial::Certificate(bytes.clone());
            let verifier = Verifier { key_details: b, material };
            prop_assert!(is_canonical(&hashedrekord_v002(&a, &bytes, &bytes, &verifier)));
        }

        #[test]
        fn a_set_input_is_canonical(body: Vec<u8>, time in 0i64..1 << 40, index in 0i64..1 << 53) {
            prop_assert!(is_canonical(&set_input(&body, time, &[7; 32], index)));
        }
    }
}
