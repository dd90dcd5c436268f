//! add-chain, add-pre-chain, and the call inside the process.

use crate::fixture::{Ca, Fixture, NOW, base64};
use ct::{ChainError, CtError};
use http::StatusCode;
use keys::Algorithm;
use pki::sct::{self, CtEntry, Sct};
use serde_json::Value;

fn sct_of(body: &str) -> Sct {
    let json: Value = serde_json::from_str(body).unwrap();
    let signed = base64(&json["signature"]);
    let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 5, "{keys:?}");
    assert_eq!(json["sct_version"], 0);
    let sct = Sct {
        log_id: base64(&json["id"]).try_into().unwrap(),
        timestamp: json["timestamp"].as_u64().unwrap(),
        extensions: base64(&json["extensions"]),
        hash: signed[0],
        sig: signed[1],
        signature: signed[4..].to_vec(),
    };
    assert_eq!(sct.digitally_signed(), signed);
    sct
}

#[tokio::test]
async fn the_sct_of_a_precertificate_verifies_in_the_certificate() {
    let Fixture { ca, ct, key, .. } = Fixture::new().await;
    let tbs = ca.tbs();
    let precert = ca.sign(&tbs.precertificate().unwrap()).await;
    let sct = ct.add_pre_chain(&precert, &ca.chain).await.unwrap();
    assert_eq!(
        (sct.log_id, sct.timestamp),
        (key.key_id(), u64::try_from(NOW).unwrap() * 1000)
    );
    assert!(sct.extensions.is_empty());

    let cert = ca
        .sign(&tbs.with_scts(std::slice::from_ref(&sct)).unwrap())
        .await;
    assert_eq!(sct::embedded(&cert).unwrap(), std::slice::from_ref(&sct));
    sct::verify_embedded(&sct, &cert, ca.issuer(), &key).unwrap();
    // Committed before it was returned.
    assert_eq!(ct.log().head().size, 1);
}

#[tokio::test]
async fn an_rsa_log_key_signs_as_well() {
    let Fixture { ca, ct, key, .. } = Fixture::with(Algorithm::Rsa2048).await;
    let precert = ca.precert().await;
    let sct = ct.add_pre_chain(&precert, &ca.chain).await.unwrap();
    assert_eq!((sct.hash, sct.sig), (4, 1));
    sct::verify(
        &sct,
        &CtEntry::precert(&precert, ca.issuer()).unwrap(),
        &key,
    )
    .unwrap();
}

#[tokio::test]
async fn a_second_submission_returns_the_very_same_sct() {
    let fixture = Fixture::new().await;
    let precert = fixture.ca.precert().await;
    let first = fixture
        .ct
        .add_pre_chain(&precert, &fixture.ca.chain)
        .await
        .unwrap();
    fixture.hand.advance(3600);
    let again = fixture
        .ct
        .add_pre_chain(&precert, &fixture.ca.chain)
        .await
        .unwrap();
    assert_eq!(again, first);
    let (status, body) = fixture
        .submit("add-pre-chain", &[&precert, fixture.ca.issuer()])
        .await;
    assert_eq!((status, sct_of(&body)), (StatusCode::OK, first));
    assert_eq!(fixture.ct.log().head().size, 1);
}

#[tokio::test]
async fn add_pre_chain_returns_an_sct_with_or_without_the_root() {
    let fixture = Fixture::new().await;
    let ca = &fixture.ca;
    for chain in [vec![ca.issuer(), ca.root()], vec![ca.issuer()]] {
        let precert = ca.precert().await;
        let (status, body) = fixture
            .submit("add-pre-chain", &[&[&precert], &chain[..]].concat())
            .await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let entry = CtEntry::precert(&precert, ca.issuer()).unwrap();
        sct::verify(&sct_of(&body), &entry, &fixture.key).unwrap();
    }
}

#[tokio::test]
async fn add_chain_logs_the_certificate_itself() {
    let fixture = Fixture::new().await;
    let ca = &fixture.ca;
    let cert = ca.sign(&ca.tbs().bare().unwrap()).await;
    let (status, body) = fixture
        .submit("add-chain", &[&cert, ca.issuer(), ca.root()])
        .await;
    assert_eq!(status, StatusCode::OK, "{body}");
    sct::verify(
        &sct_of(&body),
        &CtEntry::X509(cert.der().to_vec()),
        &fixture.key,
    )
    .unwrap();
}

#[tokio::test]
async fn an_expired_certificate_is_taken() {
    let fixture = Fixture::new().await;
    fixture.hand.advance(3600);
    let precert = fixture.ca.precert().await;
    let (status, body) = fixture
        .submit("add-pre-chain", &[&precert, fixture.ca.issuer()])
        .await;
    assert_eq!(status, StatusCode::OK, "{body}");
}

#[tokio::test]
async fn what_does_not_lead_to_a_root_is_refused() {
    let fixture = Fixture::new().await;
    let (ca, other) = (&fixture.ca, Ca::new("Other").await);
    // The same names under other keys: only a signature tells them apart.
    let twin = Ca::new("Example").await;
    let (precert, foreign, forged) = (
        ca.precert().await,
        other.precert().await,
        twin.precert().await,
    );
    let cert = ca.sign(&ca.tbs().bare().unwrap()).await;
    let cases = [
        (
            "add-pre-chain",
            vec![&foreign, other.issuer(), other.root()],
            "does not lead to a root",
        ),
        ("add-pre-chain", vec![&precert], "does not lead to a root"),
        (
            "add-pre-chain",
            vec![&foreign, ca.issuer(), ca.root()],
            "certificate 0 of the chain was issued by another name",
        ),
        (
            "add-pre-chain",
            vec![&forged, ca.issuer(), ca.root()],
            "certificate 0 of the chain is not signed by the next one",
        ),
        (
            "add-pre-chain",
            vec![&forged, twin.issuer()],
            "does not lead to a root",
        ),
        (
            "add-pre-chain",
            vec![&precert, ca.root(), ca.issuer()],
            "certificate 0 of the chain was issued by another name",
        ),
        (
            "add-pre-chain",
            vec![&cert, ca.issuer()],
            "has no poison extension",
        ),
        (
            "add-chain",
            vec![&precert, ca.issuer()],
            "submit a precertificate to add-pre-chain",
        ),
        (
            "add-chain",
            vec![ca.root()],
            "no extended key usage codeSigning",
        ),
        ("add-chain", vec![], "the chain is empty"),
        (
            "add-chain",
            vec![&cert; 9],
            "the chain has 9 certificates, at most 8",
        ),
    ];
    for (endpoint, chain, reason) in cases {
        let (status, body) = fixture.submit(endpoint, &chain).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(body.contains(reason), "{body}");
    }
    assert_eq!(fixture.ct.log().head().size, 0);
}

#[tokio::test]
async fn what_is_no_submission_is_refused() {
    let fixture = Fixture::new().await;
    for (body, reason) in [
        ("", "the body must be"),
        ("{}", "missing field `chain`"),
        (
            r#"{"chain": ["%"]}"#,
            "certificate 0 of the chain is not base64",
        ),
        (r#"{"chain": ["AAAA"]}"#, "certificate 0 of the chain: "),
        (r#"{"chain": "AAAA"}"#, "expected a sequence"),
    ] {
        let (status, text) = fixture.post("/ctlog/ct/v1/add-chain", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(text.contains(reason), "{text}");
    }
}

#[tokio::test]
async fn a_body_above_the_limit_is_too_large() {
    let fixture = Fixture::new().await;
    let body = " ".repeat(ct::limits::MAX_BODY + 1);
    let (status, _) = fixture.post("/ctlog/ct/v1/add-pre-chain", body).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn the_wrong_method_is_named() {
    let fixture = Fixture::new().await;
    let (status, _) = fixture.get("/ctlog/ct/v1/add-chain").await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    let (status, _) = fixture.post("/ctlog/ct/v1/get-sth", "").await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_caller_in_the_process_is_checked_for_slips() {
    let Fixture { ca, ct, .. } = Fixture::new().await;
    let (precert, other) = (ca.precert().await, Ca::new("Other").await);
    let cert = ca.sign(&ca.tbs().bare().unwrap()).await;
    assert_eq!(
        ct.add_pre_chain(&precert, &[]).await.unwrap_err(),
        CtError::Chain(ChainError::NoIssuer)
    );
    assert_eq!(
        ct.add_pre_chain(&cert, &ca.chain).await.unwrap_err(),
        CtError::Chain(ChainError::NotPoisoned)
    );
    let error = ct.add_pre_chain(&precert, &other.chain).await.unwrap_err();
    assert_eq!(
        error,
        CtError::Chain(ChainError::OtherIssuer { position: 0 })
    );
}

#[tokio::test]
async fn a_closed_log_gives_no_sct() {
    let fixture = Fixture::new().await;
    fixture.ct.log().close().await;
    let precert = fixture.ca.precert().await;
    let (status, _) = fixture
        .submit("add-pre-chain", &[&precert, fixture.ca.issuer()])
        .await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
}
