//! A registry in memory, with what real ones differ in: a list of referrers or none, authorization, lies.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use oci::ImageDigest;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// How it behaves.
#[derive(Clone, Default)]
pub(crate) struct Behavior {
    /// Lists referrers, so many on a page.
    pub(crate) page: Option<usize>,
    /// Sends readers of a list on to this URL.
    pub(crate) next: Option<String>,
    /// Loses the first write of a tag `sha256-…`, as when somebody else writes at the same moment.
    pub(crate) loses_first_write: bool,
    /// Answers reads of this name with other bytes.
    pub(crate) lies_about: Option<String>,
    /// Wants a token, for alice with this password or this identity token.
    pub(crate) password: Option<&'static str>,
}

/// What it holds.
#[derive(Default)]
pub(crate) struct Content {
    pub(crate) blobs: BTreeMap<String, Vec<u8>>,
    /// By tag and by digest.
    pub(crate) manifests: BTreeMap<String, (String, Vec<u8>)>,
    uploads: BTreeMap<String, Vec<u8>>,
    lost: bool,
}

#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) address: String,
    pub(crate) behavior: Behavior,
    pub(crate) content: Arc<Mutex<Content>>,
}

impl Fake {
    pub(crate) async fn start(behavior: Behavior) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Self {
            address: listener.local_addr().unwrap().to_string(),
            behavior,
            content: Arc::default(),
        };
        let app = Router::new().fallback(answer).with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        fake
    }

    /// Stores an image of one layer; gives its digest.
    pub(crate) fn image(&self, tag: &str, layer: &[u8]) -> ImageDigest {
        let blob = |bytes: &[u8]| {
            let digest = ImageDigest::of(bytes);
            let mut content = self.content.lock().unwrap();
            content.blobs.insert(digest.to_string(), bytes.to_vec());
            json!({"mediaType": "application/octet-stream", "digest": digest, "size": bytes.len()})
        };
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": blob(b"{}"), "layers": [blob(layer)],
        });
        self.put(tag, MANIFEST, manifest.to_string().into_bytes())
    }

    /// Stores a manifest under a tag and its digest.
    pub(crate) fn put(&self, tag: &str, media_type: &str, bytes: Vec<u8>) -> ImageDigest {
        let digest = ImageDigest::of(&bytes);
        let mut content = self.content.lock().unwrap();
        for name in [tag.to_owned(), digest.to_string()] {
            let entry = (media_type.to_owned(), bytes.clone());
            content.manifests.insert(name, entry);
        }
        digest
    }

    pub(crate) fn manifest(&self, name: &str) -> Option<Value> {
        let content = self.content.lock().unwrap();
        let (_, bytes) = content.manifests.get(name)?;
        serde_json::from_slice(bytes).ok()
    }
}

async fn answer(
    State(fake): State<Fake>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if uri.path() == "/token" {
        return fake.token(&headers, &body);
    }
    if fake.behavior.password.is_some()
        && headers
            .get("authorization")
            .is_none_or(|value| value != "Bearer granted")
    {
        let challenge = format!(
            r#"Bearer realm="http://{}/token",service="fake""#,
            fake.address
        );
        return (StatusCode::UNAUTHORIZED, [("www-authenticate", challenge)]).into_response();
    }
    let path = uri.path().strip_prefix("/v2/").unwrap_or_default();
    if path.is_empty() {
        return StatusCode::OK.into_response();
    }
    let query = uri.query().unwrap_or_default();
    for (part, handle) in [
        ("/manifests/", Fake::manifests as Handler),
        ("/blobs/uploads/", Fake::uploads),
        ("/blobs/", Fake::blobs),
        ("/referrers/", Fake::referrers),
    ] {
        if let Some((_, name)) = path.split_once(part) {
            return handle(&fake, &method, name, query, &headers, &body);
        }
    }
    StatusCode::NOT_FOUND.into_response()
}

type Handler = fn(&Fake, &Method, &str, &str, &HeaderMap, &Bytes) -> Response;

impl Fake {
    fn token(&self, headers: &HeaderMap, body: &Bytes) -> Response {
        let password = self.behavior.password.unwrap_or_default();
        let basic = format!(
            "Basic {}",
            formats::b64::encode(format!("alice:{password}").as_bytes())
        );
        let form = String::from_utf8_lossy(body).into_owned();
        let by_identity = form.contains("grant_type=refresh_token")
            && form.contains(&format!("refresh_token={password}"));
        let by_password = headers
            .get("authorization")
            .is_some_and(|value| *value == basic);
        if by_identity {
            json!({"access_token": "granted"})
                .to_string()
                .into_response()
        } else if by_password {
            json!({"token": "granted"}).to_string().into_response()
        } else {
            StatusCode::UNAUTHORIZED.into_response()
        }
    }

    fn manifests(
        &self,
        method: &Method,
        name: &str,
        _: &str,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Response {
        let mut content = self.content.lock().unwrap();
        if *method == Method::PUT {
            if self.behavior.loses_first_write && name.starts_with("sha256-") && !content.lost {
                content.lost = true;
                return StatusCode::CREATED.into_response();
            }
            let media_type = headers["content-type"].to_str().unwrap().to_owned();
            let digest = ImageDigest::of(body).to_string();
            for name in [name.to_owned(), digest] {
                let entry = (media_type.clone(), body.to_vec());
                content.manifests.insert(name, entry);
            }
            let json: Value = serde_json::from_slice(body).unwrap();
            let mut answer = StatusCode::CREATED.into_response();
            if let (Some(subject), Some(_)) =
                (json["subject"]["digest"].as_str(), self.behavior.page)
            {
                let value = subject.parse().unwrap();
                answer.headers_mut().insert("oci-subject", value);
            }
            return answer;
        }
        match content.manifests.get(name) {
            Some((media_type, bytes)) => {
                let headers = [("content-type", media_type.clone())];
                (headers, self.told(name, bytes)).into_response()
            }
            None => StatusCode::NOT_FOUND.into_response(),
        }
    }

    fn blobs(&self, _: &Method, name: &str, _: &str, _: &HeaderMap, _: &Bytes) -> Response {
        match self.content.lock().unwrap().blobs.get(name) {
            Some(bytes) => self.told(name, bytes).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    }

    fn told(&self, name: &str, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        if self.behavior.lies_about.as_deref() == Some(name) {
            bytes.push(b' ');
        }
        bytes
    }

    fn uploads(
        &self,
        method: &Method,
        id: &str,
        query: &str,
        _: &HeaderMap,
        body: &Bytes,
    ) -> Response {
        let mut content = self.content.lock().unwrap();
        let id = if *method == Method::POST {
            content.uploads.len().to_string()
        } else {
            id.to_owned()
        };
        let upload = content.uploads.entry(id.clone()).or_default();
        upload.extend_from_slice(body);
        let (have, bytes) = (upload.len(), upload.clone());
        let location = format!("/v2/a/blobs/uploads/{id}");
        if *method != Method::PUT {
            let range = format!("0-{}", have.saturating_sub(1));
            let headers = [("location", location), ("range", range)];
            return (StatusCode::ACCEPTED, headers).into_response();
        }
        let digest = query.replace("%3A", ":").replace("digest=", "");
        if digest != ImageDigest::of(&bytes).to_string() {
            return StatusCode::BAD_REQUEST.into_response();
        }
        content.blobs.insert(digest, bytes);
        (StatusCode::CREATED, [("location", location)]).into_response()
    }

    fn referrers(
        &self,
        _: &Method,
        subject: &str,
        query: &str,
        _: &HeaderMap,
        _: &Bytes,
    ) -> Response {
        let Some(page) = self.behavior.page else {
            return StatusCode::NOT_FOUND.into_response();
        };
        let content = self.content.lock().unwrap();
        let all: Vec<_> = content
            .manifests
            .iter()
            .filter(|(name, _)| name.starts_with("sha256:"))
            .filter_map(|(name, (media_type, bytes))| {
                let json: Value = serde_json::from_slice(bytes).ok()?;
                (json["subject"]["digest"] == subject).then(|| {
                    json!({"mediaType": media_type, "digest": name, "size": bytes.len(),
                        "artifactType": json["artifactType"], "annotations": json["annotations"]})
                })
            })
            .collect();
        let from: usize = query.strip_prefix("n=").map_or(0, |n| n.parse().unwrap());
        let shown: Vec<_> = all.iter().skip(from).take(page).cloned().collect();
        let body = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": shown}).to_string();
        let mut answer = ([("content-type", INDEX)], body).into_response();
        let next = match &self.behavior.next {
            Some(next) => Some(next.clone()),
            None if from + page < all.len() => {
                Some(format!("/v2/a/referrers/{subject}?n={}", from + page))
            }
            None => None,
        };
        if let Some(next) = next {
            let value = format!(r#"<{next}>; rel="next""#).parse().unwrap();
            answer.headers_mut().insert("link", value);
        }
        answer
    }
}
