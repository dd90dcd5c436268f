//! Trusted roots: typed errors with positions, and what each part is needed for.

use crate::cases::{self, Case, NOW};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use formats::b64::B64;
use formats::bundle::Bundle;
use formats::trust::{TimeRange, TrustedRoot};
use verifier::{Artifact, Bound, TrustList, TrustMaterial, TrustMaterialError};

fn accepts(case: &Case, root: &TrustedRoot) -> bool {
    let trust = TrustMaterial::new(root).expect("a usable root");
    let bundle = Bundle::parse(&case.bundle).expect("a good bundle");
    verifier::verify(
        &bundle,
        &Artifact::Bytes(&case.artifact),
        &trust,
        &case.policy(),
        NOW,
    )
    .verified
}

fn error_of(change: impl FnOnce(&mut TrustedRoot)) -> Option<TrustMaterialError> {
    let mut root = cases::named("happy-path-v0.3")?.root();
    change(&mut root);
    Some(TrustMaterial::new(&root).expect_err("refused"))
}

#[test]
fn the_public_root_parses_whole() {
    let Some(case) = cases::named("happy-path-v0.3") else {
        return;
    };
    assert!(case.trust().ignored().is_empty());
}

#[test]
fn anchors_say_when_keys_and_chains_end() {
    let Some(case) = cases::named("happy-path-v0.3") else {
        return;
    };
    let (root, anchors) = (case.root(), case.trust().anchors());
    let (logs, authorities) = (
        root.tlogs.len() + root.ctlogs.len(),
        root.certificate_authorities.len() + root.timestamp_authorities.len(),
    );
    assert_eq!(anchors.len(), logs + authorities);
    assert_eq!(anchors[0].id, hex::encode(&root.tlogs[0].log_id.key_id.0));
    let keys = anchors.iter().take(logs);
    assert!(keys.clone().all(|one| one.certificates_until.is_none()));
    assert!(keys.clone().any(|one| one.end().is_none()));
    // The first CA was taken out of use before its certificate ended.
    let ca = &anchors[logs];
    assert_eq!(ca.list, TrustList::CertificateAuthorities);
    let end = root.certificate_authorities[0].valid_for.end_time();
    assert!(end.is_some() && end < ca.certificates_until);
    assert_eq!((ca.until, ca.end()), (end, end));
}

#[test]
fn every_part_is_needed() {
    for case in cases::good() {
        let root = || case.root();
        assert!(accepts(&case, &root()), "{}", case.name);
        assert!(
            !accepts(
                &case,
                &TrustedRoot {
                    tlogs: vec![],
                    ..root()
                }
            ),
            "{}: no logs",
            case.name
        );
        if case.key.is_none() {
            assert!(
                !accepts(
                    &case,
                    &TrustedRoot {
                        ctlogs: vec![],
                        ..root()
                    }
                ),
                "{}: no CT logs",
                case.name
            );
            assert!(
                !accepts(
                    &case,
                    &TrustedRoot {
                        certificate_authorities: vec![],
                        ..root()
                    }
                ),
                "{}: no CAs",
                case.name
            );
        }
        let stamped = case
            .json()
            .pointer("/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0")
            .is_some();
        let without = TrustedRoot {
            timestamp_authorities: vec![],
            ..root()
        };
        assert_eq!(accepts(&case, &without), !stamped, "{}: no TSAs", case.name);
    }
}

#[test]
fn a_validity_that_ended_before_the_signature_is_refused() {
    let early = || TimeRange {
        start: Some("2000-01-01T00:00:00Z".into()),
        end: Some("2000-12-31T00:00:00Z".into()),
    };
    for case in cases::good() {
        let mut root = case.root();
        root.tlogs
            .iter_mut()
            .for_each(|log| log.public_key.valid_for = Some(early()));
        assert!(!accepts(&case, &root), "{}: logs", case.name);
        if case.key.is_none() {
            let mut root = case.root();
            root.ctlogs
                .iter_mut()
                .for_each(|log| log.public_key.valid_for = Some(early()));
            assert!(!accepts(&case, &root), "{}: CT logs", case.name);
            let mut root = case.root();
            root.certificate_authorities
                .iter_mut()
                .for_each(|ca| ca.valid_for = early());
            assert!(!accepts(&case, &root), "{}: CAs", case.name);
        }
    }
}

#[test]
fn another_root_does_not_accept() {
    let good = cases::good();
    for case in &good {
        for other in &good {
            let shares_trust = other.root().tlogs.iter().any(|log| {
                case.root()
                    .tlogs
                    .iter()
                    .any(|mine| mine.log_id == log.log_id)
            });
            if !shares_trust {
                assert!(
                    !accepts(case, &other.root()),
                    "{} under the root of {}",
                    case.name,
                    other.name
                );
            }
        }
    }
}

#[test]
fn one_trusted_root_serves_many_bundles() {
    let cases: Vec<Case> = cases::good()
        .into_iter()
        .filter(|case| case.name.starts_with("happy-path"))
        .collect();
    let Some(first) = cases.first() else { return };
    let trust = first.trust();
    for case in cases.iter().chain(&cases) {
        let bundle = Bundle::parse(&case.bundle).expect("a good bundle");
        assert!(
            verifier::verify(
                &bundle,
                &Artifact::Bytes(&case.artifact),
                &trust,
                &case.policy(),
                NOW
            )
            .verified,
            "{}",
            case.name
        );
    }
}

#[test]
fn a_tsa_chain_without_its_leaf_takes_the_embedded_one() {
    let mut with_embedded = 0;
    for case in cases::good() {
        let json = case.json();
        let place =
            "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp";
        let Some(token) = json.pointer(place).and_then(|token| token.as_str()) else {
            continue;
        };
        let token = STANDARD.decode(token).expect("base64");
        let mut root = case.root();
        let mut embedded = false;
        for tsa in &mut root.timestamp_authorities {
            let leaf = tsa.cert_chain.certificates.remove(0).raw_bytes.0;
            embedded |= token.windows(leaf.len()).any(|part| part == leaf);
        }
        assert_eq!(accepts(&case, &root), embedded, "{}", case.name);
        with_embedded += usize::from(embedded);
    }
    assert!(with_embedded > 0 || cases::all().is_empty());
}

#[test]
fn a_tsa_chain_of_the_leaf_alone_has_no_anchor() {
    let refused = error_of(|root| {
        root.timestamp_authorities[0]
            .cert_chain
            .certificates
            .truncate(1)
    });
    let Some(error) = refused else {
        return;
    };
    assert_eq!(
        error,
        TrustMaterialError::AnchorNotCa {
            list: TrustList::TimestampAuthorities,
            index: 0
        }
    );
    // Nor may the leaf stand at both ends.
    let error = error_of(|root| {
        let chain = &mut root.timestamp_authorities[0].cert_chain.certificates;
        chain.truncate(1);
        chain.push(chain[0].clone());
    });
    assert!(matches!(
        error,
        Some(TrustMaterialError::AnchorNotCa { .. })
    ));
}

/// An entry of Rekor v2 has no time of its own that could choose between the two.
#[test]
fn a_log_key_listed_with_two_periods_is_in_use_in_both() {
    let Some(case) = cases::named("rekor2-happy-path") else {
        return;
    };
    let period = |start: &str, end: &str| {
        Some(TimeRange {
            start: Some(start.into()),
            end: Some(end.into()),
        })
    };
    let before = || period("2000-01-01T00:00:00Z", "2000-12-31T00:00:00Z");
    let twice = |second: Option<TimeRange>| {
        let mut root = case.root();
        let mut again = root.tlogs.clone();
        root.tlogs
            .iter_mut()
            .for_each(|log| log.public_key.valid_for = before());
        if second.is_some() {
            again
                .iter_mut()
                .for_each(|log| log.public_key.valid_for = second.clone());
        }
        root.tlogs.append(&mut again);
        root
    };
    assert!(accepts(&case, &twice(None)));
    assert!(!accepts(&case, &twice(before())));
}

/// The anchor decides, not what the token brings along.
#[test]
fn an_embedded_tsa_certificate_is_no_anchor() {
    let (Some(case), Some(other)) = (
        cases::named("rekor2-timestamp-with-embedded-cert"),
        cases::named("managed-key-happy-path"),
    ) else {
        return;
    };
    let mut root = case.root();
    root.timestamp_authorities = other.root().timestamp_authorities;
    root.timestamp_authorities.iter_mut().for_each(|tsa| {
        tsa.valid_for = root.tlogs[0]
            .public_key
            .valid_for
            .clone()
            .expect("is there")
    });
    assert!(!accepts(&case, &root));
    root.timestamp_authorities
        .iter_mut()
        .for_each(|tsa| drop(tsa.cert_chain.certificates.remove(0)));
    assert!(!accepts(&case, &root));
}

#[test]
fn an_operator_in_the_root_names_the_party_not_the_key() {
    let Some(case) = cases::named("managed-key-happy-path") else {
        return;
    };
    let mut root = case.root();
    root.tlogs
        .iter_mut()
        .for_each(|log| log.operator = "example.com".into());
    root.timestamp_authorities
        .iter_mut()
        .for_each(|tsa| tsa.operator = "example.com".into());
    assert!(accepts(&case, &root));
}

#[test]
fn an_unknown_key_algorithm_is_set_aside_and_named() {
    let Some(case) = cases::named("happy-path-v0.3") else {
        return;
    };
    let mut root = case.root();
    root.tlogs[1].public_key.key_details = "ML_DSA_65".into();
    let trust = TrustMaterial::new(&root).expect("usable");
    assert_eq!(trust.ignored().len(), 1);
    assert!(
        trust.ignored()[0].starts_with("tlogs[1] (https://log2025-1.rekor.sigstore.dev)"),
        "{:?}",
        trust.ignored()
    );
    assert!(accepts(&case, &root));
}

#[test]
fn a_bad_entry_is_named_with_its_position() {
    use TrustList::{CertificateAuthorities, Ctlogs, TimestampAuthorities, Tlogs};
    let Some(error) = error_of(|root| root.tlogs[1].log_id.key_id = B64(vec![1, 2, 3, 4])) else {
        return;
    };
    assert_eq!(
        error,
        TrustMaterialError::LogId {
            list: Tlogs,
            index: 1,
            have: 4
        }
    );
    assert!(
        error
            .to_string()
            .starts_with("tlogs[1].logId.keyId: 4 bytes")
    );

    let error =
        error_of(|root| root.ctlogs[1].public_key.raw_bytes = B64(vec![0x30])).expect("vectors");
    assert!(
        matches!(
            error,
            TrustMaterialError::Key {
                list: Ctlogs,
                index: 1,
                ..
            }
        ),
        "{error}"
    );

    let error = error_of(|root| root.tlogs[0].public_key.key_details = "PKIX_ED25519".into())
        .expect("vectors");
    assert!(
        matches!(
            error,
            TrustMaterialError::KeyDetails {
                list: Tlogs,
                index: 0,
                ..
            }
        ),
        "{error}"
    );

    let error = error_of(|root| root.tlogs[0].hash_algorithm = "SHA2_512".into()).expect("vectors");
    assert!(
        matches!(
            error,
            TrustMaterialError::HashAlgorithm {
                list: Tlogs,
                index: 0,
                ..
            }
        ),
        "{error}"
    );

    let error = error_of(|root| {
        root.certificate_authorities[1].cert_chain.certificates[1].raw_bytes = B64(vec![0])
    })
    .expect("vectors");
    assert!(
        matches!(
            error,
            TrustMaterialError::Certificate {
                list: CertificateAuthorities,
                index: 1,
                certificate: 1,
                ..
            }
        ),
        "{error}"
    );

    let error = error_of(|root| {
        root.timestamp_authorities[0]
            .cert_chain
            .certificates
            .clear()
    })
    .expect("vectors");
    assert_eq!(
        error,
        TrustMaterialError::ChainLength {
            list: TimestampAuthorities,
            index: 0,
            have: 0
        }
    );
}

#[test]
fn a_missing_or_unreadable_bound_is_never_an_open_one() {
    let Some(error) = error_of(|root| root.tlogs[0].public_key.valid_for = None) else {
        return;
    };
    assert_eq!(
        error,
        TrustMaterialError::Validity {
            list: TrustList::Tlogs,
            index: 0,
            bound: Bound::Start
        }
    );
    let start = || Some("2021-01-12T11:53:27Z".to_owned());
    let error = error_of(|root| {
        root.ctlogs[0].public_key.valid_for = Some(TimeRange {
            start: None,
            end: None,
        })
    })
    .expect("vectors");
    assert_eq!(
        error,
        TrustMaterialError::Validity {
            list: TrustList::Ctlogs,
            index: 0,
            bound: Bound::Start
        }
    );
    let error = error_of(|root| {
        root.certificate_authorities[0].valid_for = TimeRange {
            start: start(),
            end: Some("tomorrow".into()),
        }
    })
    .expect("vectors");
    assert_eq!(
        error,
        TrustMaterialError::Validity {
            list: TrustList::CertificateAuthorities,
            index: 0,
            bound: Bound::End
        }
    );
    let error = error_of(|root| {
        root.timestamp_authorities[0].valid_for = TimeRange {
            start: Some("soon".into()),
            end: None,
        }
    })
    .expect("vectors");
    assert_eq!(
        error,
        TrustMaterialError::Validity {
            list: TrustList::TimestampAuthorities,
            index: 0,
            bound: Bound::Start
        }
    );
}
