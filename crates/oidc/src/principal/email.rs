//! Type `email`: the address in `email`, verified by the provider.

use crate::claims::{Claims, bad_value, email_is_verified, text};
use crate::error::TokenError;

/// The verified, well-formed, ASCII address of a token.
pub(super) fn address(claims: &Claims, skip_verification: bool) -> Result<&str, TokenError> {
    let address = text(claims, "email")?;
    if !skip_verification && !email_is_verified(claims) {
        let value = claims
            .get("email_verified")
            .map_or_else(|| "absent".to_owned(), ToString::to_string);
        return Err(bad_value(
            "email_verified",
            &value,
            "the provider must have verified the address (or the issuer be configured with skip-email-verification)",
        ));
    }
    if !address.is_ascii() {
        // Upstream fails later, with a server error: rfc822Name is an IA5String (RFC 5280 4.2.1.6).
        return Err(bad_value(
            "email",
            address,
            "certificates hold ASCII addresses only",
        ));
    }
    if !is_address(address) {
        return Err(bad_value("email", address, "it is not an email address"));
    }
    Ok(address)
}

/// Whether `text` is an address: dot-atom, `@`, host name (RFC 5322 3.4.1 without comments and quotes).
pub(super) fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let atom = |s: &str| {
        !s.is_empty()
            && s.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
    };
    let label = |s: &str| {
        !s.is_empty()
            && s.len() <= 63
            && !s.starts_with('-')
            && !s.ends_with('-')
            && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    // RFC 5321 4.5.3.1: 64 octets before the @, 255 after it.
    local.len() <= 64
        && local.split('.').all(atom)
        && domain.len() <= 255
        && domain.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_other_texts() {
        for good in [
            "a@b.example",
            "first.last+tag@sub.example.com",
            "123-compute@developer.gserviceaccount.com",
            "a@localhost",
        ] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "@b.example",
            "a@",
            "a b@c.example",
            "a..b@c.example",
            "a@b@c.example",
            "a@-b.example",
            "a@b..example",
            "<a@b.example>",
            "a@b.example\n",
        ] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
