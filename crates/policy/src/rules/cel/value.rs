//! What rules see, as CEL values; built once for all expressions of an attestation.

use cel::objects::{Key, Map as CelMap};
use cel::{Context, Value};
use serde_json::{Map, Number, Value as Json};
use std::collections::HashMap;
use std::sync::Arc;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The variables of an evaluation.
pub(crate) struct Variables {
    values: Vec<(String, Value)>,
}

impl Variables {
    pub(crate) fn new(facts: &Map<String, Json>) -> Self {
        let value = |(name, fact): (&String, &Json)| {
            let value = match (name.as_str(), fact) {
                ("signedAt", Json::String(at)) => timestamp(at),
                _ => convert(fact),
            };
            (name.clone(), value)
        };
        Self {
            values: facts.iter().map(value).collect(),
        }
    }

    pub(crate) fn add_to(&self, context: &mut Context<'_, '_>) {
        for (name, value) in &self.values {
            context.add_variable_from_value(name.as_str(), value.clone());
        }
    }
}

/// JSON's values; numbers without fraction are CEL's `int` (or `uint`, beyond it), as a writer of `== 3` expects.
fn convert(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => convert_number(number),
        Json::String(text) => Value::String(Arc::new(text.clone())),
        Json::Array(list) => Value::List(Arc::new(list.iter().map(convert).collect())),
        Json::Object(map) => {
            let entries: HashMap<Key, Value> = map
                .iter()
                .map(|(name, value)| (Key::String(Arc::new(name.clone())), convert(value)))
                .collect();
            Value::Map(CelMap {
                map: Arc::new(entries),
            })
        }
    }
}

fn convert_number(number: &Number) -> Value {
    if let Some(int) = number.as_i64() {
        return Value::Int(int);
    }
    if let Some(uint) = number.as_u64() {
        return Value::UInt(uint);
    }
    number.as_f64().map_or(Value::Null, Value::Float)
}

/// CEL's timestamp; what cannot be one is null, which no comparison of times accepts.
fn timestamp(text: &str) -> Value {
    OffsetDateTime::parse(text, &Rfc3339)
        .ok()
        .and_then(|at| chrono::DateTime::from_timestamp(at.unix_timestamp(), at.nanosecond()))
        .map_or(Value::Null, |at| Value::Timestamp(at.fixed_offset()))
}
