//! The settings of an instance and of its roles.

use super::{Values, base_url, one_of, optional, path_in, string};
use crate::cli::{KeyType, OutwardArgs, Role, WitnessMode};
use crate::commands::input::read_limited;
use crate::compose::Issuers;
use crate::database::Database;
use crate::instance::{Layout, Urls, host_of};
use crate::serve::table::{Problems, Section, Value};
use anyhow::{Context, Result, bail};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tlog::{Limits, MAX_BATCH_ENTRIES};

/// A URL has a few hundred bytes.
const MAX_URL_FILE: u64 = 4096;

/// What `init` makes and `serve` runs. Paths are resolved.
#[derive(Debug)]
pub(crate) struct InstanceConfig {
    pub(crate) data_dir: PathBuf,
    pub(crate) state_dir: PathBuf,
    database: Option<DatabaseConfig>,
    pub(crate) url: String,
    pub(crate) urls: Urls,
    pub(crate) limits: Limits,
    pub(crate) outward: OutwardArgs,
    pub(crate) key_type: KeyType,
    issuers: Option<IssuersConfig>,
    /// Roles with a section.
    pub(crate) sections: Vec<Role>,
    listens: Vec<(Role, SocketAddr)>,
}

#[derive(Clone, Debug)]
enum DatabaseConfig {
    Named(Database),
    /// A file with the URL.
    UrlFile(PathBuf),
}

/// Whose tokens count.
#[derive(Clone, Debug, PartialEq, Eq)]
enum IssuersConfig {
    File { path: PathBuf, allow_http: bool },
    Development,
}

impl InstanceConfig {
    /// Where the logs are.
    pub(crate) fn database(&self) -> Result<Database> {
        match &self.database {
            None => {
                let layout = Layout::read_only(&self.data_dir);
                let moved = Database::recorded_in(&layout);
                Ok(moved.unwrap_or_else(|| Database::File(layout.database())))
            }
            Some(DatabaseConfig::Named(database)) => Ok(database.clone()),
            Some(DatabaseConfig::UrlFile(path)) => {
                let place = || format!("database_url_file {}", path.display());
                let text = read_limited(path, MAX_URL_FILE).with_context(place)?;
                let text = String::from_utf8(text).with_context(place)?;
                let line = text.lines().next().unwrap_or_default().trim();
                // The text may hold a password: it is in no message.
                match line.parse() {
                    Ok(database @ Database::Server(_)) => Ok(database),
                    _ => bail!(
                        "{}: the first line must be postgres://user:password@host/name",
                        place()
                    ),
                }
            }
        }
    }

    /// Whose tokens the CA accepts, read and checked.
    pub(crate) fn issuers(&self) -> Result<Issuers> {
        match &self.issuers {
            Some(IssuersConfig::File { path, allow_http }) => {
                Issuers::load(path, *allow_http).context("fulcio.issuers")
            }
            Some(IssuersConfig::Development) => Ok(Issuers {
                text: None,
                allow_http: false,
            }),
            None => bail!("fulcio.issuers is missing: {ISSUERS}"),
        }
    }

    /// Whether the CA is among what is configured.
    pub(crate) fn has_issuers(&self) -> bool {
        self.issuers.is_some()
    }

    /// Whether the development issuer is on.
    pub(crate) fn has_dev_issuer(&self) -> bool {
        self.issuers == Some(IssuersConfig::Development)
    }

    /// The address of a role, when it has one of its own.
    pub(crate) fn listen_of(&self, role: Role) -> Option<SocketAddr> {
        let own = self.listens.iter().find(|(of, _)| *of == role);
        own.map(|(_, address)| *address)
    }

    /// The host that names the logs.
    pub(crate) fn host(&self) -> Result<String> {
        host_of(&self.url)
    }
}

const ISSUERS: &str = "write issuers = \"PATH\", Fulcio's issuer configuration; to try things out, development_issuer = \"loopback\"";
const DATABASE: &str = "write postgres://user@host/name, or the path of an SQLite file";
const PASSWORD: &str = "put the URL into a file of its own, mode 0600, and write database_url_file = \"PATH\"; or set SIGSTEAD__DATABASE";
const BATCH_AGE: &str = "write a whole number and ms or s, 1ms to 10s, e.g. batch_age = \"10ms\"";

/// Whether the file speaks of an instance at all.
pub(super) fn is_there(root: &Section<'_>) -> bool {
    let sections = Role::OF_INSTANCE.iter().any(|role| root.has(role.name()));
    let keys = [
        "data_dir",
        "state_dir",
        "url",
        "database",
        "database_url_file",
        "logs",
    ];
    sections || keys.into_iter().any(|key| root.has(key))
}

/// Knows the keys of an instance that is not there, for a message about unknown ones.
pub(super) fn mention(root: &mut Section<'_>) {
    for key in [
        "data_dir",
        "state_dir",
        "url",
        "database",
        "database_url_file",
        "logs",
    ] {
        root.get(key);
    }
    for role in Role::OF_INSTANCE {
        root.get(role.name());
    }
}

/// Reads the settings. `listen` is the address of roles without one.
pub(super) fn read(
    root: &mut Section<'_>,
    listen: SocketAddr,
    folder: &Path,
    problems: &mut Problems<'_>,
) -> Option<InstanceConfig> {
    let cure = "write data_dir = \"PATH\", the folder of the instance's keys";
    let data_dir = root.require("data_dir", cure, problems);
    let data_dir = data_dir.and_then(|value| path_in(folder, &value, problems));
    let state_dir = optional(root.get("state_dir"), |value| {
        path_in(folder, value, problems)
    });
    let database = database(root, folder, problems);
    let url = root.require("url", super::URL, problems);
    let url = url.and_then(|value| value.parse(base_url, super::URL, problems));
    let (limits, outward) = match root.get("logs").map(|value| value.section(problems)) {
        Some(section) => match section {
            Some(section) => logs(section, folder, problems),
            None => (None, None),
        },
        None => (
            Some(crate::rotation::limits()),
            Some(OutwardArgs::default()),
        ),
    };
    let mut roles = Roles {
        folder,
        sections: Vec::new(),
        listens: Vec::new(),
        urls: Urls::default(),
    };
    let issuers = roles.fulcio(root, listen, problems);
    roles.rekor(root, problems);
    roles.plain(Role::Ct, root, problems);
    roles.plain(Role::Tsa, root, problems);
    roles.plain(Role::Tuf, root, problems);
    let (issuers, key_type) = issuers?;
    let data_dir = data_dir?;
    Some(InstanceConfig {
        state_dir: state_dir?.unwrap_or_else(|| data_dir.clone()),
        data_dir,
        database: database?,
        url: url?,
        urls: roles.urls,
        limits: limits?,
        outward: outward?,
        key_type,
        issuers,
        sections: roles.sections,
        listens: roles.listens,
    })
}

fn database(
    root: &mut Section<'_>,
    folder: &Path,
    problems: &mut Problems<'_>,
) -> Option<Option<DatabaseConfig>> {
    match (root.get("database"), root.get("database_url_file")) {
        (None, None) => Some(None),
        (Some(value), Some(_)) => {
            let cure = "keep one of the two";
            problems.add(value.key, value.at, "stands beside database_url_file", cure);
            None
        }
        (None, Some(file)) => {
            let path = path_in(folder, &file, problems)?;
            Some(Some(DatabaseConfig::UrlFile(path)))
        }
        (Some(value), None) => {
            let named = value.parse(str::parse::<Database>, DATABASE, problems)?;
            let named = match named {
                Database::File(path) => Database::File(folder.join(path)),
                Database::Server(url) => {
                    let in_file = !value.at.starts_with("environment ");
                    let parsed = url::Url::parse(&url);
                    let has_password = parsed.is_ok_and(|url| {
                        url.password().is_some()
                            || url.query_pairs().any(|(name, _)| name == "password")
                    });
                    if has_password && in_file {
                        problems.add(value.key, value.at, "holds a password", PASSWORD);
                        return None;
                    }
                    Database::Server(url)
                }
            };
            Some(Some(DatabaseConfig::Named(named)))
        }
    }
}

fn logs(
    mut section: Section<'_>,
    folder: &Path,
    problems: &mut Problems<'_>,
) -> (Option<Limits>, Option<OutwardArgs>) {
    let most = i64::try_from(MAX_BATCH_ENTRIES).unwrap_or(i64::MAX);
    let default = crate::rotation::limits();
    let mut number = |key, bounds, default, problems: &mut Problems<'_>| match section.get(key) {
        Some(value) => value.number(bounds, problems),
        None => Some(default),
    };
    let pool = number("pool", 256..=1_000_000, default.pool, problems);
    let entries = number("batch_entries", 1..=most, default.batch_entries, problems);
    let floor = number("batch_floor", 1..=most, default.batch_floor, problems);
    let age = match section.get("batch_age") {
        Some(value) => value.parse(batch_age, BATCH_AGE, problems),
        None => Some(default.batch_age),
    };
    if let (Some(entries), Some(floor)) = (entries, floor)
        && floor > entries
    {
        let what = format!("is {floor}, more than a batch has ({entries})");
        let cure = "write at most logs.batch_entries";
        problems.add(section.path("batch_floor"), section.at, what, cure);
    }
    let outward = outward(&mut section, folder, problems);
    section.finish(problems);
    let limits = || {
        Some(Limits {
            pool: pool?,
            batch_entries: entries?,
            batch_floor: floor?,
            batch_age: age?,
            ..default
        })
    };
    (limits(), outward)
}

fn outward(
    section: &mut Section<'_>,
    folder: &Path,
    problems: &mut Problems<'_>,
) -> Option<OutwardArgs> {
    let publish = optional(section.get("publish"), |value| {
        let text = value.text(problems)?;
        Some(match text.contains("://") {
            true => text.to_owned(),
            false => folder.join(text).display().to_string(),
        })
    });
    let policy = section.get("witness_policy");
    let has_policy = policy.is_some();
    let witness_policy = optional(policy, |value| path_in(folder, value, problems));
    let mode = section.get("witness_mode");
    if let Some(mode) = mode.as_ref().filter(|_| !has_policy) {
        let cure = "write witness_policy = \"PATH\" as well, or leave this away";
        problems.add(mode.key.as_str(), mode.at, "stands without a policy", cure);
    }
    let modes = [("open", WitnessMode::Open), ("closed", WitnessMode::Closed)];
    let witness_mode = match mode {
        Some(value) => one_of(&value, &modes, problems),
        None => Some(WitnessMode::Open),
    };
    Some(OutwardArgs {
        publish: publish?,
        witness_policy: witness_policy?,
        witness_mode: witness_mode?,
    })
}

/// The sections of roles, as they are read.
struct Roles<'f> {
    folder: &'f Path,
    sections: Vec<Role>,
    listens: Vec<(Role, SocketAddr)>,
    urls: Urls,
}

impl Roles<'_> {
    /// Opens a role's section, and takes note of it.
    fn section<'a>(
        &mut self,
        role: Role,
        root: &mut Section<'a>,
        problems: &mut Problems<'_>,
    ) -> Option<Section<'a>> {
        let mut section = root.get(role.name())?.section(problems)?;
        self.sections.push(role);
        if let Some(address) = section
            .get("listen")
            .and_then(|value| super::address(&value, problems))
        {
            self.listens.push((role, address));
        }
        let url = section.get("url");
        let url = url.and_then(|value| value.parse(base_url, super::URL, problems));
        match role {
            Role::Fulcio => self.urls.fulcio = url,
            Role::Rekor => self.urls.rekor = url,
            Role::Ct => self.urls.ct = url,
            Role::Tsa => self.urls.tsa = url,
            Role::Tuf => self.urls.tuf = url,
            Role::Verifier | Role::Witness => {}
        }
        Some(section)
    }

    fn plain(&mut self, role: Role, root: &mut Section<'_>, problems: &mut Problems<'_>) {
        if let Some(section) = self.section(role, root, problems) {
            section.finish(problems);
        }
    }

    fn rekor(&mut self, root: &mut Section<'_>, problems: &mut Problems<'_>) {
        let Some(mut section) = self.section(Role::Rekor, root, problems) else {
            return;
        };
        let url = section.get("v2_url");
        self.urls.rekor_v2 = url.and_then(|value| value.parse(base_url, super::URL, problems));
        section.finish(problems);
    }

    fn fulcio(
        &mut self,
        root: &mut Section<'_>,
        listen: SocketAddr,
        problems: &mut Problems<'_>,
    ) -> Option<(Option<IssuersConfig>, KeyType)> {
        let at = root.at;
        let Some(mut section) = self.section(Role::Fulcio, root, problems) else {
            // Without any section of a role all of them run.
            let others = Role::OF_INSTANCE.iter().any(|role| root.has(role.name()));
            if !others {
                problems.add("fulcio.issuers", at, "is missing", ISSUERS);
            }
            return others.then_some((None, KeyType::EcdsaP384));
        };
        let own = self.listens.iter().find(|(role, _)| *role == Role::Fulcio);
        let listen = own.map_or(listen, |(_, address)| *address);
        let issuers = self.issuers(&mut section, listen, problems);
        let types = [
            ("ecdsa-p256", KeyType::EcdsaP256),
            ("ecdsa-p384", KeyType::EcdsaP384),
        ];
        let key_type = match section.get("key_type") {
            Some(value) => one_of(&value, &types, problems),
            None => Some(KeyType::EcdsaP384),
        };
        section.finish(problems);
        Some((Some(issuers?), key_type?))
    }

    fn issuers(
        &self,
        section: &mut Section<'_>,
        listen: SocketAddr,
        problems: &mut Problems<'_>,
    ) -> Option<IssuersConfig> {
        let allow_http = match section.get("allow_http_issuers") {
            Some(value) => value.boolean(problems),
            None => Some(false),
        };
        match (section.get("issuers"), section.get("development_issuer")) {
            (Some(file), None) => Some(IssuersConfig::File {
                path: path_in(self.folder, &file, problems)?,
                allow_http: allow_http?,
            }),
            (None, Some(mode)) => development(&mode, listen, problems),
            (Some(_), Some(mode)) => {
                let cure = "keep issuers alone";
                problems.add(mode.key, mode.at, "stands beside issuers", cure);
                None
            }
            (None, None) => {
                problems.add(section.path("issuers"), section.at, "is missing", ISSUERS);
                None
            }
        }
    }
}

/// Anyone who reaches the address may be anyone: loopback only, as far as this process can tell.
fn development(
    value: &Value<'_>,
    listen: SocketAddr,
    problems: &mut Problems<'_>,
) -> Option<IssuersConfig> {
    let is_container = one_of(value, &[("loopback", false), ("container", true)], problems)?;
    if !is_container && !listen.ip().is_loopback() {
        let what = format!("vouches for anybody, and {listen} is not on loopback");
        let cure = "write fulcio.listen = \"127.0.0.1:8081\", or issuers = \"PATH\"; in a container whose port is \
                    published on loopback only, \"container\"";
        problems.add(value.key.as_str(), value.at, what, cure);
        return None;
    }
    Some(IssuersConfig::Development)
}

fn batch_age(text: &str) -> Result<Duration, &'static str> {
    let problem = "is no length of time between 1ms and 10s";
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1),
        None => (text.strip_suffix('s').ok_or(problem)?, 1000),
    };
    let number: u64 = number.parse().map_err(|_| problem)?;
    match number.saturating_mul(unit) {
        ms @ 1..=10_000 => Ok(Duration::from_millis(ms)),
        _ => Err(problem),
    }
}

impl Values for InstanceConfig {
    fn value(&self, key: &str) -> Option<String> {
        let [(_, v1), (_, v2), (_, ct)] = self.urls.of_logs(&self.url);
        let or_url = |url: &Option<String>| string(url.as_deref().unwrap_or(&self.url));
        Some(match key {
            "state_dir" => string(&self.state_dir.display().to_string()),
            "fulcio.url" => or_url(&self.urls.fulcio),
            "rekor.url" => string(v1),
            "rekor.v2_url" => string(v2),
            "ct.url" => string(ct),
            "tsa.url" => or_url(&self.urls.tsa),
            "tuf.url" => or_url(&self.urls.tuf),
            _ => return None,
        })
    }
}
