//! `cargo xtask conformance`: the public suite, pointed at our program; its signing cases at our own instance.

use crate::e2e::{EMAIL, Instance, build_release};
use crate::shell::{find, root, step, target_folder};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the suite is, and what runs it.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Folder of a checkout of the suite, sigstore-conformance
    #[arg(long, value_name = "DIR")]
    suite: PathBuf,
    /// Python that has the suite's requirements
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    python: PathBuf,
    /// Folder of a virtual environment with sigstore-python, by which the suite checks what we sign
    #[arg(long, value_name = "DIR")]
    reference: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let suite = options.suite.canonicalize();
    let suite = suite.with_context(|| options.suite.display().to_string())?;
    ensure!(
        suite.join("test/assets/bundle-verify").is_dir(),
        "{} is not a checkout of sigstore-conformance: it has no test/assets/bundle-verify",
        suite.display()
    );
    build_release()?;
    let folder = tempfile::tempdir()?;
    let instance = Instance::start(&folder.path().join("data"))?;
    // 1. What exists is verified, what is signed goes into the Rekor v2 log: one of the cases wants that one.
    let mut all = pytest(options, &suite, &instance, "signing_config_rekor_v2.json")?;
    step("conformance: every case, signing with Rekor v2", &mut all)?;
    // 2. What is signed goes into the Rekor v1 log.
    let mut v1 = pytest(options, &suite, &instance, "signing_config.json")?;
    v1.args(["-m", "signing", "-k", "not rekor2"]);
    step("conformance: signing with Rekor v1", &mut v1)?;
    instance.stop()
}

fn pytest(
    options: &Options,
    suite: &Path,
    instance: &Instance,
    signing_config: &str,
) -> Result<Command> {
    let plugins = root().join("deploy/conformance");
    let python = match find(&options.python.to_string_lossy()) {
        Some(python) => python,
        None => std::path::absolute(&options.python)?,
    };
    let mut command = Command::new(python);
    command
        .current_dir(suite)
        .args(["-m", "pytest", "-q", "-p", "own_instance"])
        // In one argument: pytest takes a path by itself for what is to be tested.
        .arg(format!("--entrypoint={}", plugins.join("client").display()))
        .env("PYTHONPATH", &plugins)
        .env("CARGO_TARGET_DIR", target_folder())
        .env("SIGSTEAD_TOKEN", instance.token(EMAIL)?)
        .env("SIGSTEAD_TRUSTED_ROOT", instance.trust("trusted_root.json"))
        .env("SIGSTEAD_SIGNING_CONFIG", instance.trust(signing_config));
    if let Some(reference) = &options.reference {
        let reference = std::path::absolute(reference)?;
        command.env("GHA_SIGSTORE_CONFORMANCE_SELFTEST_ENV", reference);
    }
    Ok(command)
}
