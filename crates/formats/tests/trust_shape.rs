//! The rules on trust files, one mutation each.
#![allow(clippy::unwrap_used, reason = "test helpers outside #[test] functions")]

use formats::trust::{
    CLIENT_TRUST_CONFIG, ClientTrustConfig, SIGNING_CONFIG, SigningConfig, TRUSTED_ROOT,
    TrustError, TrustedRoot,
};
use serde_json::{Value, json};

fn root() -> Value {
    let range = json!({"start": "2025-01-01T00:00:00Z"});
    let log = json!({
        "baseUrl": "https://rekor.example", "hashAlgorithm": "SHA2_256",
        "publicKey": {"rawBytes": "a2V5", "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": range},
        "logId": {"keyId": formats::b64::encode(&[1; 32])}
    });
    let authority = json!({
        "subject": {"organization": "o", "commonName": "c"}, "uri": "https://ca.example",
        "certChain": {"certificates": [{"rawBytes": "Y2VydA=="}]}, "validFor": range
    });
    json!({
        "mediaType": TRUSTED_ROOT, "tlogs": [log], "certificateAuthorities": [authority],
        "ctlogs": [log], "timestampAuthorities": [authority]
    })
}

fn signing() -> Value {
    let service = |url: &str| json!({"url": url, "majorApiVersion": 1, "validFor": {"start": "2025-01-01T00:00:00Z"}, "operator": "o"});
    json!({
        "mediaType": SIGNING_CONFIG, "caUrls": [service("https://ca.example")], "oidcUrls": [],
        "rekorTlogUrls": [service("https://rekor.example")], "rekorTlogConfig": {"selector": "ANY"},
        "tsaUrls": [service("https://tsa.example/api/v1/timestamp")], "tsaConfig": {"selector": "EXACT", "count": 1}
    })
}

fn root_with(pointer: &str, new: Value) -> Result<TrustedRoot, TrustError> {
    TrustedRoot::parse(changed(root(), pointer, new).to_string().as_bytes())
}

fn signing_with(pointer: &str, new: Value) -> Result<SigningConfig, TrustError> {
    SigningConfig::parse(changed(signing(), pointer, new).to_string().as_bytes())
}

fn changed(mut value: Value, pointer: &str, new: Value) -> Value {
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    value
        .pointer_mut(parent)
        .unwrap()
        .as_object_mut()
        .unwrap()
        .insert(member.to_owned(), new);
    value
}

#[test]
fn both_trusted_root_media_types_are_read_and_others_refused() {
    assert!(root_with("/mediaType", json!(TRUSTED_ROOT)).is_ok());
    assert!(
        root_with(
            "/mediaType",
            json!("application/vnd.dev.sigstore.trustedroot.v0.2+json")
        )
        .is_ok()
    );
    let expected = TRUSTED_ROOT;
    assert_eq!(
        root_with("/mediaType", json!("x")),
        Err(TrustError::MediaType {
            have: "x".into(),
            expected
        })
    );
    assert_eq!(
        root_with("/mediaType", Value::Null),
        Err(TrustError::MediaType {
            have: String::new(),
            expected
        })
    );
}

#[test]
fn a_member_that_is_not_in_the_message_is_refused() {
    for pointer in [
        "/extra",
        "/tlogs/0/extra",
        "/tlogs/0/publicKey/extra",
        "/certificateAuthorities/0/certChain/extra",
    ] {
        assert!(
            matches!(root_with(pointer, json!(1)), Err(TrustError::Json(_))),
            "{pointer}"
        );
    }
    assert!(matches!(
        signing_with("/caUrl", json!("x")),
        Err(TrustError::Json(_))
    ));
}

#[test]
fn null_is_absent_as_some_writers_put_it() {
    for pointer in [
        "/tlogs/0/operator",
        "/tlogs/0/checkpointKeyId",
        "/tlogs/0/publicKey/validFor/end",
        "/certificateAuthorities/0/operator",
    ] {
        assert!(root_with(pointer, Value::Null).is_ok(), "{pointer}");
    }
}

#[test]
fn every_validity_needs_a_start_that_is_a_time() {
    let missing = |place: &str| {
        Err(TrustError::MissingStart {
            place: place.into(),
        })
    };
    assert_eq!(
        root_with("/ctlogs/0/publicKey/validFor", Value::Null),
        missing("ctlogs[0].publicKey.validFor")
    );
    assert_eq!(
        root_with("/timestampAuthorities/0/validFor", json!({})),
        missing("timestampAuthorities[0].validFor")
    );
    assert_eq!(
        root_with("/tlogs/0/publicKey/validFor/end", json!("soon")),
        Err(TrustError::NotATime {
            place: "tlogs[0].publicKey.validFor.end".into(),
            text: "soon".into()
        })
    );
    assert_eq!(
        root_with(
            "/tlogs/0/publicKey/validFor/end",
            json!("2024-01-01T00:00:00Z")
        ),
        Err(TrustError::EndBeforeStart {
            place: "tlogs[0].publicKey.validFor".into()
        })
    );
}

#[test]
fn what_could_not_be_verified_against_is_refused() {
    assert!(matches!(
        root_with("/tlogs/0/hashAlgorithm", json!("SHA2_512")),
        Err(TrustError::HashAlgorithm { .. })
    ));
    assert_eq!(
        root_with("/tlogs/0/logId/keyId", json!("")),
        Err(TrustError::Missing {
            place: "tlogs[0].logId.keyId".into()
        })
    );
    assert_eq!(
        root_with(
            "/certificateAuthorities/0/certChain",
            json!({"certificates": []})
        ),
        Err(TrustError::Missing {
            place: "certificateAuthorities[0].certChain.certificates".into()
        })
    );
    let long = json!({"certificates": vec![json!({"rawBytes": "Y2VydA=="}); 11]});
    assert!(matches!(
        root_with("/certificateAuthorities/0/certChain", long),
        Err(TrustError::TooMany { have: 11, .. })
    ));
}

#[test]
fn a_signing_config_is_checked_when_it_is_read() {
    assert!(signing_with("/tsaConfig", Value::Null).is_ok());
    assert!(matches!(
        signing_with("/tsaConfig", json!({"selector": "EXACT"})),
        Err(TrustError::Selector { .. })
    ));
    assert!(matches!(
        signing_with("/rekorTlogConfig", json!({"selector": "any"})),
        Err(TrustError::Selector { .. })
    ));
    assert_eq!(
        signing_with("/caUrls/0/majorApiVersion", Value::Null),
        Err(TrustError::Missing {
            place: "caUrls[0].majorApiVersion".into()
        })
    );
    assert!(matches!(
        signing_with(
            "/mediaType",
            json!("application/vnd.dev.sigstore.signingconfig.v0.1+json")
        ),
        Err(TrustError::MediaType { .. })
    ));
}

#[test]
fn a_client_trust_config_checks_both_parts() {
    let join = |root: Value, signing: Value| {
        let config = json!({"mediaType": CLIENT_TRUST_CONFIG, "trustedRoot": root, "signingConfig": signing});
        ClientTrustConfig::parse(config.to_string().as_bytes())
    };
    let config = join(root(), signing()).unwrap();
    assert_eq!(
        ClientTrustConfig::parse(config.to_json().as_bytes()),
        Ok(config.clone())
    );
    assert_eq!(
        ClientTrustConfig::new(config.trusted_root.clone(), config.signing_config.clone()),
        config
    );
    assert!(join(changed(root(), "/mediaType", json!("x")), signing()).is_err());
    assert!(
        join(
            root(),
            changed(signing(), "/tsaConfig", json!({"selector": "x"}))
        )
        .is_err()
    );
}
