//! A repository through its years: tough's own client reads it at each step, with a memory of what it saw before.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod common;

use common::{DAY, START, Site};
use keys::{Algorithm, KeyFolder, Purpose, Signer};
use std::fs;
use tuf::{Content, Done, Draft, Exchange, Holders, Options, TufError};

#[tokio::test]
async fn a_new_repository_is_read_and_a_second_publication_changes_nothing() {
    let site = Site::new();
    let done = site.publish(&["one", "two"]).await.unwrap();
    assert_eq!(done.root, Some(1));
    let seen = site.client().load(&site).await;
    assert_eq!(
        seen.contents,
        [("a.txt", "one"), ("b.txt", "two")].map(|(n, c)| (n.into(), c.into()))
    );
    assert_eq!(
        site.publish(&["one", "two"]).await.unwrap(),
        Done::default()
    );
    assert_eq!(site.repository.refresh().await.unwrap(), Done::default());
    let bootstrap = fs::read(site.bootstrap()).unwrap();
    assert_eq!(
        bootstrap,
        fs::read(site.tree().join("1.root.json")).unwrap()
    );
}

#[tokio::test]
async fn metadata_has_whole_seconds_and_the_forms_that_other_clients_read() {
    let site = Site::new();
    let content = Content::new("rekor.pub", "key").legacy("Rekor", true, "https://log.example");
    site.repository
        .publish(&[content], Options::default())
        .await
        .unwrap();
    let json = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&fs::read(site.tree().join(name)).unwrap()).unwrap()
    };
    for name in [
        "1.root.json",
        "1.targets.json",
        "1.snapshot.json",
        "timestamp.json",
    ] {
        let expires = json(name)["signed"]["expires"].as_str().unwrap().to_owned();
        assert_eq!(
            expires.len(),
            "2026-01-01T00:00:00Z".len(),
            "{name}: {expires}"
        );
        assert_eq!(json(name)["signed"]["spec_version"], "1.0.0");
    }
    assert_eq!(json("1.root.json")["signed"]["consistent_snapshot"], true);
    let targets = &json("1.targets.json")["signed"];
    assert_eq!(
        targets["targets"]["rekor.pub"]["custom"]["sigstore"],
        serde_json::json!({"usage": "Rekor", "status": "Active", "uri": "https://log.example"})
    );
    assert!(targets.get("delegations").is_none());
    assert_eq!(json("root.json"), json("1.root.json"));
}

#[tokio::test]
async fn four_hundred_days_pass_and_clients_never_see_anything_expired() {
    let mut site = Site::new();
    site.publish(&["one"]).await.unwrap();
    let faithful = site.client();
    for day in 1..=400 {
        site.hand.advance(DAY);
        if day % 30 == 0 {
            site.restart();
            site.publish(&["one"]).await.unwrap();
        }
        if day == 200 {
            site.publish(&["another"]).await.unwrap();
        }
        site.repository.refresh().await.unwrap();
        let seen = faithful.load(&site).await;
        assert!(seen.earliest_end > site.now(), "day {day}");
        if day == 200 {
            // The restart below publishes what the instance holds then.
            site.publish(&["one"]).await.unwrap();
        }
    }
    let status = site.repository.status().await.unwrap();
    assert!(status.warnings.is_empty(), "{:?}", status.warnings);
    // Root twice (each half year); timestamps every 3.5 days, at whole days every 4.
    let version = |role: usize| status.roles[role].version;
    assert_eq!(version(0), 3);
    assert!((100..=110).contains(&version(3)), "{}", version(3));
}

#[tokio::test]
async fn a_clock_that_runs_back_signs_nothing_until_somebody_says_it_is_right() {
    let site = Site::new();
    site.publish(&["one"]).await.unwrap();
    // Forward: it is signed, and nobody can know.
    site.hand.advance(100 * DAY);
    site.repository.refresh().await.unwrap();
    let before = site.files();
    // Back again.
    site.hand.advance(-100 * DAY);
    for _ in 0..2 {
        let error = site.publish(&["two"]).await.unwrap_err();
        assert!(matches!(error, TufError::ClockBehind { .. }), "{error}");
        assert!(error.to_string().contains("--clock-is-right"), "{error}");
    }
    let refreshed = site.repository.refresh().await;
    assert!(matches!(refreshed, Err(TufError::ClockBehind { .. })));
    assert_eq!(site.files(), before);
    assert!(!site.repository.status().await.unwrap().warnings.is_empty());
    let options = Options {
        clock_is_right: true,
        sign_all: true,
    };
    let contents = common::contents(&["two"]);
    site.repository.publish(&contents, options).await.unwrap();
    assert_eq!(site.repository.refresh().await.unwrap(), Done::default());
    site.client().load(&site).await;
}

#[tokio::test]
async fn a_clock_years_ahead_makes_no_root_and_goes_on_when_it_is_set() {
    let site = Site::new();
    site.publish(&["one"]).await.unwrap();
    let root = fs::read(site.tree().join("root.json")).unwrap();
    site.hand.advance(3000 * DAY);
    let error = site.repository.refresh().await.unwrap_err();
    assert!(matches!(error, TufError::Expired { .. }), "{error}");
    assert!(error.to_string().contains("Set the clock"), "{error}");
    assert_eq!(fs::read(site.tree().join("root.json")).unwrap(), root);
    // After years of standstill, when the clock is right: one command.
    let options = Options {
        clock_is_right: true,
        sign_all: true,
    };
    let contents = common::contents(&["one"]);
    site.repository.publish(&contents, options).await.unwrap();
    assert!(site.client().load(&site).await.earliest_end > site.now());
}

#[tokio::test]
async fn root_rotation_is_followed_by_old_clients_and_taken_by_new_ones() {
    let site = Site::new();
    site.publish(&["one"]).await.unwrap();
    let faithful = site.client();
    faithful.load(&site).await;
    for (round, exchange) in [(false, false), (true, false), (false, true), (true, true)]
        .into_iter()
        .enumerate()
    {
        let (online, targets) = exchange;
        let done = site
            .repository
            .rotate(Exchange { online, targets })
            .await
            .unwrap();
        assert_eq!(done.root, Some(u64::try_from(round).unwrap() + 2));
        assert_eq!(done.timestamp.is_some(), online || targets);
        faithful.load(&site).await;
        site.client().load(&site).await;
        // Only the keys of the newest root are left.
        assert_eq!(site.key_files(), 3);
        site.publish(&[&format!("after {round}")]).await.unwrap();
        faithful.load(&site).await;
    }
    let timestamp = site.json("timestamp.json");
    assert_eq!(timestamp["signatures"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn everything_is_signed_by_both_roots_while_keys_change() {
    let site = Site::new();
    site.publish(&["one"]).await.unwrap();
    let exchange = Exchange {
        online: true,
        targets: true,
    };
    site.repository.rotate(exchange).await.unwrap();
    for name in ["timestamp.json", "2.snapshot.json", "2.targets.json"] {
        let signed = site.json(name);
        assert_eq!(signed["signatures"].as_array().unwrap().len(), 2, "{name}");
    }
    // A client that came just before the new root was there reads the rest of the new state.
    let client = site.client();
    let hidden = site.tree().join("hidden");
    fs::rename(site.tree().join("2.root.json"), &hidden).unwrap();
    client.load(&site).await;
    fs::rename(&hidden, site.tree().join("2.root.json")).unwrap();
    client.load(&site).await;
}

#[tokio::test]
async fn a_lost_online_key_is_told_and_replaced() {
    let site = Site::new();
    site.publish(&["one"]).await.unwrap();
    let faithful = site.client();
    faithful.load(&site).await;
    fs::remove_file(site.keys().join("tuf-online.pem")).unwrap();
    // Nothing has to be signed yet.
    assert_eq!(site.repository.refresh().await.unwrap(), Done::default());
    site.hand.advance(4 * DAY);
    let error = site.repository.refresh().await.unwrap_err().to_string();
    assert!(error.contains("rotate-root --online"), "{error}");
    let before = site.files();
    let error = site.publish(&["two"]).await.unwrap_err();
    assert!(matches!(error, TufError::KeyAway { .. }), "{error}");
    // What nobody names yet may be there; nothing else changed.
    let kept: Vec<_> = before
        .iter()
        .filter(|file| site.files().contains(file))
        .collect();
    assert_eq!(kept.len(), before.len());
    faithful.load(&site).await;
    let exchange = Exchange {
        online: true,
        targets: false,
    };
    site.repository.rotate(exchange).await.unwrap();
    site.publish(&["two"]).await.unwrap();
    assert_eq!(faithful.load(&site).await.contents[0].1, "two");
}

#[tokio::test]
async fn keys_away_from_the_folder_are_warned_about_months_ahead() {
    let site = Site::new();
    site.publish(&["one"]).await.unwrap();
    for name in ["tuf-root.pem", "tuf-targets.pem"] {
        fs::rename(site.keys().join(name), site.folder.path().join(name)).unwrap();
    }
    let warned = |status: tuf::Status, role: &str| {
        status
            .warnings
            .iter()
            .any(|warning| warning.starts_with(role))
    };
    let mut told = None;
    for day in 1..365 {
        site.hand.advance(DAY);
        site.repository.refresh().await.unwrap();
        let status = site.repository.status().await.unwrap();
        if told.is_none() && warned(status.clone(), "root") && warned(status, "targets") {
            told = Some(day);
        }
        // The timestamp is signed all the same.
        let timestamp = &site.repository.status().await.unwrap().roles[3];
        assert!(timestamp.days_left >= 3, "day {day}");
    }
    assert_eq!(told, Some(274), "three months before the end");
    // The targets key comes for a visit.
    let error = site.publish(&["two"]).await.unwrap_err();
    assert!(error.to_string().contains("--targets-key"), "{error}");
    let file = KeyFolder::of_file(site.folder.path().join("tuf-targets.pem")).unwrap();
    let repository = site.repository_with(|keys| keys.add(file.load(Purpose::TufTargets).unwrap()));
    let contents = common::contents(&["two"]);
    let published = repository.publish(&contents, Options::default()).await;
    assert_eq!(published.unwrap().targets, Some(2));
    assert_eq!(site.client().load(&site).await.contents[0].1, "two");
    // At the root's end it is a failure, which names the ceremony.
    site.hand.advance(2 * DAY);
    let error = site.repository.refresh().await.unwrap_err().to_string();
    assert!(error.contains("ceremony"), "{error}");
}

fn holder() -> Signer {
    Signer::in_memory(Purpose::TufRoot, Algorithm::EcdsaP256).unwrap()
}

/// What a holder does with the file, elsewhere.
async fn sign(draft: Vec<u8>, signer: &Signer) -> Result<Vec<u8>, TufError> {
    let mut draft = Draft::parse(&draft)?;
    draft.sign(signer).await?;
    draft.to_bytes()
}

#[tokio::test]
async fn two_of_three_holders_take_the_root_and_hand_it_on() {
    let site = Site::new();
    site.publish(&["one"]).await.unwrap();
    let faithful = site.client();
    faithful.load(&site).await;
    let mut people: Vec<Signer> = (0..2).map(|_| holder()).collect();
    people.push(Signer::in_memory(Purpose::TufRoot, Algorithm::Ed25519).unwrap());
    let holders = |people: &[&Signer], threshold| Holders {
        keys: people.iter().map(|p| p.public_key().clone()).collect(),
        threshold,
    };
    let all: Vec<&Signer> = people.iter().collect();
    let draft = |holders: Holders| {
        let site = &site;
        async move {
            let draft = site
                .repository
                .draft(Some(&holders), Exchange::default(), None);
            draft.await.unwrap().to_bytes().unwrap()
        }
    };

    // 1. From the data folder's key to three people. One signature is not enough.
    let first = draft(holders(&all, 2)).await;
    let first = sign(first, all[0]).await.unwrap();
    let finish = |bytes: &[u8]| site.repository.finish(Draft::parse(bytes).unwrap());
    let error = finish(&first).await.unwrap_err();
    assert!(
        error.to_string().contains("1 by the holders of root 2"),
        "{error}"
    );
    let first = sign(first, all[2]).await.unwrap();
    assert_eq!(finish(&first).await.unwrap().root, Some(2));
    assert!(!site.keys().join("tuf-root.pem").exists());
    faithful.load(&site).await;
    // Again, as after a crash.
    finish(&first).await.unwrap();
    let status = site.repository.status().await.unwrap();
    assert_eq!(
        (status.roles[0].threshold, status.roles[0].keys.len()),
        (2, 3)
    );
    assert!(status.roles[0].keys.iter().all(|key| !key.here));

    // 2. The program cannot make a root any more.
    let error = site
        .repository
        .rotate(Exchange::default())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("ceremony init"), "{error}");

    // 3. One holder is replaced: both thresholds have to sign.
    let newcomer = holder();
    let next: Vec<&Signer> = vec![all[0], all[1], &newcomer];
    let second = draft(holders(&next, 2)).await;
    let second = sign(second, &newcomer).await.unwrap();
    let second = sign(second, all[0]).await.unwrap();
    let error = finish(&second).await.unwrap_err();
    assert!(
        error.to_string().contains("1 by the holders of root 2"),
        "{error}"
    );
    let second = sign(second, all[2]).await.unwrap();
    let stranger = sign(second.clone(), &holder()).await.unwrap_err();
    assert!(matches!(stranger, TufError::NoHolder { .. }), "{stranger}");
    assert_eq!(finish(&second).await.unwrap().root, Some(3));
    faithful.load(&site).await;
    site.client().load(&site).await;

    // 4. An old draft is not taken again.
    let error = finish(&first).await.unwrap_err();
    assert!(matches!(error, TufError::StaleDraft { .. }), "{error}");
}

#[tokio::test]
async fn a_draft_that_was_changed_on_its_way_is_noticed() {
    let site = Site::new();
    site.publish(&["one"]).await.unwrap();
    let (alice, mallory) = (holder(), holder());
    let holders = Holders {
        keys: vec![alice.public_key().clone()],
        threshold: 1,
    };
    let draft = site
        .repository
        .draft(Some(&holders), Exchange::default(), None);
    let draft = draft.await.unwrap().to_bytes().unwrap();
    let signed = sign(draft, &alice).await.unwrap();
    let text = String::from_utf8(signed).unwrap();
    let later = text.replace("\"threshold\": 1", "\"threshold\": 2");
    let error = Draft::parse(later.as_bytes()).unwrap_err();
    assert!(matches!(error, TufError::Changed { .. }), "{error}");
    // A root before it that nobody published: the signature holds, the draft follows nothing.
    let mut forged: serde_json::Value = serde_json::from_str(&text).unwrap();
    forged["previous"]["signed"]["expires"] = "2030-01-01T00:00:00Z".into();
    let forged = Draft::parse(forged.to_string().as_bytes()).unwrap();
    let error = site.repository.finish(forged).await.unwrap_err();
    assert!(matches!(error, TufError::StaleDraft { .. }), "{error}");
    for bytes in [&b""[..], b"{}", b"[]", b"{\"format\": 1}"] {
        assert!(matches!(Draft::parse(bytes), Err(TufError::NoDraft(_))));
    }
    for (keys, threshold) in [
        (vec![], 1),
        (vec![&alice], 2),
        (vec![&alice], 0),
        (vec![&alice, &alice], 1),
        (vec![&mallory; 33], 2),
    ] {
        let holders = Holders {
            keys: keys.iter().map(|k| k.public_key().clone()).collect(),
            threshold,
        };
        let refused = site
            .repository
            .draft(Some(&holders), Exchange::default(), None);
        assert!(matches!(refused.await, Err(TufError::Holders(_))));
    }
}

#[tokio::test]
async fn a_repository_that_is_gone_is_not_begun_again() {
    let site = Site::new();
    site.publish(&["one"]).await.unwrap();
    fs::remove_dir_all(site.tree()).unwrap();
    let error = site.publish(&["one"]).await.unwrap_err();
    assert!(matches!(error, TufError::Lost { .. }), "{error}");
    fs::remove_file(site.bootstrap()).unwrap();
    site.publish(&["one"]).await.unwrap();
}

#[tokio::test]
async fn a_damaged_file_is_named_and_nothing_is_signed_over_it() {
    let site = Site::new();
    site.publish(&["one"]).await.unwrap();
    for name in [
        "timestamp.json",
        "1.snapshot.json",
        "1.targets.json",
        "1.root.json",
    ] {
        let path = site.tree().join(name);
        let good = fs::read(&path).unwrap();
        fs::write(&path, "{").unwrap();
        let error = site.publish(&["two"]).await.unwrap_err();
        assert!(matches!(error, TufError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains(name), "{error}");
        fs::write(&path, good).unwrap();
    }
    // A content that somebody removed is written again.
    fs::remove_dir_all(site.tree().join("targets")).unwrap();
    site.publish(&["one"]).await.unwrap();
    site.client().load(&site).await;
    assert_eq!(START.year(), 2026);
}
