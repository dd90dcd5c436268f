//! Arguments of `sigstead copy`.

use super::image::RegistryArgs;
use clap::Args;

#[derive(Args, Debug)]
pub(crate) struct CopyArgs {
    /// Image to copy: REGISTRY/NAME:TAG, REGISTRY/NAME@sha256:…, oci:FOLDER[:TAG], oci-archive:FILE[:TAG]
    #[arg(value_name = "FROM")]
    pub(crate) from: String,
    /// Where to: the same forms; a tar is always a new file
    #[arg(value_name = "TO")]
    pub(crate) to: String,
    /// Explicit credentials are for TO when it is a registry, else for FROM; the other one takes what is stored
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
    /// Print what was copied as JSON
    #[arg(long)]
    pub(crate) json: bool,
}
