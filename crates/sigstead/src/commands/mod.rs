//! The commands that end by themselves.

pub(crate) mod backup;
pub(crate) mod config;
pub(crate) mod copy;
pub(crate) mod fsck;
pub(crate) mod image;
pub(crate) mod input;
pub(crate) mod migrate;
pub(crate) mod policy;
pub(crate) mod restore;
pub(crate) mod roots;
pub(crate) mod rotate;
pub(crate) mod sign;
pub(crate) mod token;
pub(crate) mod trust;
pub(crate) mod tuf;
pub(crate) mod verify;
pub(crate) mod vsa;
