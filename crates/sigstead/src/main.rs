//! The program: composition and nothing else.

mod cli;
mod commands;
mod compose;
mod database;
mod exit;
mod instance;
mod outward;
mod passphrase;
mod relocation;
mod rotation;
mod serve;
mod trust_files;
mod tuf_repository;
mod up;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    exit::code(run(cli))
}

fn run(cli: cli::Cli) -> Result<exit::Outcome, exit::Failure> {
    use cli::Command::{Config, Init, Serve};
    if !matches!(cli.command, Config(_) | Init(_) | Serve(_)) {
        passphrase::of_environment().map_err(exit::Failure::Usage)?;
    }
    match cli.command {
        cli::Command::Up(args) => up::run(args),
        cli::Command::Init(args) => serve::init(args),
        cli::Command::Serve(args) => serve::run(args),
        cli::Command::Config(command) => commands::config::run(command),
        cli::Command::Token(args) => commands::token::run(args),
        cli::Command::Sign(args) => commands::sign::run_sign(args),
        cli::Command::Attest(args) => commands::sign::run_attest(args),
        cli::Command::Verify(args) => commands::verify::run(args),
        cli::Command::Copy(args) => commands::copy::run_copy(args),
        cli::Command::Fsck(args) => commands::fsck::run(args),
        cli::Command::Rotate(args) => commands::rotate::run(args),
        cli::Command::Migrate(args) => commands::migrate::run(args),
        cli::Command::Backup(args) => commands::backup::run(args),
        cli::Command::Restore(args) => commands::restore::run(args),
        cli::Command::Policy(command) => commands::policy::run(command),
        cli::Command::Trust(command) => commands::trust::run(command),
        cli::Command::Tuf(command) => commands::tuf::run(command),
    }
}
