//! The task that follows a log, and the single run for a command.

use crate::error::PublishError;
use crate::limits::{FIRST_RETRY, INTERVAL, LAST_RETRY, LAST_WORD};
use crate::metrics::Metrics;
use crate::partials::{Partials, Waiting};
use crate::target::Target;
use crate::writer::{Position, Progress, Published, Writer};
use futures::FutureExt;
use std::pin::pin;
use std::time::Duration;
use tlog::Log;
use tokio::time::sleep;

/// How a log is published.
#[derive(Clone, Debug)]
pub struct Options {
    /// Time between two looks at the log's head, 1 s by default. Heads in between are not published.
    pub interval: Duration,
    /// What becomes of partial tiles and bundles: removed ten minutes after the full ones are there.
    pub partials: Partials,
    /// Whether every object that is there is compared with the log's first, and put when it is missing; by default only
    /// the right edge is. It takes one read of the whole target.
    pub recheck: bool,
    /// Where to count.
    pub metrics: Option<Metrics>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            interval: INTERVAL,
            partials: Partials::default(),
            recheck: false,
            metrics: None,
        }
    }
}

/// Follows a log and keeps a target at its head. May be stopped, dropped or killed at any time.
pub struct Publisher {
    log: Log,
    target: Target,
    options: Options,
}

impl Publisher {
    /// Makes a publisher; nothing is read or written before [`Publisher::run`].
    pub fn new(log: Log, target: Target, options: Options) -> Self {
        Self {
            log,
            target,
            options,
        }
    }

    /// Checks that the target can be read and holds nothing, or a beginning of this log; for a start that wants to be
    /// refused early. Gives what is published.
    ///
    /// # Errors
    /// As [`Publisher::run`], and when the target or the log cannot be read.
    pub async fn check(&self) -> Result<Option<Published>, PublishError> {
        let (log, target) = (&self.log, &self.target);
        let position = Writer { log, target }.open(false).await?;
        Ok(position.map(|position| position.published))
    }

    /// Publishes until `shutdown` is ready, then once more, for five seconds at most. Close the log before that and its
    /// store after it, and the target has the last head.
    ///
    /// Failures are retried with growing waits, up to a minute, and logged when they begin and when they end.
    ///
    /// # Errors
    /// When only a person can mend it ([`PublishError::is_final`]): the target belongs to another log, is ahead of this
    /// one or has another tree, or holds other bytes. Serving the log may go on, publishing must not.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), PublishError> {
        let shutdown = shutdown.shared();
        let mut too_late = pin!(shutdown.clone().then(|()| sleep(LAST_WORD)));
        let mut follower = Follower::new(&self);
        loop {
            // A step that began before the stop may have missed the last head: another one follows.
            let last = shutdown.peek().is_some();
            // A put in flight is never dropped to start another: the older checkpoint could land last.
            let outcome = tokio::select! {
                outcome = follower.step() => outcome,
                () = &mut too_late => return Ok(()),
            };
            let wait = follower.settle(outcome)?;
            if last {
                return Ok(());
            }
            tokio::select! {
                () = shutdown.clone() => {}
                () = sleep(wait) => {}
            }
        }
    }
}

/// Publishes the head that the log has now, for a command. Safe to break off and to run again; gives what is published.
/// `progress` is called at the start and after each object. Partial tiles are left where they are.
///
/// # Errors
/// As [`Publisher::run`], and when the target or the log cannot be read or written: nothing is retried.
pub async fn publish_once(
    log: &Log,
    target: &Target,
    options: &Options,
    progress: impl FnMut(Progress) + Send,
) -> Result<Published, PublishError> {
    let writer = Writer { log, target };
    let position = writer.open(options.recheck).await?;
    let head = log.head();
    match position {
        Some(position) if position.is_at(&head) => Ok(position.published),
        from => {
            let position = writer.advance(from.as_ref(), &head, progress).await?;
            Ok(position.published)
        }
    }
}

/// What was last said about a publisher.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Starting,
    Following,
    Failing,
}

/// The state of a running publisher.
struct Follower<'a> {
    writer: Writer<'a>,
    options: &'a Options,
    /// `None` when it is not known: at the start, and after every error (its outcome may be unknown).
    position: Option<Option<Position>>,
    waiting: Waiting,
    /// Whether the target was once seen to belong to this log.
    accepted: bool,
    state: State,
    retry: Duration,
}

impl<'a> Follower<'a> {
    fn new(publisher: &'a Publisher) -> Self {
        let Publisher {
            log,
            target,
            options,
        } = publisher;
        Self {
            writer: Writer { log, target },
            options,
            position: None,
            waiting: Waiting::new(options.partials),
            accepted: false,
            state: State::Starting,
            retry: FIRST_RETRY,
        }
    }

    /// Brings the target to the log's head, if it is not there.
    async fn step(&mut self) -> Result<(), PublishError> {
        let from = match self.position.take() {
            Some(position) => position,
            None => self.open().await?,
        };
        let head = self.writer.log.head();
        let published = from.as_ref().map_or(0, |position| position.published.size);
        self.count(published);
        let position = match from {
            Some(position) if position.is_at(&head) => position,
            from => {
                let advanced = self.writer.advance(from.as_ref(), &head, |_| ());
                let position = advanced.await?;
                self.waiting.advanced(published, position.published.size);
                position
            }
        };
        self.count(position.published.size);
        self.position = Some(Some(position));
        self.sweep().await;
        Ok(())
    }

    async fn open(&mut self) -> Result<Option<Position>, PublishError> {
        let all = self.options.recheck && !self.accepted;
        let position = self.writer.open(all).await?;
        if !self.accepted
            && let Some(position) = &position
        {
            self.waiting.start(position.published.size);
        }
        self.accepted = true;
        Ok(position)
    }

    /// Removes partial tiles that are due. No failure of publishing: readers miss nothing.
    async fn sweep(&mut self) {
        let target = self.writer.target;
        if let Err(error) = self.waiting.sweep(target).await {
            tracing::warn!(%target, %error, "partial tiles are left on the target: they can only be kept, not removed");
            self.waiting = Waiting::new(Partials::Keep);
        }
    }

    /// Says what changed, and how long to wait before the next step.
    fn settle(&mut self, outcome: Result<(), PublishError>) -> Result<Duration, PublishError> {
        let (log, target) = (self.writer.log.name(), self.writer.target);
        let error = match outcome {
            Ok(()) => {
                match self.state {
                    State::Starting => {
                        tracing::info!(log, %target, "the log is published for static reading")
                    }
                    State::Failing => {
                        tracing::info!(log, %target, "static reading is up to date again")
                    }
                    State::Following => {}
                }
                self.state = State::Following;
                self.retry = FIRST_RETRY;
                return Ok(self.options.interval);
            }
            Err(error) => error,
        };
        if let Some(metrics) = &self.options.metrics {
            metrics.failures.inc();
        }
        // Later on, a target that is ahead is another process's work: our view of the log will follow.
        let catching_up = self.accepted && matches!(error, PublishError::Ahead { .. });
        if error.is_final() && !catching_up {
            return Err(error);
        }
        // Two processes that take turns are no failure.
        if self.state != State::Failing && !matches!(error, PublishError::Overtaken { .. }) {
            tracing::warn!(log, %target, %error, "static reading falls behind: trying again");
            self.state = State::Failing;
        }
        let wait = self.retry;
        self.retry = LAST_RETRY.min(self.retry * 2);
        Ok(wait)
    }

    fn count(&self, published: u64) {
        if let Some(metrics) = &self.options.metrics {
            metrics.at(published, self.writer.log.head().size);
        }
    }
}
