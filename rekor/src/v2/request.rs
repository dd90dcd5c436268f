//! `CreateEntryRequest` as protojson: lowerCamelCase or snake_case members, base64 of either
//! alphabet, enums by name or number, nothing unknown (spec B.3).

use crate::json::{self, JsonError};
use crate::kinds::bounded_items;
use crate::kinds::error::EntryError;
use crate::limits;
use formats::entry::VerifierMaterial;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A parsed request. Members that were absent are empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    HashedRekord {
        digest: Vec<u8>,
        signature: Vec<u8>,
        verifier: Option<Verifier>,
    },
    Dsse {
        payload_type: String,
        payload: Vec<u8>,
        signatures: Vec<Vec<u8>>,
        verifiers: Vec<Verifier>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verifier {
    pub(crate) material: Option<VerifierMaterial>,
    /// Name of the enum value; empty when absent.
    pub(crate) key_details: Cow<'static, str>,
}

impl Request {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, EntryError> {
        let names = [
            ["hashedRekordRequestV002", "hashed_rekord_request_v002"],
            ["dsseRequestV002", "dsse_request_v002"],
        ];
        match json::message(json::only_value(bytes)?, names)? {
            [Some(_), Some(_)] => Err(EntryError::OneOf("request spec")),
            [Some(hashed_rekord), None] => parse_hashed_rekord(hashed_rekord),
            [None, Some(dsse)] => parse_dsse(dsse),
            [None, None] => Err(EntryError::NotHashedRekord),
        }
    }
}

fn parse_hashed_rekord(json: &RawValue) -> Result<Request, EntryError> {
    let [signature, digest] = json::message(json, [["signature"; 2], ["digest"; 2]])?;
    let (content, verifier) = match signature {
        Some(json) => json::message(json, [["content"; 2], ["verifier"; 2]])?.into(),
        None => (None, None),
    };
    Ok(Request::HashedRekord {
        digest: bytes(digest, "digest")?,
        signature: bytes(content, "signature.content")?,
        verifier: verifier.map(parse_verifier).transpose()?,
    })
}

fn parse_dsse(json: &RawValue) -> Result<Request, EntryError> {
    let [envelope, verifiers] = json::message(json, [["envelope"; 2], ["verifiers"; 2]])?;
    let envelope = envelope.ok_or(EntryError::Missing("envelope"))?;
    let names = [
        ["payload"; 2],
        ["payloadType", "payload_type"],
        ["signatures"; 2],
    ];
    let [payload, payload_type, signatures] = json::message(envelope, names)?;
    let signatures = list(signatures, "signatures", limits::SIGNATURES)?;
    let verifiers = list(verifiers, "verifiers", limits::VERIFIERS)?;
    Ok(Request::Dsse {
        payload_type: payload_type
            .map_or(Ok(Cow::Borrowed("")), json::text)?
            .into_owned(),
        payload: bytes(payload, "envelope.payload")?,
        signatures: signatures
            .into_iter()
            .map(parse_signature)
            .collect::<Result<_, _>>()?,
        verifiers: verifiers
            .into_iter()
            .map(parse_verifier)
            .collect::<Result<_, _>>()?,
    })
}

/// A repeated member; absent means empty.
fn list<'a>(
    json: Option<&'a RawValue>,
    what: &'static str,
    max: usize,
) -> Result<Vec<&'a RawValue>, EntryError> {
    json.map_or(Ok(Vec::new()), |json| bounded_items(json, what, max))
}

fn parse_signature(json: &RawValue) -> Result<Vec<u8>, EntryError> {
    let [sig, key_id] = json::message(json, [["sig"; 2], ["keyid"; 2]])?;
    key_id.map(json::text).transpose()?;
    bytes(sig, "envelope.signatures.sig")
}

fn parse_verifier(json: &RawValue) -> Result<Verifier, EntryError> {
    let names = [
        ["publicKey", "public_key"],
        ["x509Certificate", "x509_certificate"],
        ["keyDetails", "key_details"],
    ];
    let [public_key, certificate, key_details] = json::message(json, names)?;
    let raw_bytes = |json: &RawValue| {
        let [raw] = json::message(json, [["rawBytes", "raw_bytes"]])?;
        bytes(raw, "rawBytes")
    };
    let material = match (public_key, certificate) {
        (Some(_), Some(_)) => return Err(EntryError::OneOf("verifier")),
        (Some(key), None) => Some(VerifierMaterial::PublicKey(raw_bytes(key)?)),
        (None, Some(cert)) => Some(VerifierMaterial::Certificate(raw_bytes(cert)?)),
        (None, None) => None,
    };
    let key_details = key_details.map_or(Ok(Cow::Borrowed("")), parse_key_details)?;
    Ok(Verifier {
        material,
        key_details,
    })
}

/// A bytes member; absent means empty.
fn bytes(json: Option<&RawValue>, name: &'static str) -> Result<Vec<u8>, EntryError> {
    let Some(json) = json else {
        return Ok(Vec::new());
    };
    formats::b64::decode_lenient(&json::text(json)?).ok_or(EntryError::NotBase64(name))
}

/// Names of protobuf-specs' `PublicKeyDetails` by number, as far as a log knows what they mean.
const KEY_DETAILS: [(i64, &str); 23] = [
    (1, "PKCS1_RSA_PKCS1V5"),
    (2, "PKCS1_RSA_PSS"),
    (3, "PKIX_RSA_PKCS1V5"),
    (4, "PKIX_RSA_PSS"),
    (5, "PKIX_ECDSA_P256_SHA_256"),
    (6, "PKIX_ECDSA_P256_HMAC_SHA_256"),
    (7, "PKIX_ED25519"),
    (8, "PKIX_ED25519_PH"),
    (9, "PKIX_RSA_PKCS1V15_2048_SHA256"),
    (10, "PKIX_RSA_PKCS1V15_3072_SHA256"),
    (11, "PKIX_RSA_PKCS1V15_4096_SHA256"),
    (12, "PKIX_ECDSA_P384_SHA_384"),
    (13, "PKIX_ECDSA_P521_SHA_512"),
    (14, "LMS_SHA256"),
    (15, "LMOTS_SHA256"),
    (16, "PKIX_RSA_PSS_2048_SHA256"),
    (17, "PKIX_RSA_PSS_3072_SHA256"),
    (18, "PKIX_RSA_PSS_4096_SHA256"),
    (19, "PKIX_ECDSA_P384_SHA_256"),
    (20, "PKIX_ECDSA_P521_SHA_256"),
    (21, "ML_DSA_65"),
    (22, "ML_DSA_87"),
    (23, "ML_DSA_44"),
];

fn parse_key_details(json: &RawValue) -> Result<Cow<'static, str>, EntryError> {
    if let Ok(name) = json::text(json) {
        let known = KEY_DETAILS.into_iter().find(|(_, known)| *known == name);
        return Ok(match known {
            Some((_, known)) => Cow::Borrowed(known),
            None => Cow::Owned(crate::echo(&name)),
        });
    }
    let type_error = JsonError::Type {
        want: "an enum name or number",
        have: json::type_name(json),
    };
    let number = json::integer(json).map_err(|_| type_error)?;
    let known = KEY_DETAILS.into_iter().find(|(known, _)| *known == number);
    Ok(match known {
        Some((_, name)) => Cow::Borrowed(name),
        None if number == 0 => Cow::Borrowed(""),
        None => Cow::Owned(number.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Request, EntryError> {
        Request::parse(text.as_bytes())
    }

    const CAMEL: &str = r#"{"hashedRekordRequestV002":{"digest":"+/8=","signature":{"content":"AQ==",
        "verifier":{"publicKey":{"rawBytes":"Ag=="},"keyDetails":"PKIX_ECDSA_P256_SHA_256"}}}}"#;

    #[test]
    fn either_naming_either_alphabet_and_either_enum_form_are_one_request() {
        let snake = r#"{"hashed_rekord_request_v002":{"digest":"-_8","signature":{"content":"AQ",
            "verifier":{"public_key":{"raw_bytes":"Ag"},"key_details":5}}}}"#;
        assert_eq!(parse(CAMEL).unwrap(), parse(snake).unwrap());
    }

    #[test]
    fn unknown_members_are_refused_at_every_level() {
        let inner = [
            "\"digest\":",
            "\"content\":",
            "\"publicKey\":",
            "\"rawBytes\":",
        ];
        for member in inner {
            let json = CAMEL.replacen(member, &format!("\"extra\":1,{member}"), 1);
            assert_eq!(
                parse(&json),
                Err(JsonError::UnknownMember("extra".into()).into()),
                "{member}"
            );
        }
        assert!(parse(&CAMEL.replacen('{', r#"{"x":1,"#, 1)).is_err());
        assert!(parse(&format!("{CAMEL} x")).is_err());
    }

    #[test]
    fn only_one_member_of_a_oneof() {
        let both = CAMEL.replacen('{', r#"{"dsseRequestV002":{},"#, 1);
        assert_eq!(parse(&both), Err(EntryError::OneOf("request spec")));
        let keys = CAMEL.replacen(
            "\"publicKey\"",
            "\"x509Certificate\":{\"rawBytes\":\"Aw==\"},\"publicKey\"",
            1,
        );
        assert_eq!(parse(&keys), Err(EntryError::OneOf("verifier")));
        assert_eq!(parse("{}"), Err(EntryError::NotHashedRekord));
    }

    #[test]
    fn a_dsse_request_is_read() {
        let json = r#"{"dsseRequestV002":{"envelope":{"payload":"aGk","payloadType":"t",
            "signatures":[{"sig":"AQ==","keyid":""}]},"verifiers":[{"x509Certificate":{"rawBytes":"Ag=="},
            "keyDetails":"PKIX_ECDSA_P256_SHA_256"}]}}"#;
        let Request::Dsse {
            payload_type,
            payload,
            signatures,
            verifiers,
        } = parse(json).unwrap()
        else {
            panic!("not dsse");
        };
        assert_eq!(
            (payload_type.as_str(), payload.as_slice()),
            ("t", b"hi".as_slice())
        );
        assert_eq!((signatures, verifiers.len()), (vec![vec![1]], 1));
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Request::parse(&bytes);
        }
    }
}
