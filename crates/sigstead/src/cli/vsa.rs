//! Arguments about verification summaries.

use clap::Args;
use std::path::PathBuf;

/// What a positive verdict is signed with, and where it goes.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Verification summaries")]
pub(crate) struct VsaArgs {
    /// When verified, write a signed SLSA verification summary (a bundle) here; a negative verdict writes nothing
    #[arg(long, value_name = "OUT", requires = "vsa_key")]
    pub(crate) vsa: Option<PathBuf>,
    /// The verifier's own private key (PEM, PKCS#8), e.g. keys/verifier.pem of a data folder
    #[arg(long, value_name = "PEM", requires = "vsa")]
    pub(crate) vsa_key: Option<PathBuf>,
    /// URI that the summary names the verifier by [default: urn:sigstead:verifier: and the digest of its public key]
    #[arg(long, value_name = "URI", requires = "vsa")]
    pub(crate) vsa_id: Option<String>,
    /// URI that the summary names the artifact by [default: the image with its digest, or sha256:HEX]
    #[arg(long, value_name = "URI", requires = "vsa")]
    pub(crate) vsa_resource: Option<String>,
}
