//! Type `kubernetes`: the service account in the claim `kubernetes.io`.

use crate::claims::{Claims, bad_value, missing};
use crate::error::TokenError;
use serde_json::Value;

/// `https://kubernetes.io/namespaces/NS/serviceaccounts/SA`.
pub(super) fn uri(claims: &Claims) -> Result<String, TokenError> {
    let object = claims
        .get("kubernetes.io")
        .ok_or_else(|| missing("kubernetes.io"))?;
    let namespace = name(object.get("namespace"), "kubernetes.io.namespace")?;
    let account = object.get("serviceaccount").and_then(|s| s.get("name"));
    let account = name(account, "kubernetes.io.serviceaccount.name")?;
    Ok(format!(
        "https://kubernetes.io/namespaces/{namespace}/serviceaccounts/{account}"
    ))
}

/// A Kubernetes object name (RFC 1123 subdomain). Fulcio does not check it, not even for emptiness;
/// a slash in it would name another account.
fn name<'a>(value: Option<&'a Value>, claim: &str) -> Result<&'a str, TokenError> {
    let name = match value {
        Some(Value::String(name)) if !name.is_empty() => name,
        None | Some(Value::Null | Value::String(_)) => return Err(missing(claim)),
        Some(_) => {
            return Err(TokenError::ClaimType {
                claim: claim.to_owned(),
                expected: "a string",
            });
        }
    };
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    if name.len() > 253 || !name.bytes().all(fits) {
        return Err(bad_value(claim, name, "it is not a Kubernetes object name"));
    }
    Ok(name)
}
