//! Keys and logs survive a stop and a kill.

use super::super::instance::Instance;
use anyhow::{Result, bail, ensure};

/// Keys and logs survive a clean stop and a kill.
pub(in crate::e2e) fn stop_and_restart(instance: Instance) -> Result<()> {
    let data = instance.data.clone();
    let before = identity(&instance)?;
    instance.stop()?;
    let instance = Instance::start(&data)?;
    let after = identity(&instance)?;
    if before != after {
        bail!("a restart changed keys or logs:\n{before}\n{after}");
    }
    instance.kill()?;
    let instance = Instance::start(&data)?;
    ensure!(
        before == identity(&instance)?,
        "a kill changed keys or logs"
    );
    instance.stop()?;
    println!("restart: the same keys and the same logs, after SIGTERM and after SIGKILL");
    Ok(())
}

/// Public keys, chains, and the size and root of every log.
fn identity(instance: &Instance) -> Result<String> {
    let mut text_of = String::new();
    for path in [
        "/api/v1/log/publicKey",
        "/api/v1/rootCert",
        "/api/v1/timestamp/certchain",
    ] {
        text_of += &instance.get(path)?;
    }
    let v1: serde_json::Value = serde_json::from_str(&instance.get("/api/v1/log")?)?;
    let sth: serde_json::Value = serde_json::from_str(&instance.get("/ctlog/ct/v1/get-sth")?)?;
    let v2 = instance.get("/checkpoint")?;
    let v2_head: Vec<&str> = v2.lines().take(3).collect();
    text_of += &format!(
        "\nv1 {} {}\nct {} {}\nv2 {v2_head:?}",
        v1["treeSize"], v1["rootHash"], sth["tree_size"], sth["sha256_root_hash"]
    );
    Ok(text_of)
}
