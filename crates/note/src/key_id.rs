//! Key IDs: which key made a signature line.
//!
//! C2SP signed-note: SHA-256 over name, LF, a type byte and the key. A line carries the first 4
//! bytes, the hint; Rekor v2 uses all 32 as its log ID.

use sha2::{Digest, Sha256};

/// A whole key ID.
pub type KeyId = [u8; 32];

/// The first 4 bytes of a key ID, as in a signature line.
pub type Hint = [u8; 4];

// C2SP signed-note, signature types.
pub(crate) const ED25519: u8 = 0x01;
pub(crate) const ECDSA: u8 = 0x02;
pub(crate) const COSIGNATURE_ED25519: u8 = 0x04;
const RFC6962: u8 = 0x05;
const VENDOR: u8 = 0xff;

/// What follows the vendor byte in the key ID of an RSA log of Rekor v2.
const RSA_TAG: &[u8] = b"PKIX-RSA-PKCS#1v1.5";

/// Computes the ID of an Ed25519 key (type 0x01): SHA-256(name ‖ LF ‖ 0x01 ‖ 32-byte key).
pub fn key_id_ed25519(name: &str, key: &[u8; 32]) -> KeyId {
    named(name, ED25519, &[key])
}

/// Computes the ID of an ECDSA key: SHA-256 of its DER SubjectPublicKeyInfo. The name is not in it,
/// so the ID is the same as a Rekor v1 log ID. (Rekor v1 uses this rule for every type of key.)
pub fn key_id_ecdsa(spki_der: &[u8]) -> KeyId {
    Sha256::digest(spki_der).into()
}

/// Computes the ID of an RSA key as Rekor v2 does: SHA-256(name ‖ LF ‖ 0xff ‖
/// `PKIX-RSA-PKCS#1v1.5` ‖ DER SubjectPublicKeyInfo).
pub fn key_id_rsa(name: &str, spki_der: &[u8]) -> KeyId {
    named(name, VENDOR, &[RSA_TAG, spki_der])
}

/// Computes the ID of a certificate-transparency log that signs RFC 6962 tree heads (type 0x05):
/// SHA-256(name ‖ LF ‖ 0x05 ‖ log ID). C2SP static-ct-api.
pub fn key_id_rfc6962(name: &str, log_id: &[u8; 32]) -> KeyId {
    named(name, RFC6962, &[log_id])
}

/// Computes the ID of a witness's Ed25519 key for timestamped cosignatures (type 0x04):
/// SHA-256(name ‖ LF ‖ 0x04 ‖ 32-byte key). C2SP tlog-cosignature, version 1.
pub fn key_id_cosignature_ed25519(name: &str, key: &[u8; 32]) -> KeyId {
    named(name, COSIGNATURE_ED25519, &[key])
}

/// Takes the hint from a key ID: its first 4 bytes.
pub fn hint(id: &KeyId) -> Hint {
    [id[0], id[1], id[2], id[3]]
}

pub(crate) fn named(name: &str, kind: u8, parts: &[&[u8]]) -> KeyId {
    let mut hasher = Sha256::new();
    hasher.update(name);
    hasher.update([b'\n', kind]);
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}
