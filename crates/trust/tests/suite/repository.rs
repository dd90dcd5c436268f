//! A TUF repository, made by tough's editor and served on loopback.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::Ed25519KeyPair;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use std::collections::HashMap;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;
use tough::editor::RepositoryEditor;
use tough::editor::signed::SignedRole;
use tough::key_source::{KeySource, LocalKeySource};
use tough::schema::{KeyHolder, RoleKeys, RoleType, Root};

const DAY: i64 = 86_400;
/// PKCS#8 in DER: the editor reads no other Ed25519 keys.
const KEY: &str = "key.der";

/// A repository whose four roles share one key.
pub(crate) struct Repository {
    folder: TempDir,
    pub(crate) url: String,
    requests: Arc<AtomicU64>,
    version: u64,
}

#[derive(Clone)]
struct Served {
    folder: PathBuf,
    requests: Arc<AtomicU64>,
}

impl Repository {
    /// An empty repository on an address of its own.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        std::fs::write(folder.path().join(KEY), key.as_ref()).unwrap();
        let requests = Arc::new(AtomicU64::new(0));
        let served = Served {
            folder: folder.path().join("www"),
            requests: requests.clone(),
        };
        let router = Router::new().fallback(file).with_state(served);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let this = Self {
            folder,
            url,
            requests,
            version: 0,
        };
        this.write_root().await;
        this
    }

    /// How often it was asked for anything.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    /// The root.json to begin with.
    pub(crate) fn anchor(&self) -> Vec<u8> {
        std::fs::read(self.www().join("1.root.json")).unwrap()
    }

    /// Publishes a trusted root; the metadata is good for so many seconds.
    pub(crate) async fn publish(&mut self, trusted_root: &[u8], good_for: i64) {
        self.version += 1;
        let version = NonZeroU64::new(self.version).unwrap();
        let expires = Timestamp::from_second(Timestamp::now().as_second() + good_for).unwrap();
        let input = self.folder.path().join("input");
        std::fs::create_dir_all(&input).unwrap();
        std::fs::write(input.join("trusted_root.json"), trusted_root).unwrap();
        let mut editor = RepositoryEditor::new(self.www().join("1.root.json"))
            .await
            .unwrap();
        editor
            .targets_version(version)
            .unwrap()
            .targets_expires(expires)
            .unwrap()
            .snapshot_version(version)
            .snapshot_expires(expires)
            .timestamp_version(version)
            .timestamp_expires(expires)
            .add_target_path(input.join("trusted_root.json"))
            .await
            .unwrap();
        let signed = editor.sign(&[self.key()]).await.unwrap();
        signed.write(self.www()).await.unwrap();
        signed
            .copy_targets(
                &input,
                self.www().join("targets"),
                tough::editor::signed::PathExists::Replace,
            )
            .await
            .unwrap();
    }

    /// Has the next publication take the number of the one before the last.
    pub(crate) fn roll_back(&mut self) {
        self.version -= 2;
    }

    fn www(&self) -> PathBuf {
        self.folder.path().join("www")
    }

    fn key(&self) -> Box<dyn KeySource> {
        Box::new(LocalKeySource {
            path: self.folder.path().join(KEY),
        })
    }

    async fn write_root(&self) {
        let key = self.key().as_sign().await.unwrap().tuf_key();
        let id = key.key_id().unwrap();
        let one = NonZeroU64::new(1).unwrap();
        let role = RoleKeys {
            keyids: vec![id.clone()],
            threshold: one,
            _extra: HashMap::new(),
        };
        let roles = [
            RoleType::Root,
            RoleType::Targets,
            RoleType::Snapshot,
            RoleType::Timestamp,
        ];
        let root = Root {
            spec_version: "1.0.0".into(),
            consistent_snapshot: true,
            version: one,
            expires: Timestamp::from_second(Timestamp::now().as_second() + 365 * DAY).unwrap(),
            keys: HashMap::from([(id, key)]),
            roles: roles.map(|kind| (kind, role.clone())).into(),
            _extra: HashMap::new(),
        };
        let random = SystemRandom::new();
        let holder = KeyHolder::Root(root.clone());
        let signed = SignedRole::new(root, &holder, &[self.key()], &random)
            .await
            .unwrap();
        std::fs::create_dir_all(self.www()).unwrap();
        std::fs::write(self.www().join("1.root.json"), signed.buffer()).unwrap();
    }
}

async fn file(State(served): State<Served>, uri: axum::http::Uri) -> Response {
    served.requests.fetch_add(1, Ordering::SeqCst);
    let path = served
        .folder
        .join(Path::new(uri.path()).strip_prefix("/").unwrap());
    match std::fs::read(path) {
        Ok(bytes) => bytes.into_response(),
        Err(_) => axum::http::StatusCode::NOT_FOUND.into_response(),
    }
}
