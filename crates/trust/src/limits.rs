//! Limits, each with its reason.

use std::time::Duration;

/// Bytes of a trusted root; the public instance's has 7 KiB.
pub(crate) const ROOT_BYTES: usize = formats::limits::TRUST_BYTES;
/// Bytes of a root's name: it is a metric's label and stands in reports.
pub(crate) const NAME_BYTES: usize = 64;
/// Roots of one verifier: an organization has a handful; each costs a watch and three metrics.
pub(crate) const ROOTS: usize = 64;
/// Between two looks at the files. A look is one `stat` a file.
pub(crate) const FILE_POLL: Duration = Duration::from_secs(1);

/// Bytes of TUF metadata files, one kind each; the public instance's largest has 6 KiB.
pub(crate) const TUF_METADATA_BYTES: u64 = 1 << 20;
/// Versions of root.json that one refresh may walk; the public instance made some 14 in five years.
pub(crate) const TUF_ROOT_UPDATES: u64 = 256;
/// For one refresh, all its requests together.
pub(crate) const TUF_TIME: Duration = Duration::from_secs(60);
/// For one request of a refresh.
pub(crate) const TUF_REQUEST_TIME: Duration = Duration::from_secs(20);
/// Between refreshes at least: a CDN's operator thanks.
pub(crate) const TUF_SHORTEST: Duration = Duration::from_secs(60);
/// After a refresh that failed, when the interval is longer.
pub(crate) const TUF_RETRY: Duration = Duration::from_secs(300);
