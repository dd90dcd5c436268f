//! The program as the crash loop runs it: one process or several on one database, always at the same addresses.

use crate::e2e::{Launch, Starting, release_binary};
use crate::shell::{both, capture, text};
use anyhow::{Context, Result, ensure};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How to start the program.
#[derive(Clone)]
pub(crate) struct Server {
    data: PathBuf,
    args: Vec<String>,
    /// Where it listens, also when its own URL is that of another process.
    pub(crate) url: String,
    database: Option<String>,
    launch: Launch,
}

impl Server {
    /// The first process of an instance, at a free port.
    pub(crate) fn new(data: &Path, database: Option<&str>) -> Result<Self> {
        let address = free_address()?;
        let mut args = vec!["--listen".to_owned(), address.clone()];
        if let Some(url) = database {
            args.extend(["--database".to_owned(), url.to_owned()]);
        }
        let launch = Launch {
            // Failing is what is tested; what it says about that is kept beside the data.
            errors: Some(data.with_extension("log")),
            ..Launch::default()
        };
        Ok(Self {
            data: data.to_owned(),
            args,
            url: format!("http://{address}"),
            database: database.map(str::to_owned),
            launch,
        })
    }

    /// The same with another program.
    pub(crate) fn running(mut self, program: &Path) -> Self {
        self.launch.program = Some(program.to_owned());
        self
    }

    /// Another process of the instance, with a copy of the finished data folder. The database must be a server.
    pub(crate) fn another(&self, data: &Path) -> Result<Self> {
        text(Command::new("cp").arg("-a").arg(&self.data).arg(data))?;
        let mut other = Self::new(data, self.database.as_deref())?;
        other.args.extend(["--url".to_owned(), self.url.clone()]);
        other.launch.program.clone_from(&self.launch.program);
        Ok(other)
    }

    pub(crate) fn spawn(&self) -> Result<Starting> {
        self.spawn_as(&self.launch)
    }

    /// Starts a process that kills itself at a moment: `name` or `name:n`.
    pub(crate) fn spawn_dying(&self, moment: &str) -> Result<Starting> {
        let kill_point = Some(moment.to_owned());
        self.spawn_as(&Launch {
            kill_point,
            ..self.launch.clone()
        })
    }

    fn spawn_as(&self, launch: &Launch) -> Result<Starting> {
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        Starting::spawn_as(&self.data, &args, launch)
    }

    /// The audit of a stopped instance: every log recomputed from its stored bytes, and compared with this process's guard.
    pub(crate) fn fsck(&self) -> Result<()> {
        let program = self.launch.program.clone().unwrap_or_else(release_binary);
        let mut command = Command::new(program);
        command.args(["fsck", "--data-dir"]).arg(&self.data);
        if let Some(url) = &self.database {
            command.args(["--database", url]);
        }
        let output = capture(&mut command)?;
        ensure!(
            output.status.success(),
            "fsck: {}\n{}",
            output.status,
            both(&output)
        );
        Ok(())
    }

    /// What the program said on standard error, for a message.
    pub(crate) fn last_words(&self) -> String {
        let text = self
            .launch
            .errors
            .as_ref()
            .and_then(|path| std::fs::read(path).ok())
            .unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

fn free_address() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no free port")?;
    Ok(listener.local_addr()?.to_string())
}
