//! A certificate for a one-time key (spec/fulcio.md 1.3, 1.4).

use crate::error::{ServiceName, SignError};
use crate::http::{Call, Transport, join};
use crate::limits;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keys::EphemeralKey;
use pki::cert::Certificate;
use serde::Deserialize;

/// Asks for a certificate: the token in the header, the key with a signature over `name` as proof of
/// possession in the body.
pub(crate) async fn certificate(
    transport: &Transport,
    base: &str,
    token: &str,
    name: &str,
    key: &EphemeralKey,
) -> Result<Certificate, SignError> {
    let proof = key.sign(name.as_bytes())?;
    let body = request(&key.public_key().to_pem(), &proof);
    let call = Call {
        service: ServiceName::Ca,
        url: join(ServiceName::Ca, base, "api/v2/signingCert")?,
        body: Some(("application/json", &body)),
        accept: "application/json",
        token: Some(token),
        limit: limits::FULCIO_ANSWER,
    };
    let answer = transport.send(&call).await?;
    if !matches!(answer.status, 200 | 201) {
        return Err(call.refused(&answer));
    }
    let pem = leaf_pem(&answer.body).map_err(|reason| call.unreadable(reason))?;
    let leaf = Certificate::parse_pem(&pem).map_err(|error| call.unreadable(error))?;
    if leaf.public_key().spki_der() != key.public_key().spki_der() {
        return Err(SignError::ForeignCertificate {
            url: call.url.to_string(),
        });
    }
    Ok(leaf)
}

fn request(public_key_pem: &str, proof_of_possession: &[u8]) -> Vec<u8> {
    let request = serde_json::json!({
        "publicKeyRequest": {
            "publicKey": {"algorithm": "ECDSA", "content": public_key_pem},
            "proofOfPossession": STANDARD.encode(proof_of_possession),
        }
    });
    request.to_string().into_bytes()
}

/// The first certificate of whichever form: a CA without CT log answers with a detached SCT.
fn leaf_pem(answer: &[u8]) -> Result<String, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct SigningCertificate {
        signed_certificate_embedded_sct: Option<WithChain>,
        signed_certificate_detached_sct: Option<WithChain>,
    }
    #[derive(Deserialize)]
    struct WithChain {
        chain: Chain,
    }
    #[derive(Deserialize)]
    struct Chain {
        certificates: Vec<String>,
    }
    let parsed: SigningCertificate =
        formats::json::parse(answer, limits::FULCIO_ANSWER).map_err(|error| error.to_string())?;
    let form = parsed
        .signed_certificate_embedded_sct
        .or(parsed.signed_certificate_detached_sct);
    let certificates = form.map(|form| form.chain.certificates).unwrap_or_default();
    certificates
        .into_iter()
        .next()
        .ok_or_else(|| "there is no certificate in it".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_a_public_key_with_proof() {
        let value: serde_json::Value = serde_json::from_slice(&request("PEM\n", b"proof")).unwrap();
        assert_eq!(
            value,
            serde_json::json!({"publicKeyRequest": {
                "publicKey": {"algorithm": "ECDSA", "content": "PEM\n"}, "proofOfPossession": "cHJvb2Y="
            }})
        );
    }

    #[test]
    fn the_leaf_comes_first_in_either_form() {
        for form in [
            "signedCertificateEmbeddedSct",
            "signedCertificateDetachedSct",
        ] {
            let answer =
                format!(r#"{{"{form}":{{"chain":{{"certificates":["leaf","root"]}},"more":1}}}}"#);
            assert_eq!(leaf_pem(answer.as_bytes()), Ok("leaf".to_owned()));
        }
    }

    #[test]
    fn an_answer_without_certificate_is_refused() {
        for answer in [
            "{}",
            r#"{"signedCertificateEmbeddedSct":{"chain":{"certificates":[]}}}"#,
            "<html>",
            "",
        ] {
            assert!(leaf_pem(answer.as_bytes()).is_err(), "{answer}");
        }
    }
}
