//! A whole instance: made, filled, stopped, checked.

use super::*;
use crate::cli::{Cli, Command};
use crate::instance::{Instance, Kind};
use bytes::Bytes;
use clap::Parser;
use clock::Clock;
use keys::{Algorithm, Purpose};
use tlog::fsck::HeadVerifier;
use tlog::{HeadSigner, Limits, Log, Submission, TreeHead};

const ENTRIES: u64 = 5;

/// Makes an instance with entries in each log. Answers its folder and the logs' heads.
async fn instance() -> (tempfile::TempDir, PublicHalf, Vec<(String, TreeHead)>) {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::lock(folder.path()).unwrap();
    let clock = Clock::system();
    let url = "http://127.0.0.1:8080";
    let algorithm = Algorithm::EcdsaP256;
    let mut instance = Instance::open_or_create(layout, url, "127.0.0.1", algorithm, &clock)
        .await
        .unwrap();
    let store = tlog::store::sqlite(&instance.layout.database())
        .await
        .unwrap();
    let guard = FileGuard::open(&instance.layout.guard()).unwrap();
    let mut heads = Vec::new();
    for (name, signer) in signers(&instance) {
        let log = Log::open_guarded(
            store.clone(),
            name,
            signer,
            clock.clone(),
            Limits::default(),
            true,
            guard.clone(),
        )
        .await
        .unwrap();
        for number in 0..ENTRIES {
            log.append(submission(number)).await.unwrap();
        }
        log.close().await;
        heads.push((name.to_owned(), (*log.head()).clone()));
    }
    instance.finish().unwrap();
    guard.close().await;
    store.close().await;
    (folder, instance.public.clone(), heads)
}

fn signers(instance: &Instance) -> [(&'static str, Arc<dyn HeadSigner>); 3] {
    let (host, signers) = (&instance.public.host, &instance.signers);
    [
        (
            "ct",
            ct::CtLog::head_signer(host, signers.get(Purpose::CtLog).unwrap()),
        ),
        (
            "rekor-v1",
            instance
                .public
                .newest(Kind::RekorV1)
                .unwrap()
                .head_signer(signers.get(Purpose::RekorV1).unwrap()),
        ),
        (
            "rekor-v2",
            rekor::v2::head_signer(host, signers.get(Purpose::RekorV2).unwrap()),
        ),
    ]
}

fn submission(number: u64) -> Submission {
    Submission {
        leaf: Bytes::from(format!("leaf {number}")),
        identity: [u8::try_from(number).unwrap(); 32],
        extra: Bytes::new(),
    }
}

async fn fsck_with(folder: &Path, words: &[&str]) -> Result<Outcome> {
    let folder = folder.to_str().unwrap();
    let all = ["sigstead", "fsck", "--data-dir", folder];
    let cli = Cli::try_parse_from(all.iter().chain(words)).unwrap();
    match cli.command {
        Command::Fsck(args) => fsck(&args).await,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_stopped_instance_is_clean() {
    let (folder, _, _) = instance().await;
    let outcome = fsck_with(folder.path(), &[]).await.unwrap();
    assert_eq!(outcome, Outcome::Success);
    let outcome = fsck_with(folder.path(), &["--log", "ct", "--json"]).await;
    assert_eq!(outcome.unwrap(), Outcome::Success);
    let error = fsck_with(folder.path(), &["--log", "rekor"]).await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("the logs are ct, rekor-v1, rekor-v2"),
        "{error}"
    );
}

#[tokio::test]
async fn a_served_instance_and_a_folder_without_one_are_not_checked() {
    let (folder, _, _) = instance().await;
    let lock = Layout::lock(folder.path()).unwrap();
    let error = fsck_with(folder.path(), &[]).await.unwrap_err();
    assert!(
        format!("{error:#}").contains("another process serves"),
        "{error:#}"
    );
    drop(lock);
    std::fs::remove_file(folder.path().join("sigstead.db")).unwrap();
    let error = fsck_with(folder.path(), &[]).await.unwrap_err().to_string();
    assert!(
        error.contains("restore it from the newest backup"),
        "{error}"
    );
    assert!(!folder.path().join("sigstead.db").exists());

    let empty = folder.path().join("none");
    let error = fsck_with(&empty, &[]).await.unwrap_err().to_string();
    assert!(error.contains("holds no instance"), "{error}");
    assert!(!empty.exists());
}

#[tokio::test]
async fn every_changed_byte_of_a_checkpoint_breaks_its_signature() {
    let (_folder, public, heads) = instance().await;
    for ((name, head), (same, verifier)) in heads.iter().zip(Heads::all(&public).unwrap()) {
        assert_eq!(*name, same);
        verifier.verify_head(head).unwrap();
        for at in 0..head.checkpoint.len() {
            let mut changed = head.checkpoint.to_vec();
            changed[at] ^= 1;
            let changed = TreeHead {
                checkpoint: changed.into(),
                ..head.clone()
            };
            assert!(verifier.verify_head(&changed).is_err(), "{name}: byte {at}");
        }
        let larger = TreeHead {
            size: head.size + 1,
            ..head.clone()
        };
        assert!(verifier.verify_head(&larger).is_err());
    }
    // RFC 6962 section 3.5: the time is signed too.
    let later = TreeHead {
        time_ms: heads[0].1.time_ms + 1,
        ..heads[0].1.clone()
    };
    let error = Heads::all(&public).unwrap()[0]
        .1
        .verify_head(&later)
        .unwrap_err();
    assert!(error.contains("the row has"), "{error}");
}

#[tokio::test]
async fn a_rollback_is_found_explained_and_accepted_only_with_yes() {
    let (folder, _, heads) = instance().await;
    let guard = FileGuard::open(&folder.path().join("guard")).unwrap();
    let newer = TreeHead {
        size: ENTRIES + 3,
        ..heads[0].1.clone()
    };
    guard.record("ct", &newer).await.unwrap();
    guard.close().await;
    drop(guard);
    let path = folder.path();
    assert_eq!(fsck_with(path, &[]).await.unwrap(), Outcome::NotVerified);
    let accept = ["--accept-rollback", "ct"];
    let error = fsck_with(path, &accept).await.unwrap_err().to_string();
    assert!(error.contains("nothing was changed"), "{error}");
    assert_eq!(fsck_with(path, &[]).await.unwrap(), Outcome::NotVerified);
    let yes = ["--accept-rollback", "ct", "--yes"];
    assert_eq!(fsck_with(path, &yes).await.unwrap(), Outcome::Success);
    assert_eq!(fsck_with(path, &[]).await.unwrap(), Outcome::Success);
}

#[tokio::test]
async fn a_damaged_guard_is_a_finding_and_can_be_written_anew() {
    let (folder, _, _) = instance().await;
    let path = folder.path();
    std::fs::write(path.join("guard/rekor-v1.guard"), "damaged").unwrap();
    assert_eq!(fsck_with(path, &[]).await.unwrap(), Outcome::NotVerified);
    let yes = ["--accept-rollback", "rekor-v1", "--yes"];
    assert_eq!(fsck_with(path, &yes).await.unwrap(), Outcome::Success);
    assert_eq!(fsck_with(path, &[]).await.unwrap(), Outcome::Success);
}
