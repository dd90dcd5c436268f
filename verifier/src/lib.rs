//! Verification of Sigstore bundles: bytes, trusted root, policy and time in; report out. Pure.
#![allow(clippy::todo, missing_docs)]
use formats::{bundle::Bundle, trust::TrustedRoot};
use time::OffsetDateTime;

/// What was signed, as the caller has it.
pub enum Artifact<'a> { Bytes(&'a [u8]), /** digests computed by the caller while streaming a file */ Digests { sha256: [u8; 32], sha384: Option<[u8; 48]>, sha512: Option<[u8; 64]> } }

#[derive(Clone, Debug)]
pub enum Match { Exact(String), /** whole value must match */ Regexp(String) }
/// Who must have signed.
#[derive(Clone, Debug)]
pub enum Signer { Identity { identity: Match, issuer: Match }, /** PEM */ Key(String) }
#[derive(Clone, Debug)]
pub struct Policy { pub signer: Signer, pub tlog_threshold: usize, pub sct_threshold: usize, pub timestamp_threshold: usize }
impl Policy { pub fn new(signer: Signer) -> Self { Self { signer, tlog_threshold: 1, sct_threshold: 1, timestamp_threshold: 1 } } }

/// A trusted root, parsed once: keys and certificates ready for use.
pub struct TrustMaterial { _private: () }
impl TrustMaterial {
    pub fn new(root: &TrustedRoot) -> Result<Self, TrustMaterialError> { todo!() }
}
#[derive(Debug, thiserror::Error)]
pub enum TrustMaterialError { #[error("TODO")] Todo }

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome { Passed, Failed, Skipped }
/// The seven steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepName { Material, CertificateChain, Identity, Sct, Signature, TransparencyLog, Policy }
#[derive(Clone, Debug, serde::Serialize)]
pub struct Step { pub name: StepName, pub outcome: Outcome, /** one line each: who, which log, which index, which time, which key */ pub evidence: Vec<String>, /** failures: cause and cure */ #[serde(skip_serializing_if = "Option::is_none")] pub cause: Option<String>, #[serde(skip_serializing_if = "Option::is_none")] pub cure: Option<String> }
#[derive(Clone, Debug, serde::Serialize)]
pub struct Report { pub verified: bool, pub identity: Option<String>, pub issuer: Option<String>, pub steps: Vec<Step>, /** in-toto predicate type when DSSE */ #[serde(skip_serializing_if = "Option::is_none")] pub predicate_type: Option<String> }

/// Evaluates all steps and fails closed. `now` only bounds integrated times from the future.
pub fn verify(bundle: &Bundle, artifact: &Artifact<'_>, trust: &TrustMaterial, policy: &Policy, now: OffsetDateTime) -> Report { todo!() }
