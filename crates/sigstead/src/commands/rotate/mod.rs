//! `sigstead rotate …`: new keys for CA, CT log, timestamp authority and Rekor logs, without a gap.
//!
//! The command makes the keys and records what is to be. The process that serves the folder does the rest while this one
//! waits (see [`crate::rotation`]); when there is none, this one does it.

mod close;
mod drive;
mod log;
mod plan;
mod report;
mod status;
mod succession;
mod times;

use crate::cli::rotate::{RotateArgs, RotateCommand, RotateRoleArgs};
use crate::cli::{DataArgs, DatabaseArgs};
use crate::exit::{Failure, Outcome};
use crate::instance::Role;
use anyhow::{Result, anyhow};
use clock::Clock;
use drive::{Place, Planned, State};

pub(crate) fn run(args: RotateArgs) -> Result<Outcome, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)?;
    runtime.block_on(run_by(args, Clock::system()))
}

/// By this clock.
pub(crate) async fn run_by(args: RotateArgs, clock: Clock) -> Result<Outcome, Failure> {
    match args.command {
        Some(RotateCommand::Ca(args)) => {
            let place = place(&args.role.data, &args.role.database, clock, args.role.json);
            succession::run(Role::Ca, args.root, &args.role, &place).await
        }
        Some(RotateCommand::Ct(args)) => {
            let place = place(&args.data, &args.database, clock, args.json);
            succession::run(Role::Ct, false, &args, &place).await
        }
        Some(RotateCommand::Tsa(args)) => {
            let place = place(&args.role.data, &args.role.database, clock, args.role.json);
            succession::run(Role::Tsa, args.root, &args.role, &place).await
        }
        Some(RotateCommand::Log(args)) => {
            let place = place(&args.role.data, &args.role.database, clock, args.role.json);
            log::run(&args, &place).await
        }
        Some(RotateCommand::Close(args)) => {
            let place = place(&args.data, &args.database, clock, args.json);
            close::run(&args, &place).await
        }
        Some(RotateCommand::Status(args)) => status::run(&args, &clock).await,
        None if args.status => status::run(&args.shown, &clock).await,
        None => Err(Failure::Usage(anyhow!(
            "say which key: ca, ct, tsa or log; or --status; see sigstead rotate --help"
        ))),
    }
}

fn place<'a>(
    data: &'a DataArgs,
    database: &'a DatabaseArgs,
    clock: Clock,
    quiet: bool,
) -> Place<'a> {
    Place {
        data,
        database,
        clock,
        quiet,
    }
}

/// Shows the plan when that is what was asked for. Answers whether to go on.
fn may_begin(
    args: &RotateRoleArgs,
    show: impl FnOnce(bool) -> Result<()>,
) -> Result<bool, Failure> {
    if args.dry_run {
        show(args.json)?;
        return Ok(false);
    }
    if !args.yes {
        show(false)?;
        return Err(Failure::Failed(anyhow!(
            "nothing was changed; to do it, add --yes"
        )));
    }
    Ok(true)
}

#[allow(clippy::print_stdout)]
fn print(text: &str) {
    println!("{text}");
}

#[cfg(test)]
mod tests;
