//! Backup, restore and migration under load: bundles made before, during and after are verified by every client, no write
//! fails, and `fsck` is clean.

use super::clients::{self, Client};
use super::instance::{Instance, release_binary};
use super::shards::{joined, sign_all, verify_all, write};
use crate::load::Api;
use crate::shell::text;
use crate::tools::Tools;
use anyhow::{Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub(super) fn run(tools: &Tools, folder: &Path) -> Result<()> {
    let folder = folder.join("move");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("passphrase"), "correct horse battery staple\n")?;
    let data = folder.join("data");
    let instance = Instance::start(&data)?;
    let listen = instance.url.trim_start_matches("http://").to_owned();
    let clients = clients::all(tools, &instance, &folder)?;
    let clients: Vec<&Client> = clients.iter().filter(|client| client.is_there()).collect();
    let mut bundles = sign_all(&clients, &folder, 1)?;

    // 1. A backup while both logs are written to.
    let statuses = under_load(&instance, || {
        sigstead(
            &folder,
            &[
                "backup",
                "--out",
                "b.age",
                "--passphrase-file",
                "passphrase",
            ],
        )?;
        Ok(())
    })?;
    println!("backup under load: {statuses} writes, none failed");

    // 2. There and back while both logs are written to, and clients sign on the way.
    if let Some(url) = testkit::postgres() {
        for (to, round) in [(url.as_str(), 2), ("sqlite:data/sigstead.db", 4)] {
            let start = Instant::now();
            let mut report = String::new();
            let statuses = under_load(&instance, || {
                report = sigstead(&folder, &["migrate", "--to", to, "--json"])?;
                bundles.extend(sign_all(&clients, &folder, round)?);
                Ok(())
            })?;
            println!(
                "migrate under load: {} ms with the clients' signatures; {statuses} writes, none failed",
                start.elapsed().as_millis()
            );
            let report: Value = serde_json::from_str(&report)?;
            ensure!(
                report["logs"].as_array().map(Vec::len) == Some(3),
                "{report}"
            );
            bundles.extend(sign_all(&clients, &folder, round + 1)?);
            verify_all(&clients, &bundles)?;
        }
    }

    // 3. What is restored elsewhere has every bundle, and is served in the old one's place.
    let archive = [
        "backup",
        "--out",
        "c.age",
        "--passphrase-file",
        "passphrase",
    ];
    sigstead(&folder, &archive)?;
    instance.stop()?;
    sigstead(&folder, &["fsck"])?;
    let mut restore = vec![
        "restore",
        "--from",
        "c.age",
        "--passphrase-file",
        "passphrase",
    ];
    let names: Vec<String> = bundles.iter().map(|signed| signed.path()).collect();
    for name in &names {
        restore.extend(["--against", name]);
    }
    let check = [&restore[..], &["--check"]].concat();
    sigstead(&folder, &check)?;
    let restored = folder.join("restored");
    text(
        Command::new(release_binary())
            .args(&restore)
            .arg("--data-dir")
            .arg(&restored)
            .current_dir(&folder),
    )?;
    let instance = Instance::start_with(&restored, &["--listen", &listen])?;
    bundles.extend(sign_all(&clients, &folder, 6)?);
    verify_all(&clients, &bundles)?;
    instance.stop()?;
    text(
        Command::new(release_binary())
            .args(["fsck", "--data-dir"])
            .arg(&restored),
    )?;
    println!(
        "move: {} clients verify {} bundles from before, during and after; fsck is clean",
        clients.len(),
        bundles.len()
    );
    Ok(())
}

/// Writes to both APIs all the time; every write must succeed. Answers how many there were.
fn under_load(instance: &Instance, act: impl FnOnce() -> Result<()>) -> Result<usize> {
    let stop = Arc::new(AtomicBool::new(false));
    let url = vec![instance.url.clone()];
    let (v1, v2) = (
        write(Api::V1, url.clone(), &stop)?,
        write(Api::V2, url, &stop)?,
    );
    std::thread::sleep(Duration::from_millis(500));
    let acted = act();
    std::thread::sleep(Duration::from_millis(500));
    stop.store(true, Ordering::SeqCst);
    let statuses = [joined(v1)?, joined(v2)?].concat();
    acted?;
    let failed = statuses.iter().find(|status| **status != 201);
    ensure!(failed.is_none(), "a write was answered {failed:?}");
    Ok(statuses.len())
}

/// Runs the program beside the data folder.
fn sigstead(folder: &Path, args: &[&str]) -> Result<String> {
    let mut command = Command::new(release_binary());
    command.args(args).current_dir(folder);
    text(command.env("SIGSTEAD_DATA_DIR", "data"))
}
