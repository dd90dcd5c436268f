//! C2SP signed notes, checkpoints and the key IDs in their signature lines. Pure: no cryptography
//! beyond SHA-256, signatures are checked by whoever has the keys.
//!
//! A checkpoint in a signed note, its text (what is signed) ending above the blank line:
//!
//! ```text
//! log.example.com                                  origin
//! 4026479                                          tree size
//! 5iaX4xK6PMnp4ZFTP4iywMcwLgaTjzgRTkrTOUFIrfY=      root hash
//!
//! — log.example.com 09OnDHwVrKeX…                  name, base64 of hint (4 bytes) and signature
//! — witness.example.org Z/euoAAAAAB…
//! ```
//!
//! [`SignedNote`] takes the note apart, [`Checkpoint`] its text, [`key_id_ed25519`] and its
//! neighbors tell whose signature a line is. [`VerifierKey`] is a key as operators exchange it,
//! [`Cosignature`] what a witness adds, [`policy`] whose signatures are enough.

mod checkpoint;
mod cosignature;
mod error;
mod key_id;
pub mod limits;
mod name;
pub mod policy;
mod signed;
mod vkey;

pub use checkpoint::{Checkpoint, parse_size};
pub use cosignature::{Cosignature, cosignature_message};
pub use error::NoteError;
pub use key_id::{
    Hint, KeyId, hint, key_id_cosignature_ed25519, key_id_ecdsa, key_id_ed25519, key_id_rfc6962,
    key_id_rsa,
};
pub use name::check_name;
pub use signed::{SignatureLine, SignedNote, parse_signature_lines};
pub use vkey::{KeyType, Signed, VerifierKey};
