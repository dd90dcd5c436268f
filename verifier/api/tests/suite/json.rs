//! One question as JSON.

use crate::fixture::{Good, IDENTITY, Site};
use axum::body::Body;
use formats::bundle::Bundle;
use http::Request;
use serde_json::{Value, json};
use time::macros::datetime;

#[tokio::test]
async fn a_good_bundle_is_verified_and_every_step_is_told() {
    let Some(good) = Good::load() else { return };
    let site = Site::new().await;
    let answer = site.verdict(&good.request()).await;
    assert_eq!(answer["verified"], true, "{answer}");
    assert_eq!(answer["reasons"], json!([]));
    assert_eq!(answer["report"]["identity"], IDENTITY);
    assert_eq!(answer["report"]["steps"].as_array().unwrap().len(), 7);
    assert_eq!(answer["trustedRoots"][0]["name"], "default");
    assert_eq!(answer["verifiedAt"], "2026-11-01T00:00:00Z");
    assert!(answer.get("vsa").is_none());
}

#[tokio::test]
async fn what_does_not_hold_is_200_with_reasons() {
    let Some(good) = Good::load() else { return };
    let site = Site::new().await;
    // 1. Another artifact.
    let mut request = good.request();
    request["artifact"] = json!({"digest": format!("sha256:{}", "00".repeat(32))});
    let answer = site.verdict(&request).await;
    assert_eq!(answer["verified"], false);
    assert_eq!(answer["reasons"][0]["step"], "signature");
    // 2. Another signer.
    let mut request = good.request();
    request["identity"]["certificateIdentity"] = "eve@example.com".into();
    let answer = site.verdict(&request).await;
    assert_eq!(answer["verified"], false);
    assert_eq!(answer["reasons"][0]["step"], "identity");
    assert!(answer["reasons"][0]["cure"].as_str().unwrap().len() > 10);
}

#[tokio::test]
async fn what_cannot_be_read_is_400_and_names_the_field() {
    let Some(good) = Good::load() else { return };
    let site = Site::new().await;
    let set = |pointer: &str, value: Value| {
        let mut request = good.request();
        match pointer.rsplit_once('/') {
            Some((parent, member)) => {
                let parent = request.pointer_mut(parent).unwrap();
                parent[member] = value;
            }
            None => request = value,
        }
        request
    };
    for (request, field) in [
        (set("/bundle", json!({"mediaType": "x"})), "bundle"),
        (set("/bundle", Value::Null), "bundle"),
        (set("/bundle", json!(7)), "bundle"),
        (set("/artifact", Value::Null), "artifact"),
        (set("/artifact/digest", json!("md5:00")), "artifact.digest"),
        (set("/artifact/digest", json!(5)), "artifact.digest"),
        (set("/artifact/size", json!(5)), "artifact.size"),
        (set("/identity", Value::Null), "identity"),
        (
            set("/identity", json!({"certificateIdentity": "a"})),
            "identity.certificateOidcIssuer",
        ),
        (
            set("/identity/certificateIdentity", Value::Null),
            "identity.certificateIdentity",
        ),
        (
            set(
                "/identity",
                json!({"certificateIdentityRegexp": "(", "certificateOidcIssuer": "x"}),
            ),
            "identity.certificateIdentity",
        ),
        (set("/key", json!("x")), "identity"),
        (set("/trustedRoot", json!("staging")), "trustedRoot"),
        (set("/policy", json!("release")), "identity"),
        (set("/color", json!(1)), "color"),
        (set("", json!([])), "body"),
    ] {
        let (status, error) = site.verify(&request).await;
        assert_eq!(
            (status, error["field"].as_str()),
            (400, Some(field)),
            "{error}"
        );
        assert_eq!(error["code"], "unreadable");
        assert!(!error["cure"].as_str().unwrap().is_empty());
    }
    let mut by_key = good.request();
    by_key["identity"] = Value::Null;
    by_key["key"] = "no key".into();
    assert_eq!(site.verify(&by_key).await.1["field"], "key");
    let (status, error) = site.post("/api/v1/verify", "{").await;
    assert_eq!((status, error["field"].as_str()), (400, Some("body")));
}

#[tokio::test]
async fn too_large_is_413_and_another_type_is_415() {
    let site = Site::new().await;
    // Refused by its length alone: nothing of it is sent.
    let request = Request::post("/api/v1/verify")
        .header("content-type", "application/json")
        .header("content-length", (32 << 20) + 1);
    let (status, error) = site.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!((status, error["code"].as_str()), (413, Some("too-large")));
    // Of unknown length: by what arrives.
    let chunks = (0..33).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1 << 20]));
    let stream = Body::from_stream(futures::stream::iter(chunks));
    assert_eq!(site.post("/api/v1/verify", stream).await.0, 413);
    let request = Request::post("/api/v1/verify").header("content-type", "text/plain");
    assert_eq!(site.send(request.body("x".into()).unwrap()).await.0, 415);
    assert_eq!(site.get("/api/v1/verify").await.0, 405);
}

#[tokio::test]
async fn a_summary_comes_with_a_positive_verdict_only_and_our_engine_verifies_it() {
    let Some(good) = Good::load() else { return };
    let site = Site::new().await;
    let mut request = good.request();
    request["vsa"] = true.into();
    request["resourceUri"] = "pkg:generic/a.txt".into();
    let answer = site.verdict(&request).await;
    let summary = Bundle::parse(answer["vsa"].to_string().as_bytes()).unwrap();
    let mut policy = verifier::Policy::new(verifier::Signer::Key(site.summary_key.clone()));
    (policy.tlog_threshold, policy.timestamp_threshold) = (0, 0);
    let root = site.roots.get("sigstore").unwrap();
    let artifact = verifier::Artifact::Bytes(&good.artifact);
    let now = datetime!(2026-11-01 0:00 UTC);
    let report = verifier::verify(&summary, &artifact, root.material(), &policy, now);
    assert!(report.verified, "{}", report.to_text(false));

    request["identity"]["certificateIdentity"] = "eve@example.com".into();
    let answer = site.verdict(&request).await;
    assert_eq!(answer["verified"], false);
    assert!(answer.get("vsa").is_none());
}

#[tokio::test]
async fn roots_are_listed_with_their_digests() {
    let site = Site::new().await;
    let (_, answer) = site.get("/api/v1/trusted-roots").await;
    let roots = answer["trustedRoots"].as_array().unwrap();
    assert_eq!(roots[0]["name"], "default");
    assert_eq!(roots[1]["source"], "embedded");
    assert_eq!(roots[0]["digest"], roots[1]["digest"]);
    assert_eq!(roots[0]["counts"]["transparencyLogs"], 2);
    assert_eq!(roots[0]["stale"], false);
}

#[tokio::test]
async fn every_path_of_the_document_answers() {
    let site = Site::new().await;
    let (status, document) = site.get("/api/v1/openapi.json").await;
    assert_eq!(status, 200);
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let request = Request::builder()
                .method(method.to_uppercase().as_str())
                .uri(path);
            let (status, _) = site.send(request.body(Body::empty()).unwrap()).await;
            let want = if method == "get" { 200 } else { 415 };
            assert_eq!(status, want, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn metrics_name_the_route_and_hold_no_content() {
    let Some(good) = Good::load() else { return };
    let site = Site::new().await;
    for _ in 0..2 {
        site.verdict(&good.request()).await;
    }
    let text = prometheus::TextEncoder::new()
        .encode_to_string(&site.registry.gather())
        .unwrap();
    for want in [
        r#"verifier_request_seconds_count{code="200",operation="/api/v1/verify"} 2"#,
        r#"verifier_verdicts_total{cached="false",verified="true"} 1"#,
        r#"verifier_verdicts_total{cached="true",verified="true"} 1"#,
    ] {
        assert!(text.contains(want), "{want} is not in\n{text}");
    }
}
