//! An object store whose n-th put fails, and which counts.

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// What happens to the put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing is stored.
    Lost,
    /// It is stored, and the answer is an error.
    Stored,
}

#[derive(Debug)]
pub(crate) struct Flaky {
    inner: Arc<dyn ObjectStore>,
    fault: Fault,
    at: usize,
    pub(crate) puts: AtomicUsize,
    pub(crate) gets: AtomicUsize,
    /// Every operation fails, as long as this is set.
    pub(crate) down: AtomicBool,
    /// Every put takes a while.
    pub(crate) slow: AtomicBool,
}

impl Flaky {
    /// Fails the put number `at`, from 0, and every one after it: the process is gone.
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, fault: Fault, at: usize) -> Arc<Self> {
        Arc::new(Self {
            inner,
            fault,
            at,
            puts: AtomicUsize::new(0),
            gets: AtomicUsize::new(0),
            down: AtomicBool::new(false),
            slow: AtomicBool::new(false),
        })
    }

    /// Fails nothing.
    pub(crate) fn sound(inner: Arc<dyn ObjectStore>) -> Arc<Self> {
        Self::new(inner, Fault::Lost, usize::MAX)
    }

    fn check_up(&self) -> Result<()> {
        match self.down.load(Ordering::SeqCst) {
            true => Err(broken()),
            false => Ok(()),
        }
    }
}

fn broken() -> Error {
    Error::Generic {
        store: "Flaky",
        source: "connection lost".into(),
    }
}

impl fmt::Display for Flaky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flaky")
    }
}

#[async_trait]
impl ObjectStore for Flaky {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.check_up()?;
        let number = self.puts.fetch_add(1, Ordering::SeqCst);
        if number > self.at || (number == self.at && self.fault == Fault::Lost) {
            return Err(broken());
        }
        if self.slow.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(1000)).await;
        }
        let put = self.inner.put_opts(location, payload, options).await?;
        match number == self.at {
            true => Err(broken()),
            false => Ok(put),
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.check_up()?;
        self.gets.fetch_add(1, Ordering::SeqCst);
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
