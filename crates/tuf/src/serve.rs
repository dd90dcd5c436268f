//! `GET /…` of the repository's files.

use crate::name::FileName;
use crate::store::Store;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// What has a version or a digest in its name never changes.
const FOREVER: &str = "public, max-age=31536000, immutable";
/// A cache has to ask each time.
const ASK: &str = "no-cache";
/// A root that is not there yet may be there the next moment.
const NEVER: &str = "no-store";

/// Serves the repository's files below where it is nested, and nothing else.
///
/// `N.root.json` that is not there is a plain 404: it is how clients learn which root is the newest (TUF 5.3.3).
pub fn router(store: Arc<dyn Store>) -> Router {
    Router::new().route("/{*path}", get(file)).with_state(store)
}

async fn file(
    State(store): State<Arc<dyn Store>>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(name) = FileName::parse(&path) else {
        return missing();
    };
    match store.serve(&name).await {
        Ok(Some(bytes)) => found(&name, bytes, &headers),
        Ok(None) => missing(),
        Err(error) => {
            tracing::error!(%name, %error, "a TUF file cannot be served");
            let headers = [(RETRY_AFTER, "10"), (CACHE_CONTROL, NEVER)];
            (
                StatusCode::SERVICE_UNAVAILABLE,
                headers,
                "try again later\n",
            )
                .into_response()
        }
    }
}

fn found(name: &FileName, bytes: Vec<u8>, asked: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", hex::encode(Sha256::digest(&bytes)));
    let cache = if name.is_immutable() { FOREVER } else { ASK };
    let known = asked.get(IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let is_known = known.is_some_and(|tags| {
        tags.split(',')
            .map(|one| one.trim().trim_start_matches("W/"))
            .any(|one| one == tag || one == "*")
    });
    let headers = [(ETAG, tag), (CACHE_CONTROL, cache.to_owned())];
    if is_known {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, [(CONTENT_TYPE, content_type(name))], bytes).into_response()
}

fn missing() -> Response {
    let headers = [(CACHE_CONTROL, NEVER)];
    (StatusCode::NOT_FOUND, headers, "not found\n").into_response()
}

fn content_type(name: &FileName) -> &'static str {
    match name {
        FileName::Content { name, .. } if name.ends_with(".pem") || name.ends_with(".pub") => {
            "application/x-pem-file"
        }
        FileName::Content { name, .. } if !name.ends_with(".json") => "application/octet-stream",
        _ => "application/json",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Folder;
    use axum::body::Body;
    use http::Request;
    use tower::ServiceExt;

    async fn served() -> (tempfile::TempDir, Router) {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path().join("tuf"));
        let mut session = folder.begin().await.unwrap();
        for name in [FileName::Timestamp, FileName::Root(1)] {
            session.put(&name, b"{}\n").await.unwrap();
        }
        session.commit().await.unwrap();
        std::fs::write(root.path().join("secret.json"), "secret").unwrap();
        let router = Router::new().nest("/tuf", router(Arc::new(folder)));
        (root, router)
    }

    async fn get(router: &Router, path: &str, tag: Option<&str>) -> Response {
        let mut request = Request::get(path);
        if let Some(tag) = tag {
            request = request.header(IF_NONE_MATCH, tag);
        }
        let request = request.body(Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn what_changes_is_asked_for_and_what_does_not_is_kept() {
        let (_root, router) = served().await;
        let timestamp = get(&router, "/tuf/timestamp.json", None).await;
        assert_eq!(timestamp.status(), StatusCode::OK);
        assert_eq!(timestamp.headers()[CACHE_CONTROL], ASK);
        assert_eq!(timestamp.headers()[CONTENT_TYPE], "application/json");
        let tag = timestamp.headers()[ETAG].to_str().unwrap();
        let again = get(&router, "/tuf/timestamp.json", Some(tag)).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        let root = get(&router, "/tuf/1.root.json", Some("\"other\"")).await;
        assert_eq!(root.status(), StatusCode::OK);
        assert_eq!(root.headers()[CACHE_CONTROL], FOREVER);
    }

    #[tokio::test]
    async fn the_next_root_and_every_other_path_is_a_404_that_nobody_keeps() {
        let (_root, router) = served().await;
        for path in [
            "/tuf/2.root.json",
            "/tuf/.lock",
            "/tuf/../secret.json",
            "/tuf/%2e%2e/secret.json",
            "/tuf/..%2fsecret.json",
            "/tuf/targets/..%2f..%2fsecret.json",
            "/tuf/targets/",
        ] {
            let answer = get(&router, path, None).await;
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
            assert_eq!(answer.headers()[CACHE_CONTROL], NEVER, "{path}");
        }
    }
}
