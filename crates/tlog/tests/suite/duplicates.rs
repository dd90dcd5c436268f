//! Deduplication is strict: in the store, in flight, within a batch.

use crate::fixture::{
    Fixture, append, append_all, append_together, audit, check_answer, leaf, submission,
};
use crate::stamp;
use bytes::Bytes;
use tlog::{Log, Submission};

stamp!(
    a_stored_entry_is_found_again,
    equal_submissions_in_flight_share_one_entry,
    a_duplicate_answers_the_first_copy,
    two_identities_may_share_a_leaf,
    many_copies_at_once_make_one_entry,
);

async fn a_stored_entry_is_found_again(fixture: Fixture) {
    let log = fixture.open().await;
    let first = append_together(&log, 0..300).await;
    fixture.hand.advance(60);
    for (number, before) in first.iter().enumerate().step_by(37) {
        let again = append(&log, submission(number)).await;
        assert!(again.duplicate);
        assert_eq!(again.entry, before.entry);
        assert_eq!(
            log.find_identity(&submission(number).identity)
                .await
                .unwrap(),
            Some(before.entry.index)
        );
    }
    assert_eq!(log.head().size, 300);
}

async fn equal_submissions_in_flight_share_one_entry(fixture: Fixture) {
    let log = fixture.open().await;
    fixture.store.hold();
    let spawn = |log: &Log| {
        let log = log.clone();
        tokio::spawn(async move { log.append(submission(7)).await.unwrap() })
    };
    let first = spawn(&log);
    fixture.store.until_commits(1).await;
    // The first copy is being committed; these two wait for the next batch.
    let copies = [spawn(&log), spawn(&log)];
    fixture.store.release();
    let first = first.await.unwrap();
    assert!(!first.duplicate);
    for copy in copies {
        let copy = copy.await.unwrap();
        check_answer(&copy);
        assert!(copy.duplicate);
        assert_eq!(copy.entry, first.entry);
    }
    assert_eq!(audit(&*fixture.store, &log).await, ["leaf 7"]);
}

async fn a_duplicate_answers_the_first_copy(fixture: Fixture) {
    let log = fixture.open().await;
    let copy = |text: &str| Submission {
        identity: [7; 32],
        extra: Bytes::from(format!("beside {text}")),
        ..leaf(text)
    };
    let first = append(&log, copy("first")).await;
    let again = append(&log, copy("second")).await;
    assert!(again.duplicate && !first.duplicate);
    assert_eq!(
        (&again.entry.leaf[..], &again.entry.extra[..]),
        (&b"first"[..], &b"beside first"[..])
    );
    assert_eq!(log.find_identity(&[7; 32]).await.unwrap(), Some(0));
    assert_eq!(
        log.find_identity(&leaf("first").identity).await.unwrap(),
        None
    );
    assert_eq!(log.find_leaf(&[7; 32]).await.unwrap(), None);
    assert_eq!(
        log.find_leaf(&leaf("first").identity).await.unwrap(),
        Some(0)
    );
}

async fn two_identities_may_share_a_leaf(fixture: Fixture) {
    let log = fixture.open().await;
    let with = |identity| Submission {
        identity: [identity; 32],
        ..leaf("same")
    };
    assert_eq!(append(&log, with(1)).await.entry.index, 0);
    let second = append(&log, with(2)).await;
    assert!(!second.duplicate);
    assert_eq!(second.entry.index, 1);
    assert_eq!(
        log.find_leaf(&leaf("same").identity).await.unwrap(),
        Some(0),
        "the first one is found"
    );
}

async fn many_copies_at_once_make_one_entry(fixture: Fixture) {
    let log = fixture.open().await;
    append_all(&log, 0..250).await;
    let copies = futures::future::join_all(
        (0..600).map(|number| append(&log, submission(1000 + number % 10))),
    )
    .await;
    assert_eq!(copies.iter().filter(|copy| !copy.duplicate).count(), 10);
    assert_eq!(audit(&*fixture.store, &log).await.len(), 260);
}
