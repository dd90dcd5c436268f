//! Certificate path checks: leaf → intermediates → trusted root, at a given time, with a work budget.
//!
//! A subset of RFC 5280 section 6 that fits Sigstore, stricter where it may be: no policies, no name constraints (a CA that
//! has them is refused), no revocation (leaves live ten minutes).
use crate::cert::{CertError, Certificate};
use crate::key::KeyError;
use crate::{limits, oid};
use const_oid::ObjectIdentifier;
use std::fmt;
use time::OffsetDateTime;

/// What the leaf signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Artifacts: EKU codeSigning.
    CodeSigning,
    /// RFC 3161 timestamps: EKU timeStamping, alone and critical (RFC 3161 section 2.3).
    TimeStamping,
}

impl Usage {
    fn oid(self) -> ObjectIdentifier {
        match self {
            Self::CodeSigning => oid::CODE_SIGNING,
            Self::TimeStamping => oid::TIME_STAMPING,
        }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CodeSigning => "codeSigning",
            Self::TimeStamping => "timeStamping",
        })
    }
}

/// Why there is no path. `position` counts from the leaf, 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The time lies before the certificate's validity.
    #[error("certificate {position} of the path is valid from {not_before}, which is after {at}")]
    NotYetValid {
        /// Place in the path.
        position: usize,
        /// Start of validity.
        not_before: OffsetDateTime,
        /// Time of the check.
        at: OffsetDateTime,
    },
    /// The time lies after the certificate's validity.
    #[error("certificate {position} of the path is valid until {not_after}, which is before {at}")]
    Expired {
        /// Place in the path.
        position: usize,
        /// End of validity.
        not_after: OffsetDateTime,
        /// Time of the check.
        at: OffsetDateTime,
    },
    /// The leaf is a CA.
    #[error("leaf certificate is a CA")]
    LeafIsCa,
    /// A certificate that issued another is no CA.
    #[error("certificate {position} of the path is no CA: its BasicConstraints must say CA:TRUE")]
    NotCa {
        /// Place in the path.
        position: usize,
    },
    /// A CA has more CAs below it than it may.
    #[error("certificate {position} of the path allows {limit} CAs below it, there are {below}")]
    PathLength {
        /// Place in the path.
        position: usize,
        /// pathLenConstraint.
        limit: u8,
        /// CAs below it.
        below: usize,
    },
    /// The key usage does not allow what the key did.
    #[error("certificate {position} of the path lacks key usage {want}")]
    KeyUsage {
        /// Place in the path.
        position: usize,
        /// Usage wanted.
        want: &'static str,
    },
    /// The extended key usage does not allow the purpose.
    #[error("certificate {position} of the path lacks extended key usage {usage}")]
    ExtendedKeyUsage {
        /// Place in the path.
        position: usize,
        /// Usage wanted.
        usage: Usage,
    },
    /// A timestamping leaf has further purposes, or the extension is not critical.
    #[error(
        "extended key usage of a timestamping certificate must be critical and name timeStamping alone"
    )]
    TimeStampingNotExclusive,
    /// A critical extension is not understood here.
    #[error("certificate {position} of the path has the unknown critical extension {oid}")]
    UnknownCriticalExtension {
        /// Place in the path.
        position: usize,
        /// Dotted OID of the extension.
        oid: String,
    },
    /// A CA constrains names, which is not supported.
    #[error("certificate {position} of the path has name constraints, which are not supported")]
    NameConstraints {
        /// Place in the path.
        position: usize,
    },
    /// No candidate has the name (and key identifier) of a certificate's issuer.
    #[error(
        "no trusted or given certificate is named as the issuer of certificate {position} of the path"
    )]
    NoIssuer {
        /// Place in the path of the certificate without issuer.
        position: usize,
    },
    /// The signature on a certificate does not verify with the next one's key.
    #[error("certificate {position} of the path is not signed by the next: {reason}")]
    Signature {
        /// Place in the path.
        position: usize,
        /// What failed.
        reason: CertError,
    },
    /// Every path is longer than the limit.
    #[error("path is longer than {max} certificates")]
    TooLong {
        /// The limit.
        max: usize,
    },
    /// There are more candidates than the limit.
    #[error("{count} certificates to build a path from, the limit is {max}")]
    TooManyCandidates {
        /// Candidates given.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// The search took more signature checks than the limit.
    #[error("path search exceeds {max} signature checks")]
    TooMuchWork {
        /// The limit.
        max: usize,
    },
    /// A CA chain is empty.
    #[error("CA chain is empty")]
    EmptyChain,
    /// The next certificate of a CA chain is not the issuer of this one, by name or key identifier.
    #[error(
        "certificate {position} of the CA chain is not issued by the next: order the chain from issuing CA to root"
    )]
    ChainOrder {
        /// Place in the chain.
        position: usize,
    },
    /// The issuing CA's key is weak.
    #[error("key of the issuing CA: {0}")]
    WeakKey(KeyError),
}

/// Finds and checks a path from `leaf` through `intermediates` to a certificate of `anchors`, every certificate
/// valid at `at`, CA flags, path length, KU and EKU chaining for `usage`. Returns the path, leaf first, anchor last.
///
/// An anchor is trusted at the end of the path, wherever it stands in its own hierarchy: an intermediate may be one, and
/// so may the leaf, which then is the whole path when it has no other.
pub fn check_path<'a>(
    leaf: &'a Certificate,
    intermediates: &[&'a Certificate],
    anchors: &[&'a Certificate],
    usage: Usage,
    at: OffsetDateTime,
) -> Result<Vec<&'a Certificate>, PathError> {
    for candidates in [intermediates, anchors] {
        if candidates.len() > limits::PATH_CANDIDATES {
            return Err(PathError::TooManyCandidates {
                count: candidates.len(),
                max: limits::PATH_CANDIDATES,
            });
        }
    }
    check_leaf(leaf, usage, at)?;
    let mut search = Search {
        intermediates,
        anchors,
        usage,
        at,
        checks_left: limits::PATH_SIGNATURE_CHECKS,
        deepest: None,
    };
    let mut path = vec![leaf];
    if search.extend(&mut path)? {
        return Ok(path);
    }
    if anchors.contains(&leaf) {
        return Ok(vec![leaf]);
    }
    Err(search
        .deepest
        .map_or(PathError::NoIssuer { position: 0 }, |(_, error)| error))
}

/// Checks Fulcio's CA chain at start-up: issuing CA first, root last. Names, signatures, CA flags, path lengths, times, EKU
/// chaining; an issuing CA that is not the root itself must carry the EKU of `usage`; its key must be strong.
pub fn check_ca_chain(
    chain: &[Certificate],
    usage: Usage,
    at: OffsetDateTime,
) -> Result<(), PathError> {
    let (Some(first), Some(last)) = (chain.first(), chain.last()) else {
        return Err(PathError::EmptyChain);
    };
    if chain.len() > limits::PATH_CERTIFICATES {
        return Err(PathError::TooLong {
            max: limits::PATH_CERTIFICATES,
        });
    }
    first
        .public_key()
        .check_strength()
        .map_err(PathError::WeakKey)?;
    if chain.len() > 1 && !has_usage(first, usage, false) {
        return Err(PathError::ExtendedKeyUsage { position: 0, usage });
    }
    for (position, ca) in chain.iter().enumerate() {
        check_ca(ca, position, position, usage, at)?;
    }
    for (position, pair) in chain.windows(2).enumerate() {
        if !is_named_issuer(&pair[0], &pair[1]) {
            return Err(PathError::ChainOrder { position });
        }
        pair[0]
            .verify_signed_by(&pair[1])
            .map_err(|reason| PathError::Signature { position, reason })?;
    }
    if last.issuer_der() == last.subject_der() {
        // Its trust does not come from this signature, but a root that fails it is a damaged file.
        last.verify_signed_by(last)
            .map_err(|reason| PathError::Signature {
                position: chain.len() - 1,
                reason,
            })?;
    }
    Ok(())
}

/// A depth-first search, anchors before intermediates, with a bounded number of signature checks.
struct Search<'a, 'b> {
    intermediates: &'b [&'a Certificate],
    anchors: &'b [&'a Certificate],
    usage: Usage,
    at: OffsetDateTime,
    checks_left: usize,
    /// The failure that came farthest from the leaf: the one that helps.
    deepest: Option<(usize, PathError)>,
}

impl<'a> Search<'a, '_> {
    /// Extends the path by issuers until an anchor ends it. False when there is none; errors stop the whole search.
    fn extend(&mut self, path: &mut Vec<&'a Certificate>) -> Result<bool, PathError> {
        let Some(child) = path.last().copied() else {
            return Ok(false);
        };
        if path.len() == limits::PATH_CERTIFICATES {
            self.note(
                path.len(),
                PathError::TooLong {
                    max: limits::PATH_CERTIFICATES,
                },
            );
            return Ok(false);
        }
        for anchor in self.anchors {
            if is_named_issuer(child, anchor) && self.is_issuer(child, anchor, path.len())? {
                path.push(anchor);
                return Ok(true);
            }
        }
        for intermediate in self.intermediates {
            let fresh = !path.contains(intermediate);
            if fresh
                && is_named_issuer(child, intermediate)
                && self.is_issuer(child, intermediate, path.len())?
            {
                path.push(intermediate);
                if self.extend(path)? {
                    return Ok(true);
                }
                path.pop();
            }
        }
        self.note(
            path.len() - 1,
            PathError::NoIssuer {
                position: path.len() - 1,
            },
        );
        Ok(false)
    }

    /// Checks a candidate for `position` of the path, the signature on the child last since it costs most.
    fn is_issuer(
        &mut self,
        child: &Certificate,
        issuer: &Certificate,
        position: usize,
    ) -> Result<bool, PathError> {
        // The leaf at 0 is no CA, so position − 1 CAs stand below. RFC 5280 would not count self-issued ones; Go does.
        let checked = check_ca(issuer, position, position - 1, self.usage, self.at);
        if let Err(error) = checked {
            self.note(position, error);
            return Ok(false);
        }
        self.checks_left = match self.checks_left.checked_sub(1) {
            Some(left) => left,
            None => {
                return Err(PathError::TooMuchWork {
                    max: limits::PATH_SIGNATURE_CHECKS,
                });
            }
        };
        if let Err(reason) = child.verify_signed_by(issuer) {
            self.note(
                position,
                PathError::Signature {
                    position: position - 1,
                    reason,
                },
            );
            return Ok(false);
        }
        Ok(true)
    }

    fn note(&mut self, depth: usize, error: PathError) {
        if self
            .deepest
            .as_ref()
            .is_none_or(|(deepest, _)| depth > *deepest)
        {
            self.deepest = Some((depth, error));
        }
    }
}

/// Names equal by bytes, and key identifiers equal where both certificates have one.
fn is_named_issuer(child: &Certificate, issuer: &Certificate) -> bool {
    let keys_agree = match (
        child.authority_key_identifier(),
        issuer.subject_key_identifier(),
    ) {
        (Some(authority), Some(subject)) => authority == subject,
        _ => true,
    };
    child.issuer_der() == issuer.subject_der() && keys_agree
}

fn check_leaf(leaf: &Certificate, usage: Usage, at: OffsetDateTime) -> Result<(), PathError> {
    check_common(leaf, 0, at)?;
    if leaf.is_ca() {
        return Err(PathError::LeafIsCa);
    }
    let key_usage = leaf.known().key_usage;
    let may_sign = match usage {
        Usage::CodeSigning => key_usage.is_some_and(|ku| ku.digital_signature()),
        // RFC 3161 names digitalSignature and nonRepudiation for timestamping keys.
        Usage::TimeStamping => {
            key_usage.is_some_and(|ku| ku.digital_signature() || ku.non_repudiation())
        }
    };
    if !may_sign {
        return Err(PathError::KeyUsage {
            position: 0,
            want: "digitalSignature",
        });
    }
    if !has_usage(leaf, usage, false) {
        return Err(PathError::ExtendedKeyUsage { position: 0, usage });
    }
    if usage == Usage::TimeStamping && !is_exclusive(leaf) {
        return Err(PathError::TimeStampingNotExclusive);
    }
    Ok(())
}

/// RFC 3161 section 2.3: one purpose, and the extension critical.
fn is_exclusive(leaf: &Certificate) -> bool {
    let critical = leaf
        .find(oid::EXTENDED_KEY_USAGE)
        .is_some_and(|(critical, _)| critical);
    critical
        && leaf
            .known()
            .extended_key_usage
            .as_ref()
            .is_some_and(|usages| usages.0.len() == 1)
}

/// Checks a certificate that issued another. `below` is the number of CAs between it and the leaf.
fn check_ca(
    ca: &Certificate,
    position: usize,
    below: usize,
    usage: Usage,
    at: OffsetDateTime,
) -> Result<(), PathError> {
    check_common(ca, position, at)?;
    let Some(basic) = ca.known().basic.as_ref().filter(|basic| basic.ca) else {
        return Err(PathError::NotCa { position });
    };
    if let Some(limit) = basic
        .path_len_constraint
        .filter(|limit| below > usize::from(*limit))
    {
        return Err(PathError::PathLength {
            position,
            limit,
            below,
        });
    }
    if ca.known().key_usage.is_some_and(|ku| !ku.key_cert_sign()) {
        return Err(PathError::KeyUsage {
            position,
            want: "keyCertSign",
        });
    }
    // A CA without EKU may issue for any purpose, one with EKU only for those it names.
    if ca.known().extended_key_usage.is_some() && !has_usage(ca, usage, true) {
        return Err(PathError::ExtendedKeyUsage { position, usage });
    }
    Ok(())
}

fn has_usage(cert: &Certificate, usage: Usage, any_counts: bool) -> bool {
    let usages = cert.known().extended_key_usage.as_ref();
    usages.is_some_and(|list| {
        list.0
            .iter()
            .any(|id| *id == usage.oid() || (any_counts && *id == oid::ANY_EXTENDED_KEY_USAGE))
    })
}

fn check_common(cert: &Certificate, position: usize, at: OffsetDateTime) -> Result<(), PathError> {
    if at < cert.not_before() {
        return Err(PathError::NotYetValid {
            position,
            not_before: cert.not_before(),
            at,
        });
    }
    if at > cert.not_after() {
        return Err(PathError::Expired {
            position,
            not_after: cert.not_after(),
            at,
        });
    }
    // Critical or not: RFC 5280 section 4.2.1.10 wants it critical, ignoring it would widen trust.
    if cert.find(oid::NAME_CONSTRAINTS).is_some() {
        return Err(PathError::NameConstraints { position });
    }
    match cert.critical_extensions().find(|id| !is_known(id)) {
        Some(id) => Err(PathError::UnknownCriticalExtension {
            position,
            oid: id.to_string(),
        }),
        None => Ok(()),
    }
}

/// The extensions that this module or its callers act on. Certificate policies restrict nothing here, since no policy is
/// asked for and the extensions that would require one (policyConstraints, inhibitAnyPolicy) are refused when critical.
fn is_known(id: &ObjectIdentifier) -> bool {
    [
        oid::SUBJECT_KEY_IDENTIFIER,
        oid::KEY_USAGE,
        oid::SUBJECT_ALT_NAME,
        oid::BASIC_CONSTRAINTS,
        oid::CERTIFICATE_POLICIES,
        oid::AUTHORITY_KEY_IDENTIFIER,
        oid::EXTENDED_KEY_USAGE,
    ]
    .contains(id)
}
