//! Reading claims: required texts, Go's way of printing values, the issuer-claim path.

use crate::error::{TokenError, shown};
use serde_json::{Map, Value};

/// The claims of a verified token.
pub type Claims = Map<String, Value>;

/// A claim that must be a non-empty string.
pub(crate) fn text<'a>(claims: &'a Claims, claim: &str) -> Result<&'a str, TokenError> {
    match claims.get(claim) {
        None | Some(Value::Null) => Err(missing(claim)),
        Some(Value::String(s)) if s.is_empty() => Err(missing(claim)),
        Some(Value::String(s)) => Ok(s),
        Some(_) => Err(TokenError::ClaimType {
            claim: claim.to_owned(),
            expected: "a string",
        }),
    }
}

/// Whether `email_verified` says yes: a JSON true, or the texts that Go's strconv calls true.
///
/// Some providers (Entra, Cognito) send the boolean as a string.
pub(crate) fn email_is_verified(claims: &Claims) -> bool {
    match claims.get("email_verified") {
        Some(Value::Bool(verified)) => *verified,
        Some(Value::String(s)) => s == "true" || s == "True",
        _ => false,
    }
}

pub(crate) fn missing(claim: &str) -> TokenError {
    TokenError::ClaimMissing {
        claim: claim.to_owned(),
    }
}

pub(crate) fn bad_value(claim: &str, value: &str, rule: impl Into<String>) -> TokenError {
    TokenError::ClaimValue {
        claim: claim.to_owned(),
        value: shown(value),
        rule: rule.into(),
    }
}

/// A claim as text for templates: strings as they are, whole numbers without exponent, fractions in
/// plain decimal, null as `<nil>`, lists and objects as Go prints them.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Number(n) => match n.as_f64() {
            Some(f) if n.as_i64().is_none() && n.as_u64().is_none() => format!("{f}"),
            _ => n.to_string(),
        },
        other => go_format(other),
    }
}

/// Go's `%v` of a decoded JSON value.
fn go_format(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::String(s) => s.clone(),
        Value::Number(n) => n.as_f64().map_or_else(|| n.to_string(), go_float),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(go_format).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(map) => {
            let mut pairs: Vec<_> = map.iter().collect();
            pairs.sort_by_key(|(k, _)| k.as_str());
            let pairs: Vec<String> = pairs
                .into_iter()
                .map(|(k, v)| format!("{k}:{}", go_format(v)))
                .collect();
            format!("map[{}]", pairs.join(" "))
        }
    }
}

/// Go's `%v` of a float64: shortest digits, exponent below 1e-4 and from 1e6 (so does its %g).
fn go_float(f: f64) -> String {
    let scientific = format!("{f:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if f != 0.0 && !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    format!("{f}")
}

/// A path to one claim: `$.a.b`, `$['a']["b"]`, with list positions as `[0]`.
///
/// This is the part of JSONPath that issuer claims need; filters, slices and wildcards could give
/// several values and are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPath {
    text: String,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Position(usize),
}

impl ClaimPath {
    /// Parses a path; `None` when it is not of the known shape.
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text.strip_prefix('$')?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('.') {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                let key = &after[..end];
                if key.is_empty() || key.contains(['*', '?', '(', ')', ' ']) {
                    return None;
                }
                steps.push(Step::Key(key.to_owned()));
                rest = &after[end..];
            } else {
                let after = rest.strip_prefix('[')?;
                let (step, after) = bracket(after)?;
                steps.push(step);
                rest = after;
            }
        }
        if steps.is_empty() {
            None
        } else {
            Some(Self {
                text: text.to_owned(),
                steps,
            })
        }
    }

    /// The non-empty text at this path.
    pub fn find<'a>(&self, claims: &'a Claims) -> Result<&'a str, TokenError> {
        let mut steps = self.steps.iter();
        let mut here = match steps.next() {
            Some(Step::Key(key)) => claims.get(key),
            _ => None,
        };
        for step in steps {
            here = here.and_then(|value| match step {
                Step::Key(key) => value.get(key),
                Step::Position(n) => value.get(n),
            });
        }
        match here {
            Some(Value::String(s)) if !s.is_empty() => Ok(s),
            None | Some(Value::Null | Value::String(_)) => Err(missing(&self.text)),
            Some(_) => Err(TokenError::ClaimType {
                claim: self.text.clone(),
                expected: "a string",
            }),
        }
    }
}

fn bracket(after: &str) -> Option<(Step, &str)> {
    for quote in ['\'', '"'] {
        if let Some(inner) = after.strip_prefix(quote) {
            let (key, rest) = inner.split_once(quote)?;
            return Some((Step::Key(key.to_owned()), rest.strip_prefix(']')?));
        }
    }
    let (digits, rest) = after.split_once(']')?;
    Some((Step::Position(digits.parse().ok()?), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn claims(value: Value) -> Claims {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn values_are_printed_as_go_prints_them() {
        assert_eq!(plain(&json!("a b")), "a b");
        assert_eq!(plain(&json!(true)), "true");
        assert_eq!(plain(&json!(12345678901u64)), "12345678901");
        assert_eq!(plain(&json!(1e6)), "1000000");
        assert_eq!(plain(&json!(1.5)), "1.5");
        assert_eq!(plain(&Value::Null), "<nil>");
        assert_eq!(plain(&json!(["a", "b", 1])), "[a b 1]");
        assert_eq!(
            plain(&json!([100000, 1234567, 0.00001])),
            "[100000 1.234567e+06 1e-05]"
        );
        assert_eq!(plain(&json!({"k": "v", "a": [null]})), "map[a:[<nil>] k:v]");
    }

    #[test]
    fn verified_may_be_a_boolean_or_its_text() {
        for yes in [json!(true), json!("true"), json!("True")] {
            assert!(email_is_verified(&claims(json!({"email_verified": yes}))));
        }
        for no in [
            json!(false),
            json!("false"),
            json!("TRUE"),
            json!(1),
            Value::Null,
        ] {
            assert!(!email_is_verified(&claims(json!({"email_verified": no}))));
        }
        assert!(!email_is_verified(&Claims::new()));
    }

    #[test]
    fn a_claim_path_walks_objects_and_lists() {
        let c = claims(
            json!({"federated_claims": {"connector_id": "https://github.com/login/oauth", "list": ["x"], "a.b": "dotted"}}),
        );
        let find = |p: &str| ClaimPath::parse(p).unwrap().find(&c).map(str::to_owned);
        assert_eq!(
            find("$.federated_claims.connector_id").unwrap(),
            "https://github.com/login/oauth"
        );
        assert_eq!(find("$['federated_claims'].list[0]").unwrap(), "x");
        assert_eq!(find("$.federated_claims[\"a.b\"]").unwrap(), "dotted");
        assert_eq!(
            find("$.federated_claims.nope"),
            Err(missing("$.federated_claims.nope"))
        );
        assert!(matches!(
            find("$.federated_claims"),
            Err(TokenError::ClaimType { .. })
        ));
    }

    #[test]
    fn paths_with_several_results_are_refused() {
        for bad in [
            "",
            "$",
            "federated",
            "$..a",
            "$.*",
            "$.a[*]",
            "$.a[?(@.b)]",
            "$.a[1:2]",
            "$['a'",
        ] {
            assert_eq!(ClaimPath::parse(bad), None, "{bad}");
        }
    }
}
