//! `sigstead tuf …`.

use super::{DataArgs, DatabaseArgs};
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum TufCommand {
    /// Show versions, ends of life and keys: 0 all is well, 1 somebody should see to something
    #[command(after_help = "Example:\n  sigstead tuf status --json")]
    Status(TufStatusArgs),
    /// Sign contents, snapshot and timestamp now, fresh or not
    #[command(
        after_help = "Example:\n  sigstead tuf publish --targets-key /media/usb/tuf-targets.pem"
    )]
    Publish(TufPublishArgs),
    /// Exchange the root key (and others) by keys made in the data folder, while it is served or stopped
    #[command(after_help = "Example:\n  sigstead tuf rotate-root --online")]
    RotateRoot(TufRotateArgs),
    /// Give the root into the hands of several holders, or have them sign the next one
    #[command(subcommand)]
    Ceremony(CeremonyCommand),
}

/// Which repository.
#[derive(Args, Debug)]
pub(crate) struct RepositoryArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

#[derive(Args, Debug)]
pub(crate) struct TufStatusArgs {
    #[command(flatten)]
    pub(crate) repository: RepositoryArgs,
    /// Print it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct TufPublishArgs {
    #[command(flatten)]
    pub(crate) repository: RepositoryArgs,
    /// The targets key, when it is kept outside the data folder
    #[arg(long, value_name = "PEM")]
    pub(crate) targets_key: Option<PathBuf>,
    /// Sign although what is published says that the clock goes wrong: you have looked, and it is right
    #[arg(long)]
    pub(crate) clock_is_right: bool,
}

/// Which keys besides the root's.
#[derive(Args, Debug)]
pub(crate) struct ExchangeArgs {
    /// Make a new key for snapshot and timestamp, also when the old one is lost
    #[arg(long)]
    pub(crate) online: bool,
    /// Make a new key for targets, also when the old one is lost
    #[arg(long)]
    pub(crate) targets: bool,
}

impl From<&ExchangeArgs> for tuf::Exchange {
    fn from(args: &ExchangeArgs) -> Self {
        Self {
            online: args.online,
            targets: args.targets,
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct TufRotateArgs {
    #[command(flatten)]
    pub(crate) repository: RepositoryArgs,
    #[command(flatten)]
    pub(crate) exchange: ExchangeArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CeremonyCommand {
    /// Each holder, on a machine of their own: make a key; OUT with `.pub` at its end is for the others
    #[command(after_help = "Example:\n  sigstead tuf ceremony key --out alice.pem")]
    Key(CeremonyKeyArgs),
    /// Draft the next root; without --holder it has the holders of the current one
    #[command(
        after_help = "Example:\n  sigstead tuf ceremony init --holder alice.pub --holder bob.pub --holder carol.pub --threshold 2 --out draft.json"
    )]
    Init(CeremonyInitArgs),
    /// Look at a draft: what it changes, who has signed
    Show(CeremonyShowArgs),
    /// Each holder, on a machine of their own: sign the draft; the file is rewritten with the signature
    #[command(after_help = "Example:\n  sigstead tuf ceremony sign --key alice.pem draft.json")]
    Sign(CeremonySignArgs),
    /// Publish a draft that enough holders have signed; root keys in the data folder that it does not name are removed
    #[command(after_help = "Example:\n  sigstead tuf ceremony finish draft.json")]
    Finish(CeremonyFinishArgs),
}

#[derive(Args, Debug)]
pub(crate) struct CeremonyKeyArgs {
    /// Where to write the private key (PKCS#8 PEM, mode 0600)
    #[arg(long, value_name = "PEM")]
    pub(crate) out: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct CeremonyInitArgs {
    #[command(flatten)]
    pub(crate) repository: RepositoryArgs,
    /// Public key (PEM) of a holder; once for each
    #[arg(long = "holder", value_name = "PUB", requires = "threshold")]
    pub(crate) holders: Vec<PathBuf>,
    /// How many of the holders have to sign
    #[arg(long, value_name = "M", requires = "holders")]
    pub(crate) threshold: Option<u64>,
    #[command(flatten)]
    pub(crate) exchange: ExchangeArgs,
    /// How long clients take the root
    #[arg(long, value_name = "DAYS", default_value = "365", value_parser = clap::value_parser!(i64).range(30..=3650))]
    pub(crate) days: i64,
    /// Where to write the draft
    #[arg(long, value_name = "DRAFT")]
    pub(crate) out: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct CeremonyShowArgs {
    /// The draft
    #[arg(value_name = "DRAFT")]
    pub(crate) draft: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct CeremonySignArgs {
    /// The holder's private key
    #[arg(long, value_name = "PEM")]
    pub(crate) key: PathBuf,
    /// The draft
    #[arg(value_name = "DRAFT")]
    pub(crate) draft: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct CeremonyFinishArgs {
    #[command(flatten)]
    pub(crate) repository: RepositoryArgs,
    /// The draft
    #[arg(value_name = "DRAFT")]
    pub(crate) draft: PathBuf,
}
