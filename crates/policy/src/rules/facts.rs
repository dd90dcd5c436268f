//! What rules see of a verified attestation.

use super::Broken;
use crate::document::names::camel_case;
use crate::document::window_show;
use crate::evaluate::statement::short;
use crate::limits;
use formats::bundle::{Bundle, Content};
use formats::json;
use serde_json::{Map, Value, json};
use verifier::Report;

/// The members, as `input` in Rego; each is a variable in CEL.
pub(crate) const NAMES: [&str; 8] = [
    "predicate",
    "predicateType",
    "statement",
    "subject",
    "identity",
    "issuer",
    "certificate",
    "signedAt",
];

/// Gathers them. The report must have verified: only then is the payload what the signer signed.
///
/// `left` counts down the bytes that one evaluation reads.
pub(crate) fn gather(
    bundle: &Bundle,
    report: &Report,
    left: &mut usize,
) -> Result<Map<String, Value>, Broken> {
    let Content::Dsse(envelope) = &bundle.content else {
        return Err(Broken::new(
            "a message signature says nothing that rules could look at",
            "ask for an attestation",
        ));
    };
    *left = left.checked_sub(envelope.payload.0.len()).ok_or_else(|| {
        Broken::new(
            "the attestations are more than one evaluation reads",
            "give fewer bundles, or ask for less in one policy",
        )
    })?;
    let statement: Value = json::parse_nested(
        &envelope.payload.0,
        limits::RULE_INPUT_BYTES,
        limits::STATEMENT_DEPTH,
    )
    .map_err(|error| {
        Broken::new(
            format!(
                "the statement cannot be read: {}",
                short(&error.to_string())
            ),
            "attest with a smaller or well-formed predicate",
        )
    })?;
    let of = |name: &str| statement.get(name).cloned().unwrap_or(Value::Null);
    let certificate: Map<String, Value> = report
        .certificate
        .iter()
        .map(|(name, value)| (camel_case(name), Value::from(value.as_str())))
        .collect();
    let facts = [
        ("predicate", of("predicate")),
        ("predicateType", of("predicateType")),
        ("subject", of("subject")),
        ("identity", json!(report.identity)),
        ("issuer", json!(report.issuer)),
        ("certificate", Value::Object(certificate)),
        // The earliest: see the window of time.
        (
            "signedAt",
            json!(report.signed_at.iter().min().map(|at| window_show(*at))),
        ),
        ("statement", statement),
    ];
    Ok(facts
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect())
}
