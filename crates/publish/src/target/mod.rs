//! Where a tree is written: a folder, a bucket, or memory.

mod address;

pub use address::{TargetError, target, target_with};

use crate::limits::MAX_DETAIL;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    Attributes, Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, UpdateVersion,
};
use std::fmt;
use std::sync::Arc;

/// A place that holds the tree of one log. Cheap to clone; clones of a target in memory share it.
#[derive(Clone, Debug)]
pub struct Target {
    store: Arc<dyn ObjectStore>,
    /// The folder within the store, empty for its root.
    prefix: Path,
    /// Whether objects carry HTTP headers. A folder cannot: there the file server sets them.
    headers: bool,
    name: String,
}

/// Why an object could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// The store did not do it, or cannot say.
    #[error("{target}/{path}: {detail}")]
    Failed {
        /// The target.
        target: String,
        /// Path of the object.
        path: String,
        /// The store's own reason, cut after 400 bytes.
        detail: String,
    },
    /// An object is larger than one of its kind can be; it was not read.
    #[error("{target}/{path} has {have} bytes, at most {limit} are possible")]
    TooLarge {
        /// The target.
        target: String,
        /// Path of the object.
        path: String,
        /// Its length in bytes.
        have: u64,
        /// The limit.
        limit: usize,
    },
}

/// An object with what a later swap compares.
pub(crate) struct Found {
    pub(crate) bytes: Bytes,
    pub(crate) version: UpdateVersion,
}

/// How a conditional put ended.
pub(crate) enum Put {
    /// It is written.
    Done(UpdateVersion),
    /// The condition did not hold.
    Refused,
    /// This store knows no such condition.
    Unknown,
}

impl Target {
    /// Takes any object store as a target, at its root. `name` stands in messages and must hold no secret.
    pub fn over(store: Arc<dyn ObjectStore>, name: &str) -> Self {
        Self {
            store,
            prefix: Path::default(),
            headers: true,
            name: name.to_owned(),
        }
    }

    /// Writes objects without HTTP headers, for a store that refuses them.
    pub fn without_headers(self) -> Self {
        Self {
            headers: false,
            ..self
        }
    }

    /// Reads an object, `None` when it is not there.
    pub(crate) async fn get(&self, path: &str, limit: usize) -> Result<Option<Found>, AccessError> {
        let found = match self.store.get(&self.at(path)).await {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(self.failed(path, &error)),
        };
        let have = found.meta.size;
        if usize::try_from(have).map_or(true, |have| have > limit) {
            return Err(AccessError::TooLarge {
                target: self.name.clone(),
                path: path.to_owned(),
                have,
                limit,
            });
        }
        let version = UpdateVersion {
            e_tag: found.meta.e_tag.clone(),
            version: found.meta.version.clone(),
        };
        let bytes = found.bytes().await;
        let bytes = bytes.map_err(|error| self.failed(path, &error))?;
        Ok(Some(Found { bytes, version }))
    }

    /// Writes an object under a condition.
    pub(crate) async fn put(
        &self,
        path: &str,
        bytes: Bytes,
        headers: Attributes,
        mode: PutMode,
    ) -> Result<Put, AccessError> {
        if let PutMode::Update(UpdateVersion { e_tag: None, .. }) = mode {
            return Ok(Put::Unknown);
        }
        match self.try_put(path, bytes, headers, mode).await {
            Ok(version) => Ok(Put::Done(version)),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(Put::Refused),
            Err(Error::NotImplemented { .. }) => Ok(Put::Unknown),
            Err(error) => Err(self.failed(path, &error)),
        }
    }

    /// Writes an object, whatever is there.
    pub(crate) async fn overwrite(
        &self,
        path: &str,
        bytes: Bytes,
        headers: Attributes,
    ) -> Result<UpdateVersion, AccessError> {
        let put = self.try_put(path, bytes, headers, PutMode::Overwrite);
        put.await.map_err(|error| self.failed(path, &error))
    }

    async fn try_put(
        &self,
        path: &str,
        bytes: Bytes,
        headers: Attributes,
        mode: PutMode,
    ) -> object_store::Result<UpdateVersion> {
        let attributes = match self.headers {
            true => headers,
            false => Attributes::new(),
        };
        let options = PutOptions {
            mode,
            attributes,
            ..PutOptions::default()
        };
        let path = self.at(path);
        let put = self.store.put_opts(&path, bytes.into(), options).await?;
        Ok(UpdateVersion {
            e_tag: put.e_tag,
            version: put.version,
        })
    }

    /// Removes everything below a folder.
    pub(crate) async fn remove_below(&self, folder: &str) -> Result<(), AccessError> {
        let locations = self
            .store
            .list(Some(&self.at(folder)))
            .map_ok(|meta| meta.location)
            .boxed();
        self.store
            .delete_stream(locations)
            .try_for_each(|_| std::future::ready(Ok(())))
            .await
            .map_err(|error| self.failed(folder, &error))
    }

    fn at(&self, path: &str) -> Path {
        // Our own paths have no empty segment and no character that would be encoded.
        self.prefix
            .parts()
            .chain(Path::from(path).parts())
            .collect()
    }

    fn failed(&self, path: &str, error: &Error) -> AccessError {
        let mut detail = error.to_string();
        detail.truncate(detail.floor_char_boundary(MAX_DETAIL));
        AccessError::Failed {
            target: self.name.clone(),
            path: path.to_owned(),
            detail,
        }
    }
}

/// The address as given, without a closing slash.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
