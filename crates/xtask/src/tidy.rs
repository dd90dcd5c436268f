//! Rules that a compiler does not check.

use crate::shell::{cargo, text};
use anyhow::{Context, Result, bail};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};
use std::collections::BTreeSet;

/// Below the pure line: bytes, time and keys come in as arguments.
const PURE: [&str; 6] = [
    "sigstead-merkle",
    "sigstead-note",
    "sigstead-pki",
    "sigstead-formats",
    "sigstead-verifier",
    "sigstead-policy",
];
/// What brings a runtime, a network, a database or an environment.
const EFFECTS: [&str; 10] = [
    "tokio",
    "sqlx",
    "object_store",
    "axum",
    "http",
    "hyper",
    "reqwest",
    "getrandom",
    "tracing-subscriber",
    "sigstead-clock",
];
/// What the verifier is also built for, and what would keep it from there: C and assembly.
const WASM: &str = "wasm32-unknown-unknown";
const NOT_IN_WASM: [&str; 3] = ["aws-lc-sys", "ring", "cc"];
/// Only `keys` may hold private keys: nobody else may use these crates to sign.
const ONLY_IN_KEYS: [(&str, &[&str]); 2] = [
    ("rcgen", &["sigstead-keys"]),
    ("aws-lc-rs", &["sigstead-keys", "sigstead-pki"]),
];

pub(crate) fn run() -> Result<()> {
    println!("\n== tidiness");
    let metadata = MetadataCommand::new()
        .no_deps()
        .exec()
        .context("cargo metadata")?;
    let mut faults = Vec::new();
    for name in PURE {
        faults.extend(unwanted(name, &EFFECTS, &[])?);
    }
    let wasm = ["--target", WASM];
    faults.extend(unwanted("sigstead-verifier", &EFFECTS, &wasm)?);
    faults.extend(unwanted("sigstead-verifier", &NOT_IN_WASM, &wasm)?);
    faults.extend(keys_elsewhere(&metadata));
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    println!("pure crates are pure, private keys stay in `keys`");
    Ok(())
}

/// Reads what a crate is built with, all the way down, with its own features alone.
fn unwanted(name: &str, unwanted: &[&str], target: &[&str]) -> Result<Vec<String>> {
    let args = [
        "tree",
        "--package",
        name,
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ];
    let tree = text(cargo().args(args).args(target))?;
    let crates: BTreeSet<&str> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let fault = |found: &&str| {
        let place = target.last().unwrap_or(&"any target");
        format!("{name} must not depend on {found}, and does so on {place}")
    };
    Ok(unwanted
        .iter()
        .filter(|found| crates.contains(**found))
        .map(fault)
        .collect())
}

fn keys_elsewhere(metadata: &Metadata) -> Vec<String> {
    let mut faults = Vec::new();
    for package in &metadata.packages {
        for dependency in package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind == DependencyKind::Normal)
        {
            for (guarded, allowed) in ONLY_IN_KEYS {
                let name: &str = package.name.as_ref();
                if dependency.name == guarded && !allowed.contains(&name) {
                    faults.push(format!(
                        "{name} depends on {guarded}, which only {allowed:?} may"
                    ));
                }
            }
        }
    }
    faults
}
