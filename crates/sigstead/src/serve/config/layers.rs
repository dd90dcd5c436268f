//! What takes precedence over the file: variables `SIGSTEAD__REKOR__URL`, then `--set rekor.url=…`.

use super::keys;
use crate::serve::table::Problems;
use crate::serve::tree::Node;

/// Begins the name of every variable that is a setting.
pub(crate) const PREFIX: &str = "SIGSTEAD__";

/// Lays variables over the file, in the order of their names.
pub(super) fn environment(
    root: &mut Node,
    variables: impl IntoIterator<Item = (String, String)>,
    problems: &mut Problems<'_>,
) {
    let named = variables
        .into_iter()
        .filter(|(name, _)| name.starts_with(PREFIX));
    let mut variables: Vec<_> = named.collect();
    variables.sort();
    for (name, text) in variables {
        let key = name[PREFIX.len()..].to_lowercase().replace("__", ".");
        put(root, &key, &text, &format!("environment {name}"), problems);
    }
}

/// Lays flags over both, the last one uppermost.
pub(super) fn flags(root: &mut Node, set: &[String], problems: &mut Problems<'_>) {
    for flag in set {
        match flag.split_once('=') {
            Some((key, text)) => put(root, key, text, &format!("--set {key}"), problems),
            None => problems.add(
                flag.as_str(),
                "--set",
                "has no value",
                "write --set KEY=VALUE, e.g. --set rekor.listen=127.0.0.1:8082",
            ),
        }
    }
}

fn put(root: &mut Node, key: &str, text: &str, source: &str, problems: &mut Problems<'_>) {
    let Some(known) = keys::find(key) else {
        let cure = "see `sigstead config explain` for all of them";
        problems.add(key, source, "is no setting", cure);
        return;
    };
    let node = Node::of_text(text, known.kind.is_text(), source);
    if !root.put(key, node) {
        let cure = "write a table in the file, or leave it away";
        problems.add(key, source, "is inside of something that is no table", cure);
    }
}
