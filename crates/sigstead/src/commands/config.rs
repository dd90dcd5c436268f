//! `sigstead config`: check, print and explain the configuration of `serve`.

use crate::cli::{ConfigArgs, ConfigCommand, Role};
use crate::exit::{Failure, Outcome};
use crate::serve::config::keys::{KEYS, Key, Kind, find};
use crate::serve::config::{Config, Values, string};
use crate::serve::load_tls;
use crate::serve::tree::{Item, Node};
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::fmt::Write as _;

pub(crate) fn run(command: ConfigCommand) -> Result<Outcome, Failure> {
    match command {
        ConfigCommand::Check(args) => check(&args.config, &args.roles),
        ConfigCommand::Print(args) => {
            let config = Config::load(&args.config).map_err(Failure::Usage)?;
            print(&show(&config, args.json));
            Ok(())
        }
        ConfigCommand::Explain(args) => match args.markdown {
            true => {
                print(&page());
                Ok(())
            }
            false => explain(args.key.as_deref().unwrap_or_default()),
        },
    }
    .map_err(Failure::Usage)?;
    Ok(Outcome::Success)
}

/// Reads everything that the configuration names and that this process would read.
fn check(args: &ConfigArgs, roles: &[Role]) -> Result<()> {
    let config = Config::load(args)?;
    let roles = config.roles(roles)?;
    let mut problems = Vec::new();
    let mut note = |result: Result<()>| {
        if let Err(error) = result {
            problems.push(format!("\n  {error:#}"));
        }
    };
    note(config.check_built());
    if let Some(path) = &config.passphrase_file {
        note(
            keys::Passphrase::from_file(path)
                .map(drop)
                .context("keys.passphrase_file"),
        );
    }
    if let Some(tls) = &config.tls {
        note(load_tls(tls).map(drop));
    }
    if let Some(instance) = &config.instance {
        note(instance.database().map(drop));
        if roles.contains(&Role::Fulcio) {
            note(instance.issuers().map(drop));
        }
    }
    if !problems.is_empty() {
        let (count, listed) = (problems.len(), problems.concat());
        bail!("{} has {count} problem(s):{listed}", config.path.display());
    }
    let names: Vec<&str> = roles.iter().map(|role| role.name()).collect();
    print(&format!(
        "{} is good; it runs {}",
        config.path.display(),
        names.join(", ")
    ));
    Ok(())
}

/// A setting in force.
struct Effective {
    key: &'static Key,
    /// As TOML writes it.
    value: String,
    source: String,
}

fn show(config: &Config, as_json: bool) -> String {
    let all = effective(config);
    if as_json {
        let entries = all.iter().map(|one| {
            let entry = json!({"value": one.value, "source": one.source});
            (one.key.path.to_owned(), entry)
        });
        return serde_json::Value::Object(entries.collect()).to_string();
    }
    let lines = all.iter().map(|one| {
        let Effective { key, value, source } = one;
        format!("{} = {value}  # {source}", key.path)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn effective(config: &Config) -> Vec<Effective> {
    KEYS.iter().filter_map(|key| of_key(config, key)).collect()
}

fn of_key(config: &Config, key: &'static Key) -> Option<Effective> {
    if let Some(node) = config.root.find(key.path) {
        let value = match (key.kind, &node.item) {
            (Kind::Secret, Item::Text(text)) => string(&redacted(text)),
            _ => toml(node),
        };
        return Some(Effective {
            key,
            value,
            source: node.source.clone(),
        });
    }
    let computed = config
        .instance
        .as_ref()
        .and_then(|instance| instance.value(key.path));
    let value = match computed {
        Some(value) => value,
        None => default(config, key)?,
    };
    Some(Effective {
        key,
        value,
        source: "default".to_owned(),
    })
}

/// The default, when it is a value and its part of the configuration is in use.
fn default(config: &Config, key: &Key) -> Option<String> {
    let is_value = key.default.starts_with(['"', '[', 't', 'f'])
        || key.default.chars().all(|c| c.is_ascii_digit());
    let literal = key.default.split(' ').count() == 1;
    let in_use = match key.path.split_once('.') {
        Some(("witness", _)) => config.witness.is_some(),
        Some(("verifier", _)) => config.verifier.is_some(),
        Some(("log", _)) | None => true,
        Some(_) => config.instance.is_some(),
    };
    (is_value && literal && in_use).then(|| key.default.to_owned())
}

/// A database's name without the password.
fn redacted(text: &str) -> String {
    let Ok(mut url) = url::Url::parse(text) else {
        return text.to_owned();
    };
    if url.password().is_some() && url.set_password(Some("redacted")).is_err() {
        return "redacted".to_owned();
    }
    match url.query_pairs().any(|(name, _)| name == "password") {
        true => "redacted".to_owned(),
        false => url.to_string(),
    }
}

fn toml(node: &Node) -> String {
    match &node.item {
        Item::Text(text) => string(text),
        Item::Integer(number) => number.to_string(),
        Item::Boolean(is) => is.to_string(),
        Item::Array(items) => {
            let items: Vec<String> = items.iter().map(toml).collect();
            format!("[{}]", items.join(", "))
        }
        Item::Table(entries) => {
            let entries = entries.iter();
            let entries = entries.map(|(name, node)| format!("{name} = {}", toml(node)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        Item::Other(name) => format!("({name})"),
    }
}

fn explain(key: &str) -> Result<()> {
    if let Some(key) = find(key) {
        print(&long(key));
        return Ok(());
    }
    let below = |one: &&Key| {
        let rest = one.path.strip_prefix(key);
        key.is_empty() || rest.is_some_and(|rest| rest.starts_with('.'))
    };
    let found: Vec<&Key> = KEYS.iter().filter(below).collect();
    if found.is_empty() {
        let near = KEYS.iter().map(|one| one.path);
        let last = key.rsplit('.').next().unwrap_or(key);
        let near: Vec<&str> = near.filter(|path| path.contains(last)).collect();
        match near.is_empty() {
            true => bail!("{key} is no setting; `sigstead config explain` lists all"),
            false => bail!("{key} is no setting; is it {}?", near.join(", ")),
        }
    }
    let lines = found
        .iter()
        .map(|key| format!("{:<28}{}", key.path, key.what));
    print(&lines.collect::<Vec<_>>().join("\n"));
    Ok(())
}

fn long(key: &Key) -> String {
    let mut text = format!("{}\n  {}\n", key.path, key.what);
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "  {name:<14}{value}");
        }
    };
    line("is a", key.kind.name());
    line("bounds", key.bounds);
    line("default", key.default);
    line("example", &format!("{} = {}", key.path, key.example));
    line("environment", &variable(key));
    text.trim_end().to_owned()
}

fn variable(key: &Key) -> String {
    format!("SIGSTEAD__{}", key.path.to_uppercase().replace('.', "__"))
}

/// The page of the documentation.
fn page() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         One TOML file for `sigstead init` and `sigstead serve`; a commented one is in `deploy/examples/sigstead.toml`. The \
         environment takes precedence over the file (`SIGSTEAD__REKOR__URL` is `rekor.url`), and `--set rekor.url=…` over \
         both. Relative paths start at the file's folder, wherever they come from. Every problem is told at once, with its \
         key, its place and its cure: `sigstead config check`. What is in force is told by `sigstead config print`.\n\n\
         This page is `sigstead config explain --markdown`.\n",
    );
    let mut section = None;
    for key in KEYS {
        let (of, name) = key.path.split_once('.').unwrap_or(("", key.path));
        if section != Some(of) {
            section = Some(of);
            let title = match of {
                "" => "Top level".to_owned(),
                of => format!("`[{of}]`"),
            };
            page += &format!(
                "\n## {title}\n\n| Setting | Is | Bounds | Default | Example | What |\n|---|---|---|---|---|---|\n"
            );
        }
        page += &format!(
            "| `{name}` | {} | {} | {} | `{}` | {} |\n",
            key.kind.name(),
            key.bounds,
            key.default,
            key.example,
            key.what
        );
    }
    page.trim_end().to_owned()
}

#[allow(clippy::print_stdout)]
fn print(text: &str) {
    println!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_is_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == page() + "\n",
            "write it anew: sigstead config explain --markdown > docs/configuration.md"
        );
    }

    #[test]
    fn passwords_are_not_shown() {
        let shown = redacted("postgres://log:secret@db/logs");
        assert!(!shown.contains("secret") && shown.contains("db/logs"));
        assert!(!redacted("postgres:///logs?host=/run&password=secret").contains("secret"));
    }
}
