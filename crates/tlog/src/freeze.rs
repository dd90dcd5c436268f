//! Freezing: the last head of a log, signed once more, and a mark that no commit of any process gets past.
//!
//! The sequencer does it between two batches, so in one process nothing is ever under way meanwhile. Against other
//! processes the head row is compared and swapped as for a batch, and what a commit can come to holds here as well (see
//! [`crate::sequencer`]): a conflict and an unknown outcome are settled by asking the store again, where a log that is
//! frozen by now, by whomever, is what was wanted.

use crate::edge::{Changes, View};
use crate::sequencer::{LOST_PAUSE, MAX_LOST, PATIENCE, Sequencer, unavailable};
use crate::store::{CommitError, Freeze};
use crate::{AppendError, TreeHead};
use std::sync::Arc;
use std::time::Instant;

impl Sequencer {
    /// Freezes the log when somebody asked for it.
    pub(crate) async fn freeze_if_asked(&mut self) {
        let asked = self.asked.take();
        let Some(reply) = asked.or_else(|| self.freezes.try_recv().ok()) else {
            return;
        };
        let frozen = self.freeze().await;
        // Nobody waits any more: the log is frozen all the same.
        let _ = reply.send(frozen);
    }

    async fn freeze(&mut self) -> Result<Arc<TreeHead>, AppendError> {
        let (since, mut lost) = (Instant::now(), 0);
        loop {
            let (turn, view) = self.start().await?;
            if view.frozen {
                return Ok(view.head.clone());
            }
            let freeze = self.last_head(&view).await?;
            let outcome = match turn {
                Some(turn) => turn.freeze(&freeze).await,
                None => self.reader.store().freeze(&freeze).await,
            };
            match outcome {
                Ok(()) => return self.show_frozen(&view, freeze).await,
                Err(CommitError::Failed(why)) => return Err(unavailable(why)),
                Err(CommitError::Conflict) => self.losses += 1,
                Err(CommitError::Unknown(_)) if lost < MAX_LOST => {
                    lost += 1;
                    tokio::time::sleep(LOST_PAUSE).await;
                }
                Err(CommitError::Unknown(why)) => {
                    self.known = false;
                    return Err(unavailable(why));
                }
            }
            // Invariant 5: the store says what is.
            self.known = false;
            if since.elapsed() > PATIENCE {
                return Err(unavailable("other writers were always first"));
            }
        }
    }

    /// Signs the head that the log has for the last time.
    async fn last_head(&self, view: &View) -> Result<Freeze, AppendError> {
        let (size, root) = (view.head.size, view.head.root);
        let time_ms = self.clock.unix_millis().max(view.head.time_ms);
        let signed = self.signer.sign_frozen(size, &root, time_ms).await;
        let checkpoint = signed.map_err(|error| {
            tracing::error!(log = self.reader.log(), %error, "the last tree head was not signed");
            unavailable(error)
        })?;
        Ok(Freeze {
            log: self.reader.log().to_owned(),
            head: TreeHead {
                size,
                root,
                time_ms,
                checkpoint,
            },
        })
    }

    async fn show_frozen(
        &mut self,
        view: &View,
        freeze: Freeze,
    ) -> Result<Arc<TreeHead>, AppendError> {
        let frozen = View {
            head: Arc::new(freeze.head),
            edge: view.edge.clone(),
            frozen: true,
        };
        let head = frozen.head.clone();
        let shown = self.follower.publish(frozen, Changes::default(), &[]).await;
        if let Err(error) = shown {
            // As for a batch: the next one asks the store first, and so does a second try to freeze.
            self.known = false;
            return Err(unavailable(error));
        }
        self.losses = 0;
        tracing::info!(
            log = self.reader.log(),
            size = head.size,
            "the log is frozen"
        );
        Ok(head)
    }
}
