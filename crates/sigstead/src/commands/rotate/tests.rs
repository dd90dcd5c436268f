//! Rotations of a stopped instance, whole and interrupted at each step.

use super::drive::Taken;
use super::log::{record, rotate};
use super::plan::Plan;
use super::*;
use crate::cli::rotate::RotateLogArgs;
use crate::cli::{Cli, Command};
use crate::instance::{
    Instance, Kind, Layout, PublicHalf, Shard, describe, edit, generations, shards as shard_files,
};
use crate::rotation::{self, Keeper, Logs, Opener, Seen, Served, Stamp};
use bytes::Bytes;
use clap::Parser;
use keys::Algorithm;
use std::path::Path;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tlog::{AppendError, FileGuard, Store, Submission};

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
    let logs = Logs::new(&instance, opener).unwrap();
    let ct = instance.public.active(Role::Ct).unwrap();
    logs.open_ct(&ct).await.unwrap();
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
        Command::Rotate(RotateArgs {
            command: Some(RotateCommand::Log(args)),
            ..
        }) => args,
        other => panic!("{other:?}"),
    }
}

fn rotate_args(folder: &Path, words: &[&str]) -> RotateArgs {
    let (role, rest) = words.split_first().unwrap();
    let folder = ["--data-dir", folder.to_str().unwrap()];
    let all = [&["sigstead", "rotate", role][..], &folder, rest].concat();
    match Cli::try_parse_from(all).unwrap().command {
        Command::Rotate(args) => args,
        other => panic!("{other:?}"),
    }
}

fn here(args: &RotateLogArgs) -> Place<'_> {
    place(&args.role.data, &args.role.database, Clock::system(), true)
}

fn plan(args: &RotateLogArgs) -> Result<Plan> {
    let layout = Layout::read_only(&args.role.data.data_dir);
    let description = describe(&layout)?;
    let public = PublicHalf::load(&layout, &description)?;
    Plan::new(&description, &public, args, Clock::system().now())
}

async fn rotated(folder: &Path, words: &[&str]) -> Vec<Shard> {
    let args = args(folder, words);
    let plan = plan(&args).unwrap();
    let layout = Layout::read_only(folder);
    rotate(&args, &here(&args), &layout, plan).await.unwrap();
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
            shard_files::make_key(&layout, Kind::RekorV1, 2).unwrap();
        } else {
            record(&layout, plan(&args).unwrap(), &args, &here(&args)).unwrap();
        }
        let recorded: Vec<_> = shards(path).iter().map(Shard::log_id).collect();
        if steps > 1 {
            let taken = Taken::try_take(&here(&args)).await.unwrap().unwrap();
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
            taken.close().await;
        }
        let again = plan(&args).unwrap();
        assert_eq!(again.is_under_way(), steps > 0, "step {steps}");
        rotate(&args, &here(&args), &layout, again).await.unwrap();
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
        let log = |words: &[&str]| run(rotate_args(&path, &[&["log"][..], words].concat()));
        let dry = log(&["--dry-run", "--json"]).unwrap();
        let refused = log(&[]).unwrap_err();
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
    let taken = Taken::try_take(&here(&args)).await.unwrap().unwrap();
    let layout = taken.keeper.layout.clone();
    // The server: it has the folder, and serves both first shards.
    let public = PublicHalf::load(&layout, &describe(&layout).unwrap()).unwrap();
    let of = |kind| public.shards_of(kind).unwrap().remove(0);
    let v1 = taken.logs.open(&of(Kind::RekorV1)).await.unwrap();
    let v2 = taken.logs.open(&of(Kind::RekorV2)).await.unwrap();
    let old = v2.0.clone();
    let registry = prometheus::Registry::new();
    let (served, _) = Served::begin(&public, v1, v2, &registry).unwrap();
    let seen = Seen {
        stamp: Stamp::of(&layout),
        next: None,
    };
    let keeper = Keeper {
        served: Some(served),
        ..taken.keeper.clone()
    };
    let watching = tokio::spawn(rotation::watch(keeper, seen));
    let planned = plan(&args).unwrap();
    rotate(&args, &here(&args), &Layout::read_only(path), planned)
        .await
        .unwrap();
    assert!(shards(path).iter().all(|shard| !shard.is_pending));
    assert_eq!(
        old.append(submission(9)).await.unwrap_err(),
        AppendError::Frozen
    );
    watching.abort();
    taken.close().await;
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
    let taken = Taken::try_take(&here(&other_args)).await.unwrap().unwrap();
    let first = shards(other.path()).remove(0);
    let (old, _) = taken.logs.open(&first).await.unwrap();

    rotated(folder.path(), &words).await;
    let refused = old.append(submission(5)).await.unwrap_err();
    assert_eq!(refused, AppendError::Frozen);

    copy(folder.path(), other.path());
    let done = taken.keeper.go_on().await;
    assert!(done.unwrap().ended.is_empty(), "it was ended elsewhere");
    let new = shards(other.path()).remove(1);
    let (log, signer) = taken.logs.open(&new).await.unwrap();
    assert_eq!((log.name(), signer.public_key()), ("rekor-v1-2", &new.key));
    log.append(submission(5)).await.unwrap();
    assert_eq!(tlogs(other.path()), tlogs(folder.path()));
    taken.close().await;
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

/// `sigstead rotate` with these words, by this clock.
async fn by(clock: &Clock, folder: &Path, words: &[&str]) -> Result<Outcome, Failure> {
    run_by(rotate_args(folder, words), clock.clone()).await
}

/// Entries of a list of the clients' trusted root.
fn trusted(folder: &Path, list: &str) -> Vec<serde_json::Value> {
    let json = std::fs::read(folder.join("trust/trusted_root.json")).unwrap();
    let root: serde_json::Value = serde_json::from_slice(&json).unwrap();
    root[list].as_array().unwrap().clone()
}

/// The end of an entry, if it has one.
fn end(entry: &serde_json::Value) -> Option<OffsetDateTime> {
    let valid_for = match entry.get("validFor") {
        Some(valid_for) => valid_for,
        None => &entry["publicKey"]["validFor"],
    };
    let end = valid_for.get("end")?.as_str().unwrap();
    Some(OffsetDateTime::parse(end, &Rfc3339).unwrap())
}

fn described(folder: &Path) -> crate::instance::Description {
    describe(&Layout::read_only(folder)).unwrap()
}

fn active(folder: &Path, role: Role) -> String {
    let layout = Layout::read_only(folder);
    let public = PublicHalf::load(&layout, &described(folder)).unwrap();
    public.active(role).unwrap().name()
}

const LISTS: [(Role, &str); 3] = [
    (Role::Ca, "certificateAuthorities"),
    (Role::Ct, "ctlogs"),
    (Role::Tsa, "timestampAuthorities"),
];

#[tokio::test]
async fn each_key_of_a_stopped_instance_is_followed_by_the_next() {
    let folder = instance().await;
    let path = folder.path();
    let clock = Clock::system();
    for (role, list) in LISTS {
        let before = trusted(path, list);
        let done = by(&clock, path, &[role.name(), "--yes"]).await.unwrap();
        assert_eq!(done, Outcome::Success);
        assert_eq!(active(path, role), format!("{}-2", role.name()));
        let after = trusted(path, list);
        assert_eq!((before.len(), after.len()), (1, 2), "{list}");
        // The old one is as it was, but for its end; the new one has none.
        assert!(end(&after[0]).is_some() && end(&after[1]).is_none());
        let left = end(&after[0]).unwrap() - clock.now();
        assert!(left > time::Duration::minutes(13), "{left}");
        let mut old = after[0].clone();
        let valid_for = match role {
            Role::Ct => &mut old["publicKey"]["validFor"],
            _ => &mut old["validFor"],
        };
        valid_for.as_object_mut().unwrap().remove("end");
        assert_eq!(old, before[0], "{list}");
    }
    // A new root is another one; the CA before it keeps the first.
    by(&clock, path, &["ca", "--root", "--yes"]).await.unwrap();
    let roots: Vec<_> = trusted(path, "certificateAuthorities")
        .iter()
        .map(|ca| ca["certChain"]["certificates"][1].clone())
        .collect();
    assert_eq!(roots[0], roots[1]);
    assert_ne!(roots[1], roots[2]);
    // An intermediate under the newest root, whose key is the third generation's.
    by(&clock, path, &["ca", "--yes"]).await.unwrap();
    assert_eq!(
        trusted(path, "certificateAuthorities")[3]["certChain"]["certificates"][1],
        roots[2]
    );
    assert_eq!(
        described(path).format,
        3,
        "older releases must not serve it"
    );
    let store = tlog::store::sqlite(&path.join("sigstead.db"))
        .await
        .unwrap();
    assert!(is_frozen(&*store, "ct").await);
    assert!(!is_frozen(&*store, "ct-2").await);
    store.close().await;
    // It opens, with every key in its place.
    Instance::open_stopped(Layout::lock(path).unwrap()).unwrap();
}

#[tokio::test]
async fn a_succession_that_stopped_anywhere_is_finished() {
    // What was done before the crash: keys; the record; the publication; the record of the switch, whatever follows it.
    for (role, list) in LISTS {
        for steps in 0..4 {
            let folder = instance().await;
            let path = folder.path();
            let clock = Clock::system();
            let layout = Layout::read_only(path);
            let public = PublicHalf::load(&layout, &described(path)).unwrap();
            let args = match rotate_args(path, &[role.name(), "--yes"]).command {
                Some(RotateCommand::Ct(args)) => args,
                Some(RotateCommand::Ca(args) | RotateCommand::Tsa(args)) => args.role,
                other => panic!("{other:?}"),
            };
            let plan = succession::Succession::new(
                role,
                false,
                &described(path),
                &public,
                &args,
                clock.now(),
            );
            if steps == 0 {
                let record = plan.unwrap().into_record();
                let before = public.generations(role).unwrap();
                generations::make(&layout, &record, &before).await.unwrap();
            } else {
                plan.unwrap().record(&layout, &public).await.unwrap();
            }
            let place = Place {
                data: &args.data,
                database: &args.database,
                clock: clock.clone(),
                quiet: true,
            };
            if steps > 1 && role == Role::Ct {
                // What is published is there.
                let taken = Taken::try_take(&place).await.unwrap().unwrap();
                let public = PublicHalf::load(&layout, &described(path)).unwrap();
                let next = public.generations(role).unwrap().remove(1);
                taken.logs.open_ct(&next).await.unwrap();
                taken.close().await;
            }
            let now = clock.now();
            edit(&layout, |description| {
                for record in &mut description.successors {
                    if steps > 1 {
                        record.schedule.publish(now, now)?;
                    }
                    if steps > 2 {
                        record.since = Some(record.since_when(now)?);
                    }
                }
                Ok(())
            })
            .unwrap();
            let keys = std::fs::read_dir(path.join("keys").join(format!("{}-2", role.name())));
            assert!(keys.unwrap().count() > 0);
            // The next start of a server does what this does.
            let taken = Taken::try_take(&place).await.unwrap().unwrap();
            taken.step().await.unwrap();
            taken.close().await;
            let expected = if steps == 0 { 1 } else { 2 };
            assert_eq!(trusted(path, list).len(), expected, "{list} {steps}");
            if steps == 0 {
                by(&clock, path, &[role.name(), "--yes"]).await.unwrap();
            }
            assert_eq!(active(path, role), format!("{}-2", role.name()), "{steps}");
            let ends: Vec<_> = trusted(path, list).iter().map(end).collect();
            assert!(ends[0].is_some() && ends[1].is_none(), "{list} {steps}");
        }
    }
}

#[tokio::test]
async fn a_planned_rotation_waits_for_its_time_and_any_start_goes_on() {
    let folder = instance().await;
    let path = folder.path();
    let (clock, hand) = Clock::manual(Clock::system().now());
    for (role, list) in LISTS {
        let words = [role.name(), "--propagation", "25h", "--yes"];
        by(&clock, path, &words).await.unwrap();
        assert_eq!(active(path, role), role.name(), "the old one signs");
        let ends: Vec<_> = trusted(path, list).iter().map(end).collect();
        assert_eq!(ends, [None, None], "clients know both");
        hand.advance(24 * 3600);
        by(&clock, path, &[role.name(), "--yes"]).await.unwrap();
        assert_eq!(active(path, role), role.name(), "too early");
        hand.advance(3600);
        by(&clock, path, &[role.name(), "--yes"]).await.unwrap();
        assert_eq!(active(path, role), format!("{}-2", role.name()));
        let ended = end(&trusted(path, list)[0]).unwrap();
        assert!(ended > clock.now(), "what is in hand is finished");
    }
    // The logs as well: the signing config names the next shard when its time has come.
    by(&clock, path, &["log", "--propagation", "1h", "--yes"])
        .await
        .unwrap();
    assert_eq!(trusted(path, "tlogs").len(), 4);
    assert_eq!(v2_url(path), URL);
    hand.advance(3601);
    by(&clock, path, &["log", "--yes"]).await.unwrap();
    assert_eq!(v2_url(path), format!("{URL}/shards/2"));
    let ends: Vec<bool> = tlogs(path).iter().map(end_of_log).collect();
    assert_eq!(
        ends,
        [true, false, false, false],
        "late v2 clients are served"
    );
    hand.advance(3600);
    by(&clock, path, &["log", "--yes"]).await.unwrap();
    let ends: Vec<bool> = tlogs(path).iter().map(end_of_log).collect();
    assert_eq!(ends, [true, false, true, false]);
}

fn end_of_log(log: &serde_json::Value) -> bool {
    log["publicKey"]["validFor"]["end"].is_string()
}

#[tokio::test]
async fn a_waiting_rotation_can_be_hurried() {
    let folder = instance().await;
    let path = folder.path();
    let clock = Clock::system();
    by(&clock, path, &["ca", "--propagation", "7d", "--yes"])
        .await
        .unwrap();
    assert_eq!(active(path, Role::Ca), "ca");
    by(&clock, path, &["ca", "--propagation", "0s", "--yes"])
        .await
        .unwrap();
    assert_eq!(active(path, Role::Ca), "ca-2");
    assert_eq!(described(path).successors.len(), 1);
    // The same with a log.
    by(&clock, path, &["log", "--propagation", "7d", "--yes"])
        .await
        .unwrap();
    assert!(shards(path).iter().any(|shard| shard.is_pending));
    by(&clock, path, &["log", "--propagation", "0s", "--yes"])
        .await
        .unwrap();
    assert!(!shards(path).iter().any(|shard| shard.is_pending));
}

#[tokio::test]
async fn what_a_stolen_key_signed_is_void_from_the_given_time_on() {
    let folder = instance().await;
    let path = folder.path();
    let (clock, hand) = Clock::manual(Clock::system().now());
    hand.advance(24 * 3600);
    let stolen = times::text(clock.now() - time::Duration::hours(2)).unwrap();
    let since = ["--compromised-since", stolen.as_str()];
    for (role, list) in LISTS {
        by(
            &clock,
            path,
            &[&[role.name(), "--yes"][..], &since].concat(),
        )
        .await
        .unwrap();
        let ended = end(&trusted(path, list)[0]).unwrap();
        assert_eq!(times::text(ended).unwrap(), stolen, "{list}");
    }
    by(&clock, path, &[&["log", "--yes"][..], &since].concat())
        .await
        .unwrap();
    let stolen_logs = tlogs(path);
    assert_eq!(times::text(end(&stolen_logs[0]).unwrap()).unwrap(), stolen);
    // It turns out that it was earlier. Later than known changes nothing, and before its life is a mistake.
    for (hours, expected) in [(3, 3), (1, 3)] {
        let since = times::text(clock.now() - time::Duration::hours(hours)).unwrap();
        let expected = times::text(clock.now() - time::Duration::hours(expected)).unwrap();
        for name in ["ca", "rekor-v1"] {
            let words = ["close", name, "--yes", "--compromised-since", &since];
            by(&clock, path, &words).await.unwrap();
        }
        let ended = end(&trusted(path, "certificateAuthorities")[0]).unwrap();
        assert_eq!(times::text(ended).unwrap(), expected);
        assert_eq!(
            times::text(end(&tlogs(path)[0]).unwrap()).unwrap(),
            expected
        );
    }
    for (name, since, told) in [
        ("ca", "2001-01-01T00:00:00Z", "trusted since"),
        ("ca-2", stolen.as_str(), "still signs"),
        ("ca-7", stolen.as_str(), "no key ca-7"),
    ] {
        let words = ["close", name, "--yes", "--compromised-since", since];
        let refused = by(&clock, path, &words).await.unwrap_err();
        assert!(
            matches!(&refused, Failure::Usage(error) if error.to_string().contains(told)),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn times_that_make_no_sense_are_refused_before_a_key_is_made() {
    let folder = instance().await;
    let path = folder.path();
    let clock = Clock::system();
    let soon = times::text(clock.now() + time::Duration::hours(1)).unwrap();
    let later = times::text(clock.now() + time::Duration::hours(2)).unwrap();
    for words in [
        vec!["ca", "--yes", "--at", "2001-01-01T00:00:00Z"],
        vec!["ca", "--yes", "--at", &soon, "--propagation", "25h"],
        vec!["ct", "--yes", "--compromised-since", &later],
        vec![
            "tsa",
            "--yes",
            "--compromised-since",
            "2001-01-01T00:00:00Z",
        ],
        vec![
            "log",
            "--yes",
            "--compromised-since",
            "2001-01-01T00:00:00Z",
        ],
    ] {
        let refused = by(&clock, path, &words).await.unwrap_err();
        assert!(
            matches!(refused, Failure::Usage(_)),
            "{words:?}: {refused:?}"
        );
    }
    let keys = std::fs::read_dir(path.join("keys")).unwrap();
    let folders = keys.filter(|entry| entry.as_ref().unwrap().path().is_dir());
    assert_eq!(folders.count(), 0);
}

#[tokio::test]
async fn the_status_names_every_key_and_what_to_do_next() {
    let folder = instance().await;
    let path = folder.path();
    let (clock, hand) = Clock::manual(Clock::system().now());
    by(&clock, path, &["ct", "--yes"]).await.unwrap();
    by(&clock, path, &["tsa", "--propagation", "25h", "--yes"])
        .await
        .unwrap();
    let status = |clock: &Clock| {
        let layout = Layout::read_only(path);
        let description = described(path);
        let public = PublicHalf::load(&layout, &description).unwrap();
        status::Status::new(&description, &public, clock.now()).unwrap()
    };
    let now = status(&clock);
    let states: Vec<_> = now
        .keys
        .iter()
        .map(|key| (key.name.as_str(), key.state))
        .collect();
    use status::State::{Active, Pending, Replaced};
    assert_eq!(
        states,
        [
            ("ca", Active),
            ("ct", Replaced),
            ("ct-2", Active),
            ("tsa", Active),
            ("tsa-2", Pending),
            ("rekor-v1", Active),
            ("rekor-v2", Active),
        ]
    );
    assert!(now.warnings.is_empty(), "{:?}", now.warnings);
    assert_eq!(now.pending.len(), 1);
    // Nobody went on: that is a warning, and in three years the CA is one.
    hand.advance(26 * 3600);
    let late = status(&clock);
    assert_eq!(late.warnings[0].command, "sigstead rotate tsa --yes");
    hand.advance(1050 * 86_400);
    let old = status(&clock);
    let commands: Vec<_> = old
        .warnings
        .iter()
        .map(|one| one.command.as_str())
        .collect();
    assert_eq!(
        commands,
        ["sigstead rotate ca --yes", "sigstead rotate tsa --yes"]
    );
}

/// Two processes on one database, each with its own copy of the data folder, copied while the rotations wait.
#[tokio::test]
async fn two_processes_go_over_by_their_clocks_and_agree() {
    let Some(server) = testkit::postgres() else {
        return;
    };
    let folder = instance_on(Some(&server)).await;
    let other = tempfile::tempdir().unwrap();
    let (clock, hand) = Clock::manual(Clock::system().now());
    let database = ["--yes", "--database", server.as_str()];
    for (role, _) in LISTS {
        let words = [&[role.name(), "--propagation", "1h"][..], &database].concat();
        by(&clock, folder.path(), &words).await.unwrap();
    }
    copy(folder.path(), other.path());
    hand.advance(3601);
    for path in [folder.path(), other.path()] {
        // Whatever it is called for, everything goes on whose time has come.
        let words = [&["ca"][..], &database].concat();
        by(&clock, path, &words).await.unwrap();
        // The other one is a little later, and says the same.
        hand.advance(2);
    }
    let records = |path| described(path).successors;
    assert_eq!(records(folder.path()), records(other.path()));
    for (_, list) in LISTS {
        assert_eq!(trusted(folder.path(), list), trusted(other.path(), list));
        assert!(end(&trusted(other.path(), list)[0]).is_some(), "{list}");
    }
}
