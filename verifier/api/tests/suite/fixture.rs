//! A verifier on the public instance's root, a good bundle, and how to ask.

use axum::Router;
use axum::body::Body;
use clock::{Clock, Hand};
use http::{Request, Response};
use http_body_util::BodyExt;
use keys::{Algorithm, Purpose, Signer};
use prometheus::Registry;
use serde_json::{Value, json};
use std::path::PathBuf;
use time::macros::datetime;
use tower::ServiceExt;
use trust::{DEFAULT, PUBLIC_GOOD, Roots};
use verifier_api::{Config, Deps, Policies, Summarizer};

pub(crate) const IDENTITY: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
pub(crate) const ISSUER: &str = "https://token.actions.githubusercontent.com";

/// A running verifier with its folder and its clock.
pub(crate) struct Site {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) roots: Roots,
    pub(crate) hand: Hand,
    pub(crate) registry: Registry,
    pub(crate) summary_key: String,
    router: Router,
}

impl Site {
    pub(crate) async fn new() -> Self {
        Self::with(Config::default(), &[]).await
    }

    pub(crate) async fn with(config: Config, policies: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root.json");
        std::fs::write(&root, PUBLIC_GOOD).unwrap();
        for (name, text) in policies {
            std::fs::write(folder.path().join(format!("{name}.yaml")), text).unwrap();
        }
        let policy_folder = folder.path();
        let policies = match policies {
            [] => Policies::default(),
            _ => {
                std::fs::rename(&root, folder.path().join("root")).unwrap();
                let loaded = Policies::load(policy_folder).unwrap();
                std::fs::rename(folder.path().join("root"), &root).unwrap();
                loaded
            }
        };
        let (clock, hand) = Clock::manual(datetime!(2026-11-01 0:00 UTC));
        let registry = Registry::new();
        let roots = Roots::builder().embedded().file(DEFAULT, &root);
        let roots = roots.build(clock.clone(), &registry).await.unwrap();
        let signer = Signer::in_memory(Purpose::Verifier, Algorithm::EcdsaP256).unwrap();
        let summarizer = Summarizer::new("https://verifier.example.com", signer).unwrap();
        let summary_key = summarizer.public_key_pem();
        let deps = Deps {
            roots: roots.clone(),
            policies,
            clock,
            registry: registry.clone(),
            summarizer: Some(summarizer),
        };
        let verifier = verifier_api::build(config, deps).unwrap();
        Self {
            folder,
            roots,
            hand,
            registry,
            summary_key,
            router: verifier.router(),
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> (u16, Value) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        (status, body(response).await)
    }

    /// Serves on an address of its own until the test ends.
    pub(crate) async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let router = self.router.clone();
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Body>) -> (u16, Value) {
        let request = Request::post(path).header("content-type", "application/json");
        self.send(request.body(body.into()).unwrap()).await
    }

    pub(crate) async fn verify(&self, request: &Value) -> (u16, Value) {
        self.post("/api/v1/verify", request.to_string()).await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    /// A positive or negative verdict.
    pub(crate) async fn verdict(&self, request: &Value) -> Value {
        let (status, answer) = self.verify(request).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }
}

async fn body(response: Response<Body>) -> Value {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap_or(Value::Null)
}

/// A bundle of the conformance suite, its artifact, and a request for both.
pub(crate) struct Good {
    pub(crate) bundle: Value,
    pub(crate) artifact: Vec<u8>,
}

impl Good {
    /// `None` without the vectors.
    pub(crate) fn load() -> Option<Self> {
        Self::named("happy-path-v0.3")
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        let folder: PathBuf = testkit::vectors("conformance")?;
        let bundle = folder.join(name).join("bundle.sigstore.json");
        Some(Self {
            bundle: serde_json::from_slice(&std::fs::read(bundle).unwrap()).unwrap(),
            artifact: std::fs::read(folder.join("a.txt")).unwrap(),
        })
    }

    pub(crate) fn digest(&self) -> String {
        format!(
            "sha256:{}",
            hex::encode(verifier_api::digest(&self.artifact))
        )
    }

    pub(crate) fn request(&self) -> Value {
        json!({
            "bundle": self.bundle,
            "artifact": {"digest": self.digest()},
            "identity": {"certificateIdentity": IDENTITY, "certificateOidcIssuer": ISSUER},
        })
    }
}
