//! Against an S3 server (s3s over a folder), over HTTP, with signed requests and conditional puts.

use crate::fixture::{grow, log_of, publish, read, write};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use object_store::ObjectStoreExt;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{Attribute, ObjectStore};
use publish::{Options, PublishError, check_tree, publish_once, target_with};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Serves a folder with one bucket; gives the address. The server ends with the test's runtime.
async fn serve(folder: &std::path::Path) -> String {
    std::fs::create_dir(folder.join("logs")).unwrap();
    let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder).unwrap());
    service.set_auth(SimpleAuth::from_single("key", "secret"));
    let service = service.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let builder = Builder::new(TokioExecutor::new());
                let _ = builder
                    .serve_connection(TokioIo::new(socket), service)
                    .await;
            });
        }
    });
    format!("http://{address}")
}

/// The variables that a user sets.
fn environment(endpoint: &str, secret: &str) -> Vec<(String, String)> {
    let variables = [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", secret),
    ];
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    variables.into_iter().map(owned).collect()
}

/// Reads and writes the bucket past the publisher.
fn client(endpoint: &str) -> Arc<dyn ObjectStore> {
    let builder = AmazonS3Builder::new()
        .with_endpoint(endpoint)
        .with_allow_http(true)
        .with_bucket_name("logs")
        .with_access_key_id("key")
        .with_secret_access_key("secret");
    Arc::new(builder.build().unwrap())
}

#[tokio::test]
async fn a_bucket_holds_the_tree_and_its_headers() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = serve(folder.path()).await;
    let store = client(&endpoint);
    let target = target_with("s3://logs/rekor/v2/", environment(&endpoint, "secret")).unwrap();
    let log = log_of(255).await;
    publish(&log, &target).await;
    for size in [256, 600] {
        grow(&log, size).await;
        publish(&log, &target).await;
        let tree = check_tree(&target).await.unwrap();
        assert_eq!((tree.size, tree.root), (size, log.head().root));
    }
    for (path, cache) in [
        ("rekor/v2/checkpoint", "no-cache"),
        ("rekor/v2/tile/0/001", "max-age=604800, immutable"),
    ] {
        let found = store.get(&Path::from(path)).await.unwrap();
        let header = found.attributes.get(&Attribute::CacheControl).unwrap();
        assert_eq!(header.to_string(), cache);
    }
}

#[tokio::test]
async fn a_bucket_refuses_what_is_there_already() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = serve(folder.path()).await;
    let store = client(&endpoint);
    let target = target_with("s3://logs", environment(&endpoint, "secret")).unwrap();
    let log = log_of(300).await;
    // 1. The same bytes: an earlier run that was killed before its checkpoint.
    publish(&log, &target).await;
    store.delete(&Path::from("checkpoint")).await.unwrap();
    publish(&log, &target).await;
    // 2. Other bytes: somebody else's.
    write(&*store, "tile/0/002", vec![1; 8192]).await;
    grow(&log, 1000).await;
    let error = publish_once(&log, &target, &Options::default(), |_| ())
        .await
        .unwrap_err();
    let (name, path) = ("s3://logs".to_owned(), "tile/0/002".to_owned());
    assert_eq!(error, PublishError::OtherBytes { target: name, path });
    assert_eq!(read(&*store, "tile/0/002").await, vec![1; 8192]);
    assert_eq!(check_tree(&target).await.unwrap().size, 300);
}

#[tokio::test]
async fn a_wrong_key_is_an_error_that_names_the_place_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = serve(folder.path()).await;
    let target = target_with("s3://logs", environment(&endpoint, "swordfish")).unwrap();
    let error = publish_once(&log_of(3).await, &target, &Options::default(), |_| ())
        .await
        .unwrap_err();
    assert!(!error.is_final());
    let text = error.to_string();
    assert!(text.starts_with("s3://logs/checkpoint: "), "{text}");
    assert!(!text.contains("swordfish") && text.len() < 500, "{text}");
}

#[tokio::test]
async fn a_server_without_conditional_puts_will_do() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = serve(folder.path()).await;
    let mut environment = environment(&endpoint, "secret");
    environment.push(("AWS_CONDITIONAL_PUT".to_owned(), "disabled".to_owned()));
    let target = target_with("s3://logs", environment).unwrap();
    let log = log_of(255).await;
    publish(&log, &target).await;
    grow(&log, 300).await;
    publish(&log, &target).await;
    assert_eq!(check_tree(&target).await.unwrap().root, log.head().root);
    // What is there with other bytes is noticed all the same.
    write(&*client(&endpoint), "tile/0/001", vec![1; 8192]).await;
    grow(&log, 600).await;
    let error = publish_once(&log, &target, &Options::default(), |_| ())
        .await
        .unwrap_err();
    assert!(matches!(error, PublishError::OtherBytes { .. }), "{error}");
}
