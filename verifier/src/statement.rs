//! The in-toto statement in an envelope: what ties it to an artifact, and nothing else of it.

use crate::limits;
use formats::json::{self, JsonError, null_default};
use formats::skim;
use pki::key::HashAlgorithm;
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use std::fmt;

/// What is read of a statement. The predicate, most of its bytes, is passed over and never held in memory as values.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Statement {
    #[serde(rename = "_type")]
    pub(crate) type_: String,
    #[serde(deserialize_with = "bounded_subjects")]
    pub(crate) subject: Vec<Subject>,
    pub(crate) predicate_type: String,
}

/// One artifact that a statement is about.
#[derive(Debug, Deserialize)]
pub(crate) struct Subject {
    #[serde(default, deserialize_with = "null_default")]
    pub(crate) name: String,
    #[serde(default, deserialize_with = "null_default")]
    digest: Digests,
}

/// The digests that can be compared, lower-case hex; those by other algorithms are passed over.
#[derive(Debug, Default, Deserialize)]
struct Digests {
    sha256: Option<String>,
    sha384: Option<String>,
    sha512: Option<String>,
}

impl Statement {
    /// Parses a payload, bounded in bytes, depth and subjects.
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, JsonError> {
        match Self::skim(payload) {
            Some(statement) => Ok(statement),
            None => json::parse_nested(payload, limits::PAYLOAD_BYTES, limits::STATEMENT_DEPTH),
        }
    }

    /// Passes over the predicate quickly; `None` when it is for the parser to say what the payload is.
    fn skim(payload: &[u8]) -> Option<Self> {
        if payload.len() > limits::PAYLOAD_BYTES {
            return None;
        }
        let names = ["_type", "subject", "predicateType"];
        let [type_, subject, predicate_type] =
            skim::members(payload, limits::STATEMENT_DEPTH, names)?;
        let Subjects(subject) = json::parse(subject, limits::PAYLOAD_BYTES).ok()?;
        Some(Self {
            type_: json::parse(type_, limits::PAYLOAD_BYTES).ok()?,
            subject,
            predicate_type: json::parse(predicate_type, limits::PAYLOAD_BYTES).ok()?,
        })
    }
}

/// The list of subjects alone.
#[derive(Deserialize)]
struct Subjects(#[serde(deserialize_with = "bounded_subjects")] Vec<Subject>);

impl Subject {
    /// Gives the digests as they are written.
    pub(crate) fn digests(&self) -> impl Iterator<Item = (HashAlgorithm, &str)> {
        let all = [
            (HashAlgorithm::Sha256, &self.digest.sha256),
            (HashAlgorithm::Sha384, &self.digest.sha384),
            (HashAlgorithm::Sha512, &self.digest.sha512),
        ];
        all.into_iter()
            .filter_map(|(algorithm, value)| Some((algorithm, value.as_deref()?)))
    }
}

fn bounded_subjects<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Subject>, D::Error> {
    from.deserialize_seq(BoundedSubjects)
}

struct BoundedSubjects;

impl<'de> Visitor<'de> for BoundedSubjects {
    type Value = Vec<Subject>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {} subjects", limits::SUBJECTS)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut subjects = Vec::new();
        while let Some(subject) = list.next_element()? {
            if subjects.len() == limits::SUBJECTS {
                return Err(Error::invalid_length(subjects.len() + 1, &self));
            }
            subjects.push(subject);
        }
        Ok(subjects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(subjects: &str, predicate: &str) -> String {
        format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{subjects}],"predicateType":"p","predicate":{predicate}}}"#
        )
    }

    #[test]
    fn name_and_digests_are_read() {
        let subject =
            r#"{"name":"a","digest":{"sha256":"00","gitCommit":"11"},"uri":"u"},{"digest":null}"#;
        let statement = Statement::parse(statement(subject, "{}").as_bytes()).unwrap();
        let [first, second] = statement.subject.as_slice() else {
            panic!("two subjects: {statement:?}");
        };
        assert_eq!(first.name, "a");
        let digests: Vec<_> = first.digests().collect();
        assert_eq!(digests, [(HashAlgorithm::Sha256, "00")]);
        assert_eq!(second.digests().count(), 0);
        assert_eq!(statement.predicate_type, "p");
    }

    #[test]
    fn what_is_skimmed_the_parser_reads_alike() {
        let subject = r#"{"name":"\u0061","digest":{"sha256":"00"},"uri":[[]]}"#;
        for predicate in ["{}", r#"{"a":["b\n",1.5e3,null],"subject":[]}"#] {
            let json = statement(subject, predicate);
            let skimmed = Statement::skim(json.as_bytes()).expect("an ordinary statement");
            let limits = (limits::PAYLOAD_BYTES, limits::STATEMENT_DEPTH);
            let parsed: Statement =
                json::parse_nested(json.as_bytes(), limits.0, limits.1).expect("parses");
            assert_eq!(format!("{skimmed:?}"), format!("{parsed:?}"));
        }
    }

    #[test]
    fn what_the_parser_refuses_stays_refused() {
        for (subject, predicate) in [
            ("{}", "{}} "),
            ("{}", "{\"a\":}"),
            ("{}", "\"\t\""),
            ("{}", "{},\"subject\":[]"),
            ("{}", "{},\"_ty\\u0070e\":\"x\""),
            ("1", "{}"),
        ] {
            let json = statement(subject, predicate);
            assert!(Statement::parse(json.as_bytes()).is_err(), "{json}");
        }
    }

    /// Values in memory have ten times the bytes of their text and more.
    #[test]
    fn only_what_is_compared_is_kept() {
        let predicate = format!("[{}0]", "0,".repeat(100_000));
        let kept = Statement::parse(statement("", &predicate).as_bytes()).unwrap();
        assert!(format!("{kept:?}").len() < 200, "{kept:?}");
    }

    #[test]
    fn a_predicate_nests_deeper_than_our_own_documents_but_not_without_end() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let parse = |depth| Statement::parse(statement("", &nested(depth)).as_bytes());
        let limit = limits::STATEMENT_DEPTH;
        assert!(parse(limit - 1).is_ok());
        assert_eq!(parse(limit).unwrap_err(), JsonError::TooDeep { limit });
    }

    #[test]
    fn subjects_are_bounded() {
        let parse = |count: usize| {
            let subjects = vec!["{}"; count].join(",");
            Statement::parse(statement(&subjects, "{}").as_bytes())
        };
        assert_eq!(parse(1024).unwrap().subject.len(), 1024);
        assert!(
            matches!(parse(1025), Err(JsonError::Malformed { reason, .. })
            if reason == "invalid length 1025, expected a list of at most 1024 subjects")
        );
    }
}
