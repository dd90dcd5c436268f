//! Witnesses that do not do what they should: none of it counts, none of it holds the log up.

use crate::fixture::{NOW, TestLog, cosigner, policy, serve};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use keys::{Algorithm, Purpose, Signer};
use note::{Cosignature, VerifierKey, cosignature_message};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use witness::request::AddCheckpoint;
use witness::server::verifier_key;
use witness::{AnswerError, FailureMode, Outcome};

const LONG: Duration = Duration::from_secs(10);

/// What an impostor signs with, and what it answers: given the request and how many there were before.
struct Impostor {
    signer: Signer,
    key: VerifierKey,
}

impl Impostor {
    fn new() -> Arc<Self> {
        let signer = Signer::in_memory(Purpose::Witness, Algorithm::Ed25519).unwrap();
        let key = verifier_key("w.example", &signer).unwrap();
        Arc::new(Self { signer, key })
    }

    /// A cosignature by this key, whatever it says.
    async fn line(&self, time: u64, text: &str) -> String {
        let message = cosignature_message(time, text);
        let signature = self.signer.sign(message.as_bytes()).await.unwrap();
        let signature = signature.try_into().unwrap();
        let bytes = Cosignature { time, signature }.to_bytes();
        format!("{}\n", self.key.line(bytes.to_vec()))
    }
}

/// Asks a witness of that key that answers with `answer`.
async fn outcome<F, Fut>(key: &VerifierKey, answer: F) -> Outcome
where
    F: Fn(String) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response> + Send,
{
    let handler = move |body: Bytes| {
        let answer = answer.clone();
        async move {
            let request = AddCheckpoint::parse(&body).unwrap();
            answer(request.note.text().to_owned()).await
        }
    };
    let url = serve(Router::new().route("/add-checkpoint", post(handler))).await;
    let policy = policy(&[(key.to_string(), url)], 1);
    let cosigner = cosigner(policy, LONG, FailureMode::Closed);
    let log = TestLog::new(Algorithm::Ed25519);
    let checkpoint = log.checkpoint(5).await;
    let cosigned = cosigner.cosign(checkpoint.as_bytes(), log.proofs());
    let cosigned = cosigned.await.unwrap();
    let good = matches!(cosigned.witnesses[0].outcome, Outcome::Cosigned { .. });
    assert_eq!(cosigned.lines.len(), usize::from(good));
    assert_eq!(cosigned.quorum_met, good);
    cosigned.witnesses[0].outcome.clone()
}

#[tokio::test]
async fn a_cosignature_counts_only_with_key_text_and_time_of_now() {
    let one = Impostor::new();
    let line = |time: u64, more: &'static str| {
        let one = one.clone();
        move |text: String| {
            let one = one.clone();
            async move {
                one.line(time, &format!("{text}{more}"))
                    .await
                    .into_response()
            }
        }
    };
    let good = outcome(&one.key, line(NOW, "")).await;
    assert_eq!(good, Outcome::Cosigned { time: NOW });
    // Another text.
    let forged = outcome(&one.key, line(NOW, "more\n")).await;
    assert_eq!(forged, Outcome::Invalid(AnswerError::Forged));
    // Another key: the policy has one that this witness has not.
    let other = outcome(&Impostor::new().key, line(NOW, "")).await;
    assert_eq!(other, Outcome::Invalid(AnswerError::OtherKey));
    // A time too far away, and zero.
    for time in [NOW - 601, NOW + 601, 0] {
        let wrong = outcome(&one.key, line(time, "")).await;
        let want = AnswerError::Time { time, now: NOW };
        assert_eq!(wrong, Outcome::Invalid(want));
    }
    assert_eq!(
        outcome(&one.key, line(NOW + 600, "")).await,
        Outcome::Cosigned { time: NOW + 600 }
    );
}

#[tokio::test]
async fn a_bad_line_beside_a_good_one_spoils_the_answer_and_strangers_do_not() {
    let one = Impostor::new();
    let beside = |more: String| {
        let one = one.clone();
        move |text: String| {
            let (one, more) = (one.clone(), more.clone());
            async move { format!("{more}{}", one.line(NOW, &text).await).into_response() }
        }
    };
    let stranger = "— stranger.example AAAAAAAA\n".to_owned();
    let good = outcome(&one.key, beside(stranger)).await;
    assert_eq!(good, Outcome::Cosigned { time: NOW });
    let bad = format!("{}\n", one.key.line(vec![0; 72]));
    let spoiled = outcome(&one.key, beside(bad)).await;
    assert_eq!(spoiled, Outcome::Invalid(AnswerError::Forged));
}

#[tokio::test]
async fn answers_that_are_none_have_their_outcomes() {
    let one = Impostor::new();
    let conflict = StatusCode::CONFLICT;
    let size = [("content-type", "text/x.tlog.size")];
    let cases: Vec<(&str, Response, AnswerError)> = vec![
        (
            "too long",
            "a".repeat(70_000).into_response(),
            AnswerError::TooLong,
        ),
        (
            "no text",
            vec![0xff_u8].into_response(),
            AnswerError::NotText,
        ),
        (
            "409 of another type",
            (conflict, "3\n").into_response(),
            AnswerError::Size,
        ),
        (
            "409 without size",
            (conflict, size, "three\n").into_response(),
            AnswerError::Size,
        ),
    ];
    for (what, response, want) in cases {
        let response = Arc::new(std::sync::Mutex::new(Some(response)));
        let answer = move |_| {
            let response = response.lock().unwrap().take().unwrap();
            async move { response }
        };
        let outcome = outcome(&one.key, answer).await;
        assert_eq!(outcome, Outcome::Invalid(want), "{what}");
    }
    let html = outcome(&one.key, |_| async { "<html>".into_response() }).await;
    assert!(
        matches!(html, Outcome::Invalid(AnswerError::Lines(_))),
        "{html:?}"
    );
    let moved = |_| async { (StatusCode::FOUND, [("location", "/")], "a\x1bb").into_response() };
    let Outcome::Refused {
        status: 302,
        reason,
    } = outcome(&one.key, moved).await
    else {
        panic!("a redirect was followed");
    };
    assert_eq!(reason, "a b");
}

#[tokio::test]
async fn a_witness_that_keeps_changing_its_size_is_asked_twice() {
    let one = Impostor::new();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let restless = move |_| {
        let size = count.fetch_add(1, Ordering::SeqCst) + 2;
        let headers = [("content-type", "text/x.tlog.size")];
        let response = (StatusCode::CONFLICT, headers, format!("{size}\n")).into_response();
        async move { response }
    };
    let outcome = outcome(&one.key, restless).await;
    assert_eq!(outcome, Outcome::Conflict { size: 3 });
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_witness_that_hangs_costs_its_time_and_nothing_else() {
    let one = Impostor::new();
    let never = Router::new().fallback(|| async { std::future::pending::<()>().await });
    let url = serve(never).await;
    let policy = policy(&[(one.key.to_string(), url)], 1);
    let time = Duration::from_millis(200);
    let log = TestLog::new(Algorithm::Ed25519);
    for (mode, may_publish) in [(FailureMode::Open, true), (FailureMode::Closed, false)] {
        let cosigner = cosigner(policy.clone(), time, mode);
        let start = Instant::now();
        let checkpoint = log.checkpoint(5).await;
        let cosigned = cosigner.cosign(checkpoint.as_bytes(), log.proofs());
        let cosigned = cosigned.await.unwrap();
        assert!(start.elapsed() >= time && start.elapsed() < LONG / 2);
        assert_eq!(cosigned.witnesses[0].outcome, Outcome::TimedOut);
        assert_eq!(
            (cosigned.quorum_met, cosigned.may_publish),
            (false, may_publish)
        );
    }
}

#[tokio::test]
async fn a_witness_that_is_away_is_unreachable() {
    let one = Impostor::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let policy = policy(&[(one.key.to_string(), url)], 1);
    let cosigner = cosigner(policy, LONG, FailureMode::Open);
    let log = TestLog::new(Algorithm::Ed25519);
    let checkpoint = log.checkpoint(5).await;
    let cosigned = cosigner.cosign(checkpoint.as_bytes(), log.proofs());
    let outcome = &cosigned.await.unwrap().witnesses[0].outcome;
    assert!(
        matches!(outcome, Outcome::Unreachable(reason) if reason.contains("refused")),
        "{outcome:?}"
    );
}

/// The slow one is still answering the first round while the second begins: it is never asked twice at once.
#[tokio::test]
async fn a_slow_witness_is_asked_one_thing_at_a_time() {
    let one = Impostor::new();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let slow = Router::new()
        .fallback(
            |State((now, most)): State<(Arc<AtomicUsize>, Arc<AtomicUsize>)>| async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(100)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                StatusCode::SERVICE_UNAVAILABLE
            },
        )
        .with_state((now, most.clone()));
    let url = serve(slow).await;
    let policy = policy(&[(one.key.to_string(), url)], 1);
    let cosigner = cosigner(policy, LONG, FailureMode::Open);
    let log = TestLog::new(Algorithm::Ed25519);
    let checkpoint = log.checkpoint(5).await;
    let rounds = (0..5).map(|_| cosigner.cosign(checkpoint.as_bytes(), log.proofs()));
    futures::future::join_all(rounds).await;
    assert_eq!(most.load(Ordering::SeqCst), 1);
}
