//! Rotation: logs go on in new shards under load, every client verifies what is in the old ones, and a killed rotation is
//! finished.

use super::clients::{self, Check, Client, EMAIL, Form};
use super::instance::{Instance, release_binary};
use crate::load::{self, Api, Call};
use crate::shell::{both, capture, text};
use crate::tools::Tools;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Signed with each Rekor version by each client, at some point of the story.
pub(super) struct Signed {
    by: &'static str,
    bundle: PathBuf,
}

impl Signed {
    /// The bundle's path, for a command line.
    pub(super) fn path(&self) -> String {
        self.bundle.display().to_string()
    }
}

pub(super) fn run(tools: &Tools, folder: &Path) -> Result<()> {
    let folder = folder.join("shards");
    fs::create_dir_all(&folder)?;
    let data = folder.join("data");
    let instance = Instance::start(&data)?;
    let listen = instance.url.trim_start_matches("http://").to_owned();
    let clients = clients::all(tools, &instance, &folder)?;
    let clients: Vec<&Client> = clients.iter().filter(|client| client.is_there()).collect();

    let mut bundles = sign_all(&clients, &folder, 1)?;
    under_load(&instance, &["--log", "all"])?;
    bundles.extend(sign_all(&clients, &folder, 2)?);
    verify_all(&clients, &bundles)?;
    check_api(&instance, 1)?;

    // The second time the v2 shard gets a host of its own: another name of the same machine.
    let own = format!("http://localhost:{}", port(&listen)?);
    under_load(&instance, &["--url", &own])?;
    ensure!(v2_url(&data)? == own, "the signing config names {own}");
    let own = sign_all(&clients, &folder, 3)?;
    verify_all(&clients, &own)?;
    bundles.extend(own);
    check_api(&instance, 2)?;
    instance.stop()?;

    killed_rotations(&data, &listen)?;
    stopped_rotation(&data)?;
    let instance = Instance::start_with(&data, &["--listen", &listen])?;
    bundles.extend(sign_all(&clients, &folder, 4)?);
    verify_all(&clients, &bundles)?;
    instance.stop()?;
    fsck(&data)?;
    println!(
        "shards: {} clients verify {} bundles of all shards, before and after a restart; fsck is clean",
        clients.len(),
        bundles.len()
    );
    Ok(())
}

pub(super) fn sign_all(clients: &[&Client], folder: &Path, round: u32) -> Result<Vec<Signed>> {
    let mut signed = Vec::new();
    for client in clients.iter().filter(|client| client.signs()) {
        for rekor in [1, 2] {
            let name = format!("{}-v{rekor}-{round}.sigstore.json", client.name);
            let bundle = folder.join(name);
            client.sign(Form::Message, rekor, &bundle)?;
            signed.push(Signed {
                by: client.name,
                bundle,
            });
        }
    }
    Ok(signed)
}

pub(super) fn verify_all(clients: &[&Client], bundles: &[Signed]) -> Result<()> {
    for signed in bundles {
        for client in clients {
            let check = Check {
                bundle: &signed.bundle,
                form: Form::Message,
                artifact: &client.setting.artifact,
                identity: EMAIL,
                issuer: &client.setting.issuer,
            };
            if let Err(reason) = client.verify(&check)? {
                bail!(
                    "{} refused {} by {}: {reason}",
                    client.name,
                    signed.bundle.display(),
                    signed.by
                );
            }
        }
    }
    Ok(())
}

/// Rotates while both APIs are written to without a pause.
fn under_load(instance: &Instance, more: &[&str]) -> Result<()> {
    let old_v2 = v2_url(&instance.data)?;
    let stop = Arc::new(AtomicBool::new(false));
    let v1 = write(Api::V1, vec![instance.url.clone()], &stop)?;
    let stays = write(Api::V2, vec![old_v2.clone()], &stop)?;
    let follows = follow(instance.data.clone(), &stop)?;
    std::thread::sleep(Duration::from_millis(500));
    let start = Instant::now();
    let outcome = rotate(&instance.data, more)?;
    let took = start.elapsed();
    std::thread::sleep(Duration::from_secs(1));
    stop.store(true, Ordering::SeqCst);
    let (v1, stays, follows) = (joined(v1)?, joined(stays)?, joined(follows)?);
    ensure!(
        v1.iter().all(|status| *status == 201) && v1.len() >= 10,
        "v1 under rotation: {} answers, others than 201: {:?}",
        v1.len(),
        v1.iter().find(|status| **status != 201)
    );
    let frozen_from = stays.iter().position(|status| *status != 201);
    let frozen_from = frozen_from.context("the old v2 shard took every entry")?;
    ensure!(
        frozen_from > 0 && stays[frozen_from..].iter().all(|status| *status == 405),
        "v2 at the old URL: {:?}",
        &stays[frozen_from..]
    );
    let refused = follows.iter().filter(|status| **status == 405).count();
    ensure!(
        follows.iter().all(|status| matches!(status, 201 | 405)) && refused <= 1,
        "v2 with the signing config of the moment: {follows:?}"
    );
    ensure!(
        outcome["done"] == true && outcome["by"] == "server",
        "{outcome}"
    );
    let frozen = get(&format!("{old_v2}/checkpoint"))?;
    ensure!(
        frozen.contains("\nLog frozen — "),
        "the old checkpoint does not say that the log is frozen: {frozen}"
    );
    println!(
        "rotate under load: {:.0} ms; v1: {} writes, none failed; v2: {} at the old URL until it answered 405",
        took.as_secs_f64() * 1000.0,
        v1.len(),
        frozen_from
    );
    Ok(())
}

pub(super) type Statuses = JoinHandle<Result<Vec<u16>>>;

/// Writes to the URLs in turn, one entry after the other, until told to stop.
pub(super) fn write(api: Api, urls: Vec<String>, stop: &Arc<AtomicBool>) -> Result<Statuses> {
    let stop = stop.clone();
    let mut requests = load::stream(api, 8)?;
    Ok(std::thread::spawn(move || {
        let mut urls = urls.into_iter().cycle();
        runtime()?.block_on(async {
            let mut statuses = Vec::new();
            let mut open = None;
            while !stop.load(Ordering::SeqCst) {
                let url = urls.next().context("no URL")?;
                let request = requests.recv().await.context("no request")?;
                let (host, path) = split(&url)?;
                let client = open.get_or_insert_with(|| load::Client::new(&host));
                let path = format!("{path}{}", api.entries());
                let answer = client.send(Call::post(&path, request.body)?).await?;
                statuses.push(answer.status);
            }
            Ok(statuses)
        })
    }))
}

/// Writes v2 entries to where the signing config says, read anew for each.
fn follow(data: PathBuf, stop: &Arc<AtomicBool>) -> Result<Statuses> {
    let stop = stop.clone();
    let mut requests = load::stream(Api::V2, 8)?;
    Ok(std::thread::spawn(move || {
        runtime()?.block_on(async {
            let mut statuses = Vec::new();
            while !stop.load(Ordering::SeqCst) {
                let request = requests.recv().await.context("no request")?;
                let (host, path) = split(&v2_url(&data)?)?;
                let path = format!("{path}{}", Api::V2.entries());
                let call = Call::post(&path, request.body)?;
                statuses.push(load::Client::new(&host).send(call).await?.status);
            }
            Ok(statuses)
        })
    }))
}

pub(super) fn joined(statuses: Statuses) -> Result<Vec<u16>> {
    statuses.join().ok().context("a writing thread failed")?
}

/// What the v1 API says of its shards, each entry by every name.
fn check_api(instance: &Instance, inactive: usize) -> Result<()> {
    let info: Value = serde_json::from_str(&instance.get("/api/v1/log")?)?;
    let old = info["inactiveShards"]
        .as_array()
        .context("inactiveShards")?;
    ensure!(old.len() == inactive, "inactiveShards: {old:?}");
    let mut first = 0;
    let mut keys = Vec::new();
    for shard in old.iter().chain([&info]) {
        let tree = shard["treeID"].as_str().context("treeID")?;
        let size = shard["treeSize"].as_u64().context("treeSize")?;
        keys.push(instance.get(&format!("/api/v1/log/publicKey?treeID={tree}"))?);
        instance.get(&format!("/api/v1/log/proof?lastSize={size}&treeID={tree}"))?;
        for local in [0, size - 1] {
            let index = first + local;
            let path = format!("/api/v1/log/entries?logIndex={index}");
            let entry: Value = serde_json::from_str(&instance.get(&path)?)?;
            let (id, body) = entry
                .as_object()
                .and_then(|map| map.iter().next())
                .context("an entry")?;
            ensure!(body["logIndex"] == index, "{path}: {body}");
            let proof = &body["verification"]["inclusionProof"];
            ensure!(proof["logIndex"] == local, "{path}: {proof}");
            let tree: i64 = tree.parse()?;
            ensure!(id.starts_with(&format!("{tree:016x}")), "{path}: {id}");
            for name in [id.as_str(), &id[16..]] {
                let found = instance.get(&format!("/api/v1/log/entries/{name}"))?;
                ensure!(found.contains(id.as_str()), "{name}: {found}");
            }
        }
        first += size;
    }
    keys.sort();
    keys.dedup();
    ensure!(keys.len() == inactive + 1, "each shard has its own key");
    Ok(())
}

/// Server and command are killed at different moments; the next start finishes what is recorded.
fn killed_rotations(data: &Path, listen: &str) -> Result<()> {
    let (mut begun, mut whole) = (0, 0);
    for round in 0..10_u64 {
        let before = records(data)?.len();
        let instance = Instance::start_with(data, &["--listen", listen])?;
        let mut command = Command::new(release_binary())
            .args(["rotate", "log", "--yes", "--data-dir"])
            .arg(data)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        // From the record on the server needs up to a quarter second to see it, then a few milliseconds a step.
        let since = Instant::now();
        while records(data)?.len() == before && since.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(Duration::from_millis(round * 30));
        // The command first: it would take the dead server's place. Ended already is fine.
        let _ = command.kill();
        command.wait()?;
        instance.kill()?;
        let recorded = records(data)?;
        let pending = recorded
            .iter()
            .any(|record| record["predecessor"].is_null());
        begun += usize::from(pending);
        whole += usize::from(!pending && recorded.len() > before);
        let instance = Instance::start_with(data, &["--listen", listen])?;
        let ended = records(data)?;
        ensure!(
            ended.len() == recorded.len() && ended.iter().all(|end| !end["predecessor"].is_null()),
            "a start leaves a rotation open: {ended:?}"
        );
        let shards = ended.iter().filter(|end| end["log"] == "rekor-v1").count();
        let info: Value = serde_json::from_str(&instance.get("/api/v1/log")?)?;
        let inactive = info["inactiveShards"].as_array().map_or(0, Vec::len);
        ensure!(inactive == shards, "{inactive} inactive shards of {shards}");
        instance.stop()?;
    }
    fsck(data)?;
    println!(
        "rotations killed: {begun} in the middle, {whole} at the end; the next start finished each"
    );
    Ok(())
}

/// Without a server the command does it itself.
fn stopped_rotation(data: &Path) -> Result<()> {
    let outcome = rotate(data, &["--log", "rekor-v1"])?;
    ensure!(outcome["by"] == "command", "{outcome}");
    let mut again = Command::new(release_binary());
    again.args(["rotate", "log", "--data-dir"]).arg(data);
    let output = capture(&mut again)?;
    ensure!(
        output.status.code() == Some(1) && both(&output).contains("--yes"),
        "without --yes: {}",
        both(&output)
    );
    fsck(data)
}

fn rotate(data: &Path, more: &[&str]) -> Result<Value> {
    let said = text(
        Command::new(release_binary())
            .args(["rotate", "log", "--yes", "--json", "--data-dir"])
            .arg(data)
            .args(more),
    )?;
    serde_json::from_str(&said).with_context(|| format!("rotate --json: {said}"))
}

fn fsck(data: &Path) -> Result<()> {
    text(
        Command::new(release_binary())
            .args(["fsck", "--data-dir"])
            .arg(data),
    )?;
    Ok(())
}

fn records(data: &Path) -> Result<Vec<Value>> {
    let json: Value = serde_json::from_slice(&fs::read(data.join("instance.json"))?)?;
    Ok(json["shards"].as_array().cloned().unwrap_or_default())
}

fn v2_url(data: &Path) -> Result<String> {
    let path = data.join("trust/signing_config_rekor_v2.json");
    let json: Value = serde_json::from_slice(&fs::read(path)?)?;
    let url = json["rekorTlogUrls"][0]["url"].as_str();
    Ok(url.context("no Rekor v2 URL")?.to_owned())
}

/// `http://host:port` and the path behind it.
fn split(url: &str) -> Result<(String, String)> {
    let rest = url.strip_prefix("http://").context("a plain URL")?;
    let end = rest.find('/').unwrap_or(rest.len());
    Ok((format!("http://{}", &rest[..end]), rest[end..].to_owned()))
}

fn port(listen: &str) -> Result<&str> {
    Ok(listen.rsplit_once(':').context("no port")?.1)
}

fn get(url: &str) -> Result<String> {
    runtime()?.block_on(async {
        let answer = reqwest::get(url).await?;
        Ok(answer.error_for_status()?.text().await?)
    })
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    Ok(builder.enable_all().build()?)
}
