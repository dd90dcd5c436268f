//! Settings of a [`super::Cosigner`], and what can be wrong with them.

use super::peer::{Peer, Transport};
use crate::limits::{DEFAULT_TIMEOUT, MAX_TIMEOUT, MAX_WITNESSES};
use crate::trusted::{TrustedKey, TrustedKeyError};
use clock::Clock;
use note::policy::{Policy, Witness};
use std::time::Duration;
use url::Url;

/// Settings of a [`super::Cosigner`].
#[derive(Clone, Debug)]
pub struct CosignerConfig {
    /// Name of the log in metrics.
    pub log: String,
    /// Witnesses, their URLs (submission prefixes) and the quorum. Its logs do not matter here.
    pub policy: Policy,
    /// What each witness gets, all of its requests and proofs included.
    pub timeout: Duration,
    /// What to do without quorum.
    pub mode: FailureMode,
}

impl CosignerConfig {
    /// The usual settings: one second, fail-open.
    pub fn new(log: impl Into<String>, policy: Policy) -> Self {
        Self {
            log: log.into(),
            policy,
            timeout: DEFAULT_TIMEOUT,
            mode: FailureMode::Open,
        }
    }
}

/// What a log does with a checkpoint that has no quorum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureMode {
    /// Publishes it with what cosignatures there are.
    Open,
    /// Does not publish it: entries stay unanswered until a later round meets the quorum.
    Closed,
}

/// Why witnesses cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A URL that no request can be made to.
    #[error(
        "witness {witness}: {url:?} is no URL to call: write https:// (or http://), host and path, nothing else"
    )]
    Url {
        /// Name in the policy.
        witness: String,
        /// The text given, without a password.
        url: String,
    },
    /// A key is of no use.
    #[error("witness {witness}: {problem}")]
    Key {
        /// Name in the policy.
        witness: String,
        /// What is wrong.
        problem: TrustedKeyError,
    },
    /// Nobody could ever satisfy the policy.
    #[error("the quorum needs witnesses that have no URL in the policy: add the URLs")]
    QuorumOutOfReach,
    /// More cosignatures than clients read.
    #[error(
        "{have} witnesses with a URL are too many: clients read checkpoints with {MAX_WITNESSES} cosignatures"
    )]
    TooManyWitnesses {
        /// Witnesses of the policy that have a URL.
        have: usize,
    },
    /// No time, or too much.
    #[error("the time for a witness must be more than 0 and at most {} s", MAX_TIMEOUT.as_secs())]
    Timeout,
    /// No HTTP client could be made.
    #[error("no HTTP client: {0}")]
    Client(String),
    /// Metrics of this log are there already.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Checks everything; gives the witnesses that can be asked.
pub(super) fn peers(config: &CosignerConfig, clock: &Clock) -> Result<Vec<Peer>, ConfigError> {
    if config.timeout.is_zero() || config.timeout > MAX_TIMEOUT {
        return Err(ConfigError::Timeout);
    }
    let witnesses = config.policy.witnesses();
    let has_url = |index: usize| witnesses.get(index).is_some_and(|one| one.url.is_some());
    if !config.policy.is_met(has_url) {
        return Err(ConfigError::QuorumOutOfReach);
    }
    let have = witnesses.iter().filter(|one| one.url.is_some()).count();
    if have > MAX_WITNESSES {
        return Err(ConfigError::TooManyWitnesses { have });
    }
    let mut transport = Transport::default();
    let mut peers = Vec::new();
    for (index, witness) in witnesses.iter().enumerate() {
        let Some(url) = &witness.url else { continue };
        let url = add_checkpoint_url(witness, url)?;
        peers.push(Peer {
            index,
            label: witness.label().into_owned(),
            key: trusted(witness)?,
            client: transport.client(&url).map_err(ConfigError::Client)?,
            url,
            timeout: config.timeout,
            clock: clock.clone(),
            seen: Default::default(),
            last: Default::default(),
        });
    }
    Ok(peers)
}

fn trusted(witness: &Witness) -> Result<TrustedKey, ConfigError> {
    TrustedKey::new(witness.key.clone()).map_err(|problem| ConfigError::Key {
        witness: witness.label().into_owned(),
        problem,
    })
}

fn add_checkpoint_url(witness: &Witness, prefix: &[u8]) -> Result<Url, ConfigError> {
    let text = String::from_utf8_lossy(prefix);
    let usable = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    let parsed = Url::parse(&text).ok().filter(usable);
    let mut url = parsed.ok_or_else(|| ConfigError::Url {
        witness: witness.label().into_owned(),
        // A user name may be followed by a password.
        url: text.rsplit('@').next().unwrap_or_default().to_owned(),
    })?;
    let path = format!("{}/add-checkpoint", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}
