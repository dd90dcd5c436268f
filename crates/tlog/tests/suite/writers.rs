//! Two engines on one store: the head row is the only coordination.

use crate::fixture::{Fixture, append, append_all, audit, check_answer, submission};
use crate::stamp;
use tlog::Store;

stamp!(
    a_second_writer_loses_and_goes_on,
    two_writers_make_one_log,
    two_writers_log_an_identity_once,
    what_another_writer_committed_is_found
);

async fn a_second_writer_loses_and_goes_on(fixture: Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    append_all(&one, 0..3).await;
    assert_eq!(two.head().size, 0);
    let answer = append(&two, submission(3)).await;
    assert_eq!((answer.entry.index, answer.head.size), (3, 4));
    let answer = append(&one, submission(4)).await;
    assert_eq!((answer.entry.index, answer.head.size), (4, 5));
}

async fn two_writers_make_one_log(fixture: Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let log = if task % 2 == 0 {
            one.clone()
        } else {
            two.clone()
        };
        tasks.spawn(async move { append_all(&log, task * 50..(task + 1) * 50).await });
    }
    let answers = tasks.join_all().await.concat();
    let last = append(&one, submission(400)).await;
    assert_eq!(last.head.size, 401);
    let leaves = audit(&*fixture.store, &one).await;
    for answer in &answers {
        check_answer(answer);
        assert!(!answer.duplicate);
        assert_eq!(answer.entry.leaf, leaves[answer.entry.index as usize]);
        assert_eq!(
            one.root_at(answer.head.size).await.unwrap(),
            answer.head.root,
            "one root per size"
        );
    }
}

/// A client that was answered by one process may ask another one next.
async fn what_another_writer_committed_is_found(fixture: Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    for number in 0..300_usize {
        let answer = append(&one, submission(number)).await;
        let (index, size) = (number as u64, number as u64 + 1);
        assert_eq!(two.head().size, index, "not asked yet");
        match number % 8 {
            0 => assert_eq!(two.entry(index).await.unwrap(), Some(answer.entry)),
            1 => assert_eq!(two.entries(index, size).await.unwrap(), [answer.entry]),
            2 => {
                let found = two.find_leaf(&submission(number).identity).await;
                assert_eq!(found.unwrap(), Some(index));
            }
            3 => {
                let found = two.find_identity(&submission(number).identity).await;
                assert_eq!(found.unwrap(), Some(index));
            }
            4 => assert_eq!(
                two.inclusion_proof(index, size).await.unwrap(),
                answer.proof
            ),
            5 => drop(two.consistency_proof(1, size).await.unwrap()),
            6 => assert_eq!(two.root_at(size).await.unwrap(), answer.head.root),
            _ => {
                let width = u16::try_from(index % 256).unwrap() + 1;
                assert!(two.bundle(index / 256, width).await.unwrap().is_some());
                assert!(two.tile(0, index / 256, width).await.unwrap().is_some());
            }
        }
        assert_eq!(two.head(), answer.head);
    }
    let nothing = two.find_leaf(&submission(300).identity).await;
    assert_eq!(nothing.unwrap(), None);
}

async fn two_writers_log_an_identity_once(fixture: Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    for number in 0..40 {
        let (a, b) = tokio::join!(
            one.append(submission(number)),
            two.append(submission(number))
        );
        let (a, b) = (a.unwrap(), b.unwrap());
        check_answer(&a);
        check_answer(&b);
        assert_eq!(a.entry.index, b.entry.index);
        assert!(a.duplicate != b.duplicate, "one of them was first");
    }
    assert_eq!(fixture.store.head("test").await.unwrap().unwrap().size, 40);
}
