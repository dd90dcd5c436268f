//! Verification of Sigstore bundles: bytes, trusted root, policy and time in; report out. Pure.
//!
//! [`verify`] evaluates seven steps, all of them even when one fails, and fails closed: [`Report::verified`] is
//! true only when no step failed and no step that the policy makes mandatory was skipped. The order follows the
//! Sigstore client specification; a comment beside each check names its source.
//!
//! | Step | What holds afterwards |
//! |---|---|
//! | [`StepName::Material`] | the bundle has the form of its version and the credential that the policy asks for |
//! | [`StepName::CertificateChain`] | there are trusted times, and the certificate leads to a trusted authority at each |
//! | [`StepName::Identity`] | name and OIDC issuer are those of the policy |
//! | [`StepName::Sct`] | trusted certificate-transparency logs saw the certificate |
//! | [`StepName::Signature`] | the signature is over this artifact, or over a statement about it |
//! | [`StepName::TransparencyLog`] | trusted logs hold an entry about exactly this signature |
//! | [`StepName::Policy`] | enough distinct logs, certificate-transparency logs and time sources vouch |
//!
//! Bundles 0.1 to 0.3 with Rekor v1 and v2 entries, message signatures and DSSE envelopes, certificates and
//! managed keys are read. Nothing here does I/O or reads a clock.
//!
//! ```
//! use time::OffsetDateTime;
//! use verifier::{Artifact, Match, Policy, Signer, StepName, TrustMaterial};
//!
//! # fn files() -> (&'static [u8], &'static [u8], &'static [u8]) {
//! #     let root = br#"{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;
//! #     let bundle = br#"{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "verificationMaterial":
//! #         {"publicKey": {"hint": "k"}, "tlogEntries": []}, "messageSignature": {"signature": "AAAA"}}"#;
//! #     (root, bundle, b"artifact")
//! # }
//! let (root_json, bundle_json, artifact) = files(); // however you get them
//! # fn check(root_json: &[u8], bundle_json: &[u8], artifact: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! // Once for many bundles.
//! let trust = TrustMaterial::new(&formats::trust::TrustedRoot::parse(root_json)?)?;
//! let policy = Policy::new(Signer::Identity {
//!     identity: Match::Exact("alice@example.com".into()),
//!     issuer: Match::Exact("https://accounts.example.com".into()),
//! });
//!
//! let bundle = formats::bundle::Bundle::parse(bundle_json)?;
//! let report = verifier::verify(&bundle, &Artifact::Bytes(artifact), &trust, &policy, OffsetDateTime::now_utc());
//!
//! println!("{}", report.to_text(false)); // a tree of checks; serde gives JSON
//! if let Some(step) = report.first_failure() {
//!     println!("{:?}: {:?}, {:?}", step.name, step.cause, step.cure);
//! }
//! # assert!(!report.verified);
//! # assert_eq!(report.first_failure().map(|step| step.name), Some(StepName::Material));
//! # Ok(())
//! # }
//! # check(root_json, bundle_json, artifact).expect("the sample files parse");
//! ```

mod body;
mod budget;
mod chain;
mod digests;
mod failure;
mod identity;
mod limits;
mod material;
mod pattern;
mod policy;
mod report;
mod sct;
mod signature;
mod statement;
mod times;
mod timestamp;
mod tlog;
mod trust;

pub use body::BodyFailure;
pub use failure::Failure;
pub use pattern::Pattern;
pub use policy::{IdentityRule, Match, Policy, Signer};
pub use report::{Outcome, Parties, Report, Step, StepName, printable, report_schema};
pub use timestamp::TimestampFailure;
pub use tlog::EntryFailure;
pub use trust::{Anchor, Bound, TrustList, TrustMaterial, TrustMaterialError};

use budget::{Budget, Exhausted};
use digests::ArtifactDigests;
use formats::bundle::Bundle;
use time::OffsetDateTime;

/// What was signed, as the caller has it.
#[derive(Clone, Copy, Debug)]
pub enum Artifact<'a> {
    /// The whole artifact.
    Bytes(&'a [u8]),
    /// Digests computed by the caller while streaming a file.
    ///
    /// Pure Ed25519 message signatures cannot be checked this way; Ed25519ph needs `sha512`, P-384 keys usually `sha384`.
    Digests {
        /// SHA-256 of the artifact.
        sha256: [u8; 32],
        /// SHA-384 of the artifact, when known.
        sha384: Option<[u8; 48]>,
        /// SHA-512 of the artifact, when known.
        sha512: Option<[u8; 64]>,
    },
}

/// What every step may look at.
pub(crate) struct Context<'a> {
    trust: &'a TrustMaterial,
    policy: &'a Policy,
    now: OffsetDateTime,
    digests: ArtifactDigests<'a>,
    budget: Budget,
}

impl Context<'_> {
    fn spend(&self, checks: usize) -> Result<(), Exhausted> {
        self.budget.spend(checks)
    }
}

/// Evaluates all steps and fails closed. `now` only bounds integrated times from the future.
///
/// Never panics and never loops on hostile bundles: sizes, counts and the number of signature checks are limited.
/// A managed-key bundle without any trusted time (policy with `timestamp_threshold` 0) also uses `now` to ask
/// whether the log's key is in use.
pub fn verify(
    bundle: &Bundle,
    artifact: &Artifact<'_>,
    trust: &TrustMaterial,
    policy: &Policy,
    now: OffsetDateTime,
) -> Report {
    let cx = Context {
        trust,
        policy,
        now,
        digests: ArtifactDigests::new(artifact),
        budget: Budget::new(),
    };

    // 0. Form. Everything below works on what parsed.
    let (material, form) = material::check(bundle, policy);
    let credential = material.credential.as_ref();
    // 1. Trusted times, which need the entries' SETs.
    let entries = tlog::read(&cx, &material);
    let times = times::establish(&cx, &material, &entries);
    // 2.-7. Each step answers for itself, whether or not an earlier one failed.
    let (chain, issuing_ca) = chain::check(&cx, credential, &times);
    let (identity, found) = identity::check(credential, policy);
    let (sct, sct_parties) = sct::check(&cx, credential, issuing_ca);
    let (signature, predicate_type) = signature::check(&cx, &material);
    let (log, log_parties) = tlog::check(&cx, &material, &entries, &times);
    let parties = Parties {
        logs: log_parties,
        scts: sct_parties,
        times: times.parties.len(),
    };
    let thresholds = check_thresholds(policy, &parties);

    let steps = vec![form, chain, identity, sct, signature, log, thresholds];
    Report {
        verified: steps.iter().all(|step| stands(step, policy)),
        identity: found.identity,
        issuer: found.issuer,
        certificate: found.certificate,
        signed_at: times.at.into_iter().collect(),
        parties,
        steps,
        predicate_type,
    }
}

/// Step 7: the thresholds of the policy, by distinct party (spec c.5).
fn check_thresholds(policy: &Policy, counts: &Parties) -> Step {
    let mut step = Step::new(StepName::Policy);
    step.note(format!(
        "transparency logs: {} of {}",
        counts.logs, policy.tlog_threshold
    ));
    if counts.logs < policy.tlog_threshold {
        step.fail(Failure::TlogThreshold {
            have: counts.logs,
            want: policy.tlog_threshold,
        });
    }
    if policy.wants_certificate() {
        step.note(format!(
            "certificate-transparency logs: {} of {}",
            counts.scts, policy.sct_threshold
        ));
        if counts.scts < policy.sct_threshold {
            step.fail(Failure::SctThreshold {
                have: counts.scts,
                want: policy.sct_threshold,
            });
        }
    }
    step.note(format!(
        "sources of trusted time: {} of {}",
        counts.times, policy.timestamp_threshold
    ));
    if counts.times < policy.timestamp_threshold {
        step.fail(Failure::TimestampThreshold {
            have: counts.times,
            want: policy.timestamp_threshold,
        });
    }
    step
}

/// Whether the step lets the bundle be verified: passed, or skipped where the policy allows.
fn stands(step: &Step, policy: &Policy) -> bool {
    match step.outcome {
        Outcome::Passed => true,
        Outcome::Failed => false,
        Outcome::Skipped => !is_mandatory(step.name, policy),
    }
}

fn is_mandatory(name: StepName, policy: &Policy) -> bool {
    match name {
        StepName::Material | StepName::Signature | StepName::Policy => true,
        StepName::CertificateChain | StepName::Identity => policy.wants_certificate(),
        StepName::Sct => policy.wants_certificate() && policy.sct_threshold > 0,
        StepName::TransparencyLog => policy.tlog_threshold > 0,
    }
}
