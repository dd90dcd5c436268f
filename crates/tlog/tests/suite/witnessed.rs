//! A log with witnesses shows nothing before they cosigned it, and goes on committing meanwhile.

use crate::fixture::{Fixture, append_together, check_answer, submission};
use crate::stamp;
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tlog::{AppendError, Limits, Log, NoGuard, OpenError, Store, Tree, TreeHead, Witnesses};

stamp!(
    what_is_not_cosigned_is_not_shown,
    one_round_serves_what_was_committed_meanwhile,
    a_duplicate_waits_for_the_witnesses_as_well,
    what_was_not_cosigned_before_is_cosigned_at_the_start,
);

/// A line that is looked for in what is shown.
const LINE: &str = "\u{2014} witness.example AAAAAAAA\n";

/// Cosigns when it is willing, and checks that each head follows from the last one it saw.
#[derive(Default)]
struct Willing {
    refuses: AtomicBool,
    delay: Duration,
    seen: Mutex<Vec<(u64, merkle::Hash)>>,
}

#[async_trait]
impl Witnesses for Willing {
    async fn cosign(&self, head: &TreeHead, tree: Tree) -> Result<Bytes, String> {
        tokio::time::sleep(self.delay).await;
        if self.refuses.load(Ordering::SeqCst) {
            return Err("no quorum".into());
        }
        let last = self.seen.lock().unwrap().last().copied();
        if let Some((size, root)) = last {
            let proof = tree.consistency_proof(size).await.unwrap();
            merkle::proof::verify_consistency(size, head.size, &proof, &root, &head.root).unwrap();
        }
        self.seen.lock().unwrap().push((head.size, head.root));
        Ok([&head.checkpoint[..], LINE.as_bytes()].concat().into())
    }
}

async fn open(fixture: &Fixture, witnesses: &Arc<Willing>) -> Result<Log, OpenError> {
    Log::open_witnessed(
        fixture.store.clone(),
        "test",
        fixture.signer.clone(),
        fixture.clock.clone(),
        Limits::default(),
        true,
        Arc::new(NoGuard),
        Some(witnesses.clone()),
    )
    .await
}

fn is_cosigned(head: &TreeHead) -> bool {
    head.checkpoint.ends_with(LINE.as_bytes())
}

async fn what_is_not_cosigned_is_not_shown(fixture: Fixture) {
    let witnesses = Arc::new(Willing::default());
    let log = open(&fixture, &witnesses).await.unwrap();
    for answer in append_together(&log, 0..3).await {
        assert!(is_cosigned(&answer.head));
    }
    witnesses.refuses.store(true, Ordering::SeqCst);
    let before = log.head();
    let appending = tokio::spawn({
        let log = log.clone();
        async move { log.append(submission(3)).await }
    });
    // It is committed, and neither its answer nor its head, entry or hash is shown.
    while fixture.store.head("test").await.unwrap().unwrap().size < 4 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!appending.is_finished());
    assert_eq!(log.head(), before);
    assert_eq!(log.entry(3).await.unwrap(), None);
    let found = log.find_leaf(&submission(3).identity).await.unwrap();
    assert_eq!(found, None);
    witnesses.refuses.store(false, Ordering::SeqCst);
    let answer = appending.await.unwrap().unwrap();
    check_answer(&answer);
    assert!(is_cosigned(&answer.head) && answer.entry.index == 3);
    assert_eq!(log.entry(3).await.unwrap().unwrap().leaf, "leaf 3");
    log.close().await;
}

async fn one_round_serves_what_was_committed_meanwhile(fixture: Fixture) {
    let witnesses = Arc::new(Willing {
        delay: Duration::from_millis(400),
        ..Willing::default()
    });
    let log = open(&fixture, &witnesses).await.unwrap();
    let answers = append_together(&log, 0..600).await;
    assert!(answers.iter().all(|answer| is_cosigned(&answer.head)));
    // Three batches at least; a slow store may need more rounds than two.
    let rounds = witnesses.seen.lock().unwrap().len();
    assert!(rounds < 20, "{rounds} rounds");
    log.close().await;
}

async fn a_duplicate_waits_for_the_witnesses_as_well(fixture: Fixture) {
    let witnesses = Arc::new(Willing::default());
    let log = open(&fixture, &witnesses).await.unwrap();
    witnesses.refuses.store(true, Ordering::SeqCst);
    let both = [0, 0].map(|number| {
        let log = log.clone();
        tokio::spawn(async move { log.append(submission(number)).await })
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(both.iter().all(|one| !one.is_finished()));
    witnesses.refuses.store(false, Ordering::SeqCst);
    let mut duplicates = 0;
    for one in both {
        let answer = one.await.unwrap().unwrap();
        assert!(is_cosigned(&answer.head) && answer.entry.index == 0);
        duplicates += u32::from(answer.duplicate);
    }
    assert_eq!(duplicates, 1);
    log.close().await;
}

async fn what_was_not_cosigned_before_is_cosigned_at_the_start(mut fixture: Fixture) {
    let log = fixture.open().await;
    append_together(&log, 0..5).await;
    log.close().await;
    drop(log);
    fixture.restart().await;
    let log = open(&fixture, &Arc::default()).await.unwrap();
    assert!(is_cosigned(&log.head()) || log.head().size == 0);
    log.close().await;
}

#[tokio::test(start_paused = true)]
async fn without_quorum_an_entry_is_stored_and_the_answer_says_so() {
    let fixture = Fixture::memory().await.unwrap();
    let witnesses = Arc::new(Willing::default());
    let log = open(&fixture, &witnesses).await.unwrap();
    witnesses.refuses.store(true, Ordering::SeqCst);
    let error = log.append(submission(0)).await.unwrap_err();
    assert!(
        matches!(&error, AppendError::Unavailable(why) if why.contains("stored")),
        "{error:?}"
    );
    // The retry finds it.
    witnesses.refuses.store(false, Ordering::SeqCst);
    let again = log.append(submission(0)).await.unwrap();
    assert!(again.duplicate && again.entry.index == 0);
    log.close().await;

    witnesses.refuses.store(true, Ordering::SeqCst);
    let refused = open(&fixture, &witnesses).await.err().unwrap();
    assert!(matches!(refused, OpenError::NotCosigned(_)), "{refused:?}");
}
