//! Several questions at once.

use crate::fixture::{Good, Site};
use serde_json::{Value, json};

#[tokio::test]
async fn one_bad_member_does_not_spoil_the_others_and_the_order_stays() {
    let Some(good) = Good::load() else { return };
    let site = Site::new().await;
    let mut negative = good.request();
    negative["identity"]["certificateIdentity"] = "eve@example.com".into();
    let members = json!([good.request(), {"bundle": 1}, negative, 7, good.request()]);
    let body = json!({ "requests": members }).to_string();
    let (status, answer) = site.post("/api/v1/verify/batch", body).await;
    assert_eq!(status, 200);
    assert_eq!(answer["allVerified"], false);
    let results = answer["results"].as_array().unwrap();
    let statuses: Vec<u64> = results
        .iter()
        .map(|one| one["status"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [200, 400, 200, 400, 200]);
    let verified = |result: &Value| result["answer"]["verified"].clone();
    assert_eq!(verified(&results[0]), true);
    assert_eq!(results[1]["error"]["code"], "unreadable");
    assert_eq!(verified(&results[2]), false);
    assert_eq!(verified(&results[4]), true);
}

#[tokio::test]
async fn a_batch_is_bounded() {
    let site = Site::new().await;
    let body = json!({"requests": vec![json!({}); 101]}).to_string();
    let (status, error) = site.post("/api/v1/verify/batch", body).await;
    assert_eq!((status, error["field"].as_str()), (413, Some("requests")));
    let body = format!("{{\"requests\": [1{}]}}", ",1".repeat(1_000_000));
    assert_eq!(site.post("/api/v1/verify/batch", body).await.0, 413);
    let (status, error) = site.post("/api/v1/verify/batch", "{\"requests\": 1}").await;
    assert_eq!((status, error["field"].as_str()), (400, Some("requests")));
}

#[tokio::test]
async fn nothing_asked_is_nothing_verified() {
    let site = Site::new().await;
    let (_, answer) = site
        .post("/api/v1/verify/batch", "{\"requests\": []}")
        .await;
    assert_eq!(answer["allVerified"], false);
}
