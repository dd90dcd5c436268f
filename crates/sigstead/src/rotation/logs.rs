//! The Rekor logs that this process has open, each once.

use crate::instance::{Instance, Kind, Layout, Shard, Signers};
use crate::outward::Outward;
use anyhow::{Result, bail};
use clock::Clock;
use keys::{Purpose, Signer};
use std::sync::Arc;
use tlog::kill::{self, Moment};
use tlog::{FileGuard, HeadSigner, Limits, Log, OpenError, Store};
use tokio::sync::Mutex;

/// Opens logs in one store under one guard.
pub(crate) struct Opener {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) guard: Arc<FileGuard>,
    pub(crate) clock: Clock,
    /// The instance is new: its first logs are made.
    pub(crate) is_new: bool,
    /// Of each log.
    pub(crate) limits: Limits,
    pub(crate) outward: Outward,
}

impl Opener {
    /// Opens a log; one that may be missing is created.
    pub(crate) async fn open(
        &self,
        name: &str,
        origin: &str,
        signer: Arc<dyn HeadSigner>,
        may_be_missing: bool,
    ) -> Result<Log> {
        let witnesses = self.outward.witnesses(name, origin)?;
        let opened = Log::open_witnessed(
            self.store.clone(),
            name,
            signer,
            self.clock.clone(),
            self.limits.clone(),
            self.is_new || may_be_missing,
            self.guard.clone(),
            witnesses,
        );
        let log = opened.await.map_err(|error| match error {
            // These say themselves what to do.
            OpenError::BehindGuard { .. } | OpenError::Guard(_) | OpenError::NotCosigned(_) => {
                error.into()
            }
            error => anyhow::Error::from(error).context(
                "a log that was there before cannot be opened; restore the database from the newest backup. \
                 Starting it anew with the same key would fork it",
            ),
        })?;
        // Nothing was ever appended before the instance was finished.
        if self.is_new && !may_be_missing && log.head().size > 0 {
            bail!(
                "the database has a log {name} of another instance, which this one's key would fork; \
                 give this instance a database of its own"
            );
        }
        self.outward.opened(name, &log).await?;
        Ok(log)
    }
}

/// The engine's own limits. With kill points runs of keys are written and merged within seconds, as they are within hours
/// in an instance that is used.
pub(crate) fn limits() -> Limits {
    let mut limits = Limits::default();
    if cfg!(feature = "kill-points") {
        limits.key_tail = 256;
    }
    limits
}

/// The shards of both Rekor logs.
pub(crate) struct RekorLogs {
    opener: Opener,
    layout: Layout,
    signers: Signers,
    open: Mutex<Vec<Opened>>,
}

struct Opened {
    name: String,
    log: Log,
    signer: Signer,
}

impl RekorLogs {
    pub(crate) fn new(instance: &Instance, opener: Opener) -> Self {
        Self {
            opener,
            layout: instance.layout.clone(),
            signers: instance.signers.clone(),
            open: Mutex::default(),
        }
    }

    /// The log and the key of a shard. A pending one's log is created when it is not there.
    pub(crate) async fn open(&self, shard: &Shard) -> Result<(Log, Signer)> {
        let mut open = self.open.lock().await;
        let name = shard.name();
        if let Some(opened) = open.iter().find(|opened| opened.name == name) {
            return Ok((opened.log.clone(), opened.signer.clone()));
        }
        let signer = self.signer(shard)?;
        let head_signer = shard.head_signer(signer.clone());
        let log = self
            .opener
            .open(&name, &shard.origin(), head_signer, shard.is_pending)
            .await?;
        open.push(Opened {
            name,
            log: log.clone(),
            signer: signer.clone(),
        });
        Ok((log, signer))
    }

    fn signer(&self, shard: &Shard) -> Result<Signer> {
        match (shard.number, shard.kind) {
            (1, Kind::RekorV1) => self.signers.get(Purpose::RekorV1),
            (1, Kind::RekorV2) => self.signers.get(Purpose::RekorV2),
            _ => shard.load_signer(&self.layout),
        }
    }

    /// Opens a log that is no Rekor log.
    pub(crate) async fn open_other(
        &self,
        name: &str,
        origin: &str,
        signer: Arc<dyn HeadSigner>,
    ) -> Result<Log> {
        self.opener.open(name, origin, signer, false).await
    }

    /// Names the first log that cannot append. Frozen ones need not.
    pub(crate) async fn health(&self) -> Result<(), String> {
        for opened in &*self.open.lock().await {
            if !opened.log.is_frozen() {
                let health = opened.log.health().await;
                health.map_err(|error| format!("{}: {error}", opened.name))?;
            }
        }
        Ok(())
    }

    /// Finishes what is in hand and closes the logs, then what they stand on.
    pub(crate) async fn close(&self) {
        use tlog::Guard as _;
        for opened in &*self.open.lock().await {
            opened.log.close().await;
        }
        self.opener.outward.close().await;
        self.opener.guard.close().await;
        // Folds the write-ahead log into the database: after a stop one file is all of it, also for a backup.
        kill::pass(Moment::StoreClose);
        self.opener.store.close().await;
        kill::pass(Moment::StoreClosed);
    }
}
