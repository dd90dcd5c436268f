//! Bounded JSON parsing: size and depth are checked before anything is built.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};

/// Why JSON text was refused before its meaning was looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// More bytes than the limit of this document kind.
    #[error("the document has {have} bytes, the limit is {limit}")]
    TooLarge {
        /// Bytes given.
        have: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Objects and arrays nested deeper than [`crate::limits::JSON_DEPTH`].
    #[error("objects and arrays are nested more than {limit} deep")]
    TooDeep {
        /// Levels allowed.
        limit: usize,
    },
    /// Not JSON, or not of the expected shape.
    #[error("line {line}, column {column}: {reason}")]
    Malformed {
        /// Line, from 1; 0 when the place is unknown.
        line: usize,
        /// Column, from 1; 0 when the place is unknown.
        column: usize,
        /// What the parser expected and met.
        reason: String,
    },
}

/// Parses one JSON document of at most `max_bytes` and [`crate::limits::JSON_DEPTH`] levels.
pub fn parse<T: DeserializeOwned>(json: &[u8], max_bytes: usize) -> Result<T, JsonError> {
    parse_nested(json, max_bytes, crate::limits::JSON_DEPTH)
}

/// Parses one JSON document of at most `max_bytes` and `max_depth` levels, for documents of others.
pub fn parse_nested<T: DeserializeOwned>(
    json: &[u8],
    max_bytes: usize,
    max_depth: usize,
) -> Result<T, JsonError> {
    if json.len() > max_bytes {
        return Err(JsonError::TooLarge {
            have: json.len(),
            limit: max_bytes,
        });
    }
    if deeper_than(json, max_depth) {
        return Err(JsonError::TooDeep { limit: max_depth });
    }
    serde_json::from_slice(json).map_err(malformed)
}

/// Reads `null` as the default value, as proto3 JSON does: use with `#[serde(default)]`.
pub fn null_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

fn malformed(error: serde_json::Error) -> JsonError {
    // serde_json ends its text with the place, which has fields of its own here.
    let text = error.to_string();
    let reason = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(reason, _)| reason)
        .to_owned();
    JsonError::Malformed {
        line: error.line(),
        column: error.column(),
        reason,
    }
}

/// One pass over the bytes; brackets inside strings do not count, and strings are passed over in leaps.
fn deeper_than(json: &[u8], limit: usize) -> bool {
    let (mut depth, mut rest) = (0usize, json);
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'"' => rest = behind_string(rest),
            b'{' | b'[' if depth == limit => return true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// What follows a string of which only the opening quotation mark was read; nothing when it does not end.
fn behind_string(mut rest: &[u8]) -> &[u8] {
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        // A backslash takes the next byte with it, whatever that is.
        let is_end = rest.get(at) == Some(&b'"');
        let taken = if is_end { at + 1 } else { at + 2 };
        rest = rest.get(taken..).unwrap_or_default();
        if is_end {
            return rest;
        }
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn size_is_checked_before_the_text() {
        assert_eq!(
            parse::<Value>(b"not json at all", 4),
            Err(JsonError::TooLarge { have: 15, limit: 4 })
        );
    }

    #[test]
    fn depth_counts_brackets_outside_strings_only() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(parse::<Value>(nested(32).as_bytes(), 1000).is_ok());
        assert_eq!(
            parse::<Value>(nested(33).as_bytes(), 1000),
            Err(JsonError::TooDeep { limit: 32 })
        );
        let text = format!(r#"["\"{}"]"#, "[".repeat(200));
        assert!(parse::<Value>(text.as_bytes(), 1000).is_ok());
    }

    /// The plainest way to count, one byte after the other.
    fn deepest(json: &[u8]) -> usize {
        let (mut depth, mut most, mut in_string, mut escaped) = (0usize, 0, false, false);
        for byte in json {
            match (in_string, byte) {
                (true, _) if escaped => escaped = false,
                (true, b'\\') => escaped = true,
                (true, b'"') => in_string = false,
                (false, b'"') => in_string = true,
                (false, b'{' | b'[') => depth += 1,
                (false, b'}' | b']') => depth = depth.saturating_sub(1),
                _ => {}
            }
            most = most.max(depth);
        }
        most
    }

    proptest! {
        #[test]
        fn leaps_count_as_steps_do(json in r#"[\[\]{}"\\a]{0,60}"#, limit in 0usize..6) {
            let json = json.as_bytes();
            prop_assert_eq!(deeper_than(json, limit), deepest(json) > limit);
        }
    }

    #[test]
    fn an_error_names_its_place() {
        let error = parse::<Value>(b"{\n  \"a\": nul }", 1000).unwrap_err();
        assert!(
            matches!(error, JsonError::Malformed { line: 2, .. }),
            "{error}"
        );
    }

    #[test]
    fn text_after_the_document_is_refused() {
        assert!(parse::<Value>(b"{} {}", 1000).is_err());
    }
}
