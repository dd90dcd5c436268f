//! How registries may be reached, and as whom.

use crate::{OciError, limits};
use docker_credential::{CredentialRetrievalError, DockerCredential};
use oci_client::Reference;
use std::fmt;
use std::path::PathBuf;

/// How registries may be reached, and as whom. The default: HTTPS with the system's CAs (plain HTTP on loopback), and
/// the credentials that `docker login` or `podman login` stored.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Plain HTTP to other machines as well, when they do not answer over HTTPS.
    pub allow_http: bool,
    /// Certificates in PEM that are trusted besides the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// As whom.
    pub credentials: Credentials,
}

/// As whom a registry is asked.
#[derive(Clone, Default)]
pub enum Credentials {
    /// Docker's configuration and credential helpers, then Podman's; else nobody.
    #[default]
    Stored,
    /// Nobody.
    Anonymous,
    /// User name and password.
    Password {
        /// User name.
        username: String,
        /// Password.
        password: String,
    },
    /// A bearer token for the registry itself.
    Token(String),
    /// What single sign-on gave: exchanged for a bearer token at the registry's authorization service.
    IdentityToken(String),
}

/// Never shows a secret.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stored => "Stored",
            Self::Anonymous => "Anonymous",
            Self::Password { .. } => "Password(…)",
            Self::Token(_) => "Token(…)",
            Self::IdentityToken(_) => "IdentityToken(…)",
        })
    }
}

/// What is shown to a registry.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Secret {
    Nothing,
    Password {
        username: String,
        password: String,
    },
    /// Sent to the registry as it is.
    Token(String),
    /// Exchanged for a token at the registry's authorization service (OAuth 2 refresh token).
    Identity(String),
}

impl Credentials {
    /// Finds what to show to the registry of `reference`. Helpers are programs: they run on another thread.
    pub(crate) async fn secret(&self, reference: &Reference) -> Result<Secret, OciError> {
        match self {
            Self::Anonymous => Ok(Secret::Nothing),
            Self::Password { username, password } => Ok(Secret::Password {
                username: username.clone(),
                password: password.clone(),
            }),
            Self::Token(token) => Ok(Secret::Token(token.clone())),
            Self::IdentityToken(token) => Ok(Secret::Identity(token.clone())),
            Self::Stored => stored(reference).await,
        }
    }
}

async fn stored(reference: &Reference) -> Result<Secret, OciError> {
    let registry = reference.resolve_registry().to_owned();
    // Docker keeps its own registry under the URL of its first API.
    let server = if registry == "index.docker.io" {
        "https://index.docker.io/v1/".to_owned()
    } else {
        registry.clone()
    };
    let failed = |reason: &str| OciError::Credentials {
        registry: registry.clone(),
        reason: reason.to_owned(),
    };
    let lookup = tokio::task::spawn_blocking(move || look_up(&server));
    match tokio::time::timeout(limits::HELPER_TIMEOUT, lookup).await {
        Ok(Ok(Ok(secret))) => Ok(secret),
        Ok(Ok(Err(reason))) => Err(failed(&reason)),
        Ok(Err(_)) => Err(failed("the look-up ended early")),
        Err(_) => Err(failed("the credential helper did not answer")),
    }
}

fn look_up(server: &str) -> Result<Secret, String> {
    match read(docker_credential::get_credential(server), docker_config())? {
        Secret::Nothing => read(
            docker_credential::get_podman_credential(server),
            // Podman's file is one of several; a broken one counts as absent.
            None,
        ),
        found => Ok(found),
    }
}

/// Docker's configuration file, if there is one.
fn docker_config() -> Option<PathBuf> {
    let folder = std::env::var_os("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker")))?;
    let file = folder.join("config.json");
    file.exists().then_some(file)
}

fn read(
    answer: Result<DockerCredential, CredentialRetrievalError>,
    config: Option<PathBuf>,
) -> Result<Secret, String> {
    use CredentialRetrievalError as E;
    match answer {
        Ok(DockerCredential::UsernamePassword(username, password)) => {
            Ok(Secret::Password { username, password })
        }
        Ok(DockerCredential::IdentityToken(token)) => Ok(Secret::Identity(token)),
        Err(E::NoCredentialConfigured | E::ConfigNotFound) => Ok(Secret::Nothing),
        Err(E::ConfigReadError) => match config {
            None => Ok(Secret::Nothing),
            Some(path) => Err(format!("{} cannot be read", path.display())),
        },
        // Helpers say in words that they have nothing; docker takes it for no credentials, too. Their output is not
        // shown: it may hold a secret.
        Err(E::HelperFailure {
            helper,
            stdout,
            stderr,
        }) => {
            if stdout.contains("not found") || stderr.contains("not found") {
                Ok(Secret::Nothing)
            } else {
                Err(format!("{helper} failed"))
            }
        }
        Err(E::HelperCommunicationError) => {
            Err("the credential helper of Docker's configuration cannot be started".to_owned())
        }
        Err(E::MalformedHelperResponse) => {
            Err("the credential helper's answer cannot be read".to_owned())
        }
        Err(E::CredentialDecodingError | E::CredentialMismatchError) => {
            Err("Docker's configuration holds broken credentials".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let access = Access {
            credentials: Credentials::Password {
                username: "u".into(),
                password: "hunter2".into(),
            },
            ..Access::default()
        };
        assert!(!format!("{access:?}").contains("hunter2"));
        let token = Credentials::Token("hunter2".into());
        assert!(!format!("{token:?}").contains("hunter2"));
    }

    #[test]
    fn a_helper_without_credentials_means_nobody() {
        let failure = |text: &str| CredentialRetrievalError::HelperFailure {
            helper: "docker-credential-x".into(),
            stdout: text.into(),
            stderr: String::new(),
        };
        let nothing = read(
            Err(failure("credentials not found in native keychain\n")),
            None,
        );
        assert!(nothing == Ok(Secret::Nothing));
        let broken = read(Err(failure("hunter2")), None).err();
        assert_eq!(broken.as_deref(), Some("docker-credential-x failed"));
    }

    #[test]
    fn a_configuration_that_is_there_must_be_readable() {
        let error = || Err(CredentialRetrievalError::ConfigReadError);
        assert!(read(error(), None) == Ok(Secret::Nothing));
        assert!(read(error(), Some("/x/config.json".into())).is_err());
    }
}
