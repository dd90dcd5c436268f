//! Checks of what is submitted: the chain as it stands, leaf first, leads to an accepted root.
//!
//! Expiry is not checked: certificates here live for ten minutes, and a log must take them later as well.

use crate::limits::MAX_CHAIN;
use der::Decode;
use der::asn1::ObjectIdentifier;
use pki::cert::{CertError, Certificate};
use x509_cert::ext::pkix::ExtendedKeyUsage;

/// RFC 6962 section 3.1.
const POISON: &str = "1.3.6.1.4.1.11129.2.4.3";
const NULL: &[u8] = &[0x05, 0x00];
const EXTENDED_KEY_USAGE: &str = "2.5.29.37";
const CODE_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3");

/// A leaf and its issuers, up to and with an accepted root.
pub(crate) struct Accepted {
    pub(crate) leaf: Certificate,
    /// Never empty: the issuer of the leaf first, the root last.
    pub(crate) issuers: Vec<Certificate>,
}

/// Why a submission is refused. Positions count from 0, the leaf.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// Nothing was submitted.
    #[error("the chain is empty: submit the certificate first, then its issuers")]
    Empty,
    /// There is no issuer.
    #[error("the chain has no issuer of the certificate")]
    NoIssuer,
    /// Longer than [`MAX_CHAIN`].
    #[error("the chain has {have} certificates, at most {MAX_CHAIN} are taken")]
    TooLong {
        /// Certificates submitted.
        have: usize,
    },
    /// A certificate does not parse.
    #[error("certificate {position} of the chain: {error}")]
    Certificate {
        /// Its position.
        position: usize,
        /// What is wrong with it.
        error: CertError,
    },
    /// A precertificate on add-chain.
    #[error("the certificate has the poison extension: submit a precertificate to add-pre-chain")]
    Poisoned,
    /// A certificate on add-pre-chain.
    #[error("the certificate has no poison extension: submit a certificate to add-chain")]
    NotPoisoned,
    /// The poison extension is not critical, or not NULL.
    #[error("the poison extension must be critical, with the value NULL (RFC 6962 section 3.1)")]
    BadPoison,
    /// The leaf is not for code signing.
    #[error("the certificate has no extended key usage codeSigning")]
    NotForCodeSigning,
    /// The next certificate has another name than the issuer.
    #[error("certificate {position} of the chain was issued by another name than the next one has")]
    OtherIssuer {
        /// Position of the issued certificate.
        position: usize,
    },
    /// The next certificate may not issue.
    #[error("certificate {position} of the chain is not a CA")]
    NotCa {
        /// Its position.
        position: usize,
    },
    /// The next certificate's key did not sign.
    #[error("certificate {position} of the chain is not signed by the next one")]
    Signature {
        /// Position of the issued certificate.
        position: usize,
    },
    /// The chain leads elsewhere.
    #[error("the chain does not lead to a root of this log; see get-roots")]
    UnknownRoot,
    /// The entry cannot be built.
    #[error(transparent)]
    Entry(#[from] CertError),
}

/// Checks a submitted chain (DER, leaf first; the root may be left out) against the accepted roots.
pub(crate) fn check_chain(
    submitted: &[Vec<u8>],
    roots: &[Certificate],
    precert: bool,
) -> Result<Accepted, ChainError> {
    if submitted.len() > MAX_CHAIN {
        return Err(ChainError::TooLong {
            have: submitted.len(),
        });
    }
    let mut chain = Vec::with_capacity(submitted.len() + 1);
    for (position, der) in submitted.iter().enumerate() {
        chain.push(
            Certificate::parse_der(der)
                .map_err(|error| ChainError::Certificate { position, error })?,
        );
    }
    // Cheap checks of the leaf come before any signature.
    let leaf = chain.first().ok_or(ChainError::Empty)?;
    check_poison(leaf, precert)?;
    check_usage(leaf)?;
    add_root(&mut chain, roots)?;
    for (position, pair) in chain.windows(2).enumerate() {
        if let [issued, issuer] = pair {
            check_issued(position, issued, issuer)?;
        }
    }
    let leaf = chain.remove(0);
    match chain.is_empty() {
        true => Err(ChainError::NoIssuer),
        false => Ok(Accepted {
            leaf,
            issuers: chain,
        }),
    }
}

/// A precertificate is poisoned, a certificate is not.
pub(crate) fn check_poison(leaf: &Certificate, precert: bool) -> Result<(), ChainError> {
    match (leaf.extension(POISON), precert) {
        (None, false) | (Some((true, NULL)), true) => Ok(()),
        (None, true) => Err(ChainError::NotPoisoned),
        (Some(_), false) => Err(ChainError::Poisoned),
        (Some(_), true) => Err(ChainError::BadPoison),
    }
}

fn check_usage(leaf: &Certificate) -> Result<(), ChainError> {
    let usage = leaf
        .extension(EXTENDED_KEY_USAGE)
        .and_then(|(_, value)| ExtendedKeyUsage::from_der(value).ok());
    match usage.is_some_and(|usage| usage.0.contains(&CODE_SIGNING)) {
        true => Ok(()),
        false => Err(ChainError::NotForCodeSigning),
    }
}

/// Makes an accepted root the end of the chain: it is there, or it issued what is.
fn add_root(chain: &mut Vec<Certificate>, roots: &[Certificate]) -> Result<(), ChainError> {
    let last = chain.last().ok_or(ChainError::Empty)?;
    if roots.iter().any(|root| root.der() == last.der()) {
        return Ok(());
    }
    // Roots may share a name after a rotation: the signature tells them apart.
    let issued_last = |root: &&Certificate| {
        root.subject_der() == last.issuer_der() && last.verify_signed_by(root).is_ok()
    };
    let root = roots
        .iter()
        .find(issued_last)
        .ok_or(ChainError::UnknownRoot)?;
    chain.push(root.clone());
    Ok(())
}

fn check_issued(
    position: usize,
    issued: &Certificate,
    issuer: &Certificate,
) -> Result<(), ChainError> {
    if issued.issuer_der() != issuer.subject_der() {
        return Err(ChainError::OtherIssuer { position });
    }
    if !issuer.is_ca() {
        return Err(ChainError::NotCa {
            position: position + 1,
        });
    }
    issued
        .verify_signed_by(issuer)
        .map_err(|_| ChainError::Signature { position })
}
