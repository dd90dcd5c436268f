//! The programs that tests need besides cargo: found, or installed into a cache, or named as missing.
//!
//! Everything comes from package registries by the ordinary installers; versions are pinned here.

use crate::shell::{capture, cargo, find, root, step, target_folder, text};
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Every program in Go: the newest versions that Go 1.26 builds.
const COSIGN: GoModule = GoModule {
    name: "cosign",
    path: "github.com/sigstore/cosign/v3",
    version: "v3.1.3",
    packages: &["cmd/cosign"],
};
const COSIGN_2: GoModule = GoModule {
    name: "cosign",
    path: "github.com/sigstore/cosign/v2",
    version: "v2.6.5",
    packages: &["cmd/cosign"],
};
pub(crate) const REKOR_TILES: GoModule = GoModule {
    name: "rekor-tiles",
    path: "github.com/sigstore/rekor-tiles/v2",
    version: "v2.3.0",
    packages: &["cmd/rekor-server/posix"],
};
pub(crate) const REKOR: GoModule = GoModule {
    name: "rekor",
    path: "github.com/sigstore/rekor",
    version: "v1.5.4",
    packages: &["cmd/rekor-server"],
};
pub(crate) const TRILLIAN: GoModule = GoModule {
    name: "trillian",
    path: "github.com/google/trillian",
    version: "v1.8.0",
    packages: &["cmd/trillian_log_server", "cmd/trillian_log_signer"],
};
/// Trillian's tables, in the module and beside its programs.
const TRILLIAN_SCHEMA: &str = "storage/mysql/schema/storage.sql";

/// Version of sigstore-python.
const PYTHON: &str = "4.5.1";

/// What was found. `None` means that the machine lacks what it takes; the reason is printed.
pub(crate) struct Tools {
    pub(crate) cosign: Option<PathBuf>,
    /// cosign 2, where it was installed.
    pub(crate) cosign_2: Option<PathBuf>,
    pub(crate) python: Option<PathBuf>,
    pub(crate) js: Option<PathBuf>,
    pub(crate) registry: Option<PathBuf>,
    pub(crate) strace: Option<PathBuf>,
    /// Our own engine as a WebAssembly program; node runs it.
    pub(crate) wasm: Option<PathBuf>,
}

impl Tools {
    /// Finds or installs everything, and says what it does.
    pub(crate) fn prepare() -> Result<Self> {
        println!("\n== clients and servers for the end-to-end test");
        let tools = Self {
            cosign: said("cosign", cosign()),
            cosign_2: COSIGN_2.program("cosign").ok(),
            python: said("sigstore-python", python()),
            js: said("sigstore-js", js()),
            registry: said("OCI registry", debian("docker-registry")),
            strace: said("strace", debian("strace")),
            wasm: said("the verifier in WebAssembly", wasm()),
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
    COSIGN.install()?;
    COSIGN.program("cosign")
}

/// A Go module and those of its programs that are needed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GoModule {
    name: &'static str,
    path: &'static str,
    pub(crate) version: &'static str,
    /// Folders of the module; the last part of each names its program.
    packages: &'static [&'static str],
}

impl GoModule {
    /// Where its programs are or will be: a folder of this version alone.
    fn folder(&self) -> Result<PathBuf> {
        Ok(cache()?.join(format!("{}-{}", self.name, self.version)))
    }

    /// An installed program of the module.
    pub(crate) fn program(&self, name: &str) -> Result<PathBuf> {
        let program = self.folder()?.join(name);
        anyhow::ensure!(
            program.is_file(),
            "{name} of {} {} is not installed",
            self.name,
            self.version
        );
        Ok(program)
    }

    /// Builds what is missing.
    fn install(&self) -> Result<()> {
        let folder = self.folder()?;
        let missing = |package: &&str| {
            let name = package.rsplit('/').next().unwrap_or(package);
            !folder.join(name).is_file()
        };
        if !self.packages.iter().any(missing) {
            return Ok(());
        }
        let go = find("go").context("there is no Go to build it with")?;
        let packages = self
            .packages
            .iter()
            .map(|package| format!("{}/{package}@{}", self.path, self.version));
        step(
            &format!("building {} {}", self.name, self.version),
            Command::new(go)
                .arg("install")
                .args(packages)
                .env("GOBIN", &folder),
        )
    }

    /// Copies a file of the module's source to its programs: `go install` leaves only these behind.
    fn keep(&self, file: &str) -> Result<PathBuf> {
        let name = file.rsplit('/').next().unwrap_or(file);
        let kept = self.folder()?.join(name);
        if !kept.is_file() {
            let go = find("go").context("there is no Go to fetch the module with")?;
            let module = format!("{}@{}", self.path, self.version);
            let facts = text(Command::new(go).args(["mod", "download", "-json", &module]))?;
            let facts: serde_json::Value = serde_json::from_str(&facts)?;
            let source = facts["Dir"].as_str().context("go names no folder")?;
            // The module cache is read-only; a copy of its permissions would be as well.
            let bytes = fs::read(PathBuf::from(source).join(file))?;
            fs::write(&kept, bytes).with_context(|| kept.display().to_string())?;
        }
        Ok(kept)
    }
}

/// Installs cosign 2, which takes minutes.
pub(crate) fn install_cosign_2() -> Result<()> {
    COSIGN_2.install()
}

/// Installs the programs that the log is compared with, and says so. What cannot be installed is named; the
/// comparison skips it.
pub(crate) fn install_peers() {
    println!("\n== peers of the log");
    for module in [REKOR_TILES, REKOR, TRILLIAN] {
        said(
            &format!("{} {}", module.name, module.version),
            module.install().and_then(|()| module.folder()),
        );
    }
    said("Trillian's tables", TRILLIAN.keep(TRILLIAN_SCHEMA));
    for program in MARIADB {
        said(
            program.name,
            installed(program.package, || find_system(program.name)),
        );
    }
}

/// Trillian's tables as SQL, beside its programs.
pub(crate) fn trillian_schema() -> Result<PathBuf> {
    TRILLIAN.program("storage.sql")
}

/// A program and the Debian package that brings it.
struct Packaged {
    name: &'static str,
    package: &'static str,
}

/// What a database of our own takes. The package `mariadb-server` would start one for the whole machine.
const MARIADB: [Packaged; 4] = [
    Packaged {
        name: "mariadbd",
        package: "mariadb-server-core",
    },
    Packaged {
        name: "mariadb-install-db",
        package: "mariadb-server-core",
    },
    Packaged {
        name: "my_print_defaults",
        package: "mariadb-client-core",
    },
    Packaged {
        name: "mariadb",
        package: "mariadb-client-core",
    },
];

/// A program of MariaDB.
pub(crate) fn mariadb(name: &str) -> Result<PathBuf> {
    find_system(name).with_context(|| {
        let packages = MARIADB.map(|program| program.package);
        format!(
            "{name} is not installed (Debian packages {} and {})",
            packages[0], packages[3]
        )
    })
}

/// Finds a program on the PATH or where Debian puts servers, which not every PATH has.
fn find_system(program: &str) -> Option<PathBuf> {
    find(program).or_else(|| {
        let server = PathBuf::from("/usr/sbin").join(program);
        server.is_file().then_some(server)
    })
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

/// What the engine is built for besides this machine: for browsers, and for runtimes with files.
const WASM: [&str; 2] = ["wasm32-unknown-unknown", "wasm32-wasip1"];

/// Builds the engine for WebAssembly: the library for any host, its example for one with files.
fn wasm() -> Result<PathBuf> {
    let rustup = find("rustup").context("there is no rustup to add WebAssembly targets with")?;
    let have = text(Command::new(&rustup).args(["target", "list", "--installed"]))?;
    if WASM.iter().any(|target| !have.contains(target)) {
        step(
            "adding WebAssembly targets",
            Command::new(rustup).args(["target", "add"]).args(WASM),
        )?;
    }
    find("node").context("there is no node to run it")?;
    let build = ["--release", "--quiet", "--package", "sigstead-verifier"];
    step(
        "building the verifier's library for WebAssembly",
        cargo().arg("build").args(build).args(["--target", WASM[0]]),
    )?;
    step(
        "building its example for WebAssembly",
        cargo()
            .arg("build")
            .args(build)
            .args(["--example", "verify", "--target", WASM[1]]),
    )?;
    let program = target_folder()
        .join(WASM[1])
        .join("release/examples/verify.wasm");
    anyhow::ensure!(program.is_file(), "{} was not built", program.display());
    Ok(program)
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
