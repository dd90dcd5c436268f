//! From arguments and environment to the way a registry is reached. Secrets come from standard input or the environment,
//! never from arguments: those are in every list of processes.

use crate::cli::RegistryArgs;
use crate::commands::input::read_file_or_stdin;
use crate::commands::input::read_limited;
use anyhow::{Context, Result};
use oci::{Access, Credentials};
use std::path::Path;

/// Certificates of a CA and its neighbors.
const MAX_CA: u64 = 1 << 20;
/// Registries' passwords are tokens of some KiB at most.
const MAX_PASSWORD: u64 = 64 << 10;

/// Reads what the arguments name.
pub(crate) fn access(args: &RegistryArgs) -> Result<Access> {
    let ca_pem = args
        .registry_ca
        .as_deref()
        .map(|path| read_limited(path, MAX_CA))
        .transpose()?;
    Ok(Access {
        allow_http: args.allow_http_registry,
        ca_pem,
        credentials: credentials(args)?,
    })
}

fn credentials(args: &RegistryArgs) -> Result<Credentials> {
    let Some(username) = args.registry_username.clone() else {
        return Ok(match variable("SIGSTEAD_REGISTRY_TOKEN") {
            Some(token) => Credentials::Token(token),
            None => Credentials::Stored,
        });
    };
    let password = if args.registry_password_stdin {
        let bytes = read_file_or_stdin(Path::new("-"), MAX_PASSWORD)?;
        let text = String::from_utf8(bytes).context("the password is not text")?;
        text.trim_end_matches(['\r', '\n']).to_owned()
    } else {
        variable("SIGSTEAD_REGISTRY_PASSWORD").context(
            "--registry-username needs a password: --registry-password-stdin, or $SIGSTEAD_REGISTRY_PASSWORD",
        )?
    };
    Ok(Credentials::Password { username, password })
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}
