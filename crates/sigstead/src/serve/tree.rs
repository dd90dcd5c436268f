//! Settings as a tree, each with the place that it comes from: a line of the file, the environment, a flag.

use anyhow::{Result, anyhow};
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) item: Item,
    /// `file:line`, or the name of a variable or flag.
    pub(crate) source: String,
}

/// What a value can be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item {
    Text(String),
    Integer(i64),
    Boolean(bool),
    Array(Vec<Node>),
    Table(Vec<(String, Node)>),
    /// A type that no setting has.
    Other(&'static str),
}

impl Node {
    /// Reads TOML.
    pub(crate) fn parse(file: &Path, text: &str) -> Result<Self> {
        // Everything else waits for a file that is TOML at all.
        let root = DeTable::parse(text)
            .map_err(|error| anyhow!("{} is not TOML: {error}", file.display()))?;
        let place = |at: usize| {
            let before = text.as_bytes().get(..at).unwrap_or_default();
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
            format!("{}:{line}", file.display())
        };
        Ok(table(root.get_ref(), place(0), &place))
    }

    /// Reads a single value as TOML writes it; text that is no such value is text.
    pub(crate) fn of_text(text: &str, is_text: bool, source: &str) -> Self {
        let as_text = || Self {
            item: Item::Text(text.to_owned()),
            source: source.to_owned(),
        };
        if is_text {
            return as_text();
        }
        match DeValue::parse(text) {
            Ok(parsed) => value(&parsed, &|_| source.to_owned()),
            Err(_) => as_text(),
        }
    }

    /// The value of a dotted key.
    pub(crate) fn find(&self, key: &str) -> Option<&Self> {
        key.split('.').try_fold(self, |node, name| {
            let Item::Table(entries) = &node.item else {
                return None;
            };
            let mut entries = entries.iter();
            let found = entries.find(|(known, _)| known == name);
            found.map(|(_, node)| node)
        })
    }

    /// Puts a value in the place of whatever a dotted key has. Tables on the way are made; false when something else is
    /// in the way.
    pub(crate) fn put(&mut self, key: &str, node: Self) -> bool {
        let Item::Table(entries) = &mut self.item else {
            return false;
        };
        let (name, rest) = match key.split_once('.') {
            Some((name, rest)) => (name, Some(rest)),
            None => (key, None),
        };
        let at = entries.iter().position(|(known, _)| known == name);
        match (at, rest) {
            (Some(at), None) => entries[at].1 = node,
            (Some(at), Some(rest)) => return entries[at].1.put(rest, node),
            (None, None) => entries.push((name.to_owned(), node)),
            (None, Some(rest)) => {
                let mut table = Self {
                    item: Item::Table(Vec::new()),
                    source: node.source.clone(),
                };
                table.put(rest, node);
                entries.push((name.to_owned(), table));
            }
        }
        true
    }
}

impl Item {
    /// The name of its type in messages.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::Integer(_) => "integer",
            Self::Boolean(_) => "boolean",
            Self::Array(_) => "array",
            Self::Table(_) => "table",
            Self::Other(name) => name,
        }
    }
}

fn table(entries: &DeTable<'_>, source: String, place: &impl Fn(usize) -> String) -> Node {
    let entries = entries.iter();
    let entries = entries.map(|(name, found)| (name.get_ref().to_string(), value(found, place)));
    Node {
        item: Item::Table(entries.collect()),
        source,
    }
}

fn value(found: &Spanned<DeValue<'_>>, place: &impl Fn(usize) -> String) -> Node {
    let source = place(found.span().start);
    let item = match found.get_ref() {
        DeValue::String(text) => Item::Text(text.to_string()),
        DeValue::Boolean(is) => Item::Boolean(*is),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Item::Integer(number),
            Err(_) => Item::Other("a number that is too large"),
        },
        DeValue::Array(items) => Item::Array(items.iter().map(|item| value(item, place)).collect()),
        DeValue::Table(entries) => return table(entries, source, place),
        DeValue::Float(_) => Item::Other("float"),
        DeValue::Datetime(_) => Item::Other("datetime"),
    };
    Node { item, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_takes_the_place_of_what_was_there() {
        let mut root = Node::parse(Path::new("f"), "a = 1\n[b]\nc = \"x\"\n").unwrap();
        assert_eq!(root.find("b.c").unwrap().source, "f:3");
        let flag = |text| Node::of_text(text, false, "--set");
        assert!(root.put("b.c", flag("[1, 2]")));
        assert!(root.put("new.table.key", flag("true")));
        assert!(!root.put("a.b", flag("1")), "a is no table");
        let found = root.find("b.c").unwrap();
        assert!(matches!(&found.item, Item::Array(items) if items.len() == 2));
        assert_eq!(found.source, "--set");
        let made = root.find("new.table.key").unwrap();
        assert_eq!(made.item, Item::Boolean(true));
        assert_eq!(flag("not toml").item, Item::Text("not toml".into()));
        assert_eq!(
            Node::of_text("5", true, "").item,
            Item::Text("5".to_owned())
        );
    }
}
