//! Questions by policy.

use crate::fixture::{Good, IDENTITY, ISSUER, Site};
use serde_json::{Value, json};
use verifier_api::Config;

fn release(identity: &str) -> String {
    format!(
        "apiVersion: sigstead.dev/policy/v1\nname: release\ndescription: of the beacon\nsignatures:\n  identities:\n    \
         - identity: {identity}\n      issuer: {ISSUER}\n"
    )
}

fn by(good: &Good, member: &str, value: Value) -> Value {
    json!({"bundle": good.bundle, "artifact": {"digest": good.digest()}, member: value})
}

#[tokio::test]
async fn a_configured_policy_is_asked_by_name() {
    let Some(good) = Good::load() else { return };
    let text = release(IDENTITY);
    let site = Site::with(Config::default(), &[("x", &text)]).await;
    let (_, listed) = site.get("/api/v1/policies").await;
    let entry = &listed["policies"][0];
    assert_eq!(entry["name"], "release");
    assert_eq!(entry["description"], "of the beacon");

    let answer = site.verdict(&by(&good, "policy", "release".into())).await;
    assert_eq!(answer["verified"], true, "{answer}");
    assert_eq!(answer["policy"]["name"], "release");
    assert_eq!(answer["policy"]["digest"], entry["digest"]);
    assert_eq!(answer["evaluation"]["requirements"][0]["outcome"], "passed");

    let (status, error) = site.verify(&by(&good, "policy", "other".into())).await;
    assert_eq!((status, error["field"].as_str()), (400, Some("policy")));
    assert!(error["cure"].as_str().unwrap().contains("release"));
}

#[tokio::test]
async fn a_policy_of_the_request_is_yaml_or_json_and_a_changed_one_is_another_question() {
    let Some(good) = Good::load() else { return };
    let site = Site::new().await;
    let yaml = by(&good, "policyDocument", release(IDENTITY).into());
    assert_eq!(site.verdict(&yaml).await["verified"], true);
    let json = json!({
        "apiVersion": "sigstead.dev/policy/v1", "name": "release", "description": "of the beacon",
        "signatures": {"identities": [{"identity": IDENTITY, "issuer": ISSUER}]},
    });
    // The same document in another form is the same question.
    let answer = site.verdict(&by(&good, "policyDocument", json)).await;
    assert_eq!(
        (&answer["verified"], &answer["cached"]),
        (&true.into(), &true.into())
    );

    let eve = by(&good, "policyDocument", release("eve@example.com").into());
    let answer = site.verdict(&eve).await;
    assert_eq!(
        (&answer["verified"], &answer["cached"]),
        (&false.into(), &false.into())
    );
    assert_eq!(answer["reasons"][0]["step"], "signatures");
}

#[tokio::test]
async fn a_bad_document_is_400_at_its_member() {
    let Some(good) = Good::load() else { return };
    let site = Site::new().await;
    let (status, error) = site
        .verify(&by(&good, "policyDocument", json!({"name": 1})))
        .await;
    assert_eq!(status, 400);
    let field = error["field"].as_str().unwrap();
    assert!(field.starts_with("policyDocument"), "{error}");
}

#[tokio::test]
async fn a_policy_with_roots_of_its_own_is_held_to_them() {
    let Some(good) = Good::load() else { return };
    let site = Site::new().await;
    let with = |roots: &str| format!("{}roots: [{roots}]\n", release(IDENTITY));
    let request = by(&good, "policyDocument", with("sigstore").into());
    let answer = site.verdict(&request).await;
    assert_eq!(answer["verified"], true, "{answer}");
    assert_eq!(answer["trustedRoots"][0]["name"], "sigstore");

    // A root that nobody has verifies nothing.
    let unknown = by(&good, "policyDocument", with("staging").into());
    assert_eq!(site.verdict(&unknown).await["verified"], false);

    let mut both = request;
    both["trustedRoot"] = "default".into();
    assert_eq!(site.verify(&both).await.1["field"], "trustedRoot");
}

#[tokio::test]
async fn a_window_that_moves_with_the_clock_is_judged_anew_each_time() {
    let Some(good) = Good::load() else { return };
    let site = Site::new().await;
    let text = format!("{}signed:\n  maxAge: 9000d\n", release(IDENTITY));
    let request = by(&good, "policyDocument", text.into());
    for _ in 0..2 {
        let answer = site.verdict(&request).await;
        assert_eq!(
            (&answer["verified"], &answer["cached"]),
            (&true.into(), &false.into())
        );
    }
    site.hand.advance(9001 * 86_400);
    assert_eq!(site.verdict(&request).await["verified"], false);
}
