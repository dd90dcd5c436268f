//! A root from a TUF repository, through `tough`.
//!
//! The folder of a repository holds what the last good refresh gave (`trusted_root.json`, `state.json`) and tough's own
//! memory against rollback (`metadata/`). Whoever can write to it can choose the root: it belongs to the verifier alone.

use crate::limits;
use crate::root::{Root, RootError};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use time::OffsetDateTime;
use tough::{
    ExpirationEnforcement, HttpTransportBuilder, IntoVec, Limits, RepositoryLoader, TargetName,
};
use url::{Host, Url};

/// The target that holds the trusted root; every Sigstore TUF repository calls it so.
const TARGET: &str = "trusted_root.json";
/// Where targets are, below the metadata; every Sigstore TUF repository has them there.
const TARGETS: &str = "targets/";
const STATE: &str = "state.json";
const METADATA: &str = "metadata";

/// Why a TUF repository gave no root.
#[derive(Debug, thiserror::Error)]
pub enum TufError {
    /// The URL is not one that metadata may be fetched from.
    #[error("{url} must be https, or http on a loopback address")]
    Url {
        /// The URL given.
        url: String,
    },
    /// A refresh interval that would burden the repository.
    #[error("a refresh every {seconds} s is too often: at least {} s", limits::TUF_SHORTEST.as_secs())]
    TooOften {
        /// The interval given.
        seconds: u64,
    },
    /// Metadata could not be fetched, is expired, rolled back, or not signed as the trusted root.json demands.
    #[error("the repository: {}", chain(.0))]
    Repository(Box<tough::error::Error>),
    /// The signed targets have no trusted root.
    #[error("the repository has no target {TARGET}")]
    NoTarget,
    /// The signed targets promise a trusted root that is too large.
    #[error("its {TARGET} has {have} bytes, the limit is {}", limits::ROOT_BYTES)]
    TooLarge {
        /// Bytes promised.
        have: u64,
    },
    /// The refresh took too long.
    #[error("the repository did not answer within {} s", limits::TUF_TIME.as_secs())]
    Time,
    /// The target is no usable trusted root.
    #[error("its {TARGET}: {0}")]
    Content(#[from] RootError),
    /// The folder cannot be used.
    #[error("the folder {}: {source}", path.display())]
    Folder {
        /// The folder or the file in it.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
}

/// A TUF repository and the folder that remembers it.
#[derive(Clone, Debug)]
pub struct Tuf {
    url: Url,
    anchor: Vec<u8>,
    folder: PathBuf,
    refresh: Option<Duration>,
}

/// What is remembered of the last good refresh, beside the root.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct State {
    /// When it was.
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) refreshed: OffsetDateTime,
    /// When the repository's timestamp expires.
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) expires: OffsetDateTime,
}

/// What a refresh gave.
#[derive(Debug)]
pub struct Updated {
    /// The root.
    pub root: Root,
    /// Whether the folder had another one, or none.
    pub is_new: bool,
    /// When the repository's timestamp expires.
    pub expires: OffsetDateTime,
}

impl Tuf {
    /// Names a repository: the URL of its metadata (targets are below it, in `targets/`), the bytes of a `root.json` that
    /// came some other, trusted way, and a folder. Never refreshed: [`Tuf::refreshed`] changes that.
    ///
    /// # Errors
    /// When the URL is neither https nor http on loopback.
    pub fn new(
        url: &str,
        root_json: Vec<u8>,
        folder: impl Into<PathBuf>,
    ) -> Result<Self, TufError> {
        let refuse = || TufError::Url {
            url: url.to_owned(),
        };
        // A base without a trailing slash would lose its last segment when names are joined to it.
        let base = format!("{}/", url.trim_end_matches('/'));
        let base = Url::parse(&base).map_err(|_| refuse())?;
        match base.scheme() {
            "https" => {}
            "http" if is_loopback(&base) => {}
            _ => return Err(refuse()),
        }
        Ok(Self {
            url: base,
            anchor: root_json,
            folder: folder.into(),
            refresh: None,
        })
    }

    /// Has the root fetched at start and every `interval`, at least a minute.
    ///
    /// # Errors
    /// When the interval is shorter.
    pub fn refreshed(mut self, interval: Duration) -> Result<Self, TufError> {
        if interval < limits::TUF_SHORTEST {
            return Err(TufError::TooOften {
                seconds: interval.as_secs(),
            });
        }
        self.refresh = Some(interval);
        Ok(self)
    }

    /// Fetches now, whatever the interval, and remembers what came in the folder: a later [`crate::Builder::tuf`] without
    /// an interval reads it there. Opens a socket, the only thing here that does without an interval.
    ///
    /// # Errors
    /// When the repository gives no root that can be trusted; the folder keeps what it had.
    pub async fn update(&self, now: OffsetDateTime) -> Result<Updated, TufError> {
        let before = self.remembered().map(|(root, _)| root.digest());
        let (root, state) = self.fetch(now).await?;
        Ok(Updated {
            is_new: before != Some(root.digest()),
            root,
            expires: state.expires,
        })
    }

    /// The interval; `None` means no socket unless [`Tuf::update`] is called.
    pub(crate) fn interval(&self) -> Option<Duration> {
        self.refresh
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// What the last good refresh left; `None` when there was none.
    pub(crate) fn remembered(&self) -> Option<(Root, State)> {
        let root = crate::file::load(&self.folder.join(TARGET)).ok()?;
        let state = std::fs::read(self.folder.join(STATE)).ok()?;
        Some((root, serde_json::from_slice(&state).ok()?))
    }

    /// Fetches, checks and remembers the root.
    pub(crate) async fn fetch(&self, now: OffsetDateTime) -> Result<(Root, State), TufError> {
        let (json, expires) = tokio::time::timeout(limits::TUF_TIME, self.fetch_target())
            .await
            .map_err(|_| TufError::Time)??;
        let root = Root::parse(&json)?;
        let state = State {
            refreshed: now,
            expires,
        };
        // The root first: an older state beside a newer root only looks staler than it is.
        replace(&self.folder.join(TARGET), &json)?;
        let text = serde_json::to_vec(&state).unwrap_or_default();
        replace(&self.folder.join(STATE), &text)?;
        Ok((root, state))
    }

    /// The bytes of the target, and when the repository's timestamp expires. tough reads the system's clock and
    /// refuses expired metadata.
    async fn fetch_target(&self) -> Result<(Vec<u8>, OffsetDateTime), TufError> {
        let metadata = self.folder.join(METADATA);
        create_private(&metadata)?;
        let targets = self.url.join(TARGETS).map_err(|_| TufError::Url {
            url: self.url.to_string(),
        })?;
        let transport = HttpTransportBuilder::new()
            .timeout(limits::TUF_REQUEST_TIME)
            .build();
        let repository = RepositoryLoader::new(&self.anchor, self.url.clone(), targets)
            .transport(transport)
            .limits(LIMITS)
            .datastore(metadata)
            .expiration_enforcement(ExpirationEnforcement::Safe)
            .load()
            .await
            .map_err(repository_error)?;
        let name = TargetName::new(TARGET).map_err(repository_error)?;
        let target = repository.targets().signed.targets.get(&name);
        let length = target.ok_or(TufError::NoTarget)?.length;
        if usize::try_from(length).map_or(true, |length| length > limits::ROOT_BYTES) {
            return Err(TufError::TooLarge { have: length });
        }
        // Length and digest are those of the signed targets: tough ends the stream with an error otherwise.
        let stream = repository.read_target(&name).await;
        let stream = stream.map_err(repository_error)?;
        let json = stream.ok_or(TufError::NoTarget)?.into_vec().await;
        let json = json.map_err(repository_error)?;
        let expires = repository.timestamp().signed.expires.as_second();
        let expires =
            OffsetDateTime::from_unix_timestamp(expires).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        Ok((json, expires))
    }
}

const LIMITS: Limits = Limits {
    max_root_size: limits::TUF_METADATA_BYTES,
    max_targets_size: limits::TUF_METADATA_BYTES,
    max_timestamp_size: limits::TUF_METADATA_BYTES,
    max_snapshot_size: limits::TUF_METADATA_BYTES,
    max_root_updates: limits::TUF_ROOT_UPDATES,
};

fn repository_error(error: tough::error::Error) -> TufError {
    TufError::Repository(Box::new(error))
}

/// An error with its reasons: tough's own text is often only "failed to fetch".
fn chain(error: &tough::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(reason) = source {
        let reason_text = reason.to_string();
        if !text.contains(&reason_text) {
            text += &format!(": {reason_text}");
        }
        source = reason.source();
    }
    text
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    }
}

fn create_private(folder: &Path) -> Result<(), TufError> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let created = builder.recursive(true).create(folder);
    created.map_err(|source| TufError::Folder {
        path: folder.to_owned(),
        source,
    })
}

/// Replaces a file of the folder, which is the verifier's own: a reader sees the old or the new content.
fn replace(path: &Path, content: &[u8]) -> Result<(), TufError> {
    let temporary = path.with_extension("new");
    std::fs::write(&temporary, content)
        .and_then(|()| std::fs::rename(&temporary, path))
        .map_err(|source| TufError::Folder {
            path: path.to_owned(),
            source,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_comes_over_https_or_loopback() {
        let tuf = |url| Tuf::new(url, Vec::new(), "f");
        assert_eq!(
            tuf("https://tuf.example.com/a").unwrap().url.as_str(),
            "https://tuf.example.com/a/"
        );
        assert!(tuf("http://127.0.0.1:1/").is_ok());
        assert!(tuf("http://[::1]:1").is_ok());
        for url in [
            "http://tuf.example.com",
            "file:///etc",
            "tuf.example.com",
            "",
        ] {
            assert!(matches!(tuf(url), Err(TufError::Url { .. })), "{url}");
        }
    }

    #[test]
    fn a_refresh_every_second_is_refused() {
        let tuf = Tuf::new("https://tuf.example.com", Vec::new(), "f").unwrap();
        assert!(tuf.clone().refreshed(Duration::from_secs(1)).is_err());
        assert!(tuf.refreshed(Duration::from_secs(3600)).is_ok());
    }
}
