//! The certificate chains of an instance, and of the generations after the first.

use super::generations::Role;
use anyhow::{Context, Result, bail};
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
/// What ends sooner is not worth a rotation.
const LEAST_DAYS: i64 = 90;

/// Times in certificates and trust files have no fractions.
pub(super) fn whole_second(time: OffsetDateTime) -> OffsetDateTime {
    time - Duration::nanoseconds(i64::from(time.nanosecond()))
}

/// A root that issues.
pub(super) struct Root {
    pub(super) signer: Signer,
    pub(super) certificate: Certificate,
}

/// Issuing CA first, root last.
pub(super) async fn ca_chain(
    root: &Signer,
    issuing: &Signer,
    start: OffsetDateTime,
) -> Result<Vec<Certificate>> {
    let root = new_root(Role::Ca, 1, root.clone(), start).await?;
    next_ca(&root, issuing, 1, start).await
}

/// TSA certificate first, root last.
pub(super) async fn tsa_chain(
    root: &Signer,
    intermediate: &Signer,
    tsa: &Signer,
    start: OffsetDateTime,
) -> Result<Vec<Certificate>> {
    let root = new_root(Role::Tsa, 1, root.clone(), start).await?;
    next_tsa(&root, intermediate, tsa, 1, start).await
}

/// A root for the generation of this number.
pub(super) async fn new_root(
    role: Role,
    number: u32,
    signer: Signer,
    start: OffsetDateTime,
) -> Result<Root> {
    let name = match role {
        Role::Tsa => "Sigstead timestamp root CA",
        _ => "Sigstead root CA",
    };
    let names = names(name, number);
    let der = authority::root(&signer, &names, start, ROOT_YEARS, serial()?).await?;
    Ok(Root {
        certificate: parse(&der)?,
        signer,
    })
}

/// An issuing CA under a root: its certificate first, the root last.
pub(super) async fn next_ca(
    root: &Root,
    issuing: &Signer,
    number: u32,
    start: OffsetDateTime,
) -> Result<Vec<Certificate>> {
    let end = end_under(root, start, ISSUING_DAYS)?;
    let issuing = issue(
        root,
        issuing,
        names("Sigstead issuing CA", number),
        Profile::CodeSigningCa,
        (start, end),
    )
    .await?;
    Ok(vec![issuing, root.certificate.clone()])
}

/// A timestamping CA and a leaf under a root: leaf first, root last.
pub(super) async fn next_tsa(
    root: &Root,
    intermediate: &Signer,
    tsa: &Signer,
    number: u32,
    start: OffsetDateTime,
) -> Result<Vec<Certificate>> {
    let end = end_under(root, start, TSA_DAYS)?;
    let between = Root {
        certificate: issue(
            root,
            intermediate,
            names("Sigstead timestamp CA", number),
            Profile::TimeStampingCa,
            (start, end),
        )
        .await?,
        signer: intermediate.clone(),
    };
    let leaf = issue(
        &between,
        tsa,
        names("Sigstead timestamp authority", number),
        Profile::TimeStampingLeaf,
        (start, end),
    )
    .await?;
    Ok(vec![leaf, between.certificate, root.certificate.clone()])
}

/// The end of what is issued now: its usual life, or its root's end.
fn end_under(root: &Root, start: OffsetDateTime, days: i64) -> Result<OffsetDateTime> {
    let until = root.certificate.not_after();
    if until < start + Duration::days(LEAST_DAYS) {
        bail!(
            "the root ends on {}, in less than {LEAST_DAYS} days: make a new one with --root",
            until.date()
        );
    }
    Ok(until.min(start + Duration::days(days)))
}

async fn issue(
    issuer: &Root,
    subject: &Signer,
    names: Names,
    profile: Profile,
    (start, end): (OffsetDateTime, OffsetDateTime),
) -> Result<Certificate> {
    let der = authority::issue(
        &issuer.signer,
        issuer.certificate.der(),
        subject.public_key(),
        &names,
        profile,
        start,
        end,
        serial()?,
    )
    .await?;
    parse(&der)
}

/// Each generation has names of its own: some clients look an issuer up by its name alone.
fn names(common_name: &str, number: u32) -> Names {
    Names {
        organization: ORGANIZATION.to_owned(),
        common_name: match number {
            1 => common_name.to_owned(),
            number => format!("{common_name} {number}"),
        },
    }
}

fn serial() -> Result<[u8; 20]> {
    let mut serial = [0; 20];
    getrandom::fill(&mut serial)
        .map_err(|error| anyhow::anyhow!("the system gives no randomness: {error}"))?;
    Ok(serial)
}

fn parse(der: &[u8]) -> Result<Certificate> {
    Certificate::parse_der(der).context("a certificate made just now does not parse")
}
