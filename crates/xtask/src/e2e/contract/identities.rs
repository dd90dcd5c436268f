//! Tokens from claims become identities in certificates.

use super::super::instance::{Instance, release_binary};
use super::data;
use super::verify::verify;
use crate::shell::{both, capture, text};
use anyhow::{Result, ensure};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Tokens from claims: GitHub's and GitLab's become URIs and extensions in the certificate.
pub(super) fn other_identities(folder: &Path) -> Result<()> {
    let instance = Instance::start(&data(folder))?;
    for (claims, identity, path) in [
        (github(), GITHUB_IDENTITY, "/github"),
        (gitlab(), GITLAB_IDENTITY, "/gitlab"),
    ] {
        fs::write(folder.join("claims.json"), claims.to_string())?;
        let token = text(
            Command::new(release_binary())
                .args(["token", "--claims", "claims.json", "--data-dir"])
                .arg(&instance.data)
                .current_dir(folder),
        )?;
        let mut sign = Command::new(release_binary());
        sign.args([
            "sign",
            "hello.txt",
            "--bundle",
            "ci.sigstore.json",
            "--identity-token",
            &token,
            "--data-dir",
        ])
        .arg(&instance.data);
        text(sign.current_dir(folder))?;
        let issuer = format!("{}{path}", instance.oidc);
        let who = [
            "--bundle",
            "ci.sigstore.json",
            "--certificate-identity",
            identity,
            "--certificate-oidc-issuer",
            &issuer,
        ];
        let output = capture(&mut verify(folder, "hello.txt", &who))?;
        ensure!(output.status.success(), "{identity}: {}", both(&output));
    }
    instance.stop()?;
    println!("claims of GitHub and GitLab become identities in certificates");
    Ok(())
}

const GITHUB_IDENTITY: &str =
    "https://github.com/octo-org/octo/.github/workflows/release.yml@refs/heads/main";
const GITLAB_IDENTITY: &str = "https://gitlab.com/octo/octo//.gitlab-ci.yml@refs/heads/main";

fn github() -> serde_json::Value {
    serde_json::json!({
        "sub": "repo:octo-org/octo:ref:refs/heads/main", "job_workflow_ref": "octo-org/octo/.github/workflows/release.yml@refs/heads/main",
        "sha": "a".repeat(40), "event_name": "push", "repository": "octo-org/octo", "workflow": "release", "ref": "refs/heads/main",
        "job_workflow_sha": "a".repeat(40), "runner_environment": "self-hosted", "repository_id": "1", "repository_owner": "octo-org",
        "repository_owner_id": "2", "repository_visibility": "private", "workflow_sha": "a".repeat(40), "run_id": "3", "run_attempt": "1",
        "workflow_ref": "octo-org/octo/.github/workflows/release.yml@refs/heads/main",
    })
}

fn gitlab() -> serde_json::Value {
    serde_json::json!({
        "sub": "project_path:octo/octo:ref_type:branch:ref:main", "project_path": "octo/octo", "pipeline_source": "push",
        "pipeline_id": "7", "ci_config_ref_uri": "gitlab.com/octo/octo//.gitlab-ci.yml@refs/heads/main", "job_id": "8", "ref": "main",
        "ref_type": "branch", "namespace_path": "octo", "namespace_id": "9", "project_id": "10", "sha": "b".repeat(40),
        "runner_environment": "self-hosted", "runner_id": 11, "ci_config_sha": "b".repeat(40), "project_visibility": "private",
    })
}
