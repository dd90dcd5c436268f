//! Arguments of `sigstead backup`, `restore` and `migrate`.

use super::{DataArgs, DatabaseArgs};
use crate::database::Database;
use clap::Args;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Archive to write; it gets its name when all of it is on the disk
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) lock: LockArgs,
    /// Print what was backed up as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Who can open the archive.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct LockArgs {
    /// Encrypt for whoever knows the passphrase: the first line of this file (`-` for standard input)
    #[arg(long, value_name = "F")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Encrypt for the holder of this key, from `age-keygen`; once for each
    #[arg(long = "recipient", value_name = "age1…")]
    pub(crate) recipients: Vec<String>,
}

/// What opens the archive.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct UnlockArgs {
    /// The passphrase: the first line of this file (`-` for standard input)
    #[arg(long, value_name = "F")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Private keys of recipients, as `age-keygen` writes them
    #[arg(long, value_name = "F")]
    pub(crate) identity_file: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct RestoreArgs {
    /// Archive that `sigstead backup` wrote
    #[arg(long, value_name = "FILE")]
    pub(crate) from: PathBuf,
    #[command(flatten)]
    pub(crate) unlock: UnlockArgs,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Restore nothing: check all of the archive, and that nothing is missing which the guard and the database of the data
    /// folder, or what --against names, show was given out
    #[arg(long)]
    pub(crate) check: bool,
    /// Checkpoint (C2SP note) or Sigstore bundle that a client or a monitor was given: the archive must lead to it or beyond
    #[arg(long, value_name = "CHECKPOINT")]
    pub(crate) against: Vec<PathBuf>,
    /// Guard of another place, to compare with [default: the one in the data folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) guard: Option<PathBuf>,
    /// Restore this log although it is shorter than what was signed; without it the refusal says what that costs
    #[arg(long, value_name = "LOG", conflicts_with = "check")]
    pub(crate) accept_shorter: Vec<String>,
    /// Where --check puts the logs back for a moment, on a disk that you trust with the keys [default: the system's folder]
    #[arg(long, value_name = "DIR", requires = "check")]
    pub(crate) scratch: Option<PathBuf>,
    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct MigrateArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Where they go: postgres://user@host/name, or sqlite:PATH; empty, or where they came from
    #[arg(long, value_name = "URL")]
    pub(crate) to: Database,
    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
}
