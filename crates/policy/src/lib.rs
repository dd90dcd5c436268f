//! Verification policies: who must have signed, which attestations there must be, and what must hold in them. Pure.
//!
//! A [`Document`] is YAML or JSON. [`Document::parse`] refuses what it does not know and says everything that is
//! wrong at once; [`Document::evaluate`] takes the bundles found for one artifact and fails closed: a requirement
//! passes when enough distinct signers made bundles for it that verify in all steps of the [`verifier`], lie in the
//! window of time, and satisfy each rule. A rule that errs, runs out of its budget or is not true is a failed rule.
//!
//! Rules are evaluated without clock, randomness, network or environment, with budgets that count steps and not
//! seconds: the same policy over the same bundles gives the same outcome everywhere. CEL is bounded in work and memory.
//! Rego is bounded in steps, not in what one step can build ([`Document::has_rego`]).
//!
//! ```
//! let document = policy::Document::parse(br#"
//! apiVersion: sigstead.dev/policy/v1
//! name: release
//! signatures:
//!   identities:
//!     - identity: {glob: "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v*"}
//!       issuer: https://token.actions.githubusercontent.com
//! "#)?;
//! let none_found = document.evaluate(&[], &[], time::OffsetDateTime::UNIX_EPOCH);
//! assert!(!none_found.verified);
//! # Ok::<(), policy::PolicyError>(())
//! ```

mod check;
pub mod cluster_image_policy;
mod document;
mod error;
mod evaluate;
mod limits;
mod rules;
mod suggest;

pub use check::{Finding, Severity, check};
pub use document::Document;
pub use error::{PolicyError, Problem};
pub use evaluate::{Candidate, Evaluation, Judged, Miss, Requirement};
pub use suggest::{SuggestError, Suggestion, suggest};

/// Gives the JSON Schema of a policy document, for editors and for other programs.
pub fn json_schema() -> serde_json::Value {
    document::raw::schema()
}
