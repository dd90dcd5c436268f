//! The claims of an identity token, read without verifying: the CA verifies them.

use crate::error::TokenProblem;
use crate::limits;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// What the client needs from a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claims {
    /// What the proof of possession signs: `email` when verified, else `sub`.
    pub(crate) name: String,
    /// `iss`.
    pub(crate) issuer: String,
}

#[derive(Deserialize)]
struct Payload {
    iss: Option<String>,
    sub: Option<String>,
    email: Option<String>,
    email_verified: Option<Verified>,
}

/// Some issuers write the boolean as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Verified {
    Boolean(bool),
    Text(String),
}

impl Claims {
    /// Reads a compact JWS of at most [`limits::TOKEN_BYTES`].
    pub(crate) fn read(token: &str) -> Result<Self, TokenProblem> {
        if token.len() > limits::TOKEN_BYTES {
            return Err(TokenProblem::TooLong {
                have: token.len(),
                limit: limits::TOKEN_BYTES,
            });
        }
        let parts: Vec<&str> = token.split('.').collect();
        let [_, payload, _] = parts.as_slice() else {
            return Err(TokenProblem::Dots(parts.len() - 1));
        };
        // All parts, because the token becomes a header value as it is.
        if !parts.iter().all(|part| is_base64url(part)) {
            return Err(TokenProblem::Encoding);
        }
        let payload = URL_SAFE_NO_PAD
            .decode(payload)
            .map_err(|_| TokenProblem::Encoding)?;
        let payload: Payload = formats::json::parse(&payload, limits::TOKEN_BYTES)
            .map_err(|_| TokenProblem::Claims)?;
        payload.claims()
    }
}

impl Payload {
    fn claims(self) -> Result<Claims, TokenProblem> {
        let verified = match &self.email_verified {
            Some(Verified::Boolean(verified)) => *verified,
            Some(Verified::Text(text)) => text == "true",
            None => false,
        };
        // spec/fulcio.md 2.1: the name is the verified e-mail address, else the subject.
        let email = self.email.filter(|email| verified && !email.is_empty());
        let subject = self.sub.filter(|subject| !subject.is_empty());
        Ok(Claims {
            name: email.or(subject).ok_or(TokenProblem::NoClaim("sub"))?,
            issuer: self
                .iss
                .filter(|issuer| !issuer.is_empty())
                .ok_or(TokenProblem::NoClaim("iss"))?,
        })
    }
}

fn is_base64url(part: &str) -> bool {
    !part.is_empty()
        && part
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(payload: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    fn name(payload: &str) -> Result<String, TokenProblem> {
        Claims::read(&token(payload)).map(|claims| claims.name)
    }

    #[test]
    fn a_verified_address_is_the_name() {
        let claims = Claims::read(&token(
            r#"{"iss":"i","sub":"s","email":"a@b","email_verified":true}"#,
        ));
        assert_eq!(
            claims,
            Ok(Claims {
                name: "a@b".into(),
                issuer: "i".into()
            })
        );
        assert_eq!(
            name(r#"{"iss":"i","email":"a@b","email_verified":"true"}"#),
            Ok("a@b".into())
        );
    }

    #[test]
    fn without_a_verified_address_the_subject_is_the_name() {
        for payload in [
            r#"{"iss":"i","sub":"s"}"#,
            r#"{"iss":"i","sub":"s","email":"a@b"}"#,
            r#"{"iss":"i","sub":"s","email":"a@b","email_verified":false}"#,
            r#"{"iss":"i","sub":"s","email":"a@b","email_verified":"false"}"#,
            r#"{"iss":"i","sub":"s","email":"","email_verified":true}"#,
        ] {
            assert_eq!(name(payload), Ok("s".into()), "{payload}");
        }
    }

    #[test]
    fn needed_claims_are_named() {
        assert_eq!(name(r#"{"iss":"i"}"#), Err(TokenProblem::NoClaim("sub")));
        assert_eq!(name(r#"{"sub":"s"}"#), Err(TokenProblem::NoClaim("iss")));
        assert_eq!(name(r#"{"iss":1,"sub":"s"}"#), Err(TokenProblem::Claims));
        assert_eq!(name("[]"), Err(TokenProblem::Claims));
        assert_eq!(name("not json"), Err(TokenProblem::Claims));
    }

    #[test]
    fn a_token_has_two_dots_and_a_bounded_length() {
        assert_eq!(Claims::read(""), Err(TokenProblem::Dots(0)));
        assert_eq!(Claims::read("a.b"), Err(TokenProblem::Dots(1)));
        assert_eq!(Claims::read("a.b.c.d.e"), Err(TokenProblem::Dots(4)));
        let long = "a".repeat(limits::TOKEN_BYTES + 1);
        let problem = TokenProblem::TooLong {
            have: limits::TOKEN_BYTES + 1,
            limit: limits::TOKEN_BYTES,
        };
        assert_eq!(Claims::read(&long), Err(problem));
    }

    #[test]
    fn no_part_is_empty_or_unfit_for_a_header() {
        for token in [
            "..",
            "a.b.",
            ".e30.c",
            "e30.e30.c\n",
            "e30.e30.c ",
            "e30.e3=.c",
            "e\u{e9}.e30.c",
        ] {
            assert_eq!(
                Claims::read(token),
                Err(TokenProblem::Encoding),
                "{token:?}"
            );
        }
    }

    #[test]
    fn an_error_never_repeats_the_token() {
        let error = crate::token_identity("secret.part").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
}
