//! The programs that tests need besides cargo: found, or installed into a cache, or named as missing.
//!
//! Everything comes from package registries by the ordinary installers; versions are pinned here.

use crate::shell::{capture, find, root, step, text};
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Version of the Go module of cosign.
const COSIGN: &str = "v3.1.3";
/// Version of sigstore-python.
const PYTHON: &str = "4.5.1";

/// What was found. `None` means that the machine lacks what it takes; the reason is printed.
pub(crate) struct Tools {
    pub(crate) cosign: Option<PathBuf>,
    pub(crate) python: Option<PathBuf>,
    pub(crate) js: Option<PathBuf>,
    pub(crate) registry: Option<PathBuf>,
    pub(crate) strace: Option<PathBuf>,
}

impl Tools {
    /// Finds or installs everything, and says what it does.
    pub(crate) fn prepare() -> Result<Self> {
        println!("\n== clients and servers for the end-to-end test");
        let tools = Self {
            cosign: said("cosign", cosign()),
            python: said("sigstore-python", python()),
            js: said("sigstore-js", js()),
            registry: said("OCI registry", debian("docker-registry")),
            strace: said("strace", debian("strace")),
        };
        Ok(tools)
    }
}

fn said(name: &str, found: Result<PathBuf>) -> Option<PathBuf> {
    match found {
        Ok(path) => {
            println!("{name}: {}", path.display());
            Some(path)
        }
        Err(reason) => {
            println!("{name}: SKIPPED, {reason:#}");
            None
        }
    }
}

/// Installed programs outlive `cargo clean`: building cosign takes minutes.
fn cache() -> Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .unwrap_or_else(|| root().join("target"));
    let folder = base.join("sigstead-e2e");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

fn cosign() -> Result<PathBuf> {
    let folder = cache()?.join(format!("cosign-{COSIGN}"));
    let program = folder.join("cosign");
    if !program.exists() {
        let go = find("go").context("there is no Go to build it with")?;
        let module = format!("github.com/sigstore/cosign/v3/cmd/cosign@{COSIGN}");
        step(
            "building cosign",
            Command::new(go)
                .args(["install", &module])
                .env("GOBIN", &folder),
        )?;
    }
    Ok(program)
}

fn python() -> Result<PathBuf> {
    let folder = cache()?.join(format!("sigstore-python-{PYTHON}"));
    let program = folder.join("bin/sigstore");
    if !program.exists() {
        let python = find("python3").context("there is no python3")?;
        step(
            "creating a Python environment",
            Command::new(python).args(["-m", "venv"]).arg(&folder),
        )?;
        let package = format!("sigstore=={PYTHON}");
        step(
            "installing sigstore-python",
            Command::new(folder.join("bin/pip")).args(["install", "--quiet", &package]),
        )?;
    }
    Ok(program)
}

/// The folder that holds `node_modules`.
fn js() -> Result<PathBuf> {
    let manifest = fs::read(root().join("deploy/e2e/js/package.json"))
        .context("deploy/e2e/js/package.json")?;
    let folder = cache()?.join("sigstore-js");
    let installed = folder.join("installed.json");
    find("node").context("there is no node")?;
    if fs::read(&installed).ok().as_deref() != Some(manifest.as_slice()) {
        let npm = find("npm").context("there is no npm")?;
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("package.json"), &manifest)?;
        let install = [
            "install",
            "--no-package-lock",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ];
        step(
            "installing sigstore-js",
            Command::new(npm).args(install).current_dir(&folder),
        )?;
        fs::write(&installed, &manifest)?;
    }
    Ok(folder)
}

/// PostgreSQL, for the store's tests: they start their own server and skip without one.
pub(crate) fn postgresql() {
    println!("\n== PostgreSQL for the store's tests");
    said("PostgreSQL", installed("postgresql", postgresql_folder));
}

/// Where Debian puts a server's programs, or a server on the PATH.
fn postgresql_folder() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok();
    let mut folders = versions
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"));
    folders
        .find(|folder| folder.join("initdb").is_file())
        .or_else(|| find("initdb"))
}

/// A program of a Debian package of the same name.
fn debian(package: &str) -> Result<PathBuf> {
    installed(package, || find(package))
}

/// What a Debian package brings, installed when it is missing and we are root.
fn installed(package: &str, found: impl Fn() -> Option<PathBuf>) -> Result<PathBuf> {
    if let Some(path) = found() {
        return Ok(path);
    }
    let apt = find("apt-get").with_context(|| format!("install the package {package}"))?;
    if text(Command::new("id").arg("-u"))? != "0" {
        anyhow::bail!("install the package {package} (not root, so not done here)");
    }
    let install = |apt: &PathBuf| {
        let mut command = Command::new(apt);
        command
            .args(["install", "-y", "-qq", "--no-install-recommends", package])
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    // An old list of packages is the usual reason for a failure: fetch a new one and try again.
    if !capture(&mut install(&apt))?.status.success() {
        step(
            "reading the list of packages",
            Command::new(&apt).args(["update", "-qq"]),
        )?;
        step(&format!("installing {package}"), &mut install(&apt))?;
    }
    found().with_context(|| format!("{package} is installed but its programs are not found"))
}
