//! Trusted roots by name: embedded, from a file, from TUF.
//!
//! A verifier knows several roots ([`Roots`]) and is asked by name: [`DEFAULT`], the instance's own; [`SIGSTORE`], the
//! public instance's embedded copy; and whatever its operator adds. Each is a [`Root`]: parsed once, with its digest.
//!
//! Offline is the default. A socket is opened for one kind of root only, TUF with a refresh interval
//! ([`Tuf::refreshed`]); TUF without one reads what an earlier refresh ([`Tuf::update`]) left in its folder. A root that cannot be read
//! anew, from file or from TUF, stays as it was: the last good one answers, and [`Roots::list`], the log and the
//! metrics say that it is stale.
//!
//! ```no_run
//! # async fn example() -> Result<(), trust::BuildError> {
//! use trust::{DEFAULT, Roots};
//!
//! let roots = Roots::builder()
//!     .embedded()
//!     .file(DEFAULT, "trust/trusted_root.json")
//!     .build(clock::Clock::system(), &prometheus::Registry::new())
//!     .await?;
//! let _following = roots.follow(); // changed files are read again, TUF is refreshed, until this is dropped
//! let root = roots.get(DEFAULT);
//! # Ok(())
//! # }
//! ```

mod builder;
mod embedded;
mod file;
mod limits;
mod metrics;
mod root;
mod roots;
mod tuf;

pub use builder::{BuildError, Builder};
pub use embedded::{PUBLIC_GOOD, embedded};
pub use file::LoadError;
pub use root::{Counts, Root, RootError};
pub use roots::{Following, Roots, SourceKind, Status};
pub use tuf::{Tuf, TufError, Updated};

/// The name of the instance's own root, taken when a request names none.
pub const DEFAULT: &str = "default";

/// The name of the public Sigstore instance's embedded root.
pub const SIGSTORE: &str = "sigstore";

/// Says whether `name` can name a root: 1 to 64 ASCII letters, digits, `-`, `_`, `.`.
pub fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=limits::NAME_BYTES).contains(&name.len()) && name.bytes().all(plain)
}
