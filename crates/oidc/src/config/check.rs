//! Everything that can be known about a configuration before the first token.
//!
//! Beside Fulcio's own start-up checks (spec 3.2) these are the three that Fulcio leaves for the first
//! request: an unknown CI provider, a map key that differs from the issuer URL, and subject domains
//! of wildcard issuers.

use super::raw::{RawConfig, RawIssuer, RawProvider};
use super::{Config, Field, Issuer, Kind, Provider, Transport};
use crate::builtin;
use crate::claims::ClaimPath;
use crate::error::{ConfigError, Problem};
use crate::gourl::GoUrl;
use crate::pattern::Pattern;
use crate::spiffe;
use crate::template::Template;
use pki::extensions::FulcioExtensions;
use std::collections::BTreeMap;
use std::sync::Arc;

const TYPES: &str = "email, uri, username, spiffe, kubernetes, ci-provider, chainguard-identity, \
     github-workflow, gitlab-pipeline, buildkite-job, codefresh-workflow";

/// Parses every part of the raw configuration; all problems are collected.
pub(super) fn check(raw: &RawConfig, transport: Transport) -> Result<Config, ConfigError> {
    let mut problems = Vec::new();
    let mut providers = BTreeMap::new();
    for (name, provider) in &raw.providers {
        let key = format!("ci-issuer-metadata.{name:?}");
        providers.insert(
            name.clone(),
            check_provider(&key, name, provider, &mut problems).map(Arc::new),
        );
    }
    let mut config = Config {
        issuers: BTreeMap::new(),
        wildcards: Vec::new(),
    };
    for (url, issuer) in &raw.issuers {
        let mut place = Place {
            section: "oidc-issuers",
            url,
            providers: &providers,
            transport,
            problems: &mut problems,
        };
        if let Some(checked) = place.exact(issuer) {
            config.issuers.insert(url.clone(), Arc::new(checked));
        }
    }
    for (pattern, issuer) in &raw.meta_issuers {
        let mut place = Place {
            section: "meta-issuers",
            url: pattern,
            providers: &providers,
            transport,
            problems: &mut problems,
        };
        if let Some((pattern, checked)) = place.wildcard(issuer) {
            config.wildcards.push((pattern, Arc::new(checked)));
        }
    }
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(ConfigError::Problems(problems))
    }
}

fn check_provider(
    key: &str,
    name: &str,
    raw: &RawProvider,
    problems: &mut Vec<Problem>,
) -> Option<Provider> {
    let before = problems.len();
    let mut extensions = Vec::new();
    for (extension, source) in &raw.extensions {
        let key = format!("{key}.extension-templates.{extension}");
        let kebab = kebab_case(extension);
        // Issuer and subject always come from the token; empty templates mean "not embedded".
        if source.is_empty() || kebab == "issuer" || kebab == "subject" {
            continue;
        }
        if !FulcioExtensions::default().set(&kebab, "x".to_owned()) {
            // Fulcio ignores unknown keys; refusing would break files that it accepts.
            tracing::warn!(%key, "unknown extension name, ignored; nothing will be embedded for it");
            continue;
        }
        if let Some(field) = field(&key, source, problems) {
            extensions.push((kebab, field));
        }
    }
    let san_key = format!("{key}.subject-alternative-name-template");
    if raw.san.trim().is_empty() {
        problems.push(problem(
            &san_key,
            "it is empty",
            "write a template such as `{{ .url }}/{{ .job_workflow_ref }}`",
        ));
    }
    let san = field(&san_key, &raw.san, problems);
    if problems.len() > before {
        return None;
    }
    Some(Provider {
        name: name.to_owned(),
        required: Vec::new(),
        defaults: raw.defaults.clone(),
        extensions,
        san: san?,
    })
}

fn field(key: &str, source: &str, problems: &mut Vec<Problem>) -> Option<Field> {
    if !source.contains("{{") {
        return Some(Field::Key(source.to_owned()));
    }
    match Template::parse(source) {
        Ok(template) => Some(Field::Template(template)),
        Err(e) => {
            problems.push(problem(
                key,
                &format!("the template does not parse: {e}"),
                "mend the template",
            ));
            None
        }
    }
}

/// JSON files write `BuildSignerURI` where YAML files write `build-signer-uri`.
pub(crate) fn kebab_case(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::with_capacity(name.len() + 8);
    for (i, c) in chars.iter().enumerate() {
        let lower_before = i > 0 && chars[i - 1].is_ascii_lowercase();
        let ends_acronym = i > 0
            && chars[i - 1].is_ascii_uppercase()
            && chars.get(i + 1).is_some_and(char::is_ascii_lowercase);
        if c.is_ascii_uppercase() && (lower_before || ends_acronym) {
            out.push('-');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

fn problem(key: &str, what: &str, cure: &str) -> Problem {
    Problem {
        key: key.to_owned(),
        what: what.to_owned(),
        cure: cure.to_owned(),
    }
}

/// One issuer's place in the file.
struct Place<'a> {
    section: &'static str,
    url: &'a str,
    providers: &'a BTreeMap<String, Option<Arc<Provider>>>,
    transport: Transport,
    problems: &'a mut Vec<Problem>,
}

impl Place<'_> {
    fn report(&mut self, setting: &str, what: impl Into<String>, cure: impl Into<String>) {
        let key = match setting {
            "" => format!("{}.{:?}", self.section, self.url),
            setting => format!("{}.{:?}.{setting}", self.section, self.url),
        };
        self.problems.push(Problem {
            key,
            what: what.into(),
            cure: cure.into(),
        });
    }

    fn exact(&mut self, raw: &RawIssuer) -> Option<Issuer> {
        // Fulcio looks an issuer up by map key and verifies against issuer-url: both must be `iss`.
        if !raw.url.is_empty() && raw.url != self.url {
            self.report(
                "issuer-url",
                format!(
                    "it is {:?}, which differs from its map key, so no token can match both",
                    raw.url
                ),
                "make key and issuer-url the same text (trailing slash included)",
            );
        }
        self.url_scheme();
        self.issuer(raw, false)
    }

    fn wildcard(&mut self, raw: &RawIssuer) -> Option<(Pattern, Issuer)> {
        if !raw.url.is_empty() {
            tracing::warn!(
                pattern = self.url,
                "issuer-url of a wildcard issuer is ignored"
            );
        }
        self.url_scheme();
        let pattern = match Pattern::parse(self.url) {
            Ok(pattern) => Some(pattern),
            Err(e) => {
                self.report(
                    "",
                    e.to_string(),
                    "write a URL in which `*` stands for one part of a host label or path",
                );
                None
            }
        };
        let issuer = self.issuer(raw, true);
        Some((pattern?, issuer?))
    }

    fn url_scheme(&mut self) {
        let url = self.url;
        if url.starts_with("https://") {
            return;
        }
        let host = url.strip_prefix("http://").map(host_of);
        match host {
            Some(host) if self.transport.allow_http || is_loopback(host) => {}
            Some(_) => self.report(
                "",
                "plain http",
                "use https, or allow http issuers for a test set-up",
            ),
            None => self.report(
                "",
                "it is not an https URL",
                "write it as https://host/path, exactly as in `iss`",
            ),
        }
    }

    fn issuer(&mut self, raw: &RawIssuer, wildcard: bool) -> Option<Issuer> {
        if raw.client_id.is_empty() {
            self.report(
                "client-id",
                "it is missing, so every token would be refused",
                "write the audience, usually `sigstore`",
            );
        }
        if !raw.issuer_claim.is_empty() && raw.kind != "email" {
            self.report(
                "issuer-claim",
                "only issuers of type email may have one",
                "remove the line",
            );
        }
        let ca_cert = Some(raw.ca_cert.clone()).filter(|pem| !pem.trim().is_empty());
        if let Some(pem) = &ca_cert
            && !reqwest::Certificate::from_pem_bundle(pem.as_bytes())
                .is_ok_and(|certs| !certs.is_empty())
        {
            self.report(
                "ca-cert",
                "it is not a list of PEM certificates",
                "paste the CA's `-----BEGIN CERTIFICATE-----` block",
            );
        }
        let kind = self.kind(raw, wildcard)?;
        Some(Issuer {
            url: self.url.to_owned(),
            client_id: raw.client_id.clone(),
            kind,
            // A wildcard match drops the challenge claim; it is informational anyway.
            challenge_claim: raw.challenge_claim.clone(),
            ca_cert,
        })
    }

    fn kind(&mut self, raw: &RawIssuer, wildcard: bool) -> Option<Kind> {
        match raw.kind.as_str() {
            "email" => self.email(raw),
            "uri" => {
                self.uri_domain(&raw.subject_domain);
                Some(Kind::Uri {
                    subject_domain: raw.subject_domain.clone(),
                })
            }
            "username" => {
                self.username_domain(&raw.subject_domain);
                Some(Kind::Username {
                    subject_domain: raw.subject_domain.clone(),
                })
            }
            "spiffe" => {
                if wildcard {
                    self.report(
                        "type",
                        "a wildcard issuer cannot have type spiffe",
                        "list the issuers one by one",
                    );
                } else if !spiffe::is_trust_domain(&raw.spiffe_trust_domain) {
                    self.report(
                        "spiffe-trust-domain",
                        format!("{:?} is not a SPIFFE trust domain", raw.spiffe_trust_domain),
                        "write lower-case letters, digits, dots, dashes or underscores",
                    );
                }
                Some(Kind::Spiffe {
                    trust_domain: raw.spiffe_trust_domain.clone(),
                })
            }
            "kubernetes" => Some(Kind::Kubernetes),
            "chainguard-identity" => Some(Kind::Chainguard),
            "ci-provider" => self.ci_provider(raw),
            other => match builtin::provider(other) {
                Some(provider) => Some(Kind::Ci {
                    type_name: other.to_owned(),
                    provider,
                }),
                None => {
                    // Fulcio's text for this is "issuer missing challenge claim".
                    self.report(
                        "type",
                        format!("issuer missing challenge claim: type {other:?} is not known"),
                        format!("choose one of {TYPES}"),
                    );
                    None
                }
            },
        }
    }

    fn email(&mut self, raw: &RawIssuer) -> Option<Kind> {
        let issuer_claim = match raw.issuer_claim.as_str() {
            "" => None,
            text => match ClaimPath::parse(text) {
                Some(path) => Some(path),
                None => {
                    self.report(
                        "issuer-claim",
                        format!("{text:?} is not a path to one claim"),
                        "write it like `$.federated_claims.connector_id`",
                    );
                    return None;
                }
            },
        };
        Some(Kind::Email {
            issuer_claim,
            skip_verification: raw.skip_email_verification,
        })
    }

    fn ci_provider(&mut self, raw: &RawIssuer) -> Option<Kind> {
        match self.providers.get(&raw.ci_provider) {
            Some(Some(provider)) => Some(Kind::Ci {
                type_name: "ci-provider".to_owned(),
                provider: provider.clone(),
            }),
            // Its own problems are reported already.
            Some(None) => None,
            None => {
                let known: Vec<&str> = self.providers.keys().map(String::as_str).collect();
                let known = known.join(", ");
                self.report(
                    "ci-provider",
                    format!("{:?} is not in ci-issuer-metadata", raw.ci_provider),
                    format!("name one of its keys ({known}) or add it there"),
                );
                None
            }
        }
    }

    fn uri_domain(&mut self, domain: &str) {
        let Ok(parsed) = GoUrl::parse(domain) else {
            self.report(
                "subject-domain",
                format!("{domain:?} is not a URL"),
                "write scheme and host, e.g. https://example.com",
            );
            return;
        };
        if parsed.scheme.is_empty() || parsed.host.is_empty() {
            self.report(
                "subject-domain",
                format!("{domain:?} has no scheme or no host"),
                "write scheme and host, e.g. https://example.com",
            );
            return;
        }
        let issuer_scheme = self.url.split("://").next().unwrap_or_default();
        if parsed.scheme != issuer_scheme {
            let what = format!(
                "its scheme {} differs from the issuer's {issuer_scheme}",
                parsed.scheme
            );
            self.report("subject-domain", what, "use the issuer's scheme");
        }
        self.same_domain(parsed.hostname());
    }

    fn username_domain(&mut self, domain: &str) {
        let host = domain.split('/').next().unwrap_or_default();
        if domain.contains("://") || host.is_empty() || host != domain {
            self.report(
                "subject-domain",
                format!("{domain:?} must be a host name without scheme or path"),
                "write it like example.com",
            );
            return;
        }
        self.same_domain(domain.split(':').next().unwrap_or(domain));
    }

    /// Equal, or with the same last two labels (there is no public-suffix list in Fulcio either).
    fn same_domain(&mut self, domain: &str) {
        let issuer = host_of(
            self.url
                .split_once("://")
                .map_or(self.url, |(_, rest)| rest),
        )
        .to_owned();
        let own = last_two_labels(&issuer);
        if own.is_some_and(|labels| labels.contains('*')) {
            let what = format!(
                "the wildcard covers the domain of {issuer}, so no subject domain can be checked against it"
            );
            self.report(
                "subject-domain",
                what,
                "write the last two labels of the pattern's host without `*`",
            );
        } else if issuer != domain && (own.is_none() || own != last_two_labels(domain)) {
            let what = format!("host {domain} is not in the domain of the issuer's host {issuer}");
            self.report("subject-domain", what, "both need the same last two labels");
        }
    }
}

/// Host of what follows `://`: no user, port, brackets or path.
fn host_of(rest: &str) -> &str {
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

fn last_two_labels(host: &str) -> Option<&str> {
    let (rest, _) = host.rsplit_once('.')?;
    let start = rest.rfind('.').map_or(0, |i| i + 1);
    Some(&host[start..])
}

/// Whether a host name or address is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}
