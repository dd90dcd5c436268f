//! SPIFFE identifiers (SPIFFE-ID specification, section 2), as strict as go-spiffe.

/// Whether `text` is a trust domain: `[a-z0-9._-]`, not empty, at most 255 bytes.
pub fn is_trust_domain(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 255
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
}

/// The trust domain of a SPIFFE ID, or `None` when `id` is not one.
pub fn trust_domain(id: &str) -> Option<&str> {
    // The specification bounds an ID at 2048 bytes.
    let rest = id.strip_prefix("spiffe://").filter(|_| id.len() <= 2048)?;
    let (domain, path) = match rest.split_once('/') {
        Some((domain, path)) => (domain, Some(path)),
        None => (rest, None),
    };
    let segment = |s: &str| {
        !s.is_empty()
            && s != "."
            && s != ".."
            && s.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    let path_fits = path.is_none_or(|path| path.split('/').all(segment));
    (is_trust_domain(domain) && path_fits).then_some(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_give_their_trust_domain() {
        assert_eq!(
            trust_domain("spiffe://foo.example/ns/default/sa/x"),
            Some("foo.example")
        );
        assert_eq!(trust_domain("spiffe://foo.example"), Some("foo.example"));
    }

    #[test]
    fn malformed_identifiers_are_refused() {
        for bad in [
            "https://foo.example/x",
            "spiffe://",
            "spiffe:///x",
            "spiffe://Foo.example/x",
            "spiffe://foo.example/",
            "spiffe://foo.example/a//b",
            "spiffe://foo.example/../b",
            "spiffe://foo.example/a%20b",
            "spiffe://foo.example:80/a",
            "spiffe://foo.example/a?b",
        ] {
            assert_eq!(trust_domain(bad), None, "{bad}");
        }
    }
}
