//! Images in real registries: cosign signs, attests and verifies, in the bundle layout and under the legacy `.sig` tag;
//! then we do, and each verifies the other's.

use super::clients::{EMAIL, PREDICATE_TYPE};
use super::instance::Instance;
use super::registry::Registry;
use super::{our_images, private};
use crate::shell::{both, capture};
use crate::tools::Tools;
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) fn run(tools: &Tools, instance: &Instance, folder: &Path) -> Result<()> {
    let (Some(cosign), Some(program)) = (&tools.cosign, &tools.registry) else {
        println!("SKIPPED: images, because this machine lacks cosign or an OCI registry");
        return Ok(());
    };
    let registry = Registry::start(program, folder)?;
    let images = Images {
        cosign: cosign.clone(),
        instance,
        token: instance.token(EMAIL)?,
        folder: folder.to_owned(),
        legacy: Legacy::of_cosign_3(cosign),
    };
    for rekor in [1, 2] {
        let image = registry.push_image(&format!("bundle-v{rekor}"))?;
        images.sign(&image, rekor)?;
        images.verify(&image)?;
        images.attest(&image, rekor)?;
        images.verify_attestation(&image)?;
    }
    images.legacy(&registry)?;
    our_images::run(&images, &registry, tools.strace.as_deref())?;
    match &tools.cosign_2 {
        Some(cosign) => {
            let images = Images {
                legacy: Legacy::of_cosign_2(cosign),
                ..images.clone()
            };
            images.legacy(&registry)?;
            our_images::legacy(&images, &registry)?;
        }
        None => {
            println!("SKIPPED: images of cosign 2 itself; `cargo xtask e2e --cosign-2` installs it")
        }
    }
    private::run(&images, program, &registry)
}

/// A cosign that reads and writes the layout of version 2.
#[derive(Clone)]
pub(super) struct Legacy {
    program: PathBuf,
    /// What makes it do so.
    signing: &'static [&'static str],
    checking: &'static [&'static str],
    /// Name of its images.
    pub(super) image: &'static str,
}

impl Legacy {
    fn of_cosign_3(program: &Path) -> Self {
        Self {
            program: program.to_owned(),
            signing: &["--new-bundle-format=false", "--use-signing-config=false"],
            checking: &["--new-bundle-format=false"],
            image: "legacy",
        }
    }

    fn of_cosign_2(program: &Path) -> Self {
        Self {
            program: program.to_owned(),
            signing: &[],
            checking: &[],
            image: "legacy-2",
        }
    }
}

/// Who signs and verifies, and with what.
#[derive(Clone)]
pub(super) struct Images<'a> {
    pub(super) cosign: PathBuf,
    pub(super) instance: &'a Instance,
    pub(super) token: String,
    pub(super) folder: PathBuf,
    pub(super) legacy: Legacy,
}

impl Images<'_> {
    fn sign(&self, image: &str, rekor: u32) -> Result<()> {
        let mut command = self.signing("sign", rekor);
        expect(
            command.arg(image),
            0,
            &format!("cosign sign, Rekor v{rekor}"),
        )
    }

    fn attest(&self, image: &str, rekor: u32) -> Result<()> {
        let mut command = self.signing("attest", rekor);
        command
            .args(["--type", PREDICATE_TYPE, "--predicate"])
            .arg(self.folder.join("predicate.json"));
        expect(
            command.arg(image),
            0,
            &format!("cosign attest, Rekor v{rekor}"),
        )
    }

    fn verify(&self, image: &str) -> Result<()> {
        expect(
            self.checking("verify", EMAIL).arg(image),
            0,
            "cosign verify",
        )?;
        refused(
            self.checking("verify", "mallory@example.com").arg(image),
            "cosign verify with a wrong identity",
        )
    }

    fn verify_attestation(&self, image: &str) -> Result<()> {
        let args = ["--type", PREDICATE_TYPE];
        expect(
            self.checking("verify-attestation", EMAIL)
                .args(args)
                .arg(image),
            0,
            "cosign verify-attestation",
        )?;
        let mut wrong = self.checking("verify-attestation", "mallory@example.com");
        refused(
            wrong.args(args).arg(image),
            "cosign verify-attestation with a wrong identity",
        )
    }

    /// The layout of cosign 2: a tag `sha256-….sig`, the signed entry timestamp in an annotation.
    fn legacy(&self, registry: &Registry) -> Result<()> {
        let image = registry.push_image(self.legacy.image)?;
        let mut command = self.legacy_signing("sign");
        expect(command.arg(&image), 0, "cosign sign, legacy layout")?;
        if !registry
            .tags(self.legacy.image)?
            .iter()
            .any(|tag| tag.ends_with(".sig"))
        {
            bail!("cosign sign, legacy layout: there is no .sig tag");
        }
        for identity in [EMAIL, "mallory@example.com"] {
            let mut command = self.legacy_checking("verify", identity);
            command.arg(&image);
            if identity == EMAIL {
                expect(&mut command, 0, "cosign verify, legacy layout")?;
            } else {
                refused(
                    &mut command,
                    "cosign verify, legacy layout, with a wrong identity",
                )?;
            }
        }
        let what = format!("sigstead verify, {} of cosign", self.legacy.image);
        self.holds(&image, &[], 1, &what)
    }

    /// cosign as version 2 signs.
    pub(super) fn legacy_signing(&self, verb: &str) -> Command {
        let url = &self.instance.url;
        let mut command = Command::new(&self.legacy.program);
        command.args([verb, "--yes"]).args(self.legacy.signing);
        command.args([
            "--identity-token",
            &self.token,
            "--fulcio-url",
            url,
            "--rekor-url",
            url,
            "--oidc-issuer",
            &self.instance.oidc,
        ]);
        self.legacy_roots(&mut command);
        command
    }

    /// cosign as version 2 verifies.
    pub(super) fn legacy_checking(&self, verb: &str, identity: &str) -> Command {
        let mut command = Command::new(&self.legacy.program);
        command.arg(verb).args(self.legacy.checking);
        command.args(["--certificate-identity", identity]);
        command.args([
            "--certificate-oidc-issuer",
            &self.instance.oidc,
            "--rekor-url",
            &self.instance.url,
        ]);
        self.legacy_roots(&mut command);
        command
    }

    /// What the legacy path reads instead of a trusted root.
    pub(super) fn legacy_roots(&self, command: &mut Command) {
        let public = self.instance.data.join("public");
        command.env("SIGSTORE_ROOT_FILE", public.join("ca-chain.pem"));
        command.env("SIGSTORE_REKOR_PUBLIC_KEY", public.join("rekor-v1.pem"));
        command.env("SIGSTORE_CT_LOG_PUBLIC_KEY_FILE", public.join("ct-log.pem"));
    }

    pub(super) fn signing(&self, verb: &str, rekor: u32) -> Command {
        let config = if rekor == 2 {
            "signing_config_rekor_v2.json"
        } else {
            "signing_config.json"
        };
        let mut command = Command::new(&self.cosign);
        command
            .args([
                verb,
                "--yes",
                "--identity-token",
                &self.token,
                "--signing-config",
            ])
            .arg(self.instance.trust(config));
        command
            .arg("--trusted-root")
            .arg(self.instance.trust("trusted_root.json"));
        command
    }

    pub(super) fn checking(&self, verb: &str, identity: &str) -> Command {
        let mut command = Command::new(&self.cosign);
        command.args([
            verb,
            "--certificate-identity",
            identity,
            "--certificate-oidc-issuer",
            &self.instance.oidc,
        ]);
        command
            .arg("--trusted-root")
            .arg(self.instance.trust("trusted_root.json"));
        command
    }
}

pub(super) fn expect(command: &mut Command, code: i32, what: &str) -> Result<()> {
    let output = capture(command)?;
    if output.status.code() != Some(code) {
        bail!("{what}: {}\n{command:?}\n{}", output.status, both(&output));
    }
    println!("{what}: ok");
    Ok(())
}

pub(super) fn refused(command: &mut Command, what: &str) -> Result<()> {
    let output = capture(command)?;
    if output.status.success() {
        bail!("{what}: accepted\n{command:?}\n{}", both(&output));
    }
    println!("{what}: refused, as it must be");
    Ok(())
}
