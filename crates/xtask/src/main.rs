//! `cargo xtask`: everything that checks or measures the project.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod conformance;
mod crash;
mod e2e;
mod faults;
mod load;
mod shell;
mod test;
mod tidy;
mod tools;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Checks and measures the project")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything a change must pass: formatting, lints, tidiness, tests, real clients
    Test,
    /// The rules that a compiler does not check: pure crates stay pure
    Tidy,
    /// Real clients sign and verify against a freshly started instance
    E2e(e2e::Options),
    /// Kill the program at random and at named moments under load, and prove that nothing was lost or forked
    Crash(crash::Options),
    /// The database server fails in every way under load; the program waits and goes on by itself
    Faults,
    /// The command-line protocol of the public conformance suite, for deploy/conformance/client
    #[command(subcommand)]
    ConformanceClient(conformance::Task),
    /// The public conformance suite, from a checkout of it, pointed at our program and our instance
    Conformance(conformance::Options),
    /// Measurements
    #[command(subcommand)]
    Bench(Bench),
}

#[derive(Subcommand)]
enum Bench {
    /// From `up` on an empty folder to a verified signature; idle memory; size of the program
    FirstSignature,
    /// `up` and `serve`: start to ready, idle memory
    Start,
    /// The verifier beside its signature checks, other implementations and other programs; the service; a large file
    Verify(bench::verify::Options),
    /// The log: what this machine can do, what we do, and the share
    Log(bench::log::Options),
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Test => test::run(),
        Task::Tidy => tidy::run(),
        Task::E2e(options) => e2e::run(&options),
        Task::Faults => faults::run(),
        Task::ConformanceClient(task) => conformance::client(&task),
        Task::Conformance(options) => conformance::suite(&options),
        Task::Crash(options) => crash::run(&options),
        Task::Bench(Bench::FirstSignature) => bench::first_signature::run(),
        Task::Bench(Bench::Start) => bench::start::run(),
        Task::Bench(Bench::Verify(options)) => bench::verify::run(&options),
        Task::Bench(Bench::Log(options)) => bench::log::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
