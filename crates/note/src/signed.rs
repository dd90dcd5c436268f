//! The note: text, blank line, signature lines.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::limits::{MAX_NOTE_BYTES, MAX_SIGNATURE_BYTES, MAX_SIGNATURES, MAX_TEXT_BYTES};
use crate::name::{check_characters, check_name};
use crate::{Hint, NoteError};

/// What a signature line starts with: an em dash (U+2014) and a space.
const DASH: &str = "— ";

/// A signature line: whose it claims to be, and the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureLine {
    /// Name of the key.
    pub name: String,
    /// First 4 bytes of the key ID.
    pub hint: Hint,
    /// The signature without the hint: 1 byte to 8 KiB, its format decided by the type of the key.
    pub signature: Vec<u8>,
}

/// A signed note: a text that ends with LF and 1 to 64 signature lines in their order. Every value
/// of this type can be written and parsed back. C2SP signed-note; sizes see [`crate::limits`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<SignatureLine>,
}

impl SignedNote {
    /// Makes a note of a text and its signatures. The log's own line comes first, cosignatures
    /// after it: some clients look at the first line alone.
    ///
    /// # Errors
    /// When the text does not end with LF, text or lines break a limit or hold a character that
    /// notes do not allow, or there is no line.
    pub fn new(text: String, signatures: Vec<SignatureLine>) -> Result<Self, NoteError> {
        check_text(&text)?;
        if signatures.is_empty() {
            return Err(NoteError::NoSignatures);
        }
        let mut note = Self {
            text,
            signatures: Vec::with_capacity(signatures.len()),
        };
        for line in signatures {
            note.push(line)?;
        }
        Ok(note)
    }

    /// Parses a note strictly. Signatures are not checked: see [`SignedNote::open`].
    ///
    /// # Errors
    /// When a limit is broken or the form is not exactly that of the specification.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > MAX_NOTE_BYTES {
            return Err(NoteError::NoteTooLong { have: note.len() });
        }
        check_characters(note)?;

        // The signatures stand below the last blank line; the text may hold others.
        let blank = note.rfind("\n\n").ok_or(NoteError::BlankLine)?;
        let (text, lines) = (&note[..=blank], &note[blank + 2..]);
        check_text(text)?;
        Ok(Self {
            text: text.to_owned(),
            signatures: parse_lines(lines)?,
        })
    }

    /// Gives what is signed: the text with its last LF, without the blank line.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Gives the signature lines in their order.
    pub fn signatures(&self) -> &[SignatureLine] {
        &self.signatures
    }

    /// Adds a signature line below the others.
    ///
    /// # Errors
    /// When the note has its full number of lines, or the line breaks a limit or has a bad name.
    pub fn push(&mut self, line: SignatureLine) -> Result<(), NoteError> {
        let number = self.signatures.len() + 1;
        if number > MAX_SIGNATURES {
            return Err(NoteError::TooManySignatures);
        }
        check_line(&line, number)?;
        let have = self.written_len() + line.written_len();
        if have > MAX_NOTE_BYTES {
            return Err(NoteError::NoteTooLong { have });
        }
        self.signatures.push(line);
        Ok(())
    }

    /// Adds signature lines below the others, in their order: all of them, or none on an error.
    ///
    /// # Errors
    /// As [`SignedNote::push`].
    pub fn append(
        &mut self,
        lines: impl IntoIterator<Item = SignatureLine>,
    ) -> Result<(), NoteError> {
        let before = self.signatures.len();
        for line in lines {
            if let Err(error) = self.push(line) {
                self.signatures.truncate(before);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Lists the signatures by this name and hint. A hint has 4 bytes only: another key can have
    /// the same, so a signature counts when it verifies, not when it is listed.
    pub fn by<'a>(&'a self, name: &'a str, hint: Hint) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.signatures
            .iter()
            .filter(move |line| line.name == name && line.hint == hint)
            .map(|line| line.signature.as_slice())
    }

    /// Checks the signatures by one key. `verify` is given the signed text and a signature. Lines
    /// of other names or hints are ignored, but each line that claims to be by this key must hold.
    ///
    /// # Errors
    /// `NotSignedBy` when no line has name and hint, `BadSignature` when `verify` refuses one.
    pub fn open(
        &self,
        name: &str,
        hint: Hint,
        mut verify: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), NoteError> {
        let mut signed = Err(NoteError::NotSignedBy);
        for signature in self.by(name, hint) {
            if !verify(self.text.as_bytes(), signature) {
                return Err(NoteError::BadSignature);
            }
            signed = Ok(());
        }
        signed
    }

    fn written_len(&self) -> usize {
        let lines: usize = self.signatures.iter().map(SignatureLine::written_len).sum();
        self.text.len() + 1 + lines
    }
}

/// Writes the note as it is sent and stored.
impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The text ends its last line itself; this LF makes the blank line.
        writeln!(f, "{}", self.text)?;
        self.signatures
            .iter()
            .try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl SignatureLine {
    /// Bytes of the line with its LF.
    fn written_len(&self) -> usize {
        let base64 = (self.hint.len() + self.signature.len()).div_ceil(3) * 4;
        DASH.len() + self.name.len() + 1 + base64 + 1
    }
}

/// Writes the line without LF.
impl fmt::Display for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blob = [&self.hint, self.signature.as_slice()].concat();
        write!(f, "{DASH}{} {}", self.name, STANDARD.encode(blob))
    }
}

/// Parses signature lines that stand alone, as a witness answers them: 1 to 64, each with its LF.
///
/// # Errors
/// When a limit is broken or the form is not exactly that of a note's signature lines.
pub fn parse_signature_lines(lines: &str) -> Result<Vec<SignatureLine>, NoteError> {
    if lines.len() > MAX_NOTE_BYTES {
        return Err(NoteError::NoteTooLong { have: lines.len() });
    }
    check_characters(lines)?;
    parse_lines(lines)
}

fn parse_lines(lines: &str) -> Result<Vec<SignatureLine>, NoteError> {
    if lines.is_empty() {
        return Err(NoteError::NoSignatures);
    }
    let lines = lines.strip_suffix('\n').ok_or(NoteError::SignaturesEnd)?;
    let mut signatures = Vec::new();
    for (line, number) in lines.split('\n').zip(1..) {
        if number > MAX_SIGNATURES {
            return Err(NoteError::TooManySignatures);
        }
        signatures.push(parse_line(line, number)?);
    }
    Ok(signatures)
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(NoteError::TextTooLong { have: text.len() });
    }
    check_characters(text)?;
    if !text.ends_with('\n') {
        return Err(NoteError::TextEnd);
    }
    Ok(())
}

fn check_line(line: &SignatureLine, number: usize) -> Result<(), NoteError> {
    check_name(&line.name)?;
    if line.signature.is_empty() {
        return Err(NoteError::SignatureTooShort { line: number });
    }
    if line.signature.len() > MAX_SIGNATURE_BYTES {
        return Err(NoteError::SignatureTooLong { line: number });
    }
    Ok(())
}

fn parse_line(text: &str, number: usize) -> Result<SignatureLine, NoteError> {
    let form = NoteError::SignatureLine { line: number };
    let (name, base64) = text
        .strip_prefix(DASH)
        .and_then(|rest| rest.split_once(' '))
        .ok_or(form)?;
    // The engine refuses missing padding and stray bits, so there is one spelling of each blob.
    let blob = STANDARD
        .decode(base64)
        .map_err(|_| NoteError::SignatureBase64 { line: number })?;
    let (hint, signature) = blob
        .split_first_chunk()
        .ok_or(NoteError::SignatureTooShort { line: number })?;
    let line = SignatureLine {
        name: name.to_owned(),
        hint: *hint,
        signature: signature.to_owned(),
    };
    check_line(&line, number)?;
    Ok(line)
}
