//! CA and CT log are exchanged while certificates are issued.

use crate::support::{EMAIL, World, ca, ct_log, fresh_key_request, now, world};
use fulcio::TrustedChain;
use pki::cert::Certificate;
use std::time::Instant;
use time::Duration;

async fn issued(world: &World) -> Vec<Certificate> {
    let token = world.email_token().await;
    world.sign(&token, &fresh_key_request(EMAIL)).await.chain()
}

#[tokio::test]
async fn the_next_ca_issues_from_the_switch_on() {
    let world = world().await;
    let (signer, next) = ca(now() + Duration::days(365)).await;
    assert_eq!(issued(&world).await[1].der(), world.chain[0].der());
    world.ct.accept(std::slice::from_ref(&next));
    world.switch.issue_by(signer, next.clone()).unwrap();
    let chain = issued(&world).await;
    assert_eq!(
        (chain[1].der(), chain[2].der()),
        (next[0].der(), next[1].der())
    );
    assert_eq!(world.ct.log().head().size, 2, "both are in the CT log");
}

#[tokio::test]
async fn a_key_that_is_not_the_chain_s_changes_nothing() {
    let world = world().await;
    let (signer, _) = ca(now() + Duration::days(365)).await;
    let (_, other) = ca(now() + Duration::days(365)).await;
    assert!(world.switch.issue_by(signer, other).is_err());
    assert_eq!(issued(&world).await[1].der(), world.chain[0].der());
}

#[tokio::test]
async fn the_trust_bundle_has_what_is_valid_now_in_the_given_order() {
    let world = world().await;
    let (_, next) = ca(now() + Duration::days(365)).await;
    world.switch.show(vec![
        TrustedChain {
            chain: next.clone(),
            until: None,
        },
        TrustedChain {
            chain: world.chain.clone(),
            until: Some(now() + Duration::minutes(15)),
        },
    ]);
    let shown = async || {
        let bundle = world.get("/api/v2/trustBundle").await.json();
        let first =
            |chain: &serde_json::Value| chain["certificates"][0].as_str().unwrap().to_owned();
        bundle["chains"]
            .as_array()
            .unwrap()
            .iter()
            .map(first)
            .collect::<Vec<_>>()
    };
    assert_eq!(shown().await, [next[0].to_pem(), world.chain[0].to_pem()]);
    world.hand.advance(15 * 60 + 1);
    assert_eq!(shown().await, [next[0].to_pem()]);
}

#[tokio::test]
async fn an_issuance_that_finds_its_log_frozen_goes_to_the_next_one() {
    let world = world().await;
    let (next, _) = ct_log(2, &world.clock, &world.chain).await;
    world.switch.log_in(next.clone());
    world.ct.log().freeze().await.unwrap();
    issued(&world).await;
    assert_eq!((world.ct.log().head().size, next.log().head().size), (0, 1));
    // Another process froze first, and this one follows a moment later.
    let (last, _) = ct_log(3, &world.clock, &world.chain).await;
    next.log().freeze().await.unwrap();
    let switch = world.switch.clone();
    let log = last.clone();
    tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        switch.log_in(log);
    });
    issued(&world).await;
    assert_eq!(last.log().head().size, 1);
}

#[tokio::test]
async fn without_a_next_log_the_client_is_told_to_come_again() {
    let world = world().await;
    world.ct.log().freeze().await.unwrap();
    let token = world.email_token().await;
    let since = Instant::now();
    let answer = world.sign(&token, &fresh_key_request(EMAIL)).await;
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(since.elapsed() < std::time::Duration::from_secs(30));
}
