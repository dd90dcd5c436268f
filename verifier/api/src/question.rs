//! A question that can be answered: parsed, with its roots at hand.

use crate::cache::{Key, KeyBuilder};
use crate::canonical::{canonical, demand_value};
use crate::error::{ApiError, quoted};
use crate::policies::{Named, Policies};
use crate::subject::Subject;
use crate::wire::{IdentityDemand, UsedRoot, VerifyRequest};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::sync::Arc;
use trust::{DEFAULT, Root, Roots};
use verifier::{IdentityRule, Match, Pattern, Policy, Signer};

/// What a caller demands.
pub(crate) struct Demand {
    pub(crate) asked: Asked,
    /// Everything of it that a verdict depends on, roots apart; also what a summary calls the policy.
    pub(crate) canonical: Vec<u8>,
    pub(crate) roots: Vec<NamedRoot>,
}

/// What must hold.
pub(crate) enum Asked {
    /// One signer, with the engine's default thresholds.
    Signer(Policy),
    /// A policy document.
    Policy(Arc<Named>),
}

/// A trusted root as it was when the question came.
pub(crate) struct NamedRoot {
    pub(crate) name: String,
    pub(crate) root: Arc<Root>,
}

/// One question about one bundle.
pub(crate) struct Question {
    /// The bundle's JSON, not parsed yet: a kept answer needs no parsing.
    pub(crate) bundle: Vec<u8>,
    pub(crate) subject: Subject,
    pub(crate) demand: Demand,
}

/// How the answer should look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) vsa: bool,
    pub(crate) resource_uri: Option<String>,
}

/// Reads JSON; an error names the field.
pub(crate) fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, ApiError> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let value: T = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        // `?` is a place that the reader cannot name.
        let path = error.path().to_string();
        let path = match path.trim_end_matches('?').trim_end_matches('.') {
            "" => "body".to_owned(),
            path => quoted(path),
        };
        malformed(path, &error.into_inner())
    })?;
    reader.end().map_err(|error| malformed("body", &error))?;
    Ok(value)
}

fn malformed(field: impl Into<String>, error: &serde_json::Error) -> ApiError {
    let cure = "see the schema at /api/v1/openapi.json";
    ApiError::unreadable(field, quoted(&error.to_string()), cure)
}

impl VerifyRequest {
    /// The demand, for a request and for an upload alike.
    pub(crate) fn demand(&self, roots: &Roots, policies: &Policies) -> Result<Demand, ApiError> {
        demand(
            &DemandParts {
                identity: self.identity.as_ref(),
                key: self.key.as_deref(),
                policy: self.policy.as_deref(),
                policy_document: self.policy_document.as_deref(),
                trusted_root: self.trusted_root.as_deref(),
            },
            roots,
            policies,
        )
    }

    pub(crate) fn wish(&self) -> Result<Wish, ApiError> {
        let too_long = |uri: &String| uri.len() > crate::limits::RESOURCE_URI_BYTES;
        if self.resource_uri.as_ref().is_some_and(too_long) {
            let limit = crate::limits::RESOURCE_URI_BYTES;
            return Err(ApiError::too_large("resourceUri", limit));
        }
        Ok(Wish {
            vsa: self.vsa,
            resource_uri: self.resource_uri.clone(),
        })
    }

    /// The bundle of the request; `None` when it has none.
    pub(crate) fn take_bundle(&mut self) -> Option<Vec<u8>> {
        let raw = self.bundle.take()?;
        Some(Box::<str>::from(raw).into_string().into_bytes())
    }

    /// The whole question, when nothing comes as a part of its own.
    pub(crate) fn question(
        mut self,
        roots: &Roots,
        policies: &Policies,
    ) -> Result<(Question, Wish), ApiError> {
        let demand = self.demand(roots, policies)?;
        let wish = self.wish()?;
        let bundle = self.take_bundle().ok_or_else(missing_bundle)?;
        let artifact = self.artifact.take().ok_or_else(|| {
            ApiError::unreadable(
                "artifact",
                "it is missing",
                "give {\"digest\": \"sha256:…\"} or {\"base64\": \"…\"}, or upload it as multipart/form-data",
            )
        })?;
        let question = Question {
            bundle,
            subject: Subject::read(artifact)?,
            demand,
        };
        Ok((question, wish))
    }
}

pub(crate) fn missing_bundle() -> ApiError {
    ApiError::unreadable("bundle", "it is missing", "give the bundle's JSON object")
}

/// The members of a request that say what is demanded.
pub(crate) struct DemandParts<'a> {
    pub(crate) identity: Option<&'a IdentityDemand>,
    pub(crate) key: Option<&'a str>,
    pub(crate) policy: Option<&'a str>,
    pub(crate) policy_document: Option<&'a RawValue>,
    pub(crate) trusted_root: Option<&'a str>,
}

/// Reads a demand.
pub(crate) fn demand(
    parts: &DemandParts<'_>,
    roots: &Roots,
    policies: &Policies,
) -> Result<Demand, ApiError> {
    let by_signer = |signer: Signer, demand: serde_json::Value| {
        Ok(Demand {
            asked: Asked::Signer(Policy::new(signer)),
            canonical: canonical(demand, None),
            roots: vec![named_root("trustedRoot", parts.trusted_root, roots)?],
        })
    };
    let by_policy = |named: Arc<Named>| {
        Ok(Demand {
            canonical: named.canonical.clone(),
            roots: policy_roots(&named, parts.trusted_root, roots)?,
            asked: Asked::Policy(named),
        })
    };
    match (
        parts.identity,
        parts.key,
        parts.policy,
        parts.policy_document,
    ) {
        (Some(identity), None, None, None) => {
            by_signer(identity.signer()?, demand_value(Some(identity), None))
        }
        (None, Some(key), None, None) => {
            let signer = Signer::Key(checked_key(key)?);
            by_signer(signer, demand_value(None, Some(key)))
        }
        (None, None, Some(name), None) => by_policy(policies.named(name)?),
        (None, None, None, Some(document)) => by_policy(Arc::new(Named::inline(document)?)),
        _ => Err(ApiError::unreadable(
            "identity",
            "the request has none or several of identity, key, policy and policyDocument",
            "say who must have signed, in exactly one of them",
        )),
    }
}

/// The roots of a policy: its own, else the request's.
fn policy_roots(
    named: &Named,
    requested: Option<&str>,
    roots: &Roots,
) -> Result<Vec<NamedRoot>, ApiError> {
    let own = named.document.roots();
    if own.is_empty() {
        return Ok(vec![named_root("trustedRoot", requested, roots)?]);
    }
    if requested.is_some() {
        let message = "the policy names its own trusted roots";
        let cure = "leave trustedRoot out, or the roots of the policy";
        return Err(ApiError::unreadable("trustedRoot", message, cure));
    }
    // A name that this verifier does not have is the policy's business: it fails closed, and says so.
    let found = own.iter().filter_map(|name| {
        let root = roots.get(name)?;
        let name = name.clone();
        Some(NamedRoot { name, root })
    });
    Ok(found.collect())
}

/// A key that the engine could not read would be a failed step; it is the request that is wrong.
pub(crate) fn checked_key(pem: &str) -> Result<String, ApiError> {
    match pki::key::PublicKey::parse_pem(pem) {
        Ok(_) => Ok(pem.to_owned()),
        Err(error) => Err(ApiError::unreadable(
            "key",
            error.to_string(),
            "give a public key in PEM, -----BEGIN PUBLIC KEY-----",
        )),
    }
}

pub(crate) fn named_root(
    field: &str,
    name: Option<&str>,
    roots: &Roots,
) -> Result<NamedRoot, ApiError> {
    let name = name.unwrap_or(DEFAULT);
    let root = roots.get(name).ok_or_else(|| {
        let known: Vec<&str> = roots.names().collect();
        let message = format!("there is no trusted root {}", quoted(name));
        let cure = format!("name one of: {}", known.join(", "));
        ApiError::unreadable(field, message, cure)
    })?;
    Ok(NamedRoot {
        name: name.to_owned(),
        root,
    })
}

impl IdentityDemand {
    fn signer(&self) -> Result<Signer, ApiError> {
        let identity = one_pattern(
            "certificateIdentity",
            [
                (&self.certificate_identity, Match::Exact),
                (&self.certificate_identity_glob, Match::Glob),
                (&self.certificate_identity_regexp, Match::Regexp),
            ],
        )?;
        let issuer = one_pattern(
            "certificateOidcIssuer",
            [
                (&self.certificate_oidc_issuer, Match::Exact),
                (&None, Match::Glob),
                (&self.certificate_oidc_issuer_regexp, Match::Regexp),
            ],
        )?;
        let rule =
            IdentityRule::compiled(identity, issuer, []).map_err(|_| ApiError::internal())?;
        Ok(Signer::AnyIdentity(vec![rule]))
    }
}

/// Exact, glob or regular expression.
type Form = fn(String) -> Match;

/// The one pattern that was given, compiled: one that does not compile is a mistake in the question, not in the bundle.
fn one_pattern(field: &str, forms: [(&Option<String>, Form); 3]) -> Result<Pattern, ApiError> {
    let field_name = || format!("identity.{field}");
    let mut given = forms
        .into_iter()
        .filter_map(|(text, form)| text.clone().map(form));
    match (given.next(), given.next()) {
        (Some(wanted), None) => Pattern::new(wanted).map_err(|failure| {
            ApiError::unreadable(field_name(), failure.to_string(), failure.cure())
        }),
        _ => Err(ApiError::unreadable(
            field_name(),
            "it is missing, or given twice",
            format!("give {field} or {field}Regexp: a name without its issuer proves nothing"),
        )),
    }
}

impl Demand {
    pub(crate) fn used_roots(&self) -> Vec<UsedRoot> {
        let used = |named: &NamedRoot| UsedRoot {
            name: named.name.clone(),
            digest: format!("sha256:{}", hex::encode(named.root.digest())),
        };
        self.roots.iter().map(used).collect()
    }

    fn add_to(&self, key: KeyBuilder) -> KeyBuilder {
        let mut key = match &self.asked {
            Asked::Signer(_) => key.part("signer", &self.canonical),
            Asked::Policy(_) => key.part("policy", &self.canonical),
        };
        for named in &self.roots {
            key = key.part("root name", named.name.as_bytes());
            key = key.part("root", &named.root.digest());
        }
        key
    }
}

impl Question {
    /// Identifies the question among the kept answers.
    pub(crate) fn key(&self) -> Key {
        let key = self
            .demand
            .add_to(KeyBuilder::new())
            .part("bundle", &self.bundle);
        // Bytes and their digest are two questions: a pure Ed25519 signature has an answer to one of them only.
        let key = match &self.subject {
            Subject::Bytes { sha256, .. } => key.part("artifact", sha256),
            Subject::Digests {
                sha256,
                sha384,
                sha512,
            } => key
                .part("sha256", sha256)
                .part("sha384", sha384.as_ref().map_or(&[], |d| &d[..]))
                .part("sha512", sha512.as_ref().map_or(&[], |d| &d[..])),
        };
        key.finish()
    }
}
