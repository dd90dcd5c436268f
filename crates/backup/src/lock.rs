//! How an archive is encrypted: a passphrase, or recipients whose private halves are elsewhere.

use crate::BackupError;
use crate::limits::{MAX_PASSPHRASE_WORK, MIN_PASSPHRASE_CHARS, PASSPHRASE_WORK};
use age::secrecy::SecretString;
use age::{Encryptor, scrypt, x25519};
use std::str::FromStr;

/// Encrypts.
pub enum Lock {
    /// For whoever knows the passphrase (scrypt).
    Passphrase(SecretString),
    /// For the holders of these keys (X25519). The machine that makes the backup cannot open it.
    Recipients(Vec<x25519::Recipient>),
}

impl Lock {
    /// Takes a passphrase from the text of a file: its first line.
    ///
    /// # Errors
    /// [`BackupError::Key`] when it is too short.
    pub fn passphrase(text: &str) -> Result<Self, BackupError> {
        let line = first_line(text);
        if line.chars().count() < MIN_PASSPHRASE_CHARS {
            return Err(BackupError::Key(format!(
                "the passphrase has fewer than {MIN_PASSPHRASE_CHARS} characters: the archive holds every private key; take a longer one"
            )));
        }
        Ok(Self::Passphrase(SecretString::from(line.to_owned())))
    }

    /// Takes recipients as `age-keygen` prints them: `age1…`.
    ///
    /// # Errors
    /// [`BackupError::Key`].
    pub fn recipients<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, BackupError> {
        let parse = |text: &str| {
            x25519::Recipient::from_str(text.trim()).map_err(|reason| {
                BackupError::Key(format!(
                    "{text:?} is no age recipient (age1…, from `age-keygen`): {reason}"
                ))
            })
        };
        let recipients = texts
            .into_iter()
            .map(parse)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self::Recipients(recipients))
    }

    pub(crate) fn encryptor(&self) -> Result<Encryptor, BackupError> {
        let made = match self {
            Self::Passphrase(passphrase) => {
                let mut recipient = scrypt::Recipient::new(passphrase.clone());
                // Fixed, so that a loaded machine makes no weaker archive.
                recipient.set_work_factor(PASSPHRASE_WORK);
                Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient))
            }
            Self::Recipients(recipients) => {
                let recipients = recipients.iter().map(|one| one as &dyn age::Recipient);
                Encryptor::with_recipients(recipients)
            }
        };
        made.map_err(|error| BackupError::Key(error.to_string()))
    }
}

/// Decrypts.
#[derive(Clone)]
pub enum Unlock {
    /// A passphrase.
    Passphrase(SecretString),
    /// Private keys.
    Identities(Vec<x25519::Identity>),
}

impl Unlock {
    /// Takes a passphrase from the text of a file: its first line.
    pub fn passphrase(text: &str) -> Self {
        Self::Passphrase(SecretString::from(first_line(text).to_owned()))
    }

    /// Takes identities from the text of an `age-keygen` file: one a line, `#` begins a comment.
    ///
    /// # Errors
    /// [`BackupError::Key`]; it never quotes the line.
    pub fn identities(text: &str) -> Result<Self, BackupError> {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let parse = |line: &str| {
            x25519::Identity::from_str(line).map_err(|_| {
                BackupError::Key(
                    "the identity file has a line that is no age identity (AGE-SECRET-KEY-1…)"
                        .to_owned(),
                )
            })
        };
        let identities = lines.map(parse).collect::<Result<Vec<_>, _>>()?;
        if identities.is_empty() {
            return Err(BackupError::Key(
                "the identity file has no identity".to_owned(),
            ));
        }
        Ok(Self::Identities(identities))
    }

    pub(crate) fn identities_for_age(&self) -> Vec<Box<dyn age::Identity>> {
        match self {
            Self::Passphrase(passphrase) => {
                let mut identity = scrypt::Identity::new(passphrase.clone());
                identity.set_max_work_factor(MAX_PASSPHRASE_WORK);
                vec![Box::new(identity)]
            }
            Self::Identities(identities) => {
                let boxed =
                    |one: &x25519::Identity| Box::new(one.clone()) as Box<dyn age::Identity>;
                identities.iter().map(boxed).collect()
            }
        }
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
