use super::*;
use crate::Algorithm;
use pki::path::{Usage, check_ca_chain, check_path};
use std::process::Command;
use time::Duration;
use time::macros::datetime;

const START: OffsetDateTime = datetime!(2026-03-01 12:30:15.987 UTC);

fn names(common_name: &str) -> Names {
    Names {
        organization: "Example Org".into(),
        common_name: common_name.into(),
    }
}

fn signer(purpose: Purpose) -> Signer {
    Signer::in_memory(purpose, Algorithm::EcdsaP256).unwrap()
}

async fn code_signing() -> (Signer, Vec<u8>, Signer, Vec<u8>) {
    let (root_key, ca_key) = (signer(Purpose::RootCa), signer(Purpose::IssuingCa));
    let root_der = root(&root_key, &names("root"), START, 10, [7; 20])
        .await
        .unwrap();
    let ca_der = issue_ca(&root_key, &root_der, &ca_key, &names("intermediate"))
        .await
        .unwrap();
    (root_key, root_der, ca_key, ca_der)
}

async fn issue_ca(
    root_key: &Signer,
    root_der: &[u8],
    ca_key: &Signer,
    names: &Names,
) -> Result<Vec<u8>, KeyError> {
    let end = START + Duration::days(3 * 365);
    issue(
        root_key,
        root_der,
        ca_key.public_key(),
        names,
        Profile::CodeSigningCa,
        START,
        end,
        [9; 20],
    )
    .await
}

/// Leaf first.
async fn timestamping(algorithm: Algorithm) -> Vec<Certificate> {
    let [root_key, ca_key, leaf_key] = [Purpose::TsaRoot, Purpose::TsaIntermediate, Purpose::Tsa]
        .map(|purpose| Signer::in_memory(purpose, algorithm).unwrap());
    let end = START + Duration::days(365);
    let root_der = root(&root_key, &names("tsa root"), START, 10, [1; 20])
        .await
        .unwrap();
    let ca_der = issue(
        &root_key,
        &root_der,
        ca_key.public_key(),
        &names("tsa intermediate"),
        Profile::TimeStampingCa,
        START,
        end,
        [2; 20],
    )
    .await
    .unwrap();
    let leaf_der = issue(
        &ca_key,
        &ca_der,
        leaf_key.public_key(),
        &names("tsa"),
        Profile::TimeStampingLeaf,
        START,
        end,
        [3; 20],
    )
    .await
    .unwrap();
    [leaf_der, ca_der, root_der]
        .iter()
        .map(|der| Certificate::parse_der(der).unwrap())
        .collect()
}

#[tokio::test]
async fn a_root_has_the_profile_of_a_root() {
    let key = signer(Purpose::RootCa);
    let der = root(&key, &names("root"), START, 10, [0xff; 20])
        .await
        .unwrap();
    let root = Certificate::parse_der(&der).unwrap();
    assert!(root.is_ca());
    assert_eq!(root.issuer_der(), root.subject_der());
    assert_eq!(root.subject_organization().as_deref(), Some("Example Org"));
    assert_eq!(root.subject_common_name().as_deref(), Some("root"));
    assert_eq!(root.not_before(), datetime!(2026-03-01 12:30:15 UTC));
    assert_eq!(root.not_after(), datetime!(2036-03-01 12:30:15 UTC));
    assert_eq!(root.serial()[0], 0x7f);
    assert_eq!(
        root.subject_key_identifier(),
        Some(&key.public_key().subject_key_identifier()[..])
    );
    // KeyUsage: BIT STRING with bits 5 and 6. BasicConstraints: CA, no path length.
    assert_eq!(root.extension("2.5.29.15"), Some((true, &[3, 2, 1, 6][..])));
    assert_eq!(
        root.extension("2.5.29.19"),
        Some((true, &[0x30, 3, 1, 1, 0xff][..]))
    );
    assert_eq!(root.extension("2.5.29.37"), None);
}

#[tokio::test]
async fn an_intermediate_has_the_profile_of_an_issuing_ca() {
    let (_, root_der, _, ca_der) = code_signing().await;
    let [root, ca] = [root_der, ca_der].map(|der| Certificate::parse_der(&der).unwrap());
    assert_eq!(ca.issuer_der(), root.subject_der());
    assert_eq!(ca.authority_key_identifier(), root.subject_key_identifier());
    assert_eq!(ca.extension("2.5.29.15"), Some((true, &[3, 2, 1, 6][..])));
    // CA, path length 0.
    assert_eq!(
        ca.extension("2.5.29.19"),
        Some((true, &[0x30, 6, 1, 1, 0xff, 2, 1, 0][..]))
    );
    // EKU codeSigning alone, not critical.
    let code_signing = [0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 3];
    assert_eq!(ca.extension("2.5.29.37"), Some((false, &code_signing[..])));
}

#[tokio::test]
async fn code_signing_chains_check() {
    let (_, root_der, _, ca_der) = code_signing().await;
    let chain = [ca_der, root_der].map(|der| Certificate::parse_der(&der).unwrap());
    check_ca_chain(&chain, Usage::CodeSigning, START + Duration::days(1)).unwrap();
    assert!(check_ca_chain(&chain, Usage::CodeSigning, START + Duration::days(4000)).is_err());
}

#[tokio::test]
async fn timestamping_chains_check_with_every_ca_algorithm() {
    for algorithm in [
        Algorithm::EcdsaP256,
        Algorithm::EcdsaP384,
        Algorithm::Rsa2048,
    ] {
        let chain = timestamping(algorithm).await;
        let at = START + Duration::days(1);
        let path = check_path(
            &chain[0],
            &[&chain[1]],
            &[&chain[2]],
            Usage::TimeStamping,
            at,
        )
        .unwrap();
        assert_eq!(path.len(), 3);
    }
}

#[tokio::test]
async fn a_timestamping_leaf_has_one_critical_usage_and_is_no_ca() {
    let chain = timestamping(Algorithm::EcdsaP256).await;
    let leaf = &chain[0];
    assert!(!leaf.is_ca());
    assert_eq!(
        leaf.extension("2.5.29.37"),
        Some((true, &TIME_STAMPING_ONLY[..]))
    );
    assert_eq!(
        leaf.extension("2.5.29.15"),
        Some((true, &[3, 2, 7, 0x80][..]))
    );
    assert_eq!(leaf.extension("2.5.29.19"), None);
    assert_eq!(
        leaf.subject_key_identifier(),
        Some(&leaf.public_key().subject_key_identifier()[..])
    );
    assert_eq!(
        leaf.authority_key_identifier(),
        chain[1].subject_key_identifier()
    );
    assert_eq!(
        chain[1].extension("2.5.29.37"),
        Some((false, &TIME_STAMPING_ONLY[..]))
    );
}

#[tokio::test]
async fn openssl_accepts_the_chains() {
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("SKIPPED: no openssl program on the path");
        return;
    }
    let (_, root_der, _, ca_der) = code_signing().await;
    let code_signing = [ca_der, root_der].map(|der| Certificate::parse_der(&der).unwrap());
    openssl_verify(&code_signing, "any");
    openssl_verify(&timestamping(Algorithm::EcdsaP384).await, "timestampsign");
}

/// `chain` is leaf first, root last.
fn openssl_verify(chain: &[Certificate], purpose: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, certificates: &[Certificate]| {
        let path = folder.path().join(name);
        let pem: String = certificates.iter().map(Certificate::to_pem).collect();
        std::fs::write(&path, pem).unwrap();
        path
    };
    let (leaf, rest) = chain.split_first().unwrap();
    let (root, between) = rest.split_last().unwrap();
    let mut command = Command::new("openssl");
    command
        .args(["verify", "-x509_strict", "-purpose", purpose, "-attime"])
        .arg((START + Duration::days(1)).unix_timestamp().to_string())
        .arg("-CAfile")
        .arg(file("root.pem", std::slice::from_ref(root)));
    if !between.is_empty() {
        command.arg("-untrusted").arg(file("between.pem", between));
    }
    let output = command
        .arg(file("leaf.pem", std::slice::from_ref(leaf)))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A root by rcgen itself, with a foreign shape of subject.
fn foreign_root(key: &rcgen::KeyPair, name: DistinguishedName) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = datetime!(2020-01-01 0:00 UTC);
    params.not_after = datetime!(2050-01-01 0:00 UTC);
    params.self_signed(key).unwrap().der().to_vec()
}

#[tokio::test]
async fn the_name_of_a_foreign_issuer_is_repeated_byte_for_byte() {
    let pair = rcgen::KeyPair::generate().unwrap();
    let mut name = DistinguishedName::new();
    name.push(
        DnType::CountryName,
        DnValue::PrintableString("DE".try_into().unwrap()),
    );
    name.push(
        DnType::OrganizationName,
        DnValue::PrintableString("Example Org".try_into().unwrap()),
    );
    name.push(DnType::CommonName, "Prüfstelle");
    let root_der = foreign_root(&pair, name);
    let root_key = Signer::from_pkcs8_pem(Purpose::RootCa, &pair.serialize_pem()).unwrap();
    let ca_key = signer(Purpose::IssuingCa);
    let ca_der = issue_ca(&root_key, &root_der, &ca_key, &names("intermediate"))
        .await
        .unwrap();
    let [root, ca] = [root_der, ca_der].map(|der| Certificate::parse_der(&der).unwrap());
    assert_eq!(ca.issuer_der(), root.subject_der());
}

#[tokio::test]
async fn a_name_that_cannot_be_repeated_is_refused() {
    let pair = rcgen::KeyPair::generate().unwrap();
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Example Org");
    name.push(
        DnType::CommonName,
        DnValue::BmpString(rcgen::string::BmpString::try_from("root").unwrap()),
    );
    let root_der = foreign_root(&pair, name);
    let root_key = Signer::from_pkcs8_pem(Purpose::RootCa, &pair.serialize_pem()).unwrap();
    let result = issue_ca(
        &root_key,
        &root_der,
        &signer(Purpose::IssuingCa),
        &names("x"),
    )
    .await;
    assert_eq!(rule(result), CertificateRule::IssuerName);
}

fn rule(result: Result<Vec<u8>, KeyError>) -> CertificateRule {
    match result.unwrap_err() {
        KeyError::Rule(rule) => rule,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn the_organization_must_be_the_roots() {
    let (root_key, root_der, ca_key, _) = code_signing().await;
    let other = Names {
        organization: "Another Org".into(),
        common_name: "intermediate".into(),
    };
    let result = issue_ca(&root_key, &root_der, &ca_key, &other).await;
    assert_eq!(
        rule(result),
        CertificateRule::Organization {
            organization: "Another Org".into(),
            issuer: Some("Example Org".into()),
        }
    );
}

#[tokio::test]
async fn a_child_may_not_take_its_issuers_name() {
    let (root_key, root_der, ca_key, _) = code_signing().await;
    let result = issue_ca(&root_key, &root_der, &ca_key, &names("root")).await;
    assert_eq!(rule(result), CertificateRule::SameName);
}

#[tokio::test]
async fn a_key_of_another_certificate_is_refused() {
    let (_, root_der, ca_key, _) = code_signing().await;
    let stranger = signer(Purpose::RootCa);
    let result = issue_ca(&stranger, &root_der, &ca_key, &names("intermediate")).await;
    assert_eq!(rule(result), CertificateRule::IssuerKey(Purpose::RootCa));
}

#[tokio::test]
async fn log_keys_and_ed25519_keys_sign_no_certificates() {
    let result = root(&signer(Purpose::CtLog), &names("x"), START, 1, [1; 20]).await;
    assert_eq!(rule(result), CertificateRule::Purpose(Purpose::CtLog));
    let ed25519 = Signer::in_memory(Purpose::RootCa, Algorithm::Ed25519).unwrap();
    let result = root(&ed25519, &names("x"), START, 1, [1; 20]).await;
    assert_eq!(rule(result), CertificateRule::Ed25519Issuer);
}

#[tokio::test]
async fn a_child_may_not_outlive_its_issuer() {
    let (root_key, root_der, ca_key, _) = code_signing().await;
    let parent = Certificate::parse_der(&root_der).unwrap();
    let (start, end) = (parent.not_before(), parent.not_after());
    for (from, to) in [
        (start, end + Duration::SECOND),
        (start - Duration::SECOND, end),
    ] {
        let result = issue(
            &root_key,
            &root_der,
            ca_key.public_key(),
            &names("y"),
            Profile::CodeSigningCa,
            from,
            to,
            [1; 20],
        )
        .await;
        assert_eq!(
            rule(result),
            CertificateRule::OutlivesIssuer {
                not_before: start,
                not_after: end
            }
        );
    }
}

#[tokio::test]
async fn names_are_bounded() {
    let key = signer(Purpose::RootCa);
    for (organization, common_name, field) in [
        ("", "x", "organization"),
        ("x", "", "common name"),
        ("x", "a\nb", "common name"),
        (&"o".repeat(65), "x", "organization"),
    ] {
        let names = Names {
            organization: organization.into(),
            common_name: common_name.into(),
        };
        let result = root(&key, &names, START, 1, [1; 20]).await;
        assert_eq!(rule(result), CertificateRule::Name { field, limit: 64 });
    }
}

#[test]
fn a_root_made_on_a_leap_day_ends_on_the_28th() {
    let leap = datetime!(2028-02-29 0:00 UTC);
    assert_eq!(
        years_later(leap, 1).unwrap(),
        datetime!(2029-02-28 0:00 UTC)
    );
    assert_eq!(
        years_later(leap, 4).unwrap(),
        datetime!(2032-02-29 0:00 UTC)
    );
    assert!(years_later(leap, 0).is_err());
    assert!(years_later(leap, 51).is_err());
}

#[test]
fn a_serial_is_positive_and_not_zero() {
    assert_eq!(positive([0xff; 20])[0], 0x7f);
    assert_eq!(positive([0; 20])[19], 1);
    let mut high = [0; 20];
    high[0] = 0x80;
    assert_eq!(positive(high)[19], 1);
}
