//! Arguments of commands about images.

use clap::Args;
use std::path::PathBuf;

/// How a registry is reached, and as whom.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Images")]
pub(crate) struct RegistryArgs {
    /// Speak plain HTTP to registries on other machines as well, when they have no HTTPS
    #[arg(long)]
    pub(crate) allow_http_registry: bool,
    /// CA of a private registry (PEM), besides the system's
    #[arg(long, value_name = "PEM")]
    pub(crate) registry_ca: Option<PathBuf>,
    /// User name at the registry; password: --registry-password-stdin or $SIGSTEAD_REGISTRY_PASSWORD [default: what `docker login` stored, or the token in $SIGSTEAD_REGISTRY_TOKEN]
    #[arg(long, value_name = "NAME", env = "SIGSTEAD_REGISTRY_USERNAME")]
    pub(crate) registry_username: Option<String>,
    /// Read the password at the registry from standard input
    #[arg(long, requires = "registry_username")]
    pub(crate) registry_password_stdin: bool,
}

/// What signing an image needs besides.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Images")]
pub(crate) struct ImageSigningArgs {
    /// Sign every image of an index as well
    #[arg(long, conflicts_with = "bundle")]
    pub(crate) recursive: bool,
    /// Store the signature as cosign 2 does, under the tag .sig or .att
    #[arg(long, conflicts_with = "bundle")]
    pub(crate) legacy: bool,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

/// What verifying an image needs besides.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Images")]
pub(crate) struct ImageVerifyArgs {
    /// Verify every image of an index as well: each must hold
    #[arg(long, conflicts_with = "bundle")]
    pub(crate) recursive: bool,
    /// Ask for an attestation with this predicate type, not for a signature
    #[arg(long = "type", value_name = "URI", conflicts_with = "bundle")]
    pub(crate) predicate_type: Option<String>,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}
