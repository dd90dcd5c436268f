//! `cargo xtask bench first-signature`.

use crate::e2e::{Instance, build_release, release_binary};
use crate::shell::text;
use crate::tools::Tools;
use anyhow::Result;
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Medians of this many runs.
const RUNS: usize = 5;

pub(crate) fn run() -> Result<()> {
    build_release()?;
    let tools = Tools::prepare()?;
    let mut rows = Rows::default();
    for _ in 0..RUNS {
        let folder = tempfile::tempdir()?;
        let start = Instant::now();
        let instance = Instance::start(&folder.path().join("data"))?;
        rows.ready.push(instance.ready_after);
        std::fs::write(folder.path().join("a.txt"), "hello\n")?;
        ours(&instance, folder.path())?;
        rows.ours.push(start.elapsed());
        rows.idle_kib.push(instance.resident_kib()?);
        instance.stop()?;
        if let Some(python) = &tools.python {
            let folder = tempfile::tempdir()?;
            let start = Instant::now();
            let instance = Instance::start(&folder.path().join("data"))?;
            std::fs::write(folder.path().join("a.txt"), "hello\n")?;
            theirs(python, &instance, folder.path())?;
            rows.python.push(start.elapsed());
            instance.stop()?;
        }
        rows.restart.push(restart(folder.path())?);
    }
    rows.print(std::fs::metadata(release_binary())?.len())
}

/// Sign and verify with sigstead.
fn ours(instance: &Instance, folder: &Path) -> Result<()> {
    let token = instance.token("alice@example.com")?;
    let (data, file, bundle) = (
        &instance.data,
        folder.join("a.txt"),
        folder.join("a.sigstore.json"),
    );
    let mut sign = Command::new(release_binary());
    sign.arg("sign")
        .arg(&file)
        .arg("--bundle")
        .arg(&bundle)
        .args(["--identity-token", &token, "--data-dir"])
        .arg(data);
    text(&mut sign)?;
    let mut verify = Command::new(release_binary());
    verify.args([
        "verify",
        "--certificate-identity",
        "alice@example.com",
        "--certificate-oidc-issuer",
        &instance.oidc,
    ]);
    verify
        .arg("--bundle")
        .arg(&bundle)
        .arg("--data-dir")
        .arg(data)
        .arg(&file);
    text(&mut verify)?;
    Ok(())
}

/// Sign and verify with sigstore-python.
fn theirs(python: &Path, instance: &Instance, folder: &Path) -> Result<()> {
    let token = instance.token("alice@example.com")?;
    let (file, bundle, trust) = (
        folder.join("a.txt"),
        folder.join("a.sigstore.json"),
        instance.trust("client_trust_config.json"),
    );
    let mut sign = Command::new(python);
    sign.arg("--trust-config")
        .arg(&trust)
        .args(["sign", "--identity-token", &token, "--bundle"])
        .arg(&bundle)
        .arg(&file);
    text(&mut sign)?;
    let mut verify = Command::new(python);
    verify
        .arg("--trust-config")
        .arg(&trust)
        .args(["verify", "identity", "--bundle"])
        .arg(&bundle);
    verify
        .args([
            "--cert-identity",
            "alice@example.com",
            "--cert-oidc-issuer",
            &instance.oidc,
        ])
        .arg(&file);
    text(&mut verify)?;
    Ok(())
}

/// From the start of `up` on an existing folder to `ready`.
fn restart(folder: &Path) -> Result<Duration> {
    let instance = Instance::start(&folder.join("data"))?;
    let ready = instance.ready_after;
    instance.stop()?;
    Ok(ready)
}

#[derive(Default)]
struct Rows {
    ready: Vec<Duration>,
    restart: Vec<Duration>,
    ours: Vec<Duration>,
    python: Vec<Duration>,
    idle_kib: Vec<u64>,
}

impl Rows {
    fn print(mut self, binary: u64) -> Result<()> {
        let mut table = Table::new();
        table
            .load_preset(UTF8_FULL_CONDENSED)
            .set_header(["what", "median", "goal"]);
        let seconds = |times: &mut Vec<Duration>| match median(times) {
            Some(time) => format!("{:.3} s", time.as_secs_f64()),
            None => "skipped: no sigstore-python on this machine".to_owned(),
        };
        table.add_row([
            "empty folder to ready".to_owned(),
            seconds(&mut self.ready),
            "2 s".to_owned(),
        ]);
        table.add_row([
            "existing folder to ready".to_owned(),
            seconds(&mut self.restart),
            "2 s".to_owned(),
        ]);
        table.add_row([
            "empty folder to verified signature, sigstead".to_owned(),
            seconds(&mut self.ours),
            "1 s".to_owned(),
        ]);
        table.add_row([
            "empty folder to verified signature, sigstore-python".to_owned(),
            seconds(&mut self.python),
            "10 s".to_owned(),
        ]);
        let idle = median(&mut self.idle_kib).unwrap_or_default();
        table.add_row([
            "idle memory after one signature".to_owned(),
            format!("{:.1} MB", idle as f64 / 1024.0),
            "40 MB".to_owned(),
        ]);
        table.add_row([
            "size of the program, stripped".to_owned(),
            format!("{:.1} MB", binary as f64 / 1e6),
            "30 MB".to_owned(),
        ]);
        println!("{table}");
        Ok(())
    }
}

fn median<T: Ord + Copy>(values: &mut [T]) -> Option<T> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}
