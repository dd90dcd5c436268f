//! Keys that change under load: every client signs on without an error, and verifies what was signed first and last.

use super::clients::{self, Check, Client, EMAIL, Form};
use super::instance::{Instance, release_binary};
use crate::shell::{capture, text};
use crate::tools::Tools;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The commands, each given once while clients sign.
const ROTATIONS: [&[&str]; 6] = [
    &["rotate", "ca"],
    &["rotate", "ct"],
    &["rotate", "tsa"],
    &["rotate", "log"],
    &["rotate", "ca", "--root"],
    &["rotate", "tsa", "--root"],
];
/// Clients that have read the old files are given time; six of them at once on two cores take some seconds to sign.
const PROPAGATION: &str = "10s";
/// Of the load before and behind a rotation.
const LEAD: Duration = Duration::from_secs(1);

pub(super) fn run(tools: &Tools, folder: &Path) -> Result<()> {
    let folder = folder.join("rotate");
    fs::create_dir_all(&folder)?;
    let data = folder.join("data");
    let instance = Instance::start(&data)?;
    let listen = instance.url.trim_start_matches("http://").to_owned();
    let mut clients = clients::all(tools, &instance, &folder)?;
    // Index 0 of a log is ours: Go leaves it out of a bundle, and sigstore-python then refuses cosign's.
    let mut bundles = sign_all(&ours(&clients), &folder, "begin")?;
    bundles.extend(sign_all(&signing(&clients), &folder, "first")?);

    for (round, words) in ROTATIONS.iter().enumerate() {
        // Tokens live for ten minutes.
        clients = clients::all(tools, &instance, &folder)?;
        let (signed, took) = under_load(&instance, &clients, &folder, round, words)?;
        println!(
            "{}: {} signatures meanwhile, none failed, {:.1} s",
            words.join(" "),
            signed.count,
            took.as_secs_f64()
        );
        bundles.extend(signed.ends);
    }
    bundles.extend(sign_all(&signing(&clients), &folder, "last")?);
    verify_all(&clients, &bundles)?;
    check_status(&data)?;

    // The same keys after a restart.
    instance.stop()?;
    let instance = Instance::start_with(&data, &["--listen", &listen])?;
    let clients = clients::all(tools, &instance, &folder)?;
    bundles.extend(sign_all(&signing(&clients), &folder, "again")?);
    verify_all(&clients, &bundles)?;
    instance.stop()?;
    text(
        Command::new(release_binary())
            .args(["fsck", "--data-dir"])
            .arg(&data),
    )?;
    println!(
        "rotate: {} clients verify {} bundles, the first and the last of every rotation, before and after a restart",
        clients.iter().filter(|client| client.is_there()).count(),
        bundles.len()
    );
    Ok(())
}

fn ours(clients: &[Client]) -> Vec<&Client> {
    let named = clients.iter();
    named.filter(|client| client.name == "sigstead").collect()
}

fn signing(clients: &[Client]) -> Vec<&Client> {
    let there = clients.iter().filter(|client| client.is_there());
    there.filter(|client| client.signs()).collect()
}

fn sign_all(clients: &[&Client], folder: &Path, when: &str) -> Result<Vec<PathBuf>> {
    let mut signed = Vec::new();
    for client in clients {
        for rekor in [1, 2] {
            let bundle = folder.join(format!("{}-v{rekor}-{when}.json", client.name));
            client.sign(Form::Message, rekor, &bundle)?;
            signed.push(bundle);
        }
    }
    Ok(signed)
}

/// What was signed while a rotation ran.
#[derive(Default)]
struct Signed {
    count: usize,
    /// The first and the last bundle of each client.
    ends: Vec<PathBuf>,
}

/// Rotates while every client signs without a pause, with both versions of Rekor.
fn under_load(
    instance: &Instance,
    clients: &[Client],
    folder: &Path,
    round: usize,
    words: &[&str],
) -> Result<(Signed, Duration)> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for client in signing(clients) {
            for rekor in [1, 2] {
                let name = format!("{}-v{rekor}-{round}", client.name);
                let stop = &stop;
                threads.push(scope.spawn(move || sign_until(stop, client, rekor, folder, &name)));
            }
        }
        std::thread::sleep(LEAD);
        let start = Instant::now();
        let rotated = rotate(&instance.data, words);
        let took = start.elapsed();
        std::thread::sleep(LEAD);
        stop.store(true, Ordering::SeqCst);
        let mut all = Signed::default();
        for thread in threads {
            let signed = thread.join().ok().context("a signing thread failed")??;
            all.count += signed.count;
            all.ends.extend(signed.ends);
        }
        rotated?;
        Ok((all, took))
    })
}

fn sign_until(
    stop: &AtomicBool,
    client: &Client,
    rekor: u32,
    folder: &Path,
    name: &str,
) -> Result<Signed> {
    let mut signed = Signed::default();
    while !stop.load(Ordering::SeqCst) {
        let bundle = folder.join(format!("{name}-{}.json", signed.count));
        client
            .sign(Form::Message, rekor, &bundle)
            .context("while a key was rotated")?;
        signed.count += 1;
        signed.ends.truncate(1);
        signed.ends.push(bundle);
    }
    Ok(signed)
}

fn rotate(data: &Path, words: &[&str]) -> Result<()> {
    let said = text(
        Command::new(release_binary())
            .args(words)
            .args(["--propagation", PROPAGATION, "--yes", "--json"])
            .arg("--data-dir")
            .arg(data),
    )?;
    let said: Value = serde_json::from_str(&said).with_context(|| format!("--json: {said}"))?;
    ensure!(said["done"] == true && said["by"] == "server", "{said}");
    Ok(())
}

fn verify_all(clients: &[Client], bundles: &[PathBuf]) -> Result<()> {
    for bundle in bundles {
        for client in clients.iter().filter(|client| client.is_there()) {
            let check = Check {
                bundle,
                form: Form::Message,
                artifact: &client.setting.artifact,
                identity: EMAIL,
                issuer: &client.setting.issuer,
            };
            if let Err(reason) = client.verify(&check)? {
                bail!("{} refused {}: {reason}", client.name, bundle.display());
            }
        }
    }
    Ok(())
}

/// Every role has the keys that were made, and nobody has to see to anything.
fn check_status(data: &Path) -> Result<()> {
    let mut command = Command::new(release_binary());
    command.args(["rotate", "--status", "--json", "--data-dir"]);
    let output = capture(command.arg(data))?;
    let status: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(output.status.success(), "rotate --status: {status}");
    let keys = status["keys"].as_array().context("keys")?;
    let signing = keys.iter().filter(|key| key["state"] == "active");
    let names: Vec<&str> = signing.filter_map(|key| key["name"].as_str()).collect();
    for name in ["ca-3", "ct-2", "tsa-3", "rekor-v1-2", "rekor-v2-2"] {
        ensure!(names.contains(&name), "{name} does not sign: {names:?}");
    }
    Ok(())
}
