//! What a log shows of its committed heads: the newest one, or the newest one that its witnesses cosigned.
//!
//! Witnesses are asked after the commit: one that has seen a head which then got lost would refuse every later one as a
//! fork. While they are asked the next batches are committed; the round after that takes the newest head of them all, so
//! witnesses set the latency of an answer and not the rate of the log.

use crate::edge::View;
use crate::follow::Follower;
use crate::reader::Reader;
use crate::{AppendError, OpenError, ReadError, TreeHead};
use async_trait::async_trait;
use bytes::Bytes;
use merkle::Hash;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// How long an entry, or the opening of a log, waits for witnesses. A client that waited this long is about to give up,
/// and its retry finds the entry.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two rounds that brought no quorum.
const PAUSE: Duration = Duration::from_millis(500);

/// Gets committed heads cosigned before they are shown.
#[async_trait]
pub trait Witnesses: Send + Sync {
    /// Answers the checkpoint of `head` with what signatures it is to be shown with.
    ///
    /// # Errors
    /// Why it may not be shown yet, as a clause. It is asked again, then for the newest head.
    async fn cosign(&self, head: &TreeHead, tree: Tree) -> Result<Bytes, String>;
}

/// The tree of one committed head, to prove consistency from.
#[derive(Clone)]
pub struct Tree {
    reader: Arc<Reader>,
    view: Arc<View>,
}

impl Tree {
    /// Proves that this tree begins with its first `size` leaves; see [`crate::Log::consistency_proof`].
    pub async fn consistency_proof(&self, size: u64) -> Result<Vec<Hash>, ReadError> {
        let own = self.view.head.size;
        self.reader.consistency_proof(&self.view, size, own).await
    }
}

/// The views that readers get.
pub(crate) enum Shown {
    /// What is committed is shown.
    Committed(Arc<Follower>),
    /// What is cosigned is shown.
    Cosigned(Cosigned),
}

pub(crate) struct Cosigned {
    newest: watch::Receiver<Arc<View>>,
    task: AbortHandle,
}

impl Shown {
    /// Shows what the witnesses cosign, once they have cosigned the newest head.
    pub(crate) async fn cosigned(
        follower: Arc<Follower>,
        witnesses: Arc<dyn Witnesses>,
    ) -> Result<Self, OpenError> {
        let mut committed = follower.subscribe();
        let view = committed.borrow_and_update().clone();
        let asking = until_cosigned(follower.reader(), view, &*witnesses);
        let first = tokio::time::timeout(PATIENCE, asking).await;
        let first =
            first.map_err(|_| OpenError::NotCosigned(follower.reader().log().to_owned()))?;
        let (show, newest) = watch::channel(first);
        let reader = follower.reader().clone();
        let task = tokio::spawn(async move {
            // Ends with the log, whose follower holds the other end.
            while committed.changed().await.is_ok() {
                let view = committed.borrow_and_update().clone();
                show_next(&reader, view, &mut committed, &*witnesses, &show).await;
            }
        });
        Ok(Self::Cosigned(Cosigned {
            newest,
            task: task.abort_handle(),
        }))
    }

    /// The newest view that is shown.
    pub(crate) fn view(&self) -> Arc<View> {
        match self {
            Self::Committed(follower) => follower.view(),
            Self::Cosigned(cosigned) => cosigned.newest.borrow().clone(),
        }
    }

    /// A shown view that has the entry, which `committed` has.
    pub(crate) async fn with_entry(
        &self,
        index: u64,
        committed: Arc<View>,
    ) -> Result<Arc<View>, AppendError> {
        let Self::Cosigned(cosigned) = self else {
            return Ok(committed);
        };
        let mut newest = cosigned.newest.clone();
        let shown = newest.wait_for(|view| view.head.size > index);
        match tokio::time::timeout(PATIENCE, shown).await {
            Ok(Ok(view)) => Ok(view.clone()),
            Ok(Err(_)) => Err(AppendError::Closed),
            Err(_) => Err(AppendError::Unavailable(
                "the entry is stored, and its witnesses have not cosigned it; submit it again later".into(),
            )),
        }
    }
}

impl Drop for Cosigned {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Asks until a view is cosigned; a newer one that was committed meanwhile takes its place.
async fn show_next(
    reader: &Arc<Reader>,
    mut view: Arc<View>,
    committed: &mut watch::Receiver<Arc<View>>,
    witnesses: &dyn Witnesses,
    show: &watch::Sender<Arc<View>>,
) {
    loop {
        if let Some(cosigned) = ask(reader, &view, witnesses).await {
            show.send_replace(cosigned);
            return;
        }
        tokio::time::sleep(PAUSE).await;
        view = committed.borrow_and_update().clone();
    }
}

async fn until_cosigned(
    reader: &Arc<Reader>,
    view: Arc<View>,
    witnesses: &dyn Witnesses,
) -> Arc<View> {
    loop {
        match ask(reader, &view, witnesses).await {
            Some(cosigned) => return cosigned,
            None => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn ask(
    reader: &Arc<Reader>,
    view: &Arc<View>,
    witnesses: &dyn Witnesses,
) -> Option<Arc<View>> {
    // The empty tree commits to nothing, and witnesses begin with the first entries.
    if view.head.size == 0 {
        return Some(view.clone());
    }
    let tree = Tree {
        reader: reader.clone(),
        view: view.clone(),
    };
    match witnesses.cosign(&view.head, tree).await {
        Ok(checkpoint) => Some(Arc::new(View {
            head: Arc::new(TreeHead {
                checkpoint,
                ..(*view.head).clone()
            }),
            edge: view.edge.clone(),
            frozen: view.frozen,
        })),
        Err(why) => {
            let (log, size) = (reader.log(), view.head.size);
            tracing::warn!(log, size, why, "a head is committed and not shown");
            None
        }
    }
}
