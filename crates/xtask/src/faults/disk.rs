//! The server's disk is full: a small file system of its own.

use super::stage::Stage;
use crate::shell::{capture, text};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::process::Command;
use testkit::Cluster;

/// A new server takes about half of it.
const SIZE: &str = "size=120m";

pub(super) fn full() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let small = folder.path().join("small");
    fs::create_dir(&small)?;
    let mount = ["-t", "tmpfs", "-o", SIZE, "tmpfs"];
    let mounted = capture(Command::new("mount").args(mount).arg(&small))?;
    if !mounted.status.success() {
        println!(
            "SKIPPED: a database server with a full disk, because a small file system cannot be mounted here (not root?)"
        );
        return Ok(());
    }
    // The server's user passes through to a folder of its own.
    text(Command::new("chmod").arg("0755").arg(folder.path()))?;
    text(Command::new("chmod").arg("1777").arg(&small))?;
    let tried = full_on(&small);
    // Lazily: the server may be about to end.
    text(Command::new("umount").arg("--lazy").arg(&small))?;
    tried
}

fn full_on(small: &Path) -> Result<()> {
    let cluster = Cluster::start_in(small).context("a server")?;
    let mut stage = Stage::begin(&cluster.database())?;
    let filler = small.join("filler");
    // Until the file system is full; the error is what is wanted.
    let _ = fs::write(&filler, vec![0; 128 << 20]);
    stage.check_refuses()?;
    fs::remove_file(&filler)?;
    // A server that cannot write its log ahead stops by itself; starting it again is its keeper's work, not ours.
    let stopped = !cluster.is_running();
    if stopped {
        cluster.resume();
    }
    let took = stage.check_recovers()?;
    let server = match stopped {
        true => "stopped and was started again",
        false => "went on",
    };
    stage.end(&format!(
        "the server's disk full, it {server}, back within {took:.1?}"
    ))
}
