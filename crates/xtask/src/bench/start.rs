//! `cargo xtask bench start`: how soon the program serves, and what it costs while nobody asks.

use crate::e2e::{Instance, build_release, release_binary, resident_kib};
use crate::shell::text;
use anyhow::{Context, Result, bail};
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Medians of this many starts.
const RUNS: usize = 9;
/// Starts with an empty disk cache: each reads the program again.
const COLD_RUNS: usize = 3;
/// What a start leaves to do is done by then.
const IDLE: Duration = Duration::from_secs(3);
/// Of design goals: a start, memory of all roles.
const GOAL_START: &str = "0.1 s";
const GOAL_IDLE: &str = "20 MB";

pub(crate) fn run() -> Result<()> {
    build_release()?;
    let folder = tempfile::tempdir()?;
    let mut table = Table::new();
    table
        .load_preset(UTF8_FULL_CONDENSED)
        .set_header(["what", "median", "goal"]);
    let up = Up(folder.path());
    let serve = Serve::init(folder.path())?;
    for (name, kind) in [
        ("up", &up as &dyn Program),
        ("serve, all roles", &serve as &dyn Program),
    ] {
        let warm = starts(kind, RUNS, false)?;
        table.add_row([
            format!("{name}: start to ready"),
            seconds(warm.ready),
            GOAL_START.to_owned(),
        ]);
        let cold = match drop_caches() {
            true => seconds(starts(kind, COLD_RUNS, true)?.ready),
            false => "skipped: only root can empty the disk cache".to_owned(),
        };
        table.add_row([
            format!("{name}: with an empty disk cache"),
            cold,
            String::new(),
        ]);
        let idle = format!("{:.1} MB", warm.idle_kib as f64 / 1024.0);
        table.add_row([format!("{name}: idle memory"), idle, GOAL_IDLE.to_owned()]);
    }
    println!("{table}");
    Ok(())
}

struct Started {
    ready: Duration,
    idle_kib: u64,
}

/// Medians of starts on a folder that is there; memory of the last one.
fn starts(program: &dyn Program, runs: usize, is_cold: bool) -> Result<Started> {
    let mut ready = Vec::new();
    let mut idle_kib = 0;
    for run in 1..=runs {
        if is_cold {
            drop_caches();
        }
        let (after, process) = program.start()?;
        ready.push(after);
        if run == runs {
            std::thread::sleep(IDLE);
            idle_kib = resident_kib(process.id())?;
        }
        process.stop()?;
    }
    ready.sort_unstable();
    Ok(Started {
        ready: ready[runs / 2],
        idle_kib,
    })
}

fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

/// Empties the system's disk cache; false when that is not allowed.
fn drop_caches() -> bool {
    // What is not written yet could not be dropped.
    let synced = Command::new("sync").status();
    synced.is_ok() && std::fs::write("/proc/sys/vm/drop_caches", "3").is_ok()
}

/// What is started again and again.
trait Program {
    fn start(&self) -> Result<(Duration, Process)>;
}

enum Process {
    Up(Instance),
    Serve(Child),
}

impl Process {
    fn id(&self) -> u32 {
        match self {
            Self::Up(instance) => instance.id(),
            Self::Serve(child) => child.id(),
        }
    }

    fn stop(self) -> Result<()> {
        match self {
            Self::Up(instance) => instance.stop(),
            Self::Serve(mut child) => {
                text(Command::new("kill").arg(child.id().to_string()))?;
                match child.wait()? {
                    status if status.success() => Ok(()),
                    status => bail!("after SIGTERM `serve` ended with {status}"),
                }
            }
        }
    }
}

struct Up<'a>(&'a Path);

impl Program for Up<'_> {
    fn start(&self) -> Result<(Duration, Process)> {
        let instance = Instance::start(&self.0.join("up"))?;
        Ok((instance.ready_after, Process::Up(instance)))
    }
}

struct Serve<'a>(&'a Path);

impl<'a> Serve<'a> {
    fn init(folder: &'a Path) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let config = format!(
            "data_dir = \"serve\"\nurl = \"http://127.0.0.1:{port}\"\nlisten = \"127.0.0.1:{port}\"\n\
             [fulcio]\ndevelopment_issuer = \"loopback\"\n[rekor]\n[ct]\n[tsa]\n[tuf]\n[verifier]\n"
        );
        std::fs::write(folder.join("sigstead.toml"), config)?;
        let mut init = Command::new(release_binary());
        text(
            init.current_dir(folder)
                .args(["init", "--config", "sigstead.toml"]),
        )?;
        Ok(Self(folder))
    }
}

impl Program for Serve<'_> {
    fn start(&self) -> Result<(Duration, Process)> {
        let start = Instant::now();
        let mut child = Command::new(release_binary())
            .current_dir(self.0)
            .args(["serve", "--config", "sigstead.toml"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = child.stdout.take().context("no standard output")?;
        for line in BufReader::new(stdout).lines() {
            if line? == "ready" {
                return Ok((start.elapsed(), Process::Serve(child)));
            }
        }
        bail!("`serve` ended before `ready`: {}", child.wait()?)
    }
}
