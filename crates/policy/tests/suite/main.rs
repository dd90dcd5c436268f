//! Policies from outside: guide, schema, real bundles, the command line's texts.
#![allow(clippy::unwrap_used)]

mod bundles;
mod published;
