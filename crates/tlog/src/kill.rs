//! Named moments around every step of a write, at which a test may end the process.
//!
//! Without the feature `kill-points` passing one does nothing. With it `SIGSTEAD_KILL_POINT=<name>[:<n>]` makes the process
//! send itself SIGKILL the n-th time it passes that moment: no destructor, no flush, no answer. `cargo xtask crash` dies
//! at every one of [`Moment::ALL`], so a moment that is added here is tested from then on.

macro_rules! moments {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// A moment at which the process may be told to die.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Moment {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Moment {
            /// Every moment, in the order in which a life passes them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name in `SIGSTEAD_KILL_POINT`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

moments! {
    /// A new data folder is claimed for a host; it has no key yet.
    FolderClaimed = "folder-claimed",
    /// The keys of a new instance are there, its public halves are not.
    KeysMade = "keys-made",
    /// The public halves of a new instance are there, its logs are not.
    PublicSaved = "public-saved",
    /// The empty head of a new log is signed and not stored.
    LogCreate = "log-create",
    /// A new log is stored and not guarded.
    LogCreated = "log-created",
    /// Every role of a new instance answered; it is not yet marked as complete.
    InstanceFinish = "instance-finish",
    /// A new instance is marked as complete and does not serve yet.
    InstanceFinished = "instance-finished",
    /// A batch is taken from the pool.
    BatchGathered = "batch-gathered",
    /// The head of a batch is signed, nothing of it is sent to the store.
    HeadSigned = "head-signed",
    /// A batch is written in an open transaction; COMMIT is not sent.
    BatchWritten = "batch-written",
    /// A batch is committed; the guard does not know.
    BatchCommitted = "batch-committed",
    /// The guard has recorded a head that nobody was shown.
    HeadGuarded = "head-guarded",
    /// A head is shown to readers; its submissions have no answer.
    HeadPublished = "head-published",
    /// Submissions of a batch are being answered.
    BatchAnswered = "batch-answered",
    /// The lock of the head row is held, after other processes were first too often.
    TurnTaken = "turn-taken",
    /// A run of keys is built and not stored.
    RunPut = "run-put",
    /// A run of keys is written in an open transaction; COMMIT is not sent.
    RunWritten = "run-written",
    /// A run of keys is stored and not used.
    RunStored = "run-stored",
    /// Runs are read and merged in memory; nothing of it is stored.
    MergePut = "merge-put",
    /// The merged run is stored in place of the others and not used.
    MergeStored = "merge-stored",
    /// The guard's newest head goes to a new file that is not there yet.
    GuardWrite = "guard-write",
    /// The guard's new file is whole and not in the old one's place.
    GuardWritten = "guard-written",
    /// The guard's new file is in the old one's place.
    GuardRenamed = "guard-renamed",
    /// SQLite's write-ahead log is about to be copied into the database.
    CheckpointStart = "checkpoint-start",
    /// SQLite's write-ahead log is copied into the database.
    CheckpointDone = "checkpoint-done",
    /// The logs are closed, the store is not.
    StoreClose = "store-close",
    /// The store is closed; the process is about to end.
    StoreClosed = "store-closed",
}

/// Says that the process is at this moment.
#[cfg(not(feature = "kill-points"))]
#[inline(always)]
pub fn pass(_moment: Moment) {}

/// Says that the process is at this moment, and ends it there if it was told to.
#[cfg(feature = "kill-points")]
pub fn pass(moment: Moment) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    static PLAN: LazyLock<Option<(Moment, AtomicU64)>> = LazyLock::new(|| {
        let text = std::env::var("SIGSTEAD_KILL_POINT").ok()?;
        let (name, count) = text.split_once(':').unwrap_or((&text, "1"));
        let moment = Moment::ALL.iter().find(|moment| moment.name() == name);
        match (moment, count.parse()) {
            (Some(moment), Ok(count)) => Some((*moment, AtomicU64::new(count))),
            _ => {
                tracing::error!(text, "SIGSTEAD_KILL_POINT names no moment");
                std::process::exit(2)
            }
        }
    });
    let Some((planned, left)) = &*PLAN else {
        return;
    };
    if *planned == moment && left.fetch_sub(1, Ordering::SeqCst) == 1 {
        // SIGKILL to oneself is delivered before the call returns, to all threads.
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_moment_has_a_name_of_its_own() {
        let names: BTreeSet<_> = Moment::ALL.iter().map(|moment| moment.name()).collect();
        assert_eq!(names.len(), Moment::ALL.len());
    }
}
