//! Reading settings so that every problem is told at once, with its key, its line and its cure.

use super::tree::{Item, Node};
use anyhow::{Result, bail};
use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;

/// One thing to mend in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Path of the setting, e.g. `witness.logs[0].vkey`.
    pub(crate) key: String,
    /// File and line, or variable, or flag.
    pub(crate) source: String,
    /// What is wrong.
    pub(crate) what: String,
    /// What to write instead.
    pub(crate) cure: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            key,
            source,
            what,
            cure,
        } = self;
        write!(f, "{key} ({source}): {what}; {cure}")
    }
}

/// The problems of one configuration, as they are found.
pub(crate) struct Problems<'a> {
    file: &'a Path,
    found: Vec<Problem>,
}

impl<'a> Problems<'a> {
    pub(crate) fn new(file: &'a Path) -> Self {
        Self {
            file,
            found: Vec::new(),
        }
    }

    /// Adds a problem of the setting that stands at `source`.
    pub(crate) fn add(
        &mut self,
        key: impl Into<String>,
        source: &str,
        what: impl Into<String>,
        cure: impl Into<String>,
    ) {
        self.found.push(Problem {
            key: key.into(),
            source: source.to_owned(),
            what: what.into(),
            cure: cure.into(),
        });
    }

    /// Fails with every problem, if there is any.
    pub(crate) fn finish(self) -> Result<()> {
        if self.found.is_empty() {
            return Ok(());
        }
        let listed: String = self.found.iter().map(|one| format!("\n  {one}")).collect();
        bail!(
            "{} has {} problem(s):{listed}",
            self.file.display(),
            self.found.len()
        );
    }
}

/// A value with the path of its key and where it stands.
pub(crate) struct Value<'a> {
    pub(crate) key: String,
    pub(crate) at: &'a str,
    item: &'a Item,
}

/// A table that is being read; what was not asked for is a problem.
pub(crate) struct Section<'a> {
    path: String,
    pub(crate) at: &'a str,
    table: &'a [(String, Node)],
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The whole configuration.
    pub(crate) fn root(root: &'a Node) -> Self {
        Self {
            path: String::new(),
            at: &root.source,
            table: match &root.item {
                Item::Table(entries) => entries,
                _ => &[],
            },
            known: Vec::new(),
        }
    }

    /// The path of a key of this table.
    pub(crate) fn path(&self, key: &str) -> String {
        match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }

    /// The value of a key, if it is there.
    pub(crate) fn get(&mut self, key: &'static str) -> Option<Value<'a>> {
        self.known.push(key);
        let mut entries = self.table.iter();
        let (_, node) = entries.find(|(name, _)| name == key)?;
        Some(Value {
            key: self.path(key),
            at: &node.source,
            item: &node.item,
        })
    }

    /// True when the key is there.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.iter().any(|(name, _)| name == key)
    }

    /// The value of a key that must be there.
    pub(crate) fn require(
        &mut self,
        key: &'static str,
        cure: &str,
        problems: &mut Problems<'_>,
    ) -> Option<Value<'a>> {
        let value = self.get(key);
        if value.is_none() {
            problems.add(self.path(key), self.at, "is missing", cure);
        }
        value
    }

    /// Names the keys that nobody asked for.
    pub(crate) fn finish(self, problems: &mut Problems<'_>) {
        for (name, node) in self.table {
            if !self.known.iter().any(|known| name == known) {
                let cure = format!("known here: {}", self.known.join(", "));
                problems.add(self.path(name), &node.source, "is no setting", cure);
            }
        }
    }
}

impl<'a> Value<'a> {
    /// The value as text.
    pub(crate) fn text(&self, problems: &mut Problems<'_>) -> Option<&'a str> {
        match self.item {
            Item::Text(text) => Some(text),
            _ => {
                self.wrong_type("text in quotation marks", problems);
                None
            }
        }
    }

    /// The value as true or false.
    pub(crate) fn boolean(&self, problems: &mut Problems<'_>) -> Option<bool> {
        match self.item {
            Item::Boolean(is) => Some(*is),
            _ => {
                self.wrong_type("true or false", problems);
                None
            }
        }
    }

    /// The value as a number within bounds.
    pub(crate) fn number(
        &self,
        bounds: RangeInclusive<i64>,
        problems: &mut Problems<'_>,
    ) -> Option<usize> {
        let cure = format!("write a number from {} to {}", bounds.start(), bounds.end());
        match self.item {
            Item::Integer(number) if bounds.contains(number) => usize::try_from(*number).ok(),
            Item::Integer(number) => {
                problems.add(
                    self.key.as_str(),
                    self.at,
                    format!("is {number}, out of bounds"),
                    cure,
                );
                None
            }
            _ => {
                self.wrong_type("a number", problems);
                None
            }
        }
    }

    /// The value as a table.
    pub(crate) fn section(&self, problems: &mut Problems<'_>) -> Option<Section<'a>> {
        let Item::Table(table) = self.item else {
            self.wrong_type("a table", problems);
            return None;
        };
        Some(Section {
            path: self.key.clone(),
            at: self.at,
            table,
            known: Vec::new(),
        })
    }

    /// The values of an array.
    pub(crate) fn items(&self, problems: &mut Problems<'_>) -> Option<Vec<Value<'a>>> {
        let Item::Array(array) = self.item else {
            self.wrong_type("an array, [ … ]", problems);
            return None;
        };
        let value = |(number, item): (usize, &'a Node)| Value {
            key: format!("{}[{number}]", self.key),
            at: &item.source,
            item: &item.item,
        };
        Some(array.iter().enumerate().map(value).collect())
    }

    /// The value as anything that parses from text.
    pub(crate) fn parse<T, E: fmt::Display>(
        &self,
        parse: impl FnOnce(&str) -> Result<T, E>,
        cure: &str,
        problems: &mut Problems<'_>,
    ) -> Option<T> {
        let text = self.text(problems)?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(error) => {
                problems.add(self.key.as_str(), self.at, format!("{error}"), cure);
                None
            }
        }
    }

    fn wrong_type(&self, want: &str, problems: &mut Problems<'_>) {
        let what = format!("is of type {}", self.item.type_name());
        problems.add(self.key.as_str(), self.at, what, format!("write {want}"));
    }
}
