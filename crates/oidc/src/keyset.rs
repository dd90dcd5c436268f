//! JSON Web Key Sets (RFC 7517): RSA, P-256, P-384, Ed25519.
//!
//! ES512 (P-521) is left out: the JWT library does not have it. Fulcio accepts it; no known issuer
//! uses it.

use crate::limits::KEYS_PER_SET;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Signature algorithms that may be accepted, by name. `none` and HS* are never among them.
pub(crate) const ALGORITHMS: [(&str, Algorithm); 9] = [
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
];

/// One key that can verify tokens.
pub(crate) struct Key {
    kid: Option<String>,
    shape: Shape,
    decoding: DecodingKey,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// Keys as slices of the document: a tree of hostile JSON takes a hundred times the memory of its text.
#[derive(Deserialize)]
struct RawSet<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawKey {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default, rename = "use")]
    usage: Option<String>,
    #[serde(default)]
    crv: String,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: String,
}

impl Key {
    /// Whether the key may have signed a token with this header. A token without `kid` fits every key.
    pub(crate) fn fits(&self, kid: Option<&str>, algorithm: Algorithm) -> bool {
        let shape = match algorithm {
            Algorithm::ES256 => Shape::P256,
            Algorithm::ES384 => Shape::P384,
            Algorithm::EdDSA => Shape::Ed25519,
            _ => Shape::Rsa,
        };
        self.shape == shape && kid.is_none_or(|kid| self.kid.as_deref() == Some(kid))
    }

    /// Whether the signature (base64url) over `signed` is this key's. RSA keys below 2048 bits verify nothing.
    pub(crate) fn verifies(&self, algorithm: Algorithm, signed: &[u8], signature: &str) -> bool {
        crypto::verify(signature, signed, &self.decoding, algorithm).unwrap_or(false)
    }
}

/// Reads a key set. Keys of unknown kinds, or for encryption, are passed over (RFC 7517 section 5).
pub(crate) fn parse(document: &[u8]) -> Result<Vec<Key>, &'static str> {
    let set: RawSet<'_> = serde_json::from_slice(document)
        .map_err(|_| "the key set is not a JSON object with `keys`")?;
    let keys = set
        .keys
        .into_iter()
        .take(KEYS_PER_SET)
        .filter_map(|key| serde_json::from_str(key.get()).ok());
    let keys: Vec<Key> = keys.filter_map(usable).collect();
    if keys.is_empty() {
        Err("the key set has no RSA, P-256, P-384 or Ed25519 signing key")
    } else {
        Ok(keys)
    }
}

fn usable(raw: RawKey) -> Option<Key> {
    if raw.usage.as_deref() == Some("enc") {
        return None;
    }
    let (shape, decoding) = match (raw.kty.as_str(), raw.crv.as_str()) {
        ("RSA", _) => (
            Shape::Rsa,
            DecodingKey::from_rsa_components(&raw.n, &raw.e).ok()?,
        ),
        ("EC", "P-256") => (
            Shape::P256,
            DecodingKey::from_ec_components(&raw.x, &raw.y).ok()?,
        ),
        ("EC", "P-384") => (
            Shape::P384,
            DecodingKey::from_ec_components(&raw.x, &raw.y).ok()?,
        ),
        ("OKP", "Ed25519") => (
            Shape::Ed25519,
            DecodingKey::from_ed_components(&raw.x).ok()?,
        ),
        _ => return None,
    };
    Some(Key {
        kid: raw.kid,
        shape,
        decoding,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 8037 appendix A.4 and A.2: an EdDSA token and its key.
    const ED_KEY: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"ed","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    const ED_SIGNED: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    const ED_SIGNATURE: &str =
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

    // RFC 7515 appendix A.3: an ES256 token and its key.
    const EC_KEY: &str = r#"{"kty":"EC","crv":"P-256","kid":"ec","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    const EC_SIGNED: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    const EC_SIGNATURE: &str =
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

    fn set(keys: &[&str]) -> Vec<Key> {
        parse(format!("{{\"keys\":[{}]}}", keys.join(",")).as_bytes()).unwrap()
    }

    #[test]
    fn rfc_examples_verify() {
        let keys = set(&[ED_KEY, EC_KEY]);
        assert!(keys[0].verifies(Algorithm::EdDSA, ED_SIGNED.as_bytes(), ED_SIGNATURE));
        assert!(keys[1].verifies(Algorithm::ES256, EC_SIGNED.as_bytes(), EC_SIGNATURE));
        assert!(!keys[1].verifies(Algorithm::ES256, b"other", EC_SIGNATURE));
        assert!(!keys[1].verifies(Algorithm::ES256, EC_SIGNED.as_bytes(), "!"));
    }

    #[test]
    fn a_key_fits_its_kid_and_its_algorithm_only() {
        let keys = set(&[ED_KEY, EC_KEY]);
        assert!(keys[1].fits(Some("ec"), Algorithm::ES256));
        assert!(keys[1].fits(None, Algorithm::ES256));
        assert!(!keys[1].fits(Some("ed"), Algorithm::ES256));
        assert!(!keys[1].fits(Some("ec"), Algorithm::ES384));
        assert!(!keys[1].fits(Some("ec"), Algorithm::RS256));
    }

    #[test]
    fn unknown_and_encryption_keys_are_passed_over() {
        let keys = set(&[
            r#"{"kty":"oct","k":"c2VjcmV0"}"#,
            r#"{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}"#,
            r#"{"kty":"RSA","use":"enc","n":"AQ","e":"AQAB"}"#,
            r#""text""#,
            EC_KEY,
        ]);
        assert_eq!(keys.len(), 1);
        assert!(parse(b"{\"keys\":[]}").is_err());
        assert!(parse(b"[]").is_err());
    }

    #[test]
    fn shared_secrets_and_none_are_no_algorithms() {
        for name in [
            "none", "None", "HS256", "HS384", "HS512", "ES512", "RS1", "",
        ] {
            assert!(ALGORITHMS.iter().all(|(known, _)| *known != name), "{name}");
        }
    }

    #[test]
    fn a_key_set_is_not_made_a_tree_of() {
        // A tree would be refused at depth 128.
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        assert_eq!(set(&[&deep, EC_KEY]).len(), 1);
    }
}
