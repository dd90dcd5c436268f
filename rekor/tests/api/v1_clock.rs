//! A clock that is set back: integrated times follow the log's order all the same.

use crate::harness::*;
use clock::Clock;
use keys::{Algorithm, Purpose, Signer};
use time::OffsetDateTime;

async fn integrated(server: &Server, artifact: &[u8]) -> i64 {
    let request = ClientKey::p256().hashedrekord(artifact);
    let answer = server.submit_v1(&request).await;
    let (_, entry) = server.check_v1(&answer.entries());
    entry.integrated_time
}

#[tokio::test]
async fn integrated_times_do_not_go_back_with_the_clock() {
    let start = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap();
    let (clock, hand) = Clock::manual(start);
    let signer = Signer::in_memory(Purpose::RekorV1, Algorithm::EcdsaP256).unwrap();
    let (store, body) = (tlog::store::memory(), rekor::limits::V1_MAX_BODY);
    let server = v1_with(store.clone(), body, signer.clone(), clock.clone()).await;
    assert_eq!(integrated(&server, b"one").await, 1_700_000_000);
    // At run time.
    hand.advance(-3600);
    assert_eq!(integrated(&server, b"two").await, 1_700_000_000);
    // Across a restart.
    server.log.close().await;
    let server = v1_with(store, body, signer, clock).await;
    assert_eq!(integrated(&server, b"three").await, 1_700_000_000);
    hand.advance(3605);
    assert_eq!(integrated(&server, b"four").await, 1_700_000_005);
}
