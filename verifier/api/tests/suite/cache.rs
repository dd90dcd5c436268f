//! Kept answers: found when the same is asked, never when anything differs.

use crate::fixture::{Good, Site};
use serde_json::{Value, json};
use trust::PUBLIC_GOOD;

async fn cached(site: &Site, request: &Value) -> bool {
    site.verdict(request).await["cached"].as_bool().unwrap()
}

#[tokio::test]
async fn the_same_question_has_the_same_answer_positive_or_negative() {
    let Some(good) = Good::load() else { return };
    let site = Site::new().await;
    let mut negative = good.request();
    negative["identity"]["certificateIdentity"] = "eve@example.com".into();
    for request in [good.request(), negative] {
        let mut first = site.verdict(&request).await;
        assert_eq!(first["cached"], false);
        first["cached"] = true.into();
        assert_eq!(site.verdict(&request).await, first);
    }
}

#[tokio::test]
async fn a_changed_artifact_bundle_or_demand_is_another_question() {
    let Some(good) = Good::load() else { return };
    let site = Site::new().await;
    site.verdict(&good.request()).await;
    let mut artifact = good.request();
    artifact["artifact"]["digest"] = format!("sha256:{}", "11".repeat(32)).into();
    let mut bytes = good.request();
    bytes["artifact"] = json!({"base64": "YQ=="});
    let mut demand = good.request();
    demand["identity"]["certificateIdentity"] = "eve@example.com".into();
    let mut regexp = good.request();
    let exact = regexp["identity"]["certificateIdentity"].take();
    regexp["identity"] = json!({
        "certificateIdentityRegexp": exact,
        "certificateOidcIssuer": regexp["identity"]["certificateOidcIssuer"],
    });
    let mut root = good.request();
    root["trustedRoot"] = "sigstore".into();
    let other = Good::named("happy-path-v0.1").unwrap();
    for request in [artifact, bytes, demand, regexp, root, other.request()] {
        assert!(!cached(&site, &request).await, "{request}");
        assert!(cached(&site, &request).await, "{request}");
    }
}

#[tokio::test]
async fn a_changed_root_is_never_answered_from_what_was_kept() {
    let Some(good) = Good::load() else { return };
    let site = Site::new().await;
    assert_eq!(site.verdict(&good.request()).await["verified"], true);

    // 1. The authority of the certificate is gone from the root.
    let mut root = formats::trust::TrustedRoot::parse(PUBLIC_GOOD).unwrap();
    root.certificate_authorities.pop();
    let path = site.folder.path().join("root.json");
    std::fs::write(&path, root.to_json()).unwrap();
    site.roots.look_at_files();
    let answer = site.verdict(&good.request()).await;
    assert_eq!(
        (&answer["verified"], &answer["cached"]),
        (&json!(false), &json!(false))
    );

    // 2. It is back: the first answer is true again.
    std::fs::write(&path, PUBLIC_GOOD).unwrap();
    site.roots.look_at_files();
    assert_eq!(site.verdict(&good.request()).await["verified"], true);
}

#[tokio::test]
async fn a_kept_answer_ends_when_it_says() {
    let Some(good) = Good::load() else { return };
    let site = Site::new().await;
    let answer = site.verdict(&good.request()).await;
    assert_eq!(answer["validUntil"], "2026-11-01T01:00:00Z");
    site.hand.advance(3599);
    assert!(cached(&site, &good.request()).await);
    site.hand.advance(1);
    assert!(!cached(&site, &good.request()).await);
}

#[tokio::test]
async fn an_answer_that_waits_for_the_clock_is_not_kept() {
    let Some(good) = Good::load() else { return };
    let site = Site::new().await;
    // Before the bundle was logged: its integrated time lies in the future.
    site.hand.set(time::macros::datetime!(2023-01-01 0:00 UTC));
    let answer = site.verdict(&good.request()).await;
    assert_eq!(answer["verified"], false);
    assert!(answer.get("validUntil").is_none());
    site.hand.set(time::macros::datetime!(2026-11-01 0:00 UTC));
    assert_eq!(site.verdict(&good.request()).await["verified"], true);
}
