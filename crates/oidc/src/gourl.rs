//! URLs as Go's `net/url` reads and writes them.
//!
//! Certificates made from the same claims must carry the same bytes as Fulcio's, because policies
//! compare them literally. The WHATWG parser of the `url` crate changes more than Go does (it adds a
//! slash to an empty path, drops default ports, resolves dot segments), so names are parsed here.
//! Only absolute and relative hierarchical references are needed; opaque ones are kept as they are.

/// Why a string is not a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// A byte below 0x20 or 0x7f.
    #[error("it has a control character")]
    ControlCharacter,
    /// A scheme that does not start with a letter or has other characters.
    #[error("its scheme is malformed")]
    Scheme,
    /// A `%` without two hexadecimal digits.
    #[error("it has a malformed percent escape")]
    Escape,
    /// A character that may not be in a host, or a bad port.
    #[error("its host or port is malformed")]
    Host,
}

/// A URL, split as Go splits it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoUrl {
    /// Lower case; empty for a relative reference.
    pub scheme: String,
    /// `user:password` before the `@`, if any.
    pub userinfo: Option<String>,
    /// Host with port, as written.
    pub host: String,
    has_authority: bool,
    opaque: Option<String>,
    path: String,
    query: Option<String>,
    fragment: Option<String>,
}

impl GoUrl {
    /// Parses `text`.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.bytes().any(|b| b < 0x20 || b == 0x7f) {
            return Err(UrlError::ControlCharacter);
        }
        let (text, fragment) = match text.split_once('#') {
            Some((head, tail)) => (head, Some(tail)),
            None => (text, None),
        };
        let (scheme, rest) = split_scheme(text)?;
        let (rest, query) = match rest.split_once('?') {
            Some((head, tail)) => (head, Some(tail.to_owned())),
            None => (rest, None),
        };
        let fragment = match fragment {
            Some(f) if !f.is_empty() => Some(escaped(f, Part::Fragment)?),
            _ => None,
        };
        let mut url = Self {
            scheme: scheme.to_ascii_lowercase(),
            userinfo: None,
            host: String::new(),
            has_authority: false,
            opaque: None,
            path: String::new(),
            query,
            fragment,
        };
        // `mailto:a@b` has no hierarchy: Go keeps it whole.
        if !url.scheme.is_empty() && !rest.starts_with('/') && !rest.is_empty() {
            url.opaque = Some(rest.to_owned());
            return Ok(url);
        }
        let path = match rest.strip_prefix("//") {
            Some(after) if !url.scheme.is_empty() || !rest.starts_with("///") => {
                let end = after.find('/').unwrap_or(after.len());
                let (authority, path) = after.split_at(end);
                url.take_authority(authority)?;
                path
            }
            _ => rest,
        };
        url.path = escaped(path, Part::Path)?;
        Ok(url)
    }

    /// Host without port and brackets.
    pub fn hostname(&self) -> &str {
        if let Some(rest) = self.host.strip_prefix('[') {
            return rest.split(']').next().unwrap_or(rest);
        }
        self.host.split(':').next().unwrap_or(&self.host)
    }

    /// Path as written, percent escapes included.
    pub fn path(&self) -> &str {
        &self.path
    }

    fn take_authority(&mut self, authority: &str) -> Result<(), UrlError> {
        self.has_authority = true;
        let host = match authority.rsplit_once('@') {
            Some((user, host)) => {
                let fine = |b: u8| b.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&b);
                if !user.bytes().all(fine) {
                    return Err(UrlError::Host);
                }
                self.userinfo = Some(user.to_owned());
                host
            }
            None => authority,
        };
        check_host(host)?;
        self.host = host.to_owned();
        Ok(())
    }
}

impl std::fmt::Display for GoUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.scheme.is_empty() {
            write!(f, "{}:", self.scheme)?;
        }
        if let Some(opaque) = &self.opaque {
            f.write_str(opaque)?;
        } else {
            // Go writes `//` for a scheme with authority, and for an empty authority only as in file:///x.
            if self.has_authority
                && (!self.scheme.is_empty() || !self.host.is_empty() || self.userinfo.is_some())
            {
                f.write_str("//")?;
                if let Some(user) = &self.userinfo {
                    write!(f, "{user}@")?;
                }
                f.write_str(&self.host)?;
            }
            f.write_str(&self.path)?;
        }
        if let Some(query) = &self.query {
            write!(f, "?{query}")?;
        }
        if let Some(fragment) = &self.fragment {
            write!(f, "#{fragment}")?;
        }
        Ok(())
    }
}

/// `scheme:rest`, or an empty scheme when there is none before the first other character.
fn split_scheme(text: &str) -> Result<(&str, &str), UrlError> {
    for (i, b) in text.bytes().enumerate() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if i > 0 => {}
            b':' if i == 0 => return Err(UrlError::Scheme),
            b':' => return Ok((&text[..i], &text[i + 1..])),
            // Go: a first path segment with a colon needs a slash before it.
            _ => return Ok(("", text)),
        }
    }
    Ok(("", text))
}

fn check_host(host: &str) -> Result<(), UrlError> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']').ok_or(UrlError::Host)?;
            if !address
                .bytes()
                .all(|b| b.is_ascii_hexdigit() || b == b':' || b == b'.')
            {
                return Err(UrlError::Host);
            }
            ("", after)
        }
        None => match host.split_once(':') {
            Some((name, _)) => (name, &host[name.len()..]),
            None => (host, ""),
        },
    };
    if !name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&b) || b >= 0x80)
    {
        return Err(UrlError::Host);
    }
    match port.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Ok(()),
        None if port.is_empty() => Ok(()),
        _ => Err(UrlError::Host),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    Fragment,
}

/// Go's rule for paths and fragments: kept as written when every character may stand there,
/// otherwise decoded and encoded anew.
fn escaped(text: &str, part: Part) -> Result<String, UrlError> {
    let decoded = unescape(text)?;
    let kept = |b: u8| b"!$&'()*+,;=:@[]%".contains(&b) || !must_escape(b, part);
    if text.bytes().all(kept) {
        return Ok(text.to_owned());
    }
    let mut out = String::with_capacity(text.len());
    for b in decoded {
        if must_escape(b, part) {
            out.push_str(&format!("%{b:02X}"));
        } else {
            out.push(char::from(b));
        }
    }
    Ok(out)
}

fn must_escape(b: u8, part: Part) -> bool {
    match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => false,
        b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'@' => false,
        b'?' => part == Part::Path,
        b'!' | b'(' | b')' | b'*' => part == Part::Path,
        _ => true,
    }
}

fn unescape(text: &str) -> Result<Vec<u8>, UrlError> {
    let hex = |b: u8| {
        char::from(b)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        if b != b'%' {
            out.push(b);
            continue;
        }
        let high = bytes.next().and_then(hex).ok_or(UrlError::Escape)?;
        let low = bytes.next().and_then(hex).ok_or(UrlError::Escape)?;
        out.push(high << 4 | low);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(text: &str) -> String {
        GoUrl::parse(text).unwrap().to_string()
    }

    #[test]
    fn names_of_ci_systems_stay_as_they_are() {
        for text in [
            "https://github.com/o/r/.github/workflows/ci.yml@refs/heads/main",
            "https://gitlab.com/g/p//.gitlab-ci.yml@refs/heads/main",
            "https://g.codefresh.io/acc/proj/pipe:123/456",
            "https://example.com",
            "https://example.com:443/a/../b",
            "https://example.com/a%2Fb?x=y#z",
            "https://kubernetes.io/namespaces/n/serviceaccounts/s",
            "spiffe://foo.example/bar",
            "/relative/path",
            "mailto:a@b.example",
        ] {
            assert_eq!(again(text), text);
        }
    }

    #[test]
    fn characters_that_may_not_stand_in_a_path_are_escaped() {
        assert_eq!(
            again("https://github.com/o/r/my flow.yml@refs/heads/é"),
            "https://github.com/o/r/my%20flow.yml@refs/heads/%C3%A9"
        );
        // Once one character needs it, the others follow Go's encoder, which also escapes brackets.
        assert_eq!(again("https://h/a b(c)"), "https://h/a%20b%28c%29");
        assert_eq!(again("https://h/a(c)"), "https://h/a(c)");
    }

    #[test]
    fn the_scheme_is_lower_case_and_the_host_is_not_touched() {
        assert_eq!(again("HTTPS://Example.COM/"), "https://Example.COM/");
    }

    #[test]
    fn broken_urls_are_refused() {
        assert_eq!(GoUrl::parse("https://h/%zz"), Err(UrlError::Escape));
        assert_eq!(GoUrl::parse("https://h/%a"), Err(UrlError::Escape));
        assert_eq!(
            GoUrl::parse("https://h\n/"),
            Err(UrlError::ControlCharacter)
        );
        assert_eq!(GoUrl::parse(":x"), Err(UrlError::Scheme));
        assert_eq!(GoUrl::parse("https://h:port/"), Err(UrlError::Host));
        assert_eq!(GoUrl::parse("https://h h/"), Err(UrlError::Host));
        assert_eq!(GoUrl::parse("https://[::1/"), Err(UrlError::Host));
    }

    #[test]
    fn the_host_name_has_no_port() {
        assert_eq!(
            GoUrl::parse("http://127.0.0.1:80/x").unwrap().hostname(),
            "127.0.0.1"
        );
        assert_eq!(GoUrl::parse("http://[::1]:80/x").unwrap().hostname(), "::1");
    }
}
