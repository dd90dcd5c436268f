//! `sigstead sign` and `sigstead attest`: files here, images in [`super::image`].

use super::image::sign::{self as image, Said};
use super::input::{MAX_JSON, load_trusted_root, read_limited, sha256_of, trust_file};
use super::token::block_on;
use crate::cli::{AttestArgs, SignArgs, SigningArgs};
use crate::exit::{Failure, Outcome};
use crate::instance::write_atomically;
use crate::trust_files::{SIGNING_CONFIG_FILE, SIGNING_CONFIG_V2_FILE};
use anyhow::{Context, Result, bail};
use client::{Content, Signing};
use clock::Clock;
use formats::bundle::Bundle;
use formats::trust::{SigningConfig, TrustedRoot};
use std::path::Path;

/// A token has a few KiB; Fulcio's own limit for a request is 4 MiB.
const MAX_TOKEN: u64 = 64 << 10;

pub(crate) fn run_sign(args: SignArgs) -> Result<Outcome, Failure> {
    let Some(out) = &args.signing.bundle else {
        return image::sign(&args.target, &args.signing, &args.image, &Said::Signed);
    };
    let digest = sha256_of(Path::new(&args.target)).map_err(Failure::Usage)?;
    sign(&args.signing, out, Content::Digest(digest))
}

pub(crate) fn run_attest(args: AttestArgs) -> Result<Outcome, Failure> {
    let Some(out) = &args.signing.bundle else {
        let (predicate_type, predicate) = predicate(&args).map_err(Failure::Usage)?;
        let said = Said::Stated {
            predicate_type,
            predicate,
        };
        return image::sign(&args.target, &args.signing, &args.image, &said);
    };
    let statement = statement(&args).map_err(Failure::Usage)?;
    sign(&args.signing, out, Content::Statement(&statement))
}

fn statement(args: &AttestArgs) -> Result<Vec<u8>> {
    let digest = digest(&args.target)?;
    if let Some(path) = &args.statement {
        return given_statement(path, &digest);
    }
    let name = Path::new(&args.target)
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let (predicate_type, predicate) = predicate(args)?;
    Ok(client::statement(
        name,
        &digest,
        &predicate_type,
        &predicate,
    ))
}

/// A statement made elsewhere is signed byte for byte, if it is about that file.
fn given_statement(path: &Path, digest: &[u8; 32]) -> Result<Vec<u8>> {
    let bytes = read_limited(path, MAX_JSON)?;
    let json: serde_json::Value = serde_json::from_slice(&bytes)
        .with_context(|| format!("{} is not JSON", path.display()))?;
    let known = [
        "https://in-toto.io/Statement/v1",
        "https://in-toto.io/Statement/v0.1",
    ];
    if !known.iter().any(|known| json["_type"] == *known) {
        bail!("{}: _type is none of {}", path.display(), known.join(", "));
    }
    let digest = hex::encode(digest);
    let subjects = json["subject"].as_array();
    let is_about = |subject: &serde_json::Value| subject["digest"]["sha256"] == digest.as_str();
    if !subjects.is_some_and(|subjects| subjects.iter().any(is_about)) {
        bail!(
            "{}: no subject has the digest sha256:{digest}; name the file that the statement is about",
            path.display()
        );
    }
    Ok(bytes)
}

/// Of a file, or as given.
fn digest(target: &str) -> Result<[u8; 32]> {
    match target.strip_prefix("sha256:") {
        Some(text) if !Path::new(target).exists() => {
            let mut digest = [0; 32];
            hex::decode_to_slice(text, &mut digest)
                .context("sha256: wants 64 hexadecimal digits")?;
            Ok(digest)
        }
        _ => sha256_of(Path::new(target)),
    }
}

fn predicate(args: &AttestArgs) -> Result<(String, serde_json::Value)> {
    let (Some(kind), Some(path)) = (&args.predicate_type, &args.predicate) else {
        bail!("give --predicate and --type, or --statement");
    };
    let predicate = serde_json::from_slice(&read_limited(path, MAX_JSON)?)
        .with_context(|| format!("{} is not JSON", path.display()))?;
    Ok((kind.clone(), predicate))
}

fn sign(args: &SigningArgs, out: &Path, content: Content<'_>) -> Result<Outcome, Failure> {
    let prepared = Prepared::new(args).map_err(Failure::Usage)?;
    let bundle = block_on(prepared.sign(content))??;
    write_atomically(out, bundle.to_json().as_bytes())?;
    say(&format!(
        "signed as {}: {}",
        prepared.signer()?,
        out.display()
    ));
    Ok(Outcome::Success)
}

/// Everything that signing needs, read once for any number of signatures.
pub(crate) struct Prepared {
    token: String,
    config: SigningConfig,
    /// Checks new bundles; without one they are not checked.
    pub(crate) trusted_root: Option<TrustedRoot>,
    /// See [`Signing::rekor_version`].
    pub(crate) rekor_version: Option<u32>,
}

impl Prepared {
    /// Reads token and trust files. A trusted root is optional for signing.
    pub(crate) fn new(args: &SigningArgs) -> Result<Self> {
        let data_dir = &args.data.data_dir;
        let trusted_root = match &args.trusted_root {
            Some(_) => Some(load_trusted_root(args.trusted_root.as_ref(), data_dir)?),
            None => load_trusted_root(None, data_dir).ok(),
        };
        Ok(Self {
            token: token(args)?,
            config: signing_config(args)?,
            trusted_root,
            rekor_version: args.rekor_version,
        })
    }

    /// Signs once, with a key and a certificate of its own.
    pub(crate) async fn sign(&self, content: Content<'_>) -> Result<Bundle> {
        let signing = Signing {
            config: &self.config,
            trusted_root: self.trusted_root.as_ref(),
            token: &self.token,
            rekor_version: self.rekor_version,
            clock: Clock::system(),
        };
        client::sign(signing, content).await.context("not signed")
    }

    /// As whom: for messages.
    pub(crate) fn signer(&self) -> Result<String> {
        let (identity, issuer) = client::token_identity(&self.token).context("token")?;
        Ok(format!("{identity} ({issuer})"))
    }
}

fn signing_config(args: &SigningArgs) -> Result<SigningConfig> {
    let name = if args.rekor_version == Some(2) {
        SIGNING_CONFIG_V2_FILE
    } else {
        SIGNING_CONFIG_FILE
    };
    let path = trust_file(
        args.signing_config.as_ref(),
        &args.data.data_dir,
        name,
        "--signing-config",
    )?;
    SigningConfig::parse(&read_limited(&path, MAX_JSON)?)
        .with_context(|| format!("{} is not a signing config", path.display()))
}

/// The token itself, or the content of the file that the argument names.
fn token(args: &SigningArgs) -> Result<String> {
    let Some(given) = args
        .identity_token
        .as_deref()
        .map(str::trim)
        .filter(|text| !text.is_empty())
    else {
        bail!(
            "no identity token: pass --identity-token or set SIGSTORE_ID_TOKEN; \
             from the development issuer: --identity-token \"$(sigstead token --email you@example.com)\""
        );
    };
    if given.split('.').count() == 3 && !Path::new(given).exists() {
        return Ok(given.to_owned());
    }
    let bytes = read_limited(Path::new(given), MAX_TOKEN).context(
        "--identity-token is neither a token (three parts joined by dots) nor a readable file",
    )?;
    Ok(String::from_utf8(bytes)
        .context("the token file is not text")?
        .trim()
        .to_owned())
}

#[allow(clippy::print_stderr)]
fn say(line: &str) {
    eprintln!("{line}");
}
