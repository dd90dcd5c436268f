//! The issuing CA: its signer and its chain, which must belong together.

use crate::BuildError;
use crate::limits::CERTIFICATE_LIFETIME;
use pki::cert::Certificate;
use pki::path::{Usage, check_ca_chain};
use pki::profile::{assemble, ca_scheme};
use time::OffsetDateTime;

/// A signer with the chain that vouches for it. Precertificate and certificate of one issuance are
/// signed through one such value, so a rotation cannot come between them.
pub(crate) struct Authority {
    signer: keys::Signer,
    chain: Vec<Certificate>,
    not_after: OffsetDateTime,
}

/// Why the CA did not sign.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The chain ends before the certificate would.
    #[error(
        "the CA certificate expires at {not_after}, before a certificate issued now would; make the next one: sigstead rotate ca, or with --root when the root ends too"
    )]
    Expiring {
        /// The earliest end in the chain.
        not_after: OffsetDateTime,
    },
    /// The key failed.
    #[error("the CA key does not sign: {0}")]
    Sign(#[from] keys::KeyError),
    /// The certificate cannot be built.
    #[error("the certificate cannot be built: {0}")]
    Certificate(#[from] pki::cert::CertError),
    /// The operating system gave no randomness for the serial number.
    #[error("no randomness: {0}")]
    Randomness(String),
}

impl Authority {
    /// Checks the chain as Fulcio does at start (spec 4.2), and that the key is the chain's.
    pub(crate) fn new(
        signer: keys::Signer,
        chain: Vec<Certificate>,
        now: OffsetDateTime,
    ) -> Result<Self, BuildError> {
        let issuing = chain.first().ok_or(BuildError::NoChain)?;
        if signer.public_key().spki_der() != issuing.public_key().spki_der() {
            return Err(BuildError::KeyMismatch {
                key: short_hex(&signer.public_key().key_id()),
                certificate: short_hex(&issuing.public_key().key_id()),
            });
        }
        check_ca_chain(&chain, Usage::CodeSigning, now)?;
        let not_after = chain
            .iter()
            .map(Certificate::not_after)
            .min()
            .unwrap_or(now);
        Ok(Self {
            signer,
            chain,
            not_after,
        })
    }

    /// The issuing CA first, the root last.
    pub(crate) fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// The certificate of the issuing CA.
    pub(crate) fn issuing(&self) -> &Certificate {
        // `new` refused an empty chain.
        &self.chain[0]
    }

    /// Refuses when a certificate issued now would outlive the chain (spec 4.2: Fulcio does not check,
    /// and clients that validate the path at signing time then fail).
    pub(crate) fn check_lifetime(&self, now: OffsetDateTime) -> Result<(), AuthorityError> {
        if now + CERTIFICATE_LIFETIME > self.not_after {
            return Err(AuthorityError::Expiring {
                not_after: self.not_after,
            });
        }
        Ok(())
    }

    /// Signs TBS bytes.
    pub(crate) async fn sign(&self, tbs: &[u8]) -> Result<Certificate, AuthorityError> {
        let signature = self.signer.sign(tbs).await?;
        let der = assemble(tbs, ca_scheme(self.signer.public_key()), &signature)?;
        Ok(Certificate::parse_der(&der)?)
    }
}

fn short_hex(bytes: &[u8]) -> String {
    bytes.iter().take(8).map(|b| format!("{b:02x}")).collect()
}
