//! The command line.

pub(crate) mod backup;
mod copy;
mod image;
pub(crate) mod policy;
pub(crate) mod rotate;
pub(crate) mod trust;
pub(crate) mod tuf;
mod vsa;

pub(crate) use copy::CopyArgs;
pub(crate) use image::{ImageSigningArgs, ImageVerifyArgs, RegistryArgs};
pub(crate) use vsa::VsaArgs;

use crate::database::Database;
use crate::instance::Layout;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Your own Sigstore in one program.
#[derive(Debug, Parser)]
#[command(
    name = "sigstead",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a whole Sigstore on this machine: CA, logs, timestamps, trust files, development issuer
    #[command(
        after_help = "Example:\n  sigstead up --data-dir ./sigstead-data --listen 127.0.0.1:8080"
    )]
    Up(UpArgs),
    /// Create what `serve` needs, once: keys, chains, database, trust files
    #[command(
        after_help = "Examples:\n  sigstead init --config sigstead.toml\n  sigstead init witness --config witness.toml   (prints the verifier key; for the files see: sigstead serve --help)"
    )]
    Init(InitArgs),
    /// Run roles from a configuration file; creates nothing (see `init`)
    #[command(after_help = crate::serve::EXAMPLE)]
    Serve(ServeArgs),
    /// Look at a configuration of `serve`
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Get an identity token from the development issuer of `up`
    #[command(
        after_help = "Examples:\n  sigstead token --email you@example.com\n  sigstead token --claims github-claims.json"
    )]
    Token(TokenArgs),
    /// Sign an image, or a file (--bundle): certificate, signature, timestamp, log entry, all in one bundle
    #[command(
        after_help = "Examples:\n  sigstead sign registry.example.com/app:v1\n  sigstead sign app.tar --bundle app.tar.sigstore.json --identity-token \"$(sigstead token --email you@example.com)\""
    )]
    Sign(SignArgs),
    /// Sign a statement about an image, or about a file (--bundle) (in-toto attestation)
    #[command(
        after_help = "Examples:\n  sigstead attest registry.example.com/app:v1 --predicate sbom.json --type https://spdx.dev/Document\n  sigstead attest app.tar --predicate sbom.json --type https://spdx.dev/Document --bundle app.tar.att.sigstore.json"
    )]
    Attest(AttestArgs),
    /// Verify an image, or a bundle (--bundle); nothing but an image's registry is asked: 0 verified, 1 not verified, 2 unreadable input
    #[command(
        after_help = "Examples:\n  sigstead verify registry.example.com/app:v1 --certificate-identity you@example.com \\\n      --certificate-oidc-issuer http://127.0.0.1:8080/oidc\n  sigstead verify oci:./saved --key cosign.pub\n  sigstead verify --bundle app.tar.sigstore.json --certificate-identity you@example.com \\\n      --certificate-oidc-issuer http://127.0.0.1:8080/oidc app.tar\n  sigstead verify --bundle b.json --key cosign.pub --trusted-root root.json sha256:2cf24d...\n  sigstead verify --policy policy.yaml --bundle sig.json --bundle sbom.json app.tar\n  sigstead verify --policy policy.yaml registry.example.com/app:v1 --vsa vsa.sigstore.json --vsa-key verifier.pem"
    )]
    Verify(VerifyArgs),
    /// Copy an image with all its signatures and attestations, between registries and OCI layouts
    #[command(
        after_help = "Examples:\n  sigstead copy registry.example.com/app:v1 oci-archive:app.tar\n  sigstead copy oci-archive:app.tar registry.internal/app:v1\n  sigstead copy registry.example.com/app:v1 oci:./saved"
    )]
    Copy(CopyArgs),
    /// Check the logs of a stopped instance against themselves: 0 clean, 1 findings, 2 unreadable
    #[command(
        after_help = "Examples:\n  sigstead fsck --data-dir ./sigstead-data\n  sigstead fsck --log rekor-v1 --json"
    )]
    Fsck(FsckArgs),
    /// Replace a key without a gap: CA, CT log, timestamp authority, Rekor logs; or show how all keys stand (--status)
    #[command(
        after_help = "Examples:\n  sigstead rotate --status\n  sigstead rotate ca --dry-run\n  sigstead rotate log --yes"
    )]
    Rotate(rotate::RotateArgs),
    /// Move the logs to another database, while they are served: PostgreSQL or an SQLite file
    #[command(
        after_help = "Examples:\n  sigstead migrate --to postgres://sigstead@db/sigstead\n  sigstead migrate --to sqlite:./sigstead-data/sigstead.db --database postgres://sigstead@db/sigstead"
    )]
    Migrate(backup::MigrateArgs),
    /// Write one encrypted archive of an instance, while it is served: database, keys, trust files, TUF
    #[command(
        after_help = "Examples:\n  sigstead backup --out monday.age --passphrase-file ~/passphrase\n  sigstead backup --out monday.age --recipient age1…   (from `age-keygen`)"
    )]
    Backup(backup::BackupArgs),
    /// Put an archive back into an empty place, or check it: 0 whole and nothing missing, 1 not, 2 usage
    #[command(
        after_help = "Examples:\n  sigstead restore --check --from monday.age --passphrase-file ~/passphrase\n  sigstead restore --from monday.age --passphrase-file ~/passphrase --data-dir ./new"
    )]
    Restore(backup::RestoreArgs),
    /// Trust files for clients, and the trusted roots that verifiers know
    #[command(subcommand)]
    Trust(trust::TrustCommand),
    /// The TUF repository, from which clients get the trust files by themselves
    #[command(subcommand)]
    Tuf(tuf::TufCommand),
    /// Policies: files that say who must have signed and attested
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
}

/// Where an instance keeps its state.
#[derive(Args, Debug)]
pub(crate) struct DataArgs {
    /// Folder of the instance's keys, log and trust files
    #[arg(
        long,
        value_name = "D",
        default_value = "./sigstead-data",
        env = "SIGSTEAD_DATA_DIR"
    )]
    pub(crate) data_dir: PathBuf,
}

/// Where the logs are.
#[derive(Args, Debug)]
pub(crate) struct DatabaseArgs {
    /// Database of the logs: postgres://user@host/name, or the path of an SQLite file [default: sigstead.db in the data folder]
    #[arg(
        long,
        value_name = "URL",
        env = "SIGSTEAD_DATABASE",
        hide_env_values = true
    )]
    database: Option<Database>,
}

impl DatabaseArgs {
    /// What was named, or the file in the data folder.
    pub(crate) fn or_file_in(&self, layout: &Layout) -> Database {
        let named = self.database.clone();
        // `sigstead migrate` wrote where it moved the logs to.
        let named = named.or_else(|| Database::recorded_in(layout));
        named.unwrap_or_else(|| Database::File(layout.database()))
    }
}

/// What happens to the heads of the CT log and the Rekor v2 log outside the process.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct OutwardArgs {
    /// Keep the logs as trees of files (tlog-tiles) below this folder or bucket: /srv/log, s3://bucket/prefix
    #[arg(long, value_name = "URL")]
    pub(crate) publish: Option<String>,
    /// Have checkpoints cosigned by the witnesses of this policy (C2SP tlog-policy) before they are shown
    #[arg(long, value_name = "FILE")]
    pub(crate) witness_policy: Option<PathBuf>,
    /// Without the policy's quorum: show a checkpoint all the same, or wait for it
    #[arg(
        long,
        value_name = "MODE",
        default_value = "open",
        requires = "witness_policy"
    )]
    pub(crate) witness_mode: WitnessMode,
}

/// What a log does without quorum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum WitnessMode {
    /// Shows the checkpoint with what cosignatures there are
    #[default]
    Open,
    /// Answers nothing from it until the quorum is met
    Closed,
}

#[derive(Args, Debug)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Base URL that clients use; its host names the logs and cannot change later [default: http://LISTEN]
    #[arg(long, value_name = "BASE")]
    pub(crate) url: Option<String>,
    /// Accept tokens of these issuers (Fulcio's issuer configuration, YAML or JSON) instead of the development issuer's
    #[arg(long, value_name = "FILE")]
    pub(crate) issuers: Option<PathBuf>,
    /// Fetch keys of issuers over plain http from other hosts too: whoever controls the network can then be anybody
    #[arg(long)]
    pub(crate) allow_http_issuers: bool,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) outward: OutwardArgs,
    /// Key type of a new CA
    #[arg(long, value_name = "TYPE", default_value = "ecdsa-p384")]
    pub(crate) ca_key_type: KeyType,
    /// Serve Prometheus metrics on this address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admin_listen: Option<SocketAddr>,
    /// Print the first screen as one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Key types that every client accepts for a CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyType {
    EcdsaP256,
    EcdsaP384,
}

impl KeyType {
    pub(crate) fn algorithm(self) -> keys::Algorithm {
        match self {
            Self::EcdsaP256 => keys::Algorithm::EcdsaP256,
            Self::EcdsaP384 => keys::Algorithm::EcdsaP384,
        }
    }
}

/// What `serve` can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Certificate authority: identity token in, certificate out
    Fulcio,
    /// Both signature logs, Rekor v1 and v2
    Rekor,
    /// Certificate-transparency log
    Ct,
    /// Timestamp authority
    Tsa,
    /// The trust files as a TUF repository, kept fresh
    Tuf,
    /// Verifies bundles over HTTP, offline, and signs verification summaries
    Verifier,
    /// Cosigns checkpoints of logs that only grow (C2SP tlog-witness)
    Witness,
}

impl Role {
    /// What an instance is made of. The verifier may be with it, and may be by itself.
    pub(crate) const OF_INSTANCE: [Self; 5] =
        [Self::Fulcio, Self::Rekor, Self::Ct, Self::Tsa, Self::Tuf];
    #[cfg(test)]
    /// Every role, in the order of the first screen.
    pub(crate) const ALL: [Self; 7] = [
        Self::Fulcio,
        Self::Rekor,
        Self::Ct,
        Self::Tsa,
        Self::Tuf,
        Self::Verifier,
        Self::Witness,
    ];

    /// The name on the command line, and of the section in the configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fulcio => "fulcio",
            Self::Rekor => "rekor",
            Self::Ct => "ct",
            Self::Tsa => "tsa",
            Self::Tuf => "tuf",
            Self::Verifier => "verifier",
            Self::Witness => "witness",
        }
    }
}

/// A configuration file, and what takes precedence over it.
#[derive(Args, Debug)]
pub(crate) struct ConfigArgs {
    /// Configuration file; relative paths in it start at its folder
    #[arg(long, value_name = "F", env = "SIGSTEAD_CONFIG")]
    pub(crate) config: PathBuf,
    /// Set one key over file and environment, e.g. --set rekor.listen=127.0.0.1:8082
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct InitArgs {
    /// Create the state of this role alone, verifier or witness [default: of the whole instance]
    #[arg(value_name = "ROLE")]
    pub(crate) role: Option<Role>,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Roles to run in this process [default: those that have a section in the file]
    #[arg(value_name = "ROLE")]
    pub(crate) roles: Vec<Role>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Tell every problem of a configuration: 0 none, 2 some
    #[command(after_help = "Example:\n  sigstead config check --config sigstead.toml")]
    Check(ConfigCheckArgs),
    /// Print what is in force, and where each value comes from; secrets are not shown
    #[command(after_help = "Example:\n  sigstead config print --config sigstead.toml")]
    Print(ConfigPrintArgs),
    /// Say what a setting is: unit, bounds, default, example
    #[command(
        after_help = "Examples:\n  sigstead config explain rekor.url\n  sigstead config explain logs"
    )]
    Explain(ConfigExplainArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ConfigCheckArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Roles that are to run [default: those that have a section in the file]
    #[arg(value_name = "ROLE")]
    pub(crate) roles: Vec<Role>,
}

#[derive(Args, Debug)]
pub(crate) struct ConfigPrintArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Print as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ConfigExplainArgs {
    /// A key, or the beginning of some [default: all]
    #[arg(value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// Print the page docs/configuration.md
    #[arg(long)]
    pub(crate) markdown: bool,
}

#[derive(Args, Debug)]
pub(crate) struct TokenArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) who: TokenIdentity,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct TokenIdentity {
    /// E-mail address to put into the token
    #[arg(long, value_name = "E")]
    pub(crate) email: Option<String>,
    /// JSON file of claims; GitHub's and GitLab's are recognized (`-` for standard input)
    #[arg(long, value_name = "FILE")]
    pub(crate) claims: Option<PathBuf>,
}

/// What signing needs besides the content.
#[derive(Args, Debug)]
pub(crate) struct SigningArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Sign a file, and write the bundle here; without it, sign an image and attach the bundle
    #[arg(long, value_name = "OUT")]
    pub(crate) bundle: Option<PathBuf>,
    /// OIDC identity token, or a file that holds one
    #[arg(
        long,
        value_name = "T",
        env = "SIGSTORE_ID_TOKEN",
        hide_env_values = true
    )]
    pub(crate) identity_token: Option<String>,
    /// Signing config [default: the one in the data folder]
    #[arg(long, value_name = "F")]
    pub(crate) signing_config: Option<PathBuf>,
    /// Trusted root to check the new bundle with [default: the one in the data folder]
    #[arg(long, value_name = "F")]
    pub(crate) trusted_root: Option<PathBuf>,
    /// Log API to use [default: what the signing config selects]
    #[arg(long, value_name = "1|2", value_parser = clap::value_parser!(u32).range(1..=2))]
    pub(crate) rekor_version: Option<u32>,
}

#[derive(Args, Debug)]
pub(crate) struct SignArgs {
    /// Image to sign, or file with --bundle
    #[arg(value_name = "IMAGE|FILE")]
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) signing: SigningArgs,
    #[command(flatten)]
    pub(crate) image: ImageSigningArgs,
}

#[derive(Args, Debug)]
pub(crate) struct AttestArgs {
    /// Image that the statement is about; with --bundle, file, or its digest as sha256:HEX
    #[arg(value_name = "IMAGE|FILE|sha256:HEX")]
    pub(crate) target: String,
    /// JSON file with the predicate
    #[arg(long, value_name = "P", required_unless_present = "statement")]
    pub(crate) predicate: Option<PathBuf>,
    /// Predicate type
    #[arg(
        long = "type",
        value_name = "URI",
        required_unless_present = "statement"
    )]
    pub(crate) predicate_type: Option<String>,
    /// JSON file with a whole in-toto statement, signed as it is; a subject of it must be FILE
    #[arg(long, value_name = "S", requires = "bundle", conflicts_with_all = ["predicate", "predicate_type"])]
    pub(crate) statement: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) signing: SigningArgs,
    #[command(flatten)]
    pub(crate) image: ImageSigningArgs,
}

#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    /// Image (REGISTRY/NAME:TAG, oci:FOLDER, oci-archive:FILE); with --bundle, file that was signed, or its digest as sha256:HEX
    #[arg(value_name = "IMAGE|FILE|sha256:HEX")]
    pub(crate) artifact: String,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Bundle to verify; with --policy several. Without any, the signatures of an image
    #[arg(long, value_name = "B")]
    pub(crate) bundle: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) policy: policy::VerifyPolicyArgs,
    /// Witnesses that must have cosigned the log's checkpoint (C2SP tlog-policy)
    #[arg(long, value_name = "F", conflicts_with = "policy")]
    pub(crate) witness_policy: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
    #[command(flatten)]
    pub(crate) issuer: IssuerArgs,
    /// Public key (PEM) for bundles that were signed with a managed key
    #[arg(long, value_name = "PEM", conflicts_with_all = ["certificate_identity", "certificate_identity_regexp", "certificate_oidc_issuer", "certificate_oidc_issuer_regexp"])]
    pub(crate) key: Option<PathBuf>,
    /// Trusted root [default: the one in the data folder]
    #[arg(long, value_name = "F")]
    pub(crate) trusted_root: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) image: ImageVerifyArgs,
    #[command(flatten)]
    pub(crate) vsa: VsaArgs,
}

#[derive(Args, Debug)]
#[group(multiple = false)]
pub(crate) struct IdentityArgs {
    /// Identity that must have signed: e-mail address or URI
    #[arg(long, value_name = "I")]
    pub(crate) certificate_identity: Option<String>,
    /// Regular expression that the whole identity must match
    #[arg(long, value_name = "R")]
    pub(crate) certificate_identity_regexp: Option<String>,
}

#[derive(Args, Debug)]
#[group(multiple = false)]
pub(crate) struct IssuerArgs {
    /// OIDC issuer that must have vouched for the identity
    #[arg(long, value_name = "U")]
    pub(crate) certificate_oidc_issuer: Option<String>,
    /// Regular expression that the whole OIDC issuer must match
    #[arg(long, value_name = "R")]
    pub(crate) certificate_oidc_issuer_regexp: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct FsckArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Check this log alone: ct, rekor-v1, rekor-v2, or a later shard as rekor-v1-2 [default: all]
    #[arg(long, value_name = "NAME")]
    pub(crate) log: Option<String>,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Say what going on from a database older than what was signed costs; with --yes, write the guard of this log anew
    #[arg(long, value_name = "LOG", conflicts_with_all = ["log", "json"])]
    pub(crate) accept_rollback: Option<String>,
    /// Do it
    #[arg(long, requires = "accept_rollback")]
    pub(crate) yes: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_key_and_an_identity_exclude_each_other() {
        let args = [
            "sigstead",
            "verify",
            "--bundle",
            "b",
            "--key",
            "k",
            "--certificate-identity",
            "i",
            "f",
        ];
        assert!(Cli::try_parse_from(args).is_err());
    }
}
