//! A whole certificate authority: real keys and chain, a real CT log in memory, a real issuer on HTTP.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clock::{Clock, Hand};
use keys::authority::{self, Names, Profile};
use keys::{Algorithm, EphemeralKey, Purpose, Signer};
use oidc::dev::DevIssuer;
use pki::cert::Certificate;
use pki::key::PublicKey;
use serde_json::{Map, Value, json};
use std::sync::OnceLock;
use time::{Duration, OffsetDateTime};
use tower::ServiceExt;

pub(crate) const START: i64 = 1_790_000_000;
pub(crate) const EMAIL: &str = "dev@example.com";

pub(crate) struct World {
    pub(crate) router: Router,
    pub(crate) issuer: DevIssuer,
    pub(crate) hand: Hand,
    pub(crate) clock: Clock,
    pub(crate) chain: Vec<Certificate>,
    pub(crate) ct: ct::CtLog,
    pub(crate) ct_key: PublicKey,
    pub(crate) registry: prometheus::Registry,
    pub(crate) switch: fulcio::Switch,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    /// The message of an error; asserts that code and details are those of a client error.
    pub(crate) fn refused(&self) -> String {
        let json = self.json();
        assert_eq!(
            (self.status, &json["code"], &json["details"]),
            (400, &json!(3), &json!([])),
            "{}",
            self.body
        );
        json["message"].as_str().unwrap().to_owned()
    }

    /// The certificates of a v2 answer.
    pub(crate) fn chain(&self) -> Vec<Certificate> {
        assert_eq!(self.status, 200, "{}", self.body);
        let json = self.json();
        let list = json["signedCertificateEmbeddedSct"]["chain"]["certificates"]
            .as_array()
            .unwrap()
            .clone();
        list.iter()
            .map(|pem| Certificate::parse_pem(pem.as_str().unwrap()).unwrap())
            .collect()
    }
}

pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(START).unwrap()
}

pub(crate) fn issuer_key() -> Signer {
    static KEY: OnceLock<Signer> = OnceLock::new();
    KEY.get_or_init(|| Signer::in_memory(Purpose::DevIssuer, Algorithm::Rsa2048).unwrap())
        .clone()
}

/// Root and intermediate; the intermediate ends at `not_after`.
pub(crate) async fn ca(not_after: OffsetDateTime) -> (Signer, Vec<Certificate>) {
    let root_key = Signer::in_memory(Purpose::RootCa, Algorithm::EcdsaP384).unwrap();
    let key = Signer::in_memory(Purpose::IssuingCa, Algorithm::EcdsaP256).unwrap();
    let names = |cn: &str| Names {
        organization: "Test".into(),
        common_name: cn.into(),
    };
    let begin = now() - Duration::days(1);
    let root = authority::root(&root_key, &names("root"), begin, 10, [1; 20])
        .await
        .unwrap();
    let profile = Profile::CodeSigningCa;
    let issuing = authority::issue(
        &root_key,
        &root,
        key.public_key(),
        &names("issuing"),
        profile,
        begin,
        not_after,
        [2; 20],
    )
    .await
    .unwrap();
    (
        key,
        [issuing, root]
            .iter()
            .map(|der| Certificate::parse_der(der).unwrap())
            .collect(),
    )
}

pub(crate) async fn world() -> World {
    world_until(now() + Duration::days(365)).await
}

pub(crate) async fn world_until(not_after: OffsetDateTime) -> World {
    world_of(not_after, "").await
}

/// A world that trusts one more issuer, of e-mail addresses.
pub(crate) async fn world_trusting(issuer: &str) -> World {
    let more = format!(
        "\n  {issuer}:\n    issuer-url: {issuer}\n    client-id: sigstore\n    type: email"
    );
    world_of(now() + Duration::days(365), &more).await
}

/// A CT log in memory, and its key.
pub(crate) async fn ct_log(
    number: u32,
    clock: &Clock,
    chain: &[Certificate],
) -> (ct::CtLog, PublicKey) {
    let signer = Signer::in_memory(Purpose::CtLog, Algorithm::EcdsaP256).unwrap();
    let key = signer.public_key().clone();
    let origin = ct::CtLog::origin_of("ct.example", number);
    let name = format!("ct-{number}");
    let log = tlog::Log::open(
        tlog::store::memory(),
        &name,
        ct::CtLog::head_signer_of(&origin, signer.clone()),
        clock.clone(),
        tlog::Limits::default(),
        true,
    );
    let deps = ct::Deps {
        log: log.await.unwrap(),
        signer,
        clock: clock.clone(),
        chains: vec![chain.to_vec()],
    };
    (ct::CtLog::new(ct::Config { origin }, deps), key)
}

async fn world_of(not_after: OffsetDateTime, more_issuers: &str) -> World {
    let (clock, hand) = Clock::manual(now());
    let (signer, chain) = ca(not_after).await;

    let (ct, ct_key) = ct_log(1, &clock, &chain).await;

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let issuer = DevIssuer::new(&base, issuer_key(), clock.clone());
    let routes = issuer.router();
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });

    let registry = prometheus::Registry::new();
    let list = "oidc-issuers:";
    let issuers = issuer.fulcio_config_yaml();
    let config = fulcio::Config {
        issuers: issuers.replace(list, &format!("{list}{more_issuers}")),
        allow_http_issuers: false,
    };
    let deps = fulcio::Deps {
        signer,
        chain: chain.clone(),
        ct: ct.clone(),
        clock: clock.clone(),
        registry: registry.clone(),
    };
    let (router, switch) = fulcio::build_switchable(config, deps).unwrap();
    World {
        router,
        issuer,
        hand,
        clock,
        chain,
        ct,
        ct_key,
        registry,
        switch,
    }
}

impl World {
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response: Response<Body> = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        authorization: Option<&str>,
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::post(path);
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    /// A v2 request with the token in the header.
    pub(crate) async fn sign(&self, token: &str, body: &Value) -> Answer {
        self.post(
            "/api/v2/signingCert",
            Some(&format!("Bearer {token}")),
            body.to_string(),
        )
        .await
    }

    pub(crate) async fn email_token(&self) -> String {
        self.issuer.email_token(EMAIL).await.unwrap()
    }

    pub(crate) async fn token(&self, claims: Value) -> String {
        let claims: Map<String, Value> = claims.as_object().cloned().unwrap();
        self.issuer.token(claims).await.unwrap()
    }

    /// A good request for a fresh P-256 key, with a token of these claims beside the e-mail.
    pub(crate) async fn sign_with_claims(&self, claims: Value) -> Answer {
        let mut all = json!({"email": EMAIL, "sub": EMAIL});
        all.as_object_mut()
            .unwrap()
            .extend(claims.as_object().cloned().unwrap());
        let token = self.token(all).await;
        self.sign(&token, &fresh_key_request(EMAIL)).await
    }
}

/// `publicKeyRequest` for a key.
pub(crate) fn key_request(pem: &str, proof: &[u8]) -> Value {
    json!({"publicKeyRequest": {"publicKey": {"algorithm": "ECDSA", "content": pem}, "proofOfPossession": STANDARD.encode(proof)}})
}

/// The same for a fresh P-256 key.
pub(crate) fn fresh_key_request(name: &str) -> Value {
    let key = EphemeralKey::generate().unwrap();
    key_request(
        &key.public_key().to_pem(),
        &key.sign(name.as_bytes()).unwrap(),
    )
}

pub(crate) fn csr_request(pem: &str) -> Value {
    json!({"certificateSigningRequest": STANDARD.encode(pem)})
}
