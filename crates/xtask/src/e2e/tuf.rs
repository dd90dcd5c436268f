//! Clients that are given one root and follow the TUF repository from there on: across a rotation of its keys, of the
//! logs, and a ceremony. No trust file is passed to any of them.

use super::clients::EMAIL;
use super::instance::{Instance, release_binary};
use crate::shell::{both, capture, root, text};
use crate::tools::Tools;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) fn run(tools: &Tools, folder: &Path) -> Result<()> {
    let folder = folder.join("tuf");
    fs::create_dir_all(&folder)?;
    let data = folder.join("sigstead-data");
    let instance = Instance::start(&data)?;
    let artifact = folder.join("hello.txt");
    fs::write(&artifact, "hello\n")?;
    let follower = |name: &str| Follower::new(tools, &instance, &folder.join(name));

    first_entry(&data, &artifact)?;

    // 1. Clients that begin with the first root.
    let old = follower("old")?;
    old.initialize()?;
    let mut bundles = old.sign_all(&artifact, "1")?;
    old.verify_all(&artifact, &bundles)?;
    guide(tools, &instance, &folder)?;

    // 2. All keys change while they look away; new clients begin with the second root.
    sigstead(&data, &["tuf", "rotate-root", "--online", "--targets"])?;
    let new = follower("new")?;
    new.initialize()?;
    for clients in [&old, &new] {
        bundles.extend(clients.sign_all(&artifact, "2")?);
        clients.verify_all(&artifact, &bundles)?;
    }

    // 3. The logs go on with other keys: nobody is told anything.
    sigstead(&data, &["rotate", "log", "--yes"])?;
    first_entry(&data, &artifact)?;
    for clients in [&old, &new] {
        bundles.extend(clients.sign_all(&artifact, "3")?);
        clients.verify_all(&artifact, &bundles)?;
    }

    // 4. A restart changes nothing; a root of somebody else is refused.
    let listen = instance.url.trim_start_matches("http://").to_owned();
    instance.stop()?;
    let before = fs::read(data.join("tuf/timestamp.json"))?;
    let instance = Instance::start_with(&data, &["--listen", &listen])?;
    ensure!(
        fs::read(data.join("tuf/timestamp.json"))? == before,
        "a restart signed what was fresh"
    );
    old.verify_all(&artifact, &bundles)?;
    refuse_strangers(tools, &instance, &folder)?;
    instance.stop()?;
    println!(
        "TUF: {} verify {} bundles without trust files, across new root, online, targets and log keys; a stranger's root is \
         refused; the guide's commands work",
        old.names().join(", "),
        bundles.len()
    );
    Ok(())
}

/// Takes index 0 of a log: Go leaves it out of a bundle, and sigstore-python then refuses cosign's.
fn first_entry(data: &Path, artifact: &Path) -> Result<()> {
    let token = sigstead(data, &["token", "--email", EMAIL])?;
    let mut command = Command::new(release_binary());
    command.args(["sign", "--identity-token", &token, "--data-dir"]);
    command.arg(data).arg("--bundle");
    text(command.arg(data.with_extension("first.json")).arg(artifact))?;
    Ok(())
}

/// Clients with a home of their own, where they keep what TUF told them.
struct Follower {
    cosign: Option<PathBuf>,
    python: Option<PathBuf>,
    js: Option<PathBuf>,
    instance_url: String,
    issuer: String,
    data: PathBuf,
    home: PathBuf,
    /// The root that the clients are given.
    root: PathBuf,
}

impl Follower {
    fn new(tools: &Tools, instance: &Instance, home: &Path) -> Result<Self> {
        fs::create_dir_all(home)?;
        let root = home.join("root.json");
        fs::copy(instance.trust("tuf_root.json"), &root)?;
        Ok(Self {
            cosign: tools.cosign.clone(),
            python: tools.python.clone(),
            js: tools.js.clone(),
            instance_url: instance.url.clone(),
            issuer: instance.oidc.clone(),
            data: instance.data.clone(),
            home: home.to_owned(),
            root,
        })
    }

    fn names(&self) -> Vec<&'static str> {
        let all = [
            ("cosign", self.cosign.is_some()),
            ("sigstore-python", self.python.is_some()),
            ("sigstore-js", self.js.is_some()),
        ];
        let there = all.into_iter().filter(|(_, there)| *there);
        there.map(|(name, _)| name).collect()
    }

    fn mirror(&self) -> String {
        format!("{}/tuf", self.instance_url)
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env("HOME", &self.home)
            .env_remove("XDG_CACHE_HOME")
            .env_remove("XDG_DATA_HOME")
            .current_dir(&self.home);
        command
    }

    fn cosign(&self, program: &Path) -> Command {
        let mut command = self.command(program);
        command.env("TUF_ROOT", self.home.join("cosign"));
        command
    }

    fn python(&self, program: &Path) -> Command {
        let mut command = self.command(program);
        command.args(["--instance", &self.mirror()]);
        command
    }

    fn js(&self, folder: &Path) -> Command {
        let mut command = self.command(&folder.join("node_modules/.bin/node"));
        command.arg(folder.join("node_modules/.bin/sigstore"));
        command
    }

    fn initialize(&self) -> Result<()> {
        for outcome in self.try_initialize()? {
            outcome?;
        }
        Ok(())
    }

    /// One outcome a client.
    fn try_initialize(&self) -> Result<Vec<Result<String>>> {
        let mut outcomes = Vec::new();
        if let Some(program) = &self.cosign {
            let mut command = self.cosign(program);
            command.args(["initialize", "--mirror", &self.mirror(), "--root"]);
            outcomes.push(text(command.arg(&self.root)));
        }
        if let Some(program) = &self.python {
            let mut command = self.python(program);
            outcomes.push(text(command.arg("trust-instance").arg(&self.root)));
        }
        if let Some(folder) = &self.js {
            let mut command = self.js(folder);
            command.args(["initialize", "--mirror", &self.mirror(), "--root"]);
            command.arg(&self.root).arg("--cache-path");
            outcomes.push(text(command.arg(self.home.join("js"))));
        }
        Ok(outcomes)
    }

    fn sign_all(&self, artifact: &Path, round: &str) -> Result<Vec<PathBuf>> {
        let token = sigstead(&self.data, &["token", "--email", EMAIL])?;
        let bundle = |name: &str| self.home.join(format!("{name}-{round}.sigstore.json"));
        let mut bundles = Vec::new();
        if let Some(program) = &self.cosign {
            let out = bundle("cosign");
            let mut command = self.cosign(program);
            command.args(["sign-blob", "--yes", "--identity-token", &token, "--bundle"]);
            text(command.arg(&out).arg(artifact))?;
            bundles.push(out);
        }
        if let Some(program) = &self.python {
            let out = bundle("python");
            let mut command = self.python(program);
            command.args(["sign", "--identity-token", &token, "--bundle"]);
            text(command.arg(&out).arg(artifact))?;
            bundles.push(out);
        }
        Ok(bundles)
    }

    /// Every client takes every bundle, and refuses it for another file.
    fn verify_all(&self, artifact: &Path, bundles: &[PathBuf]) -> Result<()> {
        let other = self.home.join("other.txt");
        fs::write(&other, "another file\n")?;
        for bundle in bundles {
            for command in &mut self.verifications(artifact, bundle) {
                text(command)?;
            }
        }
        if let Some(bundle) = bundles.last() {
            for command in &mut self.verifications(&other, bundle) {
                let output = capture(command)?;
                ensure!(!output.status.success(), "{command:?} took another file");
            }
        }
        Ok(())
    }

    fn verifications(&self, artifact: &Path, bundle: &Path) -> Vec<Command> {
        let mut commands = Vec::new();
        let issuer = self.issuer.as_str();
        if let Some(program) = &self.cosign {
            let mut command = self.cosign(program);
            command.arg("verify-blob").arg("--bundle").arg(bundle);
            command.args(["--certificate-identity", EMAIL]);
            command.args(["--certificate-oidc-issuer", issuer]);
            command.arg(artifact);
            commands.push(command);
        }
        if let Some(program) = &self.python {
            let mut command = self.python(program);
            command.args(["verify", "identity", "--bundle"]).arg(bundle);
            command.args(["--cert-identity", EMAIL, "--cert-oidc-issuer", issuer]);
            command.arg(artifact);
            commands.push(command);
        }
        if let Some(folder) = &self.js {
            let mut command = self.js(folder);
            command.args(["verify", "--tuf-mirror-url", &self.mirror()]);
            command.arg("--tuf-root-path").arg(&self.root);
            command.arg("--tuf-cache-path").arg(self.home.join("js"));
            command.args(["--certificate-identity-email", EMAIL]);
            command.args(["--certificate-issuer", issuer, "--blob-file"]);
            command.arg(artifact).arg(bundle);
            commands.push(command);
        }
        commands
    }
}

/// A root with a key that is not the repository's.
fn refuse_strangers(tools: &Tools, instance: &Instance, folder: &Path) -> Result<()> {
    let elsewhere = Instance::start(&folder.join("elsewhere"))?;
    let client = Follower::new(tools, instance, &folder.join("strangers"))?;
    fs::copy(elsewhere.trust("tuf_root.json"), &client.root)?;
    elsewhere.stop()?;
    let names = client.names();
    for (name, outcome) in names.iter().zip(client.try_initialize()?) {
        // sigstore-python asks for nothing until it is used.
        if *name == "sigstore-python" {
            continue;
        }
        ensure!(outcome.is_err(), "{name} took a stranger's root");
    }
    let artifact = folder.join("hello.txt");
    let bundle = folder.join("old/python-1.sigstore.json");
    if let Some(program) = client.python.as_ref().filter(|_| bundle.is_file()) {
        let mut command = client.python(program);
        command
            .args(["verify", "identity", "--bundle"])
            .arg(&bundle);
        command.args([
            "--cert-identity",
            EMAIL,
            "--cert-oidc-issuer",
            &client.issuer,
        ]);
        let output = capture(command.arg(&artifact))?;
        ensure!(
            !output.status.success(),
            "sigstore-python took a stranger's root"
        );
    }
    Ok(())
}

fn sigstead(data: &Path, words: &[&str]) -> Result<String> {
    text(
        Command::new(release_binary())
            .args(words)
            .arg("--data-dir")
            .arg(data),
    )
}

/// Runs the commands of deploy/guides/tuf.md for clients, as a reader would paste them beside `sigstead-data`.
/// (crates/sigstead/tests/tuf.rs runs the others.)
fn guide(tools: &Tools, instance: &Instance, folder: &Path) -> Result<()> {
    let guide = fs::read_to_string(root().join("deploy/guides/tuf.md"))?;
    let programs = [("cosign ", &tools.cosign), ("sigstore ", &tools.python)];
    let home = folder.join("guide-home");
    fs::create_dir_all(&home)?;
    let mut path = vec![folder_of(&release_binary())?];
    for (_, program) in programs {
        if let Some(program) = program {
            path.push(folder_of(program)?);
        }
    }
    let path = path.join(":") + ":" + &std::env::var("PATH").unwrap_or_default();
    let mut ran = 0;
    for block in guide.split("```").skip(1).step_by(2) {
        let Some(commands) = block.strip_prefix("sh\n") else {
            continue;
        };
        let of = programs
            .iter()
            .find(|(word, _)| commands.lines().any(|line| line.starts_with(word)));
        if of.is_none_or(|(_, program)| program.is_none()) {
            continue;
        }
        let commands = commands.replace("http://127.0.0.1:8080", &instance.url);
        let mut command = Command::new("sh");
        command.args(["-euc", &commands]).current_dir(folder);
        command.env("PATH", &path).env("HOME", &home);
        command
            .env_remove("XDG_CACHE_HOME")
            .env_remove("XDG_DATA_HOME");
        let output = capture(&mut command)?;
        if !output.status.success() {
            bail!(
                "the guide's commands failed:\n{commands}\n{}",
                both(&output)
            );
        }
        ran += 1;
    }
    let there = programs.iter().filter(|(_, program)| program.is_some());
    ensure!(
        ran >= there.count(),
        "the guide lacks commands for a client"
    );
    Ok(())
}

fn folder_of(program: &Path) -> Result<String> {
    let folder = program.canonicalize()?;
    let folder = folder.parent().context("a program is in a folder")?;
    Ok(folder.display().to_string())
}
