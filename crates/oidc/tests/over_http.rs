//! Tokens of real issuers over real HTTP: discovery, key rotation, limits.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clock::{Clock, Hand};
use keys::{Algorithm, Purpose, Signer};
use oidc::dev::DevIssuer;
use oidc::{Config, TokenError, Transport, Verifier};
use pki::cert::San;
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use time::OffsetDateTime;
use tower::ServiceExt;

fn manual_clock() -> (Clock, Hand) {
    Clock::manual(OffsetDateTime::from_unix_timestamp(1_790_000_000).unwrap())
}

/// RSA keys are slow to make; tests share three.
fn signer(n: usize) -> Signer {
    static KEYS: OnceLock<Vec<Signer>> = OnceLock::new();
    let keys = KEYS.get_or_init(|| {
        (0..3)
            .map(|_| Signer::in_memory(Purpose::DevIssuer, Algorithm::Rsa2048).unwrap())
            .collect()
    });
    keys[n].clone()
}

async fn serve(router: impl FnOnce(&str) -> Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let router = router(&base);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    base
}

fn verifier(config: &str, clock: &Clock) -> Verifier {
    let config = Config::load(config, Transport::default()).unwrap();
    Verifier::new(config, Transport::default(), clock.clone())
}

fn email_config(issuer: &str) -> String {
    format!(
        "oidc-issuers:\n  {issuer}:\n    issuer-url: {issuer}\n    client-id: sigstore\n    type: email\n"
    )
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

async fn dev() -> (DevIssuer, Verifier, Hand) {
    let (clock, hand) = manual_clock();
    let mut issuer = None;
    let c = clock.clone();
    serve(|base| {
        let dev = DevIssuer::new(base, signer(0), c);
        issuer = Some(dev.clone());
        dev.router()
    })
    .await;
    let issuer = issuer.unwrap();
    let verifier = verifier(&issuer.fulcio_config_yaml(), &clock);
    (issuer, verifier, hand)
}

#[tokio::test]
async fn a_development_token_names_its_email() {
    let (issuer, verifier, _) = dev().await;
    let token = issuer.email_token("dev@example.com").await.unwrap();
    let principal = verifier.principal(&token).await.unwrap();
    assert_eq!(principal.proof_names, ["dev@example.com"]);
    let identity = principal.embed().unwrap();
    assert_eq!(identity.san, San::Email("dev@example.com".into()));
    assert_eq!(identity.extensions.issuer, issuer.email_issuer());
}

#[tokio::test]
async fn claims_choose_the_development_issuer() {
    let (issuer, verifier, _) = dev().await;
    let base = issuer.email_issuer();
    let github = json!({
        "iss": "https://token.actions.githubusercontent.com", "job_workflow_ref": "o/r/.github/workflows/ci.yml@refs/heads/main",
        "sha": "s1", "event_name": "push", "repository": "o/r", "workflow": "CI", "ref": "refs/heads/main",
        "job_workflow_sha": "s2", "runner_environment": "github-hosted", "repository_id": "11", "repository_owner": "o",
        "repository_owner_id": "22", "repository_visibility": "public",
        "workflow_ref": "o/r/.github/workflows/ci.yml@refs/heads/main", "workflow_sha": "s3", "run_id": "33", "run_attempt": "1"
    });
    let token = issuer.token(object(github)).await.unwrap();
    let principal = verifier.principal(&token).await.unwrap();
    assert_eq!(principal.issuer, format!("{base}/github"));
    assert_eq!(principal.subject, "repo:o/r:ref:refs/heads/main");
    let identity = principal.embed().unwrap();
    assert_eq!(
        identity.san,
        San::Uri("https://github.com/o/r/.github/workflows/ci.yml@refs/heads/main".into())
    );
    assert_eq!(
        identity.extensions.run_invocation_uri,
        "https://github.com/o/r/actions/runs/33/attempts/1"
    );

    let gitlab = json!({
        "ci_config_ref_uri": "gitlab.com/g/p//.gitlab-ci.yml@refs/heads/main", "project_path": "g/p", "pipeline_source": "push",
        "job_id": "1", "ref": "main", "ref_type": "branch", "namespace_path": "g", "namespace_id": "2", "project_id": "3",
        "sha": "s", "runner_environment": "gitlab-hosted"
    });
    let token = issuer.token(object(gitlab)).await.unwrap();
    let principal = verifier.principal(&token).await.unwrap();
    assert_eq!(principal.issuer, format!("{base}/gitlab"));
    assert_eq!(
        principal.embed().unwrap().extensions.source_repository_ref,
        "refs/heads/main"
    );

    let subject = format!("{}/users/7", base.trim_end_matches("/oidc"));
    let token = issuer.token(object(json!({"sub": subject}))).await.unwrap();
    let principal = verifier.principal(&token).await.unwrap();
    assert_eq!(principal.embed().unwrap().san, San::Uri(subject));

    assert!(issuer.token(Map::new()).await.is_err(), "no subject");
}

#[tokio::test]
async fn a_token_lives_ten_minutes_to_the_second() {
    let (issuer, verifier, hand) = dev().await;
    let token = issuer.email_token("dev@example.com").await.unwrap();
    hand.advance(599);
    verifier.principal(&token).await.unwrap();
    hand.advance(1);
    assert!(matches!(
        verifier.principal(&token).await,
        Err(TokenError::Expired { .. })
    ));
}

#[tokio::test]
async fn shared_secrets_none_and_changed_tokens_are_refused() {
    let (issuer, verifier, _) = dev().await;
    let token = issuer.email_token("dev@example.com").await.unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (_, payload) = signed.split_once('.').unwrap();
    for alg in ["none", "HS256", "ES512", "PS256"] {
        let header = URL_SAFE_NO_PAD.encode(json!({"alg": alg}).to_string());
        for signature in [signature, ""] {
            let forged = format!("{header}.{payload}.{signature}");
            let error = verifier.principal(&forged).await.unwrap_err();
            assert!(
                matches!(&error, TokenError::Algorithm { allowed, .. } if allowed == "RS256"),
                "{error:?}"
            );
        }
    }
    let mut claims: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    claims["email"] = json!("root@example.com");
    let header = signed.split('.').next().unwrap();
    let forged = format!(
        "{header}.{}.{signature}",
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    assert!(matches!(
        verifier.principal(&forged).await,
        Err(TokenError::Signature { .. })
    ));
}

#[tokio::test]
async fn a_token_without_kid_is_tried_with_every_key() {
    let (issuer, verifier, _) = dev().await;
    let token = issuer.email_token("dev@example.com").await.unwrap();
    let payload = token.split('.').nth(1).unwrap();
    let signed = format!("{}.{payload}", URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#));
    let signature = URL_SAFE_NO_PAD.encode(signer(0).sign(signed.as_bytes()).await.unwrap());
    verifier
        .principal(&format!("{signed}.{signature}"))
        .await
        .unwrap();
}

/// An issuer whose published keys can be changed, and that counts its visitors.
#[derive(Clone)]
struct Rotating {
    base: Arc<OnceLock<String>>,
    keys: Arc<Mutex<Vec<Value>>>,
    discoveries: Arc<AtomicUsize>,
    key_fetches: Arc<AtomicUsize>,
    down: Arc<Mutex<bool>>,
    hangs: Arc<AtomicBool>,
}

impl Rotating {
    async fn start() -> Self {
        let this = Self {
            base: Arc::default(),
            keys: Arc::default(),
            discoveries: Arc::default(),
            key_fetches: Arc::default(),
            down: Arc::default(),
            hangs: Arc::default(),
        };
        let state = this.clone();
        let base = serve(|_| {
            Router::new()
                .route(
                    "/oidc/.well-known/openid-configuration",
                    get(Self::discovery),
                )
                .route("/oidc/keys", get(Self::key_set))
                .with_state(state)
        })
        .await;
        this.base.set(base).unwrap();
        this
    }

    async fn discovery(State(this): State<Self>) -> Response {
        this.discoveries.fetch_add(1, Ordering::SeqCst);
        if this.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if *this.down.lock().unwrap() {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        let base = this.base.get().unwrap();
        axum::Json(json!({"issuer": format!("{base}/oidc"), "jwks_uri": format!("{base}/oidc/keys"), "id_token_signing_alg_values_supported": ["RS256", "HS256"]}))
            .into_response()
    }

    async fn key_set(State(this): State<Self>) -> Response {
        this.key_fetches.fetch_add(1, Ordering::SeqCst);
        if *this.down.lock().unwrap() {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        let keys = this.keys.lock().unwrap().clone();
        axum::Json(json!({ "keys": keys })).into_response()
    }

    fn issuer(&self, n: usize, clock: &Clock) -> DevIssuer {
        DevIssuer::new(self.base.get().unwrap(), signer(n), clock.clone())
    }

    /// Publishes exactly these keys.
    async fn publish(&self, numbers: &[usize], clock: &Clock) {
        let mut keys = Vec::new();
        for n in numbers {
            let request = axum::extract::Request::get("/oidc/keys")
                .body(axum::body::Body::empty())
                .unwrap();
            let response = self
                .issuer(*n, clock)
                .router()
                .oneshot(request)
                .await
                .unwrap();
            let body = axum::body::to_bytes(response.into_body(), 1 << 20)
                .await
                .unwrap();
            let set: Value = serde_json::from_slice(&body).unwrap();
            keys.push(set["keys"][0].clone());
        }
        *self.keys.lock().unwrap() = keys;
    }

    fn fetches(&self) -> usize {
        self.key_fetches.load(Ordering::SeqCst)
    }
}

async fn rotating() -> (Rotating, Verifier, Clock, Hand) {
    let (clock, hand) = manual_clock();
    let issuer = Rotating::start().await;
    issuer.publish(&[0], &clock).await;
    let verifier = verifier(
        &email_config(&issuer.issuer(0, &clock).email_issuer()),
        &clock,
    );
    (issuer, verifier, clock, hand)
}

#[tokio::test]
async fn a_rotated_key_is_found_by_its_unknown_kid() {
    let (issuer, verifier, clock, hand) = rotating().await;
    verifier
        .principal(
            &issuer
                .issuer(0, &clock)
                .email_token("a@b.example")
                .await
                .unwrap(),
        )
        .await
        .unwrap();
    issuer.publish(&[1], &clock).await;
    hand.advance(30);
    verifier
        .principal(
            &issuer
                .issuer(1, &clock)
                .email_token("a@b.example")
                .await
                .unwrap(),
        )
        .await
        .unwrap();
    assert_eq!(issuer.fetches(), 2);
    // The withdrawn key went with the refetch.
    let old = issuer
        .issuer(0, &clock)
        .email_token("a@b.example")
        .await
        .unwrap();
    assert!(matches!(
        verifier.principal(&old).await,
        Err(TokenError::UnknownKey { .. })
    ));
}

#[tokio::test]
async fn unknown_kids_cannot_cause_more_than_one_fetch_in_ten_seconds() {
    let (issuer, verifier, clock, hand) = rotating().await;
    let stranger = issuer
        .issuer(2, &clock)
        .email_token("a@b.example")
        .await
        .unwrap();
    for _ in 0..20 {
        assert!(matches!(
            verifier.principal(&stranger).await,
            Err(TokenError::UnknownKey { .. })
        ));
    }
    assert_eq!(issuer.fetches(), 1);
    hand.advance(10);
    for _ in 0..20 {
        assert!(verifier.principal(&stranger).await.is_err());
    }
    assert_eq!(issuer.fetches(), 2);
}

#[tokio::test]
async fn a_crowd_causes_one_fetch() {
    let (issuer, verifier, clock, _) = rotating().await;
    let token = issuer
        .issuer(0, &clock)
        .email_token("a@b.example")
        .await
        .unwrap();
    let crowd: Vec<_> = (0..32)
        .map(|_| {
            let (verifier, token) = (verifier.clone(), token.clone());
            tokio::spawn(async move { verifier.principal(&token).await })
        })
        .collect();
    for one in crowd {
        one.await.unwrap().unwrap();
    }
    assert_eq!(
        (issuer.discoveries.load(Ordering::SeqCst), issuer.fetches()),
        (1, 1)
    );
}

#[tokio::test]
async fn a_withdrawn_key_stops_working_within_the_hour() {
    let (issuer, verifier, clock, hand) = rotating().await;
    verifier
        .principal(
            &issuer
                .issuer(0, &clock)
                .email_token("a@b.example")
                .await
                .unwrap(),
        )
        .await
        .unwrap();
    issuer.publish(&[1], &clock).await;
    hand.advance(3601);
    let old = issuer
        .issuer(0, &clock)
        .email_token("a@b.example")
        .await
        .unwrap();
    // The first one after an hour is checked with the keys at hand, and has newer ones fetched.
    verifier.principal(&old).await.unwrap();
    let refused = async {
        while verifier.principal(&old).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon(refused).await;
    assert_eq!(issuer.fetches(), 2);
    assert!(matches!(
        verifier.principal(&old).await,
        Err(TokenError::UnknownKey { .. })
    ));
}

/// For what must not wait for an issuer that hangs (which it would for 10 s).
async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(5), work)
        .await
        .unwrap()
}

#[tokio::test]
async fn an_issuer_that_hangs_delays_nobody_whose_keys_are_at_hand() {
    let (issuer, verifier, clock, hand) = rotating().await;
    let token = || async {
        let issuer = issuer.issuer(0, &clock);
        issuer.email_token("a@b.example").await.unwrap()
    };
    verifier.principal(&token().await).await.unwrap();
    issuer.hangs.store(true, Ordering::SeqCst);
    hand.advance(3601);
    let late = token().await;
    soon(async {
        for _ in 0..20 {
            verifier.principal(&late).await.unwrap();
        }
        while issuer.discoveries.load(Ordering::SeqCst) < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for _ in 0..20 {
            verifier.principal(&late).await.unwrap();
        }
    })
    .await;
    assert_eq!(issuer.discoveries.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_issuer_that_is_down_is_asked_again_after_ten_seconds() {
    let (issuer, verifier, clock, hand) = rotating().await;
    *issuer.down.lock().unwrap() = true;
    let token = issuer
        .issuer(0, &clock)
        .email_token("a@b.example")
        .await
        .unwrap();
    for _ in 0..5 {
        let error = verifier.principal(&token).await.unwrap_err();
        assert!(error.to_string().contains("status 503"), "{error}");
        assert!(!error.public().contains("503"), "{}", error.public());
    }
    assert_eq!(issuer.discoveries.load(Ordering::SeqCst), 1);
    *issuer.down.lock().unwrap() = false;
    hand.advance(10);
    verifier.principal(&token).await.unwrap();
}

#[tokio::test]
async fn old_keys_serve_for_a_day_while_the_issuer_is_down() {
    let (issuer, verifier, clock, hand) = rotating().await;
    verifier
        .principal(
            &issuer
                .issuer(0, &clock)
                .email_token("a@b.example")
                .await
                .unwrap(),
        )
        .await
        .unwrap();
    *issuer.down.lock().unwrap() = true;
    hand.advance(2 * 3600);
    verifier
        .principal(
            &issuer
                .issuer(0, &clock)
                .email_token("a@b.example")
                .await
                .unwrap(),
        )
        .await
        .unwrap();
    hand.advance(23 * 3600);
    let late = issuer
        .issuer(0, &clock)
        .email_token("a@b.example")
        .await
        .unwrap();
    assert!(matches!(
        verifier.principal(&late).await,
        Err(TokenError::IssuerUnavailable { .. })
    ));
}

#[tokio::test]
async fn expired_and_misdirected_tokens_cause_no_request() {
    let (issuer, verifier, clock, hand) = rotating().await;
    let dev = issuer.issuer(0, &clock);
    let wrong = dev
        .token(object(json!({"email": "a@b.example", "aud": "other"})))
        .await
        .unwrap();
    assert!(matches!(
        verifier.principal(&wrong).await,
        Err(TokenError::Audience { .. })
    ));
    let late = dev.email_token("a@b.example").await.unwrap();
    hand.advance(601);
    assert!(matches!(
        verifier.principal(&late).await,
        Err(TokenError::Expired { .. })
    ));
    assert_eq!(issuer.discoveries.load(Ordering::SeqCst), 0);
}

/// What `answer` gives for the discovery document of `<base>/oidc`.
async fn refused_discovery(
    answer: impl Fn(&str) -> Response + Clone + Send + Sync + 'static,
) -> String {
    let (clock, _) = manual_clock();
    let base = serve(|base| {
        let base = base.to_owned();
        let handler = move || std::future::ready(answer(&base));
        Router::new().route("/oidc/.well-known/openid-configuration", get(handler))
    })
    .await;
    let dev = DevIssuer::new(&base, signer(0), clock.clone());
    let token = dev.email_token("a@b.example").await.unwrap();
    let error = verifier(&email_config(&dev.email_issuer()), &clock)
        .principal(&token)
        .await
        .unwrap_err();
    assert!(
        matches!(error, TokenError::IssuerUnavailable { .. }),
        "{error:?}"
    );
    error.to_string()
}

#[tokio::test]
async fn a_discovery_document_of_another_issuer_is_refused() {
    let text = refused_discovery(|base| {
        axum::Json(json!({"issuer": format!("{base}/oidc/"), "jwks_uri": format!("{base}/keys")}))
            .into_response()
    })
    .await;
    assert!(text.contains("configure that text exactly"), "{text}");
}

#[tokio::test]
async fn a_redirect_to_another_host_is_not_followed() {
    let elsewhere = serve(|_| Router::new().fallback(|| async { "reached" })).await;
    let text = refused_discovery(move |_| {
        (StatusCode::FOUND, [(header::LOCATION, elsewhere.clone())]).into_response()
    })
    .await;
    assert!(text.contains("redirect to another host"), "{text}");
}

#[tokio::test]
async fn a_redirect_loop_ends() {
    let text = refused_discovery(|_| {
        (
            StatusCode::FOUND,
            [(header::LOCATION, "/oidc/.well-known/openid-configuration")],
        )
            .into_response()
    })
    .await;
    assert!(text.contains("too many redirects"), "{text}");
}

#[tokio::test]
async fn a_redirect_on_the_same_host_is_followed() {
    let (clock, _) = manual_clock();
    let base = serve(|base| {
        let dev = DevIssuer::new(base, signer(0), clock.clone());
        let to = || async { (StatusCode::FOUND, [(header::LOCATION, "/oidc/keys")]) };
        let document =
            json!({"issuer": format!("{base}/oidc"), "jwks_uri": format!("{base}/moved")});
        Router::new()
            .route("/moved", get(to))
            .route(
                "/oidc/.well-known/openid-configuration",
                get(move || std::future::ready(axum::Json(document.clone()))),
            )
            .route(
                "/oidc/keys",
                get(move || async move {
                    dev.router()
                        .oneshot(
                            axum::extract::Request::get("/oidc/keys")
                                .body(axum::body::Body::empty())
                                .unwrap(),
                        )
                        .await
                        .unwrap()
                }),
            )
    })
    .await;
    let dev = DevIssuer::new(&base, signer(0), clock.clone());
    let token = dev.email_token("a@b.example").await.unwrap();
    verifier(&email_config(&dev.email_issuer()), &clock)
        .principal(&token)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_endless_document_is_cut_off() {
    let text = refused_discovery(|_| vec![b' '; 2 * 1024 * 1024].into_response()).await;
    assert!(text.contains("more than 1048576 bytes"), "{text}");
}

#[tokio::test]
async fn an_issuer_found_by_wildcard_uses_its_own_keys() {
    let (clock, _) = manual_clock();
    let mut issuer = None;
    let c = clock.clone();
    let base = serve(|base| {
        let dev = DevIssuer::new(&format!("{base}/org-1"), signer(0), c);
        issuer = Some(dev.clone());
        Router::new().nest("/org-1", dev.router())
    })
    .await;
    let issuer = issuer.unwrap();
    let config =
        format!("meta-issuers:\n  {base}/*/oidc:\n    client-id: sigstore\n    type: email\n");
    let verifier = verifier(&config, &clock);
    let token = issuer.email_token("a@b.example").await.unwrap();
    let principal = verifier.principal(&token).await.unwrap();
    assert_eq!(principal.issuer, format!("{base}/org-1/oidc"));
    for evil in ["a/b", "a.b", "a%2fb", ""] {
        let dev = DevIssuer::new(&format!("{base}/{evil}"), signer(0), clock.clone());
        let token = dev.email_token("a@b.example").await.unwrap();
        assert!(
            matches!(
                verifier.principal(&token).await,
                Err(TokenError::UnknownIssuer { .. })
            ),
            "{evil}"
        );
    }
}

#[tokio::test]
async fn invented_issuers_of_a_wildcard_keep_nobody_waiting() {
    let (issuer, _, clock, _) = rotating().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let hanging = serve(|_| {
        Router::new().fallback(move || {
            count.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<()>()
        })
    })
    .await;
    let real = issuer.issuer(0, &clock);
    let config = format!(
        "{}meta-issuers:\n  {hanging}/*/oidc:\n    client-id: sigstore\n    type: email\n",
        email_config(&real.email_issuer())
    );
    let verifier = verifier(&config, &clock);
    let invented = |n: usize| {
        let dev = DevIssuer::new(&format!("{hanging}/{n}"), signer(0), clock.clone());
        let verifier = verifier.clone();
        async move {
            let token = dev.email_token("a@b.example").await.unwrap();
            verifier.principal(&token).await
        }
    };
    // 1. As many as may be asked at once: they hang.
    let places = oidc::limits::WILDCARD_FETCHES_AT_ONCE;
    let waiting: Vec<_> = (0..places).map(|n| tokio::spawn(invented(n))).collect();
    soon(async {
        while asked.load(Ordering::SeqCst) < places {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    // 2. Further ones are refused at once, and cause no request.
    for n in places..places + 20 {
        let error = soon(invented(n)).await.unwrap_err();
        assert!(
            matches!(error, TokenError::TooManyIssuers { .. }),
            "{error:?}"
        );
    }
    assert_eq!(asked.load(Ordering::SeqCst), places);
    // 3. The configured issuer is asked meanwhile.
    let token = real.email_token("a@b.example").await.unwrap();
    soon(verifier.principal(&token)).await.unwrap();
    assert!(waiting.iter().all(|one| !one.is_finished()));
}
