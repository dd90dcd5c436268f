//! Collects named roots and reads each once.

use crate::embedded::embedded;
use crate::file::{self, LoadError, Stamp};
use crate::metrics::Metrics;
use crate::root::{Root, RootError};
use crate::roots::{Entry, Loaded, Roots, Source};
use crate::tuf::{Tuf, TufError};
use crate::{SIGSTORE, is_name, limits};
use clock::Clock;
use prometheus::Registry;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Why roots could not be taken into use.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A name that is none.
    #[error(
        "{name:?} cannot name a trusted root: 1 to {} letters, digits, '-', '_', '.'",
        limits::NAME_BYTES
    )]
    Name {
        /// The name given.
        name: String,
    },
    /// One name for two roots.
    #[error("there are two trusted roots named {name}: names must differ")]
    Twice {
        /// The name.
        name: String,
    },
    /// More roots than a verifier takes.
    #[error("{have} trusted roots are too many: at most {}", limits::ROOTS)]
    TooMany {
        /// Roots given.
        have: usize,
    },
    /// A file gave none.
    #[error("trusted root {name}: {source}")]
    File {
        /// The root's name.
        name: String,
        /// Why not.
        source: LoadError,
    },
    /// A TUF repository gave none, and there is no earlier one.
    #[error("trusted root {name}: {source}; no earlier copy is in its folder")]
    Tuf {
        /// The root's name.
        name: String,
        /// Why not.
        source: TufError,
    },
    /// A TUF repository that is never refreshed has nothing in its folder.
    #[error(
        "trusted root {name}: its folder holds no copy, and without an interval none is fetched; run `sigstead trust update`, \
         set refresh = \"1d\", or copy the folder from where it is refreshed"
    )]
    Offline {
        /// The root's name.
        name: String,
    },
    /// Given bytes are no root.
    #[error("trusted root {name}: {source}")]
    Given {
        /// The root's name.
        name: String,
        /// What is wrong with it.
        source: RootError,
    },
    /// Metrics of that name are there already.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Roots in the making. Each name once.
#[derive(Debug, Default)]
pub struct Builder {
    specs: Vec<(String, Spec)>,
}

#[derive(Debug)]
enum Spec {
    Embedded,
    /// With the bytes to begin with, for a file that is not written yet.
    File(PathBuf, Option<Vec<u8>>),
    Tuf(Tuf),
}

impl Builder {
    /// Adds the public instance's embedded root as [`SIGSTORE`].
    pub fn embedded(self) -> Self {
        self.embedded_as(SIGSTORE)
    }

    /// Adds the public instance's embedded root under another name.
    pub fn embedded_as(self, name: &str) -> Self {
        self.with(name, Spec::Embedded)
    }

    /// Adds a root from a file, which is read again when it changes.
    pub fn file(self, name: &str, path: impl Into<PathBuf>) -> Self {
        self.with(name, Spec::File(path.into(), None))
    }

    /// Adds a root whose file is not there yet, or about to be replaced: `first` answers until it is read, a second after
    /// [`Roots::follow`] at the earliest.
    pub fn file_beginning_with(
        self,
        name: &str,
        path: impl Into<PathBuf>,
        first: impl Into<Vec<u8>>,
    ) -> Self {
        self.with(name, Spec::File(path.into(), Some(first.into())))
    }

    /// Adds a root from a TUF repository.
    pub fn tuf(self, name: &str, tuf: Tuf) -> Self {
        self.with(name, Spec::Tuf(tuf))
    }

    /// Whether a root of that name was added.
    pub fn has(&self, name: &str) -> bool {
        self.specs.iter().any(|(known, _)| known == name)
    }

    fn with(mut self, name: &str, spec: Spec) -> Self {
        self.specs.push((name.to_owned(), spec));
        self
    }

    /// Reads every root once; a TUF repository with an interval is refreshed, which opens a socket.
    ///
    /// # Errors
    /// With the first root that could not be had. A refresh that fails is none while its folder has an earlier copy.
    pub async fn build(self, clock: Clock, registry: &Registry) -> Result<Roots, BuildError> {
        if self.specs.len() > limits::ROOTS {
            return Err(BuildError::TooMany {
                have: self.specs.len(),
            });
        }
        let metrics = Metrics::register(registry)?;
        let mut entries = BTreeMap::new();
        for (name, spec) in self.specs {
            if !is_name(&name) {
                return Err(BuildError::Name { name });
            }
            if entries.contains_key(&name) {
                return Err(BuildError::Twice { name });
            }
            let (source, loaded) = load(&name, spec, &clock).await?;
            match &loaded.problem {
                None => metrics.good(&name, loaded.at.unix_timestamp()),
                Some(problem) => {
                    tracing::warn!(root = %name, %problem, "the last good trusted root answers");
                    metrics.failed(&name);
                }
            }
            entries.insert(name, Entry::new(source, loaded));
        }
        Ok(Roots::new(entries, clock, metrics))
    }
}

async fn load(name: &str, spec: Spec, clock: &Clock) -> Result<(Source, Loaded), BuildError> {
    let now = clock.now();
    let name = || name.to_owned();
    Ok(match spec {
        Spec::Embedded => {
            let root = embedded().map_err(|source| BuildError::Given {
                name: name(),
                source,
            })?;
            (Source::Embedded, Loaded::new(root, now))
        }
        Spec::File(path, first) => {
            let (root, stamp) = match first {
                // The first look at the file will find a change.
                Some(json) => (given(&name(), &json)?, None),
                None => {
                    let stamp = Stamp::of(&path);
                    let root = file::load(&path).map_err(|source| BuildError::File {
                        name: name(),
                        source,
                    })?;
                    (root, stamp)
                }
            };
            let mut loaded = Loaded::new(root, now);
            loaded.stamp = stamp;
            (Source::File(path), loaded)
        }
        Spec::Tuf(tuf) => {
            let loaded = load_tuf(&name(), &tuf, clock).await?;
            (Source::Tuf(tuf), loaded)
        }
    })
}

fn given(name: &str, json: &[u8]) -> Result<Root, BuildError> {
    Root::parse(json).map_err(|source| BuildError::Given {
        name: name.to_owned(),
        source,
    })
}

async fn load_tuf(name: &str, tuf: &Tuf, clock: &Clock) -> Result<Loaded, BuildError> {
    let remembered = tuf.remembered();
    // No interval, no socket: not even for a first copy.
    if tuf.interval().is_none() {
        let (root, state) = remembered.ok_or_else(|| BuildError::Offline {
            name: name.to_owned(),
        })?;
        return Ok(Loaded::from_tuf(root, state));
    }
    match (tuf.fetch(clock.now()).await, remembered) {
        (Ok((root, state)), _) => Ok(Loaded::from_tuf(root, state)),
        (Err(error), Some((root, state))) => {
            let mut loaded = Loaded::from_tuf(root, state);
            loaded.problem = Some(error.to_string());
            Ok(loaded)
        }
        (Err(source), None) => Err(BuildError::Tuf {
            name: name.to_owned(),
            source,
        }),
    }
}
