//! `cargo xtask test`: what a change must pass, in the order in which it fails fastest.

use crate::shell::{cargo, step};
use crate::{crash, e2e, faults, tidy, tools};
use anyhow::Result;

pub(crate) fn run() -> Result<()> {
    step("formatting", cargo().args(["fmt", "--all", "--check"]))?;
    tidy::run()?;
    tools::postgresql();
    step(
        "unit, property and vector tests",
        cargo().args(["test", "--workspace", "--quiet", "--no-fail-fast"]),
    )?;
    step(
        "lints",
        cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ]),
    )?;
    e2e::run(&e2e::Options::default())?;
    crash::short()?;
    faults::short()
}
