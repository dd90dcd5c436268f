//! A TUF repository: the trust files of an instance, so that clients follow its keys by themselves.
//!
//! The Update Framework gives each file a signature, a version and an end of life, and lets a client walk from the root
//! that it was given once to the newest one. This crate writes such a repository with `tough`'s types and canonical JSON,
//! keeps it fresh, and moves its keys:
//!
//! - [`Repository::publish`] makes the repository or gives it new contents,
//! - [`Repository::refresh`] signs anew what has lived half of its life (see [`life`]); [`keep_fresh`] does it on a timer,
//! - [`Repository::rotate`] exchanges keys that are at hand, a [`Draft`] passes a root around among the holders of keys,
//! - [`router`] serves it, [`Repository::status`] shows it.
//!
//! # Who may write
//!
//! Where the files are is behind [`Store`]: a [`Folder`] for one machine, a [`SharedStore`] in PostgreSQL for several. A
//! writer holds the store's lock from its first look to its last write: a file lock, or a lock in the database that ends
//! with the transaction. So a version is never published twice with different content.
//!
//! # Killed anywhere
//!
//! What is written first is named by nothing yet: contents, `N.targets.json`, `N.snapshot.json`. `timestamp.json` is
//! replaced in one step, and now all of it is in force. A new root comes last, and everything else is then signed by the
//! keys of both roots: whichever root a client knows, the repository holds.

mod ceremony;
mod contents;
mod error;
mod job;
pub mod life;
mod metrics;
mod name;
mod repository;
mod roots;
mod serve;
mod signing;
mod state;
mod status;
mod store;

pub use ceremony::{Draft, Holders, MAX_DRAFT_BYTES, MAX_HOLDERS};
pub use contents::Content;
pub use error::TufError;
pub use job::{PERIOD, keep_fresh};
pub use metrics::Metrics;
pub use name::FileName;
pub use repository::{Done, Exchange, Options, Repository};
pub use serve::router;
pub use signing::KeyFiles;
pub use status::{KeyStatus, RoleStatus, Status};
pub use store::{Folder, MAX_FILE_BYTES, Session, SharedStore, Store};
