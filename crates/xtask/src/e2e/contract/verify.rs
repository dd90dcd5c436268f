//! `verify`: exit codes, the report, no socket.

use super::super::clients::EMAIL;
use super::super::instance::release_binary;
use super::data;
use crate::shell::{both, capture};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use std::process::Command;

/// 0 verified, 1 not verified, 2 usage or unreadable input; `--json` says the same.
pub(super) fn exit_codes(folder: &Path) -> Result<()> {
    let issuer = issuer(folder)?;
    let who = [
        "--certificate-identity",
        EMAIL,
        "--certificate-oidc-issuer",
        &issuer,
    ];
    let v1 = ["--bundle", "hello-v1.sigstore.json"];
    let v2 = ["--bundle", "hello-v2.sigstore.json"];
    let digest = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(fs::read(
        folder.join("hello.txt"),
    )?));
    let regexp = [
        "--certificate-identity-regexp",
        ".*@example\\.com",
        "--certificate-oidc-issuer-regexp",
        "http://127.*",
    ];
    let narrow = [
        "--certificate-identity-regexp",
        "lice@example",
        "--certificate-oidc-issuer-regexp",
        "http://127.*",
    ];
    fs::write(folder.join("garbage"), "{")?;
    let sha = format!("sha256:{digest}");
    let cases: [(&str, i32, Command); 9] = [
        (
            "v1 by file",
            0,
            verify(folder, "hello.txt", &[&v1[..], &who].concat()),
        ),
        (
            "v2 by file",
            0,
            verify(folder, "hello.txt", &[&v2[..], &who].concat()),
        ),
        (
            "by digest",
            0,
            verify(folder, &sha, &[&v2[..], &who].concat()),
        ),
        (
            "by regexp",
            0,
            verify(folder, "hello.txt", &[&v1[..], &regexp].concat()),
        ),
        (
            "a regexp that matches a part only",
            1,
            verify(folder, "hello.txt", &[&v1[..], &narrow].concat()),
        ),
        (
            "another file",
            1,
            verify(folder, "garbage", &[&v1[..], &who].concat()),
        ),
        ("no identity given", 2, verify(folder, "hello.txt", &v1)),
        (
            "no bundle there",
            2,
            verify(
                folder,
                "hello.txt",
                &[&["--bundle", "absent"][..], &who].concat(),
            ),
        ),
        (
            "a bundle that is none",
            2,
            verify(
                folder,
                "hello.txt",
                &[&["--bundle", "garbage"][..], &who].concat(),
            ),
        ),
    ];
    for (what, code, mut command) in cases {
        let output = capture(&mut command)?;
        ensure!(
            output.status.code() == Some(code),
            "verify, {what}: {} instead of {code}\n{}",
            output.status,
            both(&output)
        );
        ensure!(
            code != 2 || !output.stderr.is_empty(),
            "verify, {what}: no reason given"
        );
        ensure!(
            !both(&output).contains("panicked"),
            "verify, {what}: {}",
            both(&output)
        );
    }
    let output = capture(&mut verify(
        folder,
        "hello.txt",
        &[&v1[..], &who, &["--json"]].concat(),
    ))?;
    let report: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("--json is not JSON")?;
    ensure!(
        report["verified"] == true
            && report["steps"]
                .as_array()
                .is_some_and(|steps| steps.len() == 7),
        "report: {report}"
    );
    println!("verify: exit codes 0, 1 and 2 mean what they should; --json has seven steps");
    Ok(())
}

fn issuer(folder: &Path) -> Result<String> {
    let config: serde_json::Value =
        serde_json::from_slice(&fs::read(data(folder).join("trust/signing_config.json"))?)?;
    Ok(config["oidcUrls"][0]["url"]
        .as_str()
        .context("no OIDC URL in the signing config")?
        .to_owned())
}

/// Verification opens no socket at all.
pub(super) fn no_socket(folder: &Path, strace: Option<&Path>) -> Result<()> {
    let Some(strace) = strace else {
        println!("SKIPPED: proof that verify opens no socket, because this machine lacks strace");
        return Ok(());
    };
    let issuer = issuer(folder)?;
    let trace = folder.join("trace");
    let mut command = Command::new(strace);
    command
        .args(["-f", "-e", "trace=%network", "-o"])
        .arg(&trace)
        .arg(release_binary());
    command.args([
        "verify",
        "--bundle",
        "hello-v2.sigstore.json",
        "--certificate-identity",
        EMAIL,
        "--certificate-oidc-issuer",
        &issuer,
    ]);
    command
        .arg("--trusted-root")
        .arg(data(folder).join("trust/trusted_root.json"))
        .arg("hello.txt")
        .current_dir(folder);
    let output = capture(&mut command)?;
    if !output.status.success() && both(&output).contains("ptrace") {
        println!("SKIPPED: proof that verify opens no socket, because ptrace is not allowed here");
        return Ok(());
    }
    ensure!(
        output.status.success(),
        "verify under strace: {}",
        both(&output)
    );
    let calls = fs::read_to_string(&trace)?;
    let network: Vec<&str> = calls
        .lines()
        .filter(|line| line.contains('(') && !line.contains("+++"))
        .collect();
    ensure!(
        network.is_empty(),
        "verify made network calls:\n{}",
        network.join("\n")
    );
    println!("verify: no network call under strace");
    Ok(())
}

/// A `verify` call in the folder.
pub(super) fn verify(folder: &Path, artifact: &str, more: &[&str]) -> Command {
    let mut command = Command::new(release_binary());
    command
        .args(["verify", "--data-dir"])
        .arg(data(folder))
        .args(more)
        .arg(artifact)
        .current_dir(folder);
    command
}
