//! The witness's answers, status by status. C2SP tlog-witness.

use crate::fixture::{NOW, ORIGIN, TestLog, TestWitness};
use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use keys::{Algorithm, Purpose, Signer};
use note::{Cosignature, SignedNote, cosignature_message, parse_signature_lines};
use pki::key::Scheme;
use prometheus::Registry;
use tower::ServiceExt;
use witness::request::encode;
use witness::server::{self, BuildError, Config, Deps};
use witness::store::origin_hash;

struct Answer {
    status: StatusCode,
    content_type: String,
    body: String,
}

async fn call(witness: &TestWitness, request: Request<Body>) -> Answer {
    let response = witness.witness.router().oneshot(request).await.unwrap();
    let content_type = response.headers().get("content-type");
    let content_type = content_type.map(|value| value.to_str().unwrap().to_owned());
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Answer {
        status,
        content_type: content_type.unwrap_or_default(),
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

async fn add(witness: &TestWitness, body: impl Into<String>) -> Answer {
    let request = Request::post("/add-checkpoint").body(Body::from(body.into()));
    call(witness, request.unwrap()).await
}

async fn latest(witness: &TestWitness) -> Answer {
    let path = format!("/{}/checkpoint", hex::encode(origin_hash(ORIGIN)));
    call(witness, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn log_and_witness() -> (TestLog, TestWitness) {
    let log = TestLog::new(Algorithm::Ed25519);
    let witness = TestWitness::new("witness.example.org/w1", &[&log]).await;
    (log, witness)
}

async fn size_of(witness: &TestWitness) -> Option<u64> {
    let latest = witness.store.latest(ORIGIN).await.unwrap();
    latest.map(|latest| latest.size)
}

#[tokio::test]
async fn a_fresh_log_is_cosigned_and_the_line_verifies() {
    let (log, witness) = log_and_witness().await;
    let answer = add(&witness, log.request(0, 5).await).await;
    assert_eq!(answer.status, 200);
    let lines = parse_signature_lines(&answer.body).unwrap();
    assert_eq!(
        (lines.len(), lines[0].name.as_str()),
        (1, "witness.example.org/w1")
    );
    assert_eq!(lines[0].hint, witness.witness.verifier_key().hint());
    let cosignature = Cosignature::parse(&lines[0].signature).unwrap();
    assert_eq!(cosignature.time, NOW);
    let checkpoint = log.checkpoint(5).await;
    let note = SignedNote::parse(&checkpoint).unwrap();
    let message = cosignature_message(NOW, note.text());
    let key = witness.signer.public_key();
    key.verify(Scheme::Ed25519, message.as_bytes(), &cosignature.signature)
        .unwrap();
    // Readers get the log's line and ours.
    let read = latest(&witness).await;
    assert_eq!(read.status, 200);
    assert_eq!(read.content_type, "text/plain; charset=utf-8");
    assert_eq!(read.body, format!("{checkpoint}{}", answer.body));
}

#[tokio::test]
async fn a_log_grows_from_any_size_to_any_size() {
    let (log, witness) = log_and_witness().await;
    let mut old = 0;
    for new in [0, 1, 2, 3, 7, 8, 8, 13, 64, 100, 257, 257] {
        let answer = add(&witness, log.request(old, new).await).await;
        assert_eq!(answer.status, 200, "{old} to {new}: {}", answer.body);
        assert_eq!(size_of(&witness).await, Some(new));
        old = new;
    }
}

#[tokio::test]
async fn an_ecdsa_log_is_witnessed_as_well() {
    let log = TestLog::new(Algorithm::EcdsaP256);
    let witness = TestWitness::new("w.example", &[&log]).await;
    assert_eq!(add(&witness, log.request(0, 3).await).await.status, 200);
    assert_eq!(add(&witness, log.request(3, 9).await).await.status, 200);
}

#[tokio::test]
async fn another_old_size_is_answered_with_ours() {
    let (log, witness) = log_and_witness().await;
    for (old, new, want) in [(2, 5, "0\n"), (5, 5, "0\n")] {
        let answer = add(&witness, log.request(old, new).await).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (409, want));
    }
    add(&witness, log.request(0, 5).await).await;
    for (old, new) in [(0, 9), (4, 9), (6, 9), (0, 3), (3, 3), (0, 5)] {
        let answer = add(&witness, log.request(old, new).await).await;
        assert_eq!(answer.status, 409, "{old} to {new}");
        assert_eq!(answer.content_type, "text/x.tlog.size");
        assert_eq!(answer.body, "5\n");
    }
    assert_eq!(size_of(&witness).await, Some(5));
}

#[tokio::test]
async fn the_same_checkpoint_again_gets_a_newer_cosignature() {
    let (log, witness) = log_and_witness().await;
    let first = add(&witness, log.request(0, 5).await).await;
    witness.hand.advance(100);
    let again = add(&witness, log.request(5, 5).await).await;
    assert_eq!(again.status, 200);
    assert_ne!(first.body, again.body);
    let line = &parse_signature_lines(&again.body).unwrap()[0];
    assert_eq!(Cosignature::parse(&line.signature).unwrap().time, NOW + 100);
    assert!(latest(&witness).await.body.ends_with(&again.body));
}

#[tokio::test]
async fn an_old_size_above_the_new_one_is_a_bad_request() {
    let (log, witness) = log_and_witness().await;
    add(&witness, log.request(0, 5).await).await;
    let body = encode(5, &[], &log.checkpoint(4).await);
    assert_eq!(add(&witness, body).await.status, 400);
    assert_eq!(add(&witness, "nonsense").await.status, 400);
    let body = "a".repeat(400_000);
    assert_eq!(add(&witness, body).await.status, 413);
}

#[tokio::test]
async fn an_unknown_origin_is_not_found() {
    let (_, witness) = log_and_witness().await;
    let mut other = TestLog::new(Algorithm::Ed25519);
    other.origin = "other.example.com";
    assert_eq!(add(&witness, other.request(0, 5).await).await.status, 404);
    assert_eq!(latest(&witness).await.status, 404);
}

#[tokio::test]
async fn a_checkpoint_by_another_key_is_forbidden() {
    let (log, witness) = log_and_witness().await;
    // Another key under the same origin: its hint is another.
    let stranger = TestLog::new(Algorithm::Ed25519);
    assert_eq!(
        add(&witness, stranger.request(0, 5).await).await.status,
        403
    );
    // The right name and hint over other bytes.
    let body = log
        .request(0, 5)
        .await
        .replace(&format!("{ORIGIN}\n5\n"), &format!("{ORIGIN}\n6\n"));
    assert_eq!(add(&witness, body).await.status, 403);
    // A good line of the log's and a bad one.
    let checkpoint = log.checkpoint(5).await;
    let mut note = SignedNote::parse(&checkpoint).unwrap();
    note.push(log.key().line(vec![7; 64])).unwrap();
    let body = encode(0, &[], &note.to_string());
    assert_eq!(add(&witness, body).await.status, 403);
    assert_eq!(size_of(&witness).await, None);
}

#[tokio::test]
async fn lines_of_others_are_ignored_and_not_kept() {
    let (log, witness) = log_and_witness().await;
    let checkpoint = log.checkpoint(5).await;
    let stranger = "— stranger.example AAAAAAAA\n";
    let body = encode(0, &[], &format!("{checkpoint}{stranger}"));
    assert_eq!(add(&witness, body).await.status, 200);
    assert!(!latest(&witness).await.body.contains("stranger"));
}

#[tokio::test]
async fn a_bad_proof_is_unprocessable() {
    let (log, witness) = log_and_witness().await;
    add(&witness, log.request(0, 5).await).await;
    let checkpoint = log.checkpoint(9).await;
    let good = log.prove(5, 9);
    let (mut flipped, mut long) = (good.clone(), good.clone());
    flipped[1][0] ^= 1;
    long.push([0; 32]);
    let short = good[1..].to_vec();
    for proof in [flipped, long, short, Vec::new()] {
        let answer = add(&witness, encode(5, &proof, &checkpoint)).await;
        assert_eq!(answer.status, 422, "{proof:?}");
    }
    assert_eq!(size_of(&witness).await, Some(5));
    assert_eq!(
        add(&witness, encode(5, &good, &checkpoint)).await.status,
        200
    );
}

#[tokio::test]
async fn a_forked_log_is_unprocessable_whatever_it_proves() {
    let (log, witness) = log_and_witness().await;
    add(&witness, log.request(0, 5).await).await;
    let fork = log.fork();
    assert_eq!(add(&witness, fork.request(5, 5).await).await.status, 422);
    assert_eq!(add(&witness, fork.request(5, 9).await).await.status, 422);
    assert_eq!(size_of(&witness).await, Some(5));
}

#[tokio::test]
async fn a_proof_from_nothing_is_empty_and_so_is_the_empty_tree() {
    let (log, witness) = log_and_witness().await;
    let body = encode(0, &[[1; 32]], &log.checkpoint(5).await);
    assert_eq!(add(&witness, body).await.status, 422);
    let body = encode(0, &[], &log.sign(0, [1; 32]).await);
    assert_eq!(add(&witness, body).await.status, 422);
    assert_eq!(add(&witness, log.request(0, 0).await).await.status, 200);
    // The same again, and on from it.
    assert_eq!(add(&witness, log.request(0, 0).await).await.status, 200);
    assert_eq!(add(&witness, log.request(0, 4).await).await.status, 200);
}

#[tokio::test]
async fn a_tree_that_cannot_be_counted_is_refused() {
    let (log, witness) = log_and_witness().await;
    let body = encode(0, &[], &log.sign(u64::MAX, [1; 32]).await);
    assert_eq!(add(&witness, body).await.status, 400);
}

#[tokio::test]
async fn of_two_requests_at_once_one_wins() {
    let (log, witness) = log_and_witness().await;
    add(&witness, log.request(0, 5).await).await;
    let bodies = [log.request(5, 8).await, log.request(5, 9).await];
    let (a, b) = tokio::join!(
        add(&witness, bodies[0].clone()),
        add(&witness, bodies[1].clone())
    );
    let mut all = [(a.status.as_u16(), 8), (b.status.as_u16(), 9)];
    all.sort_unstable();
    let [(200, winner), (409, _)] = all else {
        panic!("{all:?}");
    };
    assert_eq!(size_of(&witness).await, Some(winner));
    let loser = if a.status == 409 { a } else { b };
    assert_eq!(loser.body, format!("{winner}\n"));
}

#[tokio::test]
async fn two_forks_at_once_never_both_win() {
    for _ in 0..20 {
        let (log, witness) = log_and_witness().await;
        let bodies = [log.request(0, 5).await, log.fork().request(0, 5).await];
        let (a, b) = tokio::join!(
            add(&witness, bodies[0].clone()),
            add(&witness, bodies[1].clone())
        );
        let won = [&a, &b].iter().filter(|one| one.status == 200).count();
        assert_eq!(won, 1, "{} {}", a.status, b.status);
    }
}

#[tokio::test]
async fn a_restart_keeps_what_was_cosigned() {
    let (log, witness) = log_and_witness().await;
    add(&witness, log.request(0, 5).await).await;
    let read = latest(&witness).await.body;
    let witness = witness.restarted().await;
    assert_eq!(latest(&witness).await.body, read);
    let answer = add(&witness, log.fork().request(0, 5).await).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (409, "5\n"));
    assert_eq!(add(&witness, log.request(5, 6).await).await.status, 200);
}

#[tokio::test]
async fn a_small_step_back_of_the_clock_does_not_show() {
    let (log, witness) = log_and_witness().await;
    let time = |answer: &Answer| {
        let line = &parse_signature_lines(&answer.body).unwrap()[0];
        Cosignature::parse(&line.signature).unwrap().time
    };
    add(&witness, log.request(0, 5).await).await;
    witness.hand.advance(-30);
    assert_eq!(time(&add(&witness, log.request(5, 6).await).await), NOW);
    // A larger one was an earlier mistake, which must not last.
    witness.hand.advance(-3600);
    let answer = add(&witness, log.request(6, 7).await).await;
    assert_eq!(time(&answer), NOW - 3630);
}

#[tokio::test]
async fn only_the_canonical_address_of_a_log_answers() {
    let (log, witness) = log_and_witness().await;
    add(&witness, log.request(0, 5).await).await;
    let hash = hex::encode(origin_hash(ORIGIN));
    for name in [hash.to_uppercase(), hash[2..].to_owned(), ORIGIN.to_owned()] {
        let path = format!("/{name}/checkpoint");
        let request = Request::get(path).body(Body::empty()).unwrap();
        assert_eq!(call(&witness, request).await.status, 404, "{name}");
    }
    let request = Request::get("/add-checkpoint").body(Body::empty());
    assert_eq!(call(&witness, request.unwrap()).await.status, 405);
}

#[tokio::test]
async fn a_witness_has_an_ed25519_key_of_its_purpose_and_a_memory_of_its_own() {
    let (_, witness) = log_and_witness().await;
    let build = |name: &str, signer: Signer| {
        let config = Config {
            name: name.to_owned(),
            prefix: String::new(),
            logs: Vec::new(),
        };
        let deps = Deps {
            signer,
            store: witness.store.clone(),
            clock: crate::fixture::clock().0,
            registry: Registry::new(),
        };
        server::build(config, deps)
    };
    let key = |purpose, algorithm| Signer::in_memory(purpose, algorithm).unwrap();
    let refused = build("w", key(Purpose::CtLog, Algorithm::Ed25519)).await;
    assert!(matches!(refused, Err(BuildError::Purpose(_))));
    let refused = build("w", key(Purpose::Witness, Algorithm::EcdsaP256)).await;
    assert!(matches!(refused, Err(BuildError::KeyKind)));
    let refused = build("a b", key(Purpose::Witness, Algorithm::Ed25519)).await;
    assert!(matches!(refused, Err(BuildError::Name(_))));
    // The same key under another name is another witness: its signatures would not tell.
    let refused = build("w", witness.signer.clone()).await;
    assert!(matches!(refused, Err(BuildError::Store(_))));
}
