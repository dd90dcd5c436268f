//! The names of a repository's files: everything that is read, written or served has one of these forms.

use std::fmt;

/// The longest name of a content, without its digest.
const MAX_CONTENT_NAME: usize = 100;
/// Ten digits are more versions than anyone signs.
const MAX_DIGITS: usize = 10;

/// A file of the repository. A value of this type cannot lead out of its folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileName {
    /// `N.root.json`; never changes.
    Root(u64),
    /// `root.json`: a copy of the newest root, for people; clients do not ask for it.
    NewestRoot,
    /// `timestamp.json`: the one file that is replaced.
    Timestamp,
    /// `N.snapshot.json`; never changes.
    Snapshot(u64),
    /// `N.targets.json`; never changes.
    Targets(u64),
    /// `targets/<sha256>.<name>`; never changes.
    Content {
        /// SHA-256 in lower-case hex.
        sha256: String,
        /// The target's name.
        name: String,
    },
}

impl FileName {
    /// Reads a path below the repository's root; `None` for every other path.
    pub fn parse(path: &str) -> Option<Self> {
        match path {
            "root.json" => return Some(Self::NewestRoot),
            "timestamp.json" => return Some(Self::Timestamp),
            _ => {}
        }
        if let Some(file) = path.strip_prefix("targets/") {
            let (sha256, name) = file.split_once('.')?;
            let is_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
            return (sha256.len() == 64 && sha256.bytes().all(is_hex) && is_content_name(name))
                .then(|| Self::content(sha256, name));
        }
        let (digits, role) = path.split_once('.')?;
        let version = version(digits)?;
        match role {
            "root.json" => Some(Self::Root(version)),
            "snapshot.json" => Some(Self::Snapshot(version)),
            "targets.json" => Some(Self::Targets(version)),
            _ => None,
        }
    }

    pub(crate) fn content(sha256: &str, name: &str) -> Self {
        Self::Content {
            sha256: sha256.to_owned(),
            name: name.to_owned(),
        }
    }

    /// Whether a reader may keep it for ever.
    pub fn is_immutable(&self) -> bool {
        !matches!(self, Self::NewestRoot | Self::Timestamp)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(version) => write!(f, "{version}.root.json"),
            Self::NewestRoot => f.write_str("root.json"),
            Self::Timestamp => f.write_str("timestamp.json"),
            Self::Snapshot(version) => write!(f, "{version}.snapshot.json"),
            Self::Targets(version) => write!(f, "{version}.targets.json"),
            Self::Content { sha256, name } => write!(f, "targets/{sha256}.{name}"),
        }
    }
}

/// Letters, digits, `.`, `_`, `-`; begins with a letter or digit.
pub(crate) fn is_content_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    name.len() <= MAX_CONTENT_NAME
        && name.bytes().all(plain)
        && name
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric())
}

fn version(digits: &str) -> Option<u64> {
    let canonical = !digits.is_empty()
        && digits.len() <= MAX_DIGITS
        && !digits.starts_with('0')
        && digits.bytes().all(|b| b.is_ascii_digit());
    canonical.then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back() {
        let names = [
            FileName::Root(1),
            FileName::NewestRoot,
            FileName::Timestamp,
            FileName::Snapshot(20),
            FileName::Targets(300),
            FileName::content(&"0a".repeat(32), "signing_config.v0.2.json"),
        ];
        for name in names {
            assert_eq!(FileName::parse(&name.to_string()), Some(name));
        }
    }

    #[test]
    fn nothing_else_is_a_name() {
        let hex = "0a".repeat(32);
        for path in [
            "",
            ".",
            "..",
            "/root.json",
            "../keys/tuf-root.pem",
            "0.root.json",
            "01.root.json",
            "+1.root.json",
            "99999999999.root.json",
            "1.timestamp.json",
            "1.root.json/",
            "snapshot.json",
            ".lock",
            "targets/",
            "targets/trusted_root.json",
            &format!("targets/{hex}."),
            &format!("targets/{hex}..."),
            &format!("targets/{hex}.a/b"),
            &format!("targets/{hex}.a\\b"),
            &format!("targets/{hex}./../../keys/tuf-root.pem"),
            &format!("targets/{}.a", hex.to_uppercase()),
            &format!("targets/{hex}.{}", "a".repeat(101)),
        ] {
            assert_eq!(FileName::parse(path), None, "{path}");
        }
    }
}
