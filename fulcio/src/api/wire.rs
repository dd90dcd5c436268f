//! Request bodies, as leniently as protojson reads them (spec 1.3).
//!
//! Unknown fields are ignored, names may be camelCase or snake_case, null means absent, base64 may be
//! standard or URL-safe with or without padding. `publicKey.algorithm` is not looked at: clients send
//! `"RSA"`, which is not in the enum, and the key itself decides.

use crate::issue::Request;
use crate::proof::KeyRequest;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::{Map, Value};
use service::error::{Code, GatewayError};

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Reads a v2 request. The token in the body wins over the one in the header.
pub(super) fn v2(headers: &HeaderMap, body: &[u8]) -> Result<Request, GatewayError> {
    let body = object(body)?;
    let credentials = member(&body, "credentials", "")?;
    let token = match credentials {
        Some(credentials) => {
            text(credentials, "oidcIdentityToken", "oidc_identity_token")?.unwrap_or_default()
        }
        None => "",
    };
    let token = if token.is_empty() {
        header_token(headers)?
    } else {
        token.to_owned()
    };
    let public_key = member(&body, "publicKeyRequest", "public_key_request")?;
    let csr = bytes(
        &body,
        "certificateSigningRequest",
        "certificate_signing_request",
    )?;
    let key = match (public_key, csr) {
        // Both members of a oneof, even when one is empty (protojson).
        (Some(_), Some(_)) => {
            return Err(bad(
                "publicKeyRequest and certificateSigningRequest exclude each other; send one",
            ));
        }
        (None, Some(csr)) => (!csr.is_empty()).then_some(KeyRequest::Csr(csr)),
        (Some(request), None) => {
            let proof =
                bytes(request, "proofOfPossession", "proof_of_possession")?.unwrap_or_default();
            let content = match member(request, "publicKey", "public_key")? {
                Some(key) => text(key, "content", "")?.unwrap_or_default(),
                None => "",
            };
            Some(KeyRequest::PublicKey {
                content: content.as_bytes().to_vec(),
                proof,
            })
        }
        (None, None) => None,
    };
    Ok(Request { token, key })
}

/// Reads a v1 request: the token only in the header, the key as base64 of PEM or DER.
pub(super) fn v1(headers: &HeaderMap, body: &[u8]) -> Result<Request, GatewayError> {
    let body = object(body)?;
    let csr = bytes(
        &body,
        "certificateSigningRequest",
        "certificate_signing_request",
    )?
    .unwrap_or_default();
    let key = if csr.is_empty() {
        let proof = bytes(&body, "signedEmailAddress", "signed_email_address")?.unwrap_or_default();
        match member(&body, "publicKey", "public_key")? {
            Some(key) => {
                let content = bytes(key, "content", "")?.unwrap_or_default();
                Some(KeyRequest::PublicKey { content, proof })
            }
            None => None,
        }
    } else {
        Some(KeyRequest::Csr(csr))
    };
    Ok(Request {
        token: header_token(headers)?,
        key,
    })
}

/// The header's value with the first literal `Bearer ` removed. A bare token works; a lower-case
/// scheme does not, because the rest then holds a space.
fn header_token(headers: &HeaderMap) -> Result<String, GatewayError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(String::new());
    };
    if values.next().is_some() {
        return Err(bad(
            "There was an error processing the identity token: send one Authorization header",
        ));
    }
    let value = value
        .to_str()
        .map_err(|_| bad("There was an error processing the identity token: the Authorization header is not ASCII"))?;
    Ok(value.replacen("Bearer ", "", 1))
}

/// An empty body is an empty message.
fn object(body: &[u8]) -> Result<Map<String, Value>, GatewayError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    // The serde error holds a position and a kind, never text of the body.
    let value: Value = serde_json::from_slice(body)
        .map_err(|e| bad(&format!("the request body is not JSON: {e}")))?;
    match value {
        Value::Object(map) => Ok(map),
        _ => Err(bad("the request body is not a JSON object")),
    }
}

fn field<'a>(
    map: &'a Map<String, Value>,
    camel: &str,
    snake: &str,
) -> Result<Option<&'a Value>, GatewayError> {
    let set = |name: &str| map.get(name).filter(|value| !value.is_null());
    match (set(camel), set(snake)) {
        (Some(_), Some(_)) => Err(bad(&format!(
            "{camel} and {snake} are the same field; send one"
        ))),
        (one, other) => Ok(one.or(other)),
    }
}

fn member<'a>(
    map: &'a Map<String, Value>,
    camel: &str,
    snake: &str,
) -> Result<Option<&'a Map<String, Value>>, GatewayError> {
    match field(map, camel, snake)? {
        None => Ok(None),
        Some(Value::Object(inner)) => Ok(Some(inner)),
        Some(_) => Err(bad(&format!("{camel} is not an object"))),
    }
}

fn text<'a>(
    map: &'a Map<String, Value>,
    camel: &str,
    snake: &str,
) -> Result<Option<&'a str>, GatewayError> {
    match field(map, camel, snake)? {
        None => Ok(None),
        Some(Value::String(s)) => Ok(Some(s)),
        Some(_) => Err(bad(&format!("{camel} is not a string"))),
    }
}

fn bytes(
    map: &Map<String, Value>,
    camel: &str,
    snake: &str,
) -> Result<Option<Vec<u8>>, GatewayError> {
    let Some(encoded) = text(map, camel, snake)? else {
        return Ok(None);
    };
    // Go's decoder skips line breaks.
    let encoded: String = encoded
        .chars()
        .filter(|c| !matches!(c, '\r' | '\n'))
        .collect();
    let engine = if encoded.contains(['-', '_']) {
        &URL_SAFE
    } else {
        &STANDARD
    };
    match engine.decode(encoded) {
        Ok(decoded) => Ok(Some(decoded)),
        Err(_) => Err(bad(&format!("{camel} is not base64"))),
    }
}

fn bad(message: &str) -> GatewayError {
    GatewayError::new(Code::InvalidArgument, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn headers(authorization: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, authorization.parse().unwrap());
        headers
    }

    fn read(body: Value) -> Result<Request, GatewayError> {
        v2(&HeaderMap::new(), body.to_string().as_bytes())
    }

    fn key(request: &Request) -> (&[u8], &[u8]) {
        match request.key.as_ref().unwrap() {
            KeyRequest::PublicKey { content, proof } => (content, proof),
            KeyRequest::Csr(csr) => (csr, &[]),
        }
    }

    #[test]
    fn the_token_of_the_body_wins_over_the_header() {
        let body = json!({"credentials": {"oidcIdentityToken": "a.b.c"}}).to_string();
        assert_eq!(
            v2(&headers("Bearer x.y.z"), body.as_bytes()).unwrap().token,
            "a.b.c"
        );
        let empty = json!({"credentials": {"oidcIdentityToken": ""}}).to_string();
        assert_eq!(
            v2(&headers("Bearer x.y.z"), empty.as_bytes())
                .unwrap()
                .token,
            "x.y.z"
        );
        assert_eq!(v2(&headers("x.y.z"), b"{}").unwrap().token, "x.y.z");
        assert_eq!(
            v2(&headers("bearer x.y.z"), b"{}").unwrap().token,
            "bearer x.y.z"
        );
        assert_eq!(v2(&HeaderMap::new(), b"").unwrap().token, "");
        assert_eq!(
            v1(&headers("Bearer x.y.z"), body.as_bytes()).unwrap().token,
            "x.y.z"
        );
    }

    #[test]
    fn two_authorization_headers_are_refused() {
        let mut two = headers("Bearer x.y.z");
        two.append(AUTHORIZATION, "Bearer a.b.c".parse().unwrap());
        assert!(v2(&two, b"{}").is_err());
    }

    #[test]
    fn names_nulls_unknown_fields_and_enums_are_lenient() {
        let camel = json!({"publicKeyRequest": {"publicKey": {"algorithm": "RSA", "content": "PEM"}, "proofOfPossession": "c2ln"}, "extra": 1, "certificateSigningRequest": null});
        let snake = json!({"public_key_request": {"public_key": {"algorithm": 2, "content": "PEM"}, "proof_of_possession": "c2ln"}});
        for body in [camel, snake] {
            assert_eq!(key(&read(body).unwrap()), (&b"PEM"[..], &b"sig"[..]));
        }
    }

    #[test]
    fn base64_may_be_of_either_alphabet_padded_or_not() {
        for encoded in ["+/+/AA==", "+/+/AA", "-_-_AA==", "-_-_AA", "+/+/\r\nAA=="] {
            let body = json!({"publicKeyRequest": {"proofOfPossession": encoded}});
            assert_eq!(
                key(&read(body).unwrap()).1,
                [0xfb, 0xff, 0xbf, 0x00],
                "{encoded}"
            );
        }
        assert!(read(json!({"publicKeyRequest": {"proofOfPossession": "!"}})).is_err());
    }

    #[test]
    fn key_and_csr_exclude_each_other() {
        let both = json!({"publicKeyRequest": {}, "certificateSigningRequest": "AA=="});
        assert!(read(both).is_err());
        let csr = json!({"certificateSigningRequest": "AA=="});
        assert!(matches!(read(csr).unwrap().key, Some(KeyRequest::Csr(_))));
        assert!(
            read(json!({"certificateSigningRequest": ""}))
                .unwrap()
                .key
                .is_none()
        );
    }

    #[test]
    fn wrong_types_and_broken_json_are_refused_without_echo() {
        assert!(read(json!([])).is_err());
        assert!(read(json!({"credentials": 5})).is_err());
        assert!(read(json!({"certificateSigningRequest": 5})).is_err());
        let error = v2(&HeaderMap::new(), b"{\"credentials\": secret")
            .err()
            .unwrap();
        assert!(!error.message.contains("secret"), "{}", error.message);
    }

    #[test]
    fn v1_content_is_base64() {
        let body = json!({"publicKey": {"algorithm": "ecdsa", "content": "UEVN"}, "signedEmailAddress": "c2ln"}).to_string();
        let request = v1(&headers("Bearer x.y.z"), body.as_bytes()).unwrap();
        assert_eq!(key(&request), (&b"PEM"[..], &b"sig"[..]));
    }
}
