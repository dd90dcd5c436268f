//! Timestamped cosignatures, version 1. C2SP tlog-cosignature.

use crate::NoteError;

/// Bytes of a cosignature: 8 of time, 64 of Ed25519.
const LENGTH: usize = 8 + 64;

/// What a witness of type 0x04 puts behind its hint: "at this time, this was the largest consistent
/// tree I had seen of this log".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cosignature {
    /// Seconds since the Unix epoch, at most 2^63 - 1. Whether it is plausible is for the caller to
    /// judge, who has a clock.
    pub time: u64,
    /// Ed25519 over [`cosignature_message`].
    pub signature: [u8; 64],
}

impl Cosignature {
    /// Parses the signature of a line. It is not verified: see [`crate::VerifierKey::open`].
    ///
    /// # Errors
    /// When it has not 72 bytes, or a time above 2^63 - 1.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        let length = NoteError::CosignatureLength { have: bytes.len() };
        let (time, signature) = bytes.split_first_chunk().ok_or(length)?;
        let signature = signature.try_into().map_err(|_| length)?;
        let time = u64::from_be_bytes(*time);
        if i64::try_from(time).is_err() {
            return Err(NoteError::CosignatureTime { time });
        }
        Ok(Self { time, signature })
    }

    /// Writes what [`Cosignature::parse`] reads.
    pub fn to_bytes(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        let (time, signature) = bytes.split_at_mut(8);
        time.copy_from_slice(&self.time.to_be_bytes());
        signature.copy_from_slice(&self.signature);
        bytes
    }
}

/// Writes the message that a witness signs: header line, time line, and the whole text of the
/// checkpoint with its last LF, extension lines included.
pub fn cosignature_message(time: u64, text: &str) -> String {
    // The header keeps these signatures apart from those of logs over the text alone.
    format!("cosignature/v1\ntime {time}\n{text}")
}
