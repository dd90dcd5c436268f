//! `cargo xtask conformance-client`: the command-line protocol of the public conformance suite, spoken by our program.
//!
//! The suite takes one executable: `deploy/conformance/client`.

use crate::e2e::release_binary;
use anyhow::{Context, Result, bail, ensure};
use clap::Subcommand;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the suite asks of a client. Any exit code but 0 is a no.
#[derive(Subcommand)]
pub(crate) enum Task {
    /// Sign a file, or an in-toto statement, into a bundle
    SignBundle {
        /// Use the staging instance: refused, there is no copy of its trust here
        #[arg(long)]
        staging: bool,
        /// FILE is an in-toto statement to be signed in an envelope
        #[arg(long)]
        in_toto: bool,
        /// OIDC identity token
        #[arg(long)]
        identity_token: String,
        /// Where to write the bundle
        #[arg(long)]
        bundle: PathBuf,
        /// Trusted root
        #[arg(long)]
        trusted_root: Option<PathBuf>,
        /// Signing config; without it the public instance would be asked, which this client does not
        #[arg(long)]
        signing_config: Option<PathBuf>,
        /// What to sign
        file: PathBuf,
    },
    /// Verify a bundle
    VerifyBundle {
        /// Use the staging instance: refused, there is no copy of its trust here
        #[arg(long)]
        staging: bool,
        /// Bundle
        #[arg(long)]
        bundle: PathBuf,
        /// Identity that must have signed
        #[arg(long)]
        certificate_identity: Option<String>,
        /// OIDC issuer that must have vouched for it
        #[arg(long)]
        certificate_oidc_issuer: Option<String>,
        /// Public key (PEM), for managed keys
        #[arg(long)]
        key: Option<PathBuf>,
        /// Trusted root; the public instance's when absent
        #[arg(long)]
        trusted_root: Option<PathBuf>,
        /// FILE or sha256:HEX
        artifact: String,
    },
}

pub(crate) fn run(task: &Task) -> Result<()> {
    let mut command = match task {
        Task::SignBundle { staging: true, .. } | Task::VerifyBundle { staging: true, .. } => {
            bail!("--staging: there is no copy of the staging instance's trust here")
        }
        Task::SignBundle { .. } => sign(task)?,
        Task::VerifyBundle { .. } => verify(task),
    };
    let status = command.status().context("cannot start the program")?;
    ensure!(status.success(), "{status}");
    Ok(())
}

fn sign(task: &Task) -> Result<Command> {
    let Task::SignBundle {
        in_toto,
        identity_token,
        bundle,
        trusted_root,
        signing_config,
        file,
        ..
    } = task
    else {
        bail!("not a task of signing");
    };
    let config = signing_config
        .as_ref()
        .context("--signing-config: this client signs with the instance that one names")?;
    let mut command = Command::new(release_binary());
    match in_toto {
        false => command.arg("sign").arg(file),
        true => command
            .arg("attest")
            .arg(subject(file)?)
            .arg("--statement")
            .arg(file),
    };
    command.arg("--bundle").arg(bundle);
    command.arg("--signing-config").arg(config);
    command.args(["--identity-token", identity_token]);
    if let Some(root) = trusted_root {
        command.arg("--trusted-root").arg(root);
    }
    Ok(command)
}

/// The digest that a statement is about: the suite does not say which file it is.
fn subject(statement: &Path) -> Result<String> {
    let bytes = std::fs::read(statement).with_context(|| statement.display().to_string())?;
    let statement: Value = serde_json::from_slice(&bytes).context("not JSON")?;
    let digest = statement.pointer("/subject/0/digest/sha256");
    let digest = digest.and_then(Value::as_str);
    Ok(format!(
        "sha256:{}",
        digest.context("no subject with a sha256")?
    ))
}

fn verify(task: &Task) -> Command {
    let mut command = Command::new(release_binary());
    command.arg("verify");
    if let Task::VerifyBundle {
        bundle,
        certificate_identity,
        certificate_oidc_issuer,
        key,
        trusted_root,
        artifact,
        ..
    } = task
    {
        command.arg("--bundle").arg(bundle);
        if let Some(identity) = certificate_identity {
            command.args(["--certificate-identity", identity]);
        }
        if let Some(issuer) = certificate_oidc_issuer {
            command.args(["--certificate-oidc-issuer", issuer]);
        }
        if let Some(key) = key {
            command.arg("--key").arg(key);
        }
        command.arg("--trusted-root");
        match trusted_root {
            Some(root) => command.arg(root),
            // The embedded copy of the public instance's.
            None => command.arg("sigstore"),
        };
        command.arg(artifact);
    }
    command
}
