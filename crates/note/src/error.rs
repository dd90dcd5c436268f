//! Why a note, a checkpoint or a name was refused.

use crate::limits::{
    MAX_EXTENSIONS, MAX_NAME_BYTES, MAX_NOTE_BYTES, MAX_SIGNATURE_BYTES, MAX_SIGNATURES,
    MAX_TEXT_BYTES, MAX_VKEY_BYTES,
};

/// Why a note, a checkpoint or a name was refused. Lines are counted from 1: signature lines from
/// the first below the blank line, extension lines from the first below the root hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The whole note is too long.
    #[error("the note has {have} bytes, the limit is {MAX_NOTE_BYTES}")]
    NoteTooLong {
        /// Bytes given.
        have: usize,
    },
    /// The text is too long.
    #[error("the text of the note has {have} bytes, the limit is {MAX_TEXT_BYTES}")]
    TextTooLong {
        /// Bytes given.
        have: usize,
    },
    /// A control character other than LF; CR LF line ends are the usual cause.
    #[error("the note has the control character 0x{byte:02x} at byte {at}; only LF may be in it")]
    ControlCharacter {
        /// The character.
        byte: u8,
        /// Its offset in bytes.
        at: usize,
    },
    /// The text is empty or does not end with LF.
    #[error("the text of the note must end with a line feed")]
    TextEnd,
    /// No blank line stands between text and signatures.
    #[error("the note has no blank line between its text and its signatures")]
    BlankLine,
    /// No signature line.
    #[error("the note has no signature line")]
    NoSignatures,
    /// More signature lines than a verifier takes.
    #[error("the note has more than {MAX_SIGNATURES} signature lines")]
    TooManySignatures,
    /// The last signature line is cut off.
    #[error("the last signature line must end with a line feed")]
    SignaturesEnd,
    /// A line below the blank line is not `— <name> <base64>`.
    #[error(
        "signature line {line} must be an em dash, a name and base64, with one space between each"
    )]
    SignatureLine {
        /// Number of the line.
        line: usize,
    },
    /// The base64 of a signature line is not canonical standard base64 with padding.
    #[error("signature line {line} has no canonical standard base64")]
    SignatureBase64 {
        /// Number of the line.
        line: usize,
    },
    /// A signature line has no byte after the 4-byte hint.
    #[error("signature line {line} holds no signature after the key hint")]
    SignatureTooShort {
        /// Number of the line.
        line: usize,
    },
    /// A signature is longer than any known algorithm makes it.
    #[error("the signature of line {line} is over the limit of {MAX_SIGNATURE_BYTES} bytes")]
    SignatureTooLong {
        /// Number of the line.
        line: usize,
    },
    /// A key name or an origin is empty.
    #[error("a key name or origin must not be empty")]
    NameEmpty,
    /// A key name is too long.
    #[error("the key name has {have} bytes, the limit is {MAX_NAME_BYTES}")]
    NameTooLong {
        /// Bytes given.
        have: usize,
    },
    /// A key name has a character that would make the line or a verifier key ambiguous.
    #[error("a key name must not hold {character:?}: no white space, control characters or `+`")]
    NameCharacter {
        /// The first such character.
        character: char,
    },
    /// No signature line has the name and hint looked for.
    #[error("the note is not signed by this key: no line has its name and its key hint")]
    NotSignedBy,
    /// A line with the name and hint looked for holds a bad signature.
    #[error("the note has a bad signature by this key")]
    BadSignature,
    /// A checkpoint's text ends before its third line.
    #[error(
        "a checkpoint has an origin, a size and a root line, this one ends after {lines} lines"
    )]
    CheckpointTooShort {
        /// Whole lines found.
        lines: usize,
    },
    /// A checkpoint's second line is not a tree size.
    #[error("the tree size must be a decimal below 2^64 without sign or leading zeros")]
    Size,
    /// A checkpoint's third line is not canonical standard base64 with padding.
    #[error("the root hash is not canonical standard base64")]
    RootBase64,
    /// A checkpoint's root is not a SHA-256 hash.
    #[error("the root hash has {have} bytes, it must have 32")]
    RootLength {
        /// Bytes given.
        have: usize,
    },
    /// A checkpoint has an empty extension line.
    #[error("extension line {line} of the checkpoint is empty")]
    ExtensionEmpty {
        /// Number of the line.
        line: usize,
    },
    /// More extension lines than a reader takes.
    #[error("the checkpoint has more than {MAX_EXTENSIONS} extension lines")]
    TooManyExtensions,
    /// A cosignature is not a time and an Ed25519 signature.
    #[error("the cosignature has {have} bytes, an Ed25519 one with its time has 72")]
    CosignatureLength {
        /// Bytes given.
        have: usize,
    },
    /// A cosignature's time is out of range.
    #[error("the time {time} of the cosignature is above 2^63 - 1")]
    CosignatureTime {
        /// Seconds since the Unix epoch.
        time: u64,
    },
    /// A verifier key is too long.
    #[error("the verifier key has {have} bytes, the limit is {MAX_VKEY_BYTES}")]
    VkeyTooLong {
        /// Bytes given.
        have: usize,
    },
    /// Not a verifier key at all.
    #[error(
        "a verifier key is a name, 8 hexadecimal digits and standard base64, joined by `+`; copy it whole"
    )]
    VkeyForm,
    /// A type of key that is not supported here.
    #[error(
        "the verifier key has type 0x{byte:02x}; supported are 0x01 (Ed25519), 0x02 (ECDSA) and 0x04 (Ed25519 cosignatures)"
    )]
    VkeyType {
        /// The type's byte.
        byte: u8,
    },
    /// The key has not the length of its type.
    #[error("the verifier key holds {have} bytes of key, which its type never has")]
    VkeyLength {
        /// Bytes given.
        have: usize,
    },
    /// Name and key do not give the hint in the middle.
    #[error(
        "the verifier key says {:08x}, its name and key give {:08x}: one of them was changed",
        u32::from_be_bytes(*have),
        u32::from_be_bytes(*want)
    )]
    VkeyHint {
        /// Hint in the text.
        have: [u8; 4],
        /// Hint of name and key.
        want: [u8; 4],
    },
}
