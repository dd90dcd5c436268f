//! Images: who may be asked. What is found there: see `found`.

use crate::fixture::{IDENTITY, ISSUER, Site};
use serde_json::{Value, json};
use verifier_api::{Config, Registries};

fn about(image: &str) -> Value {
    json!({"image": image, "identity": {"certificateIdentity": IDENTITY, "certificateOidcIssuer": ISSUER}})
}

async fn ask(site: &Site, image: &str) -> (u16, Value) {
    let path = "/api/v1/verify/image";
    site.post(path, about(image).to_string()).await
}

/// A registry that notes who comes.
async fn listening() -> (tokio::net::TcpListener, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

#[tokio::test]
async fn without_a_list_no_registry_is_asked_and_no_path_read() {
    let site = Site::new().await;
    let (listener, address) = listening().await;
    let (status, error) = ask(&site, &format!("{address}/app:v1")).await;
    assert_eq!(
        (status, error["field"].as_str()),
        (403, Some("image")),
        "{error}"
    );
    assert!(
        error["cure"]
            .as_str()
            .unwrap()
            .contains("verifier.registries")
    );
    let asked = tokio::time::timeout(std::time::Duration::from_millis(100), listener.accept());
    assert!(asked.await.is_err(), "a socket was opened");
    for image in ["oci:/etc", "oci-archive:/etc/passwd", "A B"] {
        assert_eq!(ask(&site, image).await.0, 400, "{image}");
    }
}

#[tokio::test]
async fn a_listed_registry_that_does_not_answer_is_502() {
    let (listener, address) = listening().await;
    drop(listener);
    let config = Config {
        registries: Registries::Only(vec![address.clone()]),
        ..Config::default()
    };
    let site = Site::with(config, &[]).await;
    let (status, error) = ask(&site, &format!("{address}/app:v1")).await;
    assert_eq!(
        (status, error["code"].as_str()),
        (502, Some("registry")),
        "{error}"
    );
}
