//! The section `[witness]`.

use super::{address, optional, path_in};
use crate::serve::table::{Problems, Section, Value};
use note::{KeyType, VerifierKey};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use witness::server::KnownLog;

/// Settings of the witness role. Paths are resolved.
#[derive(Debug)]
pub(crate) struct WitnessConfig {
    pub(crate) name: String,
    pub(crate) key: PathBuf,
    pub(crate) database: PathBuf,
    /// `None`: the address of roles without one.
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) prefix: String,
    pub(crate) logs: Vec<KnownLog>,
}

/// Reads the section.
pub(super) fn read(
    mut section: Section<'_>,
    folder: &Path,
    problems: &mut Problems<'_>,
) -> Option<WitnessConfig> {
    let name_cure = "write a URL without scheme, e.g. name = \"witness.example.org/w1\"";
    let name = section
        .require("name", name_cure, problems)
        .and_then(|value| {
            let check = |text: &str| note::check_name(text).map(|()| text.to_owned());
            value.parse(check, name_cure, problems)
        });
    let mut file = |key, problems: &mut Problems<'_>| {
        let cure = format!("write {key} = \"PATH\"");
        let value = section.require(key, &cure, problems)?;
        path_in(folder, &value, problems)
    };
    let key = file("key", problems);
    let database = file("database", problems);
    let listen = optional(section.get("listen"), |value| address(value, problems));
    let prefix = match section.get("prefix") {
        Some(value) => value.parse(check_prefix, "write e.g. prefix = \"/w1\"", problems),
        None => Some(String::new()),
    };
    let logs = section
        .require("logs", LOGS, problems)
        .and_then(|value| logs(&value, problems));
    section.finish(problems);
    Some(WitnessConfig {
        name: name?,
        key: key?,
        database: database?,
        listen: listen?,
        prefix: prefix?,
        logs: logs?,
    })
}

const LOGS: &str = "write [[witness.logs]] and vkey = \"…\", the verifier key, for each log";
const VKEY: &str = "ask the log's operator for its verifier key, NAME+HEX+BASE64";

/// A prefix becomes part of routes: plain segments only.
fn check_prefix(text: &str) -> Result<String, &'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let segment = |segment: &str| !segment.is_empty() && segment.chars().all(plain);
    match text.strip_prefix('/') {
        Some(rest) if rest.split('/').all(segment) => Ok(text.to_owned()),
        None if text.is_empty() => Ok(String::new()),
        _ => Err("must begin with / and have plain segments, none of them empty"),
    }
}

fn logs(value: &Value<'_>, problems: &mut Problems<'_>) -> Option<Vec<KnownLog>> {
    let items = value.items(problems)?;
    if items.is_empty() {
        problems.add(value.key.as_str(), value.at, "is empty", LOGS);
    }
    let mut logs: Vec<KnownLog> = Vec::new();
    let mut all = true;
    for item in items {
        match log(&item, problems) {
            Some(log) if logs.contains(&log) => {
                let cure = "name each log once";
                problems.add(item.key, item.at, "stands here twice", cure);
            }
            Some(log) => logs.push(log),
            None => all = false,
        }
    }
    all.then_some(logs)
}

fn log(item: &Value<'_>, problems: &mut Problems<'_>) -> Option<KnownLog> {
    let mut section = item.section(problems)?;
    let key = section
        .require("vkey", VKEY, problems)
        .and_then(|value| value.parse(log_key, VKEY, problems));
    let origin = section.get("origin").map(|value| {
        let cure = "write the first line of the log's checkpoints, or leave it out";
        value.parse(check_origin, cure, problems)
    });
    section.finish(problems);
    let key = key?;
    let origin = match origin {
        Some(given) => given?,
        None => key.name().to_owned(),
    };
    Some(KnownLog { key, origin })
}

fn log_key(text: &str) -> Result<VerifierKey, String> {
    let key = VerifierKey::parse(text).map_err(|error| error.to_string())?;
    match key.key_type() {
        KeyType::CosignatureEd25519 => Err("is the key of a witness, not of a log".to_owned()),
        KeyType::Ed25519 | KeyType::Ecdsa => Ok(key),
    }
}

fn check_origin(text: &str) -> Result<String, &'static str> {
    match text.is_empty() || text.chars().any(char::is_control) {
        true => Err("must be one line, not empty"),
        false => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_plain() {
        for (prefix, good) in [
            ("", true),
            ("/w1", true),
            ("/a/b.c", true),
            ("/", false),
            ("/a/", false),
            ("/{a}", false),
        ] {
            assert_eq!(check_prefix(prefix).is_ok(), good, "{prefix}");
        }
    }
}
