//! What is refused, with which words: upstream's text first, then the reason.

use crate::support::{
    EMAIL, START, World, ca, csr_request, fresh_key_request, key_request, now, world, world_until,
};
use axum::body::Body;
use axum::http::Request;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use keys::EphemeralKey;
use serde_json::{Value, json};
use time::Duration;

const TOKEN: &str = "There was an error processing the identity token: ";
const KEY: &str = "The public key supplied in the request could not be parsed: ";
const WEAK: &str = "The public key supplied in the request is insecure: ";
const PROOF: &str = "The signature supplied in the request could not be verified: ";

async fn token_refused(world: &World, token: &str, reason: &str) {
    let message = world.sign(token, &fresh_key_request(EMAIL)).await.refused();
    assert!(
        message.starts_with(TOKEN) && message.contains(reason),
        "{message}"
    );
    assert!(
        token.len() < 20 || !message.contains(token),
        "the token is echoed"
    );
}

async fn claims_refused(world: &World, claims: Value, reason: &str) {
    let message = world.sign_with_claims(claims).await.refused();
    assert!(
        message.starts_with(TOKEN) && message.contains(reason),
        "{message}"
    );
}

async fn request_refused(world: &World, request: &Value, prefix: &str, reason: &str) {
    let message = world
        .sign(&world.email_token().await, request)
        .await
        .refused();
    assert!(
        message.starts_with(prefix) && message.contains(reason),
        "{message}"
    );
}

#[tokio::test]
async fn times_are_checked_without_leeway_for_expiry_and_five_minutes_for_nbf() {
    let world = world().await;
    claims_refused(
        &world,
        json!({"exp": START - 1}),
        "it expired at 2026-09-21T14:13:19Z; get a new token",
    )
    .await;
    world
        .sign_with_claims(json!({"exp": START + 1}))
        .await
        .chain();
    claims_refused(&world, json!({"exp": null}), "claim `exp` is missing").await;
    world
        .sign_with_claims(json!({"nbf": START + 240}))
        .await
        .chain();
    claims_refused(
        &world,
        json!({"nbf": START + 360}),
        "it is not valid before",
    )
    .await;
}

#[tokio::test]
async fn the_audience_must_contain_the_client_id() {
    let world = world().await;
    claims_refused(
        &world,
        json!({"aud": "other"}),
        "claim `aud` is \"other\", it must contain \"sigstore\"",
    )
    .await;
    claims_refused(&world, json!({"aud": ["a", "b"]}), "claim `aud` is").await;
    world
        .sign_with_claims(json!({"aud": ["a", "sigstore"]}))
        .await
        .chain();
}

#[tokio::test]
async fn an_unknown_issuer_is_named() {
    let world = world().await;
    let part = |v: Value| URL_SAFE_NO_PAD.encode(v.to_string());
    let token = format!(
        "{}.{}.c2ln",
        part(json!({"alg": "RS256"})),
        part(json!({"iss": "https://evil.example", "aud": "sigstore", "exp": START + 60}))
    );
    token_refused(
        &world,
        &token,
        "issuer \"https://evil.example\" is not configured",
    )
    .await;
}

#[tokio::test]
async fn unverified_emails_are_refused() {
    let world = world().await;
    claims_refused(
        &world,
        json!({"email_verified": false}),
        "claim `email_verified` is",
    )
    .await;
    claims_refused(
        &world,
        json!({"email": "dév@example.com"}),
        "certificates hold ASCII addresses only",
    )
    .await;
}

#[tokio::test]
async fn forged_algorithms_are_refused() {
    let world = world().await;
    let good = world.email_token().await;
    let payload = good.split('.').nth(1).unwrap();
    for alg in ["none", "HS256"] {
        let header = URL_SAFE_NO_PAD.encode(json!({"alg": alg}).to_string());
        token_refused(
            &world,
            &format!("{header}.{payload}.c2ln"),
            "is signed with alg",
        )
        .await;
        token_refused(&world, &format!("{header}.{payload}."), "allows RS256").await;
    }
    let (signed, _) = good.rsplit_once('.').unwrap();
    token_refused(
        &world,
        &format!("{signed}.{}", URL_SAFE_NO_PAD.encode([7; 256])),
        "does not verify",
    )
    .await;
}

#[tokio::test]
async fn only_compact_tokens_with_one_signature_are_read() {
    let world = world().await;
    let good = world.email_token().await;
    token_refused(&world, "", "no identity token").await;
    token_refused(&world, "abc", "has 0 dots").await;
    token_refused(&world, &format!("{good}.x"), "has 3 dots").await;
    token_refused(&world, &".".repeat(5000), "has 5000 dots").await;
    token_refused(
        &world,
        "not.a.token",
        "header is not a base64url JSON object",
    )
    .await;
    let many = json!({"payload": "e30", "signatures": [{"protected": "e30", "signature": "x"}, {"protected": "e30", "signature": "y"}]});
    let mut body = fresh_key_request(EMAIL);
    body["credentials"] = json!({"oidcIdentityToken": many.to_string()});
    let message = world
        .post("/api/v2/signingCert", None, body.to_string())
        .await
        .refused();
    assert!(message.starts_with(TOKEN), "{message}");
}

#[tokio::test]
async fn an_oversized_token_is_refused() {
    let world = world().await;
    let mut body = fresh_key_request(EMAIL);
    body["credentials"] = json!({"oidcIdentityToken": "a".repeat(100_000)});
    let message = world
        .post("/api/v2/signingCert", None, body.to_string())
        .await
        .refused();
    assert!(
        message.starts_with(TOKEN) && message.contains("100000 bytes"),
        "{message}"
    );
}

#[tokio::test]
async fn a_lower_case_bearer_is_no_scheme() {
    let world = world().await;
    let value = format!("bearer {}", world.email_token().await);
    let message = world
        .post(
            "/api/v2/signingCert",
            Some(&value),
            fresh_key_request(EMAIL).to_string(),
        )
        .await
        .refused();
    assert!(
        message.starts_with(TOKEN) && message.contains("`bearer` prefix"),
        "{message}"
    );
    let message = world
        .post(
            "/api/v2/signingCert",
            None,
            fresh_key_request(EMAIL).to_string(),
        )
        .await
        .refused();
    assert!(message.contains("no identity token"), "{message}");
}

#[tokio::test]
async fn the_token_is_judged_before_the_key() {
    let world = world().await;
    let message = world.sign("nonsense", &json!({})).await.refused();
    assert!(message.starts_with(TOKEN), "{message}");
}

#[tokio::test]
async fn a_wrong_proof_says_what_to_sign() {
    let world = world().await;
    request_refused(
        &world,
        &fresh_key_request("other@example.com"),
        PROOF,
        "must sign \"dev@example.com\"",
    )
    .await;
    let key = EphemeralKey::generate().unwrap();
    let other = EphemeralKey::generate().unwrap();
    let foreign = key_request(
        &key.public_key().to_pem(),
        &other.sign(EMAIL.as_bytes()).unwrap(),
    );
    request_refused(&world, &foreign, PROOF, "ECDSA with SHA-256").await;
    request_refused(
        &world,
        &key_request(&key.public_key().to_pem(), b""),
        PROOF,
        "must sign",
    )
    .await;
}

#[tokio::test]
async fn missing_broken_and_weak_keys_are_told_apart() {
    let world = world().await;
    request_refused(&world, &json!({}), KEY, "it is missing").await;
    request_refused(
        &world,
        &json!({"publicKeyRequest": {}}),
        KEY,
        "it is missing",
    )
    .await;
    request_refused(&world, &key_request("nonsense", b"x"), KEY, "").await;
    let cut = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYI\n-----END PUBLIC KEY-----\n";
    request_refused(&world, &key_request(cut, b"x"), KEY, "").await;
    request_refused(
        &world,
        &key_request(include_str!("data/rsa1024.pub.pem"), b"x"),
        WEAK,
        "1024 bits",
    )
    .await;
    request_refused(
        &world,
        &key_request(include_str!("data/p224.pub.pem"), b"x"),
        WEAK,
        "curve",
    )
    .await;
    request_refused(
        &world,
        &csr_request(include_str!("data/rsa1024.csr.pem")),
        WEAK,
        "1024 bits",
    )
    .await;
}

#[tokio::test]
async fn signing_requests_are_checked() {
    let world = world().await;
    let csr = "The certificate signing request could not be parsed: ";
    request_refused(&world, &csr_request("nonsense"), csr, "").await;
    request_refused(
        &world,
        &csr_request(include_str!("data/rsa1024.pub.pem")),
        csr,
        "",
    )
    .await;
    let good = include_str!("data/p256-sha256.csr.pem");
    request_refused(
        &world,
        &csr_request(&broken_signature(good)),
        PROOF,
        "own signature",
    )
    .await;
    let p256 = csr_request(include_str!("data/p256-sha384.csr.pem"));
    request_refused(
        &world,
        &p256,
        "signing algorithm not permitted: *ecdsa.PublicKey, SHA-384",
        "must sign with SHA-256",
    )
    .await;
    let rsa = csr_request(include_str!("data/rsa2048-sha512.csr.pem"));
    request_refused(
        &world,
        &rsa,
        "signing algorithm not permitted: *rsa.PublicKey, SHA-512",
        "SHA-256",
    )
    .await;
}

/// The same request with its last signature byte changed.
fn broken_signature(pem: &str) -> String {
    let base64: String = pem.lines().filter(|line| !line.starts_with("--")).collect();
    let mut der = STANDARD.decode(base64).unwrap();
    *der.last_mut().unwrap() ^= 1;
    format!(
        "-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----\n",
        STANDARD.encode(der)
    )
}

#[tokio::test]
async fn claims_that_cannot_be_embedded_are_named_after_the_proof() {
    let world = world().await;
    let token = world
        .token(json!({"job_workflow_ref": "o/r/w.yml@main", "repository": "o/r", "sub": "s"}))
        .await;
    // A wrong proof comes first, as upstream evaluates it.
    assert!(
        world
            .sign(&token, &fresh_key_request("wrong"))
            .await
            .refused()
            .starts_with(PROOF)
    );
    let message = world.sign(&token, &fresh_key_request("s")).await.refused();
    assert!(message.starts_with("github-workflow."), "{message}");
    assert!(
        message.contains("not present in either claims or defaults")
            || message.contains("no entry for key"),
        "{message}"
    );
    assert_eq!(world.ct.log().head().size, 0);
}

#[tokio::test]
async fn malformed_bodies_are_refused_before_the_token() {
    let world = world().await;
    let token = format!("Bearer {}", world.email_token().await);
    for body in [
        "{",
        "[]",
        "{\"credentials\": 3}",
        "{\"certificateSigningRequest\": \"!\"}",
    ] {
        world
            .post("/api/v2/signingCert", Some(&token), body)
            .await
            .refused();
    }
    let both = json!({"publicKeyRequest": {}, "certificateSigningRequest": "AA=="});
    assert!(
        world
            .sign(&world.email_token().await, &both)
            .await
            .refused()
            .contains("exclude each other")
    );
    // An empty body is an empty message.
    let message = world.post("/api/v2/signingCert", None, "").await.refused();
    assert!(message.starts_with(TOKEN), "{message}");
}

#[tokio::test]
async fn a_body_over_four_mebibytes_is_refused_with_400() {
    let world = world().await;
    let at_limit = vec![b' '; 4 * 1024 * 1024];
    let message = world
        .post("/api/v2/signingCert", None, at_limit.clone())
        .await
        .refused();
    assert!(message.starts_with(TOKEN), "{message}");
    let over = [at_limit, vec![b' ']].concat();
    let message = world
        .post("/api/v2/signingCert", None, over)
        .await
        .refused();
    assert_eq!(message, "http: request body too large");
}

#[tokio::test]
async fn a_wrong_method_is_not_implemented() {
    let world = world().await;
    for (method, path) in [
        ("GET", "/api/v2/signingCert"),
        ("POST", "/api/v2/trustBundle"),
        ("DELETE", "/api/v2/configuration"),
        ("PUT", "/api/v1/signingCert"),
        ("POST", "/api/v1/rootCert"),
    ] {
        let answer = world
            .send(
                Request::builder()
                    .method(method)
                    .uri(path)
                    .body(Body::empty())
                    .unwrap(),
            )
            .await;
        assert_eq!(answer.status, 501, "{method} {path}");
        assert_eq!(
            answer.json(),
            json!({"code": 12, "message": "Method Not Allowed", "details": []})
        );
    }
}

#[tokio::test]
async fn browsers_get_cors_headers() {
    let world = world().await;
    let preflight = Request::options("/api/v2/signingCert")
        .header("origin", "https://app.example")
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,content-type",
        )
        .body(Body::empty())
        .unwrap();
    let answer = world.send(preflight).await;
    assert_eq!(
        (
            answer.status,
            answer.headers["access-control-allow-origin"].as_bytes()
        ),
        (204, &b"*"[..])
    );
    let allowed = answer.headers["access-control-allow-headers"]
        .to_str()
        .unwrap()
        .to_ascii_lowercase();
    assert!(
        [
            "accept",
            "content-type",
            "x-requested-with",
            "authorization"
        ]
        .iter()
        .all(|h| allowed.contains(h)),
        "{allowed}"
    );
    let simple = Request::get("/api/v2/trustBundle")
        .header("origin", "https://app.example")
        .body(Body::empty())
        .unwrap();
    let answer = world.send(simple).await;
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    assert!(
        answer.headers.get_all("vary").iter().any(|v| v
            .to_str()
            .unwrap()
            .to_ascii_lowercase()
            .contains("origin"))
    );
}

#[tokio::test]
async fn an_authority_about_to_expire_issues_nothing() {
    let world = world_until(now() + Duration::minutes(20)).await;
    world
        .sign(&world.email_token().await, &fresh_key_request(EMAIL))
        .await
        .chain();
    world.hand.advance(10 * 60);
    world
        .sign(&world.email_token().await, &fresh_key_request(EMAIL))
        .await
        .chain();
    world.hand.advance(1);
    let answer = world
        .sign(&world.email_token().await, &fresh_key_request(EMAIL))
        .await;
    assert_eq!((answer.status, &answer.json()["code"]), (500, &json!(13)));
    assert!(
        answer.json()["message"]
            .as_str()
            .unwrap()
            .starts_with("error communicating with CA backend: "),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn without_a_ct_log_nothing_is_issued() {
    let world = world().await;
    world.ct.log().close().await;
    let answer = world
        .sign(&world.email_token().await, &fresh_key_request(EMAIL))
        .await;
    assert_eq!(answer.status, 503);
    assert_eq!(
        answer.json()["message"],
        "Error entering certificate in CTL"
    );
    assert!(!answer.body.contains("CERTIFICATE-----"));
}

#[tokio::test]
async fn key_chain_and_issuers_are_checked_at_start() {
    let world = world().await;
    let (signer, chain) = ca(now() + Duration::days(30)).await;
    let build = |issuers: &str, signer: &keys::Signer, chain: &[pki::cert::Certificate]| {
        let config = fulcio::Config {
            issuers: issuers.into(),
            allow_http_issuers: false,
        };
        let deps = fulcio::Deps {
            signer: signer.clone(),
            chain: chain.to_vec(),
            ct: world.ct.clone(),
            clock: world.clock.clone(),
            registry: prometheus::Registry::new(),
        };
        fulcio::build(config, deps).err()
    };
    let good = "oidc-issuers: {}";
    assert!(build(good, &signer, &chain).is_none());
    assert!(matches!(
        build(good, &signer, &[]),
        Some(fulcio::BuildError::NoChain)
    ));
    assert!(matches!(
        build(good, &signer, &world.chain),
        Some(fulcio::BuildError::KeyMismatch { .. })
    ));
    let reversed: Vec<_> = chain.iter().rev().cloned().collect();
    assert!(build(good, &signer, &reversed).is_some());
    let foreign = [chain[0].clone(), world.chain[1].clone()];
    assert!(matches!(
        build(good, &signer, &foreign),
        Some(fulcio::BuildError::Chain(_))
    ));
    let issuers = "oidc-issuers:\n  https://a.example:\n    type: nope\n";
    assert!(matches!(
        build(issuers, &signer, &chain),
        Some(fulcio::BuildError::Issuers(_))
    ));
}
