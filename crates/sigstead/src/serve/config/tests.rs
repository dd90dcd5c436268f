//! What the configuration takes, and what it says of what it does not.

use super::keys::{KEYS, Kind};
use super::*;
use crate::database::Database;

const LOG: &str =
    "example.com/behind-the-sofa+13e30ba2+ASmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X";

fn parse(text: &str) -> Result<Config> {
    Config::parse(Path::new("conf/w.toml"), text)
}

#[test]
fn the_example_of_the_help_is_a_configuration() {
    let text = crate::serve::EXAMPLE
        .lines()
        .skip_while(|line| !line.trim().starts_with("[witness]"))
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
        "color (conf/w.toml:1): is no setting; known here: listen, admin_listen, log",
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

const INSTANCE: &str =
    "data_dir = \"d\"\nurl = \"https://s.example.com\"\n[fulcio]\nissuers = \"i.yaml\"\n";

fn with(text: &str, variables: &[(&str, &str)], set: &[&str]) -> Result<Config> {
    let variables = variables.iter();
    let variables = variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let set: Vec<String> = set.iter().map(|flag| (*flag).to_owned()).collect();
    Config::parse_with(Path::new("conf/s.toml"), text, variables, &set)
}

#[test]
fn ten_mistakes_are_ten_reports() {
    let text = "state_dir = 1\nurl = \"https://s.example.com/path\"\nlisten = \"8080\"\ndatabase = \"postgres://u:pw@db/x\"\n\
                [log]\nformat = \"xml\"\n[logs]\npool = 1\nbatch_age = \"1m\"\n[tls]\nkey = \"k\"\n[fulcio]\ncolour = 1\n";
    let error = parse_named("conf/s.toml", text).unwrap_err().to_string();
    for want in [
        "11 problem(s)",
        "data_dir (conf/s.toml:1): is missing; write data_dir",
        "state_dir (conf/s.toml:1): is of type integer",
        "url (conf/s.toml:2): is more than scheme, host and port",
        "listen (conf/s.toml:3): invalid socket address",
        "database (conf/s.toml:4): holds a password; put the URL into a file",
        "log.format (conf/s.toml:6): is \"xml\"; write \"text\" or \"json\"",
        "logs.pool (conf/s.toml:8): is 1, out of bounds; write a number from 256",
        "logs.batch_age (conf/s.toml:9): is no length of time",
        "tls.certificate (conf/s.toml:10): is missing",
        "fulcio.issuers (conf/s.toml:12): is missing; write issuers",
        "fulcio.colour (conf/s.toml:13): is no setting; known here: listen, url, allow_http_issuers, issuers",
    ] {
        assert!(error.contains(want), "{want} is not in\n{error}");
    }
    assert!(!error.contains("u:pw"), "{error}");
}

fn parse_named(file: &str, text: &str) -> Result<Config> {
    Config::parse(Path::new(file), text)
}

#[test]
fn flags_lie_over_the_environment_and_that_over_the_file() {
    let text = format!("listen = \"127.0.0.1:1\"\n{INSTANCE}");
    let listen = |variables: &[(&str, &str)], set: &[&str]| {
        let config = with(&text, variables, set).unwrap();
        (
            config.listen.port(),
            config.root.find("listen").unwrap().source.clone(),
        )
    };
    let variable = [("SIGSTEAD__LISTEN", "127.0.0.1:2"), ("SIGSTEAD_LOG", "x")];
    assert_eq!(listen(&[], &[]), (1, "conf/s.toml:1".into()));
    assert_eq!(
        listen(&variable, &[]),
        (2, "environment SIGSTEAD__LISTEN".into())
    );
    assert_eq!(
        listen(&variable, &["listen=127.0.0.1:3"]),
        (3, "--set listen".into())
    );
    let config = with(
        &text,
        &[
            ("SIGSTEAD__REKOR__URL", "https://r.example.com"),
            ("SIGSTEAD__LOGS__BATCH_FLOOR", "5"),
            ("SIGSTEAD__LOG__ACCESS", "false"),
            ("SIGSTEAD__DATABASE", "postgres://u:pw@db/x"),
        ],
        &[],
    )
    .unwrap();
    let instance = config.instance.unwrap();
    assert_eq!(
        instance.urls.rekor.as_deref(),
        Some("https://r.example.com")
    );
    assert_eq!((instance.limits.batch_floor, config.log.access), (5, false));
    assert!(matches!(instance.database().unwrap(), Database::Server(_)));
}

#[test]
fn an_unknown_variable_and_an_unknown_flag_are_problems() {
    let error = with(
        INSTANCE,
        &[("SIGSTEAD__REKOR__COLOR", "1")],
        &["listn=1", "url"],
    );
    let error = error.unwrap_err().to_string();
    for want in [
        "rekor.color (environment SIGSTEAD__REKOR__COLOR): is no setting",
        "listn (--set listn): is no setting",
        "url (--set): has no value",
    ] {
        assert!(error.contains(want), "{want} is not in\n{error}");
    }
}

#[test]
fn roles_are_those_that_are_named_or_have_a_section() {
    let roles = |text: &str, named: &[Role]| with(text, &[], &[]).unwrap().roles(named);
    let all = "data_dir = \"d\"\nurl = \"https://s.example.com\"\n[fulcio]\nissuers = \"i\"\n[rekor]\n[verifier]\n";
    use Role::{Fulcio, Rekor, Tsa, Verifier, Witness};
    assert_eq!(roles(all, &[]).unwrap(), [Fulcio, Rekor, Verifier]);
    assert_eq!(roles(all, &[Tsa, Rekor]).unwrap(), [Tsa, Rekor]);
    assert!(roles(all, &[Tsa, Tsa]).is_err());
    assert!(roles(all, &[Witness]).is_err(), "it has no section");
    assert!(
        roles("[verifier]\n", &[Rekor]).is_err(),
        "there is no instance"
    );
    assert_eq!(roles("[verifier]\n", &[]).unwrap(), [Verifier]);
    assert!(roles("", &[]).is_err());
}

#[test]
fn the_development_issuer_stays_on_loopback() {
    let text = |listen: &str, mode: &str| {
        format!(
            "data_dir = \"d\"\nurl = \"http://h\"\nlisten = \"{listen}\"\n[fulcio]\ndevelopment_issuer = \"{mode}\"\n"
        )
    };
    let take = |listen, mode| with(&text(listen, mode), &[], &[]);
    assert!(
        take("127.0.0.1:1", "loopback")
            .unwrap()
            .instance
            .unwrap()
            .has_dev_issuer()
    );
    let error = take("0.0.0.0:1", "loopback").unwrap_err().to_string();
    assert!(error.contains("not on loopback"), "{error}");
    take("0.0.0.0:1", "container").unwrap();
}

#[test]
fn urls_and_addresses_of_roles_default_to_the_instances() {
    let text = "data_dir = \"/d\"\nurl = \"https://s.example.com/\"\n[rekor]\nurl = \"https://r.example.com:8443\"\nlisten = \"[::1]:9\"\n";
    let config = with(text, &[], &[]).unwrap();
    assert_eq!(config.listen_of(Role::Rekor).port(), 9);
    assert_eq!(config.listen_of(Role::Tsa), LISTEN);
    let instance = config.instance.unwrap();
    assert_eq!(instance.url, "https://s.example.com");
    assert_eq!(instance.state_dir, Path::new("/d"));
    assert_eq!(
        instance.value("rekor.v2_url").unwrap(),
        "\"https://r.example.com:8443\""
    );
    assert_eq!(
        instance.value("tsa.url").unwrap(),
        "\"https://s.example.com\""
    );
}

/// A file with the example of every setting, but those that exclude each other.
fn examples() -> String {
    let out = ["database", "fulcio.development_issuer"];
    let mut text = String::new();
    let mut section = "";
    for key in KEYS.iter().filter(|key| !out.contains(&key.path)) {
        let (of, name) = key.path.split_once('.').unwrap_or(("", key.path));
        if of != section {
            section = of;
            text += &format!("[{of}]\n");
        }
        text += &format!("{name} = {}\n", key.example);
    }
    text
}

#[test]
fn every_setting_of_the_table_is_read() {
    let text = examples();
    let config = with(&text, &[], &[]).unwrap();
    assert_eq!(config.roles(&[]).unwrap(), Role::ALL);
    // And nothing else is: what a section knows is what the table has of it.
    let top: Vec<&str> = KEYS
        .iter()
        .filter_map(|key| Some(key.path.split_once('.')?.0))
        .collect();
    for of in top {
        let broken = text.replace(&format!("[{of}]\n"), &format!("[{of}]\nno_such_key = 1\n"));
        let error = with(&broken, &[], &[]).unwrap_err().to_string();
        let (_, known) = error.split_once("known here: ").unwrap();
        let mut known: Vec<&str> = known.lines().next().unwrap().split(", ").collect();
        let table = KEYS
            .iter()
            .filter_map(|key| key.path.strip_prefix(&format!("{of}.")));
        let mut table: Vec<&str> = table.collect();
        known.sort_unstable();
        known.dedup();
        table.sort_unstable();
        assert_eq!(known, table, "[{of}]");
    }
}

#[test]
fn every_setting_may_come_from_the_environment() {
    let set: Vec<(String, String)> = KEYS
        .iter()
        .filter(|key| !["database", "fulcio.development_issuer"].contains(&key.path))
        .map(|key| {
            let name = format!("SIGSTEAD__{}", key.path.to_uppercase().replace('.', "__"));
            let text = match key.kind {
                Kind::Number | Kind::Boolean | Kind::List | Kind::Tables => key.example,
                _ => key.example.trim_matches('"'),
            };
            (name, text.to_owned())
        })
        .collect();
    let config = Config::parse_with(Path::new("s.toml"), "", set, &[]).unwrap();
    assert_eq!(config.roles(&[]).unwrap(), Role::ALL);
}

#[test]
fn the_example_of_the_documentation_is_a_configuration() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../deploy/examples/sigstead.toml"
    );
    let text = std::fs::read_to_string(path).unwrap();
    let config = with(&text, &[], &[]).unwrap();
    assert_eq!(config.roles(&[]).unwrap().len(), 6);
    // What is commented out is good as well, line by line.
    for line in text.lines() {
        let Some(setting) = line.strip_prefix("# ").filter(|line| line.contains(" = ")) else {
            continue;
        };
        let name = setting.split(" = ").next().unwrap();
        let known = KEYS
            .iter()
            .any(|key| key.path.rsplit('.').next() == Some(name));
        assert!(known, "{line}");
    }
}
