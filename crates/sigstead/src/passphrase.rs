//! What opens encrypted private keys, for every command.

use anyhow::{Context, Result};
use keys::Passphrase;
use std::path::Path;

/// The setting `keys.passphrase_file`, as a variable.
const FILE: &str = "SIGSTEAD__KEYS__PASSPHRASE_FILE";
/// The passphrase itself.
const TEXT: &str = "SIGSTEAD_KEYS_PASSPHRASE";

/// Takes what the environment names; nothing when it names nothing.
pub(crate) fn of_environment() -> Result<()> {
    match std::env::var_os(FILE) {
        Some(path) => of_file(path.as_ref()),
        None => of_text(),
    }
}

/// The same for a command with a configuration, which has read that variable.
pub(crate) fn of_config(file: Option<&Path>) -> Result<()> {
    match file {
        Some(path) => of_file(path),
        None => of_text(),
    }
}

fn of_file(path: &Path) -> Result<()> {
    let passphrase = Passphrase::from_file(path).context("keys.passphrase_file")?;
    keys::unlock_with(passphrase);
    Ok(())
}

fn of_text() -> Result<()> {
    if let Ok(text) = std::env::var(TEXT) {
        keys::unlock_with(Passphrase::new(text).context(TEXT)?);
    }
    Ok(())
}
