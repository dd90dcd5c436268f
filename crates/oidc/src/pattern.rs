//! Wildcards in issuer URLs.
//!
//! A `*` stands for one or more of `[-_a-zA-Z0-9]`: never a dot, slash, colon or percent sign, or a
//! token could send us to a host of its choice (GHSA-59jp-pj84-45mr).

use crate::limits::PATTERN_BYTES;
use regex::Regex;

const WILDCARD: &str = "[-_a-zA-Z0-9]+";

/// A parsed wildcard, matched against whole issuer URLs.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

/// Why a wildcard is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(
    missing_docs,
    reason = "the message of each variant says what its fields are"
)]
pub enum PatternError {
    /// Longer than [`PATTERN_BYTES`].
    #[error("the pattern has {have} bytes, at most {max} are read")]
    TooLong { have: usize, max: usize },
    /// It does not compile (too many wildcards).
    #[error("the pattern is too complex")]
    TooComplex,
}

impl Pattern {
    /// Parses a pattern. Everything except `*` is literal.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > PATTERN_BYTES {
            return Err(PatternError::TooLong {
                have: text.len(),
                max: PATTERN_BYTES,
            });
        }
        let literal: Vec<String> = text.split('*').map(regex::escape).collect();
        // `\z`, not `$`: a trailing line feed must not match.
        let regex = Regex::new(&format!(r"\A{}\z", literal.join(WILDCARD)))
            .map_err(|_| PatternError::TooComplex)?;
        Ok(Self {
            text: text.to_owned(),
            regex,
        })
    }

    /// Whether the whole of `url` matches.
    pub fn matches(&self, url: &str) -> bool {
        self.regex.is_match(url)
    }

    /// The pattern as configured.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, url: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(url)
    }

    #[test]
    fn a_star_is_one_part_of_a_name() {
        let eks = "https://oidc.eks.*.amazonaws.com/id/*";
        assert!(matches(
            eks,
            "https://oidc.eks.us-west-2.amazonaws.com/id/B02C93B6A2D30341AD01E1B6D48164CB"
        ));
        let gke = "https://container.googleapis.com/v1/projects/*/locations/*/clusters/*";
        assert!(matches(
            gke,
            "https://container.googleapis.com/v1/projects/my_p/locations/us-west1/clusters/c-1"
        ));
    }

    #[test]
    fn a_star_never_matches_dot_slash_colon_percent_or_nothing() {
        let eks = "https://oidc.eks.*.amazonaws.com/id/*";
        for evil in [
            "https://oidc.eks.evil.example/x.amazonaws.com/id/1",
            "https://oidc.eks.a.b.amazonaws.com/id/1",
            "https://oidc.eks.a:1.amazonaws.com/id/1",
            "https://oidc.eks.a%2eb.amazonaws.com/id/1",
            "https://oidc.eks.a@b.amazonaws.com/id/1",
            "https://oidc.eks.a.amazonaws.com/id/",
            "https://oidc.eks.a.amazonaws.com/id/1/2",
            "https://oidc.eks.a.amazonaws.com/id/1\n",
            "https://oidc.eks.é.amazonaws.com/id/1",
            "xhttps://oidc.eks.a.amazonaws.com/id/1",
            "https://oidcxeks.a.amazonaws.com/id/1",
        ] {
            assert!(!matches(eks, evil), "{evil}");
        }
    }
}
