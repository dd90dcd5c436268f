//! Configurations that load, and every problem that keeps one from loading.

use super::check::kebab_case;
use super::*;
use crate::error::{ConfigError, Problem};

fn load(text: &str) -> Result<Config, ConfigError> {
    Config::load(text, Transport::default())
}

fn problems(text: &str) -> Vec<Problem> {
    match load(text) {
        Err(ConfigError::Problems(problems)) => problems,
        other => panic!("{other:?}"),
    }
}

fn issuer(url: &str, lines: &str) -> String {
    format!("oidc-issuers:\n  {url}:\n    issuer-url: {url}\n    client-id: sigstore\n{lines}")
}

#[test]
fn the_public_configuration_loads_unchanged() {
    let Some(file) = testkit::vectors("fulcio/config.yaml") else {
        return;
    };
    let config = load(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(config.issuers.len(), 22);
    assert_eq!(config.wildcards.len(), 9);
    let github = &config.issuers["https://token.actions.githubusercontent.com"];
    let Kind::Ci { provider, .. } = &github.kind else {
        panic!("{github:?}")
    };
    assert_eq!(provider.extensions.len(), 20);
    assert_eq!(provider.defaults["url"], "https://github.com");
}

#[test]
fn all_problems_come_together_with_key_and_cure() {
    let text = "
oidc-issuers:
  https://a.example:
    issuer-url: https://a.example/
    type: uri
    subject-domain: https://b.example
    issuer-claim: $.x
  http://plain.example:
    client-id: sigstore
    type: email
  https://ci.example:
    client-id: sigstore
    type: ci-provider
    ci-provider: nowhere
  https://t.example:
    client-id: sigstore
    type: jenkins
meta-issuers:
  https://*.example:
    client-id: sigstore
    type: username
    subject-domain: foo.example
ci-issuer-metadata:
  broken:
    subject-alternative-name-template: '{{ range .x }}'
";
    let problems = problems(text);
    let keys: Vec<&str> = problems.iter().map(|p| p.key.as_str()).collect();
    for key in [
        "ci-issuer-metadata.\"broken\".subject-alternative-name-template",
        "oidc-issuers.\"https://a.example\".issuer-url",
        "oidc-issuers.\"https://a.example\".client-id",
        "oidc-issuers.\"https://a.example\".issuer-claim",
        "oidc-issuers.\"https://a.example\".subject-domain",
        "oidc-issuers.\"http://plain.example\"",
        "oidc-issuers.\"https://ci.example\".ci-provider",
        "oidc-issuers.\"https://t.example\".type",
        "meta-issuers.\"https://*.example\".subject-domain",
    ] {
        assert!(keys.contains(&key), "{key} not in {keys:#?}");
    }
    assert_eq!(problems.len(), 9, "{problems:#?}");
}

#[test]
fn an_unknown_type_has_fulcios_words() {
    let problems = problems(&issuer("https://a.example", "    type: nope\n"));
    assert!(
        problems[0]
            .what
            .starts_with("issuer missing challenge claim")
    );
    assert!(problems[0].cure.contains("ci-provider"));
}

#[test]
fn subject_domains_share_host_or_last_two_labels() {
    for good in [
        "https://accounts.example.com",
        "https://example.com",
        "https://x.y.example.com",
    ] {
        load(&issuer(
            "https://accounts.example.com",
            &format!("    type: uri\n    subject-domain: {good}\n"),
        ))
        .unwrap();
    }
    for bad in [
        "http://example.com",
        "https://example.org",
        "example.com",
        "https://com",
    ] {
        let text = issuer(
            "https://accounts.example.com",
            &format!("    type: uri\n    subject-domain: {bad}\n"),
        );
        assert_eq!(problems(&text).len(), 1, "{bad}");
    }
    load(&issuer(
        "https://accounts.example.com",
        "    type: username\n    subject-domain: example.com\n",
    ))
    .unwrap();
    problems(&issuer(
        "https://accounts.example.com",
        "    type: username\n    subject-domain: https://example.com\n",
    ));
    // Equal single labels are equal hosts.
    load(&issuer(
        "http://localhost:80",
        "    type: uri\n    subject-domain: http://localhost\n",
    ))
    .unwrap();
}

#[test]
fn plain_http_is_for_loopback_or_by_permission() {
    let text = issuer("http://dex.internal:5556", "    type: email\n");
    assert_eq!(problems(&text).len(), 1);
    Config::load(&text, Transport { allow_http: true }).unwrap();
    load(&issuer("http://127.0.0.1:5556/oidc", "    type: email\n")).unwrap();
    load(&issuer("http://[::1]:5556/oidc", "    type: email\n")).unwrap();
    problems(&issuer(
        "http://127.0.0.1.evil.example",
        "    type: email\n",
    ));
    problems(&issuer(
        "http://127.0.0.1@evil.example",
        "    type: email\n",
    ));
}

#[test]
fn spiffe_needs_a_trust_domain_and_no_wildcard() {
    load(&issuer(
        "https://s.example",
        "    type: spiffe\n    spiffe-trust-domain: foo.example\n",
    ))
    .unwrap();
    problems(&issuer(
        "https://s.example",
        "    type: spiffe\n    spiffe-trust-domain: Foo/x\n",
    ));
    problems(
        "meta-issuers:\n  https://s.example/*:\n    client-id: x\n    type: spiffe\n    spiffe-trust-domain: foo.example\n",
    );
}

#[test]
fn a_bad_certificate_is_found_at_start() {
    let found = problems(&issuer(
        "https://a.example",
        "    type: email\n    ca-cert: nonsense\n",
    ));
    assert!(found[0].key.ends_with("ca-cert"));
}

#[test]
fn json_names_of_extensions_become_kebab_case() {
    for (json, kebab) in [
        ("BuildSignerURI", "build-signer-uri"),
        ("GithubWorkflowSHA", "github-workflow-sha"),
        (
            "SourceRepositoryOwnerIdentifier",
            "source-repository-owner-identifier",
        ),
        ("RunInvocationURI", "run-invocation-uri"),
        ("build-trigger", "build-trigger"),
    ] {
        assert_eq!(kebab_case(json), kebab);
    }
}
