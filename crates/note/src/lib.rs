//! C2SP signed notes, checkpoints and (later) cosignatures. Pure.
#![allow(clippy::todo, missing_docs)]

pub type KeyId = [u8; 32];
pub type Hint = [u8; 4];
/// SHA-256(name LF 0x01 key); first 4 bytes are the hint.
pub fn key_id_ed25519(name: &str, key: &[u8; 32]) -> KeyId { todo!() }
/// SHA-256(DER SPKI).
pub fn key_id_ecdsa(spki_der: &[u8]) -> KeyId { todo!() }
/// SHA-256(name LF 0xff "PKIX-RSA-PKCS#1v1.5" SPKI).
pub fn key_id_rsa(name: &str, spki_der: &[u8]) -> KeyId { todo!() }
/// static-ct-api: SHA-256(name LF 0x05 logID).
pub fn key_id_rfc6962(name: &str, log_id: &[u8; 32]) -> KeyId { todo!() }
pub fn hint(id: &KeyId) -> Hint { [id[0], id[1], id[2], id[3]] }

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureLine { pub name: String, pub hint: Hint, pub signature: Vec<u8> }

/// Text (ends with LF) and its signature lines. Limits: 1 MiB text... see `limits`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedNote { text: String, signatures: Vec<SignatureLine> }
impl SignedNote {
    pub fn new(text: String, signatures: Vec<SignatureLine>) -> Result<Self, NoteError> { todo!() }
    pub fn parse(note: &str) -> Result<Self, NoteError> { todo!() }
    /// What is signed: the text with its last LF, without the blank line.
    pub fn text(&self) -> &str { &self.text }
    pub fn signatures(&self) -> &[SignatureLine] { &self.signatures }
    pub fn push(&mut self, line: SignatureLine) { self.signatures.push(line) }
    /// Signatures by this name and hint.
    pub fn by<'a>(&'a self, name: &'a str, hint: Hint) -> impl Iterator<Item = &'a [u8]> + 'a { self.signatures.iter().filter(move |s| s.name == name && s.hint == hint).map(|s| s.signature.as_slice()) }
}
impl std::fmt::Display for SignedNote { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { todo!() } }
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError { #[error("TODO")] Todo }

/// Checkpoint body: origin, size, root, extension lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint { pub origin: String, pub size: u64, pub root: [u8; 32], pub extensions: Vec<String> }
impl Checkpoint {
    pub fn parse(text: &str) -> Result<Self, NoteError> { todo!() }
    /// The text to sign (ends with LF).
    pub fn to_text(&self) -> String { todo!() }
}
/// Checks an origin: non-empty, no white space, no '+'.  (v1 origins `host - 123` are only for the body, names never.)
pub fn check_name(name: &str) -> Result<(), NoteError> { todo!() }
