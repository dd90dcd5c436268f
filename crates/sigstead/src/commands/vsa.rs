//! `verify --vsa`: a positive verdict, signed, for those who trust this verifier. The verifier's API makes the same.

use crate::cli::VsaArgs;
use crate::exit::Failure;
use crate::instance::write_atomically;
use anyhow::{Context, Result, bail};
use keys::{KeyFolder, Purpose};
use std::path::PathBuf;
use time::OffsetDateTime;
use verifier_api::Summarizer;

/// Bytes of a resource's URI: what the verifier's API takes.
const MAX_RESOURCE: usize = 2048;

/// Who signs summaries, and where they go.
pub(crate) struct Summaries {
    summarizer: Summarizer,
    out: PathBuf,
    resource: Option<String>,
}

/// What was verified.
pub(crate) struct Facts {
    /// Names the artifact, unless the caller does.
    pub(crate) uri: String,
    /// Of the artifact.
    pub(crate) sha256: [u8; 32],
    pub(crate) at: OffsetDateTime,
    /// The policy's own name; none for what the arguments asked for.
    pub(crate) policy_name: Option<String>,
    /// Canonical JSON of policy or arguments.
    pub(crate) demand: Vec<u8>,
    /// SHA-256 of each bundle.
    pub(crate) bundles: Vec<[u8; 32]>,
}

impl Summaries {
    /// Reads the key; none when no summary is wanted. Done before anything is verified, so that a mistake here does not
    /// look like a verdict.
    pub(crate) fn prepare(args: &VsaArgs) -> Result<Option<Self>> {
        let (Some(out), Some(key)) = (&args.vsa, &args.vsa_key) else {
            return Ok(None);
        };
        let signer = KeyFolder::of_file(key).and_then(|folder| folder.load(Purpose::Verifier));
        let signer = signer.context(
            "--vsa-key: `sigstead up` has such a key in keys/verifier.pem, and `sigstead init verifier` makes one",
        )?;
        let summarizer = match &args.vsa_id {
            Some(id) => Summarizer::new(id, signer).context("--vsa-id")?,
            None => Summarizer::named_by_key(signer)?,
        };
        let resource = args.vsa_resource.clone();
        if resource
            .as_ref()
            .is_some_and(|uri| uri.len() > MAX_RESOURCE)
        {
            bail!("--vsa-resource has more than {MAX_RESOURCE} bytes");
        }
        Ok(Some(Self {
            summarizer,
            out: out.clone(),
            resource,
        }))
    }

    fn write(&self, facts: &Facts) -> Result<()> {
        let summary = verifier_api::Summary {
            resource_uri: self.resource.as_deref().unwrap_or(&facts.uri),
            sha256: facts.sha256,
            verified_at: facts.at,
            policy_name: facts.policy_name.as_deref(),
            policy_sha256: verifier_api::digest(&facts.demand),
            bundles: &facts.bundles,
        };
        // A key in memory answers at once.
        let signed = futures::executor::block_on(self.summarizer.sign(&summary))?;
        write_atomically(&self.out, signed.as_bytes())
    }
}

/// Signs a summary of a positive verdict if one is wanted; never of a negative one.
///
/// Called before the verdict is shown: whoever reads "verified" has the summary.
pub(crate) fn write_if(
    verified: bool,
    summaries: Option<&Summaries>,
    facts: impl FnOnce() -> Result<Facts>,
) -> Result<(), Failure> {
    let Some(summaries) = summaries.filter(|_| verified) else {
        return Ok(());
    };
    let written = facts().and_then(|facts| summaries.write(&facts));
    written
        .context("verified, but the verification summary could not be written")
        .map_err(Failure::Failed)?;
    super::image::say(&format!(
        "verification summary: {}",
        summaries.out.display()
    ));
    Ok(())
}
