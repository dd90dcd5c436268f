//! The text formats of add-checkpoint: the request, and the size in a 409. C2SP tlog-witness.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use merkle::Hash;
use note::{Checkpoint, NoteError, SignedNote};

use crate::limits::{MAX_PROOF, MAX_REQUEST_BYTES};

/// Media type of the body of a 409.
pub const SIZE_MEDIA_TYPE: &str = "text/x.tlog.size";

/// A request: "I had `old` leaves when we last met, here is what I have now, and the proof".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size of the checkpoint that the witness cosigned last, as the log believes.
    pub old: u64,
    /// Consistency proof from `old` to the checkpoint's size: at most [`MAX_PROOF`] hashes.
    pub proof: Vec<Hash>,
    /// The checkpoint with its signatures.
    pub note: SignedNote,
    /// The text of the note, parsed.
    pub checkpoint: Checkpoint,
}

/// Why a request is none. Lines are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Too long.
    #[error("the request has {have} bytes, the limit is {MAX_REQUEST_BYTES}")]
    TooLong {
        /// Bytes given.
        have: usize,
    },
    /// Not text.
    #[error("the request is not UTF-8")]
    NotText,
    /// No blank line.
    #[error("the request has no blank line between the proof and the checkpoint")]
    BlankLine,
    /// No size in the first line.
    #[error("the first line must be `old`, one space and a decimal tree size")]
    OldSize,
    /// A line that is no hash.
    #[error("line {line} is not the standard base64 of a 32-byte hash")]
    ProofLine {
        /// Number of the line.
        line: usize,
    },
    /// Too many hashes.
    #[error("the proof has more than {MAX_PROOF} hashes")]
    ProofTooLong,
    /// The checkpoint is none.
    #[error("the checkpoint does not parse: {0}")]
    Checkpoint(#[from] NoteError),
}

impl AddCheckpoint {
    /// Parses the body of a request strictly. Nothing is verified.
    ///
    /// # Errors
    /// When a limit is broken, or the form is not exactly that of the specification.
    pub fn parse(body: &[u8]) -> Result<Self, RequestError> {
        if body.len() > MAX_REQUEST_BYTES {
            return Err(RequestError::TooLong { have: body.len() });
        }
        let text = std::str::from_utf8(body).map_err(|_| RequestError::NotText)?;
        // The first blank line ends the proof; the checkpoint has one of its own.
        let (head, note) = text.split_once("\n\n").ok_or(RequestError::BlankLine)?;
        let mut lines = head.split('\n');
        let old = lines
            .next()
            .and_then(|line| line.strip_prefix("old "))
            .and_then(|size| note::parse_size(size).ok())
            .ok_or(RequestError::OldSize)?;
        let mut proof = Vec::new();
        for (line, number) in lines.zip(2..) {
            if proof.len() == MAX_PROOF {
                return Err(RequestError::ProofTooLong);
            }
            proof.push(parse_hash(line).ok_or(RequestError::ProofLine { line: number })?);
        }
        let note = SignedNote::parse(note)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        Ok(Self {
            old,
            proof,
            note,
            checkpoint,
        })
    }
}

/// Writes the body of a request. `checkpoint` is the signed note.
pub fn encode(old: u64, proof: &[Hash], checkpoint: &str) -> String {
    let mut body = format!("old {old}\n");
    for hash in proof {
        body.push_str(&STANDARD.encode(hash));
        body.push('\n');
    }
    body.push('\n');
    body.push_str(checkpoint);
    body
}

/// Writes the body of a 409.
pub fn encode_size(size: u64) -> String {
    format!("{size}\n")
}

/// Parses the body of a 409: a decimal tree size and LF. `None` when it is anything else.
pub fn parse_size_body(body: &[u8]) -> Option<u64> {
    let line = std::str::from_utf8(body).ok()?.strip_suffix('\n')?;
    note::parse_size(line).ok()
}

fn parse_hash(line: &str) -> Option<Hash> {
    STANDARD.decode(line).ok()?.try_into().ok()
}
