//! Rotations of a stopped instance, whole and interrupted at each step.

use super::*;
use crate::cli::{Cli, Command, RotateCommand};
use crate::instance::{Kind, Shard};
use crate::rotation::Served;
use bytes::Bytes;
use clap::Parser;
use keys::Algorithm;
use std::path::Path;
use tlog::{AppendError, Store, Submission};

const URL: &str = "http://127.0.0.1:8080";

/// A stopped instance with two entries in each log.
async fn instance() -> tempfile::TempDir {
    instance_on(None).await
}

/// The same, with its logs on a PostgreSQL server.
async fn instance_on(server: Option<&str>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::lock(folder.path()).unwrap();
    let clock = Clock::system();
    let mut instance =
        Instance::open_or_create(layout, URL, "127.0.0.1", Algorithm::EcdsaP256, &clock)
            .await
            .unwrap();
    let opener = Opener {
        store: match server {
            Some(url) => tlog::store::postgres(url).await.unwrap(),
            None => tlog::store::sqlite(&instance.layout.database())
                .await
                .unwrap(),
        },
        guard: FileGuard::open(&instance.layout.guard()).unwrap(),
        clock,
        is_new: true,
        limits: tlog::Limits::default(),
        outward: crate::outward::Outward::default(),
    };
    let logs = RekorLogs::new(&instance, opener);
    let signer = ct::CtLog::head_signer(
        "127.0.0.1",
        instance.signers.get(keys::Purpose::CtLog).unwrap(),
    );
    logs.open_other("ct", "127.0.0.1/ctlog", signer)
        .await
        .unwrap();
    for shard in instance.public.shards().unwrap() {
        let (log, _) = logs.open(&shard).await.unwrap();
        for number in 0..2 {
            log.append(submission(number)).await.unwrap();
        }
    }
    instance.finish().unwrap();
    crate::trust_files::write(&instance.public, None, &instance.layout.trust()).unwrap();
    logs.close().await;
    folder
}

fn submission(number: u64) -> Submission {
    let leaf = Bytes::from(format!("leaf {number}"));
    Submission {
        identity: [u8::try_from(number).unwrap(); 32],
        leaf,
        extra: Bytes::new(),
    }
}

fn args(folder: &Path, words: &[&str]) -> RotateLogArgs {
    let folder = folder.to_str().unwrap();
    let all = ["sigstead", "rotate", "log", "--data-dir", folder];
    let cli = Cli::try_parse_from(all.iter().chain(words)).unwrap();
    match cli.command {
        Command::Rotate(RotateCommand::Log(args)) => args,
        other => panic!("{other:?}"),
    }
}

fn plan(args: &RotateLogArgs) -> Result<Plan> {
    let layout = Layout::read_only(&args.data.data_dir);
    let description = describe(&layout)?;
    let public = PublicHalf::load(&layout, &description)?;
    Plan::new(&description, &public, args)
}

async fn rotated(folder: &Path, words: &[&str]) -> Vec<Shard> {
    let args = args(folder, words);
    let plan = plan(&args).unwrap();
    let layout = Layout::read_only(folder);
    rotate(&args, &layout, plan).await.unwrap();
    shards(folder)
}

fn shards(folder: &Path) -> Vec<Shard> {
    let layout = Layout::read_only(folder);
    let public = PublicHalf::load(&layout, &describe(&layout).unwrap()).unwrap();
    public.shards().unwrap()
}

fn tlogs(folder: &Path) -> Vec<serde_json::Value> {
    let json = std::fs::read(folder.join("trust/trusted_root.json")).unwrap();
    let root: serde_json::Value = serde_json::from_slice(&json).unwrap();
    root["tlogs"].as_array().unwrap().clone()
}

fn v2_url(folder: &Path) -> String {
    let json = std::fs::read(folder.join("trust/signing_config_rekor_v2.json")).unwrap();
    let config: serde_json::Value = serde_json::from_slice(&json).unwrap();
    config["rekorTlogUrls"][0]["url"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn is_frozen(store: &dyn Store, name: &str) -> bool {
    store.since(name, 0).await.unwrap().unwrap().frozen
}

#[tokio::test]
async fn a_stopped_instance_is_rotated_and_rotated_again() {
    let folder = instance().await;
    let path = folder.path();
    let all = rotated(path, &["--yes"]).await;
    let names: Vec<String> = all.iter().map(Shard::name).collect();
    assert_eq!(names, ["rekor-v1", "rekor-v1-2", "rekor-v2", "rekor-v2-2"]);
    let keys: std::collections::HashSet<_> = all.iter().map(Shard::log_id).collect();
    assert_eq!(keys.len(), 4, "each shard has its own key");
    assert_eq!(v2_url(path), format!("{URL}/shards/2"));
    let own = [
        "--yes",
        "--log",
        "rekor-v2",
        "--url",
        "https://log3.example.com",
    ];
    let all = rotated(path, &own).await;
    let last = all.last().unwrap();
    assert_eq!(
        (last.name().as_str(), last.origin().as_str()),
        ("rekor-v2-3", "log3.example.com")
    );
    assert_eq!(v2_url(path), "https://log3.example.com");
    // One entry a shard; an end exactly where it is frozen.
    let tlogs = tlogs(path);
    let ends = tlogs
        .iter()
        .map(|log| log["publicKey"]["validFor"]["end"].is_string());
    assert_eq!(ends.collect::<Vec<_>>(), [true, false, true, true, false]);
    let store = tlog::store::sqlite(&path.join("sigstead.db"))
        .await
        .unwrap();
    for shard in &all {
        assert_eq!(
            is_frozen(&*store, &shard.name()).await,
            shard.frozen.is_some()
        );
    }
    store.close().await;
}

#[tokio::test]
async fn a_rotation_that_stopped_anywhere_is_finished() {
    // What was done before the crash: nothing but the key, the record, then each step that `finish` takes.
    for steps in 0..5 {
        let folder = instance().await;
        let path = folder.path();
        let args = args(path, &["--yes"]);
        let layout = Layout::read_only(path);
        if steps == 0 {
            shards::make_key(&layout, Kind::RekorV1, 2).unwrap();
        } else {
            record(&layout, plan(&args).unwrap(), &args).unwrap();
        }
        let recorded: Vec<_> = shards(path).iter().map(Shard::log_id).collect();
        if steps > 1 {
            let taken = Taken::try_take(&args).await.unwrap().unwrap();
            for shard in shards(path)
                .iter()
                .filter(|shard| shard.kind == Kind::RekorV1)
            {
                let (log, _) = taken.logs.open(shard).await.unwrap();
                if steps > 2 && shard.number == 1 {
                    log.freeze().await.unwrap();
                }
                if steps > 3 && shard.number == 2 {
                    log.append(submission(7)).await.unwrap();
                }
            }
            taken.logs.close().await;
        }
        let again = plan(&args).unwrap();
        assert_eq!(again.is_under_way(), steps > 0, "step {steps}");
        rotate(&args, &layout, again).await.unwrap();
        let all = shards(path);
        assert!(all.iter().all(|shard| !shard.is_pending), "step {steps}");
        assert_eq!(all.len(), 4, "no second rotation is begun");
        if steps > 0 {
            let keys: Vec<_> = all.iter().map(Shard::log_id).collect();
            assert_eq!(keys, recorded, "the recorded keys are used");
        }
    }
}

#[tokio::test]
async fn a_dry_run_and_a_call_without_yes_change_nothing() {
    let folder = instance().await;
    let path = folder.path().to_owned();
    let before = std::fs::read(path.join("instance.json")).unwrap();
    let done = tokio::task::spawn_blocking(move || {
        let dry = run(args(&path, &["--dry-run", "--json"])).unwrap();
        let refused = run(args(&path, &[])).unwrap_err();
        (dry, refused)
    });
    let (dry, refused) = done.await.unwrap();
    assert_eq!(dry, Outcome::Success);
    assert!(matches!(refused, Failure::Failed(error) if error.to_string().contains("--yes")));
    let folder = folder.path();
    assert_eq!(std::fs::read(folder.join("instance.json")).unwrap(), before);
    assert!(!folder.join("keys/shard-2").exists());
}

#[tokio::test]
async fn a_url_must_be_a_host_of_its_own() {
    let folder = instance().await;
    let planned = |words: &[&str]| plan(&args(folder.path(), words)).map(drop);
    for url in [
        "http://127.0.0.1:9999",
        "https://log2.example.com/path",
        "ftp://log2.example.com",
        "log2.example.com",
        "https://user@log2.example.com",
    ] {
        assert!(planned(&["--url", url]).is_err(), "{url}");
    }
    let v1 = planned(&["--log", "rekor-v1", "--url", "https://log2.example.com"]);
    assert!(
        v1.unwrap_err()
            .to_string()
            .contains("--url is for a Rekor v2")
    );
    planned(&["--url", "https://log2.example.com:8443/"]).unwrap();
}

#[tokio::test]
async fn a_served_folder_is_left_to_its_server() {
    let folder = instance().await;
    let path = folder.path();
    let args = args(path, &["--yes"]);
    let taken = Taken::try_take(&args).await.unwrap().unwrap();
    let layout = taken.layout.clone();
    // The server: it has the folder, and serves both first shards.
    let public = PublicHalf::load(&layout, &describe(&layout).unwrap()).unwrap();
    let of = |kind| public.shards_of(kind).unwrap().remove(0);
    let v1 = taken.logs.open(&of(Kind::RekorV1)).await.unwrap();
    let v2 = taken.logs.open(&of(Kind::RekorV2)).await.unwrap();
    let old = v2.0.clone();
    let registry = prometheus::Registry::new();
    let (served, _) = Served::begin(&public, v1, v2, &registry).unwrap();
    let logs = std::sync::Arc::new(taken.logs);
    let seen = rotation::Stamp::of(&layout);
    let watching = tokio::spawn(rotation::watch(
        layout.clone(),
        logs.clone(),
        served,
        None,
        taken.tuf,
        seen,
    ));
    let planned = plan(&args).unwrap();
    rotate(&args, &Layout::read_only(path), planned)
        .await
        .unwrap();
    assert!(shards(path).iter().all(|shard| !shard.is_pending));
    assert_eq!(
        old.append(submission(9)).await.unwrap_err(),
        AppendError::Frozen
    );
    watching.abort();
    logs.close().await;
}

/// Two processes on one database, each with its own copy of the data folder.
#[tokio::test]
async fn another_process_goes_on_once_it_has_the_new_keys() {
    let Some(server) = testkit::postgres() else {
        return;
    };
    let folder = instance_on(Some(&server)).await;
    let other = tempfile::tempdir().unwrap();
    copy(folder.path(), other.path());
    let words = ["--yes", "--database", server.as_str()];
    let other_args = args(other.path(), &words);
    let taken = Taken::try_take(&other_args).await.unwrap().unwrap();
    let first = shards(other.path()).remove(0);
    let (old, _) = taken.logs.open(&first).await.unwrap();

    rotated(folder.path(), &words).await;
    let refused = old.append(submission(5)).await.unwrap_err();
    assert_eq!(refused, AppendError::Frozen);

    copy(folder.path(), other.path());
    let ended = rotation::finish(&taken.layout, &taken.logs, None, None, &taken.tuf).await;
    assert!(ended.unwrap().is_empty(), "it was ended elsewhere");
    let new = shards(other.path()).remove(1);
    let (log, signer) = taken.logs.open(&new).await.unwrap();
    assert_eq!((log.name(), signer.public_key()), ("rekor-v1-2", &new.key));
    log.append(submission(5)).await.unwrap();
    assert_eq!(tlogs(other.path()), tlogs(folder.path()));
    taken.logs.close().await;
}

/// Copies what a second process needs: keys, public halves, the description.
fn copy(from: &Path, to: &Path) {
    let parts = ["keys", "public", "instance.json"].map(|name| from.join(name));
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .args(parts)
        .arg(to)
        .status();
    assert!(copied.unwrap().success());
}
