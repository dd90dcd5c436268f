//! The clients: each signs and verifies through its own command line or library.

use super::instance::{Instance, release_binary};
use crate::shell::{both, capture};
use crate::tools::Tools;
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who signs in the tests.
pub(crate) const EMAIL: &str = "alice@example.com";
/// A predicate type that sigstore-python's command line knows.
pub(crate) const PREDICATE_TYPE: &str = "https://slsa.dev/provenance/v1";

/// What a bundle holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A signature over a file.
    Message,
    /// A DSSE envelope with an in-toto statement about a file.
    Dsse,
}

/// Files and facts that all clients share.
#[derive(Clone)]
pub(crate) struct Setting {
    data: PathBuf,
    pub(crate) issuer: String,
    token: String,
    /// The artifact, a predicate, and a statement about the artifact with that predicate.
    pub(crate) artifact: PathBuf,
    predicate: PathBuf,
    statement: PathBuf,
}

impl Setting {
    fn trust(&self, name: &str) -> PathBuf {
        self.data.join("trust").join(name)
    }

    fn signing_config(&self, rekor: u32) -> PathBuf {
        self.trust(if rekor == 2 {
            "signing_config_rekor_v2.json"
        } else {
            "signing_config.json"
        })
    }

    fn client_trust(&self, rekor: u32) -> PathBuf {
        self.trust(if rekor == 2 {
            "client_trust_config_rekor_v2.json"
        } else {
            "client_trust_config.json"
        })
    }

    fn trusted_root(&self) -> PathBuf {
        self.trust("trusted_root.json")
    }
}

/// What a verification was asked for.
pub(crate) struct Check<'a> {
    pub(crate) bundle: &'a Path,
    pub(crate) form: Form,
    pub(crate) artifact: &'a Path,
    pub(crate) identity: &'a str,
    pub(crate) issuer: &'a str,
}

/// A client that is there, or the reason why not.
pub(crate) struct Client {
    pub(crate) name: &'static str,
    kind: Kind,
    pub(crate) setting: Setting,
}

enum Kind {
    Sigstead,
    Python(PathBuf),
    Js(PathBuf),
    Cosign(PathBuf),
    /// Our engine in WebAssembly: verifies, does not sign.
    Wasm(PathBuf),
    Missing,
}

/// All clients, in the order of the table.
pub(crate) fn all(tools: &Tools, instance: &Instance, folder: &Path) -> Result<Vec<Client>> {
    let setting = setting(instance, folder)?;
    let kind = |found: &Option<PathBuf>, make: fn(PathBuf) -> Kind| {
        found.clone().map_or(Kind::Missing, make)
    };
    let client = |name, kind| Client {
        name,
        kind,
        setting: setting.clone(),
    };
    Ok(vec![
        client("sigstead", Kind::Sigstead),
        client("sigstore-python", kind(&tools.python, Kind::Python)),
        client("sigstore-js", kind(&tools.js, Kind::Js)),
        client("cosign", kind(&tools.cosign, Kind::Cosign)),
        client("sigstead wasm", kind(&tools.wasm, Kind::Wasm)),
    ])
}

fn setting(instance: &Instance, folder: &Path) -> Result<Setting> {
    let artifact = folder.join("artifact.txt");
    std::fs::write(&artifact, "an artifact worth signing\n")?;
    let predicate = folder.join("predicate.json");
    let provenance = serde_json::json!({
        "buildDefinition": {"buildType": "https://example.com/build", "externalParameters": {}},
        "runDetails": {"builder": {"id": "https://example.com/builder"}},
    });
    std::fs::write(&predicate, provenance.to_string())?;
    let digest = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(std::fs::read(
        &artifact,
    )?));
    let statement = folder.join("statement.json");
    let text = serde_json::json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "artifact.txt", "digest": {"sha256": digest}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": provenance,
    });
    std::fs::write(&statement, text.to_string())?;
    Ok(Setting {
        data: instance.data.clone(),
        issuer: instance.oidc.clone(),
        token: instance.token(EMAIL)?,
        artifact,
        predicate,
        statement,
    })
}

impl Client {
    /// Whether the machine has it.
    pub(crate) fn is_there(&self) -> bool {
        !matches!(self.kind, Kind::Missing)
    }

    /// Whether it can sign at all.
    pub(crate) fn signs(&self) -> bool {
        !matches!(self.kind, Kind::Wasm(_))
    }

    /// Signs the artifact, or a statement about it, with the Rekor log of that version.
    pub(crate) fn sign(&self, form: Form, rekor: u32, out: &Path) -> Result<()> {
        let mut command = self.sign_command(form, rekor, out);
        let output = capture(&mut command)?;
        if !output.status.success() {
            bail!(
                "{} could not sign ({form:?}, Rekor v{rekor}): {command:?}\n{}",
                self.name,
                both(&output)
            );
        }
        Ok(())
    }

    /// What a verification of our own signatures asks for.
    pub(crate) fn check<'a>(
        &'a self,
        bundle: &'a Path,
        form: Form,
        artifact: &'a Path,
    ) -> Check<'a> {
        Check {
            bundle,
            form,
            artifact,
            identity: EMAIL,
            issuer: &self.setting.issuer,
        }
    }

    /// Whether it says yes. Whatever else it says is a no: a bundle may be unreadable.
    pub(crate) fn accepts(&self, check: &Check<'_>) -> Result<bool> {
        Ok(capture(&mut self.verify_command(check))?.status.success())
    }

    /// Verifies. `Ok(Err(reason))` means that the client refused.
    pub(crate) fn verify(&self, check: &Check<'_>) -> Result<Result<(), String>> {
        let mut command = self.verify_command(check);
        let output = capture(&mut command)?;
        match output.status.code() {
            Some(0) => Ok(Ok(())),
            Some(1) => Ok(Err(both(&output))),
            _ => bail!(
                "{} neither verified nor refused: {}: {command:?}\n{}",
                self.name,
                output.status,
                both(&output)
            ),
        }
    }

    fn sign_command(&self, form: Form, rekor: u32, out: &Path) -> Command {
        let s = &self.setting;
        match (&self.kind, form) {
            (Kind::Sigstead, _) => {
                let mut command = Command::new(release_binary());
                match form {
                    Form::Message => command.arg("sign"),
                    Form::Dsse => command
                        .args(["attest", "--type", PREDICATE_TYPE, "--predicate"])
                        .arg(&s.predicate),
                };
                command
                    .arg(&s.artifact)
                    .arg("--bundle")
                    .arg(out)
                    .args(["--identity-token", &s.token]);
                command.arg("--signing-config").arg(s.signing_config(rekor));
                command.arg("--trusted-root").arg(s.trusted_root());
                command
            }
            (Kind::Python(program), _) => {
                let mut command = Command::new(program);
                command.arg("--trust-config").arg(s.client_trust(rekor));
                match form {
                    Form::Message => command.arg("sign"),
                    Form::Dsse => command
                        .args(["attest", "--predicate-type", PREDICATE_TYPE, "--predicate"])
                        .arg(&s.predicate),
                };
                command
                    .args(["--identity-token", &s.token, "--overwrite", "--bundle"])
                    .arg(out)
                    .arg(&s.artifact);
                command
            }
            (Kind::Js(folder), _) => {
                let mut command = js(folder);
                command.arg("sign").arg(s.signing_config(rekor)).arg(out);
                match form {
                    Form::Message => command.arg("message").arg(&s.artifact),
                    Form::Dsse => command.arg("dsse").arg(&s.statement),
                };
                command.env("SIGSTORE_ID_TOKEN", &s.token);
                command
            }
            (Kind::Cosign(program), _) => {
                let mut command = Command::new(program);
                match form {
                    Form::Message => command.arg("sign-blob").arg(&s.artifact),
                    // From a predicate cosign makes a statement of version 0.1, which sigstore-python refuses.
                    Form::Dsse => command
                        .args(["attest-blob", "--statement"])
                        .arg(&s.statement),
                };
                command
                    .args(["--yes", "--identity-token", &s.token, "--bundle"])
                    .arg(out);
                command.arg("--signing-config").arg(s.signing_config(rekor));
                command.arg("--trusted-root").arg(s.trusted_root());
                command
            }
            (Kind::Wasm(_), _) => unreachable!("it only verifies"),
            (Kind::Missing, _) => unreachable!("missing clients are not asked"),
        }
    }

    fn verify_command(&self, check: &Check<'_>) -> Command {
        let s = &self.setting;
        match &self.kind {
            Kind::Sigstead => {
                let mut command = Command::new(release_binary());
                command
                    .arg("verify")
                    .arg("--bundle")
                    .arg(check.bundle)
                    .arg("--trusted-root")
                    .arg(s.trusted_root());
                command.args([
                    "--certificate-identity",
                    check.identity,
                    "--certificate-oidc-issuer",
                    check.issuer,
                ]);
                command.arg(check.artifact);
                command
            }
            Kind::Python(program) => {
                let mut command = Command::new(program);
                command
                    .arg("--trust-config")
                    .arg(s.client_trust(1))
                    .args(["verify", "identity", "--bundle"])
                    .arg(check.bundle);
                command
                    .args([
                        "--cert-identity",
                        check.identity,
                        "--cert-oidc-issuer",
                        check.issuer,
                    ])
                    .arg(check.artifact);
                command
            }
            Kind::Js(folder) => {
                let mut command = js(folder);
                command
                    .arg("verify")
                    .arg(s.trusted_root())
                    .arg(check.bundle)
                    .arg(check.artifact);
                command.args([check.identity, check.issuer]);
                command
            }
            Kind::Cosign(program) => {
                let mut command = Command::new(program);
                match check.form {
                    Form::Message => command.arg("verify-blob"),
                    Form::Dsse => {
                        command.args(["verify-blob-attestation", "--type", PREDICATE_TYPE])
                    }
                };
                command
                    .arg("--bundle")
                    .arg(check.bundle)
                    .arg("--trusted-root")
                    .arg(s.trusted_root());
                command.args([
                    "--certificate-identity",
                    check.identity,
                    "--certificate-oidc-issuer",
                    check.issuer,
                ]);
                command.arg(check.artifact);
                command
            }
            Kind::Wasm(program) => {
                let mut command = Command::new("node");
                command
                    .arg("--no-warnings")
                    .arg(crate::shell::root().join("deploy/e2e/wasm/run.mjs"))
                    .arg(program)
                    .arg(s.trusted_root())
                    .arg(check.bundle)
                    .arg(check.artifact);
                command.args([check.identity, check.issuer]);
                command
            }
            Kind::Missing => unreachable!("missing clients are not asked"),
        }
    }
}

fn js(folder: &Path) -> Command {
    let mut command = Command::new(folder.join("node_modules/.bin/node"));
    command
        .arg(crate::shell::root().join("deploy/e2e/js/client.mjs"))
        .env("SIGSTEAD_E2E_JS", folder);
    command
}
