//! `--publish`: each log as a tlog-tiles tree below one place, written in the background.

use anyhow::{Context, Result};
use prometheus::Registry;
use publish::{Metrics, Options, Publisher};
use std::sync::Mutex;
use tlog::Log;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Publishes every log that is opened.
pub(crate) struct Publishing {
    /// Address of the place, without a slash at its end.
    base: String,
    registry: Registry,
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Publishing {
    pub(crate) fn new(url: &str, registry: &Registry) -> Self {
        Self {
            base: url.trim_end_matches('/').to_owned(),
            registry: registry.clone(),
            stop: watch::Sender::new(false),
            tasks: Mutex::default(),
        }
    }

    /// Publishes a log below its name, after the place was found to hold nothing else.
    pub(crate) async fn start(&self, name: &str, log: &Log) -> Result<()> {
        let address = format!("{}/{name}", self.base);
        let target = publish::target(&address).context("--publish")?;
        let options = Options {
            metrics: Some(Metrics::register(&self.registry, name)?),
            ..Options::default()
        };
        let publisher = Publisher::new(log.clone(), target, options);
        match publisher.check().await {
            // Only a person can mend it: before the first client comes is the best moment to say so.
            Err(error) if error.is_final() => return Err(error).context("--publish"),
            // It is tried again in the background.
            Err(error) => tracing::warn!(log = name, %error, "the log is not published yet"),
            Ok(_) => {}
        }
        let mut stopped = self.stop.subscribe();
        let name = name.to_owned();
        let task = tokio::spawn(async move {
            let stop = async move {
                // An error says that the other end is gone: a stop as well.
                let _ = stopped.wait_for(|stopped| *stopped).await;
            };
            if let Err(error) = publisher.run(stop).await {
                tracing::error!(log = name, %error, "the log is served and no longer published");
            }
        });
        self.lock().push(task);
        Ok(())
    }

    /// Publishes the last heads; the logs are closed, their store is not.
    pub(crate) async fn close(&self) {
        self.stop.send_replace(true);
        let tasks = std::mem::take(&mut *self.lock());
        for task in tasks {
            // It ended, or was cancelled with the runtime.
            let _ = task.await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.tasks
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
