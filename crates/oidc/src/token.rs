//! A compact JWS, read but not yet trusted; and the claim checks that need no key.

use crate::claims::{Claims, missing, text};
use crate::config::Issuer;
use crate::error::{TokenError, shown};
use crate::limits::{NBF_LEEWAY_SECONDS, TOKEN_BYTES, TOKEN_VALUES};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

/// The protected header, as far as it is used.
#[derive(Debug, Deserialize)]
pub(crate) struct Header {
    pub(crate) alg: String,
    #[serde(default)]
    pub(crate) kid: Option<String>,
    #[serde(default)]
    crit: Option<IgnoredAny>,
}

/// The parts of a token. No `Debug`: it would print the token.
pub(crate) struct Token<'a> {
    pub(crate) header: Header,
    pub(crate) claims: Claims,
    /// What is signed: header, dot, payload, as sent.
    pub(crate) signed: &'a [u8],
    /// The signature, base64url.
    pub(crate) signature: &'a str,
}

impl<'a> Token<'a> {
    /// Splits and decodes a token. Nothing in the result is verified.
    pub(crate) fn parse(token: &'a str) -> Result<Self, TokenError> {
        if token.is_empty() {
            return Err(TokenError::Missing);
        }
        if token.len() > TOKEN_BYTES {
            return Err(TokenError::TooLong {
                have: token.len(),
                max: TOKEN_BYTES,
            });
        }
        // Counted before anything is split or decoded: a token of dots alone must not cost memory
        // (GHSA-f83f-xpx7-ffpw). The JSON serialization, which may have several signatures, fails here too.
        let dots = token.bytes().filter(|&b| b == b'.').count();
        let spaces = token.bytes().any(|b| b.is_ascii_whitespace());
        let (Some((signed, signature)), 2, false) = (token.rsplit_once('.'), dots, spaces) else {
            return Err(TokenError::NotCompact { dots });
        };
        let (header, payload) = signed
            .split_once('.')
            .ok_or(TokenError::NotCompact { dots })?;
        let refused = |part, expected| move || TokenError::Malformed { part, expected };
        let header: Header = decode(header)
            .and_then(|json| parse(&json))
            .ok_or_else(refused(
                "header",
                "a base64url JSON object with a text `alg`",
            ))?;
        if header.crit.is_some() {
            return Err(TokenError::CriticalHeader);
        }
        let malformed = refused("payload", "a base64url JSON object");
        let payload = decode(payload).ok_or_else(malformed)?;
        // Counted before a tree is made of it, which may take a hundred times the memory of the text.
        let have = count_values(&payload);
        if have > TOKEN_VALUES {
            return Err(TokenError::TooManyValues {
                have,
                max: TOKEN_VALUES,
            });
        }
        let claims: Claims = parse(&payload).ok_or_else(malformed)?;
        Ok(Self {
            header,
            claims,
            signed: signed.as_bytes(),
            signature,
        })
    }

    /// The unverified `iss`, which selects the issuer.
    pub(crate) fn issuer(&self) -> Result<&str, TokenError> {
        text(&self.claims, "iss")
    }

    /// Checks audience and times. Costs nothing, so it is done before any key is fetched.
    pub(crate) fn check_claims(&self, issuer: &Issuer, now_millis: i64) -> Result<(), TokenError> {
        check_audience(&self.claims, &issuer.client_id)?;
        // RFC 7519 4.1.4: on or after `exp` the token is not accepted. No leeway; absent means expired.
        let exp = seconds(&self.claims, "exp")?.ok_or_else(|| missing("exp"))?;
        let now = millis_as_seconds(now_millis);
        if now >= exp {
            return Err(TokenError::Expired { at: whole(exp) });
        }
        // RFC 7519 4.1.5, with go-oidc's leeway.
        if let Some(nbf) = seconds(&self.claims, "nbf")?
            && now + millis_as_seconds(NBF_LEEWAY_SECONDS * 1000) < nbf
        {
            return Err(TokenError::NotYetValid { at: whole(nbf) });
        }
        Ok(())
    }
}

fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

/// The serde error is dropped: it could quote the token.
fn parse<T: serde::de::DeserializeOwned>(json: &[u8]) -> Option<T> {
    serde_json::from_slice(json).ok()
}

/// At least as many values as JSON text has: one for each comma and opening bracket outside texts, and one.
fn count_values(json: &[u8]) -> usize {
    let (mut in_text, mut escaped) = (false, false);
    let more = json.iter().filter(|&&byte| {
        let one = !in_text && matches!(byte, b',' | b'[' | b'{');
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            _ => {}
        }
        one
    });
    1 + more.count()
}

fn check_audience(claims: &Claims, client_id: &str) -> Result<(), TokenError> {
    let refused = |have: String| TokenError::Audience {
        have,
        want: shown(client_id),
    };
    match claims.get("aud") {
        Some(Value::String(aud)) if aud == client_id => Ok(()),
        Some(Value::String(aud)) => Err(refused(shown(aud))),
        Some(Value::Array(list)) => {
            if !list.iter().all(Value::is_string) {
                return Err(TokenError::ClaimType {
                    claim: "aud".into(),
                    expected: "a string or a list of strings",
                });
            }
            if list.iter().any(|aud| aud == client_id) {
                return Ok(());
            }
            let have: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
            Err(refused(shown(&have.join(", "))))
        }
        None | Some(Value::Null) => Err(missing("aud")),
        Some(_) => Err(TokenError::ClaimType {
            claim: "aud".into(),
            expected: "a string or a list of strings",
        }),
    }
}

/// A NumericDate (RFC 7519 section 2): seconds, possibly with a fraction.
fn seconds(claims: &Claims, claim: &str) -> Result<Option<f64>, TokenError> {
    match claims.get(claim) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(n)) if n.as_f64().is_some_and(f64::is_finite) => Ok(n.as_f64()),
        Some(_) => Err(TokenError::ClaimType {
            claim: claim.to_owned(),
            expected: "a number of seconds",
        }),
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "milliseconds since 1970 are below 2^53 for 285,000 years"
)]
fn millis_as_seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "only for showing; `as` saturates"
)]
fn whole(seconds: f64) -> i64 {
    seconds as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Kind;
    use serde_json::json;

    const NOW: i64 = 1_700_000_000;

    fn issuer() -> Issuer {
        Issuer {
            url: "https://i.example".into(),
            client_id: "sigstore".into(),
            kind: Kind::Kubernetes,
            challenge_claim: String::new(),
            ca_cert: None,
        }
    }

    fn compact(header: &Value, claims: &Value) -> String {
        let part = |v: &Value| URL_SAFE_NO_PAD.encode(v.to_string());
        format!("{}.{}.c2ln", part(header), part(claims))
    }

    fn check(claims: Value) -> Result<(), TokenError> {
        let mut all = json!({"iss": "https://i.example", "aud": "sigstore", "exp": NOW + 60});
        for (k, v) in claims.as_object().unwrap() {
            all[k] = v.clone();
        }
        let text = compact(&json!({"alg": "RS256"}), &all);
        Token::parse(&text)?.check_claims(&issuer(), NOW * 1000)
    }

    #[test]
    fn there_must_be_exactly_two_dots() {
        for (text, dots) in [
            ("abc", 0),
            ("a.b", 1),
            ("a.b.c.d", 3),
            (&".".repeat(60_000)[..], 60_000),
        ] {
            assert_eq!(
                Token::parse(text).err(),
                Some(TokenError::NotCompact { dots })
            );
        }
        assert_eq!(Token::parse("").err(), Some(TokenError::Missing));
        // Both serializations with several signatures.
        assert!(matches!(
            Token::parse(r#"{"payload":"x","signatures":[{},{}]}"#),
            Err(TokenError::NotCompact { dots: 0 })
        ));
        // What is left of `bearer x.y.z`.
        assert!(matches!(
            Token::parse("bearer a.b.c"),
            Err(TokenError::NotCompact { .. })
        ));
    }

    #[test]
    fn an_oversized_token_is_not_decoded() {
        let text = "a".repeat(TOKEN_BYTES + 1);
        assert_eq!(
            Token::parse(&text).err(),
            Some(TokenError::TooLong {
                have: TOKEN_BYTES + 1,
                max: TOKEN_BYTES
            })
        );
    }

    #[test]
    fn parts_must_be_base64url_json_objects() {
        assert!(matches!(
            Token::parse("!.e30.x"),
            Err(TokenError::Malformed { part: "header", .. })
        ));
        assert!(matches!(
            Token::parse("e30.e30.x"),
            Err(TokenError::Malformed { part: "header", .. })
        ));
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#);
        assert!(matches!(
            Token::parse(&format!("{header}.W10.x")),
            Err(TokenError::Malformed {
                part: "payload",
                ..
            })
        ));
    }

    #[test]
    fn a_payload_of_too_many_values_is_not_made_a_tree_of() {
        let read = |claims: &Value| Token::parse(&compact(&json!({"alg": "RS256"}), claims)).err();
        let groups = |n: usize| json!({"groups": vec![json!({}); n]});
        assert_eq!(read(&groups(500)), None);
        assert_eq!(
            read(&groups(TOKEN_VALUES)),
            Some(TokenError::TooManyValues {
                have: 2 * TOKEN_VALUES + 2,
                max: TOKEN_VALUES
            })
        );
        // What stands in a text is no value.
        let text = r#"\"[{,"#.repeat(TOKEN_VALUES);
        assert_eq!(read(&json!({"groups": text})), None);
    }

    #[test]
    fn critical_headers_are_refused() {
        let text = compact(
            &json!({"alg": "RS256", "crit": ["b64"], "b64": false}),
            &json!({}),
        );
        assert_eq!(Token::parse(&text).err(), Some(TokenError::CriticalHeader));
    }

    #[test]
    fn the_audience_is_a_text_or_in_a_list() {
        check(json!({"aud": "sigstore"})).unwrap();
        check(json!({"aud": ["other", "sigstore"]})).unwrap();
        assert!(matches!(
            check(json!({"aud": "other"})),
            Err(TokenError::Audience { .. })
        ));
        assert!(matches!(
            check(json!({"aud": ["sigstore2"]})),
            Err(TokenError::Audience { .. })
        ));
        assert!(matches!(
            check(json!({"aud": []})),
            Err(TokenError::Audience { .. })
        ));
        assert!(matches!(
            check(json!({"aud": ["sigstore", 1]})),
            Err(TokenError::ClaimType { .. })
        ));
        assert!(matches!(
            check(json!({"aud": null})),
            Err(TokenError::ClaimMissing { .. })
        ));
    }

    #[test]
    fn expiry_has_no_leeway() {
        check(json!({"exp": NOW + 1})).unwrap();
        assert_eq!(
            check(json!({"exp": NOW - 1})),
            Err(TokenError::Expired { at: NOW - 1 })
        );
        assert_eq!(
            check(json!({"exp": NOW})),
            Err(TokenError::Expired { at: NOW })
        );
        assert_eq!(
            check(json!({"exp": null})),
            Err(TokenError::ClaimMissing {
                claim: "exp".into()
            })
        );
        assert!(matches!(
            check(json!({"exp": "soon"})),
            Err(TokenError::ClaimType { .. })
        ));
        check(json!({"exp": 1.9e9})).unwrap();
    }

    #[test]
    fn not_before_has_five_minutes() {
        check(json!({"nbf": NOW + 240})).unwrap();
        check(json!({"nbf": NOW + 300})).unwrap();
        assert_eq!(
            check(json!({"nbf": NOW + 360})),
            Err(TokenError::NotYetValid { at: NOW + 360 })
        );
    }
}
