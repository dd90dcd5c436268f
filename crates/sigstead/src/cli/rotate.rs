//! `sigstead rotate …`.

use super::{DataArgs, DatabaseArgs};
use clap::{Args, Subcommand, ValueEnum};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// A typing error should not leave an old key in service for a decade.
const MAX_PROPAGATION: Duration = Duration::days(366);

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub(crate) struct RotateArgs {
    /// Show every key: since when, until when, what is under way, what to do next; 0 all is well, 1 somebody should see to something
    #[arg(long)]
    pub(crate) status: bool,
    #[command(flatten)]
    pub(crate) shown: RotateStatusArgs,
    #[command(subcommand)]
    pub(crate) command: Option<RotateCommand>,
}

#[derive(Args, Debug)]
pub(crate) struct RotateStatusArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Print it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RotateCommand {
    /// A new issuing CA, under the same root or, with --root, under a new one
    #[command(
        after_help = "Examples:\n  sigstead rotate ca --dry-run\n  sigstead rotate ca --at 2027-01-01T06:00:00Z --yes\n  sigstead rotate ca --root --compromised-since 2026-11-20T08:00:00Z --yes"
    )]
    Ca(RotateCaArgs),
    /// A new CT log with a key of its own; the old one is frozen and stays readable
    #[command(after_help = "Example:\n  sigstead rotate ct --yes")]
    Ct(RotateRoleArgs),
    /// A new key of the timestamp authority, under the same root or, with --root, under a new one
    #[command(after_help = "Example:\n  sigstead rotate tsa --propagation 25h --yes")]
    Tsa(RotateCaArgs),
    /// Freeze the current shard of a Rekor log and start the next one, while it is served or stopped
    #[command(
        after_help = "Examples:\n  sigstead rotate log --dry-run\n  sigstead rotate log --log rekor-v2 --url https://log2.example.com --yes"
    )]
    Log(RotateLogArgs),
    /// Say that others had an old key: what it signed since then is void. The key must be replaced already
    #[command(
        after_help = "Example:\n  sigstead rotate close ca --compromised-since 2026-11-20T08:00:00Z --yes"
    )]
    Close(RotateCloseArgs),
    /// The same as --status
    #[command(after_help = "Example:\n  sigstead rotate status --json")]
    Status(RotateStatusArgs),
}

/// When a new key takes over.
#[derive(Args, Debug, Default)]
pub(crate) struct TimingArgs {
    /// When signing goes over to the new key, RFC 3339 [default: when the propagation time is over]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) at: Option<OffsetDateTime>,
    /// How long clients are given to learn of the new key before it signs: 90s, 30m, 25h, 7d [default: 25h, longer than
    /// policy-controller keeps a trusted root; 0s where the URL is this machine's own: a signature that is begun just before
    /// may fail then, 5s spare it]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) propagation: Option<Duration>,
    /// Others have had the old key since then, RFC 3339: what it signed since is void, and signing goes over at once
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) compromised_since: Option<OffsetDateTime>,
}

/// What every rotation asks.
#[derive(Args, Debug)]
pub(crate) struct RotateRoleArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) timing: TimingArgs,
    /// Do it
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) yes: bool,
    /// Say what would be done, and when
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print plan or outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct RotateCaArgs {
    /// Make a new root, too
    #[arg(long)]
    pub(crate) root: bool,
    #[command(flatten)]
    pub(crate) role: RotateRoleArgs,
}

#[derive(Args, Debug)]
pub(crate) struct RotateLogArgs {
    #[command(flatten)]
    pub(crate) role: RotateRoleArgs,
    /// Which log
    #[arg(long, value_name = "LOG", default_value = "all")]
    pub(crate) log: RotatedLog,
    /// URL of the next Rekor v2 shard, with a host of its own [default: below the instance's URL, /shards/N]
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct RotateCloseArgs {
    /// The old key, as --status names it: ca, ct, tsa, rekor-v1, ca-2 …
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Since when others had it, RFC 3339
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) compromised_since: OffsetDateTime,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Do it
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Logs that can be rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RotatedLog {
    RekorV1,
    RekorV2,
    All,
}

fn parse_time(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339)
        .map(|time| time.to_offset(time::UtcOffset::UTC))
        .map_err(|_| "write a time as 2027-01-31T06:00:00Z".to_owned())
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a duration as 90s, 30m, 25h or 7d, at most 366d".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let number = text.strip_suffix(unit).ok_or_else(wrong)?;
    let number: u32 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let duration = Duration::seconds(i64::from(number) * seconds);
    match duration <= MAX_PROPAGATION {
        true => Ok(duration),
        false => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn parse(words: &[&str]) -> Result<RotateArgs, clap::Error> {
        let cli = Cli::try_parse_from(["sigstead", "rotate"].iter().chain(words))?;
        match cli.command {
            Command::Rotate(args) => Ok(args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_status_is_an_option_and_a_command() {
        let args = parse(&["--status", "--json"]).unwrap();
        assert!(args.status && args.shown.json && args.command.is_none());
        let args = parse(&["status", "--json"]).unwrap();
        assert!(matches!(args.command, Some(RotateCommand::Status(args)) if args.json));
        assert!(parse(&["--status", "ca"]).is_err());
    }

    #[test]
    fn durations_have_a_unit_and_a_bound() {
        let parsed = |text: &str| parse_duration(text).map(Duration::whole_seconds);
        assert_eq!(parsed("0s"), Ok(0));
        assert_eq!(parsed("90s"), Ok(90));
        assert_eq!(parsed("30m"), Ok(1800));
        assert_eq!(parsed("25h"), Ok(90_000));
        assert_eq!(parsed("7d"), Ok(604_800));
        for text in ["", "5", "h", "-1h", "1y", "367d", "4294967296s", "1ä"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_need_an_offset() {
        assert!(parse_time("2027-01-31T06:00:00").is_err());
        let time = parse_time("2027-01-31T06:00:00+02:00").unwrap();
        assert_eq!(time.hour(), 4);
    }
}
