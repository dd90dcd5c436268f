//! `cargo xtask bench verify`: the engine beside its signature checks and beside another implementation, the program
//! beside other programs, the service under load, a large file.

use crate::e2e::{
    Client as Program, EMAIL, Form, Instance, all_clients, build_release, release_binary,
};
use crate::load::{Call, Load, Pace, run as send};
use crate::shell::{capture, cargo, step, target_folder, text};
use crate::tools::Tools;
use anyhow::{Context, Result, ensure};
use clap::Args;
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Requests to the service under full load.
const REQUESTS: usize = 6_000;
/// Connections under full load.
const CLIENTS: usize = 64;
/// A payload that has to be hashed and parsed, not only looked at.
const PAYLOAD: usize = 1 << 20;

#[derive(Args)]
pub(crate) struct Options {
    /// Runs of each measurement; medians are compared
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Size of the large file, in GiB
    #[arg(long, default_value_t = 5)]
    large: u64,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    build_release()?;
    step(
        "building the measurements of the engine",
        cargo().args([
            "build",
            "--release",
            "--quiet",
            "--package",
            "sigstead-verifier",
            "--example",
            "bench",
        ]),
    )?;
    let tools = Tools::prepare()?;
    let folder = tempfile::tempdir()?;
    let instance = Instance::start(&folder.path().join("data"))?;
    let bundles = bundles(&instance, folder.path())?;
    println!(
        "\n== in process: microseconds a verification, medians of {} rounds",
        options.rounds
    );
    engine(&instance, &bundles, options.rounds)?;
    println!(
        "\n== whole process: milliseconds, medians of {} runs in turns",
        options.rounds
    );
    programs(
        &all_clients(&tools, &instance, folder.path())?,
        &bundles[0],
        options.rounds,
    )?;
    println!("\n== the service: {CLIENTS} clients, then half of that rate");
    service(&instance, &bundles)?;
    println!("\n== a file of {} GiB", options.large);
    large(&instance, folder.path(), options.large)?;
    instance.stop()
}

/// A bundle with the name of its row.
struct Bundle {
    name: &'static str,
    bundle: PathBuf,
    artifact: PathBuf,
}

/// One of each sort, signed by the program.
fn bundles(instance: &Instance, folder: &Path) -> Result<Vec<Bundle>> {
    let artifact = folder.join("a.txt");
    std::fs::write(&artifact, "an artifact worth signing\n")?;
    let predicate = folder.join("large.json");
    let filler = json!({"components": vec!["0123456789abcdef0123456789abcdef0123456789abcde"; PAYLOAD / 50]});
    std::fs::write(&predicate, filler.to_string())?;
    let mut made = Vec::new();
    for (name, rekor, payload) in [
        ("v1 hashedrekord", "1", false),
        ("v2 hashedrekord, timestamp", "2", false),
        ("DSSE with 1 MB, v2", "2", true),
    ] {
        let bundle = folder.join(format!("{}.sigstore.json", made.len()));
        let mut command = Command::new(release_binary());
        match payload {
            false => command.arg("sign"),
            true => command
                .args([
                    "attest",
                    "--type",
                    "https://example.com/large/v1",
                    "--predicate",
                ])
                .arg(&predicate),
        };
        command.arg(&artifact).arg("--bundle").arg(&bundle);
        command.args([
            "--rekor-version",
            rekor,
            "--identity-token",
            &instance.token(EMAIL)?,
        ]);
        command.arg("--data-dir").arg(&instance.data);
        text(&mut command)?;
        made.push(Bundle {
            name,
            bundle,
            artifact: artifact.clone(),
        });
    }
    Ok(made)
}

/// The engine alone: each round measures the limits and both implementations in turns.
fn engine(instance: &Instance, bundles: &[Bundle], rounds: usize) -> Result<()> {
    let mut table = table([
        "bundle",
        "signature checks",
        "ours, parsed",
        "of the checks (goal 1.1)",
        "theirs, parsed",
        "ours of theirs (goal 0.8)",
        "from bytes: ours",
        "theirs",
        "cold: ours",
        "theirs",
        "two threads: a second",
    ]);
    for bundle in bundles {
        let mut command = Command::new(target_folder().join("release/examples/bench"));
        command
            .arg(rounds.to_string())
            .arg(instance.trust("trusted_root.json"))
            .arg(&bundle.bundle)
            .arg(&bundle.artifact)
            .args([EMAIL, &instance.oidc]);
        let lines = text(&mut command)?;
        let rounds: Vec<Value> = lines
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()?;
        let figure = |name: &str| median(rounds.iter().filter_map(|round| round[name].as_f64()));
        let share = |of: &str, by: &str| {
            median(
                rounds
                    .iter()
                    .filter_map(|round| Some(round[of].as_f64()? / round[by].as_f64()?)),
            )
        };
        table.add_row([
            bundle.name.to_owned(),
            format!("{:.0}", figure("checks")),
            format!("{:.0}", figure("ours")),
            format!("{:.2}", share("ours", "checks")),
            format!("{:.0}", figure("theirs")),
            format!("{:.2}", share("ours", "theirs")),
            format!("{:.0}", figure("ours_from_bytes")),
            format!("{:.0}", figure("theirs_from_bytes")),
            format!("{:.0}", figure("ours_cold")),
            format!("{:.0}", figure("theirs_cold")),
            format!("{:.0}", 1e6 / figure("ours_two_threads")),
        ]);
    }
    println!("{table}");
    Ok(())
}

/// Whole programs, in turns, on the same bundle.
fn programs(clients: &[Program], bundle: &Bundle, rounds: usize) -> Result<()> {
    let mut times: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for _ in 0..rounds {
        for client in clients.iter().filter(|client| client.is_there()) {
            let check = client.check(&bundle.bundle, Form::Message, &bundle.artifact);
            let start = Instant::now();
            let verdict = client.verify(&check)?;
            let took = start.elapsed().as_secs_f64() * 1e3;
            ensure!(verdict.is_ok(), "{} refused: {verdict:?}", client.name);
            times.entry(client.name).or_default().push(took);
        }
    }
    let ours = times
        .get("sigstead")
        .map_or(f64::NAN, |runs| median(runs.iter().copied()));
    let mut table = table(["program", "ms", "times ours", "goal"]);
    for client in clients.iter().filter(|client| client.is_there()) {
        let theirs = median(times[client.name].iter().copied());
        let goal = match client.name {
            "sigstore-python" | "sigstore-js" => "20",
            "cosign" => "3",
            _ => "",
        };
        table.add_row([
            client.name.to_owned(),
            format!("{theirs:.1}"),
            format!("{:.1}", theirs / ours),
            goal.to_owned(),
        ]);
    }
    println!("{table}");
    Ok(())
}

/// `POST /api/v1/verify`: new questions (the same bundle about different policies), and one that was asked before.
fn service(instance: &Instance, bundles: &[Bundle]) -> Result<()> {
    let mut table = table([
        "questions",
        "a second",
        "p50 ms",
        "p99 ms at half of it",
        "p99 of p50",
    ]);
    for (name, fresh) in [("each new", true), ("asked before", false)] {
        let calls = questions(instance, &bundles[1], fresh)?;
        let full = load(instance, Pace::Closed, calls.clone())?;
        let rate = full.rate();
        let half = match fresh {
            // What was answered is kept: half of the load needs questions of its own.
            true => questions(instance, &bundles[0], fresh)?,
            false => calls,
        };
        let half = load(instance, Pace::PerSecond(rate / 2.0), half)?;
        let (p50, p99) = (half.latency.percentile(50.0), half.latency.percentile(99.0));
        let (p50, p99) = (p50.as_secs_f64(), p99.as_secs_f64());
        table.add_row([
            name.to_owned(),
            format!("{rate:.0}"),
            format!("{:.2}", p50 * 1e3),
            format!("{:.2}", p99 * 1e3),
            format!("{:.1}", p99 / p50),
        ]);
    }
    println!("{table}");
    Ok(())
}

fn load(instance: &Instance, pace: Pace, calls: Vec<Call>) -> Result<crate::load::Outcome> {
    let outcome = send(Load {
        url: &instance.url,
        clients: CLIENTS,
        pace,
        calls,
        keep: false,
    })?;
    outcome.expect(200)
}

/// Requests that verify; `fresh` ones differ in an alternative identity, so that no kept verdict answers them.
fn questions(instance: &Instance, bundle: &Bundle, fresh: bool) -> Result<Vec<Call>> {
    let json: Value = serde_json::from_slice(&std::fs::read(&bundle.bundle)?)?;
    let digest = <sha2::Sha256 as sha2::Digest>::digest(std::fs::read(&bundle.artifact)?);
    (0..REQUESTS)
        .map(|number| {
            let other = if fresh { number } else { 0 };
            let question = json!({
                "bundle": json,
                "artifact": {"digest": format!("sha256:{}", hex::encode(digest))},
                "identity": {
                    "certificateIdentityRegexp": format!("alice@example\\.com|other-{other}@example\\.com"),
                    "certificateOidcIssuer": instance.oidc,
                },
            });
            Call::post("/api/v1/verify", question.to_string().into())
        })
        .collect()
}

/// A sparse file is hashed like any other.
fn large(instance: &Instance, folder: &Path, gib: u64) -> Result<()> {
    let (file, bundle) = (folder.join("large.bin"), folder.join("large.sigstore.json"));
    File::create(&file)?.set_len(gib << 30)?;
    let mut table = table(["what", "s", "MB a second", "resident MB (goal 64)"]);
    let mut sign = Command::new(release_binary());
    sign.arg("sign").arg(&file).arg("--bundle").arg(&bundle);
    sign.args(["--identity-token", &instance.token(EMAIL)?, "--data-dir"])
        .arg(&instance.data);
    let mut verify = Command::new(release_binary());
    verify
        .arg("verify")
        .arg(&file)
        .arg("--bundle")
        .arg(&bundle)
        .arg("--data-dir")
        .arg(&instance.data);
    verify.args([
        "--certificate-identity",
        EMAIL,
        "--certificate-oidc-issuer",
        &instance.oidc,
    ]);
    for (name, mut command) in [("sigstead sign", sign), ("sigstead verify", verify)] {
        let (took, peak) = watched(&mut command)?;
        row(&mut table, name, gib, took, peak);
    }
    let (took, peak) = upload(instance, &file, &bundle)?;
    row(
        &mut table,
        "POST /api/v1/verify, multipart",
        gib,
        took,
        peak,
    );
    println!("{table}");
    Ok(())
}

fn row(table: &mut Table, name: &str, gib: u64, took: Duration, peak: u64) {
    let rate = (gib << 30) as f64 / 1e6 / took.as_secs_f64();
    table.add_row([
        name.to_owned(),
        format!("{:.1}", took.as_secs_f64()),
        format!("{rate:.0}"),
        format!("{:.1}", peak as f64 / 1024.0),
    ]);
}

/// Runs a program and looks at its largest resident set, in KiB, until it ends.
fn watched(command: &mut Command) -> Result<(Duration, u64)> {
    let start = Instant::now();
    let mut child = command.stdout(Stdio::null()).spawn()?;
    let mut peak = 0;
    loop {
        peak = peak.max(peak_kib(child.id()).unwrap_or_default());
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "{command:?}: {status}");
            return Ok((start.elapsed(), peak));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The largest resident set of a process so far.
fn peak_kib(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.context("no VmHWM")?.parse().context("VmHWM")
}

/// Streams the file to the service by curl, which ships with every system that has git.
fn upload(instance: &Instance, file: &Path, bundle: &Path) -> Result<(Duration, u64)> {
    let question =
        json!({"identity": {"certificateIdentity": EMAIL, "certificateOidcIssuer": instance.oidc}});
    let start = Instant::now();
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail-with-body"])
        .arg("--form")
        .arg(format!("request={question};type=application/json"))
        .arg("--form")
        .arg(format!(
            "bundle=@{};type=application/json",
            bundle.display()
        ))
        .arg("--form")
        .arg(format!("artifact=@{}", file.display()))
        .arg(format!("{}/api/v1/verify", instance.url));
    let output = capture(&mut curl)?;
    let answer: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{}", String::from_utf8_lossy(&output.stdout)))?;
    ensure!(answer["verified"] == true, "{answer}");
    Ok((start.elapsed(), peak_kib(instance.id())?))
}

fn table<const N: usize>(head: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_header(head);
    table
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
