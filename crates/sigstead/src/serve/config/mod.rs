//! The configuration of `serve`: file, environment and flags; parsed raw, checked whole, all problems told together.

mod instance;
pub(crate) mod keys;
mod layers;
mod verifier;
mod witness;

pub(crate) use instance::InstanceConfig;
pub(crate) use verifier::{RootConfig, RootSource, VerifierConfig};
pub(crate) use witness::WitnessConfig;

use super::table::{Problems, Section, Value};
use super::tree::Node;
use crate::cli::{ConfigArgs, Role};
use crate::commands::input::read_limited;
use anyhow::{Context, Result, bail};
use service::telemetry::Form;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use url::Url;

/// A witness of 4096 logs writes about 1 MiB.
const MAX_CONFIG: u64 = 4 << 20;
/// Of roles that are given none.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// A configuration that can work, as far as it tells.
#[derive(Debug)]
pub(crate) struct Config {
    /// The file.
    pub(crate) path: PathBuf,
    /// All that was said, with its places.
    pub(crate) root: Node,
    /// Address of roles that have none of their own.
    pub(crate) listen: SocketAddr,
    /// Where metrics are served.
    pub(crate) admin_listen: Option<SocketAddr>,
    pub(crate) log: LogConfig,
    /// Where traces are delivered.
    pub(crate) traces: Option<String>,
    pub(crate) passphrase_file: Option<PathBuf>,
    pub(crate) tls: Option<TlsConfig>,
    /// The instance and its roles.
    pub(crate) instance: Option<InstanceConfig>,
    /// The section `[witness]`.
    pub(crate) witness: Option<WitnessConfig>,
    /// The section `[verifier]`.
    pub(crate) verifier: Option<VerifierConfig>,
}

/// The section `[log]`.
#[derive(Debug)]
pub(crate) struct LogConfig {
    pub(crate) form: Form,
    pub(crate) access: bool,
    pub(crate) filter: Option<String>,
}

/// The section `[tls]`.
#[derive(Clone, Debug)]
pub(crate) struct TlsConfig {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) client_ca: Option<PathBuf>,
}

/// Tells values that were computed, for `config print`.
pub(crate) trait Values {
    /// The value of a key as TOML writes it; `None` when it is not computed.
    fn value(&self, key: &str) -> Option<String>;
}

impl Config {
    /// Reads and checks a file, with what takes precedence over it.
    pub(crate) fn load(args: &ConfigArgs) -> Result<Self> {
        let path = &args.config;
        let bytes = read_limited(path, MAX_CONFIG)?;
        let text =
            String::from_utf8(bytes).with_context(|| format!("{} is not text", path.display()))?;
        let variables = std::env::vars_os()
            .filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)));
        Self::parse_with(path, &text, variables, &args.set)
    }

    #[cfg(test)]
    fn parse(path: &Path, text: &str) -> Result<Self> {
        Self::parse_with(path, text, [], &[])
    }

    fn parse_with(
        path: &Path,
        text: &str,
        variables: impl IntoIterator<Item = (String, String)>,
        set: &[String],
    ) -> Result<Self> {
        let mut tree = Node::parse(path, text)?;
        let mut problems = Problems::new(path);
        layers::environment(&mut tree, variables, &mut problems);
        layers::flags(&mut tree, set, &mut problems);
        let config = read(path, tree, &mut problems);
        problems.finish()?;
        config.context("a configuration without problems is one")
    }

    /// The roles that a process is to run: those that were named, or those that have a section; all of an instance when
    /// none of its roles has.
    pub(crate) fn roles(&self, named: &[Role]) -> Result<Vec<Role>> {
        let twice = |(number, role): (usize, &Role)| named[..number].contains(role);
        if named.iter().enumerate().any(twice) {
            bail!("name each role once");
        }
        let Some(instance) = &self.instance else {
            return self.roles_alone(named);
        };
        if named.contains(&Role::Witness) && self.witness.is_none() {
            return Err(self.missing(Role::Witness));
        }
        if !named.is_empty() {
            return Ok(named.to_vec());
        }
        let mut roles = match instance.sections.is_empty() {
            true => Role::OF_INSTANCE.to_vec(),
            false => instance.sections.clone(),
        };
        roles.extend(self.verifier.as_ref().map(|_| Role::Verifier));
        roles.extend(self.witness.as_ref().map(|_| Role::Witness));
        Ok(roles)
    }

    fn roles_alone(&self, named: &[Role]) -> Result<Vec<Role>> {
        let mut there = Vec::new();
        there.extend(self.verifier.as_ref().map(|_| Role::Verifier));
        there.extend(self.witness.as_ref().map(|_| Role::Witness));
        if let Some(role) = named.iter().find(|role| !there.contains(role)) {
            return Err(self.missing(*role));
        }
        match (named.is_empty(), there.is_empty()) {
            (false, _) => Ok(named.to_vec()),
            (true, false) => Ok(there),
            (true, true) => bail!(
                "{} has no role: see `sigstead serve --help`",
                self.path.display()
            ),
        }
    }

    pub(crate) fn missing(&self, role: Role) -> anyhow::Error {
        let what = match Role::OF_INSTANCE.contains(&role) {
            true => "no data_dir and url, which that role needs".to_owned(),
            false => format!("no section [{}]", role.name()),
        };
        anyhow::anyhow!(
            "{} has {what}: see `sigstead serve --help`",
            self.path.display()
        )
    }

    /// Says when the program cannot do what is asked for.
    pub(crate) fn check_built(&self) -> Result<()> {
        match (&self.traces, cfg!(feature = "otel")) {
            (Some(_), false) => bail!(
                "traces.endpoint: this program was built without traces; build it with --features otel, or leave the setting away"
            ),
            _ => Ok(()),
        }
    }

    /// The address of a role.
    pub(crate) fn listen_of(&self, role: Role) -> SocketAddr {
        let own = match role {
            Role::Verifier => self.verifier.as_ref().and_then(|verifier| verifier.listen),
            Role::Witness => self.witness.as_ref().and_then(|witness| witness.listen),
            _ => self
                .instance
                .as_ref()
                .and_then(|instance| instance.listen_of(role)),
        };
        own.unwrap_or(self.listen)
    }
}

/// Reads everything, so that every problem is found; `None` when there is one.
fn read(path: &Path, tree: Node, problems: &mut Problems<'_>) -> Option<Config> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut root = Section::root(&tree);
    let listen = match root.get("listen") {
        Some(value) => address(&value, problems),
        None => Some(LISTEN),
    };
    let admin_listen = optional(root.get("admin_listen"), |value| address(value, problems));
    let log = log(&mut root, problems);
    let traces = optional(root.get("traces"), |value| {
        let mut section = value.section(problems)?;
        let endpoint = optional(section.get("endpoint"), |value| {
            value.parse(base_url, URL, problems)
        });
        section.finish(problems);
        endpoint
    });
    let passphrase_file = passphrase_file(&mut root, folder, problems);
    let tls = optional(root.get("tls"), |value| {
        tls(value.section(problems)?, folder, problems)
    });
    let is_instance = instance::is_there(&root);
    let instance = match is_instance {
        true => instance::read(&mut root, listen.unwrap_or(LISTEN), folder, problems).map(Some),
        false => Some(None),
    };
    let witness = optional(root.get("witness"), |value| {
        witness::read(value.section(problems)?, folder, problems)
    });
    let verifier = optional(root.get("verifier"), |value| {
        verifier::read(value.section(problems)?, folder, problems)
    });
    if !is_instance {
        instance::mention(&mut root);
    }
    root.finish(problems);
    Some(Config {
        listen: listen?,
        admin_listen: admin_listen?,
        log: log?,
        traces: traces?.flatten(),
        passphrase_file: passphrase_file?,
        tls: tls?,
        instance: instance?,
        witness: witness?,
        verifier: verifier?,
        path: path.to_owned(),
        root: tree.clone(),
    })
}

fn log(root: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<LogConfig> {
    let mut config = LogConfig {
        form: Form::Text,
        access: true,
        filter: None,
    };
    let Some(value) = root.get("log") else {
        return Some(config);
    };
    let mut section = value.section(problems)?;
    let mut good = true;
    if let Some(value) = section.get("format") {
        let forms = [("text", Form::Text), ("json", Form::Json)];
        match one_of(&value, &forms, problems) {
            Some(form) => config.form = form,
            None => good = false,
        }
    }
    if let Some(value) = section.get("access") {
        match value.boolean(problems) {
            Some(access) => config.access = access,
            None => good = false,
        }
    }
    if let Some(value) = section.get("filter") {
        let cure = "write target=level, separated by commas, e.g. \"warn,sigstead=info\"";
        config.filter = value.parse(service::telemetry::check_filter, cure, problems);
        good &= config.filter.is_some();
    }
    section.finish(problems);
    good.then_some(config)
}

fn passphrase_file(
    root: &mut Section<'_>,
    folder: &Path,
    problems: &mut Problems<'_>,
) -> Option<Option<PathBuf>> {
    let Some(value) = root.get("keys") else {
        return Some(None);
    };
    let mut section = value.section(problems)?;
    let file = optional(section.get("passphrase_file"), |value| {
        path_in(folder, value, problems)
    });
    section.finish(problems);
    file
}

fn tls(mut section: Section<'_>, folder: &Path, problems: &mut Problems<'_>) -> Option<TlsConfig> {
    let mut file = |key: &'static str, problems: &mut Problems<'_>| {
        let cure = format!("write {key} = \"PATH\", a PEM file");
        let value = section.require(key, &cure, problems)?;
        path_in(folder, &value, problems)
    };
    let certificate = file("certificate", problems);
    let key = file("key", problems);
    let client_ca = optional(section.get("client_ca"), |value| {
        path_in(folder, value, problems)
    });
    section.finish(problems);
    Some(TlsConfig {
        certificate: certificate?,
        key: key?,
        client_ca: client_ca?,
    })
}

const ADDRESS: &str = "write an address and a port, e.g. \"127.0.0.1:8081\"";
const URL: &str = "write scheme, host and port alone, e.g. \"https://sigstore.example.com\": clients drop or refuse anything after them";

fn address(value: &Value<'_>, problems: &mut Problems<'_>) -> Option<SocketAddr> {
    value.parse(str::parse::<SocketAddr>, ADDRESS, problems)
}

/// A base URL without the slash at its end.
fn base_url(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|error| format!("is no URL ({error})"))?;
    let is_plain = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!(
            "has scheme {}, and clients need http or https",
            url.scheme()
        ));
    }
    match is_plain && url.host_str().is_some() {
        true => Ok(text.trim_end_matches('/').to_owned()),
        false => Err("is more than scheme, host and port".to_owned()),
    }
}

fn path_in(folder: &Path, value: &Value<'_>, problems: &mut Problems<'_>) -> Option<PathBuf> {
    let check = |text: &str| match text.is_empty() || text.ends_with('/') {
        true => Err("is no path of a file"),
        false => Ok(folder.join(text)),
    };
    value.parse(check, "write the path of a file", problems)
}

/// One of a few words.
fn one_of<T: Copy>(
    value: &Value<'_>,
    words: &[(&str, T)],
    problems: &mut Problems<'_>,
) -> Option<T> {
    let all: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
    let cure = format!("write {}", all.join(" or "));
    let find = |text: &str| {
        let found = words.iter().find(|(word, _)| *word == text);
        found
            .map(|(_, value)| *value)
            .ok_or_else(|| format!("is {text:?}"))
    };
    value.parse(find, &cure, problems)
}

/// A setting that may be absent: outside `None` means that it is there and wrong.
fn optional<T>(
    value: Option<Value<'_>>,
    read: impl FnOnce(&Value<'_>) -> Option<T>,
) -> Option<Option<T>> {
    match value {
        Some(value) => read(&value).map(Some),
        None => Some(None),
    }
}

/// Text as TOML writes it.
pub(crate) fn string(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests;
