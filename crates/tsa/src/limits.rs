//! Bounds on what a client may send (invariant 9).

/// The largest request body in bytes: the reference server's own limit (spec/clients.md d.1).
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The largest JSON request in bytes: the reference server's. Reading a decimal nonce takes quadratic time.
pub const MAX_JSON_BYTES: usize = 1024;

/// The longest nonce in bytes. Clients send 8 to 20; a nonce of [`MAX_JSON_BYTES`] decimal digits has 426.
pub const MAX_NONCE_BYTES: usize = 512;

/// The longest certificate chain, leaf and root included. Real ones have two to four.
pub const MAX_CHAIN: usize = 10;
