//! Start-up checks: the key and its certificate chain can make timestamps that clients accept.

use crate::BuildError;
use crate::limits::MAX_CHAIN;
use der::Decode;
use der::asn1::ObjectIdentifier;
use keys::{Purpose, Signer};
use pki::cert::Certificate;
use pki::path::{Usage, check_path};
use time::OffsetDateTime;

const EXTENDED_KEY_USAGE: &str = "2.5.29.37";
const ID_KP_TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");

/// Checks signer and chain (leaf first, root last) at `now`: what the reference server checks
/// (spec/clients.md d.2), and that each certificate is signed by the next one.
pub(crate) fn check(
    signer: &Signer,
    chain: &[Certificate],
    now: OffsetDateTime,
) -> Result<(), BuildError> {
    let (leaf, between, root) = split(chain)?;
    if signer.purpose() != Purpose::Tsa {
        return Err(BuildError::Purpose(signer.purpose()));
    }
    if signer.public_key() != leaf.public_key() {
        return Err(BuildError::KeyMismatch);
    }
    check_leaf(leaf)?;
    check_intermediates(between)?;
    let between: Vec<&Certificate> = between.iter().collect();
    let path = check_path(leaf, &between, &[root], Usage::TimeStamping, now)?;
    // A path that leaves some out means that the chain has strays or the wrong order.
    if path.len() != chain.len() {
        return Err(BuildError::Unordered);
    }
    for (at, pair) in chain.windows(2).enumerate() {
        check_link(at, &pair[0], &pair[1])?;
    }
    Ok(())
}

fn split(
    chain: &[Certificate],
) -> Result<(&Certificate, &[Certificate], &Certificate), BuildError> {
    match chain {
        [leaf, between @ .., root] if chain.len() <= MAX_CHAIN => Ok((leaf, between, root)),
        _ => Err(BuildError::ChainLength {
            have: chain.len(),
            limit: MAX_CHAIN,
        }),
    }
}

/// RFC 3161 section 2.3: one extended key usage, critical, and no CA.
fn check_leaf(leaf: &Certificate) -> Result<(), BuildError> {
    if leaf.is_ca() {
        return Err(BuildError::LeafIsCa);
    }
    let usages = usages(leaf).ok_or(BuildError::LeafUsage)?;
    if usages != (true, vec![ID_KP_TIME_STAMPING]) {
        return Err(BuildError::LeafUsage);
    }
    Ok(())
}

/// EKU chaining, as the reference server enforces at start-up.
fn check_intermediates(between: &[Certificate]) -> Result<(), BuildError> {
    for (at, certificate) in between.iter().enumerate() {
        let usages = usages(certificate).map(|(_, usages)| usages);
        if !usages.is_some_and(|usages| usages.contains(&ID_KP_TIME_STAMPING)) {
            return Err(BuildError::IntermediateUsage { position: at + 2 });
        }
    }
    Ok(())
}

fn check_link(at: usize, child: &Certificate, parent: &Certificate) -> Result<(), BuildError> {
    let linked = child.issuer_der() == parent.subject_der()
        && parent.is_ca()
        && child.verify_signed_by(parent).is_ok();
    if !linked {
        return Err(BuildError::BrokenLink {
            child: at + 1,
            parent: at + 2,
        });
    }
    Ok(())
}

/// Critical flag and key purposes of the EKU extension.
fn usages(certificate: &Certificate) -> Option<(bool, Vec<ObjectIdentifier>)> {
    let (critical, content) = certificate.extension(EXTENDED_KEY_USAGE)?;
    Some((critical, Vec::from_der(content).ok()?))
}

/// The time in which every certificate of the chain is valid: latest start, earliest end.
pub(crate) fn validity(chain: &[Certificate]) -> Option<(OffsetDateTime, OffsetDateTime)> {
    let start = chain.iter().map(Certificate::not_before).max()?;
    let end = chain.iter().map(Certificate::not_after).min()?;
    Some((start, end))
}
