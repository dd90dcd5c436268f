//! A policy document: read, checked, and compiled once for many bundles.

mod compile;
pub(crate) mod names;
pub(crate) mod raw;
mod shape;
pub(crate) mod tree;
mod window;

pub(crate) use window::{Window, show as window_show};

use crate::error::{PolicyError, Problem, Problems};
use crate::rules::Rules;
use raw::RawDocument;
use serde::{Serialize, Serializer};
use verifier::{IdentityRule, Pattern, Policy, Signer};

/// A policy that can be evaluated.
///
/// Serializes as it was written, without what YAML adds (comments, order, aliases).
#[derive(Clone, Debug)]
pub struct Document {
    raw: RawDocument,
    pub(crate) signatures: Option<Signers>,
    pub(crate) attestations: Vec<Attestation>,
    pub(crate) thresholds: Thresholds,
    pub(crate) window: Window,
}

/// Who may sign, and how many distinct ones must have.
#[derive(Clone, Debug)]
pub(crate) struct Signers {
    pub(crate) identities: Vec<IdentityRule>,
    /// PEM.
    pub(crate) keys: Vec<String>,
    pub(crate) threshold: usize,
}

/// An attestation that there must be.
#[derive(Clone, Debug)]
pub(crate) struct Attestation {
    pub(crate) predicate_type: Pattern,
    pub(crate) signers: Signers,
    pub(crate) rules: Rules,
}

/// Distinct parties that must vouch for each bundle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thresholds {
    pub(crate) logs: usize,
    pub(crate) timestamps: usize,
    pub(crate) scts: usize,
}

impl Document {
    /// Reads YAML or JSON of at most 256 KiB. Unknown members are refused, and all that is wrong is said at once.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        let tree = tree::read(bytes)?;
        let mut problems = Problems::default();
        shape::check(&tree, &raw::schema(), &mut problems);
        problems.none()?;
        let raw: RawDocument =
            serde_json::from_value(tree).map_err(|error| PolicyError::Invalid {
                problems: vec![Problem {
                    path: String::new(),
                    cause: error.to_string(),
                    cure: "compare it with the JSON Schema".to_owned(),
                }],
            })?;
        Self::compile(raw)
    }

    /// The name that the document gives itself.
    pub fn name(&self) -> &str {
        &self.raw.name
    }

    /// What the document says it is for; may be empty.
    pub fn description(&self) -> &str {
        &self.raw.description
    }

    /// Names of trusted roots, any of which a bundle may verify under; empty means the default one.
    pub fn roots(&self) -> &[String] {
        &self.raw.roots
    }

    /// Whether the document carries a Rego module. Whoever writes one chooses how much memory its evaluation takes
    /// (see the crate's documentation): take such documents from administrators only.
    pub fn has_rego(&self) -> bool {
        self.raw.attestations.iter().any(|one| one.rego.is_some())
    }

    pub(crate) fn raw(&self) -> &RawDocument {
        &self.raw
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.raw.serialize(to)
    }
}

impl Thresholds {
    /// The engine's policy for one kind of signer.
    pub(crate) fn policy(self, signer: Signer) -> Policy {
        let mut policy = Policy::new(signer);
        policy.tlog_threshold = self.logs;
        policy.timestamp_threshold = self.timestamps;
        policy.sct_threshold = self.scts;
        policy
    }
}

#[cfg(test)]
mod tests;
