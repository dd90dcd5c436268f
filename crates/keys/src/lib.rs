//! Private keys: the only room that may touch them (invariant 8).
//!
//! Everyone else holds a [`Signer`], a handle bound to one [`Purpose`]. Where the key lives is behind
//! [`Backend`]: a PEM file today ([`KeyFolder`]), an HSM or a KMS without a change to the callers.
//! [`authority`] makes the CA and timestamping certificates that such keys sign.

pub mod authority;
mod encrypted;
mod ephemeral;
mod error;
mod folder;
mod purpose;
mod signer;
mod software;

pub use encrypted::{Passphrase, unlock_with};
pub use ephemeral::EphemeralKey;
pub use error::{CertificateRule, KeyError, PemProblem};
pub use folder::{KeyFolder, MAX_KEY_FILE_BYTES};
pub use purpose::{Algorithm, Purpose};
pub use signer::{Backend, Signer};

/// Draws the first random bytes, which cost about 32 ms (jitter entropy); later ones are cheap.
///
/// Call it on a thread of its own at start. A command that only verifies has no need of it.
pub fn warm_randomness() {
    let mut bytes = [0_u8; 32];
    // A failure here would meet the first real use too, and be reported there.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
}
