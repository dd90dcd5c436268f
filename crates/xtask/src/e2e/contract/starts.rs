//! Starts that are refused, interrupted, or run out of disk.

use super::super::instance::{Instance, release_binary};
use super::{data, sign};
use crate::load::{Answer, Api, Call, Client, prepare};
use crate::shell::{both, capture, text};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// What must stop a start: each with a cause and a cure, and nothing changed on disk.
pub(super) fn refused_starts(folder: &Path) -> Result<()> {
    let up = |data: &Path, more: &[&str]| -> Result<Output> {
        let mut command = Command::new(release_binary());
        let listen = if more.contains(&"--listen") {
            &[][..]
        } else {
            &["--listen", "127.0.0.1:0"][..]
        };
        capture(
            command
                .args(["up", "--data-dir"])
                .arg(data)
                .args(listen)
                .args(more),
        )
    };
    let refuse = |what: &str, output: Output, words: &[&str]| -> Result<()> {
        ensure!(!output.status.success(), "{what}: `up` started");
        let said = both(&output);
        ensure!(!said.contains("panicked"), "{what}: {said}");
        for word in words {
            ensure!(
                said.contains(word),
                "{what}: the message lacks {word:?}: {said}"
            );
        }
        Ok(())
    };
    // The development issuer off loopback.
    refuse(
        "other address",
        up(&folder.join("fresh"), &["--listen", "0.0.0.0:0"])?,
        &["loopback", "--issuers"],
    )?;
    ensure!(
        !folder.join("fresh").exists(),
        "a refused start left a data folder"
    );
    // A folder that another process holds.
    let instance = Instance::start(&data(folder))?;
    refuse(
        "held folder",
        up(&data(folder), &[])?,
        &["another process", "--data-dir"],
    )?;
    instance.stop()?;
    // Another host, which would rename the logs.
    refuse(
        "other host",
        up(&data(folder), &["--url", "http://localhost:1"])?,
        &["--url", "127.0.0.1"],
    )?;
    // A key that does not match its certificate, is gone, or can be read by others; a database that is gone or
    // corrupted, which must never become a new log under an old key.
    for (what, damage, words) in DAMAGES {
        let copy = folder.join(what.replace(' ', "-"));
        text(Command::new("cp").arg("-a").arg(data(folder)).arg(&copy))?;
        damage(&copy).with_context(|| format!("cannot prepare {what}"))?;
        refuse(what, up(&copy, &[])?, words)?;
    }
    println!("refused starts: each names the cause and the cure");
    Ok(())
}

/// What is wrong with a data folder, how to make it so, and what the message must say.
type Damage = (
    &'static str,
    fn(&Path) -> Result<()>,
    &'static [&'static str],
);

const DAMAGES: [Damage; 6] = [
    (
        "lost description",
        remove_description,
        &["instance.json", "backup"],
    ),
    ("swapped key", swap_key, &["does not match", "backup"]),
    ("missing key", remove_key, &["rekor-v1.pem", "backup"]),
    ("readable key", open_key, &["chmod"]),
    ("missing database", remove_database, &["backup"]),
    ("corrupted database", corrupt_database, &["backup"]),
];

fn remove_description(data: &Path) -> Result<()> {
    Ok(fs::remove_file(data.join("instance.json"))?)
}

fn swap_key(data: &Path) -> Result<()> {
    let keys = data.join("keys");
    fs::copy(keys.join("root-ca.pem"), keys.join("issuing-ca.pem"))?;
    Ok(())
}

fn remove_key(data: &Path) -> Result<()> {
    Ok(fs::remove_file(data.join("keys/rekor-v1.pem"))?)
}

fn open_key(data: &Path) -> Result<()> {
    let open = fs::Permissions::from_mode(0o644);
    Ok(fs::set_permissions(data.join("keys/tsa.pem"), open)?)
}

fn remove_database(data: &Path) -> Result<()> {
    Ok(fs::remove_file(data.join("sigstead.db"))?)
}

fn corrupt_database(data: &Path) -> Result<()> {
    let path = data.join("sigstead.db");
    let mut bytes = fs::read(&path)?;
    bytes.iter_mut().skip(64).for_each(|byte| *byte = !*byte);
    Ok(fs::write(path, bytes)?)
}

/// A first start that is killed at any moment is finished by the next one, for the same host only.
pub(super) fn interrupted_creation(folder: &Path) -> Result<()> {
    for round in 0..12_u64 {
        let data = folder.join(format!("interrupted-{round}"));
        let mut child = Command::new(release_binary())
            .args(["up", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(&data)
            .stdout(Stdio::null())
            .spawn()?;
        std::thread::sleep(Duration::from_millis(round * 15));
        child.kill()?;
        child.wait()?;
        let begun = data.join("instance.json").exists();
        let mut other = Command::new(release_binary());
        other.args([
            "up",
            "--listen",
            "127.0.0.1:0",
            "--url",
            "http://localhost:1",
            "--data-dir",
        ]);
        if begun {
            let output = capture(other.arg(&data))?;
            ensure!(
                !output.status.success() && both(&output).contains("--url"),
                "{}",
                both(&output)
            );
        }
        let instance = Instance::start(&data)?;
        sign(&instance, folder, 1)?;
        instance.stop()?;
        Instance::start(&data)?.stop()?;
    }
    println!("interrupted creation: finished by the next start, 12 times");
    Ok(())
}

/// A stale copy of the database put back in place: refused by the guard, because clients hold proofs of what is missing.
pub(super) fn stale_backup(folder: &Path) -> Result<()> {
    let data = folder.join("stale");
    let instance = Instance::start(&data)?;
    sign(&instance, folder, 1)?;
    instance.stop()?;
    fsck(&data, 0)?;
    let copy = folder.join("stale-copy.db");
    fs::copy(data.join("sigstead.db"), &copy)?;
    let instance = Instance::start(&data)?;
    sign(&instance, folder, 1)?;
    instance.stop()?;
    fs::copy(&copy, data.join("sigstead.db"))?;
    for left in ["sigstead.db-wal", "sigstead.db-shm"] {
        // A restore replaces the whole database; a stop leaves none of these, a kill does.
        let _ = fs::remove_file(data.join(left));
    }
    // Ends by itself when the database is accepted after all.
    let mut up = Command::new("timeout");
    let output = capture(
        up.arg("20")
            .arg(release_binary())
            .args(["up", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(&data),
    )?;
    let said = both(&output);
    ensure!(
        !output.status.success() && said.contains("--accept-rollback"),
        "a stale database was accepted: {said}"
    );
    fsck(&data, 1)?;
    println!("stale backup: refused by the guard; fsck says so as well");
    Ok(())
}

/// `sigstead fsck` on a stopped instance.
fn fsck(data: &Path, code: i32) -> Result<()> {
    let output = capture(
        Command::new(release_binary())
            .args(["fsck", "--data-dir"])
            .arg(data),
    )?;
    ensure!(
        output.status.code() == Some(code),
        "fsck: {}\n{}",
        output.status,
        both(&output)
    );
    Ok(())
}

/// A full disk is a clear error and nothing more: when there is room again, signing goes on without a restart.
pub(super) fn full_disk(folder: &Path) -> Result<()> {
    let small = folder.join("small");
    fs::create_dir_all(&small)?;
    let mount = ["-t", "tmpfs", "-o", "size=6m", "tmpfs"];
    if !capture(Command::new("mount").args(mount).arg(&small))?
        .status
        .success()
    {
        println!(
            "SKIPPED: a full disk, because a small file system cannot be mounted here (not root?)"
        );
        return Ok(());
    }
    let tried = full_disk_on(folder, &small);
    text(Command::new("umount").arg(&small))?;
    tried?;
    println!("full disk: refused with a reason, and signing goes on when there is room");
    Ok(())
}

/// Submits an entry that no other one equals.
fn submit(instance: &Instance, api: Api) -> Result<Answer> {
    let request = prepare(api, 1)?.pop().context("a request")?;
    send(instance, Call::post(api.entries(), request.body)?)
}

fn send(instance: &Instance, call: Call) -> Result<Answer> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async { Client::new(&instance.url).send(call).await })
}

fn full_disk_on(folder: &Path, small: &Path) -> Result<()> {
    let instance = Instance::start(&small.join("data"))?;
    sign(&instance, folder, 2)?;
    let filler = small.join("filler");
    // Until the file system is full; the error is what is wanted.
    let _ = fs::write(&filler, vec![0; 8 << 20]);
    let mut refused = None;
    for _ in 0..20 {
        if let Err(error) = sign(&instance, folder, 2) {
            refused = Some(error.to_string());
            break;
        }
    }
    let refused = refused.context("signing went on with a full disk")?;
    ensure!(!refused.contains("panicked"), "{refused}");
    // Both APIs ask to come back, and the probe of a load balancer says why.
    for api in Api::BOTH {
        // What was freed within the database may still take a few.
        let refused = (0..50).find_map(|_| {
            let answer = submit(&instance, api).ok()?;
            (answer.status != 201).then_some(answer)
        });
        let answer = refused.context("entries are taken with a full disk")?;
        ensure!(
            answer.status == 503 && answer.header("retry-after").is_some(),
            "{} answers {} {:?} with a full disk",
            api.name(),
            answer.status,
            answer.body
        );
    }
    let ready = send(&instance, Call::get("/readyz")?)?;
    ensure!(
        ready.status == 503,
        "/readyz answers {} with a full disk",
        ready.status
    );
    fs::remove_file(&filler)?;
    sign(&instance, folder, 2).context("after a full disk got room again")?;
    sign(&instance, folder, 1).context("after a full disk got room again")?;
    instance
        .get("/readyz")
        .context("after a full disk got room again")?;
    instance.stop()
}
