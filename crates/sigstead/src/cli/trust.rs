//! Arguments of `sigstead trust`.

use super::DataArgs;
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum TrustCommand {
    /// Write the trusted root and the signing configs into a folder
    #[command(after_help = "Example:\n  sigstead trust export --out ./trust")]
    Export(ExportArgs),
    /// List trusted roots with the ends of life of their keys and CAs; opens no socket: 0 all usable, 1 not all, 2 no list
    #[command(
        after_help = "Examples:\n  sigstead trust list\n  sigstead trust list --config verifier.toml --json"
    )]
    List(ListArgs),
    /// Refresh the trusted roots that come from TUF, into their folders: 0 all fetched, 1 not all, 2 nothing to fetch
    #[command(
        after_help = "Examples:\n  sigstead trust update --config verifier.toml\n  sigstead trust update --config verifier.toml staging"
    )]
    Update(UpdateArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Folder to write into
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Configuration of a verifier, whose roots are meant [default: the data folder's root, and the public instance's]
    #[arg(long, value_name = "F")]
    pub(crate) config: Option<PathBuf>,
    /// Print the list as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct UpdateArgs {
    /// Configuration of a verifier, whose roots are meant
    #[arg(long, value_name = "F")]
    pub(crate) config: PathBuf,
    /// Roots to refresh [default: all that come from TUF]
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Print what was fetched as JSON
    #[arg(long)]
    pub(crate) json: bool,
}
