//! Fulcio's issuer configuration, YAML or JSON, unchanged.
//!
//! [`raw`] reads what is written; [`check`] finds everything that cannot work and gives a [`Config`],
//! whose parts are parsed once: templates, patterns, certificates, claim paths.

pub mod check;
mod raw;

use crate::claims::ClaimPath;
use crate::error::ConfigError;
use crate::pattern::Pattern;
use crate::template::Template;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How plain-http issuers are treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transport {
    /// Accept `http://` issuers on any host. On loopback hosts they are always accepted.
    pub allow_http: bool,
}

/// A checked issuer configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Issuers by exact `iss`.
    pub issuers: BTreeMap<String, Arc<Issuer>>,
    /// Issuers by wildcard, in the order of their patterns.
    pub wildcards: Vec<(Pattern, Arc<Issuer>)>,
}

/// What is known of one issuer, or of all issuers that match one wildcard.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// The URL or wildcard as configured.
    pub url: String,
    /// The audience that tokens must carry.
    pub client_id: String,
    /// How claims become a name.
    pub kind: Kind,
    /// Informational: the claim that clients sign, as configured.
    pub challenge_claim: String,
    /// Certificates (PEM) to trust for this issuer beside the system's.
    pub ca_cert: Option<String>,
}

/// How claims become a principal (spec section 3.4).
#[derive(Clone, Debug)]
pub enum Kind {
    /// `email`
    Email {
        /// Where the certificate's issuer is read from instead of `iss`.
        issuer_claim: Option<ClaimPath>,
        /// Accept addresses the provider did not verify.
        skip_verification: bool,
    },
    /// `uri`
    Uri {
        /// Scheme and host that subjects must have.
        subject_domain: String,
    },
    /// `username`
    Username {
        /// Host name that is put behind the user name.
        subject_domain: String,
    },
    /// `spiffe`
    Spiffe {
        /// The only trust domain that subjects may have.
        trust_domain: String,
    },
    /// `kubernetes`
    Kubernetes,
    /// `chainguard-identity`
    Chainguard,
    /// `ci-provider`, and the deprecated types that are built-in providers.
    Ci {
        /// The type as configured.
        type_name: String,
        /// The templates.
        provider: Arc<Provider>,
    },
}

impl Kind {
    /// The `type` as written in the configuration.
    pub fn name(&self) -> &str {
        match self {
            Self::Email { .. } => "email",
            Self::Uri { .. } => "uri",
            Self::Username { .. } => "username",
            Self::Spiffe { .. } => "spiffe",
            Self::Kubernetes => "kubernetes",
            Self::Chainguard => "chainguard-identity",
            Self::Ci { type_name, .. } => type_name,
        }
    }
}

/// Templates of one CI provider.
#[derive(Clone, Debug)]
pub struct Provider {
    /// The name in `ci-issuer-metadata`, or of the built-in.
    pub name: String,
    /// Claims without which a token is refused at once (built-ins only).
    pub required: Vec<String>,
    /// Values used where the token has no such claim.
    pub defaults: BTreeMap<String, String>,
    /// (extension name in kebab case, template)
    pub extensions: Vec<(String, Field)>,
    /// The subject alternative name.
    pub san: Field,
}

/// A template, or the plain name of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// No `{{` in it: the whole text is a key.
    Key(String),
    /// A Go template.
    Template(Template),
}

impl Config {
    /// Loads a configuration and checks it. All problems are reported together.
    pub fn load(text: &str, transport: Transport) -> Result<Self, ConfigError> {
        check::check(&raw::parse(text)?, transport)
    }
}

#[cfg(test)]
mod tests;
