//! `sigstead sign` and `sigstead attest`.

use super::input::{MAX_JSON, load_trusted_root, read_limited, sha256_of, trust_file};
use super::token::block_on;
use crate::cli::{AttestArgs, SignArgs, SigningArgs};
use crate::exit::{Failure, Outcome};
use crate::instance::write_atomically;
use crate::trust_files::{SIGNING_CONFIG_FILE, SIGNING_CONFIG_V2_FILE};
use anyhow::{Context, Result, bail};
use client::{Content, Signing};
use clock::Clock;
use formats::trust::SigningConfig;
use std::path::Path;

/// A token has a few KiB; Fulcio's own limit for a request is 4 MiB.
const MAX_TOKEN: u64 = 64 << 10;

pub(crate) fn run_sign(args: SignArgs) -> Result<Outcome, Failure> {
    let digest = sha256_of(&args.file).map_err(Failure::Usage)?;
    sign(&args.signing, Content::Digest(digest))
}

pub(crate) fn run_attest(args: AttestArgs) -> Result<Outcome, Failure> {
    let statement = statement(&args).map_err(Failure::Usage)?;
    sign(&args.signing, Content::Statement(&statement))
}

fn statement(args: &AttestArgs) -> Result<Vec<u8>> {
    let digest = sha256_of(&args.file)?;
    let predicate: serde_json::Value =
        serde_json::from_slice(&read_limited(&args.predicate, MAX_JSON)?)
            .with_context(|| format!("{} is not JSON", args.predicate.display()))?;
    let name = args
        .file
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    Ok(client::statement(
        name,
        &digest,
        &args.predicate_type,
        &predicate,
    ))
}

fn sign(args: &SigningArgs, content: Content<'_>) -> Result<Outcome, Failure> {
    let data_dir = &args.data.data_dir;
    let token = token(args).map_err(Failure::Usage)?;
    let config = signing_config(args).map_err(Failure::Usage)?;
    // A trusted root is optional for signing: without one the new bundle is not checked.
    let trusted_root = match &args.trusted_root {
        Some(_) => {
            Some(load_trusted_root(args.trusted_root.as_ref(), data_dir).map_err(Failure::Usage)?)
        }
        None => load_trusted_root(None, data_dir).ok(),
    };
    let signing = Signing {
        config: &config,
        trusted_root: trusted_root.as_ref(),
        token: &token,
        rekor_version: args.rekor_version,
        clock: Clock::system(),
    };
    let bundle = block_on(client::sign(signing, content))?.context("not signed")?;
    write_atomically(&args.bundle, bundle.to_json().as_bytes())?;
    let (identity, issuer) = client::token_identity(&token).context("token")?;
    say(&format!(
        "signed as {identity} ({issuer}): {}",
        args.bundle.display()
    ));
    Ok(Outcome::Success)
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
