//! For tests only: where the vectors are, a PostgreSQL server of the test's own, and forged bundles.
#![allow(clippy::print_stderr)]

pub mod mutants;
mod postgres;

pub use postgres::{Cluster, postgres};

use std::path::{Path, PathBuf};

/// The folder of test vectors: `$SIGSTEAD_VECTORS`, else `../shared/vectors` beside the workspace.
///
/// Returns `None`, and says so loudly, when there is none: the caller then skips.
pub fn vectors(part: &str) -> Option<PathBuf> {
    let root = std::env::var_os("SIGSTEAD_VECTORS")
        .map(PathBuf::from)
        .unwrap_or_else(|| workspace_root().join("../shared/vectors"));
    let path = root.join(part);
    if path.exists() {
        return Some(path);
    }
    eprintln!(
        "SKIPPED: no test vectors at {} (set SIGSTEAD_VECTORS to their folder)",
        path.display()
    );
    None
}

/// The root of this workspace.
pub fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .map(Path::to_path_buf)
        .unwrap_or_else(|| PathBuf::from("."))
}
