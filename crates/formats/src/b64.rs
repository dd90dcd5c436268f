//! Bytes that are base64 text in JSON.

use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::engine::{DecodePaddingMode, Engine};
use std::borrow::Cow;

/// Serializes as standard padded base64. Deserializes leniently as protojson does: standard or
/// URL-safe, padded or not, CR and LF skipped; `null` is empty.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct B64(pub Vec<u8>);

impl B64 {
    /// True when there are no bytes, which proto3 JSON does not tell from an absent member.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<u8>> for B64 {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for B64 {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for B64 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "B64({})", encode(&self.0))
    }
}

impl serde::Serialize for B64 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&encode(&self.0))
    }
}

impl<'de> serde::Deserialize<'de> for B64 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

/// Decodes as Go's protojson does, with the line breaks that Go's `encoding/json` skips.
///
/// The alphabet is URL-safe when `-` or `_` occurs, standard otherwise: a mixture is refused.
/// Padding may be absent, but not wrong. Returns `None` for anything else.
pub fn decode_lenient(text: &str) -> Option<Vec<u8>> {
    // The usual spelling first: this alphabet has no line break, and padding can only stand at the end.
    let padding_fits = !text.ends_with('=') || text.len().is_multiple_of(4);
    if padding_fits && let Ok(bytes) = STANDARD_LENIENT.decode(text) {
        return Some(bytes);
    }
    decode_unusual(text)
}

fn decode_unusual(text: &str) -> Option<Vec<u8>> {
    let text = without_line_breaks(text);
    if text.contains('=') && !text.len().is_multiple_of(4) {
        return None;
    }
    if text.contains(['-', '_']) {
        URL_SAFE_LENIENT.decode(&*text).ok()
    } else {
        STANDARD_LENIENT.decode(&*text).ok()
    }
}

/// Encodes as standard padded base64.
pub fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// An int64 as a JSON string (accepts a number as well, and `null` as zero):
/// `#[serde(default, with = "int64")]`.
pub mod int64 {
    /// Writes the decimal digits as a string.
    pub fn serialize<S: serde::Serializer>(value: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    /// Reads a decimal string, an integral number or `null`.
    pub fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        deserializer.deserialize_any(super::IntegerVisitor)
    }
}

/// Go decodes without `Strict()`: stray bits in the last character are ignored.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
static STANDARD_LENIENT: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
static URL_SAFE_LENIENT: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

fn without_line_breaks(text: &str) -> Cow<'_, str> {
    if text.contains(['\r', '\n']) {
        Cow::Owned(text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect())
    } else {
        Cow::Borrowed(text)
    }
}

struct TextVisitor;

impl serde::de::Visitor<'_> for TextVisitor {
    type Value = B64;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("base64 text")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<B64, E> {
        decode_lenient(text)
            .map(B64)
            .ok_or_else(|| E::custom("the text is not base64"))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<B64, E> {
        Ok(B64::default())
    }
}

struct IntegerVisitor;

impl serde::de::Visitor<'_> for IntegerVisitor {
    type Value = i64;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a 64-bit integer, as decimal text or number")
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<i64, E> {
        Ok(value)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<i64, E> {
        i64::try_from(value).map_err(|_| E::custom("the number exceeds 64 bits"))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<i64, E> {
        // Rust's parser takes a leading plus sign, proto3 JSON does not.
        let value = if text.starts_with('+') {
            None
        } else {
            text.parse().ok()
        };
        value.ok_or_else(|| E::custom("the text is not a 64-bit decimal integer"))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<i64, E> {
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_spelling_of_go_decodes() {
        for text in [
            "+/+/fw==",
            "-_-_fw==",
            "+/+/fw",
            "-_-_fw",
            "+/+/\r\nfw==",
            "+/+/\nfw\n",
        ] {
            assert_eq!(
                decode_lenient(text),
                Some(vec![0xfb, 0xff, 0xbf, 0x7f]),
                "{text:?}"
            );
        }
        assert_eq!(decode_lenient(""), Some(vec![]));
    }

    #[test]
    fn stray_bits_are_ignored_as_in_go() {
        assert_eq!(decode_lenient("QR=="), Some(b"A".to_vec()));
    }

    #[test]
    fn mixed_alphabets_wrong_padding_and_spaces_are_refused() {
        for text in [
            "-_+/",
            "QQ=",
            "QQ===",
            "Q",
            "QQ ==",
            "=QQ=",
            "QQ==QQ==",
            "Q\u{fc}==",
        ] {
            assert_eq!(decode_lenient(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_integer_may_be_text_number_or_null() {
        #[derive(serde::Deserialize)]
        struct Holder {
            #[serde(default, with = "int64")]
            value: i64,
        }
        let read = |json: &str| serde_json::from_str::<Holder>(json).map(|h| h.value).ok();
        assert_eq!(read(r#"{"value":"-9223372036854775808"}"#), Some(i64::MIN));
        assert_eq!(read(r#"{"value":42}"#), Some(42));
        assert_eq!(read(r#"{"value":null}"#), Some(0));
        assert_eq!(read("{}"), Some(0));
        for bad in [
            r#""9223372036854775808""#,
            r#""+1""#,
            r#""""#,
            r#"" 1""#,
            "1.5",
            "9223372036854775808",
            "true",
        ] {
            assert_eq!(read(&format!("{{\"value\":{bad}}}")), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn bytes_survive_the_round_trip(bytes: Vec<u8>) {
            let json = serde_json::to_string(&B64(bytes.clone())).unwrap();
            prop_assert_eq!(serde_json::from_str::<B64>(&json).unwrap().0, bytes);
        }

        #[test]
        fn the_usual_spelling_is_read_as_all_others_are(text in "[A-Za-z0-9+/=\n_-]{0,24}") {
            prop_assert_eq!(decode_lenient(&text), decode_unusual(&text));
        }

        #[test]
        fn any_text_is_answered_without_panic(text: String) {
            let _ = decode_lenient(&text);
        }
    }
}
