//! A clock that is set back: nothing that the log says gets older than what it said before.

use crate::fixture::{Fixture, NOW};
use pki::sct::{self, CtEntry};

/// Timestamps of a new SCT and of the tree head that covers it, both verified.
async fn log_one(fixture: &Fixture) -> (u64, u64) {
    let precert = fixture.ca.precert().await;
    let sct = fixture.ct.add_pre_chain(&precert, &fixture.ca.chain).await;
    let sct = sct.unwrap();
    let entry = CtEntry::precert(&precert, fixture.ca.issuer()).unwrap();
    sct::verify(&sct, &entry, &fixture.key).unwrap();
    let sth = fixture.get_json("/ctlog/ct/v1/get-sth").await;
    (sct.timestamp, sth["timestamp"].as_u64().unwrap())
}

const START: u64 = NOW.unsigned_abs() * 1000;

#[tokio::test]
async fn timestamps_do_not_go_back_with_the_clock() {
    let fixture = Fixture::new().await;
    assert_eq!(log_one(&fixture).await, (START, START));
    fixture.hand.advance(-3600);
    assert_eq!(log_one(&fixture).await, (START, START));
    fixture.hand.advance(3601);
    assert_eq!(log_one(&fixture).await, (START + 1000, START + 1000));
}

#[tokio::test]
async fn timestamps_do_not_go_back_with_the_clock_of_the_next_process() {
    let mut fixture = Fixture::new().await;
    log_one(&fixture).await;
    fixture.hand.advance(-3600);
    fixture.restart().await;
    assert_eq!(log_one(&fixture).await, (START, START));
    fixture.restart().await;
    fixture.hand.advance(3601);
    assert_eq!(log_one(&fixture).await, (START + 1000, START + 1000));
}
