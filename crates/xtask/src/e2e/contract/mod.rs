//! What scripts rely on: the first screen, exit codes, offline verification, restarts, refused starts.

mod identities;
mod restart;
mod starts;
mod verify;

pub(super) use restart::stop_and_restart;

use super::clients::EMAIL;
use super::instance::{Instance, release_binary};
use crate::shell::{both, capture, text};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) fn run(folder: &Path, strace: Option<&Path>) -> Result<()> {
    let folder = folder.join("contract");
    fs::create_dir_all(&folder)?;
    pasted_line(&folder)?;
    verify::exit_codes(&folder)?;
    verify::no_socket(&folder, strace)?;
    identities::other_identities(&folder)?;
    starts::refused_starts(&folder)?;
    starts::interrupted_creation(&folder)?;
    starts::full_disk(&folder)?;
    Ok(())
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

/// The line on the first screen works in a shell, as a new user would paste it.
fn pasted_line(folder: &Path) -> Result<()> {
    let instance = Instance::start(&data(folder))?;
    let line = instance.screen["try_sigstead"]
        .as_str()
        .context("no line to paste")?;
    let output = capture(Command::new("sh").args(["-c", line]).current_dir(folder))?;
    ensure!(
        output.status.success(),
        "the pasted line failed: {line}\n{}",
        both(&output)
    );
    for name in [
        "trusted_root",
        "signing_config",
        "signing_config_rekor_v2",
        "client_trust_config",
        "client_trust_config_rekor_v2",
    ] {
        let path = instance.trust(&format!("{name}.json"));
        ensure!(path.is_file(), "{} is missing", path.display());
    }
    // `trust export` writes the very same files.
    let out = folder.join("exported");
    text(
        Command::new(release_binary())
            .args(["trust", "export", "--data-dir"])
            .arg(&instance.data)
            .arg("--out")
            .arg(&out),
    )?;
    for file in fs::read_dir(&out)? {
        let file = file?;
        ensure!(
            fs::read(file.path())? == fs::read(instance.data.join("trust").join(file.file_name()))?,
            "trust export differs"
        );
    }
    instance.get("/readyz").context("after `ready`")?;
    sign(&instance, folder, 1)?;
    sign(&instance, folder, 2)?;
    instance.stop()?;
    println!("first screen: its line works when pasted; trust export gives the same files");
    Ok(())
}

fn sign(instance: &Instance, folder: &Path, rekor: u32) -> Result<()> {
    let token = instance.token(EMAIL)?;
    let bundle = folder.join(format!("hello-v{rekor}.sigstore.json"));
    text(
        Command::new(release_binary())
            .arg("sign")
            .arg(folder.join("hello.txt"))
            .arg("--bundle")
            .arg(bundle)
            .args([
                "--rekor-version",
                &rekor.to_string(),
                "--identity-token",
                &token,
                "--data-dir",
            ])
            .arg(&instance.data),
    )?;
    Ok(())
}
