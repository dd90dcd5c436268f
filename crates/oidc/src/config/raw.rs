//! The configuration as written. Unknown keys are ignored, as Fulcio does (the public file has a
//! top-level `define:` list of anchors).

use crate::error::ConfigError;
use crate::limits::CONFIG_BYTES;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawConfig {
    #[serde(
        rename = "oidc-issuers",
        alias = "OIDCIssuers",
        deserialize_with = "or_empty"
    )]
    pub(super) issuers: BTreeMap<String, RawIssuer>,
    #[serde(
        rename = "meta-issuers",
        alias = "MetaIssuers",
        deserialize_with = "or_empty"
    )]
    pub(super) meta_issuers: BTreeMap<String, RawIssuer>,
    #[serde(
        rename = "ci-issuer-metadata",
        alias = "CIIssuerMetadata",
        deserialize_with = "or_empty"
    )]
    pub(super) providers: BTreeMap<String, RawProvider>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawIssuer {
    #[serde(
        rename = "issuer-url",
        alias = "IssuerURL",
        deserialize_with = "or_empty"
    )]
    pub(super) url: String,
    #[serde(
        rename = "client-id",
        alias = "ClientID",
        deserialize_with = "or_empty"
    )]
    pub(super) client_id: String,
    #[serde(rename = "type", alias = "Type", deserialize_with = "or_empty")]
    pub(super) kind: String,
    #[serde(
        rename = "ci-provider",
        alias = "CIProvider",
        deserialize_with = "or_empty"
    )]
    pub(super) ci_provider: String,
    #[serde(
        rename = "issuer-claim",
        alias = "IssuerClaim",
        deserialize_with = "or_empty"
    )]
    pub(super) issuer_claim: String,
    #[serde(
        rename = "subject-domain",
        alias = "SubjectDomain",
        deserialize_with = "or_empty"
    )]
    pub(super) subject_domain: String,
    #[serde(
        rename = "spiffe-trust-domain",
        alias = "SPIFFETrustDomain",
        deserialize_with = "or_empty"
    )]
    pub(super) spiffe_trust_domain: String,
    #[serde(
        rename = "challenge-claim",
        alias = "ChallengeClaim",
        deserialize_with = "or_empty"
    )]
    pub(super) challenge_claim: String,
    #[serde(
        rename = "skip-email-verification",
        alias = "SkipEmailVerification",
        deserialize_with = "or_empty"
    )]
    pub(super) skip_email_verification: bool,
    #[serde(rename = "ca-cert", alias = "CACert", deserialize_with = "or_empty")]
    pub(super) ca_cert: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawProvider {
    #[serde(
        rename = "default-template-values",
        alias = "DefaultTemplateValues",
        deserialize_with = "or_empty"
    )]
    pub(super) defaults: BTreeMap<String, String>,
    #[serde(
        rename = "extension-templates",
        alias = "ExtensionTemplates",
        deserialize_with = "or_empty"
    )]
    pub(super) extensions: BTreeMap<String, String>,
    #[serde(
        rename = "subject-alternative-name-template",
        alias = "SubjectAlternativeNameTemplate",
        deserialize_with = "or_empty"
    )]
    pub(super) san: String,
}

/// Reads `key:` without a value as if the key were absent.
fn or_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads JSON when it is JSON, else YAML (in that order, as Fulcio does).
pub(super) fn parse(text: &str) -> Result<RawConfig, ConfigError> {
    if text.len() > CONFIG_BYTES {
        return Err(ConfigError::TooLong {
            have: text.len(),
            max: CONFIG_BYTES,
        });
    }
    if text.trim_start().starts_with('{') {
        match serde_json::from_str(text) {
            Ok(config) => return Ok(config),
            // A YAML flow mapping also starts with a brace; only then is the second try worth it.
            Err(e) if e.is_data() => return Err(ConfigError::Syntax(e.to_string())),
            Err(_) => {}
        }
    }
    serde_yaml_ng::from_str(text).map_err(|e| ConfigError::Syntax(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_may_be_a_mapping_key_and_define_is_ignored() {
        let text = "
define:
  - &github \"github-workflow\"
oidc-issuers:
  https://a.example:
    type: ci-provider
    ci-provider: *github
ci-issuer-metadata:
  *github:
    subject-alternative-name-template: \"{{ .x }}\"
";
        let config = parse(text).unwrap();
        assert_eq!(
            config.issuers["https://a.example"].ci_provider,
            "github-workflow"
        );
        assert_eq!(config.providers["github-workflow"].san, "{{ .x }}");
    }

    #[test]
    fn json_has_its_own_key_names() {
        let text = r#"{"OIDCIssuers":{"https://a.example":{"IssuerURL":"https://a.example","ClientID":"sigstore","Type":"email","SkipEmailVerification":true}}}"#;
        let config = parse(text).unwrap();
        assert!(config.issuers["https://a.example"].skip_email_verification);
    }

    #[test]
    fn empty_sections_are_absent_sections() {
        assert!(
            parse("oidc-issuers:\nmeta-issuers:\n")
                .unwrap()
                .issuers
                .is_empty()
        );
    }

    #[test]
    fn a_syntax_error_names_the_line() {
        let ConfigError::Syntax(text) = parse("oidc-issuers:\n  a: [").unwrap_err() else {
            panic!("syntax")
        };
        assert!(text.contains("line"), "{text}");
    }
}
