//! Bytes to a tree of values: YAML or JSON, bounded while it is built.

use crate::error::PolicyError;
use crate::limits;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::Cell;
use std::fmt;

/// Reads one document. JSON is YAML too, but its own parser gives better messages.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, PolicyError> {
    if bytes.len() > limits::DOCUMENT_BYTES {
        return Err(PolicyError::TooLarge {
            have: bytes.len(),
            limit: limits::DOCUMENT_BYTES,
        });
    }
    let left = Cell::new(limits::DOCUMENT_NODES);
    let node = Node {
        left: &left,
        depth: 0,
    };
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'{') {
        let mut json = serde_json::Deserializer::from_slice(bytes);
        if let Ok(value) = node.deserialize(&mut json)
            && json.end().is_ok()
        {
            return Ok(value);
        }
    }
    let brackets = bytes.iter().filter(|byte| matches!(byte, b'[' | b'{'));
    if brackets.count() > limits::YAML_BRACKETS {
        return Err(PolicyError::Syntax {
            reason: format!(
                "it has more than {} opening brackets; write lists and members on lines of their own",
                limits::YAML_BRACKETS
            ),
        });
    }
    // A fresh count: what starts like JSON may be YAML.
    left.set(limits::DOCUMENT_NODES);
    node.deserialize(serde_yaml_ng::Deserializer::from_slice(bytes))
        .map_err(|error| PolicyError::Syntax {
            reason: error.to_string(),
        })
}

/// Builds one value and counts it.
#[derive(Clone, Copy)]
struct Node<'c> {
    left: &'c Cell<usize>,
    depth: usize,
}

impl Node<'_> {
    fn count<E: Error>(self) -> Result<(), E> {
        let left = self
            .left
            .get()
            .checked_sub(1)
            .ok_or_else(|| E::custom(TooMany))?;
        self.left.set(left);
        Ok(())
    }

    fn below<E: Error>(self) -> Result<Self, E> {
        if self.depth == limits::DOCUMENT_DEPTH {
            return Err(E::custom(format_args!(
                "it is nested more than {} deep",
                limits::DOCUMENT_DEPTH
            )));
        }
        Ok(Self {
            left: self.left,
            depth: self.depth + 1,
        })
    }
}

struct TooMany;

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "it has more than {} values (aliases count as often as they are used)",
            limits::DOCUMENT_NODES
        )
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        self.count()?;
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value without a tag")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number that is infinite, or none"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut list = Vec::new();
        while let Some(value) = from.next_element_seed(below)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut map = Map::new();
        while let Some(name) = from.next_key::<String>()? {
            // The later of two would win silently, and a reader may look at the earlier.
            if map.contains_key(&name) {
                return Err(A::Error::custom(format_args!(
                    "the member `{name}` stands there twice"
                )));
            }
            let value = from.next_value_seed(below)?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn reason(text: &str) -> String {
        match read(text.as_bytes()) {
            Err(PolicyError::Syntax { reason }) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn yaml_and_json_give_the_same_tree() {
        let want = json!({"a": [1, "b", null, true], "c": {"d": -1.5}});
        let yaml = "a: [1, b, null, true]\nc:\n  d: -1.5\n";
        assert_eq!(read(yaml.as_bytes()), Ok(want.clone()));
        assert_eq!(read(want.to_string().as_bytes()), Ok(want));
        assert_eq!(read(b"{a: 1}"), Ok(json!({"a": 1})));
    }

    #[test]
    fn a_member_that_stands_twice_is_refused() {
        assert!(reason("a: 1\na: 2").contains("twice"));
        assert!(reason(r#"{"a": 1, "a": 2}"#).contains("twice"));
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let alias = format!("*a{},", level - 1).repeat(10);
            text += &format!("a{level}: &a{level} [{alias}]\n");
        }
        let reason = reason(&text);
        assert!(reason.contains("aliases count"), "{reason}");
    }

    #[test]
    fn nesting_ends() {
        for (open, close) in [("[", "]"), ("{a: ", "}")] {
            let text = |depth| format!("{}1{}", open.repeat(depth), close.repeat(depth));
            assert!(read(text(limits::DOCUMENT_DEPTH).as_bytes()).is_ok());
            assert!(reason(&text(limits::DOCUMENT_DEPTH + 1)).contains("nested"));
            assert!(read(text(2000).as_bytes()).is_err());
        }
    }

    /// The YAML parser's time grows with the square of the open brackets.
    #[test]
    fn brackets_without_end_are_refused_before_they_are_parsed() {
        for open in ["[", "{a: ", "- [\"]\", "] {
            let text = open.repeat(limits::DOCUMENT_BYTES / open.len());
            assert!(reason(&text).contains("brackets"), "{open}");
        }
    }

    #[test]
    fn a_large_document_is_refused_unread() {
        let bytes = vec![b'a'; 1 << 20];
        assert!(matches!(read(&bytes), Err(PolicyError::TooLarge { .. })));
    }

    #[test]
    fn two_documents_tags_and_nonsense_are_refused() {
        for text in ["a: 1\n---\nb: 2", "!x a", "a: [", "\u{0}", "? [a]\n: b"] {
            assert!(read(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(read(b"\xff\xfe").is_err());
    }
}
