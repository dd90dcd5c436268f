//! Measurements. Never asserted as absolute times in a test.

pub(crate) mod first_signature;
pub(crate) mod log;
pub(crate) mod start;
pub(crate) mod verify;
