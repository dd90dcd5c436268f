//! in-toto statements: make one, and check one before it is signed.

use crate::error::SignError;
use crate::limits;
use formats::dsse::{STATEMENT_V01, STATEMENT_V1, Statement, Subject};
use std::collections::BTreeMap;

/// Builds the JSON of an in-toto v1 statement about one artifact.
///
/// `name` is for people, `sha256` the artifact's digest, `predicate_type` a URI such as
/// `https://slsa.dev/provenance/v1`, `predicate` the claim.
pub fn statement(
    name: &str,
    sha256: &[u8; 32],
    predicate_type: &str,
    predicate: &serde_json::Value,
) -> Vec<u8> {
    let statement = Statement {
        type_: STATEMENT_V1.to_owned(),
        subject: vec![Subject {
            name: name.to_owned(),
            digest: BTreeMap::from([("sha256".to_owned(), hex::encode(sha256))]),
        }],
        predicate_type: predicate_type.to_owned(),
        predicate: predicate.clone(),
    };
    serde_json::to_vec(&statement).expect("text and JSON values always serialize")
}

/// Checks that `json` is a statement which a verifier can match with an artifact; gives the SHA-256
/// of its first subject that has one.
pub(crate) fn check(json: &[u8]) -> Result<[u8; 32], SignError> {
    let refuse = |reason: &str| SignError::Statement(reason.to_owned());
    if json.len() > limits::STATEMENT_BYTES {
        return Err(refuse("it exceeds 16 MiB"));
    }
    // Without the depth bound of Sigstore's own documents: predicates are other people's JSON, and
    // serde_json has a bound of its own (128).
    let statement: Statement =
        serde_json::from_slice(json).map_err(|error| SignError::Statement(error.to_string()))?;
    if ![STATEMENT_V1, STATEMENT_V01].contains(&statement.type_.as_str()) {
        return Err(refuse("its _type must be https://in-toto.io/Statement/v1"));
    }
    if statement.predicate_type.is_empty() {
        return Err(refuse("its predicateType is empty"));
    }
    let digests = statement
        .subject
        .iter()
        .filter_map(|subject| subject.digest.get("sha256"));
    let mut sha256 = [0; 32];
    for digest in digests {
        if hex::decode_to_slice(digest, &mut sha256).is_ok() {
            return Ok(sha256);
        }
    }
    Err(refuse(
        "no subject has a sha256 digest of 64 hex digits, so no verifier could match it with an artifact",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_statement_is_in_toto_v1() {
        let bytes = statement(
            "a.txt",
            &[0xab; 32],
            "https://example.com/p",
            &json!({"k": 1}),
        );
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(
            value,
            json!({
                "_type": "https://in-toto.io/Statement/v1",
                "subject": [{"name": "a.txt", "digest": {"sha256": "ab".repeat(32)}}],
                "predicateType": "https://example.com/p",
                "predicate": {"k": 1}
            })
        );
        assert_eq!(check(&bytes).unwrap(), [0xab; 32]);
    }

    #[test]
    fn what_no_verifier_could_use_is_not_signed() {
        let subject = json!([{"digest": {"sha256": "ab".repeat(32)}}]);
        let bad = [
            json!({"_type": "x", "subject": subject, "predicateType": "p"}),
            json!({"_type": STATEMENT_V1, "subject": subject, "predicateType": ""}),
            json!({"_type": STATEMENT_V1, "subject": [], "predicateType": "p"}),
            json!({"_type": STATEMENT_V1, "subject": [{"digest": {"sha1": "ab"}}], "predicateType": "p"}),
            json!({"_type": STATEMENT_V1, "subject": [{"digest": {"sha256": "ab"}}], "predicateType": "p"}),
            json!([1]),
        ];
        for statement in bad {
            assert!(
                check(statement.to_string().as_bytes()).is_err(),
                "{statement}"
            );
        }
    }

    #[test]
    fn the_first_usable_subject_counts() {
        let statement = json!({
            "_type": STATEMENT_V01, "predicateType": "p",
            "subject": [{"name": "n", "digest": {"gitCommit": "ab"}}, {"digest": {"sha256": "cd".repeat(32)}}]
        });
        assert_eq!(check(statement.to_string().as_bytes()).unwrap(), [0xcd; 32]);
    }
}
