//! Base64 as Go's `encoding/base64` reads it, which decides what a v1 log accepts.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose};
use std::borrow::Cow;

/// Go's decoders demand padding but do not look at the unused bits of the last character.
const GO: GeneralPurposeConfig = general_purpose::PAD
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::RequireCanonical);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, GO);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, GO);

/// Decodes the standard alphabet; CR and LF are skipped wherever they stand.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(without_line_breaks(text).as_bytes()).ok()
}

/// Decodes as a DSSE library in Go does: the standard alphabet, else the URL-safe one.
pub(crate) fn decode_either(text: &str) -> Option<Vec<u8>> {
    let text = without_line_breaks(text);
    STANDARD
        .decode(text.as_bytes())
        .or_else(|_| URL_SAFE.decode(text.as_bytes()))
        .ok()
}

fn without_line_breaks(text: &str) -> Cow<'_, str> {
    if text.contains(['\r', '\n']) {
        Cow::Owned(text.replace(['\r', '\n'], ""))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_are_skipped_and_other_white_space_is_not() {
        assert_eq!(decode("aGVs\r\nbG8=\n").unwrap(), b"hello");
        assert_eq!(decode("aGVs bG8="), None);
    }

    #[test]
    fn padding_is_demanded_but_trailing_bits_are_not_checked() {
        assert_eq!(decode("aGVsbG8"), None);
        assert_eq!(decode("aGVsbG9="), Some(b"hello".to_vec()));
    }

    #[test]
    fn only_envelopes_may_use_the_url_safe_alphabet() {
        assert_eq!(decode("-_8="), None);
        assert_eq!(decode_either("-_8="), Some(vec![0xfb, 0xff]));
        assert_eq!(decode_either("+/8="), Some(vec![0xfb, 0xff]));
        assert_eq!(decode_either("+_8="), None);
    }
}
