//! Removing partial tiles and bundles once the full ones are published.
//!
//! On by default. A log that gets an entry now and then publishes a partial bundle for each of them: 255 of them, of 128
//! entries on average, beside a full one of 256. Kept, they take about 128 times the space of the tree itself.
//! C2SP tlog-tiles allows the removal; readers fall back to the full tile.

use crate::limits::{GRACE, MAX_WAITING};
use crate::object::Object;
use crate::plan;
use crate::target::{AccessError, Target};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// What becomes of partial tiles and bundles when the full ones are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partials {
    /// They stay: for a store that refuses removal, or a key that may only write.
    Keep,
    /// They are removed after this time, in which readers of an older checkpoint may still ask for them.
    RemoveAfter(Duration),
}

impl Default for Partials {
    fn default() -> Self {
        Self::RemoveAfter(GRACE)
    }
}

/// What waits for its removal. It is not written down: a stop leaves behind at most what was waiting, and
/// [`Waiting::start`] finds again what a slow log leaves.
pub(crate) struct Waiting {
    rule: Partials,
    queue: VecDeque<(Instant, Object)>,
}

impl Waiting {
    pub(crate) fn new(rule: Partials) -> Self {
        Self {
            rule,
            queue: VecDeque::new(),
        }
    }

    /// Takes note of the tiles beside the right edge: the ones whose removal the last process may not have lived to see.
    pub(crate) fn start(&mut self, size: u64) {
        let left = plan::edge(size).filter_map(|object| {
            let index = match object.width {
                merkle::tile::WIDTH => object.index,
                _ => object.index.checked_sub(1)?,
            };
            Some(Object { index, ..object })
        });
        self.push(left);
    }

    /// Takes note of what a new head, which is published by now, made superfluous.
    pub(crate) fn advanced(&mut self, from: u64, size: u64) {
        self.push(plan::completed(from, size));
    }

    fn push(&mut self, objects: impl Iterator<Item = Object>) {
        let Partials::RemoveAfter(grace) = self.rule else {
            return;
        };
        let due = Instant::now() + grace;
        for object in objects {
            if self.queue.len() < MAX_WAITING {
                self.queue.push_back((due, object));
            }
        }
    }

    /// Removes what is due. What fails stays on the target, and is not tried again: it does no harm.
    pub(crate) async fn sweep(&mut self, target: &Target) -> Result<(), AccessError> {
        while self
            .queue
            .front()
            .is_some_and(|(due, _)| *due <= Instant::now())
            && let Some((_, object)) = self.queue.pop_front()
        {
            target
                .remove_below(&format!("{}.p", object.full().path()))
                .await?;
        }
        Ok(())
    }
}
