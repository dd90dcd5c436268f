//! Key names, and the characters a note may hold.

use crate::NoteError;
use crate::limits::MAX_NAME_BYTES;

/// Checks a key name (for a Rekor v2 log also its origin): not empty, no white space of any script,
/// no `+`, no control characters. C2SP signed-note.
///
/// Rekor v1 origins, `host - 123`, are no names: they stand in the text only, and the name of the
/// signature is the host.
///
/// # Errors
/// When it is empty, too long or has such a character.
pub fn check_name(name: &str) -> Result<(), NoteError> {
    if name.is_empty() {
        return Err(NoteError::NameEmpty);
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(NoteError::NameTooLong { have: name.len() });
    }
    let bad = |c: &char| c.is_whitespace() || c.is_control() || *c == '+';
    match name.chars().find(bad) {
        Some(character) => Err(NoteError::NameCharacter { character }),
        None => Ok(()),
    }
}

/// Checks that there is no ASCII control character but LF. C2SP signed-note.
pub(crate) fn check_characters(text: &str) -> Result<(), NoteError> {
    match text
        .bytes()
        .enumerate()
        .find(|(_, byte)| *byte < 0x20 && *byte != b'\n')
    {
        Some((at, byte)) => Err(NoteError::ControlCharacter { byte, at }),
        None => Ok(()),
    }
}
