//! Request bodies, as leniently as protojson reads them (spec 1.3).
//!
//! Unknown fields are ignored, names may be camelCase or snake_case, null means absent, base64 may be
//! standard or URL-safe with or without padding. `publicKey.algorithm` is not looked at: clients send
//! `"RSA"`, which is not in the enum, and the key itself decides.

use super::json::{Field, bad};
use crate::issue::Request;
use crate::proof::KeyRequest;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use service::error::GatewayError;

const CSR: [&str; 2] = ["certificateSigningRequest", "certificate_signing_request"];
const PUBLIC_KEY: [&str; 2] = ["publicKey", "public_key"];
const CONTENT: [&str; 2] = ["content", "content"];

/// Reads a v2 request. The token in the body wins over the one in the header.
pub(crate) fn v2(headers: &HeaderMap, body: &[u8]) -> Result<Request, GatewayError> {
    let [credentials, public_key, csr] = Field::body(body)?.fields([
        ["credentials", "credentials"],
        ["publicKeyRequest", "public_key_request"],
        CSR,
    ])?;
    let token = match credentials {
        Some(credentials) => {
            let [token] =
                credentials.fields([["oidcIdentityToken", "oidc_identity_token"]])?;
            text(token)?
        }
        None => String::new(),
    };
    let token = if token.is_empty() {
        header_token(headers)?
    } else {
        token
    };
    let key = match (public_key, csr) {
        // Both members of a oneof, even when one is empty (protojson).
        (Some(_), Some(_)) => {
            return Err(bad(
                "publicKeyRequest and certificateSigningRequest exclude each other; send one",
            ));
        }
        (None, csr) => Some(bytes(csr)?)
            .filter(|csr| !csr.is_empty())
            .map(KeyRequest::Csr),
        (Some(request), None) => {
            let [key, proof] =
                request.fields([PUBLIC_KEY, ["proofOfPossession", "proof_of_possession"]])?;
            let content = match key {
                Some(key) => {
                    let [content] = key.fields([CONTENT])?;
                    text(content)?
                }
                None => String::new(),
            };
            Some(KeyRequest::PublicKey {
                content: content.into_bytes(),
                proof: bytes(proof)?,
            })
        }
    };
    Ok(Request { token, key })
}

/// Reads a v1 request: the token only in the header, the key as base64 of PEM or DER.
pub(crate) fn v1(headers: &HeaderMap, body: &[u8]) -> Result<Request, GatewayError> {
    let [csr, key, proof] = Field::body(body)?.fields([
        CSR,
        PUBLIC_KEY,
        ["signedEmailAddress", "signed_email_address"],
    ])?;
    let csr = bytes(csr)?;
    let key = match key {
        _ if !csr.is_empty() => Some(KeyRequest::Csr(csr)),
        Some(key) => {
            let [content] = key.fields([CONTENT])?;
            Some(KeyRequest::PublicKey {
                content: bytes(content)?,
                proof: bytes(proof)?,
            })
        }
        None => None,
    };
    Ok(Request {
        token: header_token(headers)?,
        key,
    })
}

/// Texts that are not set are empty (proto3).
fn text(field: Option<Field<'_>>) -> Result<String, GatewayError> {
    field.map_or_else(|| Ok(String::new()), Field::text)
}

fn bytes(field: Option<Field<'_>>) -> Result<Vec<u8>, GatewayError> {
    field.map_or_else(|| Ok(Vec::new()), Field::bytes)
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

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
