//! The text of a checkpoint: a tree head as lines.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::NoteError;
use crate::limits::{MAX_EXTENSIONS, MAX_TEXT_BYTES};
use crate::name::check_characters;

/// A checkpoint's text: origin, size, root, extension lines. C2SP tlog-checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: not empty, one line. Rekor v2 writes its host name, Rekor v1 `host - treeID`.
    pub origin: String,
    /// Leaves in the tree.
    pub size: u64,
    /// Root of the tree.
    pub root: [u8; 32],
    /// Further lines, none of them empty.
    pub extensions: Vec<String>,
}

impl Checkpoint {
    /// Parses the text of a note ([`crate::SignedNote::text`]) strictly.
    ///
    /// # Errors
    /// When a limit is broken, a line is missing or not in its one canonical form, or the text does
    /// not end with LF.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(NoteError::TextTooLong { have: text.len() });
        }
        check_characters(text)?;
        let body = text.strip_suffix('\n').ok_or(NoteError::TextEnd)?;
        let mut lines = body.split('\n');
        let mut line = |before| {
            lines
                .next()
                .ok_or(NoteError::CheckpointTooShort { lines: before })
        };

        let origin = line(0)?;
        if origin.is_empty() {
            return Err(NoteError::NameEmpty);
        }
        let size = parse_size(line(1)?)?;
        let root = parse_root(line(2)?)?;

        let mut extensions = Vec::new();
        for (extension, number) in lines.zip(1..) {
            if extension.is_empty() {
                return Err(NoteError::ExtensionEmpty { line: number });
            }
            if number > MAX_EXTENSIONS {
                return Err(NoteError::TooManyExtensions);
            }
            extensions.push(extension.to_owned());
        }
        Ok(Self {
            origin: origin.to_owned(),
            size,
            root,
            extensions,
        })
    }

    /// Writes the text to sign; it ends with LF. Origin and extensions are written as they are: the
    /// caller makes sure that they are one line each and not empty (see [`crate::check_name`]).
    pub fn to_text(&self) -> String {
        let root = STANDARD.encode(self.root);
        let mut text = format!("{}\n{}\n{root}\n", self.origin, self.size);
        for extension in &self.extensions {
            text.push_str(extension);
            text.push('\n');
        }
        text
    }
}

/// Parses a tree size as C2SP writes it everywhere: decimal, no sign, no leading zeros.
///
/// # Errors
/// When it has another form or is 2^64 or more.
pub fn parse_size(line: &str) -> Result<u64, NoteError> {
    let plain = line.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = line == "0" || !line.starts_with('0');
    if !(plain && canonical) {
        return Err(NoteError::Size);
    }
    line.parse().map_err(|_| NoteError::Size)
}

fn parse_root(line: &str) -> Result<[u8; 32], NoteError> {
    let root = STANDARD.decode(line).map_err(|_| NoteError::RootBase64)?;
    root.as_slice()
        .try_into()
        .map_err(|_| NoteError::RootLength { have: root.len() })
}
