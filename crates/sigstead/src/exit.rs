//! Exit codes that mean something: 0 done or verified, 1 failed or not verified, 2 usage or unreadable input.

use std::process::ExitCode;

/// How a command that did its work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done; for `verify`: verified.
    Success,
    /// The material is readable and does not hold: `verify` did not verify, `fsck` found something.
    NotVerified,
}

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was tried and failed.
    Failed(anyhow::Error),
    /// The call or its input is wrong.
    Usage(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Failure::Failed(error)
    }
}

/// Prints a failure on standard error and gives the process's exit code.
#[allow(clippy::print_stderr)]
pub(crate) fn code(result: Result<Outcome, Failure>) -> ExitCode {
    let (code, error) = match result {
        Ok(Outcome::Success) => return ExitCode::SUCCESS,
        Ok(Outcome::NotVerified) => return ExitCode::from(1),
        Err(Failure::Failed(error)) => (1, error),
        Err(Failure::Usage(error)) => (2, error),
    };
    eprintln!("error: {error:#}");
    ExitCode::from(code)
}
