//! Tree heads as signed notes: C2SP checkpoints, with the two namings of Rekor v1 and v2.

use keys::Signer;
use note::{Checkpoint, Hint, SignatureLine, SignedNote};
use tlog::SignError;

/// Signs the heads of one log. The log's own signature is the only line, hence the first.
pub(crate) struct NoteSigner {
    /// First line of the note.
    pub(crate) origin: String,
    /// Name in the signature line.
    pub(crate) name: String,
    /// Key hint in the signature line.
    pub(crate) hint: Hint,
    pub(crate) signer: Signer,
}

#[async_trait::async_trait]
impl tlog::HeadSigner for NoteSigner {
    async fn sign_head(
        &self,
        size: u64,
        root: &merkle::Hash,
        _time_ms: i64,
    ) -> Result<bytes::Bytes, SignError> {
        // C2SP tlog-checkpoint: origin, size, root; no extension lines.
        let checkpoint = Checkpoint {
            origin: self.origin.clone(),
            size,
            root: *root,
            extensions: Vec::new(),
        };
        let text = checkpoint.to_text();
        // C2SP signed-note: the signature covers the text with its last LF.
        let signature = self.signer.sign(text.as_bytes()).await.map_err(failed)?;
        let line = SignatureLine {
            name: self.name.clone(),
            hint: self.hint,
            signature,
        };
        let note = SignedNote::new(text, vec![line]).map_err(failed)?;
        Ok(note.to_string().into())
    }
}

fn failed(error: impl std::fmt::Display) -> SignError {
    SignError(error.to_string())
}
