//! A running `sigstead up`, stopped when dropped.

use crate::shell::{cargo, step, target_folder, text};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The program under test: `$SIGSTEAD_BINARY`, else the release build.
pub(crate) fn release_binary() -> PathBuf {
    if let Some(program) = std::env::var_os(BINARY) {
        return PathBuf::from(program);
    }
    target_folder().join("release/sigstead")
}

/// Builds the release program, unless `$SIGSTEAD_BINARY` names another one.
pub(crate) fn build_release() -> Result<()> {
    if std::env::var_os(BINARY).is_some() {
        println!(
            "\n== the program under test is {}",
            release_binary().display()
        );
        return Ok(());
    }
    step(
        "building the program",
        cargo().args(["build", "--release", "--quiet", "--package", "sigstead"]),
    )
}

/// Names the program to test instead of the release build.
const BINARY: &str = "SIGSTEAD_BINARY";

/// One `sigstead up` on a free port.
pub(crate) struct Instance {
    child: Child,
    pub(crate) data: PathBuf,
    pub(crate) url: String,
    pub(crate) oidc: String,
    /// From the start of the process to its line `ready`.
    pub(crate) ready_after: Duration,
    /// The whole first screen (JSON).
    pub(crate) screen: serde_json::Value,
}

impl Instance {
    /// Starts on any free port.
    pub(crate) fn start(data: &Path) -> Result<Self> {
        Self::start_with(data, &["--listen", "127.0.0.1:0"])
    }

    /// Starts with these arguments besides `up --json --data-dir`.
    pub(crate) fn start_with(data: &Path, args: &[&str]) -> Result<Self> {
        Starting::spawn(data, args)?.ready()
    }

    /// The process ID.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// A trust file by name.
    pub(crate) fn trust(&self, name: &str) -> PathBuf {
        self.data.join("trust").join(name)
    }

    /// A token for an e-mail address.
    pub(crate) fn token(&self, email: &str) -> Result<String> {
        text(
            Command::new(release_binary())
                .args(["token", "--email", email, "--data-dir"])
                .arg(&self.data),
        )
    }

    /// The body of a GET that must succeed.
    pub(crate) fn get(&self, path: &str) -> Result<String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let answer = reqwest::get(format!("{}{path}", self.url)).await?;
            Ok(answer.error_for_status()?.text().await?)
        })
    }

    /// Resident memory of the process, in KiB.
    pub(crate) fn resident_kib(&self) -> Result<u64> {
        resident_kib(self.id())
    }

    /// Asks it to stop (SIGTERM) and waits; the exit code must be 0.
    pub(crate) fn stop(mut self) -> Result<()> {
        text(Command::new("kill").arg(self.child.id().to_string()))?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("after SIGTERM `up` ended with {status}");
        }
        Ok(())
    }

    /// Kills it (SIGKILL) and waits.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to stop (SIGTERM) and waits until it was killed instead.
    pub(crate) fn stop_and_die(mut self, patience: Duration) -> Result<()> {
        text(Command::new("kill").arg(self.child.id().to_string()))?;
        await_kill(&mut self.child, patience)
    }

    /// Fails when the process has ended.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("`up` ended with {status}"),
        }
    }
}

/// Waits until a process was killed (SIGKILL), by itself or by others.
fn await_kill(child: &mut Child, patience: Duration) -> Result<()> {
    let start = Instant::now();
    loop {
        match child.try_wait()? {
            Some(status) if status.signal() == Some(SIGKILL) => return Ok(()),
            Some(status) => bail!("it ended with {status} instead of being killed"),
            None if start.elapsed() > patience => bail!("it still lives after {patience:?}"),
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

const SIGKILL: i32 = 9;

/// What is other than usual about a start.
#[derive(Clone, Default)]
pub(crate) struct Launch {
    /// The program, when it is not the one under test.
    pub(crate) program: Option<PathBuf>,
    /// Where it has to kill itself (`SIGSTEAD_KILL_POINT`).
    pub(crate) kill_point: Option<String>,
    /// A file that takes what it writes to standard error.
    pub(crate) errors: Option<PathBuf>,
}

/// Resident memory of a process, in KiB.
pub(crate) fn resident_kib(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .context("no VmRSS")?;
    line.split_whitespace()
        .nth(1)
        .context("no VmRSS value")?
        .parse()
        .context("VmRSS is not a number")
}

/// A `sigstead up` that may not be ready yet.
pub(crate) struct Starting {
    child: Child,
    data: PathBuf,
    start: Instant,
}

impl Starting {
    /// Starts with these arguments besides `up --json --data-dir`.
    pub(crate) fn spawn(data: &Path, args: &[&str]) -> Result<Self> {
        Self::spawn_as(data, args, &Launch::default())
    }

    /// As [`Starting::spawn`], with what is other than usual.
    pub(crate) fn spawn_as(data: &Path, args: &[&str], launch: &Launch) -> Result<Self> {
        let start = Instant::now();
        let program = launch.program.clone().unwrap_or_else(release_binary);
        let mut command = Command::new(program);
        command
            .args(["up", "--json", "--data-dir"])
            .arg(data)
            .args(args)
            .stdout(Stdio::piped())
            .stdin(Stdio::null());
        if let Some(point) = &launch.kill_point {
            command.env("SIGSTEAD_KILL_POINT", point);
        }
        if let Some(path) = &launch.errors {
            command.stderr(File::options().create(true).append(true).open(path)?);
        }
        let child = command.spawn().context("cannot start the program")?;
        Ok(Self {
            child,
            data: data.to_owned(),
            start,
        })
    }

    /// Waits for the line `ready`.
    pub(crate) fn ready(mut self) -> Result<Instance> {
        let stdout = self.child.stdout.take().context("no standard output")?;
        let mut lines = BufReader::new(stdout).lines();
        let screen = lines
            .next()
            .context("`up` ended before its first screen")??;
        let ready = lines.next().context("`up` ended before `ready`")??;
        if ready != "ready" {
            bail!("the line after the first screen is {ready:?}, not `ready`");
        }
        let ready_after = self.start.elapsed();
        let screen: serde_json::Value =
            serde_json::from_str(&screen).context("the first screen is not JSON")?;
        let field = |name: &str| screen[name].as_str().unwrap_or_default().to_owned();
        Ok(Instance {
            child: self.child,
            data: self.data,
            url: field("url"),
            oidc: field("oidc"),
            ready_after,
            screen,
        })
    }

    /// Kills it (SIGKILL) and waits.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Waits until it has killed itself, ready or not.
    pub(crate) fn die(mut self, patience: Duration) -> Result<()> {
        let died = await_kill(&mut self.child, patience);
        if died.is_err() {
            // Already ended is fine.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        died
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // Already ended is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
