//! Verifier keys: a public key, its type and its name as one line of text.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cosignature::{Cosignature, cosignature_message};
use crate::key_id::{self, KeyId};
use crate::limits::{MAX_KEY_BYTES, MAX_VKEY_BYTES};
use crate::name::check_name;
use crate::{Hint, NoteError, SignatureLine, SignedNote};

/// RFC 8410 section 4: what stands before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo.
const ED25519_SPKI: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// What kind of signature a key makes. C2SP signed-note, signature types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// 0x01: Ed25519 over the text; a log's.
    Ed25519,
    /// 0x02: ECDSA with SHA-256 over the text, in DER; a log's. The key is a DER SubjectPublicKeyInfo.
    Ecdsa,
    /// 0x04: Ed25519 over time and text (C2SP tlog-cosignature, version 1); a witness's.
    CosignatureEd25519,
}

impl KeyType {
    /// The byte in front of the key.
    pub fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => key_id::ED25519,
            Self::Ecdsa => key_id::ECDSA,
            Self::CosignatureEd25519 => key_id::COSIGNATURE_ED25519,
        }
    }

    fn from_byte(byte: u8) -> Result<Self, NoteError> {
        [Self::Ed25519, Self::Ecdsa, Self::CosignatureEd25519]
            .into_iter()
            .find(|known| known.byte() == byte)
            .ok_or(NoteError::VkeyType { byte })
    }
}

/// A public key with its type and name: the text form `<name>+<hint in hex>+<base64 of type and key>`
/// is what operators of logs and witnesses give each other. C2SP signed-note, verifier keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VerifierKey {
    name: String,
    key_type: KeyType,
    key: Vec<u8>,
}

/// A line of a note that a key did sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Position in [`SignedNote::signatures`], the first such line when there are several.
    pub line: usize,
    /// Seconds since the Unix epoch; `None` for types without a time.
    pub time: Option<u64>,
}

impl VerifierKey {
    /// Names a key: 32 bytes for the Ed25519 types, a DER SubjectPublicKeyInfo for ECDSA (which is
    /// not looked into here).
    ///
    /// # Errors
    /// When the name is none, or the key has a length that its type never has.
    pub fn new(name: &str, key_type: KeyType, key: &[u8]) -> Result<Self, NoteError> {
        check_name(name)?;
        let fits = match key_type {
            KeyType::Ed25519 | KeyType::CosignatureEd25519 => key.len() == 32,
            KeyType::Ecdsa => (1..=MAX_KEY_BYTES).contains(&key.len()),
        };
        if !fits {
            return Err(NoteError::VkeyLength { have: key.len() });
        }
        Ok(Self {
            name: name.to_owned(),
            key_type,
            key: key.to_owned(),
        })
    }

    /// Parses the text form.
    ///
    /// # Errors
    /// When it has another form, a type this crate does not know, or a hint that is not this key's.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        if text.len() > MAX_VKEY_BYTES {
            return Err(NoteError::VkeyTooLong { have: text.len() });
        }
        // A name holds no `+`, base64 may.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(hex), Some(base64)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(NoteError::VkeyForm);
        };
        let claimed = parse_hint(hex).ok_or(NoteError::VkeyForm)?;
        let blob = STANDARD.decode(base64).map_err(|_| NoteError::VkeyForm)?;
        let (kind, key) = blob.split_first().ok_or(NoteError::VkeyForm)?;
        let this = Self::new(name, KeyType::from_byte(*kind)?, key)?;
        // A hint of another name or key is a slip in copying: better found here than at the first note.
        match this.hint() == claimed {
            true => Ok(this),
            false => Err(NoteError::VkeyHint {
                have: claimed,
                want: this.hint(),
            }),
        }
    }

    /// The name: for a log its origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type.
    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// The key as its type encodes it, see [`VerifierKey::new`].
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The key as DER SubjectPublicKeyInfo, which libraries read.
    pub fn spki_der(&self) -> Vec<u8> {
        match self.key_type {
            KeyType::Ecdsa => self.key.clone(),
            KeyType::Ed25519 | KeyType::CosignatureEd25519 => {
                [&ED25519_SPKI, self.key.as_slice()].concat()
            }
        }
    }

    /// The whole key ID.
    pub fn key_id(&self) -> KeyId {
        match self.key_type {
            KeyType::Ecdsa => key_id::key_id_ecdsa(&self.key),
            other => key_id::named(&self.name, other.byte(), &[&self.key]),
        }
    }

    /// The first 4 bytes of the key ID, as in this key's signature lines.
    pub fn hint(&self) -> Hint {
        key_id::hint(&self.key_id())
    }

    /// Makes a signature line of this key: `signature` is what its type puts behind the hint, for a
    /// cosignature [`Cosignature::to_bytes`].
    pub fn line(&self, signature: Vec<u8>) -> SignatureLine {
        SignatureLine {
            name: self.name.clone(),
            hint: self.hint(),
            signature,
        }
    }

    /// Checks the note's signatures by this key, like [`SignedNote::open`], and gives the first one.
    /// `verify` is given what was signed and the bare signature, for this key's algorithm.
    ///
    /// # Errors
    /// `NotSignedBy` when no line has name and hint; when a line has them and does not hold,
    /// `BadSignature` or what is wrong with its form.
    pub fn open(
        &self,
        note: &SignedNote,
        mut verify: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<Signed, NoteError> {
        let hint = self.hint();
        let mut first = None;
        for (line, signature) in note.signatures().iter().enumerate() {
            if signature.name != self.name || signature.hint != hint {
                continue;
            }
            let time = self.check(note.text(), &signature.signature, &mut verify)?;
            first = first.or(Some(Signed { line, time }));
        }
        first.ok_or(NoteError::NotSignedBy)
    }

    fn check(
        &self,
        text: &str,
        signature: &[u8],
        verify: &mut impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<Option<u64>, NoteError> {
        let (holds, time) = match self.key_type {
            KeyType::Ed25519 | KeyType::Ecdsa => (verify(text.as_bytes(), signature), None),
            KeyType::CosignatureEd25519 => {
                let cosignature = Cosignature::parse(signature)?;
                let message = cosignature_message(cosignature.time, text);
                let holds = verify(message.as_bytes(), &cosignature.signature);
                (holds, Some(cosignature.time))
            }
        };
        match holds {
            true => Ok(time),
            false => Err(NoteError::BadSignature),
        }
    }
}

/// Writes the text form.
impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+", self.name)?;
        for byte in self.hint() {
            write!(f, "{byte:02x}")?;
        }
        let blob = [&[self.key_type.byte()], self.key.as_slice()].concat();
        write!(f, "+{}", STANDARD.encode(blob))
    }
}

fn parse_hint(hex: &str) -> Option<Hint> {
    // The number parser would take a sign.
    let plain = hex.len() == 8 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain
        .then(|| u32::from_str_radix(hex, 16).ok())
        .flatten()
        .map(u32::to_be_bytes)
}
