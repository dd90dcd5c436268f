//! A log asks real witnesses over HTTP.

use crate::fixture::{NOW, TestLog, cosigner, policy, serve, witnesses};
use async_trait::async_trait;
use keys::{Algorithm, Purpose, Signer};
use merkle::Hash;
use prometheus::{Encoder, Registry, TextEncoder};
use std::sync::Arc;
use std::time::{Duration, Instant};
use witness::server::verifier_key;
use witness::{
    ConfigError, Consistency, Cosigned, Cosigner, CosignerConfig, FailureMode, Outcome,
    ProofUnavailable,
};

const LONG: Duration = Duration::from_secs(10);

async fn ask(cosigner: &Cosigner, log: &TestLog, size: u64) -> Cosigned {
    let checkpoint = log.checkpoint(size).await;
    cosigner
        .cosign(checkpoint.as_bytes(), log.proofs())
        .await
        .unwrap()
}

fn outcomes(cosigned: &Cosigned) -> Vec<Outcome> {
    let all = cosigned.witnesses.iter();
    all.map(|one| one.outcome.clone()).collect()
}

#[tokio::test]
async fn a_growing_log_collects_every_witness_in_the_order_of_the_policy() {
    let log = TestLog::new(Algorithm::Ed25519);
    let (_all, parts) = witnesses(&log, &["c.example", "a.example", "b.example"]).await;
    let cosigner = cosigner(policy(&parts, 3), LONG, FailureMode::Closed);
    for size in [1, 5, 5, 8, 300] {
        let cosigned = ask(&cosigner, &log, size).await;
        assert!(cosigned.quorum_met && cosigned.may_publish);
        let names: Vec<&str> = cosigned
            .lines
            .iter()
            .map(|line| line.name.as_str())
            .collect();
        assert_eq!(names, ["c.example", "a.example", "b.example"]);
        assert_eq!(
            outcomes(&cosigned),
            vec![Outcome::Cosigned { time: NOW }; 3]
        );
        // What the caller publishes: the log's line first.
        let lines: String = cosigned
            .lines
            .iter()
            .map(|line| format!("{line}\n"))
            .collect();
        let checkpoint = log.checkpoint(size).await;
        assert_eq!(cosigned.checkpoint, format!("{checkpoint}{lines}"));
    }
}

#[tokio::test]
async fn a_log_that_forgot_what_witnesses_have_recovers_from_409() {
    let log = TestLog::new(Algorithm::Ed25519);
    let (all, parts) = witnesses(&log, &["w.example"]).await;
    let before = cosigner(policy(&parts, 1), LONG, FailureMode::Closed);
    assert!(ask(&before, &log, 5).await.quorum_met);
    // A restarted log knows nothing: 409, then a proof from there. Also when it has not grown.
    for size in [5, 9] {
        let after = cosigner(policy(&parts, 1), LONG, FailureMode::Closed);
        assert!(ask(&after, &log, size).await.quorum_met, "{size}");
        let latest = all[0].store.latest(log.origin).await.unwrap().unwrap();
        assert_eq!(latest.size, size);
    }
    // And the first one, whose memory is old by now.
    assert!(ask(&before, &log, 10).await.quorum_met);
}

#[tokio::test]
async fn a_witness_that_is_ahead_is_told_apart() {
    let log = TestLog::new(Algorithm::Ed25519);
    let (_all, parts) = witnesses(&log, &["w.example"]).await;
    let cosigner = cosigner(policy(&parts, 1), LONG, FailureMode::Closed);
    assert!(ask(&cosigner, &log, 9).await.quorum_met);
    for _ in 0..2 {
        let behind = ask(&cosigner, &log, 5).await;
        assert_eq!(outcomes(&behind), [Outcome::Ahead { size: 9 }]);
        assert!(!behind.quorum_met && !behind.may_publish && behind.lines.is_empty());
    }
    assert!(ask(&cosigner, &log, 12).await.quorum_met);
}

#[tokio::test]
async fn a_forked_log_gets_no_cosignature() {
    let log = TestLog::new(Algorithm::Ed25519);
    let (_all, parts) = witnesses(&log, &["w.example"]).await;
    let cosigner = cosigner(policy(&parts, 1), LONG, FailureMode::Open);
    assert!(ask(&cosigner, &log, 5).await.quorum_met);
    for size in [5, 9] {
        let forked = ask(&cosigner, &log.fork(), size).await;
        let [
            Outcome::Refused {
                status: 422,
                reason,
            },
        ] = &outcomes(&forked)[..]
        else {
            panic!("{forked:?}");
        };
        assert!(reason.contains(log.origin), "{reason}");
        // Fail-open says so, and publishes.
        assert!(!forked.quorum_met && forked.may_publish);
    }
}

#[tokio::test]
async fn an_unknown_origin_and_an_unknown_key_are_refusals() {
    let log = TestLog::new(Algorithm::Ed25519);
    let (_all, parts) = witnesses(&log, &["w.example"]).await;
    let cosigner = cosigner(policy(&parts, 1), LONG, FailureMode::Closed);
    let mut elsewhere = log.clone();
    elsewhere.origin = "elsewhere.example.com";
    for (asked, want) in [(elsewhere, 404), (TestLog::new(Algorithm::Ed25519), 403)] {
        let refused = ask(&cosigner, &asked, 5).await;
        let [Outcome::Refused { status, .. }] = outcomes(&refused)[..] else {
            panic!("{refused:?}");
        };
        assert_eq!(status, want);
    }
}

#[tokio::test]
async fn a_quorum_of_two_does_not_wait_for_the_third() {
    let log = TestLog::new(Algorithm::Ed25519);
    let (_all, mut parts) = witnesses(&log, &["a.example", "b.example", "c.example"]).await;
    let never = axum::Router::new().fallback(|| async { std::future::pending::<()>().await });
    parts[0].1 = serve(never).await;
    let cosigner = cosigner(policy(&parts, 2), LONG, FailureMode::Closed);
    for size in [5, 9] {
        let start = Instant::now();
        let cosigned = ask(&cosigner, &log, size).await;
        assert!(start.elapsed() < LONG / 2);
        assert!(cosigned.quorum_met);
        assert_eq!(outcomes(&cosigned)[0], Outcome::NotAwaited);
        assert_eq!(cosigned.lines.len(), 2);
    }
}

#[tokio::test]
async fn without_a_quorum_to_meet_everybody_is_waited_for() {
    let log = TestLog::new(Algorithm::Ed25519);
    let (_all, parts) = witnesses(&log, &["a.example", "b.example"]).await;
    let cosigner = cosigner(policy(&parts, 0), LONG, FailureMode::Open);
    let cosigned = ask(&cosigner, &log, 5).await;
    assert!(cosigned.quorum_met);
    assert_eq!(cosigned.lines.len(), 2);
}

/// A log whose database is away.
struct Away;

#[async_trait]
impl Consistency for Away {
    async fn proof(&self, _: u64, _: u64) -> Result<Vec<Hash>, ProofUnavailable> {
        Err(ProofUnavailable("the database is away".into()))
    }
}

#[tokio::test]
async fn a_log_that_cannot_prove_asks_nobody() {
    let log = TestLog::new(Algorithm::Ed25519);
    let (_all, parts) = witnesses(&log, &["w.example"]).await;
    let cosigner = cosigner(policy(&parts, 1), LONG, FailureMode::Closed);
    ask(&cosigner, &log, 5).await;
    let checkpoint = log.checkpoint(9).await;
    let cosigned = cosigner.cosign(checkpoint.as_bytes(), Arc::new(Away));
    let cosigned = cosigned.await.unwrap();
    let want = Outcome::NoProof("no consistency proof: the database is away".into());
    assert_eq!(outcomes(&cosigned), [want]);
}

#[tokio::test]
async fn what_is_no_checkpoint_is_an_error() {
    let cosigner = cosigner(policy(&[], 0), LONG, FailureMode::Open);
    let log = TestLog::new(Algorithm::Ed25519);
    for bytes in [&b"nonsense"[..], b"\xff"] {
        assert!(cosigner.cosign(bytes, log.proofs()).await.is_err());
    }
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let log = TestLog::new(Algorithm::Ed25519);
    let (_all, parts) = witnesses(&log, &["w.example"]).await;
    let (vkey, _) = &parts[0];
    let new = |policy: &str, timeout: u64| {
        let policy = note::policy::Policy::parse(policy.as_bytes()).unwrap();
        let mut config = CosignerConfig::new("log", policy);
        config.timeout = Duration::from_secs(timeout);
        Cosigner::new(config, crate::fixture::clock().0, &Registry::new()).map(|_| ())
    };
    let url = |url: &str| format!("witness w {vkey} {url}\nquorum none\n");
    for bad in [
        "w.example",
        "ftp://w.example",
        "https://w.example/?a=b",
        "https://u:p@w.example",
    ] {
        let error = new(&url(bad), 1).unwrap_err();
        assert!(matches!(error, ConfigError::Url { .. }), "{bad}: {error}");
        assert!(!error.to_string().contains("u:p"), "{error}");
    }
    assert!(new(&url("https://w.example/prefix/"), 1).is_ok());
    assert!(matches!(
        new(&url("https://w.example"), 0),
        Err(ConfigError::Timeout)
    ));
    assert!(matches!(
        new(&url("https://w.example"), 31),
        Err(ConfigError::Timeout)
    ));
    let many: String = (0..17_u8)
        .map(|byte| {
            let signer = Signer::in_memory(Purpose::Witness, Algorithm::Ed25519).unwrap();
            let vkey = verifier_key("w.example", &signer).unwrap();
            format!("witness w{byte} {vkey} https://w.example\n")
        })
        .collect();
    let error = new(&format!("{many}quorum none\n"), 1);
    assert!(matches!(
        error,
        Err(ConfigError::TooManyWitnesses { have: 17 })
    ));
    let unreachable = format!("witness w {vkey}\nquorum w\n");
    let error = new(&unreachable, 1);
    assert!(matches!(error, Err(ConfigError::QuorumOutOfReach)));
}

#[tokio::test]
async fn outcomes_are_counted_by_witness() {
    let log = TestLog::new(Algorithm::Ed25519);
    let (_all, parts) = witnesses(&log, &["w.example"]).await;
    let registry = Registry::new();
    let config = CosignerConfig::new("rekor-v2", policy(&parts, 1));
    let cosigner = Cosigner::new(config, crate::fixture::clock().0, &registry).unwrap();
    ask(&cosigner, &log, 5).await;
    ask(&cosigner, &log.fork(), 5).await;
    let mut text = Vec::new();
    TextEncoder::new()
        .encode(&registry.gather(), &mut text)
        .unwrap();
    let text = String::from_utf8(text).unwrap();
    for line in [
        r#"cosign_requests_total{log="rekor-v2",outcome="cosigned",witness="w0"} 1"#,
        r#"cosign_requests_total{log="rekor-v2",outcome="refused",witness="w0"} 1"#,
        r#"cosign_rounds_total{log="rekor-v2"} 2"#,
        r#"cosign_rounds_without_quorum_total{log="rekor-v2"} 1"#,
        r#"cosign_latency_seconds_count{log="rekor-v2",witness="w0"} 2"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}
