//! What happens to a log's heads outside the process: witnesses cosign them, a static copy follows them.
//!
//! Rekor v1 has neither: its clients refuse a checkpoint with another line than the log's own (spec A.6), and its entries
//! may be larger than an entry bundle can hold.

mod publishing;
mod witnessing;

use crate::cli::OutwardArgs;
use crate::instance::Layout;
use anyhow::{Context, Result};
use clock::Clock;
use prometheus::Registry;
use publishing::Publishing;
use std::sync::Arc;
use tlog::{Log, Witnesses};
use witnessing::Witnessing;

/// What the flags ask for; by default nothing.
#[derive(Default)]
pub(crate) struct Outward {
    witnessing: Option<Witnessing>,
    publishing: Option<Publishing>,
}

impl Outward {
    /// Reads what the flags name, so that its mistakes are told before a log is opened.
    pub(crate) fn new(
        args: &OutwardArgs,
        layout: &Layout,
        clock: &Clock,
        registry: &Registry,
    ) -> Result<Self> {
        let publish = args.publish.as_deref();
        Ok(Self {
            witnessing: Witnessing::new(args, layout, clock, registry)
                .context("--witness-policy")?,
            publishing: publish.map(|url| Publishing::new(url, registry)),
        })
    }

    /// The witnesses of a log whose checkpoints begin with `origin`.
    pub(crate) fn witnesses(&self, name: &str, origin: &str) -> Result<Option<Arc<dyn Witnesses>>> {
        let witnessing = self.witnessing.as_ref().filter(|_| is_outward(name));
        witnessing
            .map(|witnessing| witnessing.of_log(name, origin))
            .transpose()
    }

    /// Begins to publish an open log.
    pub(crate) async fn opened(&self, name: &str, log: &Log) -> Result<()> {
        match &self.publishing {
            Some(publishing) if is_outward(name) => publishing.start(name, log).await,
            _ => Ok(()),
        }
    }

    /// Publishes the last heads; to be called between the closing of the logs and of their store.
    pub(crate) async fn close(&self) {
        if let Some(publishing) = &self.publishing {
            publishing.close().await;
        }
    }
}

fn is_outward(name: &str) -> bool {
    !name.starts_with("rekor-v1")
}
