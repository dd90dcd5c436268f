//! What the caller demands: who signed, and how many independent witnesses there must be.

use crate::failure::Failure;
use crate::pattern::Pattern;
use pki::extensions::FulcioExtensions;

/// How a name is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// Equal, byte for byte.
    Exact(String),
    /// A glob that the *whole* value must match: `*` stands for any run of characters without `/` and `@`, `**` for
    /// any run at all; everything else for itself.
    ///
    /// One `*` can so never reach past the path segment, the ref or the mail domain that was written out.
    Glob(String),
    /// A regular expression (`regex` crate syntax) that the *whole* value must match.
    ///
    /// Differs from cosign and sigstore-go, which search anywhere in the value: there `example.com` accepts
    /// `example.com.evil.test`. Write `.*` where a part is free.
    Regexp(String),
}

impl std::fmt::Display for Match {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Match::Exact(text) => write!(f, "`{text}`"),
            Match::Glob(glob) => write!(f, "glob `{glob}`"),
            Match::Regexp(pattern) => write!(f, "/{pattern}/"),
        }
    }
}

/// Who must have signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signer {
    /// The holder of a certificate with this name, vouched for by this OIDC issuer. Both are demanded.
    Identity {
        /// Compared with the certificate's one subject alternative name.
        identity: Match,
        /// Compared with the OIDC issuer extension (1.3.6.1.4.1.57264.1.8, else .1.1).
        issuer: Match,
    },
    /// The holder of a certificate that fits at least one of these rules.
    AnyIdentity(Vec<IdentityRule>),
    /// The holder of a managed key: PEM `PUBLIC KEY`. Bundles with a certificate are then refused.
    Key(String),
}

/// One identity that may sign: name, OIDC issuer and certificate fields, all of which must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityRule {
    pub(crate) identity: Pattern,
    pub(crate) issuer: Pattern,
    pub(crate) certificate: Vec<(&'static str, Pattern)>,
}

impl IdentityRule {
    /// Compiles the patterns, once for many bundles. `certificate` lists fields by their name in
    /// [`FulcioExtensions::names`].
    ///
    /// Fails with [`Failure::Pattern`] or [`Failure::UnknownField`].
    pub fn new(
        identity: Match,
        issuer: Match,
        certificate: impl IntoIterator<Item = (String, Match)>,
    ) -> Result<Self, Failure> {
        let certificate: Vec<(String, Pattern)> = certificate
            .into_iter()
            .map(|(name, want)| Ok((name, Pattern::new(want)?)))
            .collect::<Result<_, Failure>>()?;
        Self::compiled(Pattern::new(identity)?, Pattern::new(issuer)?, certificate)
    }

    /// Like [`IdentityRule::new`], of what is compiled already. Fails with [`Failure::UnknownField`].
    pub fn compiled(
        identity: Pattern,
        issuer: Pattern,
        certificate: impl IntoIterator<Item = (String, Pattern)>,
    ) -> Result<Self, Failure> {
        let certificate = certificate
            .into_iter()
            .map(|(name, want)| Ok((field_named(&name)?, want)))
            .collect::<Result<_, Failure>>()?;
        Ok(Self {
            identity,
            issuer,
            certificate,
        })
    }

    /// The name that is asked for.
    pub fn identity(&self) -> &Match {
        self.identity.wanted()
    }

    /// The OIDC issuer that is asked for.
    pub fn issuer(&self) -> &Match {
        self.issuer.wanted()
    }
}

fn field_named(name: &str) -> Result<&'static str, Failure> {
    FulcioExtensions::names()
        .find(|known| *known == name)
        .ok_or_else(|| Failure::UnknownField {
            name: crate::report::quoted(name),
        })
}

/// What a bundle must show to be verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Who must have signed.
    pub signer: Signer,
    /// Distinct transparency logs (operators, where the trusted root names them) that must hold the entry.
    pub tlog_threshold: usize,
    /// Distinct certificate-transparency logs whose SCT the certificate must carry.
    pub sct_threshold: usize,
    /// Distinct sources of trusted time: timestamp authorities and logs with a signed integrated time.
    ///
    /// A certificate needs at least one even when this is 0.
    pub timestamp_threshold: usize,
    /// Witnesses whose cosignatures each entry's checkpoint must carry (C2SP tlog-policy); `None` asks for none.
    ///
    /// When it lists logs, the checkpoint must be of one of them too. An entry without a checkpoint is refused.
    pub witnesses: Option<note::policy::Policy>,
}

impl Policy {
    /// Demands one log, one SCT and one trusted time: the defaults of cosign and of Sigstore's client specification.
    pub fn new(signer: Signer) -> Self {
        Self {
            signer,
            tlog_threshold: 1,
            sct_threshold: 1,
            timestamp_threshold: 1,
            witnesses: None,
        }
    }

    /// Whether the policy names a certificate's identity, not a key.
    pub(crate) fn wants_certificate(&self) -> bool {
        !matches!(self.signer, Signer::Key(_))
    }
}
