//! Picks members out of JSON text without building a tree of it.
//!
//! A tree of hostile JSON takes many times the memory of its text. Here a value stays a slice of
//! the request ([`RawValue`], syntax already checked), and only the members that a caller names
//! are looked at. Depth is bounded by the callers: they descend a fixed number of times, and
//! `serde_json` skips what they do not want without recursion.

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Why JSON text could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON; the text is the parser's.
    #[error("{0}")]
    Syntax(String),
    /// Another type stands where an object, array or string is needed.
    #[error("expected {want}, got {have}")]
    Type {
        /// What is needed here.
        want: &'static str,
        /// What stands here.
        have: &'static str,
    },
    /// A member that the message does not have (protojson refuses these).
    #[error("unknown field \"{0}\"")]
    UnknownMember(String),
    /// A member that stands twice (protojson refuses these).
    #[error("duplicate field \"{0}\"")]
    DuplicateMember(String),
    /// An array longer than its bound.
    #[error("an array has more than {max} items")]
    TooManyItems {
        /// The bound.
        max: usize,
    },
}

/// Reads the first JSON value and ignores what follows it, as Go's `json.Decoder` does.
pub(crate) fn first_value(bytes: &[u8]) -> Result<&RawValue, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    <&RawValue>::deserialize(&mut deserializer).map_err(syntax)
}

/// Reads the one JSON value of `bytes`; only white space may follow.
pub(crate) fn only_value(bytes: &[u8]) -> Result<&RawValue, JsonError> {
    serde_json::from_slice(bytes).map_err(syntax)
}

/// How member names are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// Byte for byte.
    Exact,
    /// As Go's `encoding/json` does: Unicode simple folding, which for ASCII names means letter
    /// case and the two letters U+017F and U+212A.
    Folded,
}

/// Picks the members `names` of an object. A `null` member counts as absent, other members are
/// ignored, and of duplicates the last one wins.
pub(crate) fn members<'a, const N: usize>(
    json: &'a RawValue,
    names: [&str; N],
    compare: Names,
) -> Result<[Option<&'a RawValue>; N], JsonError> {
    let aliases = names.map(|name| [name, name]);
    pick(
        json,
        &aliases,
        Rules {
            compare,
            strict: false,
        },
    )
}

/// Picks the members of a protojson message; each has a lowerCamelCase and a snake_case name.
/// Unknown and duplicate members are errors, `null` counts as absent.
pub(crate) fn message<'a, const N: usize>(
    json: &'a RawValue,
    names: [[&str; 2]; N],
) -> Result<[Option<&'a RawValue>; N], JsonError> {
    pick(
        json,
        &names,
        Rules {
            compare: Names::Exact,
            strict: true,
        },
    )
}

/// Splits an array into its items, at most `max`.
pub(crate) fn items(json: &RawValue, max: usize) -> Result<Vec<&RawValue>, JsonError> {
    check_type(json, "an array", b'[')?;
    let mut deserializer = serde_json::Deserializer::from_str(json.get());
    deserializer
        .deserialize_seq(Items { max })
        .map_err(syntax)?
        .ok_or(JsonError::TooManyItems { max })
}

/// Reads a string.
pub(crate) fn text(json: &RawValue) -> Result<Cow<'_, str>, JsonError> {
    check_type(json, "a string", b'"')?;
    let raw = json.get();
    match raw.get(1..raw.len().saturating_sub(1)) {
        // The syntax of `raw` is checked: without an escape its characters are its value.
        Some(inner) if !inner.contains('\\') => Ok(Cow::Borrowed(inner)),
        _ => serde_json::from_str::<String>(raw)
            .map(Cow::Owned)
            .map_err(syntax),
    }
}

/// Reads an integer.
pub(crate) fn integer(json: &RawValue) -> Result<i64, JsonError> {
    serde_json::from_str(json.get()).map_err(|_| JsonError::Type {
        want: "an integer",
        have: type_name(json),
    })
}

/// True for `null`.
pub(crate) fn is_null(json: &RawValue) -> bool {
    json.get() == "null"
}

/// Says which JSON type a value has, with its article.
pub(crate) fn type_name(json: &RawValue) -> &'static str {
    match json.get().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

fn check_type(json: &RawValue, want: &'static str, first: u8) -> Result<(), JsonError> {
    if json.get().as_bytes().first() == Some(&first) {
        return Ok(());
    }
    Err(JsonError::Type {
        want,
        have: type_name(json),
    })
}

fn syntax(error: serde_json::Error) -> JsonError {
    JsonError::Syntax(error.to_string())
}

#[derive(Clone, Copy)]
struct Rules {
    compare: Names,
    strict: bool,
}

fn pick<'a, const N: usize>(
    json: &'a RawValue,
    names: &[[&str; 2]; N],
    rules: Rules,
) -> Result<[Option<&'a RawValue>; N], JsonError> {
    check_type(json, "an object", b'{')?;
    let mut deserializer = serde_json::Deserializer::from_str(json.get());
    let mut problem = None;
    let picked = deserializer
        .deserialize_map(Members {
            names,
            rules,
            problem: &mut problem,
        })
        .map_err(syntax);
    match problem {
        Some(problem) => Err(problem),
        None => picked,
    }
}

/// Visits an object and keeps the members that are named.
struct Members<'n, const N: usize> {
    names: &'n [[&'n str; 2]; N],
    rules: Rules,
    /// The typed form of a refusal; serde's own error would lose it.
    problem: &'n mut Option<JsonError>,
}

impl<'de, const N: usize> Visitor<'de> for Members<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut picked = [None; N];
        let mut seen = [false; N];
        while let Some(name) = map.next_key_seed(Name {
            names: self.names,
            rules: self.rules,
        })? {
            let index = match name {
                Known::Member(index) => index,
                Known::Other(name) if self.rules.strict => {
                    return Err(refuse(self.problem, JsonError::UnknownMember(name)));
                }
                Known::Other(_) => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if self.rules.strict && seen[index] {
                let name = self.names[index][0].to_owned();
                return Err(refuse(self.problem, JsonError::DuplicateMember(name)));
            }
            seen[index] = true;
            let value: &RawValue = map.next_value()?;
            // Go: `null` leaves what an earlier duplicate has set.
            if !is_null(value) {
                picked[index] = Some(value);
            }
        }
        Ok(picked)
    }
}

fn refuse<E: serde::de::Error>(slot: &mut Option<JsonError>, problem: JsonError) -> E {
    let error = E::custom(&problem);
    *slot = Some(problem);
    error
}

enum Known {
    Member(usize),
    Other(String),
}

/// Compares a member name with the wanted ones while it is still a slice of the text.
struct Name<'n, const N: usize> {
    names: &'n [[&'n str; 2]; N],
    rules: Rules,
}

impl<'de, const N: usize> DeserializeSeed<'de> for Name<'_, N> {
    type Value = Known;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Known, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<const N: usize> Visitor<'_> for Name<'_, N> {
    type Value = Known;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Known, E> {
        let same = |want: &str| match self.rules.compare {
            Names::Exact => name == want,
            Names::Folded => name.chars().map(fold).eq(want.chars().map(fold)),
        };
        let found = self
            .names
            .iter()
            .position(|aliases| aliases.iter().any(|want| same(want)));
        Ok(match found {
            Some(index) => Known::Member(index),
            None if self.rules.strict => Known::Other(crate::echo(name)),
            None => Known::Other(String::new()),
        })
    }
}

fn fold(c: char) -> char {
    match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        _ => c.to_ascii_lowercase(),
    }
}

/// Collects at most `max` items; `None` when there are more.
struct Items {
    max: usize,
}

impl<'de> Visitor<'de> for Items {
    type Value = Option<Vec<&'de RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        let mut too_many = false;
        while let Some(item) = seq.next_element::<&RawValue>()? {
            too_many |= items.len() == self.max;
            if !too_many {
                items.push(item);
            }
        }
        Ok((!too_many).then_some(items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn raw(text: &str) -> &RawValue {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_last_duplicate_wins_and_null_is_absent() {
        let json = raw(r#"{"a":1,"b":null,"x":[{}],"a":2}"#);
        let [a, b] = members(json, ["a", "b"], Names::Exact).unwrap();
        assert_eq!(a.unwrap().get(), "2");
        assert!(b.is_none());
    }

    #[test]
    fn folded_names_match_as_in_go() {
        let json = raw("{\"PayloadTYPE\":\"t\",\"\u{17f}ig\":\"s\",\"\u{212a}eyid\":\"k\"}");
        let [t, s, k] = members(json, ["payloadType", "sig", "keyid"], Names::Folded).unwrap();
        assert_eq!(
            (t.unwrap().get(), s.unwrap().get(), k.unwrap().get()),
            ("\"t\"", "\"s\"", "\"k\"")
        );
        assert_eq!(
            members(json, ["payloadType"], Names::Exact).unwrap()[0].map(RawValue::get),
            None
        );
    }

    #[test]
    fn a_message_takes_either_name_and_nothing_else() {
        let names = [["rawBytes", "raw_bytes"]];
        assert_eq!(
            message(raw(r#"{"raw_bytes":"x"}"#), names).unwrap()[0]
                .unwrap()
                .get(),
            "\"x\""
        );
        assert_eq!(
            message(raw(r#"{"more":1}"#), names).unwrap_err(),
            JsonError::UnknownMember("more".into())
        );
        assert_eq!(
            message(raw(r#"{"raw_bytes":"x","rawBytes":"x"}"#), names).unwrap_err(),
            JsonError::DuplicateMember("rawBytes".into())
        );
        assert_eq!(
            message(raw("[]"), names).unwrap_err(),
            JsonError::Type {
                want: "an object",
                have: "an array"
            }
        );
    }

    #[test]
    fn only_the_first_value_is_read_where_go_reads_a_stream() {
        assert_eq!(first_value(b" {} garbage").unwrap().get(), "{}");
        assert!(only_value(b"{} garbage").is_err());
        assert!(first_value(b"").is_err());
        assert!(first_value(b"{\"a\":}").is_err());
    }

    #[test]
    fn text_is_unescaped_only_where_it_must_be() {
        assert!(matches!(
            text(raw(r#""plain é""#)).unwrap(),
            Cow::Borrowed("plain é")
        ));
        assert_eq!(text(raw(r#""a\nb\u00e9""#)).unwrap(), "a\nbé");
        assert_eq!(text(raw("\"\"")).unwrap(), "");
        assert_eq!(
            text(raw("7")),
            Err(JsonError::Type {
                want: "a string",
                have: "a number"
            })
        );
    }

    #[test]
    fn arrays_are_bounded() {
        assert_eq!(items(raw("[1,2]"), 2).unwrap().len(), 2);
        assert_eq!(
            items(raw("[1,2,3]"), 2).unwrap_err(),
            JsonError::TooManyItems { max: 2 }
        );
    }

    #[test]
    fn a_million_brackets_do_not_overflow_the_stack() {
        let deep = format!(
            "{{\"a\":{}{}}}",
            "[".repeat(1_000_000),
            "]".repeat(1_000_000)
        );
        let json = first_value(deep.as_bytes()).unwrap();
        assert!(members(json, ["b"], Names::Exact).unwrap()[0].is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            if let Ok(json) = first_value(&bytes) {
                let _ = members(json, ["a"], Names::Folded);
                let _ = items(json, 3);
                let _ = text(json);
            }
        }

        #[test]
        fn text_reads_what_serde_writes(s in ".*") {
            let written = serde_json::to_string(&s).unwrap();
            prop_assert_eq!(text(raw(&written)).unwrap(), s);
        }
    }
}
