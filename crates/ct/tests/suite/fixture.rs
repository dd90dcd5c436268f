//! A root, an issuing CA, a log key; precertificates as Fulcio makes them.

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clock::{Clock, Hand};
use ct::{Config, CtLog, Deps};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use keys::authority::{self, Names, Profile};
use keys::{Algorithm, Purpose, Signer};
use pki::cert::{Certificate, San};
use pki::extensions::FulcioExtensions;
use pki::key::PublicKey;
use pki::profile::{self, LeafRequest, LeafTbs};
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use tower::ServiceExt;

pub(crate) const HOST: &str = "sigstore.example";
pub(crate) const NOW: i64 = 1_700_000_000;

pub(crate) struct Ca {
    pub(crate) signer: Signer,
    /// Issuing CA first, root last.
    pub(crate) chain: Vec<Certificate>,
    serial: std::sync::atomic::AtomicU8,
}

impl Ca {
    pub(crate) async fn new(name: &str) -> Self {
        let start = now() - Duration::days(1);
        let names = |common: &str| Names {
            organization: name.into(),
            common_name: format!("{name} {common}"),
        };
        let root_signer = Signer::in_memory(Purpose::RootCa, Algorithm::EcdsaP256).unwrap();
        let root = authority::root(&root_signer, &names("root"), start, 10, [1; 20])
            .await
            .unwrap();
        let signer = Signer::in_memory(Purpose::IssuingCa, Algorithm::EcdsaP256).unwrap();
        let end = start + Duration::days(365);
        let issuing_names = names("issuing");
        let issuing = authority::issue(
            &root_signer,
            &root,
            signer.public_key(),
            &issuing_names,
            Profile::CodeSigningCa,
            start,
            end,
            [2; 20],
        );
        let issuing = issuing.await.unwrap();
        let chain = [issuing, root]
            .map(|der| Certificate::parse_der(&der).unwrap())
            .to_vec();
        Self {
            signer,
            chain,
            serial: 1.into(),
        }
    }

    pub(crate) fn issuer(&self) -> &Certificate {
        &self.chain[0]
    }

    pub(crate) fn root(&self) -> &Certificate {
        &self.chain[1]
    }

    pub(crate) fn tbs(&self) -> LeafTbs {
        let key = Signer::in_memory(Purpose::DevIssuer, Algorithm::EcdsaP256).unwrap();
        let serial = self
            .serial
            .fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let request = LeafRequest {
            subject_key: key.public_key(),
            san: San::Email("someone@sigstore.example".into()),
            extensions: FulcioExtensions {
                issuer: "https://issuer.example".into(),
                ..Default::default()
            },
            serial: [serial; 20],
            not_before: now(),
            not_after: now() + Duration::minutes(10),
        };
        LeafTbs::build(self.issuer(), request).unwrap()
    }

    pub(crate) async fn sign(&self, tbs: &[u8]) -> Certificate {
        let signature = self.signer.sign(tbs).await.unwrap();
        let der = profile::assemble(
            tbs,
            profile::ca_scheme(self.signer.public_key()),
            &signature,
        )
        .unwrap();
        Certificate::parse_der(&der).unwrap()
    }

    pub(crate) async fn precert(&self) -> Certificate {
        self.sign(&self.tbs().precertificate().unwrap()).await
    }
}

pub(crate) struct Fixture {
    pub(crate) ca: Ca,
    pub(crate) ct: CtLog,
    pub(crate) key: PublicKey,
    pub(crate) hand: Hand,
    signer: Signer,
    clock: Clock,
    store: std::sync::Arc<dyn tlog::Store>,
}

async fn open(
    ca: &Ca,
    signer: &Signer,
    clock: &Clock,
    store: &std::sync::Arc<dyn tlog::Store>,
) -> CtLog {
    let heads = CtLog::head_signer(HOST, signer.clone());
    let limits = tlog::Limits::default();
    let log = tlog::Log::open(store.clone(), "ct", heads, clock.clone(), limits, true);
    // The first chain's CA was rotated out: its root is still accepted, once.
    let chains = vec![ca.chain.clone(), ca.chain.clone()];
    CtLog::new(
        Config {
            origin: CtLog::origin(HOST),
        },
        Deps {
            log: log.await.unwrap(),
            signer: signer.clone(),
            clock: clock.clone(),
            chains,
        },
    )
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(Algorithm::EcdsaP256).await
    }

    pub(crate) async fn with(algorithm: Algorithm) -> Self {
        let ca = Ca::new("Example").await;
        let signer = Signer::in_memory(Purpose::CtLog, algorithm).unwrap();
        let (clock, hand) = Clock::manual(now());
        let store = tlog::store::memory();
        let key = signer.public_key().clone();
        let ct = open(&ca, &signer, &clock, &store).await;
        Self {
            ca,
            ct,
            key,
            hand,
            signer,
            clock,
            store,
        }
    }

    /// Closes the log and opens it again, as the next process does.
    pub(crate) async fn restart(&mut self) {
        self.ct.log().close().await;
        self.ct = open(&self.ca, &self.signer, &self.clock, &self.store).await;
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, String) {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    pub(crate) async fn get_json(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<String>) -> (StatusCode, String) {
        self.send(Request::post(path).body(Body::from(body.into())).unwrap())
            .await
    }

    pub(crate) async fn submit(
        &self,
        endpoint: &str,
        chain: &[&Certificate],
    ) -> (StatusCode, String) {
        let chain: Vec<String> = chain
            .iter()
            .map(|cert| STANDARD.encode(cert.der()))
            .collect();
        self.post(
            &format!("/ctlog/ct/v1/{endpoint}"),
            serde_json::json!({ "chain": chain }).to_string(),
        )
        .await
    }

    pub(crate) async fn response(&self, request: Request<Body>) -> Response<Body> {
        axum::Router::new()
            .nest("/ctlog", self.ct.router())
            .oneshot(request)
            .await
            .unwrap()
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, String) {
        let response = self.response(request).await;
        let (status, content_type) = (
            response.status(),
            response.headers().get("content-type").cloned(),
        );
        let body = String::from_utf8(
            response
                .into_body()
                .collect()
                .await
                .unwrap()
                .to_bytes()
                .to_vec(),
        )
        .unwrap();
        if !status.is_success() {
            assert_eq!(content_type.unwrap(), "text/plain; charset=utf-8");
            let title = status.canonical_reason().unwrap();
            assert!(
                body.starts_with(&format!("{title}\n")) && body.ends_with('\n'),
                "{body:?}"
            );
        }
        (status, body)
    }
}

pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(NOW).unwrap()
}

pub(crate) fn base64(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

pub(crate) fn hash(value: &Value) -> merkle::Hash {
    base64(value).try_into().unwrap()
}

pub(crate) fn hashes(value: &Value) -> Vec<merkle::Hash> {
    value.as_array().unwrap().iter().map(hash).collect()
}

/// Base64 for a query.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    STANDARD
        .encode(bytes)
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D")
}
