//! Discovery documents (OpenID Connect Discovery 1.0, sections 3 and 4).

use crate::error::shown;
use crate::keyset;
use jsonwebtoken::Algorithm;
use serde::Deserialize;

/// What an issuer says about itself, checked.
pub(crate) struct Discovery {
    /// Where its key set is.
    pub(crate) jwks_uri: String,
    /// Its signature algorithms, cut down to what we accept.
    pub(crate) algorithms: Vec<(&'static str, Algorithm)>,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
    #[serde(default)]
    id_token_signing_alg_values_supported: Vec<String>,
}

/// Reads the document that `issuer` serves. The error is for the operator.
pub(crate) fn parse(issuer: &str, document: &[u8]) -> Result<Discovery, String> {
    // The serde error is dropped: it could quote the whole document.
    let document: Document = serde_json::from_slice(document).map_err(
        |_| "the discovery document is not a JSON object with texts `issuer` and `jwks_uri`",
    )?;
    // Section 4.3: identical, or another issuer's keys would serve.
    if document.issuer != issuer {
        return Err(format!(
            "discovery document says it is {}; configure that text exactly",
            shown(&document.issuer)
        ));
    }
    // An https issuer must not hand its keys over plain http, not even on loopback.
    if issuer.starts_with("https://") && !document.jwks_uri.starts_with("https://") {
        return Err("jwks_uri is not https".to_owned());
    }
    Ok(Discovery {
        jwks_uri: document.jwks_uri,
        algorithms: algorithms(&document.id_token_signing_alg_values_supported),
    })
}

/// Discovery's algorithms that we accept too; RS256 when it lists none (go-oidc's rule).
fn algorithms(listed: &[String]) -> Vec<(&'static str, Algorithm)> {
    let allowed: Vec<_> = keyset::ALGORITHMS
        .into_iter()
        .filter(|(name, _)| listed.iter().any(|l| l == name))
        .collect();
    if allowed.is_empty() {
        vec![("RS256", Algorithm::RS256)]
    } else {
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algorithms_are_the_intersection_with_ours() {
        let names = |listed: &[&str]| -> Vec<&str> {
            let listed: Vec<String> = listed.iter().map(|s| (*s).to_owned()).collect();
            algorithms(&listed)
                .into_iter()
                .map(|(name, _)| name)
                .collect()
        };
        assert_eq!(names(&["none", "HS256", "ES256", "ES256"]), ["ES256"]);
        assert_eq!(names(&[]), ["RS256"]);
        assert_eq!(names(&["none", "HS256"]), ["RS256"]);
    }

    #[test]
    fn an_https_issuer_has_its_keys_on_https() {
        let read = |issuer: &str, jwks_uri: &str| {
            let document = serde_json::json!({"issuer": issuer, "jwks_uri": jwks_uri});
            parse(issuer, document.to_string().as_bytes()).map(|d| d.jwks_uri)
        };
        assert!(read("https://i.example", "https://k.example").is_ok());
        assert!(read("https://i.example", "http://127.0.0.1/keys").is_err());
        assert!(read("http://127.0.0.1", "http://127.0.0.1/keys").is_ok());
    }

    #[test]
    fn a_refusal_is_short_whatever_the_document_says() {
        let long = "x".repeat(10_000);
        for document in [
            format!(r#"{{"issuer":"{long}","jwks_uri":""}}"#),
            format!(
                r#"{{"issuer":"i","jwks_uri":"","id_token_signing_alg_values_supported":"{long}"}}"#
            ),
        ] {
            let error = parse("i", document.as_bytes()).err().unwrap();
            assert!(error.len() < 300, "{error}");
        }
    }
}
