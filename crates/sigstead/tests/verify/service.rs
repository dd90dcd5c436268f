//! An image that the program signed in a registry, judged by the verifier that it serves.

use crate::registry::{Behavior, Fake};
use crate::site::{SIGNER, Server, Site};
use serde_json::{Value, json};

async fn ask(server: &Server, image: &str, identity: &str) -> Value {
    let url = server.screen["verifier"].as_str().unwrap();
    let url = format!("{url}/api/v1/verify/image");
    let question = json!({"image": image, "vsa": true, "identity": {
        "certificateIdentity": identity, "certificateOidcIssuer": server.screen["oidc"]}});
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(url).header("content-type", "application/json");
    let response = request.body(question.to_string()).send().await.unwrap();
    let status = response.status().as_u16();
    let answer = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(status, 200, "{answer}");
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_signed_in_a_registry_is_verified_over_http() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::own(folder.path());
    let server = site.up();
    let behavior = Behavior {
        page: Some(10),
        ..Behavior::default()
    };
    let registry = Fake::start(behavior).await;
    let digest = registry.image("v1", b"layer");
    let image = format!("{}/a:v1", registry.address);
    assert_eq!(ask(&server, &image, SIGNER).await["verified"], false);

    let token = site.token();
    let mut sign = site.command(&["sign", &image, "--identity-token", &token]);
    let signed = tokio::task::spawn_blocking(move || sign.output().unwrap());
    let signed = signed.await.unwrap();
    assert!(signed.status.success(), "{signed:?}");
    let answer = ask(&server, &image, SIGNER).await;
    assert_eq!(answer["verified"], true, "{answer}");
    assert_eq!(answer["digest"], digest.to_string());
    assert!(answer["vsa"]["dsseEnvelope"].is_object());
    let answer = ask(&server, &image, "other@example.com").await;
    assert_eq!(answer["verified"], false);
    assert!(answer.get("vsa").is_none());
}
