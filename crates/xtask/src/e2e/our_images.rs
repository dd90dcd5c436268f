//! What we sign, cosign 2 and 3 accept, and the reverse: in a registry, in layouts, for indexes, with managed keys.

use super::clients::{EMAIL, PREDICATE_TYPE};
use super::images::{Images, expect, refused};
use super::instance::release_binary;
use super::registry::Registry;
use crate::shell::{both, capture};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

pub(super) fn run(images: &Images<'_>, registry: &Registry, strace: Option<&Path>) -> Result<()> {
    theirs(images, registry)?;
    for rekor in ["1", "2"] {
        ours(images, registry, rekor)?;
    }
    legacy(images, registry)?;
    managed_key(images, registry)?;
    index(images, registry)?;
    layouts(images, registry, strace)?;
    exit_codes(images, registry)
}

/// Images that cosign signed and attested before.
fn theirs(images: &Images<'_>, registry: &Registry) -> Result<()> {
    for name in ["bundle-v1", "bundle-v2"] {
        let image = registry.push_image(name)?;
        images.holds(
            &image,
            &[],
            1,
            &format!("sigstead verify, {name} of cosign"),
        )?;
    }
    for name in ["bundle-v1", "bundle-v2"] {
        let image = registry.push_image(name)?;
        let what = format!("sigstead verify --type, {name} of cosign");
        images.holds(&image, &["--type", PREDICATE_TYPE], 1, &what)?;
    }
    Ok(())
}

/// What we sign and attest, as cosign 3 does, beside a signature of cosign.
fn ours(images: &Images<'_>, registry: &Registry, rekor: &str) -> Result<()> {
    let image = registry.push_image(&format!("ours-v{rekor}"))?;
    let version = ["--rekor-version", rekor];
    images.said(
        images.ours("sign").args(version).arg(&image),
        "sigstead sign",
    )?;
    let mut attest = images.ours("attest");
    attest.args(version).args(["--type", PREDICATE_TYPE]);
    attest
        .arg("--predicate")
        .arg(images.folder.join("predicate.json"));
    images.said(attest.arg(&image), "sigstead attest")?;

    let what = format!("cosign verify, Rekor v{rekor}, of ours");
    expect(images.checking("verify", EMAIL).arg(&image), 0, &what)?;
    let mut wrong = images.checking("verify", "mallory@example.com");
    refused(wrong.arg(&image), &what)?;
    let mut check = images.checking("verify-attestation", EMAIL);
    check.args(["--type", PREDICATE_TYPE]).arg(&image);
    expect(&mut check, 0, "cosign verify-attestation of ours")?;

    images.holds(&image, &[], 1, "sigstead verify of ours")?;
    let mut beside = images.signing("sign", 1);
    expect(beside.arg(&image), 0, "cosign sign, beside ours")?;
    images.holds(&image, &[], 2, "sigstead verify, ours beside cosign's")
}

/// The layout of cosign 2: our layer beside cosign's, in both tags.
pub(super) fn legacy(images: &Images<'_>, registry: &Registry) -> Result<()> {
    let image = registry.push_image(images.legacy.image)?;
    let mut sign = images.ours("sign");
    images.said(sign.arg("--legacy").arg(&image), "sigstead sign --legacy")?;
    images.holds(&image, &[], 2, "sigstead verify, legacy layout")?;

    let image = registry.push_image(&format!("ours-{}", images.legacy.image))?;
    let mut sign = images.ours("sign");
    images.said(sign.arg("--legacy").arg(&image), "sigstead sign --legacy")?;
    let what = "cosign verify, legacy layout, of ours";
    expect(images.legacy_checking("verify", EMAIL).arg(&image), 0, what)?;
    let mut wrong = images.legacy_checking("verify", "mallory@example.com");
    refused(wrong.arg(&image), what)?;

    let predicate = images.folder.join("predicate.json");
    let mut attest = images.ours("attest");
    attest.args(["--legacy", "--type", PREDICATE_TYPE, "--predicate"]);
    images.said(
        attest.arg(&predicate).arg(&image),
        "sigstead attest --legacy",
    )?;
    let mut check = images.legacy_checking("verify-attestation", EMAIL);
    check.args(["--type", PREDICATE_TYPE]).arg(&image);
    expect(
        &mut check,
        0,
        "cosign verify-attestation, legacy layout, of ours",
    )?;
    let mut attest = images.legacy_signing("attest");
    attest.args(["--type", PREDICATE_TYPE, "--predicate"]);
    let what = "cosign attest, legacy layout, beside ours";
    expect(attest.arg(&predicate).arg(&image), 0, what)?;
    images.holds(
        &image,
        &["--type", PREDICATE_TYPE],
        2,
        "sigstead verify --type, legacy layout",
    )
}

/// A managed key has no certificate, in both layouts.
fn managed_key(images: &Images<'_>, registry: &Registry) -> Result<()> {
    let mut make = Command::new(&images.cosign);
    make.env("COSIGN_PASSWORD", "").arg("generate-key-pair");
    make.current_dir(&images.folder);
    expect(&mut make, 0, "cosign generate-key-pair")?;
    let (private, public) = (
        images.folder.join("cosign.key"),
        images.folder.join("cosign.pub"),
    );
    let image = registry.push_image("managed-key")?;
    let mut bundle = Command::new(&images.cosign);
    bundle
        .args(["sign", "--yes", "--signing-config"])
        .arg(images.instance.trust("signing_config.json"))
        .arg("--trusted-root")
        .arg(images.instance.trust("trusted_root.json"));
    let mut legacy = Command::new(&images.cosign);
    legacy.args(["sign", "--yes", "--new-bundle-format=false"]);
    legacy.args([
        "--use-signing-config=false",
        "--rekor-url",
        &images.instance.url,
    ]);
    images.legacy_roots(&mut legacy);
    for command in [&mut bundle, &mut legacy] {
        command
            .env("COSIGN_PASSWORD", "")
            .arg("--key")
            .arg(&private);
        expect(command.arg(&image), 0, "cosign sign --key")?;
    }
    let mut verify = images.plain("verify");
    verify.arg("--json").arg("--key").arg(&public).arg(&image);
    let report = json(&mut verify, 0, "sigstead verify --key")?;
    ensure!(count(&report) == 2, "sigstead verify --key: {report:#}");
    println!("sigstead verify --key: both layouts");
    Ok(())
}

/// An index, and each of its images.
fn index(images: &Images<'_>, registry: &Registry) -> Result<()> {
    let image = registry.push_index("index")?;
    images.said(images.ours("sign").arg(&image), "sigstead sign, an index")?;
    images.holds(&image, &[], 1, "sigstead verify, an index")?;
    let recursive = ["--recursive", "--json"];
    let report = json(
        images.verifying().args(recursive).arg(&image),
        1,
        "unsigned images below",
    )?;
    ensure!(
        report["children"]
            .as_array()
            .is_some_and(|all| all.len() == 2)
    );
    let mut sign = images.ours("sign");
    images.said(
        sign.arg("--recursive").arg(&image),
        "sigstead sign --recursive",
    )?;
    images.said(
        images.verifying().args(recursive).arg(&image),
        "sigstead verify --recursive",
    )?;
    expect(
        images.checking("verify", EMAIL).arg(&image),
        0,
        "cosign verify, an index of ours",
    )
}

/// Out of the registry, over the air gap, into another repository; offline on the way.
fn layouts(images: &Images<'_>, registry: &Registry, strace: Option<&Path>) -> Result<()> {
    let image = registry.push_image("ours-v1")?;
    let folder = format!("oci:{}", images.folder.join("layout").display());
    let tar = format!("oci-archive:{}", images.folder.join("layout.tar").display());
    for (from, to) in [(image.as_str(), folder.as_str()), (&folder, &tar)] {
        images.said(copy().args([from, to]), "sigstead copy")?;
        images.holds(to, &[], 2, "sigstead verify, a layout")?;
        no_network(images, to, strace)?;
    }
    let mut local = images.checking("verify", EMAIL);
    local.arg("--local-image").arg(images.folder.join("layout"));
    expect(&mut local, 0, "cosign verify, a layout of ours")?;

    let moved = format!("{}/moved/app:v1", registry.address);
    images.said(copy().args([&tar, &moved]), "sigstead copy, from a tar")?;
    images.holds(&moved, &[], 2, "sigstead verify, moved")?;
    expect(
        images.checking("verify", EMAIL).arg(&moved),
        0,
        "cosign verify, moved by us",
    )?;

    // cosign leaves the bundles out of the index, and legacy signatures without a name.
    for name in ["ours-v1", "legacy"] {
        let saved = images.folder.join(format!("saved-{name}"));
        let mut save = Command::new(&images.cosign);
        save.arg("save").arg("--dir").arg(&saved);
        expect(save.arg(registry.push_image(name)?), 0, "cosign save")?;
        let saved = format!("oci:{}", saved.display());
        images.holds(&saved, &[], 2, "sigstead verify, a layout of cosign")?;
    }
    Ok(())
}

/// Verification of a layout opens no socket at all.
fn no_network(images: &Images<'_>, layout: &str, strace: Option<&Path>) -> Result<()> {
    let Some(strace) = strace else {
        println!("SKIPPED: proof that layouts need no network, because this machine lacks strace");
        return Ok(());
    };
    let trace = images.folder.join("image-trace");
    let verify = images.verifying();
    let mut command = Command::new(strace);
    command
        .args(["-f", "-e", "trace=%network", "-o"])
        .arg(&trace);
    command.arg(verify.get_program()).args(verify.get_args());
    let output = capture(command.arg(layout))?;
    if !output.status.success() && both(&output).contains("ptrace") {
        println!("SKIPPED: proof that layouts need no network, because ptrace is not allowed here");
        return Ok(());
    }
    ensure!(output.status.success(), "under strace: {}", both(&output));
    let calls = std::fs::read_to_string(&trace)?;
    let network = calls
        .lines()
        .find(|line| line.contains('(') && !line.contains("+++"));
    ensure!(network.is_none(), "{layout}: network call {network:?}");
    println!("sigstead verify {layout}: no network call under strace");
    Ok(())
}

/// 1 for what does not hold, 2 for what cannot be read.
fn exit_codes(images: &Images<'_>, registry: &Registry) -> Result<()> {
    let unsigned = registry.push_image("unsigned")?;
    let report = json(
        images.verifying().arg("--json").arg(&unsigned),
        1,
        "an unsigned image",
    )?;
    let summary = report["summary"].as_str().unwrap_or_default();
    ensure!(summary.contains("looked at"), "{report:#}");
    for (image, what) in [
        (
            format!("{}/nothing:v1", registry.address),
            "an image that is not there",
        ),
        ("127.0.0.1:1/app".to_owned(), "a registry that is not there"),
        ("oci:/nonexistent".to_owned(), "a layout that is not there"),
    ] {
        expect(images.verifying().arg(image), 2, what)?;
    }
    let mut wrong = images.plain("verify");
    wrong.args(["--certificate-identity", "mallory@example.com"]);
    wrong.args(["--certificate-oidc-issuer", &images.instance.oidc]);
    expect(
        wrong.arg(registry.push_image("ours-v1")?),
        1,
        "a wrong identity",
    )
}

impl Images<'_> {
    /// `sigstead VERB` for this instance.
    pub(super) fn plain(&self, verb: &str) -> Command {
        let mut command = Command::new(release_binary());
        command.arg(verb).arg("--data-dir").arg(&self.instance.data);
        command
    }

    /// `sigstead sign` or `attest`.
    pub(super) fn ours(&self, verb: &str) -> Command {
        let mut command = self.plain(verb);
        command.args(["--identity-token", &self.token]);
        command
    }

    /// `sigstead verify` with the right identity.
    pub(super) fn verifying(&self) -> Command {
        let mut command = self.plain("verify");
        command.args(["--certificate-identity", EMAIL]);
        command.args(["--certificate-oidc-issuer", &self.instance.oidc]);
        command
    }

    /// Runs what must succeed.
    pub(super) fn said(&self, command: &mut Command, what: &str) -> Result<()> {
        expect(command, 0, what)
    }

    /// Verifies an image of which so many signatures hold, and none fails.
    pub(super) fn holds(&self, image: &str, more: &[&str], want: usize, what: &str) -> Result<()> {
        let mut verify = self.verifying();
        let report = json(verify.args(more).arg("--json").arg(image), 0, what)?;
        if count(&report) != want {
            bail!("{what}: {want} should hold\n{report:#}");
        }
        Ok(())
    }
}

pub(super) fn copy() -> Command {
    let mut command = Command::new(release_binary());
    command.arg("copy");
    command
}

/// Signatures that count and hold; one that counts and does not is none at all.
fn count(report: &Value) -> usize {
    let all = report["signatures"].as_array().cloned().unwrap_or_default();
    let counted: Vec<_> = all.iter().filter(|one| one["counts"] == true).collect();
    if counted.iter().all(|one| one["verified"] == true) {
        counted.len()
    } else {
        0
    }
}

fn json(command: &mut Command, code: i32, what: &str) -> Result<Value> {
    let output = capture(command)?;
    ensure!(
        output.status.code() == Some(code),
        "{what}: {}\n{command:?}\n{}",
        output.status,
        both(&output)
    );
    println!("{what}: ok");
    serde_json::from_slice(&output.stdout).context("the report is not JSON")
}
