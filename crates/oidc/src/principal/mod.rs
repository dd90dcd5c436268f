//! Who a token speaks for, and what that becomes in a certificate.
//!
//! Two steps, because Fulcio's API has two: [`Principal::from_claims`] fails while the token is
//! processed; [`Principal::embed`] fails after key and proof were checked.

mod ci;
mod email;
mod kubernetes;
mod names;

use crate::claims::{Claims, email_is_verified, text};
use crate::config::{Issuer, Kind, Provider};
use crate::error::{EmbedError, TokenError, shown};
use crate::limits::NAME_BYTES;
use crate::template::Values;
use pki::cert::San;
use pki::extensions::FulcioExtensions;
use std::sync::Arc;

/// Who a verified token speaks for.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The `iss` claim.
    pub issuer: String,
    /// The `sub` claim.
    pub subject: String,
    /// The texts whose signature proves possession of the key: first the one that Fulcio takes for
    /// this type, then the other of verified `email` and `sub`, because clients choose by token
    /// content (spec 2.1).
    pub proof_names: Vec<String>,
    /// What the certificate's issuer extensions say: `iss`, or the configured issuer claim.
    issuer_extension: String,
    name: Name,
}

/// What a certificate says about a principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The one subject alternative name.
    pub san: San,
    /// Fulcio's extensions.
    pub extensions: FulcioExtensions,
}

#[derive(Clone, Debug)]
enum Name {
    /// Known when the token was read.
    Plain(San),
    /// To be made by templates.
    Ci {
        provider: Arc<Provider>,
        values: Values,
    },
}

impl Principal {
    /// Reads a principal out of the claims of a verified token.
    pub fn from_claims(issuer: &Issuer, claims: &Claims) -> Result<Self, TokenError> {
        let iss = text(claims, "iss")?.to_owned();
        let subject = text(claims, "sub")?.to_owned();
        let mut issuer_extension = iss.clone();
        let name = match &issuer.kind {
            Kind::Email {
                issuer_claim,
                skip_verification,
            } => {
                if let Some(path) = issuer_claim {
                    issuer_extension = path.find(claims)?.to_owned();
                }
                Name::Plain(San::Email(
                    email::address(claims, *skip_verification)?.to_owned(),
                ))
            }
            Kind::Uri { subject_domain } => {
                Name::Plain(San::Uri(names::uri(&subject, subject_domain)?))
            }
            Kind::Username { subject_domain } => {
                Name::Plain(San::OtherName(names::username(&subject, subject_domain)?))
            }
            Kind::Spiffe { trust_domain } => {
                Name::Plain(San::Uri(names::spiffe(&subject, trust_domain)?))
            }
            Kind::Kubernetes => Name::Plain(San::Uri(kubernetes::uri(claims)?)),
            Kind::Chainguard => Name::Plain(San::Uri(names::chainguard(&iss, &subject, claims)?)),
            Kind::Ci { provider, .. } => {
                ci::check_required(provider, claims)?;
                Name::Ci {
                    provider: provider.clone(),
                    values: ci::values(provider, claims),
                }
            }
        };
        let proof_names = proof_names(&issuer.kind, &subject, claims);
        Ok(Self {
            issuer: iss,
            subject,
            proof_names,
            issuer_extension,
            name,
        })
    }

    /// Makes the name and the extensions of the certificate.
    pub fn embed(&self) -> Result<Identity, EmbedError> {
        let mut extensions = FulcioExtensions::default();
        let san = match &self.name {
            Name::Plain(san) => san.clone(),
            Name::Ci { provider, values } => {
                ci::extensions(provider, values, &mut extensions)?;
                San::Uri(ci::name(provider, values)?)
            }
        };
        check_name(&san)?;
        extensions.issuer = self.issuer_extension.clone();
        extensions.subject = self.subject.clone();
        Ok(Identity { san, extensions })
    }
}

/// `email` counts only when it is verified, or is the name of an issuer that skips the check.
fn proof_names(kind: &Kind, subject: &str, claims: &Claims) -> Vec<String> {
    let skipped = matches!(
        kind,
        Kind::Email {
            skip_verification: true,
            ..
        }
    );
    let email = claims
        .get("email")
        .and_then(|v| v.as_str())
        .filter(|email| !email.is_empty() && (skipped || email_is_verified(claims)));
    let email_first = matches!(kind, Kind::Email { .. } | Kind::Chainguard);
    let mut names: Vec<String> = Vec::with_capacity(2);
    let ordered = if email_first {
        [email, Some(subject)]
    } else {
        [Some(subject), email]
    };
    for name in ordered.into_iter().flatten() {
        if !names.iter().any(|n| n == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// IA5String holds ASCII only; UTF8String of an otherName holds anything.
fn check_name(san: &San) -> Result<(), EmbedError> {
    let value = san.value();
    if value.len() > NAME_BYTES {
        return Err(EmbedError::NameTooLong {
            have: value.len(),
            max: NAME_BYTES,
        });
    }
    if !matches!(san, San::OtherName(_)) && !value.is_ascii() {
        return Err(EmbedError::NameNotAscii {
            value: shown(value),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
