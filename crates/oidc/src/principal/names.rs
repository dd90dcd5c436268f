//! The types whose name is the subject: `uri`, `username`, `spiffe`, `chainguard-identity`.

use super::email::{self, is_address};
use crate::claims::{Claims, bad_value};
use crate::error::{TokenError, shown};
use crate::gourl::GoUrl;

/// `sub` as a URL on the configured scheme and host.
pub(super) fn uri(subject: &str, domain: &str) -> Result<String, TokenError> {
    if is_address(subject) {
        return Err(bad_value(
            "sub",
            subject,
            "issuers of type uri name URLs, this is an email address",
        ));
    }
    let url = GoUrl::parse(subject).map_err(|e| bad_value("sub", subject, e.to_string()))?;
    let fits = GoUrl::parse(domain).is_ok_and(|d| d.scheme == url.scheme && d.host == url.host);
    // A user part could make the name look like another host's.
    if !fits || url.userinfo.is_some() {
        return Err(bad_value(
            "sub",
            subject,
            format!("scheme and host must be those of subject-domain {domain}"),
        ));
    }
    Ok(url.to_string())
}

/// `sub!domain`, for an otherName.
pub(super) fn username(subject: &str, domain: &str) -> Result<String, TokenError> {
    if subject.contains('!') {
        return Err(bad_value(
            "sub",
            subject,
            "a user name may not contain `!`, which separates it from its domain",
        ));
    }
    if is_address(subject) {
        return Err(bad_value(
            "sub",
            subject,
            "issuers of type username name users, this is an email address",
        ));
    }
    Ok(format!("{subject}!{domain}"))
}

/// `sub` as a SPIFFE ID of exactly the configured trust domain.
pub(super) fn spiffe(subject: &str, trust_domain: &str) -> Result<String, TokenError> {
    match crate::spiffe::trust_domain(subject) {
        None => Err(bad_value("sub", subject, "it is not a SPIFFE ID")),
        Some(have) if have != trust_domain => Err(bad_value(
            "sub",
            subject,
            format!("its trust domain is not {trust_domain}"),
        )),
        Some(_) => Ok(subject.to_owned()),
    }
}

/// Issuer and subject joined with one slash. An email in the token must be verified, as it is signed.
pub(super) fn chainguard(
    issuer: &str,
    subject: &str,
    claims: &Claims,
) -> Result<String, TokenError> {
    if claims
        .get("email")
        .and_then(|v| v.as_str())
        .is_some_and(|e| !e.is_empty())
    {
        email::address(claims, false)?;
    }
    let joined = format!(
        "{}/{}",
        issuer.trim_end_matches('/'),
        subject.trim_start_matches('/')
    );
    // The joined path must stay what it says: no dot segments out of the issuer's path.
    if subject.split('/').any(|s| s == "." || s == "..") {
        return Err(bad_value("sub", subject, "it may not have dot segments"));
    }
    let url = GoUrl::parse(&joined).map_err(|e| {
        bad_value(
            "sub",
            subject,
            format!("{} is not a URL: {e}", shown(&joined)),
        )
    })?;
    Ok(url.to_string())
}
