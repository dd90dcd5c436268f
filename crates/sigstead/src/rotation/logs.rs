//! The logs that this process has open, each once.

use crate::instance::{Generation, Instance, Kind, Layout, Shard, Signers};
use crate::outward::Outward;
use anyhow::{Result, bail};
use clock::Clock;
use ct::CtLog;
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

/// The shards of both Rekor logs, and the CT logs.
pub(crate) struct Logs {
    opener: Opener,
    layout: Layout,
    signers: Signers,
    host: String,
    open: Mutex<Vec<Opened>>,
}

/// Which logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Rekor,
    Ct,
}

struct Opened {
    of: Family,
    name: String,
    log: Log,
    signer: Signer,
}

impl Logs {
    pub(crate) fn new(instance: &Instance, opener: Opener) -> Result<Self> {
        Ok(Self {
            opener,
            layout: instance.layout.clone(),
            signers: instance.signers.clone(),
            host: instance.public.ct_host()?,
            open: Mutex::default(),
        })
    }

    /// Whether this process has the keys of the Rekor logs.
    pub(crate) fn has_rekor(&self) -> bool {
        self.signers.get(Purpose::RekorV1).is_ok() && self.signers.get(Purpose::RekorV2).is_ok()
    }

    /// Whether this process has the keys of the CT logs.
    pub(crate) fn has_ct(&self) -> bool {
        self.signers.get(Purpose::CtLog).is_ok()
    }

    /// Whether other processes may have the logs open, too.
    pub(crate) fn are_shared(&self) -> bool {
        self.opener.store.is_shared()
    }

    /// Whether a log is there, also one whose key this process does not have.
    pub(crate) async fn exists(&self, name: &str) -> Result<bool> {
        Ok(self.opener.store.head(name).await?.is_some())
    }

    /// The log and the key of a shard. A pending one's log is created when it is not there.
    pub(crate) async fn open(&self, shard: &Shard) -> Result<(Log, Signer)> {
        let (name, origin) = (shard.name(), shard.origin());
        let signer = || self.signer(shard);
        let heads = |signer| shard.head_signer(signer);
        self.open_once(
            Family::Rekor,
            name,
            &origin,
            shard.is_pending,
            signer,
            heads,
        )
        .await
    }

    /// The same for a CT log.
    pub(crate) async fn open_ct(&self, log: &Generation) -> Result<(Log, Signer)> {
        let (name, origin) = (log.name(), log.origin(&self.host));
        let signer = || match log.number {
            1 => self.signers.get(Purpose::CtLog),
            _ => log.load_signer(&self.layout),
        };
        let heads = |signer| CtLog::head_signer_of(&origin, signer);
        self.open_once(Family::Ct, name, &origin, log.is_pending, signer, heads)
            .await
    }

    async fn open_once(
        &self,
        of: Family,
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
            of,
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

    /// Names the first Rekor log, or CT log, that cannot append. Frozen ones need not.
    pub(crate) async fn health(&self, of: Family) -> Result<(), String> {
        for opened in &*self.open.lock().await {
            if opened.of == of && !opened.log.is_frozen() {
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
