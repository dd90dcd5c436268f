//! The section `[verifier]`.

use super::{address, optional, path_in};
use crate::serve::table::{Problems, Section, Value};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Settings of the verifier role. Paths are resolved.
#[derive(Debug)]
pub(crate) struct VerifierConfig {
    /// `None`: the address of roles without one.
    pub(crate) listen: Option<SocketAddr>,
    /// Key and name for verification summaries.
    pub(crate) summaries: Option<Summaries>,
    pub(crate) policies: Option<PathBuf>,
    /// Registries that callers may have asked about images.
    pub(crate) registries: Vec<String>,
    /// Bytes of an uploaded artifact.
    pub(crate) max_artifact: Option<u64>,
    pub(crate) roots: Vec<RootConfig>,
}

/// Who signs verification summaries.
#[derive(Debug)]
pub(crate) struct Summaries {
    pub(crate) key: PathBuf,
    pub(crate) id: String,
}

/// A trusted root by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RootConfig {
    pub(crate) name: String,
    pub(crate) source: RootSource,
}

/// Where a trusted root comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RootSource {
    File(PathBuf),
    Tuf {
        url: String,
        /// The root.json to begin with.
        anchor: PathBuf,
        folder: PathBuf,
        /// Without it no socket is opened.
        refresh: Option<Duration>,
    },
}

const NAME: &str = "write a name of letters, digits, '-', '_', '.', e.g. name = \"default\"";
const SOURCE: &str = "write file = \"PATH\", or tuf = \"https://…\" with root and folder";
const REFRESH: &str = "write a whole number and m, h or d, at least 1m, e.g. refresh = \"1d\"";
const SIZE: &str = "write a whole number and KiB, MiB, GiB or TiB, e.g. max_artifact = \"64GiB\"";
const REGISTRY: &str =
    "write host or host:port, as in references: registries = [\"registry.example.com:5000\"]";
const ID: &str =
    "write the URI that summaries name the verifier by, e.g. id = \"https://verifier.example.com\"";

/// Reads the section.
pub(super) fn read(
    mut section: Section<'_>,
    folder: &Path,
    problems: &mut Problems<'_>,
) -> Option<VerifierConfig> {
    let listen = optional(section.get("listen"), |value| address(value, problems));
    let summaries = summaries(&mut section, folder, problems);
    let policies = optional(section.get("policies"), |value| {
        path_in(folder, value, problems)
    });
    let registries = match section.get("registries") {
        Some(value) => registries(&value, problems),
        None => Some(Vec::new()),
    };
    let max_artifact = optional(section.get("max_artifact"), |value| {
        value.parse(bytes, SIZE, problems)
    });
    let roots = match section.get("roots") {
        Some(value) => roots(&value, folder, problems),
        None => Some(Vec::new()),
    };
    section.finish(problems);
    Some(VerifierConfig {
        listen: listen?,
        summaries: summaries?,
        policies: policies?,
        registries: registries?,
        max_artifact: max_artifact?,
        roots: roots?,
    })
}

fn summaries(
    section: &mut Section<'_>,
    folder: &Path,
    problems: &mut Problems<'_>,
) -> Option<Option<Summaries>> {
    let (key, id) = (section.get("key"), section.get("id"));
    let (key, id) = match (key, id) {
        (None, None) => return Some(None),
        (Some(key), Some(id)) => (key, id),
        (Some(key), None) => {
            problems.add(section.path("id"), key.at, "is missing beside key", ID);
            return None;
        }
        (None, Some(id)) => {
            let cure = "write key = \"PATH\", made by init";
            problems.add(section.path("key"), id.at, "is missing beside id", cure);
            return None;
        }
    };
    let key = path_in(folder, &key, problems);
    let id = id.parse(check_id, ID, problems);
    Some(Some(Summaries { key: key?, id: id? }))
}

/// Hosts with or without port, as they stand in references.
fn registries(value: &Value<'_>, problems: &mut Problems<'_>) -> Option<Vec<String>> {
    let check = |text: &str| match text.is_empty() || text.contains(['/', '@', '*', ' ']) {
        true => Err("is no host of a registry"),
        false => Ok(text.to_owned()),
    };
    let items = value.items(problems)?;
    let count = items.len();
    let hosts: Vec<String> = items
        .iter()
        .filter_map(|item| item.parse(check, REGISTRY, problems))
        .collect();
    (hosts.len() == count).then_some(hosts)
}

fn check_id(text: &str) -> Result<String, url::ParseError> {
    url::Url::parse(text).map(|_| text.to_owned())
}

fn roots(value: &Value<'_>, folder: &Path, problems: &mut Problems<'_>) -> Option<Vec<RootConfig>> {
    let mut roots: Vec<RootConfig> = Vec::new();
    let mut all = true;
    for item in value.items(problems)? {
        match root(&item, folder, problems) {
            Some(root) if roots.iter().any(|known| known.name == root.name) => {
                let what = format!("is the second one named {}", root.name);
                problems.add(item.key, item.at, what, "give each root a name of its own");
            }
            Some(root) => roots.push(root),
            None => all = false,
        }
    }
    all.then_some(roots)
}

fn root(item: &Value<'_>, folder: &Path, problems: &mut Problems<'_>) -> Option<RootConfig> {
    let mut section = item.section(problems)?;
    let name = section
        .require("name", NAME, problems)
        .and_then(|value| value.parse(check_name, NAME, problems));
    let source = match (section.get("file"), section.get("tuf")) {
        (Some(file), None) => path_in(folder, &file, problems).map(RootSource::File),
        (None, Some(url)) => tuf(&url, &mut section, folder, problems),
        _ => {
            problems.add(item.key.as_str(), item.at, "has no source, or two", SOURCE);
            return None;
        }
    };
    section.finish(problems);
    Some(RootConfig {
        name: name?,
        source: source?,
    })
}

fn tuf(
    url: &Value<'_>,
    section: &mut Section<'_>,
    folder: &Path,
    problems: &mut Problems<'_>,
) -> Option<RootSource> {
    let url = url.text(problems).map(str::to_owned);
    let mut path = |key, cure, problems: &mut Problems<'_>| {
        let value = section.require(key, cure, problems)?;
        path_in(folder, &value, problems)
    };
    let cure = "write root = \"PATH\", the root.json that you have from the repository's operator";
    let anchor = path("root", cure, problems);
    let cure = "write folder = \"PATH\", where what was fetched is remembered";
    let tuf_folder = path("folder", cure, problems);
    let refresh = optional(section.get("refresh"), |value| {
        value.parse(interval, REFRESH, problems)
    });
    Some(RootSource::Tuf {
        url: url?,
        anchor: anchor?,
        folder: tuf_folder?,
        refresh: refresh?,
    })
}

fn check_name(text: &str) -> Result<String, &'static str> {
    match trust::is_name(text) {
        true => Ok(text.to_owned()),
        false => Err("is no name of a trusted root"),
    }
}

fn bytes(text: &str) -> Result<u64, &'static str> {
    let problem = "is no size";
    let (count, unit) = text
        .split_at_checked(text.len().saturating_sub(3))
        .ok_or(problem)?;
    let unit = match unit {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(problem),
    };
    let count: u64 = count.trim_end().parse().map_err(|_| problem)?;
    match count.checked_mul(unit) {
        // Nothing could be uploaded at all.
        None | Some(0) => Err(problem),
        Some(bytes) => Ok(bytes),
    }
}

fn interval(text: &str) -> Result<Duration, &'static str> {
    let problem = "is no length of time";
    let unit = text.chars().next_back().ok_or(problem)?;
    let seconds = match unit {
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(problem),
    };
    let count: u32 = text.trim_end_matches(unit).parse().map_err(|_| problem)?;
    match count {
        0 => Err(problem),
        _ => Ok(Duration::from_secs(u64::from(count) * seconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::config::Config;

    fn parse(text: &str) -> anyhow::Result<VerifierConfig> {
        let config = Config::parse(Path::new("conf/v.toml"), text)?;
        Ok(config.verifier.unwrap())
    }

    #[test]
    fn roots_come_from_files_and_from_tuf() {
        let text = "[verifier]\nlisten = \"127.0.0.1:1\"\n[[verifier.roots]]\nname = \"default\"\nfile = \"r.json\"\n\
                    [[verifier.roots]]\nname = \"staging\"\ntuf = \"https://tuf.example.com\"\nroot = \"/a/root.json\"\n\
                    folder = \"tuf\"\nrefresh = \"12h\"\n";
        let config = parse(text).unwrap();
        assert_eq!(
            config.roots[0].source,
            RootSource::File("conf/r.json".into())
        );
        let tuf = RootSource::Tuf {
            url: "https://tuf.example.com".into(),
            anchor: "/a/root.json".into(),
            folder: "conf/tuf".into(),
            refresh: Some(Duration::from_secs(12 * 3600)),
        };
        assert_eq!(config.roots[1].source, tuf);
        assert!(config.summaries.is_none() && config.policies.is_none());
        assert_eq!(config.max_artifact, None);
    }

    #[test]
    fn the_largest_upload_has_a_unit_and_is_not_nothing() {
        let of = |size: &str| {
            parse(&format!(
                "[verifier]\nlisten = \"127.0.0.1:1\"\nmax_artifact = \"{size}\"\n"
            ))
        };
        for (size, bytes) in [("1KiB", 1024), ("5 GiB", 5 << 30), ("2TiB", 2 << 40)] {
            assert_eq!(of(size).unwrap().max_artifact, Some(bytes), "{size}");
        }
        for size in ["", "0MiB", "5", "5GB", "-1KiB", "99999999TiB", "é"] {
            let error = of(size).unwrap_err().to_string();
            let want = "verifier.max_artifact (conf/v.toml:3): is no size; write a whole number";
            assert!(error.contains(want), "{size}: {error}");
        }
    }

    #[test]
    fn every_problem_is_told_with_its_cure() {
        let text = "[verifier]\nlisten = 1\nkey = \"k.pem\"\ncolor = 1\nregistries = [\"https://r\"]\nroots = [\n  { name = \"a b\", file = \"x\" },\n  \
                    { name = \"n\" },\n  { name = \"t\", tuf = \"https://t\", refresh = \"1s\" },\n  \
                    { name = \"d\", file = \"x\" },\n  { name = \"d\", file = \"y\" },\n]\n";
        let error = parse(text).unwrap_err().to_string();
        for want in [
            "10 problem(s)",
            "verifier.listen (conf/v.toml:2): is of type integer",
            "verifier.id (conf/v.toml:3): is missing beside key; write the URI",
            "verifier.color (conf/v.toml:4): is no setting",
            "verifier.registries[0] (conf/v.toml:5): is no host",
            "verifier.roots[0].name (conf/v.toml:7): is no name",
            "verifier.roots[1] (conf/v.toml:8): has no source",
            "verifier.roots[2].root (conf/v.toml:9): is missing",
            "verifier.roots[2].folder (conf/v.toml:9): is missing",
            "verifier.roots[2].refresh (conf/v.toml:9): is no length of time",
            "verifier.roots[4] (conf/v.toml:11): is the second one named d",
        ] {
            assert!(error.contains(want), "{want} is not in\n{error}");
        }
    }
}
