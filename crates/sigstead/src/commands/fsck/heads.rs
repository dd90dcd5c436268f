//! Verifies the logs' own signatures on their checkpoints, with public keys alone.

use crate::instance::{Generation, PublicHalf, Role, Shard};
use anyhow::Result;
use note::{Checkpoint, Hint, SignedNote};
use pki::key::PublicKey;
use pki::sct::{TLS_SHA256, signature_algorithm, sth_input};
use tlog::TreeHead;
use tlog::fsck::HeadVerifier;

/// How one log signs its heads.
pub(crate) struct Heads {
    /// First line of the note.
    origin: String,
    /// Name and hint of the signature line.
    name: String,
    hint: Hint,
    key: PublicKey,
    form: Form,
}

/// What the signature covers.
enum Form {
    /// C2SP signed-note: the text.
    Note,
    /// C2SP static-ct-api: time and TLS signature of an RFC 6962 tree head (note signature type 0x05).
    Rfc6962,
}

impl Heads {
    /// The logs of an instance by their names in the store.
    pub(crate) fn all(public: &PublicHalf) -> Result<Vec<(String, Self)>> {
        let (mut heads, host) = (Vec::new(), public.ct_host()?);
        for log in public.generations(Role::Ct)? {
            heads.push((log.name(), Self::of_ct(&log, &host)?));
        }
        for shard in public.shards()? {
            heads.push((shard.name(), Self::of(&shard)));
        }
        Ok(heads)
    }

    fn of_ct(log: &Generation, host: &str) -> Result<Self> {
        let (origin, key) = (log.origin(host), log.key()?.clone());
        Ok(Self {
            hint: note::hint(&note::key_id_rfc6962(&origin, &key.key_id())),
            name: origin.clone(),
            origin,
            key,
            form: Form::Rfc6962,
        })
    }

    fn of(shard: &Shard) -> Self {
        Self {
            origin: shard.origin(),
            name: shard.host.clone(),
            hint: note::hint(&shard.log_id()),
            key: shard.key.clone(),
            form: Form::Note,
        }
    }

    /// Opens a checkpoint that somebody was given.
    ///
    /// # Errors
    /// What does not hold, as a clause.
    pub(crate) fn open(&self, checkpoint: &str) -> Result<TreeHead, String> {
        let note = SignedNote::parse(checkpoint).map_err(|error| error.to_string())?;
        let body = Checkpoint::parse(note.text()).map_err(|error| error.to_string())?;
        let mut blobs = note.by(&self.name, self.hint);
        let time = match (&self.form, blobs.next()) {
            (Form::Rfc6962, Some(blob)) => blob.first_chunk::<8>().copied(),
            _ => None,
        };
        let time = time.map(u64::from_be_bytes).unwrap_or_default();
        let head = TreeHead {
            size: body.size,
            root: body.root,
            time_ms: i64::try_from(time).unwrap_or_default(),
            checkpoint: checkpoint.as_bytes().to_vec().into(),
        };
        self.verify_head(&head)?;
        Ok(head)
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key
            .verify(self.key.default_scheme(), message, signature)
            .is_ok()
    }

    /// C2SP static-ct-api, "Checkpoints": uint64 timestamp, then RFC 5246's DigitallySigned.
    fn verify_tree_head(&self, head: &TreeHead, blob: &[u8]) -> Result<(), String> {
        let malformed = || "its signature is no RFC 6962 tree head signature".to_owned();
        let (timestamp, signed) = blob.split_first_chunk::<8>().ok_or_else(malformed)?;
        let (&[hash, algorithm, high, low], signature) =
            signed.split_first_chunk::<4>().ok_or_else(malformed)?;
        let whole = usize::from(u16::from_be_bytes([high, low])) == signature.len();
        if !whole || hash != TLS_SHA256 || Some(algorithm) != signature_algorithm(self.key.kind()) {
            return Err(malformed());
        }
        let timestamp = u64::from_be_bytes(*timestamp);
        if !self.verify(&sth_input(timestamp, head.size, &head.root), signature) {
            return Err(format!("the signature by {} does not verify", self.name));
        }
        if i64::try_from(timestamp) != Ok(head.time_ms) {
            return Err(format!(
                "it was signed for the time {timestamp}, the row has {}",
                head.time_ms
            ));
        }
        Ok(())
    }
}

impl HeadVerifier for Heads {
    fn verify_head(&self, head: &TreeHead) -> Result<(), String> {
        let text = std::str::from_utf8(&head.checkpoint).map_err(|_| "it is no text".to_owned())?;
        let note = SignedNote::parse(text).map_err(|error| error.to_string())?;
        let checkpoint = Checkpoint::parse(note.text()).map_err(|error| error.to_string())?;
        if checkpoint.origin != self.origin {
            return Err(format!(
                "its origin is {:?}, not {:?}",
                checkpoint.origin, self.origin
            ));
        }
        if (checkpoint.size, checkpoint.root) != (head.size, head.root) {
            return Err(format!(
                "it is for a tree of {}, or of another root",
                checkpoint.size
            ));
        }
        let Form::Rfc6962 = self.form else {
            return note
                .open(&self.name, self.hint, |text, signature| {
                    self.verify(text, signature)
                })
                .map_err(|error| error.to_string());
        };
        let mut blobs = note.by(&self.name, self.hint).peekable();
        if blobs.peek().is_none() {
            return Err(format!("no signature is by {}", self.name));
        }
        blobs.try_for_each(|blob| self.verify_tree_head(head, blob))
    }
}
