//! The narrow store boundary (head, commit, tile, entries, find). Owned by the tlog room.
#![allow(clippy::todo, missing_docs)]
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError { #[error("TODO")] Todo }
#[async_trait::async_trait]
pub trait Store: Send + Sync { }
/// Opens (and migrates) an SQLite database file; refuses when another process holds it.
pub async fn sqlite(path: &std::path::Path) -> Result<std::sync::Arc<dyn Store>, StoreError> { todo!() }
/// A store in memory, for tests.
pub fn memory() -> std::sync::Arc<dyn Store> { todo!() }
