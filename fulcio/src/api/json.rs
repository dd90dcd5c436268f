//! Picks members out of a protojson message without building a tree of it.
//!
//! A tree of hostile JSON takes a hundred times the memory of its text. Here a value stays a slice of the
//! body, and only the members that a caller names are looked at; others are skipped without recursion.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use service::error::{Code, GatewayError};
use std::fmt;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// The lowerCamelCase and the snake_case name of a field.
pub(super) type Names = [&'static str; 2];

/// A field that is set, or the whole body. No `Debug`: it may hold the token.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    name: &'static str,
    value: &'a RawValue,
}

impl<'a> Field<'a> {
    /// Takes a whole body. An empty one is an empty message.
    pub(super) fn body(body: &'a [u8]) -> Result<Self, GatewayError> {
        let blank = body.iter().all(u8::is_ascii_whitespace);
        let value = serde_json::from_slice(if blank { b"{}" } else { body }).map_err(syntax)?;
        Ok(Self {
            name: "the request body",
            value,
        })
    }

    /// Picks fields of a message. Unknown ones are ignored, null means not set, and of duplicates the
    /// last one wins; both names of one field are refused.
    pub(super) fn fields<const N: usize>(
        self,
        names: [Names; N],
    ) -> Result<[Option<Self>; N], GatewayError> {
        if !self.value.get().starts_with('{') {
            return Err(bad(format!("{} is not a JSON object", self.name)));
        }
        let picked = serde_json::Deserializer::from_str(self.value.get())
            .deserialize_map(Pick(&names))
            .map_err(syntax)?;
        let mut fields = [None; N];
        for ((field, [camel, snake]), values) in fields.iter_mut().zip(names).zip(picked) {
            let value = match values {
                [Some(_), Some(_)] => {
                    return Err(bad(format!(
                        "{camel} and {snake} are the same field; send one"
                    )));
                }
                [one, other] => one.or(other),
            };
            *field = value.map(|value| Self { name: camel, value });
        }
        Ok(fields)
    }

    /// Reads a string.
    pub(super) fn text(self) -> Result<String, GatewayError> {
        // The serde error is dropped: it would quote the value.
        serde_json::from_str(self.value.get())
            .map_err(|_| bad(format!("{} is not a string", self.name)))
    }

    /// Reads base64, standard or URL-safe, with or without padding.
    pub(super) fn bytes(self) -> Result<Vec<u8>, GatewayError> {
        let mut encoded = self.text()?;
        // Go's decoder skips line breaks.
        encoded.retain(|c| !matches!(c, '\r' | '\n'));
        let engine = if encoded.contains(['-', '_']) {
            &URL_SAFE
        } else {
            &STANDARD
        };
        engine
            .decode(encoded)
            .map_err(|_| bad(format!("{} is not base64", self.name)))
    }
}

/// Refuses a request.
pub(super) fn bad(message: impl Into<String>) -> GatewayError {
    GatewayError::new(Code::InvalidArgument, message)
}

/// For errors of syntax only: those hold a position and a kind, never text of the body.
fn syntax(error: serde_json::Error) -> GatewayError {
    bad(format!("the request body is not JSON: {error}"))
}

/// Visits an object and keeps the values that are named, under each of their two names.
struct Pick<'n, const N: usize>(&'n [Names; N]);

impl<'de, const N: usize> Visitor<'de> for Pick<'_, N> {
    type Value = [[Option<&'de RawValue>; 2]; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut picked = [[None; 2]; N];
        while let Some(known) = map.next_key_seed(Position(self.0))? {
            let Some((field, name)) = known else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value: &RawValue = map.next_value()?;
            picked[field][name] = Some(value).filter(|value| value.get() != "null");
        }
        Ok(picked)
    }
}

/// Finds a member's name among the wanted ones, while it is still a slice of the text.
struct Position<'n>(&'n [Names]);

impl<'de> DeserializeSeed<'de> for Position<'_> {
    type Value = Option<(usize, usize)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Position<'_> {
    type Value = Option<(usize, usize)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Self::Value, E> {
        let within = |names: &Names| names.iter().position(|want| *want == name);
        Ok(self
            .0
            .iter()
            .enumerate()
            .find_map(|(field, names)| Some((field, within(names)?))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Names = ["aB", "a_b"];

    fn pick(body: &str) -> Result<Option<String>, GatewayError> {
        let [field] = Field::body(body.as_bytes())?.fields([A])?;
        field.map(Field::text).transpose()
    }

    #[test]
    fn either_name_is_read_and_both_are_refused() {
        assert_eq!(pick(r#"{"aB":"x"}"#).unwrap().as_deref(), Some("x"));
        assert_eq!(pick(r#"{"a_b":"x"}"#).unwrap().as_deref(), Some("x"));
        assert_eq!(
            pick(r#"{"aB":null,"a_b":"x"}"#).unwrap().as_deref(),
            Some("x")
        );
        assert_eq!(pick(r#"{"A_B":"x"}"#).unwrap(), None);
        let both = pick(r#"{"aB":"x","a_b":"y"}"#).unwrap_err();
        assert_eq!(both.message, "aB and a_b are the same field; send one");
    }

    #[test]
    fn the_last_duplicate_wins() {
        assert_eq!(
            pick(r#"{"aB":"x","aB":"y"}"#).unwrap().as_deref(),
            Some("y")
        );
        assert_eq!(pick(r#"{"aB":"x","aB":null}"#).unwrap(), None);
    }

    #[test]
    fn what_is_not_asked_for_is_skipped_however_deep() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        let body = format!(r#"{{"more":{deep},"aB":"x"}}"#);
        assert_eq!(pick(&body).unwrap().as_deref(), Some("x"));
    }

    #[test]
    fn refusals_never_quote_the_body() {
        for body in [
            r#"{"aB":["secret"]}"#,
            r#"{"aB":secret}"#,
            r#""secret""#,
            r#"{"secret":1"#,
            r#"{"aB":"secret\ud800"}"#,
        ] {
            let message = pick(body).unwrap_err().message;
            assert!(!message.contains("secret"), "{message}");
        }
    }
}
