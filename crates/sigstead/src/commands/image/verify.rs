//! `sigstead verify IMAGE`: every signature is reported; one that holds is enough.

use super::report::{Checked, ImageReport, Wanted};
use super::{access, run, source};
use crate::cli::VerifyArgs;
use crate::commands::input::load_trusted_root;
use crate::commands::verify::{demand, outcome, policy};
use crate::commands::vsa::{self, Facts, Summaries};
use crate::exit::{Failure, Outcome};
use anyhow::{Context, Result};
use clock::Clock;
use oci::{Found, FoundSignature, ImageDigest, Kind};
use time::OffsetDateTime;
use verifier::{Policy, TrustMaterial};

pub(crate) fn verify(args: &VerifyArgs, summaries: Option<&Summaries>) -> Result<Outcome, Failure> {
    if let Some(file) = &args.policy.policy {
        return super::judged::verify(args, file, summaries);
    }
    let verifying = Verifying::new(args).map_err(Failure::Usage)?;
    let found = find(args).map_err(Failure::Usage)?;
    let bundles = verifier_api::image_bundles(&found);
    let report = verifying.image(found);
    vsa::write_if(report.verified, summaries, || {
        Ok(Facts {
            uri: uri(args, report.digest)?,
            sha256: report.digest.0,
            at: verifying.at,
            policy_name: None,
            demand: demand(args)?,
            bundles,
        })
    })?;
    report.print(args.json).map_err(Failure::Failed)?;
    Ok(outcome(report.verified))
}

/// What a summary calls the image: a path on this machine is nothing to anybody else.
pub(super) fn uri(args: &VerifyArgs, digest: ImageDigest) -> Result<String> {
    Ok(match source(&args.artifact, "verify")?.is_local() {
        true => verifier_api::artifact_uri(&digest.0),
        false => verifier_api::image_uri(&args.artifact, &digest.to_string()),
    })
}

/// Reads the image and everything about it.
pub(super) fn find(args: &VerifyArgs) -> Result<Found> {
    let source = source(&args.artifact, "verify")?;
    let access = if source.is_local() {
        oci::Access::default()
    } else {
        access(&args.image.registry)?
    };
    let find = oci::find(&source, &access, args.image.recursive);
    Ok(run(!source.is_local(), find)??)
}

struct Verifying {
    policy: Policy,
    trust: TrustMaterial,
    wanted: Wanted,
    name: String,
    /// Now.
    at: OffsetDateTime,
}

impl Verifying {
    fn new(args: &VerifyArgs) -> Result<Self> {
        let root = load_trusted_root(args.trusted_root.as_ref(), &args.data.data_dir)?;
        let trust = TrustMaterial::new(&root).context("trusted root")?;
        Ok(Self {
            policy: policy(args)?,
            trust,
            wanted: match args.image.predicate_type.clone() {
                Some(predicate_type) => Wanted::Attestation(predicate_type),
                None => Wanted::Signature,
            },
            name: args.artifact.clone(),
            at: Clock::system().now(),
        })
    }

    fn image(&self, found: Found) -> ImageReport {
        let signatures = found.signatures.iter().map(|one| self.signature(one));
        let signatures: Vec<_> = signatures.collect();
        let children = found.children.into_iter().map(|child| self.image(child));
        ImageReport::new(
            (&self.name, found.digest, found.media_type),
            &self.wanted,
            found.looked,
            signatures,
            children.collect(),
        )
    }

    fn signature(&self, found: &FoundSignature) -> Checked {
        let counts = match (&self.wanted, &found.kind) {
            (Wanted::Signature, kind) => *kind == Kind::Signature,
            (Wanted::Attestation(want), Kind::Attestation { predicate_type }) => {
                predicate_type == want
            }
            _ => false,
        };
        let report = found.bundle.as_ref().map(|bundle| {
            let artifact = found.artifact.as_artifact();
            verifier::verify(bundle, &artifact, &self.trust, &self.policy, self.at)
        });
        Checked {
            place: found.place.clone(),
            kind: found.kind.clone(),
            counts,
            verified: report.as_ref().is_ok_and(|report| report.verified),
            report: report.as_ref().ok().cloned(),
            unreadable: report.err().cloned(),
        }
    }
}
