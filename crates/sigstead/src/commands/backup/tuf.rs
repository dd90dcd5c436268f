//! The TUF repository between a folder and a server: an archive has it as files.

use super::files::{Files, Saved};
use crate::instance::Layout;
use anyhow::{Context, Result};
use serde_json::Value;
use tuf::{FileName, Folder, SharedStore, Store};

/// Roots that a repository can have: one a month for a thousand years.
const MAX_ROOTS: u64 = 12_000;

/// Reads what clients need of the repository in a database: every root, and what the newest timestamp leads to.
pub(crate) async fn shared_tuf(layout: &Layout, url: &str) -> Result<Files> {
    let store = SharedStore::new(url, Folder::new(layout.tuf()))?;
    let mut files = Files::new();
    for (name, bytes) in published(&store).await? {
        files.insert(format!("tuf/{name}"), Saved { mode: 0o644, bytes });
    }
    Ok(files)
}

/// In the order in which they are put: what names another file comes after it.
pub(crate) async fn published(store: &dyn Store) -> Result<Vec<(FileName, Vec<u8>)>> {
    let Some(newest) = store.newest_root().await? else {
        return Ok(Vec::new());
    };
    let mut files = Vec::new();
    for version in 1..=newest.min(MAX_ROOTS) {
        let name = FileName::Root(version);
        if let Some(bytes) = store.read(&name).await? {
            files.push((name, bytes));
        }
    }
    let Some(timestamp) = store.read(&FileName::Timestamp).await? else {
        return Ok(files);
    };
    let version = meta(&timestamp, "snapshot.json")?;
    let snapshot = must_read(store, &FileName::Snapshot(version)).await?;
    let version = meta(&snapshot, "targets.json")?;
    let targets = must_read(store, &FileName::Targets(version)).await?;
    for name in contents(&targets)? {
        let bytes = must_read(store, &name).await?;
        files.push((name, bytes));
    }
    files.push((FileName::Targets(version), targets));
    files.push((
        FileName::Snapshot(meta(&timestamp, "snapshot.json")?),
        snapshot,
    ));
    files.push((FileName::Timestamp, timestamp));
    Ok(files)
}

/// Puts a repository into a place that has none. Answers whether it did.
pub(crate) async fn put_tuf(to: &dyn Store, files: Vec<(FileName, Vec<u8>)>) -> Result<bool> {
    if files.is_empty() || to.newest_root().await?.is_some() {
        return Ok(false);
    }
    let mut session = to.begin().await?;
    for (name, bytes) in &files {
        session.put(name, bytes).await?;
    }
    session.commit().await?;
    Ok(true)
}

async fn must_read(store: &dyn Store, name: &FileName) -> Result<Vec<u8>> {
    let bytes = store.read(name).await?;
    bytes.with_context(|| format!("the TUF repository names {name} and does not have it"))
}

/// The version that a role's metadata names for another one.
fn meta(role: &[u8], file: &str) -> Result<u64> {
    let json: Value = serde_json::from_slice(role).context("TUF metadata")?;
    let version = json["signed"]["meta"][file]["version"].as_u64();
    version.with_context(|| format!("TUF metadata names no version of {file}"))
}

fn contents(targets: &[u8]) -> Result<Vec<FileName>> {
    let json: Value = serde_json::from_slice(targets).context("TUF targets")?;
    let targets = json["signed"]["targets"].as_object();
    let targets = targets.context("TUF targets have no list")?;
    let name = |(name, target): (&String, &Value)| {
        let sha256 = target["hashes"]["sha256"].as_str()?;
        FileName::parse(&format!("targets/{sha256}.{name}"))
    };
    let names: Option<Vec<FileName>> = targets.iter().map(name).collect();
    names.context("TUF targets have a name that no file can have")
}
