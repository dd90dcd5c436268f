//! What is issued: every request form, and the certificate's profile.

use crate::support::{
    EMAIL, START, World, csr_request, fresh_key_request, key_request, world, world_trusting,
};
use axum::body::Body;
use axum::http::Request;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use keys::{Algorithm, EphemeralKey, Purpose, Signer};
use pki::cert::{Certificate, San};
use pki::extensions::FulcioExtensions;
use pki::path::{Usage, check_path};
use serde_json::{Value, json};
use std::task::Poll;
use time::Duration;

/// Everything that holds for each certificate (spec 4.1, 5.1).
fn check_profile(world: &World, chain: &[Certificate]) {
    let [leaf, issuing, root] = chain else {
        panic!("three certificates, leaf first")
    };
    assert_eq!(
        (issuing.der(), root.der()),
        (world.chain[0].der(), world.chain[1].der())
    );
    let now = world.clock.now();
    let path = check_path(leaf, &[issuing], &[root], Usage::CodeSigning, now).unwrap();
    assert_eq!(path.len(), 3);

    assert_eq!(leaf.not_before(), now.replace_nanosecond(0).unwrap());
    assert_eq!(leaf.not_after() - leaf.not_before(), Duration::minutes(10));
    assert_eq!(leaf.subject_der(), [0x30, 0x00]);
    assert_eq!(leaf.issuer_der(), issuing.subject_der());
    assert!(
        leaf.serial().len() <= 20
            && leaf.serial()[0] < 0x80
            && leaf.serial().iter().any(|b| *b != 0)
    );
    assert!(!leaf.is_ca());
    assert_eq!(
        leaf.subject_key_identifier().unwrap(),
        leaf.public_key().subject_key_identifier()
    );
    assert_eq!(
        leaf.authority_key_identifier(),
        issuing.subject_key_identifier()
    );
    // KeyUsage: critical, digitalSignature only. EKU: codeSigning only, not critical.
    assert_eq!(
        leaf.extension("2.5.29.15"),
        Some((true, &[0x03, 0x02, 0x07, 0x80][..]))
    );
    let code_signing = [
        0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03,
    ];
    assert_eq!(
        leaf.extension("2.5.29.37"),
        Some((false, &code_signing[..]))
    );
    assert!(leaf.extension("2.5.29.17").unwrap().0, "SAN is critical");
    assert!(leaf.extension("2.5.29.19").is_none(), "no BasicConstraints");
    assert!(
        leaf.extension("1.3.6.1.4.1.11129.2.4.3").is_none(),
        "no poison"
    );

    let scts = pki::sct::embedded(leaf).unwrap();
    assert_eq!(scts.len(), 1, "sigstore-python wants exactly one SCT");
    pki::sct::verify_embedded(&scts[0], leaf, issuing, &world.ct_key).unwrap();
}

async fn issue(world: &World, token: &str, request: &Value) -> Certificate {
    let chain = world.sign(token, request).await.chain();
    check_profile(world, &chain);
    chain[0].clone()
}

#[tokio::test]
async fn an_email_token_and_a_key_give_a_certificate() {
    let world = world().await;
    let key = EphemeralKey::generate().unwrap();
    let request = key_request(
        &key.public_key().to_pem(),
        &key.sign(EMAIL.as_bytes()).unwrap(),
    );
    let leaf = issue(&world, &world.email_token().await, &request).await;
    assert_eq!(leaf.public_key().spki_der(), key.public_key().spki_der());
    assert_eq!(leaf.san().unwrap(), San::Email(EMAIL.into()));
    let extensions = FulcioExtensions::read(&leaf);
    assert_eq!(
        (extensions.issuer, extensions.subject),
        (world.issuer.email_issuer(), EMAIL.to_owned())
    );
    assert_eq!(world.ct.log().head().size, 1);
}

#[tokio::test]
async fn a_github_token_names_its_workflow() {
    let world = world().await;
    let token = world
        .token(json!({
            "job_workflow_ref": "o/r/.github/workflows/ci.yml@refs/heads/main", "sha": "s1", "event_name": "push", "repository": "o/r",
            "workflow": "CI", "ref": "refs/heads/main", "job_workflow_sha": "s2", "runner_environment": "github-hosted",
            "repository_id": "11", "repository_owner": "o", "repository_owner_id": "22", "repository_visibility": "public",
            "workflow_ref": "o/r/.github/workflows/ci.yml@refs/heads/main", "workflow_sha": "s3", "run_id": "33", "run_attempt": "1"
        }))
        .await;
    let leaf = issue(
        &world,
        &token,
        &fresh_key_request("repo:o/r:ref:refs/heads/main"),
    )
    .await;
    assert_eq!(
        leaf.san().unwrap(),
        San::Uri("https://github.com/o/r/.github/workflows/ci.yml@refs/heads/main".into())
    );
    let extensions = FulcioExtensions::read(&leaf);
    assert_eq!(
        extensions.run_invocation_uri,
        "https://github.com/o/r/actions/runs/33/attempts/1"
    );
    assert_eq!(extensions.github_workflow_repository, "o/r");
}

#[tokio::test]
async fn the_token_may_be_in_body_or_header() {
    let world = world().await;
    let token = world.email_token().await;
    let mut body = fresh_key_request(EMAIL);
    world
        .post("/api/v2/signingCert", Some(&token), body.to_string())
        .await
        .chain();
    body["credentials"] = json!({"oidcIdentityToken": token});
    world
        .post("/api/v2/signingCert", None, body.to_string())
        .await
        .chain();
    // The body wins, also over a header that is no token.
    world
        .post(
            "/api/v2/signingCert",
            Some("Bearer nonsense"),
            body.to_string(),
        )
        .await
        .chain();
    body["credentials"] = json!({"oidcIdentityToken": ""});
    world
        .post(
            "/api/v2/signingCert",
            Some(&format!("Bearer {token}")),
            body.to_string(),
        )
        .await
        .chain();
}

#[tokio::test]
async fn the_proof_may_be_over_email_or_subject() {
    let world = world().await;
    let token = world.token(json!({"email": EMAIL, "sub": "user-17"})).await;
    for name in [EMAIL, "user-17"] {
        issue(&world, &token, &fresh_key_request(name)).await;
    }
    world
        .sign(&token, &fresh_key_request("somebody else"))
        .await
        .refused();
}

#[tokio::test]
async fn every_permitted_key_type_is_served() {
    let world = world().await;
    let token = world.email_token().await;
    for algorithm in [
        Algorithm::EcdsaP256,
        Algorithm::EcdsaP384,
        Algorithm::Ed25519,
        Algorithm::Rsa2048,
    ] {
        // Any purpose will do: this is a client's key.
        let key = Signer::in_memory(Purpose::DevIssuer, algorithm).unwrap();
        let request = key_request(
            &key.public_key().to_pem(),
            &key.sign(EMAIL.as_bytes()).await.unwrap(),
        );
        let leaf = issue(&world, &token, &request).await;
        assert_eq!(leaf.public_key().kind(), key.public_key().kind());
    }
}

#[tokio::test]
async fn signing_requests_need_no_other_proof() {
    let world = world().await;
    let token = world.email_token().await;
    for csr in [
        include_str!("data/p256-sha256.csr.pem"),
        include_str!("data/p521-sha512.csr.pem"),
        include_str!("data/rsa2048-sha256.csr.pem"),
        include_str!("data/ed25519.csr.pem"),
    ] {
        let leaf = issue(&world, &token, &csr_request(csr)).await;
        // Subject and SAN of the request are not looked at.
        assert_eq!(leaf.san().unwrap(), San::Email(EMAIL.into()));
        issue(
            &world,
            &token,
            &csr_request(
                &csr.replace("BEGIN CERT", "BEGIN NEW CERT")
                    .replace("END CERT", "END NEW CERT"),
            ),
        )
        .await;
    }
}

#[tokio::test]
async fn keys_may_be_pem_in_one_line_without_newline_or_with_crlf() {
    let world = world().await;
    let token = world.email_token().await;
    let key = EphemeralKey::generate().unwrap();
    let pem = key.public_key().to_pem();
    let base64: String = pem.lines().filter(|line| !line.starts_with("--")).collect();
    let proof = key.sign(EMAIL.as_bytes()).unwrap();
    for form in [
        // sigstore-java's form
        format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----"),
        pem.replace('\n', "\r\n"),
        format!("\n  {pem}\n\n"),
    ] {
        issue(&world, &token, &key_request(&form, &proof)).await;
    }
}

#[tokio::test]
async fn the_algorithm_field_is_ignored() {
    let world = world().await;
    let token = world.email_token().await;
    for algorithm in [
        json!("RSA"),
        json!("ED25519"),
        json!(1),
        json!(null),
        json!("nonsense"),
    ] {
        let mut request = fresh_key_request(EMAIL);
        request["publicKeyRequest"]["publicKey"]["algorithm"] = algorithm;
        issue(&world, &token, &request).await;
    }
}

#[tokio::test]
async fn pem_texts_are_trimmed_in_answers_but_not_in_the_trust_bundle() {
    let world = world().await;
    let answer = world
        .sign(&world.email_token().await, &fresh_key_request(EMAIL))
        .await
        .json();
    for pem in answer["signedCertificateEmbeddedSct"]["chain"]["certificates"]
        .as_array()
        .unwrap()
    {
        assert!(pem.as_str().unwrap().ends_with("-----END CERTIFICATE-----"));
    }
    let bundle = world.get("/api/v2/trustBundle").await.json();
    let expected: Vec<String> = world.chain.iter().map(Certificate::to_pem).collect();
    assert_eq!(bundle, json!({"chains": [{"certificates": expected}]}));
    assert!(expected[0].ends_with("-----\n"));
}

#[tokio::test]
async fn the_legacy_api_answers_201_with_pem() {
    let world = world().await;
    let authorization = format!("Bearer {}", world.email_token().await);
    let key = EphemeralKey::generate().unwrap();
    let proof = STANDARD.encode(key.sign(EMAIL.as_bytes()).unwrap());
    for content in [
        STANDARD.encode(key.public_key().to_pem()),
        STANDARD.encode(key.public_key().spki_der()),
    ] {
        let body = json!({"publicKey": {"algorithm": "ecdsa", "content": content}, "signedEmailAddress": proof});
        let answer = world
            .post(
                "/api/v1/signingCert",
                Some(&authorization),
                body.to_string(),
            )
            .await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        assert_eq!(
            answer.headers["content-type"],
            "application/pem-certificate-chain"
        );
        assert!(
            !answer.headers.contains_key("SCT"),
            "embedded, so not beside"
        );
        assert!(answer.body.ends_with("-----END CERTIFICATE-----"));
        check_profile(&world, &Certificate::parse_pem_chain(&answer.body).unwrap());
    }
    // The legacy API reads the token only from the header.
    let body = json!({"credentials": {"oidcIdentityToken": world.email_token().await}});
    world
        .post("/api/v1/signingCert", None, body.to_string())
        .await
        .refused();

    let root = world.get("/api/v1/rootCert").await;
    assert_eq!(
        (root.status, root.headers["content-type"].as_bytes()),
        (200, &b"application/pem-certificate-chain"[..])
    );
    let chain = Certificate::parse_pem_chain(&root.body).unwrap();
    assert_eq!(chain.len(), 2);
    assert_eq!(chain[1].der(), world.chain[1].der());
    assert!(!root.body.ends_with('\n'));
}

#[tokio::test]
async fn the_configuration_lists_issuers_with_all_fields() {
    let world = world().await;
    let answer = world.get("/api/v2/configuration").await.json();
    let issuers = answer["issuers"].as_array().unwrap();
    assert_eq!(issuers.len(), 4);
    let email = issuers
        .iter()
        .find(|i| i["issuerUrl"] == world.issuer.email_issuer())
        .unwrap();
    let expected = json!({
        "issuerUrl": world.issuer.email_issuer(), "audience": "sigstore", "challengeClaim": "email", "spiffeTrustDomain": "",
        "issuerType": "email", "subjectDomain": "", "skipEmailVerification": false
    });
    assert_eq!(email, &expected);
    let github = issuers
        .iter()
        .find(|i| i["issuerUrl"].as_str().unwrap().ends_with("/github"))
        .unwrap();
    assert_eq!(
        (&github["challengeClaim"], &github["issuerType"]),
        (&json!("sub"), &json!("ci-provider"))
    );
}

#[tokio::test]
async fn a_crowd_gets_distinct_logged_certificates() {
    let world = world().await;
    let token = world.email_token().await;
    let requests = (0..32).map(|_| {
        let (router, token) = (world.router.clone(), token.clone());
        tokio::spawn(async move {
            use tower::ServiceExt;
            let request = axum::http::Request::post("/api/v2/signingCert")
                .header("authorization", format!("Bearer {token}"))
                .body(axum::body::Body::from(fresh_key_request(EMAIL).to_string()))
                .unwrap();
            let response = router.oneshot(request).await.unwrap();
            assert_eq!(response.status(), 200);
            axum::body::to_bytes(response.into_body(), 1 << 20)
                .await
                .unwrap()
        })
    });
    let mut serials = std::collections::BTreeSet::new();
    for request in requests.collect::<Vec<_>>() {
        let answer: Value = serde_json::from_slice(&request.await.unwrap()).unwrap();
        let pem = answer["signedCertificateEmbeddedSct"]["chain"]["certificates"][0]
            .as_str()
            .unwrap()
            .to_owned();
        serials.insert(Certificate::parse_pem(&pem).unwrap().serial().to_vec());
    }
    assert_eq!((serials.len(), world.ct.log().head().size), (32, 32));
}

#[tokio::test]
async fn metrics_have_fulcios_names() {
    let world = world().await;
    world
        .sign(&world.email_token().await, &fresh_key_request(EMAIL))
        .await
        .chain();
    world.get("/api/v2/trustBundle").await;
    let families = world.registry.gather();
    let family = |name: &str| families.iter().find(|f| f.name() == name).unwrap();
    assert!(
        (family("fulcio_new_certs").get_metric()[0]
            .get_counter()
            .get_value()
            - 1.0)
            .abs()
            < f64::EPSILON
    );
    let labels: Vec<Vec<String>> = family("fulcio_api_latency")
        .get_metric()
        .iter()
        .map(|m| {
            m.get_label()
                .iter()
                .map(|l| format!("{}={}", l.name(), l.value()))
                .collect()
        })
        .collect();
    assert!(
        labels.contains(&vec!["code=200".to_owned(), "method=post".to_owned()]),
        "{labels:?}"
    );
    assert!(
        labels.contains(&vec!["code=200".to_owned(), "method=get".to_owned()]),
        "{labels:?}"
    );
}

#[tokio::test]
async fn a_clients_methods_do_not_become_labels() {
    let world = world().await;
    for n in 0..20 {
        let method = axum::http::Method::from_bytes(format!("X{n}").as_bytes()).unwrap();
        let request = Request::builder().method(method).uri("/api/v1/rootCert");
        world.send(request.body(Body::empty()).unwrap()).await;
    }
    let families = world.registry.gather();
    let family = families.iter().find(|f| f.name() == "fulcio_api_latency");
    let series = family.unwrap().get_metric();
    assert_eq!(series.len(), 1, "{series:?}");
    assert!(
        series[0]
            .get_label()
            .iter()
            .any(|l| (l.name(), l.value()) == ("method", "other"))
    );
}

#[tokio::test]
async fn requests_that_wait_for_an_issuer_keep_nobody_from_signing() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hanging = format!("http://{}", listener.local_addr().unwrap());
    let router = axum::Router::new().fallback(std::future::pending::<()>);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let world = world_trusting(&hanging).await;

    // More than may be issued at once, none of them signed by anybody.
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let claims = json!({"iss": hanging, "sub": EMAIL, "aud": "sigstore", "exp": START + 600});
    let forged = format!("{}.{}.c2ln", part(json!({"alg": "RS256"})), part(claims));
    let request = fresh_key_request(EMAIL);
    let mut waiting: Vec<_> = (0..fulcio::limits::ISSUANCES_AT_ONCE + 10)
        .map(|_| Box::pin(world.sign(&forged, &request)))
        .collect();
    for one in &mut waiting {
        let polled = std::future::poll_fn(|cx| Poll::Ready(one.as_mut().poll(cx))).await;
        assert!(polled.is_pending());
    }
    world
        .sign(&world.email_token().await, &fresh_key_request(EMAIL))
        .await
        .chain();
}

#[tokio::test]
async fn time_comes_from_the_given_clock() {
    let world = world().await;
    world.hand.advance(3600);
    let leaf = issue(
        &world,
        &world.email_token().await,
        &fresh_key_request(EMAIL),
    )
    .await;
    assert_eq!(leaf.not_before().unix_timestamp(), START + 3600);
}
