//! Arguments of `sigstead policy`, and of `verify` with one.

use super::DataArgs;
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Write the narrowest policy that a bundle satisfies
    #[command(
        after_help = "Example:\n  sigstead policy suggest app.tar --bundle app.tar.sigstore.json > policy.yaml"
    )]
    Suggest(SuggestArgs),
    /// Object to what a policy lets through: 0 clean, 1 findings, 2 unreadable
    #[command(after_help = "Example:\n  sigstead policy check policy.yaml")]
    Check(CheckArgs),
    /// Translate a ClusterImagePolicy of policy-controller; what does not map is said on standard error
    #[command(
        after_help = "Example:\n  sigstead policy import cluster-image-policy.yaml > policy.yaml"
    )]
    Import(ImportArgs),
    /// Print the JSON Schema of policies
    #[command(after_help = "Example:\n  sigstead policy schema > policy.schema.json")]
    Schema,
}

#[derive(Args, Debug)]
pub(crate) struct SuggestArgs {
    /// File that was signed, or its digest as sha256:HEX
    #[arg(value_name = "FILE|sha256:HEX")]
    pub(crate) artifact: String,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Bundle to satisfy
    #[arg(long, value_name = "B")]
    pub(crate) bundle: PathBuf,
    /// Public key (PEM), for a bundle that was signed with a managed key
    #[arg(long, value_name = "PEM")]
    pub(crate) key: Option<PathBuf>,
    /// Trusted root [default: the one in the data folder]
    #[arg(long, value_name = "F")]
    pub(crate) trusted_root: Option<PathBuf>,
    /// Name that the policy gives the trusted root [default: none, any verifier's default root]
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) root_name: String,
}

#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// Policy, YAML or JSON (`-` for standard input)
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Print the findings as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// Manifest of one ClusterImagePolicy (`-` for standard input)
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// How `verify` is told what to ask for by a file.
#[derive(Args, Debug)]
pub(crate) struct VerifyPolicyArgs {
    /// Policy (YAML or JSON) that says who must have signed and attested; --bundle may then be given several times
    #[arg(long, value_name = "F", conflicts_with_all = ["certificate_identity", "certificate_identity_regexp", "certificate_oidc_issuer", "certificate_oidc_issuer_regexp", "key"])]
    pub(crate) policy: Option<PathBuf>,
    /// Trusted root for a name under `roots` of the policy; may be given several times. `default` is --trusted-root, and `sigstore` the public instance's, embedded, unless given here
    #[arg(long = "root", value_name = "NAME=F", requires = "policy")]
    pub(crate) roots: Vec<String>,
}
