//! Reading a TOML file so that every problem is told at once, with its key, its line and its cure.

use anyhow::{Result, bail};
use std::fmt;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One thing to mend in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Path of the setting, e.g. `witness.logs[0].vkey`.
    pub(crate) key: String,
    /// File and line.
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

/// The problems of one file, as they are found.
pub(crate) struct Problems<'a> {
    file: &'a Path,
    text: &'a str,
    found: Vec<Problem>,
}

impl<'a> Problems<'a> {
    pub(crate) fn new(file: &'a Path, text: &'a str) -> Self {
        Self {
            file,
            text,
            found: Vec::new(),
        }
    }

    /// Adds a problem of the setting at byte `at`.
    pub(crate) fn add(
        &mut self,
        key: impl Into<String>,
        at: usize,
        what: impl Into<String>,
        cure: impl Into<String>,
    ) {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        self.found.push(Problem {
            key: key.into(),
            source: format!("{}:{line}", self.file.display()),
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
    pub(crate) at: usize,
    value: &'a DeValue<'a>,
}

/// A table that is being read; what was not asked for is a problem.
pub(crate) struct Section<'a> {
    path: String,
    at: usize,
    table: &'a DeTable<'a>,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The file itself.
    pub(crate) fn root(table: &'a Spanned<DeTable<'a>>) -> Self {
        Self {
            path: String::new(),
            at: 0,
            table: table.get_ref(),
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
        let (_, value) = entries.find(|(name, _)| name.get_ref() == key)?;
        Some(Value {
            key: self.path(key),
            at: value.span().start,
            value: value.get_ref(),
        })
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
        for (name, _) in self.table.iter() {
            if !self.known.iter().any(|known| name.get_ref() == known) {
                let cure = format!("known here: {}", self.known.join(", "));
                let at = name.span().start;
                problems.add(self.path(name.get_ref()), at, "is no setting", cure);
            }
        }
    }
}

impl<'a> Value<'a> {
    /// The value as text.
    pub(crate) fn text(&self, problems: &mut Problems<'_>) -> Option<&'a str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.wrong_type("text in quotation marks", problems);
        }
        text
    }

    /// The value as a table.
    pub(crate) fn section(&self, problems: &mut Problems<'_>) -> Option<Section<'a>> {
        let Some(table) = self.value.as_table() else {
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
        let Some(array) = self.value.as_array() else {
            self.wrong_type("an array, [ … ]", problems);
            return None;
        };
        let items = array.iter().enumerate();
        let value = |(number, item): (usize, &'a Spanned<DeValue<'a>>)| Value {
            key: format!("{}[{number}]", self.key),
            at: item.span().start,
            value: item.get_ref(),
        };
        Some(items.map(value).collect())
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
        let what = format!("is of type {}", self.value.type_str());
        problems.add(self.key.as_str(), self.at, what, format!("write {want}"));
    }
}
