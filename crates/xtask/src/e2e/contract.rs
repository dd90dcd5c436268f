//! What scripts rely on: the first screen, exit codes, offline verification, restarts, refused starts.

use super::clients::EMAIL;
use super::instance::{Instance, release_binary};
use crate::shell::{both, capture, text};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

pub(super) fn run(folder: &Path, strace: Option<&Path>) -> Result<()> {
    let folder = folder.join("contract");
    fs::create_dir_all(&folder)?;
    pasted_line(&folder)?;
    exit_codes(&folder)?;
    no_socket(&folder, strace)?;
    other_identities(&folder)?;
    refused_starts(&folder)?;
    interrupted_creation(&folder)?;
    full_disk(&folder)?;
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
    let ready = text(Command::new("curl").args([
        "-s",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        &format!("{}/readyz", instance.url),
    ]))?;
    ensure!(ready == "200", "/readyz answers {ready}");
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

fn verify(folder: &Path, artifact: &str, more: &[&str]) -> Command {
    let mut command = Command::new(release_binary());
    command
        .args(["verify", "--data-dir"])
        .arg(data(folder))
        .args(more)
        .arg(artifact)
        .current_dir(folder);
    command
}

/// 0 verified, 1 not verified, 2 usage or unreadable input; `--json` says the same.
fn exit_codes(folder: &Path) -> Result<()> {
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
fn no_socket(folder: &Path, strace: Option<&Path>) -> Result<()> {
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

/// Tokens from claims: GitHub's and GitLab's become URIs and extensions in the certificate.
fn other_identities(folder: &Path) -> Result<()> {
    let instance = Instance::start(&data(folder))?;
    for (claims, identity, path) in [
        (github(), GITHUB_IDENTITY, "/github"),
        (gitlab(), GITLAB_IDENTITY, "/gitlab"),
    ] {
        fs::write(folder.join("claims.json"), claims.to_string())?;
        let token = text(
            Command::new(release_binary())
                .args(["token", "--claims", "claims.json", "--data-dir"])
                .arg(&instance.data)
                .current_dir(folder),
        )?;
        let mut sign = Command::new(release_binary());
        sign.args([
            "sign",
            "hello.txt",
            "--bundle",
            "ci.sigstore.json",
            "--identity-token",
            &token,
            "--data-dir",
        ])
        .arg(&instance.data);
        text(sign.current_dir(folder))?;
        let issuer = format!("{}{path}", instance.oidc);
        let who = [
            "--bundle",
            "ci.sigstore.json",
            "--certificate-identity",
            identity,
            "--certificate-oidc-issuer",
            &issuer,
        ];
        let output = capture(&mut verify(folder, "hello.txt", &who))?;
        ensure!(output.status.success(), "{identity}: {}", both(&output));
    }
    instance.stop()?;
    println!("claims of GitHub and GitLab become identities in certificates");
    Ok(())
}

const GITHUB_IDENTITY: &str =
    "https://github.com/octo-org/octo/.github/workflows/release.yml@refs/heads/main";
const GITLAB_IDENTITY: &str = "https://gitlab.com/octo/octo//.gitlab-ci.yml@refs/heads/main";

fn github() -> serde_json::Value {
    serde_json::json!({
        "sub": "repo:octo-org/octo:ref:refs/heads/main", "job_workflow_ref": "octo-org/octo/.github/workflows/release.yml@refs/heads/main",
        "sha": "a".repeat(40), "event_name": "push", "repository": "octo-org/octo", "workflow": "release", "ref": "refs/heads/main",
        "job_workflow_sha": "a".repeat(40), "runner_environment": "self-hosted", "repository_id": "1", "repository_owner": "octo-org",
        "repository_owner_id": "2", "repository_visibility": "private", "workflow_sha": "a".repeat(40), "run_id": "3", "run_attempt": "1",
        "workflow_ref": "octo-org/octo/.github/workflows/release.yml@refs/heads/main",
    })
}

fn gitlab() -> serde_json::Value {
    serde_json::json!({
        "sub": "project_path:octo/octo:ref_type:branch:ref:main", "project_path": "octo/octo", "pipeline_source": "push",
        "pipeline_id": "7", "ci_config_ref_uri": "gitlab.com/octo/octo//.gitlab-ci.yml@refs/heads/main", "job_id": "8", "ref": "main",
        "ref_type": "branch", "namespace_path": "octo", "namespace_id": "9", "project_id": "10", "sha": "b".repeat(40),
        "runner_environment": "self-hosted", "runner_id": 11, "ci_config_sha": "b".repeat(40), "project_visibility": "private",
    })
}

/// What must stop a start: each with a cause and a cure, and nothing changed on disk.
fn refused_starts(folder: &Path) -> Result<()> {
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
fn interrupted_creation(folder: &Path) -> Result<()> {
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

/// A full disk is a clear error and nothing more: when there is room again, signing goes on without a restart.
fn full_disk(folder: &Path) -> Result<()> {
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
    fs::remove_file(&filler)?;
    sign(&instance, folder, 2).context("after a full disk got room again")?;
    sign(&instance, folder, 1).context("after a full disk got room again")?;
    instance.stop()
}

/// Keys and logs survive a clean stop and a kill.
pub(super) fn stop_and_restart(instance: Instance) -> Result<()> {
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
        text_of += &text(Command::new("curl").args(["-sf", &format!("{}{path}", instance.url)]))?;
    }
    let v1: serde_json::Value = serde_json::from_str(&text(
        Command::new("curl").args(["-sf", &format!("{}/api/v1/log", instance.url)]),
    )?)?;
    let sth: serde_json::Value = serde_json::from_str(&text(
        Command::new("curl").args(["-sf", &format!("{}/ctlog/ct/v1/get-sth", instance.url)]),
    )?)?;
    let v2 = text(Command::new("curl").args(["-sf", &format!("{}/checkpoint", instance.url)]))?;
    let v2_head: Vec<&str> = v2.lines().take(3).collect();
    text_of += &format!(
        "\nv1 {} {}\nct {} {}\nv2 {v2_head:?}",
        v1["treeSize"], v1["rootHash"], sth["tree_size"], sth["sha256_root_hash"]
    );
    Ok(text_of)
}
