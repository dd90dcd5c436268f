//! Claims in, certificate contents out, for every issuer type.

use super::*;
use crate::claims::ClaimPath;
use crate::config::{Config, Transport};
use serde_json::{Value, json};

fn issuer(kind: Kind) -> Issuer {
    Issuer {
        url: "https://i.example".into(),
        client_id: "sigstore".into(),
        kind,
        challenge_claim: String::new(),
        ca_cert: None,
    }
}

fn claims(extra: Value) -> Claims {
    let mut claims = json!({"iss": "https://i.example", "sub": "subject"})
        .as_object()
        .cloned()
        .unwrap();
    claims.extend(extra.as_object().cloned().unwrap());
    claims
}

fn email_kind() -> Kind {
    Kind::Email {
        issuer_claim: None,
        skip_verification: false,
    }
}

fn principal(kind: Kind, extra: Value) -> Result<Principal, TokenError> {
    Principal::from_claims(&issuer(kind), &claims(extra))
}

fn san(kind: Kind, extra: Value) -> Result<San, TokenError> {
    Ok(principal(kind, extra)?.embed().unwrap().san)
}

#[test]
fn a_verified_email_is_the_name_and_the_first_proof() {
    let p = principal(
        email_kind(),
        json!({"email": "a@b.example", "email_verified": true}),
    )
    .unwrap();
    assert_eq!(p.proof_names, ["a@b.example", "subject"]);
    let identity = p.embed().unwrap();
    assert_eq!(identity.san, San::Email("a@b.example".into()));
    assert_eq!(identity.extensions.issuer, "https://i.example");
    assert_eq!(identity.extensions.subject, "subject");
}

#[test]
fn an_unverified_email_is_refused_unless_the_issuer_says_so() {
    for unverified in [
        json!({"email": "a@b.example"}),
        json!({"email": "a@b.example", "email_verified": false}),
    ] {
        assert!(
            matches!(principal(email_kind(), unverified.clone()), Err(TokenError::ClaimValue { claim, .. }) if claim == "email_verified")
        );
        let lax = Kind::Email {
            issuer_claim: None,
            skip_verification: true,
        };
        assert_eq!(
            principal(lax, unverified).unwrap().proof_names[0],
            "a@b.example"
        );
    }
    principal(
        email_kind(),
        json!({"email": "a@b.example", "email_verified": "true"}),
    )
    .unwrap();
}

#[test]
fn an_email_must_be_there_ascii_and_an_address() {
    let verified = |email: Value| {
        principal(
            email_kind(),
            json!({"email": email, "email_verified": true}),
        )
    };
    assert_eq!(
        verified(Value::Null).unwrap_err(),
        TokenError::ClaimMissing {
            claim: "email".into()
        }
    );
    assert!(matches!(
        verified(json!(7)),
        Err(TokenError::ClaimType { .. })
    ));
    assert!(matches!(
        verified(json!("müller@b.example")),
        Err(TokenError::ClaimValue { .. })
    ));
    assert!(matches!(
        verified(json!("not an address")),
        Err(TokenError::ClaimValue { .. })
    ));
}

#[test]
fn an_issuer_claim_replaces_the_issuer_extension() {
    let kind = Kind::Email {
        issuer_claim: ClaimPath::parse("$.federated_claims.connector_id"),
        skip_verification: false,
    };
    let with = json!({"email": "a@b.example", "email_verified": true, "federated_claims": {"connector_id": "https://github.com/login/oauth"}});
    let identity = principal(kind.clone(), with).unwrap().embed().unwrap();
    assert_eq!(identity.extensions.issuer, "https://github.com/login/oauth");
    let without = json!({"email": "a@b.example", "email_verified": true});
    assert_eq!(
        principal(kind, without).unwrap_err(),
        TokenError::ClaimMissing {
            claim: "$.federated_claims.connector_id".into()
        }
    );
}

#[test]
fn a_uri_subject_stays_on_its_domain() {
    let kind = || Kind::Uri {
        subject_domain: "https://example.com".into(),
    };
    assert_eq!(
        san(kind(), json!({"sub": "https://example.com/users/1"})),
        Ok(San::Uri("https://example.com/users/1".into()))
    );
    for bad in [
        "http://example.com/users/1",
        "https://sub.example.com/",
        "https://example.com:444/",
        "https://example.com@evil.example/",
        "https://u@example.com/",
        "a@example.com",
        "users/1",
        "https://example.com.evil.example/",
    ] {
        assert!(
            matches!(
                san(kind(), json!({"sub": bad})),
                Err(TokenError::ClaimValue { .. })
            ),
            "{bad}"
        );
    }
}

#[test]
fn a_username_gets_its_domain() {
    let kind = || Kind::Username {
        subject_domain: "example.com".into(),
    };
    assert_eq!(
        san(kind(), json!({"sub": "alice"})),
        Ok(San::OtherName("alice!example.com".into()))
    );
    assert!(san(kind(), json!({"sub": "alice!evil"})).is_err());
    assert!(san(kind(), json!({"sub": "alice@example.com"})).is_err());
    assert_eq!(
        san(kind(), json!({"sub": "ålice"})),
        Ok(San::OtherName("ålice!example.com".into()))
    );
}

#[test]
fn a_spiffe_id_has_exactly_the_trust_domain() {
    let kind = || Kind::Spiffe {
        trust_domain: "foo.example".into(),
    };
    assert_eq!(
        san(kind(), json!({"sub": "spiffe://foo.example/a"})),
        Ok(San::Uri("spiffe://foo.example/a".into()))
    );
    for bad in [
        "spiffe://bar.foo.example/a",
        "spiffe://foo.example2/a",
        "spiffe://foo.example//a",
        "https://foo.example/a",
    ] {
        assert!(san(kind(), json!({"sub": bad})).is_err(), "{bad}");
    }
}

#[test]
fn a_service_account_becomes_a_kubernetes_uri() {
    let good = json!({"kubernetes.io": {"namespace": "default", "serviceaccount": {"name": "builder", "uid": "1"}}});
    assert_eq!(
        san(Kind::Kubernetes, good),
        Ok(San::Uri(
            "https://kubernetes.io/namespaces/default/serviceaccounts/builder".into()
        ))
    );
    for bad in [
        json!({}),
        json!({"kubernetes.io": {"namespace": "", "serviceaccount": {"name": "b"}}}),
        json!({"kubernetes.io": {"namespace": "n"}}),
        json!({"kubernetes.io": {"namespace": "n/../x", "serviceaccount": {"name": "b"}}}),
        json!({"kubernetes.io": "text"}),
    ] {
        assert!(san(Kind::Kubernetes, bad).is_err());
    }
}

#[test]
fn chainguard_joins_issuer_and_subject() {
    let p = principal(Kind::Chainguard, json!({"sub": "a/b"})).unwrap();
    assert_eq!(p.proof_names, ["a/b"]);
    assert_eq!(
        p.embed().unwrap().san,
        San::Uri("https://i.example/a/b".into())
    );
    let p = principal(
        Kind::Chainguard,
        json!({"sub": "x", "email": "a@b.example", "email_verified": true}),
    )
    .unwrap();
    assert_eq!(p.proof_names, ["a@b.example", "x"]);
    assert!(
        principal(
            Kind::Chainguard,
            json!({"sub": "x", "email": "a@b.example"})
        )
        .is_err()
    );
    assert!(principal(Kind::Chainguard, json!({"sub": "../x"})).is_err());
}

#[test]
fn an_unverified_email_beside_another_type_is_no_proof_name() {
    let kind = || Kind::Uri {
        subject_domain: "https://example.com".into(),
    };
    let sub = "https://example.com/1";
    let p = principal(kind(), json!({"sub": sub, "email": "a@b.example"})).unwrap();
    assert_eq!(p.proof_names, [sub]);
    let p = principal(
        kind(),
        json!({"sub": sub, "email": "a@b.example", "email_verified": true}),
    )
    .unwrap();
    assert_eq!(p.proof_names, [sub, "a@b.example"]);
}

#[test]
fn an_empty_subject_is_refused() {
    assert_eq!(
        principal(email_kind(), json!({"sub": ""})).unwrap_err(),
        TokenError::ClaimMissing {
            claim: "sub".into()
        }
    );
}

fn github_claims() -> Value {
    json!({
        "sub": "repo:o/r:ref:refs/heads/main",
        "job_workflow_ref": "o/r/.github/workflows/ci.yml@refs/heads/main",
        "sha": "s1", "event_name": "push", "repository": "o/r", "workflow": "CI", "ref": "refs/heads/main",
        "job_workflow_sha": "s2", "runner_environment": "github-hosted", "repository_id": "11", "repository_owner": "o",
        "repository_owner_id": "22", "repository_visibility": "public",
        "workflow_ref": "o/r/.github/workflows/top.yml@refs/heads/main", "workflow_sha": "s3", "run_id": "33", "run_attempt": "1"
    })
}

fn check_github(e: &FulcioExtensions) {
    assert_eq!(e.github_workflow_trigger, "push");
    assert_eq!(e.github_workflow_sha, "s1");
    assert_eq!(e.github_workflow_name, "CI");
    assert_eq!(e.github_workflow_repository, "o/r");
    assert_eq!(e.github_workflow_ref, "refs/heads/main");
    assert_eq!(
        e.build_signer_uri,
        "https://github.com/o/r/.github/workflows/ci.yml@refs/heads/main"
    );
    assert_eq!(e.build_signer_digest, "s2");
    assert_eq!(e.runner_environment, "github-hosted");
    assert_eq!(e.source_repository_uri, "https://github.com/o/r");
    assert_eq!(e.source_repository_digest, "s1");
    assert_eq!(e.source_repository_ref, "refs/heads/main");
    assert_eq!(e.source_repository_identifier, "11");
    assert_eq!(e.source_repository_owner_uri, "https://github.com/o");
    assert_eq!(e.source_repository_owner_identifier, "22");
    assert_eq!(
        e.build_config_uri,
        "https://github.com/o/r/.github/workflows/top.yml@refs/heads/main"
    );
    assert_eq!(e.build_config_digest, "s3");
    assert_eq!(e.build_trigger, "push");
    assert_eq!(
        e.run_invocation_uri,
        "https://github.com/o/r/actions/runs/33/attempts/1"
    );
    assert_eq!(e.source_repository_visibility_at_signing, "public");
    assert_eq!(e.deployment_environment, "");
}

#[test]
fn the_deprecated_github_type_embeds_all_extensions() {
    let kind = || Kind::Ci {
        type_name: "github-workflow".into(),
        provider: crate::builtin::provider("github-workflow").unwrap(),
    };
    let p = principal(kind(), github_claims()).unwrap();
    assert_eq!(p.proof_names, ["repo:o/r:ref:refs/heads/main"]);
    let identity = p.embed().unwrap();
    assert_eq!(
        identity.san,
        San::Uri("https://github.com/o/r/.github/workflows/ci.yml@refs/heads/main".into())
    );
    check_github(&identity.extensions);
    for claim in ["job_workflow_ref", "run_attempt", "workflow_sha"] {
        let mut short = github_claims();
        short.as_object_mut().unwrap().remove(claim);
        assert_eq!(
            principal(kind(), short).unwrap_err(),
            TokenError::ClaimMissing {
                claim: claim.into()
            }
        );
    }
}

fn public(issuer: &str, extra: Value) -> Option<Result<Identity, EmbedError>> {
    let file = testkit::vectors("fulcio/config.yaml")?;
    let config = Config::load(
        &std::fs::read_to_string(file).unwrap(),
        Transport::default(),
    )
    .unwrap();
    let issuer = config.issuers.get(issuer).unwrap();
    Some(
        Principal::from_claims(issuer, &claims(extra))
            .unwrap()
            .embed(),
    )
}

#[test]
fn the_public_github_provider_agrees_with_the_built_in_one() {
    let Some(identity) = public(
        "https://token.actions.githubusercontent.com",
        github_claims(),
    ) else {
        return;
    };
    check_github(&identity.unwrap().extensions);
}

#[test]
fn the_public_gitlab_provider_makes_refs_from_ref_type() {
    let token = |ref_type: &str| {
        json!({"sub": "s", "ci_config_ref_uri": "gitlab.com/g/p//.gitlab-ci.yml@refs/heads/main", "ci_config_sha": "c", "runner_environment": "gitlab-hosted",
               "project_path": "g/p", "sha": "1", "ref_type": ref_type, "ref": "main", "project_id": "5", "namespace_path": "g", "namespace_id": "6",
               "pipeline_source": "push", "job_id": 77, "project_visibility": "public"})
    };
    let Some(identity) = public("https://gitlab.com", token("branch")) else {
        return;
    };
    let identity = identity.unwrap();
    assert_eq!(
        identity.san,
        San::Uri("https://gitlab.com/g/p//.gitlab-ci.yml@refs/heads/main".into())
    );
    assert_eq!(identity.extensions.source_repository_ref, "refs/heads/main");
    assert_eq!(
        identity.extensions.run_invocation_uri,
        "https://gitlab.com/g/p/-/jobs/77"
    );
    let identity = public("https://gitlab.com", token("tag")).unwrap().unwrap();
    assert_eq!(identity.extensions.source_repository_ref, "refs/tags/main");
}

#[test]
fn the_public_circleci_quirks_are_kept() {
    let token = json!({"sub": "s", "oidc.circleci.com/project-id": "p", "oidc.circleci.com/pipeline-definition-id": "d", "oidc.circleci.com/ssh-rerun": false,
                       "oidc.circleci.com/workflow-id": "w", "oidc.circleci.com/job-id": "j", "oidc.circleci.com/pipeline-id": "pi"});
    let Some(identity) = public("https://oidc.circleci.com", token) else {
        return;
    };
    let e = identity.unwrap();
    assert_eq!(
        e.san,
        San::Uri("https://circleci.com/api/v2/projects/p/pipeline-definitions/d".into())
    );
    assert_eq!(e.extensions.runner_environment, "\"\"");
    assert_eq!(
        e.extensions.run_invocation_uri,
        "https://app.circleci.com//workflow/w/job/j"
    );
    // `index` of an absent claim is empty, and an empty extension is left out.
    assert_eq!(e.extensions.source_repository_ref, "");
}

#[test]
fn a_claim_that_a_template_needs_is_named_in_the_error() {
    let mut token = github_claims();
    token.as_object_mut().unwrap().remove("workflow_sha");
    let Some(result) = public("https://token.actions.githubusercontent.com", token) else {
        return;
    };
    let text = result.unwrap_err().to_string();
    assert!(
        text.contains("value <workflow_sha> not present in either claims or defaults"),
        "{text}"
    );
    let mut token = github_claims();
    token.as_object_mut().unwrap().remove("run_id");
    let text = public("https://token.actions.githubusercontent.com", token)
        .unwrap()
        .unwrap_err()
        .to_string();
    assert!(text.contains("run_id"), "{text}");
}

#[test]
fn a_name_that_is_no_url_or_too_long_is_refused() {
    let kind = || Kind::Ci {
        type_name: "buildkite-job".into(),
        provider: crate::builtin::provider("buildkite-job").unwrap(),
    };
    let embed = |org: String| {
        principal(
            kind(),
            json!({"organization_slug": org, "pipeline_slug": "p"}),
        )
        .unwrap()
        .embed()
    };
    assert!(matches!(
        embed("%zz".into()),
        Err(EmbedError::NameUrl { .. })
    ));
    assert!(matches!(
        embed("x".repeat(5000)),
        Err(EmbedError::NameTooLong { .. })
    ));
    assert_eq!(
        embed("ö".into()).unwrap().san,
        San::Uri("https://buildkite.com/%C3%B6/p".into())
    );
}
