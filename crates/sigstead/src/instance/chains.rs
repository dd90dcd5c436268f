//! The certificate chains of a new instance.

use anyhow::{Context, Result};
use keys::Signer;
use keys::authority::{self, Names, Profile};
use pki::cert::Certificate;
use time::{Duration, OffsetDateTime};

/// One organization in every subject: gh picks its verifier by comparing the issuer's with the root's.
const ORGANIZATION: &str = "Sigstead";
const ROOT_YEARS: i32 = 10;
/// Fulcio's recommendation for an issuing CA.
const ISSUING_DAYS: i64 = 3 * 365;
const TSA_DAYS: i64 = 9 * 365;

/// Times in certificates and trust files have no fractions.
pub(super) fn whole_second(time: OffsetDateTime) -> OffsetDateTime {
    time - Duration::nanoseconds(i64::from(time.nanosecond()))
}

/// Issuing CA first, root last.
pub(super) async fn ca_chain(
    root: &Signer,
    issuing: &Signer,
    start: OffsetDateTime,
) -> Result<Vec<Certificate>> {
    let root_der = authority::root(
        root,
        &names("Sigstead root CA"),
        start,
        ROOT_YEARS,
        serial()?,
    )
    .await?;
    let issuing_der = issue(
        root,
        &root_der,
        issuing,
        "Sigstead issuing CA",
        Profile::CodeSigningCa,
        start,
        ISSUING_DAYS,
    )
    .await?;
    parse(&[issuing_der, root_der])
}

/// TSA certificate first, root last.
pub(super) async fn tsa_chain(
    root: &Signer,
    intermediate: &Signer,
    tsa: &Signer,
    start: OffsetDateTime,
) -> Result<Vec<Certificate>> {
    let root_der = authority::root(
        root,
        &names("Sigstead timestamp root CA"),
        start,
        ROOT_YEARS,
        serial()?,
    )
    .await?;
    let intermediate_der = issue(
        root,
        &root_der,
        intermediate,
        "Sigstead timestamp CA",
        Profile::TimeStampingCa,
        start,
        TSA_DAYS,
    )
    .await?;
    let leaf_der = issue(
        intermediate,
        &intermediate_der,
        tsa,
        "Sigstead timestamp authority",
        Profile::TimeStampingLeaf,
        start,
        TSA_DAYS,
    )
    .await?;
    parse(&[leaf_der, intermediate_der, root_der])
}

async fn issue(
    issuer: &Signer,
    issuer_der: &[u8],
    subject: &Signer,
    common_name: &str,
    profile: Profile,
    start: OffsetDateTime,
    days: i64,
) -> Result<Vec<u8>> {
    let end = start + Duration::days(days);
    let der = authority::issue(
        issuer,
        issuer_der,
        subject.public_key(),
        &names(common_name),
        profile,
        start,
        end,
        serial()?,
    )
    .await?;
    Ok(der)
}

fn names(common_name: &str) -> Names {
    Names {
        organization: ORGANIZATION.to_owned(),
        common_name: common_name.to_owned(),
    }
}

fn serial() -> Result<[u8; 20]> {
    let mut serial = [0; 20];
    getrandom::fill(&mut serial)
        .map_err(|error| anyhow::anyhow!("the system gives no randomness: {error}"))?;
    Ok(serial)
}

fn parse(chain: &[Vec<u8>]) -> Result<Vec<Certificate>> {
    chain
        .iter()
        .map(|der| {
            Certificate::parse_der(der).context("a certificate made just now does not parse")
        })
        .collect()
}
