//! The logs that this process has open, each once.

use crate::instance::{Generation, Instance, Kind, Layout, Shard};
use crate::outward::Outward;
use anyhow::{Result, bail};
use clock::Clock;
use ct::CtLog;
use keys::Signer;
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
            limits(),
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
fn limits() -> Limits {
    let mut limits = Limits::default();
    if cfg!(feature = "kill-points") {
        limits.key_tail = 256;
    }
    limits
}

/// The shards of both Rekor logs, and the CT logs.
pub(crate) struct Logs {
    opener: Opener,
    layout: Layout,
    /// The keys of the first logs: Rekor v1, Rekor v2, CT.
    first: [Signer; 3],
    host: String,
    open: Mutex<Vec<Opened>>,
}

struct Opened {
    name: String,
    log: Log,
    signer: Signer,
}

impl Logs {
    pub(crate) fn new(instance: &Instance, opener: Opener) -> Self {
        Self {
            opener,
            layout: instance.layout.clone(),
            first: [
                instance.signers.rekor_v1.clone(),
                instance.signers.rekor_v2.clone(),
                instance.signers.ct_log.clone(),
            ],
            host: instance.public.host.clone(),
            open: Mutex::default(),
        }
    }

    /// The clock of the logs.
    pub(crate) fn clock(&self) -> &Clock {
        &self.opener.clock
    }

    /// The log and the key of a shard. A pending one's log is created when it is not there.
    pub(crate) async fn open(&self, shard: &Shard) -> Result<(Log, Signer)> {
        let (name, origin) = (shard.name(), shard.origin());
        let signer = || self.signer(shard);
        let heads = |signer| shard.head_signer(signer);
        self.open_once(name, &origin, shard.is_pending, signer, heads)
            .await
    }

    /// The same for a CT log.
    pub(crate) async fn open_ct(&self, log: &Generation) -> Result<(Log, Signer)> {
        let (name, origin) = (log.name(), log.origin(&self.host));
        let [.., first] = &self.first;
        let signer = || match log.number {
            1 => Ok(first.clone()),
            _ => log.load_signer(&self.layout),
        };
        let heads = |signer| CtLog::head_signer_of(&origin, signer);
        self.open_once(name, &origin, log.is_pending, signer, heads)
            .await
    }

    async fn open_once(
        &self,
        name: String,
        origin: &str,
        may_be_missing: bool,
        signer: impl FnOnce() -> Result<Signer>,
        heads: impl FnOnce(Signer) -> Arc<dyn HeadSigner>,
    ) -> Result<(Log, Signer)> {
        let mut open = self.open.lock().await;
        if let Some(opened) = open.iter().find(|opened| opened.name == name) {
            return Ok((opened.log.clone(), opened.signer.clone()));
        }
        let signer = signer()?;
        let heads = heads(signer.clone());
        let opened = self.opener.open(&name, origin, heads, may_be_missing);
        let log = opened.await?;
        open.push(Opened {
            name,
            log: log.clone(),
            signer: signer.clone(),
        });
        Ok((log, signer))
    }

    fn signer(&self, shard: &Shard) -> Result<Signer> {
        let [v1, v2, _] = &self.first;
        match (shard.number, shard.kind) {
            (1, Kind::RekorV1) => Ok(v1.clone()),
            (1, Kind::RekorV2) => Ok(v2.clone()),
            _ => shard.load_signer(&self.layout),
        }
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
