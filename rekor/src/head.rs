//! Tree heads as signed notes: C2SP checkpoints, with the two namings of Rekor v1 and v2.

use keys::Signer;
use note::{Checkpoint, Hint, SignatureLine, SignedNote};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use tlog::SignError;

/// How Go's UnixDate spells a time, as rekor-tiles' `freeze-checkpoint` writes it: `Mon Jan  2 15:04:05 UTC 2006`.
const UNIX_DATE: &[BorrowedFormatItem<'_>] = format_description!(
    "[weekday repr:short] [month repr:short] [day padding:space] [hour]:[minute]:[second] UTC [year]"
);

/// Signs the heads of one log. The log's own signature is the only line, hence the first.
pub(crate) struct NoteSigner {
    /// First line of the note.
    pub(crate) origin: String,
    /// Name in the signature line.
    pub(crate) name: String,
    /// Key hint in the signature line.
    pub(crate) hint: Hint,
    pub(crate) signer: Signer,
    /// Whether the last head of a frozen log says so (v2; v1's checkpoints have no extension lines).
    pub(crate) says_frozen: bool,
}

impl NoteSigner {
    /// C2SP tlog-checkpoint: origin, size, root, extension lines.
    async fn sign(
        &self,
        size: u64,
        root: &merkle::Hash,
        extensions: Vec<String>,
    ) -> Result<bytes::Bytes, SignError> {
        let checkpoint = Checkpoint {
            origin: self.origin.clone(),
            size,
            root: *root,
            extensions,
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

#[async_trait::async_trait]
impl tlog::HeadSigner for NoteSigner {
    async fn sign_head(
        &self,
        size: u64,
        root: &merkle::Hash,
        _time_ms: i64,
    ) -> Result<bytes::Bytes, SignError> {
        self.sign(size, root, Vec::new()).await
    }

    async fn sign_frozen(
        &self,
        size: u64,
        root: &merkle::Hash,
        time_ms: i64,
    ) -> Result<bytes::Bytes, SignError> {
        let line = match self.says_frozen {
            true => Some(frozen_line(time_ms)?),
            false => None,
        };
        self.sign(size, root, line.into_iter().collect()).await
    }
}

/// Spec B.9: the extension line of a frozen v2 log.
fn frozen_line(time_ms: i64) -> Result<String, SignError> {
    let time = OffsetDateTime::from_unix_timestamp(time_ms.div_euclid(1000)).map_err(failed)?;
    let date = time.format(UNIX_DATE).map_err(failed)?;
    Ok(format!("Log frozen — {date}"))
}

fn failed(error: impl std::fmt::Display) -> SignError {
    SignError(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_line_has_the_date_as_go_spells_it() {
        let line = frozen_line(1_136_214_245_999).unwrap();
        assert_eq!(line, "Log frozen — Mon Jan  2 15:04:05 UTC 2006");
    }
}
