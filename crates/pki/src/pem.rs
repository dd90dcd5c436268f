//! PEM, as lenient as Sigstore's clients need and no more.
//!
//! Accepted: LF and CRLF, white space around lines, text around blocks, base64 in lines of any length or in one line
//! (sigstore-java), no newline at the end. Written: 64 columns, LF, one LF at the end (the canonical form of Rekor v1 bodies).
use crate::limits;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Go's decoder, which set the standard here, wants padding and ignores stray bits behind the last byte.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);
const COLUMNS: usize = 64;

/// One PEM block: its label, such as `PUBLIC KEY`, and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What stands between `BEGIN` and the dashes.
    pub label: String,
    /// The decoded bytes.
    pub der: Vec<u8>,
}

/// Why a PEM text was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// The text is longer than the limit.
    #[error("PEM text has {len} bytes, the limit is {max}")]
    TooLarge {
        /// Bytes of the text.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// There is no block at all.
    #[error("no PEM block: expected a line `-----BEGIN …-----`")]
    NoBlock,
    /// A block has no end line of the same label.
    #[error("PEM block `{label}` has no line `-----END {label}-----`")]
    Unterminated {
        /// Label of the block.
        label: String,
    },
    /// The text of a block is not base64.
    #[error("PEM block `{label}` holds no padded standard base64")]
    Base64 {
        /// Label of the block.
        label: String,
    },
    /// The block is of another type than wanted.
    #[error("PEM block is a `{found}`, expected `{want}`")]
    Label {
        /// Label found.
        found: String,
        /// Label wanted.
        want: &'static str,
    },
    /// There are more blocks than the limit.
    #[error("more than {max} PEM blocks")]
    TooManyBlocks {
        /// The limit.
        max: usize,
    },
}

/// Reads the first block; what follows it is not looked at.
pub fn first(text: &str) -> Result<Block, PemError> {
    check_size(text)?;
    next_block(&mut text.lines())?.ok_or(PemError::NoBlock)
}

/// Reads all blocks, at least one and at most `max`.
pub fn blocks(text: &str, max: usize) -> Result<Vec<Block>, PemError> {
    check_size(text)?;
    let mut lines = text.lines();
    let mut found = Vec::new();
    while let Some(block) = next_block(&mut lines)? {
        if found.len() == max {
            return Err(PemError::TooManyBlocks { max });
        }
        found.push(block);
    }
    if found.is_empty() {
        Err(PemError::NoBlock)
    } else {
        Ok(found)
    }
}

/// Writes one block: 64 columns, LF, one LF at the end.
pub fn encode(label: &str, der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        // Base64 is ASCII: every index is a boundary.
        let (line, tail) = rest.split_at(rest.len().min(COLUMNS));
        out.push_str(line);
        out.push('\n');
        rest = tail;
    }
    out.push_str("-----END ");
    out.push_str(label);
    out.push_str("-----\n");
    out
}

/// Whether [`first`] gives a block of this label and content.
pub(crate) fn is_first(text: &str, label: &str, der: &[u8]) -> bool {
    // Writing it is cheaper than reading it, and most texts are as they are written here.
    let is_canonical = text.len() <= limits::PEM_TEXT && text == encode(label, der);
    is_canonical || first(text).is_ok_and(|block| block.label == label && block.der == der)
}

fn check_size(text: &str) -> Result<(), PemError> {
    if text.len() > limits::PEM_TEXT {
        return Err(PemError::TooLarge {
            len: text.len(),
            max: limits::PEM_TEXT,
        });
    }
    Ok(())
}

fn next_block(lines: &mut std::str::Lines<'_>) -> Result<Option<Block>, PemError> {
    let Some(label) = lines.find_map(|line| label_of(line, "BEGIN")) else {
        return Ok(None);
    };
    let mut base64 = String::new();
    let mut closed = false;
    for line in lines {
        let line = line.trim();
        if line.starts_with("-----") {
            closed = label_of(line, "END") == Some(label);
            break;
        }
        // RFC 1421 headers (`Proc-Type: …`) say nothing about public material; a colon is never base64.
        if !line.contains(':') {
            line.split_ascii_whitespace()
                .for_each(|part| base64.push_str(part));
        }
    }
    let label = label.to_owned();
    if !closed {
        return Err(PemError::Unterminated { label });
    }
    match BASE64.decode(base64) {
        Ok(der) => Ok(Some(Block { label, der })),
        Err(_) => Err(PemError::Base64 { label }),
    }
}

fn label_of<'t>(line: &'t str, verb: &str) -> Option<&'t str> {
    let label = line
        .trim()
        .strip_prefix("-----")?
        .strip_prefix(verb)?
        .strip_prefix(' ')?
        .strip_suffix("-----")?;
    (!label.is_empty() && label.len() <= limits::PEM_LABEL).then_some(label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BYTES: &[u8] = &[7; 100];

    fn canonical() -> String {
        encode("PUBLIC KEY", BYTES)
    }

    #[test]
    fn written_form_has_64_columns_and_one_newline_at_the_end() {
        let text = canonical();
        let lines: Vec<_> = text.split('\n').collect();
        assert_eq!(
            lines.iter().map(|l| l.len()).collect::<Vec<_>>(),
            [26, 64, 64, 8, 24, 0]
        );
    }

    #[test]
    fn lenient_forms_read_alike() {
        let text = canonical();
        let one_line = text
            .lines()
            .filter(|l| !l.starts_with('-'))
            .collect::<String>();
        for form in [
            text.replace('\n', "\r\n"),
            text.trim_end().to_owned(),
            format!("\n\t  {}  \n", text.replace('\n', "  \n ")),
            format!("-----BEGIN PUBLIC KEY-----\n{one_line}\n-----END PUBLIC KEY-----"),
            format!("bag attributes\n{text}trailing text"),
        ] {
            assert_eq!(
                first(&form).unwrap(),
                Block {
                    label: "PUBLIC KEY".into(),
                    der: BYTES.into()
                },
                "{form:?}"
            );
        }
    }

    #[test]
    fn broken_blocks_say_what_is_missing() {
        assert_eq!(first("hello"), Err(PemError::NoBlock));
        assert_eq!(
            first("-----BEGIN X-----\nAAAA\n"),
            Err(PemError::Unterminated { label: "X".into() })
        );
        assert_eq!(
            first("-----BEGIN X-----\nAAAA\n-----END Y-----"),
            Err(PemError::Unterminated { label: "X".into() })
        );
        assert_eq!(
            first("-----BEGIN X-----\nA*AA\n-----END X-----"),
            Err(PemError::Base64 { label: "X".into() })
        );
        assert_eq!(
            first("-----BEGIN X-----\nAA\n-----END X-----"),
            Err(PemError::Base64 { label: "X".into() })
        );
    }

    #[test]
    fn size_and_number_of_blocks_are_bounded() {
        let huge = " ".repeat(limits::PEM_TEXT + 1);
        assert!(matches!(first(&huge), Err(PemError::TooLarge { .. })));
        assert_eq!(
            blocks(&canonical().repeat(3), 2),
            Err(PemError::TooManyBlocks { max: 2 })
        );
        assert_eq!(blocks(&canonical().repeat(2), 2).unwrap().len(), 2);
    }

    proptest! {
        #[test]
        fn random_text_never_panics(text in "\\PC*") {
            let _ = blocks(&text, 4);
        }

        #[test]
        fn what_is_told_apart_by_reading_is_told_apart_by_writing(
            der in proptest::collection::vec(any::<u8>(), 0..100), other in 0usize..200, lines in "\n?",
        ) {
            let text = encode("X Y", &der).replace('\n', &format!("{lines}\n"));
            let mut changed = der.clone();
            if let Some(byte) = changed.get_mut(other) {
                *byte ^= 1;
            }
            prop_assert!(is_first(&text, "X Y", &der));
            prop_assert_eq!(is_first(&text, "X Y", &changed), der == changed);
            prop_assert!(!is_first(&text, "X", &der));
        }

        #[test]
        fn round_trip(der in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(first(&encode("X Y", &der)).unwrap().der, der);
        }
    }
}
