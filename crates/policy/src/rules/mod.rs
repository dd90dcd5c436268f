//! Rules on what an attestation says.

use crate::error::{Problems, item, member};
use crate::evaluate::Miss;
use formats::bundle::Bundle;
use verifier::Report;

/// The rules of one required attestation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {}

impl Rules {
    pub(crate) fn compile(
        path: &str,
        cel: &[String],
        rego: Option<&str>,
        problems: &mut Problems,
    ) -> Self {
        for position in 0..cel.len() {
            problems.add(
                item(&member(path, "cel"), position),
                "CEL is not read yet",
                "leave it out",
            );
        }
        if rego.is_some() {
            problems.add(member(path, "rego"), "Rego is not read yet", "leave it out");
        }
        Self {}
    }

    /// Says which rules a verified statement breaks.
    pub(crate) fn check(&self, _bundle: &Bundle, _report: &Report, _path: &str) -> Vec<Miss> {
        Vec::new()
    }
}
