//! A private registry: TLS by a CA of its own, and a password, from each place that passwords come from.

use super::clients::EMAIL;
use super::images::{Images, expect};
use super::our_images::copy;
use super::registry::Registry;
use crate::shell::{both, capture, find, text};
use anyhow::{Result, ensure};
use base64::Engine;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const USER: &str = "e2e";
const PASSWORD: &str = "correct horse";
/// bcrypt of the password.
const HTPASSWD: &str = "e2e:$2b$04$NZNixuExOv0L9rHhoHTxS.SwbOaHCM7.R9ppp0IyQXYLGRrAA86AC\n";

pub(super) fn run(images: &Images<'_>, program: &Path, open: &Registry) -> Result<()> {
    let Some(openssl) = find("openssl") else {
        println!(
            "SKIPPED: a private registry, because this machine lacks openssl to make its certificate"
        );
        return Ok(());
    };
    let place = Place::make(&images.folder, &openssl)?;
    let registry = Registry::start_private(
        program,
        &images.folder.join("private"),
        &place.certificate,
        &place.key,
        &place.passwords,
    )?;
    let from = open.push_image("ours-v1")?;
    let image = format!("{}/team/app:v1", registry.address);

    // Nobody, and somebody else, are refused, and told what to do; nothing they show is printed.
    let nobody = place.folder("nobody", "{}")?;
    let mut refused = place.with(copy(), &nobody);
    denied(refused.args([&from, &image]), "without credentials")?;
    let mut wrong = place.with(copy(), &nobody);
    wrong.args(["--registry-username", USER, &from, &image]);
    denied(
        wrong.env("SIGSTEAD_REGISTRY_PASSWORD", "wrong horse"),
        "with a wrong password",
    )?;

    // From the environment, from Docker's file, from a helper.
    let mut explicit = place.with(copy(), &nobody);
    explicit.args(["--registry-username", USER, &from, &image]);
    explicit.env("SIGSTEAD_REGISTRY_PASSWORD", PASSWORD);
    expect(&mut explicit, 0, "sigstead copy, into a private registry")?;
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let stored = serde_json::json!({"auths": {&registry.address: {"auth": pair}}});
    let stored = place.folder("stored", &stored.to_string())?;
    let mut sign = place.with(images.ours("sign"), &stored);
    expect(
        sign.arg(&image),
        0,
        "sigstead sign, with what `docker login` stored",
    )?;
    let helper = place.helper(&registry.address)?;
    let mut verify = place.with(images.verifying(), &helper);
    expect(
        verify.arg(&image),
        0,
        "sigstead verify, with a credential helper",
    )?;

    // Without the CA there is no trust, and plain HTTP is no way out.
    let mut untrusted = images.verifying();
    untrusted.env("DOCKER_CONFIG", &stored);
    expect(
        untrusted.arg(&image),
        2,
        "sigstead verify, without the registry's CA",
    )?;

    let mut cosign = images.checking("verify", EMAIL);
    cosign
        .arg("--registry-cacert")
        .arg(&place.ca)
        .env("DOCKER_CONFIG", &stored);
    expect(
        cosign.arg(&image),
        0,
        "cosign verify, in a private registry, of ours",
    )
}

/// Must fail as unauthorized, and say nothing secret.
fn denied(command: &mut Command, what: &str) -> Result<()> {
    let output = capture(command)?;
    let said = both(&output);
    ensure!(!output.status.success(), "{what}: accepted");
    ensure!(said.contains("docker login"), "{what}: {said}");
    ensure!(!said.contains("horse"), "{what}: a password was printed");
    println!("sigstead copy {what}: refused, as it must be");
    Ok(())
}

/// A P-256 key and a certificate for it, by itself or by the CA that the arguments name.
fn certificate(openssl: &Path, key: &Path, out: &Path, more: &[&OsStr]) -> Result<()> {
    let mut command = Command::new(openssl);
    command.args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=e2e"]);
    command.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
    command
        .arg("-keyout")
        .arg(key)
        .arg("-out")
        .arg(out)
        .args(more);
    text(&mut command).map(drop)
}

/// The files of a private registry.
struct Place {
    folder: PathBuf,
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
    passwords: PathBuf,
}

impl Place {
    fn make(folder: &Path, openssl: &Path) -> Result<Self> {
        let folder = folder.join("private-files");
        fs::create_dir_all(&folder)?;
        let place = Self {
            ca: folder.join("ca.pem"),
            certificate: folder.join("registry.pem"),
            key: folder.join("registry.key"),
            passwords: folder.join("htpasswd"),
            folder,
        };
        fs::write(&place.passwords, HTPASSWD)?;
        let ca_key = place.folder.join("ca.key");
        certificate(openssl, &ca_key, &place.ca, &[])?;
        let issuer = [
            "-CA".as_ref(),
            place.ca.as_os_str(),
            "-CAkey".as_ref(),
            ca_key.as_os_str(),
        ];
        let leaf = [
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=CA:FALSE",
        ];
        let args: Vec<&OsStr> = leaf.iter().map(OsStr::new).chain(issuer).collect();
        certificate(openssl, &place.key, &place.certificate, &args)?;
        Ok(place)
    }

    /// A folder with Docker's configuration.
    fn folder(&self, name: &str, config: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("config.json"), config)?;
        Ok(folder)
    }

    /// The same with a helper, a program on the PATH, that knows the password.
    fn helper(&self, registry: &str) -> Result<PathBuf> {
        let config = serde_json::json!({"credHelpers": {registry: "e2e"}});
        let folder = self.folder("helper", &config.to_string())?;
        let program = folder.join("docker-credential-e2e");
        let answer =
            serde_json::json!({"ServerURL": registry, "Username": USER, "Secret": PASSWORD});
        fs::write(
            &program,
            format!("#!/bin/sh\ncat >/dev/null\necho '{answer}'\n"),
        )?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        Ok(folder)
    }

    /// The command with the registry's CA, and Docker's configuration of this folder.
    fn with(&self, mut command: Command, config: &Path) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        command.arg("--registry-ca").arg(&self.ca);
        command.env("DOCKER_CONFIG", config);
        command.env("PATH", format!("{}:{path}", config.display()));
        command
    }
}
