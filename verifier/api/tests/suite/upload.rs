//! Artifacts that stream by.

use crate::fixture::{Good, Site};
use axum::body::Body;
use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use verifier_api::Config;

const BOUNDARY: &str = "cut-here";

fn part(name: &str, content: &[u8]) -> Vec<u8> {
    let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
    [head.as_bytes(), content, b"\r\n"].concat()
}

fn end() -> Vec<u8> {
    format!("--{BOUNDARY}--\r\n").into_bytes()
}

fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let parts = parts.iter().map(|(name, content)| part(name, content));
    [parts.collect::<Vec<_>>().concat(), end()].concat()
}

async fn upload(site: &Site, body: impl Into<Body>) -> (u16, Value) {
    let kind = format!("Multipart/Form-Data; boundary={BOUNDARY}");
    let request = Request::post("/api/v1/verify").header("content-type", kind);
    site.send(request.body(body.into()).unwrap()).await
}

fn question(good: &Good) -> Vec<u8> {
    let request = good.request();
    json!({"identity": request["identity"]})
        .to_string()
        .into_bytes()
}

#[tokio::test]
async fn an_uploaded_artifact_is_verified_with_the_bundle_there_or_here() {
    let Some(good) = Good::load() else { return };
    let site = Site::new().await;
    let bundle = good.bundle.to_string();
    let parts: [(&str, &[u8]); 3] = [
        ("request", &question(&good)),
        ("bundle", bundle.as_bytes()),
        ("artifact", &good.artifact),
    ];
    let (status, answer) = upload(&site, form(&parts)).await;
    assert_eq!(
        (status, &answer["verified"]),
        (200, &true.into()),
        "{answer}"
    );

    let mut request = good.request();
    request.as_object_mut().unwrap().remove("artifact");
    let request = request.to_string();
    let parts: [(&str, &[u8]); 2] = [("request", request.as_bytes()), ("artifact", b"another")];
    let (status, answer) = upload(&site, form(&parts)).await;
    assert_eq!((status, &answer["verified"]), (200, &false.into()));
}

#[tokio::test]
async fn a_form_out_of_order_or_cut_short_is_400_and_names_the_part() {
    let Some(good) = Good::load() else { return };
    let site = Site::new().await;
    let (bundle, request) = (good.bundle.to_string(), question(&good));
    let (request, bundle, artifact): (&[u8], &[u8], &[u8]) =
        (&request, bundle.as_bytes(), &good.artifact);
    let whole = form(&[
        ("request", request),
        ("bundle", bundle),
        ("artifact", artifact),
    ]);
    let cut = whole[..whole.len() - 20].to_vec();
    for (body, field) in [
        (form(&[]), "request"),
        (form(&[("bundle", bundle)]), "request"),
        (form(&[("request", b"{"), ("bundle", bundle)]), "request"),
        (
            form(&[("request", request), ("artifact", artifact)]),
            "bundle",
        ),
        (
            form(&[
                ("request", request),
                ("bundle", b"{}"),
                ("artifact", artifact),
            ]),
            "bundle",
        ),
        (
            form(&[("request", request), ("bundle", bundle)]),
            "artifact",
        ),
        (
            form(&[("request", request), ("bundle", bundle), ("extra", b"")]),
            "artifact",
        ),
        (
            form(&[
                ("request", request),
                ("bundle", bundle),
                ("artifact", b""),
                ("artifact", b""),
            ]),
            "artifact",
        ),
        (cut, "body"),
    ] {
        let (status, error) = upload(&site, body).await;
        assert_eq!(
            (status, error["field"].as_str()),
            (400, Some(field)),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_mistake_in_the_question_is_told_before_the_artifact_is_sent() {
    let site = Site::new().await;
    // A part is known to end when the next one begins.
    let head = [
        part("request", br#"{"identity": {}}"#),
        part("bundle", b"{}"),
    ]
    .concat();
    let rest = futures::stream::pending::<Result<Bytes, std::io::Error>>();
    let stream = futures::StreamExt::chain(
        futures::stream::once(async move { Ok(Bytes::from(head)) }),
        rest,
    );
    let (status, error) = upload(&site, Body::from_stream(stream)).await;
    let field = "identity.certificateIdentity";
    assert_eq!(
        (status, error["field"].as_str()),
        (400, Some(field)),
        "{error}"
    );
}

#[tokio::test]
async fn an_artifact_over_the_limit_is_413() {
    let Some(good) = Good::load() else { return };
    let config = Config {
        max_artifact: 1000,
        ..Config::default()
    };
    let site = Site::with(config, &[]).await;
    let bundle = good.bundle.to_string();
    let parts: [(&str, &[u8]); 3] = [
        ("request", &question(&good)),
        ("bundle", bundle.as_bytes()),
        ("artifact", &[0; 1001]),
    ];
    let (status, error) = upload(&site, form(&parts)).await;
    assert_eq!((status, error["field"].as_str()), (413, Some("artifact")));
}
