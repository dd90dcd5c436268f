//! The deprecated CI types as built-in providers (spec 3.4 and 3.6).
//!
//! Each is what a `ci-provider` entry could say, with two differences kept from Fulcio: base URLs are
//! fixed instead of coming from a value that a claim could override, and the listed claims are
//! required as soon as the token is read.

use crate::config::{Field, Provider};
use crate::template::Template;
use std::sync::Arc;

struct Builtin {
    name: &'static str,
    required: &'static [&'static str],
    defaults: &'static [(&'static str, &'static str)],
    extensions: &'static [(&'static str, &'static str)],
    san: &'static str,
}

const GITHUB: Builtin = Builtin {
    name: "github-workflow",
    required: &[
        "job_workflow_ref",
        "sha",
        "event_name",
        "repository",
        "workflow",
        "ref",
        "job_workflow_sha",
        "runner_environment",
        "repository_id",
        "repository_owner",
        "repository_owner_id",
        "repository_visibility",
        "workflow_ref",
        "workflow_sha",
        "run_id",
        "run_attempt",
    ],
    defaults: &[("environment", "")],
    extensions: &[
        ("github-workflow-trigger", "event_name"),
        ("github-workflow-sha", "sha"),
        ("github-workflow-name", "workflow"),
        ("github-workflow-repository", "repository"),
        ("github-workflow-ref", "ref"),
        (
            "build-signer-uri",
            "https://github.com/{{ .job_workflow_ref }}",
        ),
        ("build-signer-digest", "job_workflow_sha"),
        ("runner-environment", "runner_environment"),
        (
            "source-repository-uri",
            "https://github.com/{{ .repository }}",
        ),
        ("source-repository-digest", "sha"),
        ("source-repository-ref", "ref"),
        ("source-repository-identifier", "repository_id"),
        (
            "source-repository-owner-uri",
            "https://github.com/{{ .repository_owner }}",
        ),
        ("source-repository-owner-identifier", "repository_owner_id"),
        ("build-config-uri", "https://github.com/{{ .workflow_ref }}"),
        ("build-config-digest", "workflow_sha"),
        ("build-trigger", "event_name"),
        (
            "run-invocation-uri",
            "https://github.com/{{ .repository }}/actions/runs/{{ .run_id }}/attempts/{{ .run_attempt }}",
        ),
        (
            "source-repository-visibility-at-signing",
            "repository_visibility",
        ),
        ("deployment-environment", "environment"),
    ],
    san: "https://github.com/{{ .job_workflow_ref }}",
};

const GITLAB: Builtin = Builtin {
    name: "gitlab-pipeline",
    required: &[
        "project_path",
        "pipeline_source",
        "pipeline_id",
        "ci_config_ref_uri",
        "job_id",
        "ref",
        "ref_type",
        "namespace_path",
        "namespace_id",
        "project_id",
        "sha",
        "runner_environment",
        "runner_id",
    ],
    defaults: &[
        ("ci_config_sha", ""),
        ("project_visibility", ""),
        ("environment", ""),
    ],
    extensions: &[
        ("build-signer-uri", "https://{{ .ci_config_ref_uri }}"),
        ("build-signer-digest", "ci_config_sha"),
        ("runner-environment", "runner_environment"),
        (
            "source-repository-uri",
            "https://gitlab.com/{{ .project_path }}",
        ),
        ("source-repository-digest", "sha"),
        (
            "source-repository-ref",
            "refs/{{ if eq .ref_type \"branch\" }}heads/{{ else }}tags/{{ end }}{{ .ref }}",
        ),
        ("source-repository-identifier", "project_id"),
        (
            "source-repository-owner-uri",
            "https://gitlab.com/{{ .namespace_path }}",
        ),
        ("source-repository-owner-identifier", "namespace_id"),
        ("build-config-uri", "https://{{ .ci_config_ref_uri }}"),
        ("build-config-digest", "ci_config_sha"),
        ("build-trigger", "pipeline_source"),
        (
            "run-invocation-uri",
            "https://gitlab.com/{{ .project_path }}/-/jobs/{{ .job_id }}",
        ),
        (
            "source-repository-visibility-at-signing",
            "project_visibility",
        ),
        ("deployment-environment", "environment"),
    ],
    san: "https://{{ .ci_config_ref_uri }}",
};

const BUILDKITE: Builtin = Builtin {
    name: "buildkite-job",
    required: &["organization_slug", "pipeline_slug"],
    defaults: &[],
    extensions: &[],
    san: "https://buildkite.com/{{ .organization_slug }}/{{ .pipeline_slug }}",
};

const CODEFRESH: Builtin = Builtin {
    name: "codefresh-workflow",
    required: &[
        "account_id",
        "account_name",
        "pipeline_id",
        "pipeline_name",
        "workflow_id",
    ],
    defaults: &[
        ("platform_url", "https://g.codefresh.io"),
        ("scm_repo_url", ""),
        ("scm_ref", ""),
        ("runner_environment", ""),
    ],
    extensions: &[
        (
            "build-signer-uri",
            "{{ .platform_url }}/build/{{ .workflow_id }}",
        ),
        ("runner-environment", "runner_environment"),
        ("source-repository-uri", "scm_repo_url"),
        ("source-repository-ref", "scm_ref"),
        (
            "build-config-uri",
            "{{ .platform_url }}/api/pipelines/{{ .pipeline_id }}",
        ),
        (
            "run-invocation-uri",
            "{{ .platform_url }}/build/{{ .workflow_id }}",
        ),
    ],
    san: "{{ .platform_url }}/{{ .account_name }}/{{ .pipeline_name }}:{{ .account_id }}/{{ .pipeline_id }}",
};

/// The built-in provider behind a deprecated type.
pub(crate) fn provider(type_name: &str) -> Option<Arc<Provider>> {
    let builtin = [GITHUB, GITLAB, BUILDKITE, CODEFRESH]
        .into_iter()
        .find(|b| b.name == type_name)?;
    let extensions = builtin.extensions.iter();
    Some(Arc::new(Provider {
        name: builtin.name.to_owned(),
        required: builtin
            .required
            .iter()
            .map(|&claim| claim.to_owned())
            .collect(),
        defaults: builtin
            .defaults
            .iter()
            .map(|&(k, v)| (k.to_owned(), v.to_owned()))
            .collect(),
        extensions: extensions
            .map(|&(name, source)| Some((name.to_owned(), field(source)?)))
            .collect::<Option<_>>()?,
        san: field(builtin.san)?,
    }))
}

/// A built-in provider as an entry of `ci-issuer-metadata`, its fixed base replaced by a `url` default.
pub(crate) fn as_metadata(name: &str, base: &str) -> serde_json::Value {
    let Some(builtin) = [GITHUB, GITLAB].into_iter().find(|b| b.name == name) else {
        return serde_json::Value::Null;
    };
    let open = |source: &str| source.replace(&format!("{base}/"), "{{ .url }}/");
    let mut defaults: std::collections::BTreeMap<&str, &str> =
        builtin.defaults.iter().copied().collect();
    defaults.insert("url", base);
    let extensions: std::collections::BTreeMap<&str, String> = builtin
        .extensions
        .iter()
        .map(|&(extension, source)| (extension, open(source)))
        .collect();
    serde_json::json!({
        "default-template-values": defaults,
        "extension-templates": extensions,
        "subject-alternative-name-template": open(builtin.san),
    })
}

fn field(source: &str) -> Option<Field> {
    if source.contains("{{") {
        Template::parse(source).ok().map(Field::Template)
    } else {
        Some(Field::Key(source.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pki::extensions::FulcioExtensions;

    #[test]
    fn every_built_in_parses_and_names_real_extensions() {
        for name in [
            "github-workflow",
            "gitlab-pipeline",
            "buildkite-job",
            "codefresh-workflow",
        ] {
            let provider = provider(name).unwrap();
            for (extension, _) in &provider.extensions {
                assert!(
                    FulcioExtensions::default().set(extension, "x".into()),
                    "{extension}"
                );
            }
        }
        assert!(provider("jenkins").is_none());
    }
}
