//! Patterns on names, compiled once: anchored at both ends and bounded in size.

use crate::failure::Failure;
use crate::limits;
use crate::policy::Match;
use crate::report::quoted;
use regex::{Regex, RegexBuilder};

/// A [`Match`] made ready, once for many values. Two are equal when they were written the same way.
#[derive(Clone, Debug)]
pub struct Pattern {
    wanted: Match,
    /// None for an exact value.
    compiled: Option<Regex>,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.wanted == other.wanted
    }
}

impl Eq for Pattern {}

impl Pattern {
    /// Compiles it; fails with [`Failure::Pattern`] when it is no pattern, or a costly one.
    pub fn new(wanted: Match) -> Result<Self, Failure> {
        let compiled = match &wanted {
            Match::Exact(_) => None,
            Match::Glob(glob) => Some(compile_glob(glob)?),
            Match::Regexp(pattern) => Some(whole(pattern)?),
        };
        Ok(Self { wanted, compiled })
    }

    /// What was written.
    pub fn wanted(&self) -> &Match {
        &self.wanted
    }

    /// Compares the whole value, in time linear in its length.
    pub fn accepts(&self, have: &str) -> bool {
        match (&self.wanted, &self.compiled) {
            (Match::Exact(text), _) => have == text,
            (_, Some(regex)) => regex.is_match(have),
            (_, None) => false,
        }
    }
}

/// The pattern, anchored at both ends and bounded in size.
fn whole(pattern: &str) -> Result<Regex, Failure> {
    check_length(pattern)?;
    // Alone first: `a)|(b` would otherwise close our group and escape the anchors.
    compile(pattern, pattern)?;
    compile(&format!(r"\A(?:{pattern})\z"), pattern)
}

/// `**` is anything, `*` anything within a segment: no `/` and no `@`.
fn compile_glob(glob: &str) -> Result<Regex, Failure> {
    check_length(glob)?;
    let mut regex = String::from(r"\A");
    let mut rest = glob;
    while let Some((literal, after)) = rest.split_once('*') {
        regex += &regex::escape(literal);
        // Three and more stars say no more than two.
        let beyond = after.trim_start_matches('*');
        regex += if beyond.len() < after.len() {
            "(?s:.*)"
        } else {
            "[^/@]*"
        };
        rest = beyond;
    }
    regex += &regex::escape(rest);
    compile(&(regex + r"\z"), glob)
}

fn check_length(pattern: &str) -> Result<(), Failure> {
    if pattern.len() > limits::PATTERN_BYTES {
        return Err(refused(
            pattern,
            format!("longer than {} bytes", limits::PATTERN_BYTES),
        ));
    }
    Ok(())
}

fn compile(regex: &str, written: &str) -> Result<Regex, Failure> {
    RegexBuilder::new(regex)
        .size_limit(limits::PATTERN_COMPILED_BYTES)
        .dfa_size_limit(limits::PATTERN_COMPILED_BYTES)
        .build()
        .map_err(|error| refused(written, error.to_string()))
}

fn refused(pattern: &str, reason: String) -> Failure {
    Failure::Pattern {
        pattern: quoted(pattern),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        whole(pattern).expect("compiles").is_match(text)
    }

    fn glob(glob: &str, text: &str) -> bool {
        Pattern::new(Match::Glob(glob.into()))
            .expect("compiles")
            .accepts(text)
    }

    #[test]
    fn a_pattern_must_match_the_whole_value() {
        assert!(matches("a|ab", "ab"));
        assert!(matches(r".*@example\.com", "alice@example.com"));
        assert!(!matches(r".*@example\.com", "alice@example.com.evil.test"));
        assert!(!matches("example", "an example"));
        assert!(!matches("(?m)^a$", "a\nb"));
    }

    #[test]
    fn a_pattern_cannot_escape_its_anchors() {
        assert!(whole("a)|(b").is_err());
        assert!(
            whole("(?x)a #").is_err(),
            "a comment would swallow the closing anchor"
        );
    }

    #[test]
    fn a_costly_pattern_is_refused() {
        assert!(whole("((a{100}){100}){100}").is_err());
        assert!(whole(&"a".repeat(5000)).is_err());
        assert!(whole("(").is_err());
        assert!(compile_glob(&"*a".repeat(3000)).is_err());
    }

    #[test]
    fn one_star_stays_in_its_segment() {
        assert!(glob("*@example.com", "alice@example.com"));
        assert!(!glob("*@example.com", "alice@evil.test@example.com"));
        assert!(!glob("*@example.com", "alice@example.com.evil.test"));
        assert!(!glob("*@example.com", "alice@exampleXcom"));
        let workflow = "https://github.com/acme/*/.github/workflows/*@refs/tags/v*";
        let run = "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1";
        assert!(glob(workflow, run));
        assert!(!glob(workflow, &run.replace("app/", "app/fork/")));
        assert!(!glob(workflow, &run.replace("v1", "v1/x")));
        assert!(!glob(workflow, &run.replace("acme", "evil")));
    }

    #[test]
    fn two_stars_reach_anywhere() {
        for stars in ["**", "***", "****"] {
            assert!(glob(
                &format!("https://github.com/acme/{stars}"),
                "https://github.com/acme/a/b@c\nd"
            ));
        }
        assert!(!glob(
            "https://github.com/acme/**",
            "https://github.com/acmes/a"
        ));
        assert!(glob("**", ""));
    }

    #[test]
    fn everything_else_in_a_glob_is_literal() {
        assert!(glob("a?[b](c).d", "a?[b](c).d"));
        assert!(!glob("a.c", "abc"));
        assert!(glob("", ""));
        assert!(!glob("", "a"));
    }

    #[test]
    fn equality_is_byte_for_byte() {
        for (have, want, same) in [
            ("a@b", "a@b", true),
            ("A@b", "a@b", false),
            ("a@b ", "a@b", false),
            ("a@b", "", false),
        ] {
            let pattern = Pattern::new(Match::Exact(want.into())).expect("exact");
            assert_eq!(pattern.accepts(have), same, "{have} {want}");
        }
    }
}
