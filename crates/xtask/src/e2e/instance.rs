//! A running `sigstead up`, stopped when dropped.

use crate::shell::{root, text};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The program under test.
pub(crate) fn release_binary() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map(PathBuf::from)
        .unwrap_or_else(|| root().join("target"));
    target.join("release/sigstead")
}

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
        let start = Instant::now();
        let mut child = Command::new(release_binary())
            .args(["up", "--json", "--data-dir"])
            .arg(data)
            .args(args)
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start the program")?;
        let stdout = child.stdout.take().context("no standard output")?;
        let mut lines = BufReader::new(stdout).lines();
        let screen = lines
            .next()
            .context("`up` ended before its first screen")??;
        let ready = lines.next().context("`up` ended before `ready`")??;
        if ready != "ready" {
            bail!("the line after the first screen is {ready:?}, not `ready`");
        }
        let ready_after = start.elapsed();
        let screen: serde_json::Value =
            serde_json::from_str(&screen).context("the first screen is not JSON")?;
        let field = |name: &str| screen[name].as_str().unwrap_or_default().to_owned();
        Ok(Self {
            child,
            data: data.to_owned(),
            url: field("url"),
            oidc: field("oidc"),
            ready_after,
            screen,
        })
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
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
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
}

impl Drop for Instance {
    fn drop(&mut self) {
        // Already ended is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
