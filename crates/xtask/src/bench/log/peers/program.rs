//! Programs of a peer: started on loopback, stopped whatever happens, with their last words kept.

use crate::load::process_cpu;
use crate::shell::find;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a program may take until it listens; a database on a busy disk takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// Lines of each log that are shown when something fails.
const LAST_WORDS: usize = 8;
/// Bytes of a line that are shown.
const LINE: usize = 300;

/// Removes the folder when this process ends, however it ends: standard input closes then. A database that is just being
/// killed may still add a file, hence several tries.
const WATCH: &str = r#"
trap '' INT TERM HUP
cat >/dev/null
for try in 1 2 3 4 5; do rm -rf "$DIR" 2>/dev/null && exit; sleep 1; done
"#;

/// The programs of one peer and their state. All are stopped and the state is removed when this is dropped, and when this
/// process ends without dropping it.
pub(super) struct Stack {
    /// In the order of their starts.
    programs: Vec<Program>,
    /// Ports that a program would open to the network and that are held, so that it cannot.
    held: Vec<TcpListener>,
    folder: tempfile::TempDir,
    watch: Child,
}

struct Program {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Stack {
    /// A stack without programs, with its state in a new folder in `scratch`.
    pub(super) fn new(scratch: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("peer-")
            .tempdir_in(scratch)?;
        let watch = Command::new("sh")
            .args(["-c", WATCH])
            .env("DIR", folder.path())
            .current_dir("/")
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .context("sh")?;
        Ok(Self {
            programs: Vec::new(),
            held: Vec::new(),
            folder,
            watch,
        })
    }

    /// Where the programs keep their state.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Keeps a fixed port from being opened. Where somebody else has it, it is closed to the peer anyway.
    pub(super) fn hold(&mut self, port: u16) {
        self.held.extend(TcpListener::bind(("127.0.0.1", port)));
    }

    /// Starts a program that writes its log to a file.
    pub(super) fn start(
        &mut self,
        name: &'static str,
        program: &Path,
        arguments: &[String],
    ) -> Result<()> {
        let log = self.folder().join(format!("{name}.log"));
        let file = File::create(&log)?;
        let child = bound_to_us(program)
            .args(arguments)
            .current_dir(self.folder())
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            // The terminal's Ctrl-C is for us; what it does to us ends the peers.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        self.programs.push(Program { name, child, log });
        Ok(())
    }

    /// Waits until the newest program is reachable.
    pub(super) fn wait_for(&mut self, reachable: impl Fn() -> bool) -> Result<()> {
        let newest = self.programs.last_mut().context("no program")?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = newest.child.try_wait()? {
                bail!("{} ended with {status}", newest.name);
            }
            if reachable() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("{} does not listen after {PATIENCE:?}", newest.name)
    }

    /// Waits until the newest program listens on a port of loopback.
    pub(super) fn wait_for_port(&mut self, port: u16) -> Result<()> {
        self.wait_for(|| TcpStream::connect(("127.0.0.1", port)).is_ok())
    }

    /// CPU of all programs so far.
    pub(super) fn cpu(&self) -> Result<Duration> {
        self.programs
            .iter()
            .map(|program| process_cpu(program.child.id()))
            .sum()
    }

    /// The end of every log, for a message about what failed.
    pub(super) fn last_words(&self) -> String {
        let mut words = String::new();
        for program in &self.programs {
            let log = std::fs::read(&program.log).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            let lines: Vec<&str> = log.lines().collect();
            for line in lines.iter().skip(lines.len().saturating_sub(LAST_WORDS)) {
                let line: String = line.chars().take(LINE).collect();
                words += &format!("\n  {}: {line}", program.name);
            }
        }
        words
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // What was started last uses what was started first. Already ended is fine; the state is thrown away, so nothing
        // has to be written before the end.
        while let Some(mut program) = self.programs.pop() {
            let _ = program.child.kill();
            let _ = program.child.wait();
        }
        // The watch removes the folder while we wait for it.
        drop(self.watch.stdin.take());
        let _ = self.watch.wait();
    }
}

/// A command that is killed when the thread that starts it ends, which is the main thread here: our own drops do not run
/// at Ctrl-C.
fn bound_to_us(program: &Path) -> Command {
    match find("setpriv") {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--"]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// A port of loopback that is free now.
pub(super) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(stack: &mut Stack, script: &str) {
        let arguments = ["-c", script].map(str::to_owned);
        stack
            .start("shell", Path::new("/bin/sh"), &arguments)
            .unwrap();
    }

    #[test]
    fn a_dropped_stack_leaves_neither_process_nor_folder() {
        let scratch = tempfile::tempdir().unwrap();
        let mut stack = Stack::new(scratch.path()).unwrap();
        shell(&mut stack, "echo state > state; exec sleep 600");
        let state = stack.folder().join("state");
        stack.wait_for(|| state.exists()).unwrap();
        let process = PathBuf::from(format!("/proc/{}", stack.programs[0].child.id()));
        assert!(process.exists());
        drop(stack);
        assert!(!process.exists());
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_program_that_ends_early_is_reported_with_its_last_words() {
        let scratch = tempfile::tempdir().unwrap();
        let mut stack = Stack::new(scratch.path()).unwrap();
        shell(&mut stack, "echo no key >&2; exit 3");
        let error = stack.wait_for(|| false).unwrap_err().to_string();
        assert!(error.contains("exit status: 3"), "{error}");
        assert_eq!(stack.last_words(), "\n  shell: no key");
    }
}
