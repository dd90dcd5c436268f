//! Advice on policies.

use crate::fixture::{Good, IDENTITY, Site};
use serde_json::json;

#[tokio::test]
async fn a_suggestion_is_satisfied_by_its_bundle() {
    let Some(good) = Good::load() else { return };
    let site = Site::new().await;
    let body = json!({"bundle": good.bundle, "artifact": {"digest": good.digest()}});
    let (status, answer) = site
        .post("/api/v1/policies/suggest", body.to_string())
        .await;
    assert_eq!(
        (status, &answer["verified"]),
        (200, &true.into()),
        "{answer}"
    );
    assert!(answer["yaml"].as_str().unwrap().contains(IDENTITY));
    for document in [&answer["yaml"], &answer["policyDocument"]] {
        let mut request = body.clone();
        request["policyDocument"] = document.clone();
        assert_eq!(site.verdict(&request).await["verified"], true);
    }
}

#[tokio::test]
async fn nothing_is_suggested_for_a_bundle_that_does_not_verify() {
    let Some(good) = Good::load() else { return };
    let site = Site::new().await;
    let body = json!({"bundle": good.bundle, "artifact": {"base64": "YQ=="}});
    let (status, answer) = site
        .post("/api/v1/policies/suggest", body.to_string())
        .await;
    assert_eq!((status, &answer["verified"]), (200, &false.into()));
    assert!(answer.get("yaml").is_none());
    assert!(
        answer["reason"]
            .as_str()
            .unwrap()
            .contains("does not verify")
    );
}

#[tokio::test]
async fn a_policy_that_anybody_satisfies_is_found() {
    let site = Site::new().await;
    let check = |document: serde_json::Value| {
        let body = json!({"policyDocument": document}).to_string();
        site.post("/api/v1/policies/check", body)
    };
    let wide = "apiVersion: sigstead.dev/policy/v1\nname: wide\nsignatures:\n  identities:\n    - identity: {regexp: \".+\"}\n      \
                issuer: {regexp: \".+\"}\n";
    let (status, answer) = check(wide.into()).await;
    assert_eq!((status, &answer["valid"]), (200, &true.into()), "{answer}");
    assert_eq!(answer["findings"][0]["severity"], "error");
    let (_, answer) = check(json!({"name": 1})).await;
    assert_eq!(answer["valid"], false);
    assert!(!answer["problems"].as_array().unwrap().is_empty());
    assert_eq!(check("a: [".into()).await.0, 400);
}
