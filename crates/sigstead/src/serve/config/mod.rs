//! The configuration file of `serve`: parsed raw, checked whole, all problems told together.

mod verifier;
mod witness;

pub(crate) use verifier::{RootConfig, RootSource, VerifierConfig};
pub(crate) use witness::WitnessConfig;

use super::table::{Problems, Section, Value};
use crate::commands::input::read_limited;
use anyhow::{Context, Result, anyhow};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// A witness of 4096 logs writes about 1 MiB.
const MAX_CONFIG: u64 = 4 << 20;

/// A configuration that can work, as far as the file tells.
#[derive(Debug)]
pub(crate) struct Config {
    /// Where metrics are served.
    pub(crate) admin_listen: Option<SocketAddr>,
    /// The section `[witness]`.
    pub(crate) witness: Option<WitnessConfig>,
    /// The section `[verifier]`.
    pub(crate) verifier: Option<VerifierConfig>,
}

impl Config {
    /// Reads and checks a file.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let bytes = read_limited(path, MAX_CONFIG)?;
        let text =
            String::from_utf8(bytes).with_context(|| format!("{} is not text", path.display()))?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self> {
        // Everything else waits for a file that is TOML at all.
        let root = DeTable::parse(text)
            .map_err(|error| anyhow!("{} is not TOML: {error}", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut problems = Problems::new(path, text);
        let mut root = Section::root(&root);
        let admin_listen = root
            .get("admin_listen")
            .and_then(|value| address(&value, &mut problems));
        let witness = root
            .get("witness")
            .and_then(|value| value.section(&mut problems))
            .and_then(|section| witness::read(section, folder, &mut problems));
        let verifier = root
            .get("verifier")
            .and_then(|value| value.section(&mut problems))
            .and_then(|section| verifier::read(section, folder, &mut problems));
        root.finish(&mut problems);
        problems.finish()?;
        Ok(Self {
            admin_listen,
            witness,
            verifier,
        })
    }
}

const ADDRESS: &str = "write an address and a port, e.g. \"127.0.0.1:8081\"";

fn address(value: &Value<'_>, problems: &mut Problems<'_>) -> Option<SocketAddr> {
    value.parse(str::parse::<SocketAddr>, ADDRESS, problems)
}

fn path_in(folder: &Path, value: &Value<'_>, problems: &mut Problems<'_>) -> Option<PathBuf> {
    let check = |text: &str| match text.is_empty() || text.ends_with('/') {
        true => Err("is no path of a file"),
        false => Ok(folder.join(text)),
    };
    value.parse(check, "write the path of a file", problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str =
        "example.com/behind-the-sofa+13e30ba2+ASmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X";

    fn parse(text: &str) -> Result<Config> {
        Config::parse(Path::new("conf/w.toml"), text)
    }

    #[test]
    fn the_example_of_the_help_is_a_configuration() {
        let text = super::super::EXAMPLE
            .lines()
            .skip_while(|line| !line.trim().starts_with("admin_listen"))
            .collect::<Vec<_>>()
            .join("\n");
        let config = parse(&text).unwrap();
        let witness = config.witness.unwrap();
        assert_eq!(witness.logs.len(), 2);
        assert_eq!(witness.logs[0].origin, witness.logs[0].key.name());
        assert_eq!(witness.key, Path::new("conf/witness.pem"));
        assert_eq!(witness.prefix, "");
    }

    #[test]
    fn every_problem_is_told_at_once_with_key_line_and_cure() {
        let text = format!(
            "color = 1\n[witness]\nname = \"a b\"\nkey = 5\nlisten = \"here\"\nprefix = \"w1\"\nlogs = [\n  {{ vkey = \"x\" }},\n  {{ origin = \"o\" }},\n  {{ vkey = \"{LOG}\" }},\n  {{ vkey = \"{LOG}\" }},\n]\nextra = true\n"
        );
        let error = parse(&text).unwrap_err().to_string();
        for want in [
            "10 problem(s)",
            "color (conf/w.toml:1): is no setting; known here: admin_listen, witness",
            "witness.name (conf/w.toml:3): a key name must not hold ' '",
            "witness.key (conf/w.toml:4): is of type integer; write text",
            "witness.database (conf/w.toml:2): is missing; write database = \"PATH\"",
            "witness.listen (conf/w.toml:5): invalid socket address",
            "witness.prefix (conf/w.toml:6): must begin with /",
            "witness.logs[0].vkey (conf/w.toml:8): a verifier key is",
            "witness.logs[1].vkey (conf/w.toml:9): is missing",
            "witness.logs[3] (conf/w.toml:11): stands here twice",
            "witness.extra (conf/w.toml:13): is no setting",
        ] {
            assert!(error.contains(want), "{want} is not in\n{error}");
        }
    }

    #[test]
    fn what_is_no_toml_is_said_with_its_place() {
        let error = parse("[witness\n").unwrap_err().to_string();
        assert!(
            error.contains("conf/w.toml is not TOML") && error.contains("line 1"),
            "{error}"
        );
    }

    #[test]
    fn a_witness_is_no_log_to_be_witnessed() {
        let key = "witness.example.org/w1+cfcd1a67+BAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
        let error = parse(&format!("[witness]\nlogs = [{{ vkey = \"{key}\" }}]\n")).unwrap_err();
        assert!(
            error.to_string().contains("is the key of a witness"),
            "{error}"
        );
    }

    #[test]
    fn absolute_paths_stay() {
        let text = format!(
            "[witness]\nname = \"w\"\nkey = \"/k.pem\"\ndatabase = \"w.db\"\nlisten = \"[::1]:1\"\nlogs = [{{ vkey = \"{LOG}\", origin = \"o - 1\" }}]\n"
        );
        let witness = parse(&text).unwrap().witness.unwrap();
        assert_eq!(witness.key, Path::new("/k.pem"));
        assert_eq!(witness.database, Path::new("conf/w.db"));
        assert_eq!(witness.logs[0].origin, "o - 1");
    }
}
