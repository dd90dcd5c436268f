//! A tree against the JSON Schema: unknown and missing members, wrong types, all of them with their paths.
//!
//! Knows the part of JSON Schema that our own types give, so that what an editor objects to and what is refused here
//! are the same thing.

use super::names::nearest;
use crate::error::{Problems, item, member};
use serde_json::{Map, Value};

/// Adds what does not fit.
pub(crate) fn check(tree: &Value, schema: &Value, problems: &mut Problems) {
    Shape { root: schema }.value("", tree, schema, problems);
}

struct Shape<'s> {
    root: &'s Value,
}

impl<'s> Shape<'s> {
    fn value(&self, path: &str, have: &Value, schema: &'s Value, problems: &mut Problems) {
        let branches: Vec<&'s Value> = self.branches(schema);
        let fitting: Vec<&'s Value> = branches
            .iter()
            .copied()
            .filter(|branch| has_type(have, branch))
            .collect();
        if fitting.is_empty() {
            let types: Vec<&str> = branches.iter().flat_map(|branch| types(branch)).collect();
            problems.add(path, format!("is {}", kind(have)), wanted(&types));
            return;
        }
        match have {
            Value::Object(map) => self.object(path, map, &fitting, problems),
            Value::Array(list) => {
                let items = fitting.iter().find_map(|branch| branch.get("items"));
                for (position, value) in list.iter().enumerate() {
                    if let Some(items) = items {
                        self.value(&item(path, position), value, items, problems);
                    }
                }
            }
            _ => scalar(path, have, &fitting, problems),
        }
    }

    /// The alternatives of a schema, references followed.
    fn branches(&self, schema: &'s Value) -> Vec<&'s Value> {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let target = name
                .strip_prefix('#')
                .and_then(|pointer| self.root.pointer(pointer));
            return target
                .map(|target| self.branches(target))
                .unwrap_or_default();
        }
        let alternatives = schema.get("anyOf").or_else(|| schema.get("oneOf"));
        match alternatives.and_then(Value::as_array) {
            Some(list) => list.iter().flat_map(|one| self.branches(one)).collect(),
            None => vec![schema],
        }
    }

    fn object(
        &self,
        path: &str,
        have: &Map<String, Value>,
        branches: &[&'s Value],
        problems: &mut Problems,
    ) {
        // Several object branches are one choice: each has one member, and exactly one must be there.
        let names: Vec<&str> = branches
            .iter()
            .filter_map(|branch| branch.get("properties")?.as_object())
            .flat_map(|properties| properties.keys().map(String::as_str))
            .collect();
        if branches.len() > 1 && have.len() != 1 {
            problems.add(
                path,
                format!("has {} members", have.len()),
                format!("write exactly one of {}", names.join(", ")),
            );
        }
        for (name, value) in have {
            let own = branches
                .iter()
                .find_map(|branch| branch.get("properties")?.get(name));
            let any = branches
                .iter()
                .find_map(|branch| branch.get("additionalProperties"));
            match (own, any) {
                (Some(schema), _) => self.value(&member(path, name), value, schema, problems),
                (None, Some(schema)) if schema.is_object() => {
                    self.value(&member(path, name), value, schema, problems);
                }
                _ => unknown(path, name, &names, problems),
            }
        }
        if let [only] = branches {
            missing(path, have, only, problems);
        }
    }
}

fn unknown(path: &str, name: &str, names: &[&str], problems: &mut Problems) {
    let cure = match nearest(name, names.iter().copied()) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("known here: {}", names.join(", ")),
    };
    let shown: String = name.chars().take(80).collect();
    problems.add(
        member(path, &shown),
        "a member of this name is not known",
        cure,
    );
}

fn missing(path: &str, have: &Map<String, Value>, schema: &Value, problems: &mut Problems) {
    let required = schema.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if !have.contains_key(name) {
            let about = schema
                .pointer(&format!("/properties/{name}/description"))
                .and_then(Value::as_str)
                .unwrap_or("it must be there");
            problems.add(member(path, name), "is missing", format!("add it: {about}"));
        }
    }
}

fn scalar(path: &str, have: &Value, branches: &[&Value], problems: &mut Problems) {
    for branch in branches {
        if let Some(want) = branch.get("const")
            && want != have
        {
            problems.add(path, format!("is {have}"), format!("write {want}"));
        }
    }
    let minimum = |branch: &&Value| branch.get("minimum").and_then(Value::as_i64);
    if have
        .as_i64()
        .is_some_and(|number| branches.iter().filter_map(minimum).any(|min| number < min))
    {
        problems.add(path, format!("is {have}"), "write 0 or more");
    }
    if have.as_u64().is_some_and(|number| number > u32::MAX.into()) {
        problems.add(path, format!("is {have}"), "write a smaller number");
    }
}

fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn has_type(have: &Value, schema: &Value) -> bool {
    types(schema).into_iter().any(|name| match name {
        "object" => have.is_object(),
        "array" => have.is_array(),
        "string" => have.is_string(),
        "integer" => have.is_i64() || have.is_u64(),
        "boolean" => have.is_boolean(),
        // An absent member and `null` are the same thing in many writers' eyes, but a member written without a
        // value is usually one that was forgotten.
        _ => false,
    })
}

fn kind(have: &Value) -> &'static str {
    match have {
        Value::Null => "empty",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn wanted(types: &[&str]) -> String {
    let mut words: Vec<&str> = types
        .iter()
        .filter_map(|name| match *name {
            "object" => Some("an object"),
            "array" => Some("a list"),
            "string" => Some("text (in quotes, if it looks like something else)"),
            "integer" => Some("a whole number"),
            "boolean" => Some("true or false"),
            _ => None,
        })
        .collect();
    words.dedup();
    format!("write {}, or leave it out", words.join(" or "))
}
