//! What a key is for, and which kind of key it is.

use std::fmt;

/// What a key may be used for; also its file name, `<purpose>.pem`, in the key folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// The root of the code-signing chain.
    RootCa,
    /// The CA that signs ten-minute certificates.
    IssuingCa,
    /// SCTs and tree heads of the certificate-transparency log.
    CtLog,
    /// SETs and checkpoints of the Rekor v1 log.
    RekorV1,
    /// Checkpoints of the Rekor v2 log.
    RekorV2,
    /// The root of the timestamping chain.
    TsaRoot,
    /// The CA between the timestamping root and its leaf.
    TsaIntermediate,
    /// Timestamp tokens.
    Tsa,
    /// Identity tokens of the development issuer.
    DevIssuer,
    /// Cosignatures of a witness on other logs' checkpoints.
    Witness,
    /// Roots of the TUF repository: which keys may sign it. May be away from the instance.
    TufRoot,
    /// What the TUF repository holds.
    TufTargets,
    /// Snapshot and timestamp of the TUF repository, signed on a timer.
    TufOnline,
    /// Verification summaries: what a verifier says about an artifact that it verified.
    Verifier,
}

impl Purpose {
    /// Every purpose, in the order of the chains they belong to.
    pub const ALL: [Self; 14] = [
        Self::RootCa,
        Self::IssuingCa,
        Self::CtLog,
        Self::RekorV1,
        Self::RekorV2,
        Self::TsaRoot,
        Self::TsaIntermediate,
        Self::Tsa,
        Self::DevIssuer,
        Self::Witness,
        Self::TufRoot,
        Self::TufTargets,
        Self::TufOnline,
        Self::Verifier,
    ];

    /// The name in files, logs and errors: lower case with hyphens.
    pub fn name(self) -> &'static str {
        match self {
            Self::RootCa => "root-ca",
            Self::IssuingCa => "issuing-ca",
            Self::CtLog => "ct-log",
            Self::RekorV1 => "rekor-v1",
            Self::RekorV2 => "rekor-v2",
            Self::TsaRoot => "tsa-root",
            Self::TsaIntermediate => "tsa-intermediate",
            Self::Tsa => "tsa",
            Self::DevIssuer => "dev-issuer",
            Self::Witness => "witness",
            Self::TufRoot => "tuf-root",
            Self::TufTargets => "tuf-targets",
            Self::TufOnline => "tuf-online",
            Self::Verifier => "verifier",
        }
    }

    /// Whether a key of this purpose may sign certificates through [`crate::authority`].
    pub fn signs_certificates(self) -> bool {
        matches!(
            self,
            Self::RootCa | Self::IssuingCa | Self::TsaRoot | Self::TsaIntermediate
        )
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which key to generate.
///
/// Clients narrow the choice (spec/clients.md 0.7, spec/fulcio.md 4.2): Rekor v1 and CT log P-256,
/// Rekor v2 Ed25519 or P-256, CAs and the timestamp authority P-256 or P-384, witnesses Ed25519, verifiers P-256 (what
/// `cosign verify-blob-attestation --key` takes everywhere).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    EcdsaP256,
    /// ECDSA on P-384 with SHA-384.
    EcdsaP384,
    /// Ed25519, not prehashed.
    Ed25519,
    /// RSA with 2048 bits, PKCS#1 v1.5 with SHA-256.
    Rsa2048,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_fit_a_file_name() {
        let mut names: Vec<_> = Purpose::ALL.iter().map(|p| p.name()).collect();
        assert!(names.iter().all(|n| {
            n.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        }));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Purpose::ALL.len());
    }
}
