//! Brings a target to a head: what is immutable first, the checkpoint last.

use crate::error::PublishError;
use crate::limits::CONCURRENCY;
use crate::object::{CHECKPOINT, Object, checkpoint_headers};
use crate::plan;
use crate::target::{AccessError, Put, Target};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use merkle::Hash;
use note::limits::MAX_NOTE_BYTES;
use note::{Checkpoint, NoteError, SignedNote};
use object_store::{PutMode, UpdateVersion};
use tlog::{Log, TreeHead};

/// What a target holds: a head of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Number of entries.
    pub size: u64,
    /// Root of the tree of these entries.
    pub root: Hash,
}

/// How far a round of publishing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Tiles and bundles that are there by now.
    pub done: u64,
    /// Tiles and bundles that this round puts in all.
    pub of: u64,
    /// Size of the head that is being published.
    pub size: u64,
}

/// The target's checkpoint as last seen.
#[derive(Clone, Debug)]
pub(crate) struct Position {
    pub(crate) published: Published,
    checkpoint: Bytes,
    version: UpdateVersion,
}

/// Whether an object is likely to be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guess {
    /// Put it, and compare when that is refused.
    Absent,
    /// Get it and compare, and put it when it is not there.
    Present,
}

/// Writes one log to one target.
pub(crate) struct Writer<'a> {
    pub(crate) log: &'a Log,
    pub(crate) target: &'a Target,
}

impl Writer<'_> {
    /// Reads where the target is, and makes sure that it is a head of this log: `None` when nothing is published.
    ///
    /// Compares the right edge's objects with the log's as well, or `all` of them, and puts those that are missing.
    pub(crate) async fn open(&self, all: bool) -> Result<Option<Position>, PublishError> {
        // 1. The target's head before the log's: the log may grow meanwhile, and must not look behind. The store is
        //    asked, because another process may have published what it committed just now.
        let found = self.target.get(CHECKPOINT, MAX_NOTE_BYTES).await;
        let found = found.map_err(|error| self.no_checkpoint(error))?;
        let head = self.log.refresh().await?;
        let ours = parse(&head.checkpoint).map_err(PublishError::OwnCheckpoint)?;
        let Some(found) = found else { return Ok(None) };
        let theirs = parse(&found.bytes).map_err(|reason| PublishError::NoCheckpoint {
            target: self.target.to_string(),
            reason,
        })?;

        // 2. The same log, and a beginning of it.
        if theirs.origin != ours.origin {
            return Err(PublishError::OtherLog {
                target: self.target.to_string(),
                theirs: theirs.origin,
                ours: ours.origin,
            });
        }
        self.check_not_ahead(theirs.size, head.size)?;
        if self.log.root_at(theirs.size).await? != theirs.root {
            return Err(PublishError::Forked {
                target: self.target.to_string(),
                size: theirs.size,
            });
        }

        // 3. What it implies is there, at least where the tree grows on.
        if all {
            let objects = plan::missing(0, theirs.size);
            self.place_all(objects, Guess::Present, |_| ()).await?;
        } else {
            let objects = plan::edge(theirs.size);
            self.place_all(objects, Guess::Present, |_| ()).await?;
        }
        Ok(Some(Position {
            published: Published {
                size: theirs.size,
                root: theirs.root,
            },
            checkpoint: found.bytes,
            version: found.version,
        }))
    }

    /// Publishes a head of the log. At an error the outcome may be unknown: open again before the next try.
    pub(crate) async fn advance(
        &self,
        from: Option<&Position>,
        head: &TreeHead,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<Position, PublishError> {
        let published = from.map_or(0, |position| position.published.size);
        self.check_not_ahead(published, head.size)?;
        // 1. Everything that the checkpoint implies (C2SP tlog-tiles: available before it is).
        let of = plan::count(published, head.size);
        let size = head.size;
        progress(Progress { done: 0, of, size });
        let objects = plan::missing(published, size);
        self.place_all(objects, Guess::Absent, |done| {
            progress(Progress { done, of, size });
        })
        .await?;
        // 2. The commit point.
        let version = self.put_checkpoint(from, &head.checkpoint).await?;
        Ok(Position {
            published: Published {
                size,
                root: head.root,
            },
            checkpoint: head.checkpoint.clone(),
            version,
        })
    }

    async fn place_all(
        &self,
        objects: impl Iterator<Item = Object> + Send,
        guess: Guess,
        mut placed: impl FnMut(u64) + Send,
    ) -> Result<(), PublishError> {
        let mut done = 0;
        stream::iter(objects)
            .map(|object| self.place(object, guess))
            .buffer_unordered(CONCURRENCY)
            .try_for_each(|()| {
                done += 1;
                placed(done);
                std::future::ready(Ok(()))
            })
            .await
    }

    /// Makes sure that an immutable object is there with the log's bytes.
    async fn place(&self, object: Object, guess: Guess) -> Result<(), PublishError> {
        let bytes = object.read(self.log).await?;
        if guess == Guess::Present && self.holds(object, &bytes).await? {
            return Ok(());
        }
        match self.put(object, &bytes, PutMode::Create).await? {
            Put::Done(_) => Ok(()),
            // A store without conditions: look, then write. One process publishes to such a place.
            Put::Unknown => {
                if !self.holds(object, &bytes).await? {
                    let (path, headers) = (object.path(), object.headers());
                    self.target.overwrite(&path, bytes, headers).await?;
                }
                Ok(())
            }
            // An earlier try, cut short or not reported, or another process that publishes the same log.
            Put::Refused if self.holds(object, &bytes).await? => Ok(()),
            Put::Refused => Err(PublishError::Overtaken {
                target: self.target.to_string(),
            }),
        }
    }

    async fn put(&self, object: Object, bytes: &Bytes, mode: PutMode) -> Result<Put, AccessError> {
        self.target
            .put(&object.path(), bytes.clone(), object.headers(), mode)
            .await
    }

    /// Whether the object is there. With other bytes it is an error.
    async fn holds(&self, object: Object, bytes: &Bytes) -> Result<bool, PublishError> {
        let other = || PublishError::OtherBytes {
            target: self.target.to_string(),
            path: object.path(),
        };
        match self.target.get(&object.path(), object.limit()).await {
            Ok(None) => Ok(false),
            Ok(Some(found)) if found.bytes == *bytes => Ok(true),
            Ok(Some(_)) | Err(AccessError::TooLarge { .. }) => Err(other()),
            Err(error) => Err(error.into()),
        }
    }

    /// Swaps the checkpoint, if it is still the one that was read: one that went back would look like a fork.
    async fn put_checkpoint(
        &self,
        from: Option<&Position>,
        checkpoint: &Bytes,
    ) -> Result<UpdateVersion, PublishError> {
        let (bytes, headers) = (checkpoint.clone(), checkpoint_headers());
        let mode = match from {
            None => PutMode::Create,
            Some(position) => PutMode::Update(position.version.clone()),
        };
        let put = self.target.put(CHECKPOINT, bytes, headers, mode).await?;
        if let Put::Done(version) = put {
            return Ok(version);
        }
        let there = self.target.get(CHECKPOINT, MAX_NOTE_BYTES).await?;
        match (put, there) {
            // An earlier request of ours was carried out, and its answer lost.
            (_, Some(there)) if there.bytes == *checkpoint => Ok(there.version),
            // A folder, or a store without conditions: it was compared just now.
            (Put::Unknown, there)
                if there.as_ref().map(|there| &there.bytes)
                    == from.map(|position| &position.checkpoint) =>
            {
                let (bytes, headers) = (checkpoint.clone(), checkpoint_headers());
                Ok(self.target.overwrite(CHECKPOINT, bytes, headers).await?)
            }
            _ => Err(PublishError::Overtaken {
                target: self.target.to_string(),
            }),
        }
    }

    fn check_not_ahead(&self, published: u64, have: u64) -> Result<(), PublishError> {
        if published > have {
            return Err(PublishError::Ahead {
                target: self.target.to_string(),
                published,
                have,
            });
        }
        Ok(())
    }

    fn no_checkpoint(&self, error: AccessError) -> PublishError {
        match error {
            AccessError::TooLarge { have, .. } => PublishError::NoCheckpoint {
                target: self.target.to_string(),
                reason: NoteError::NoteTooLong {
                    have: usize::try_from(have).unwrap_or(usize::MAX),
                },
            },
            error => error.into(),
        }
    }
}

impl Position {
    /// Whether the target has this head, also the same signatures under it.
    pub(crate) fn is_at(&self, head: &TreeHead) -> bool {
        self.checkpoint == head.checkpoint
    }
}

/// Parses a signed checkpoint; its signatures are not checked.
pub(crate) fn parse(note: &[u8]) -> Result<Checkpoint, NoteError> {
    // Not UTF-8: the first thing that parsing would miss is the em dash of a signature line.
    let note = std::str::from_utf8(note).map_err(|_| NoteError::NoSignatures)?;
    Checkpoint::parse(SignedNote::parse(note)?.text())
}
