//! Every setting: what it is, its unit, bounds, default and an example. Help, documentation and the reading of
//! environment and flags come from this table.

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// The path of a file or folder; relative ones start at the configuration's folder.
    Path,
    /// `address:port`.
    Address,
    /// Scheme, host and port.
    Url,
    Number,
    Boolean,
    List,
    /// A list of tables, with settings of their own.
    Tables,
    /// A secret. Not in the file; never shown.
    Secret,
}

impl Kind {
    /// True when a variable's text is the value as it is.
    pub(crate) fn is_text(self) -> bool {
        !matches!(
            self,
            Self::Number | Self::Boolean | Self::List | Self::Tables
        )
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Path => "path",
            Self::Address => "address:port",
            Self::Url => "URL: scheme, host and port",
            Self::Number => "number",
            Self::Boolean => "true or false",
            Self::List => "list of texts",
            Self::Tables => "list of tables",
            Self::Secret => "text; without a password in the file",
        }
    }
}

/// One setting.
pub(crate) struct Key {
    /// With dots: `rekor.url`.
    pub(crate) path: &'static str,
    pub(crate) kind: Kind,
    pub(crate) what: &'static str,
    /// What else it takes: unit, bounds.
    pub(crate) bounds: &'static str,
    pub(crate) default: &'static str,
    /// As TOML writes it.
    pub(crate) example: &'static str,
}

const fn key(
    path: &'static str,
    kind: Kind,
    what: &'static str,
    bounds: &'static str,
    default: &'static str,
    example: &'static str,
) -> Key {
    Key {
        path,
        kind,
        what,
        bounds,
        default,
        example,
    }
}

/// The setting with this path.
pub(crate) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

use Kind::{Address, Boolean, List, Number, Path, Secret, Tables, Text, Url};

const OWN_LISTEN: &str = "Address of this role. Roles on one address share it.";
const NONE: &str = "none";

/// All settings, in the order of the documentation.
#[rustfmt::skip]
pub(crate) const KEYS: &[Key] = &[
    key("data_dir", Path, "Folder of keys, chains and instance.json. `init` makes it; `serve` reads it and may have it read-only.", "", "required for an instance", "\"/var/lib/sigstead\""),
    key("state_dir", Path, "Folder of what a process writes: guard, trust files, copy of the TUF tree. One process has it for itself.", "", "data_dir", "\"/var/lib/sigstead-rekor-1\""),
    key("database", Secret, "The logs: postgres://user@host/name, or the path of an SQLite file. A URL with a password comes from database_url_file or SIGSTEAD__DATABASE.", "", "sigstead.db in data_dir", "\"postgres://sigstead@db.internal/sigstead\""),
    key("database_url_file", Path, "File whose first line is the URL of the PostgreSQL database, with its password.", "at most 4 KiB", NONE, "\"/etc/sigstead/database-url\""),
    key("url", Url, "What clients call, for every role without a URL of its own. Its host names the logs and never changes.", "", "required for an instance", "\"https://sigstore.example.com\""),
    key("listen", Address, "Address of every role that has none of its own.", "", "\"127.0.0.1:8080\"", "\"0.0.0.0:8080\""),
    key("admin_listen", Address, "Address of /metrics (Prometheus), /healthz and /readyz, in plain HTTP.", "", NONE, "\"127.0.0.1:9090\""),
    key("log.format", Text, "Form of the log on standard error.", "\"text\" or \"json\"", "\"text\"", "\"json\""),
    key("log.access", Boolean, "Log one line a request: method, path, status, time, bytes, request ID. Never headers, queries or bodies.", "", "true", "false"),
    key("log.filter", Text, "What is logged, as the variable SIGSTEAD_LOG says it, which takes precedence.", "target=level, separated by commas", "\"warn\" and the roles at info", "\"warn,sigstead=debug\""),
    key("traces.endpoint", Url, "Deliver traces to this OpenTelemetry collector: OTLP over HTTP with protobuf, /v1/traces below it. Needs a program built with `--features otel`.", "", NONE, "\"http://127.0.0.1:4318\""),
    key("keys.passphrase_file", Path, "File whose first line opens encrypted private keys. With it, `init` encrypts those that it makes.", "at least 12 characters", NONE, "\"/etc/sigstead/passphrase\""),
    key("tls.certificate", Path, "Certificate chain of all roles' addresses, PEM, leaf first. Read again when it changes, and on SIGHUP.", "", NONE, "\"/etc/sigstead/tls/cert.pem\""),
    key("tls.key", Path, "Private key of the certificate, PEM.", "", NONE, "\"/etc/sigstead/tls/key.pem\""),
    key("tls.client_ca", Path, "Certificates, PEM. With it callers must show a certificate that one of them issued (mTLS).", "", NONE, "\"/etc/sigstead/tls/clients.pem\""),
    key("logs.pool", Number, "Entries that wait in a log at most; further ones are answered 503.", "256 to 1000000 entries", "4096", "16384"),
    key("logs.batch_entries", Number, "Entries of one commit at most.", "1 to 256 entries", "256", "128"),
    key("logs.batch_floor", Number, "Entries that a commit waits for, no longer than batch_age. 1 waits for nothing.", "1 to batch_entries", "1", "16"),
    key("logs.batch_age", Text, "How long the first entry of a batch waits for batch_floor.", "1ms to 10s", "\"10ms\"", "\"50ms\""),
    key("logs.publish", Text, "Keep the CT log and Rekor v2 as trees of files (tlog-tiles) below this folder or bucket.", "folder or s3://bucket/prefix", NONE, "\"s3://bucket/logs\""),
    key("logs.witness_policy", Path, "Have checkpoints of the CT log and Rekor v2 cosigned by the witnesses of this policy (C2SP tlog-policy).", "", NONE, "\"witnesses.policy\""),
    key("logs.witness_mode", Text, "Without the policy's quorum: show a checkpoint all the same, or wait for it.", "\"open\" or \"closed\"", "\"open\"", "\"closed\""),
    key("fulcio.listen", Address, OWN_LISTEN, "", "listen", "\"127.0.0.1:8081\""),
    key("fulcio.url", Url, "What clients call for certificates.", "", "url", "\"https://fulcio.example.com\""),
    key("fulcio.issuers", Path, "Fulcio's issuer configuration, YAML or JSON: whose identity tokens count.", "at most 1 MiB", "required, or development_issuer", "\"/etc/sigstead/issuers.yaml\""),
    key("fulcio.allow_http_issuers", Boolean, "Fetch keys of issuers over plain http from other hosts too: whoever controls the network can then be anybody.", "", "false", "true"),
    key("fulcio.development_issuer", Text, "In place of issuers: an issuer that vouches for anybody who can read data_dir. On a loopback address, or in a container whose port is published on loopback only.", "\"loopback\" or \"container\"", NONE, "\"loopback\""),
    key("fulcio.key_type", Text, "Key type of a new CA; `init` reads it.", "\"ecdsa-p256\" or \"ecdsa-p384\"", "\"ecdsa-p384\"", "\"ecdsa-p256\""),
    key("rekor.listen", Address, OWN_LISTEN, "", "listen", "\"127.0.0.1:8082\""),
    key("rekor.url", Url, "What clients call for Rekor v1. Its host is part of every checkpoint and never changes.", "", "url", "\"https://rekor.example.com\""),
    key("rekor.v2_url", Url, "What clients call for Rekor v2. Its host is part of every checkpoint and never changes.", "", "rekor.url", "\"https://log2026-1.example.com\""),
    key("ct.listen", Address, OWN_LISTEN, "", "listen", "\"127.0.0.1:8083\""),
    key("ct.url", Url, "What clients call for the CT log, /ctlog below it. Its host is part of every checkpoint and never changes.", "", "url", "\"https://ct.example.com\""),
    key("tsa.listen", Address, OWN_LISTEN, "", "listen", "\"127.0.0.1:8084\""),
    key("tsa.url", Url, "What clients call for timestamps, /api/v1/timestamp below it.", "", "url", "\"https://tsa.example.com\""),
    key("tuf.listen", Address, OWN_LISTEN, "", "listen", "\"127.0.0.1:8085\""),
    key("tuf.url", Url, "What clients call for the TUF repository, /tuf below it.", "", "url", "\"https://tuf.example.com\""),
    key("verifier.listen", Address, OWN_LISTEN, "", "listen", "\"127.0.0.1:8086\""),
    key("verifier.key", Path, "Private key that signs verification summaries (SLSA VSA); `init verifier` makes it.", "beside id", "of an instance: verifier.pem of data_dir", "\"verifier.pem\""),
    key("verifier.id", Text, "The URI that summaries name the verifier by.", "beside key", "of an instance: url", "\"https://verifier.example.com\""),
    key("verifier.policies", Path, "Folder of policy documents.", "", NONE, "\"policies/of-the-verifier\""),
    key("verifier.registries", List, "Registries that callers may have asked about images.", "host or host:port", "[]", "[\"registry.example.com\"]"),
    key("verifier.max_artifact", Text, "The largest artifact that may be uploaded.", "a whole number and KiB, MiB, GiB or TiB", "\"64GiB\"", "\"8GiB\""),
    key("verifier.roots", Tables, "Trusted roots by name: name and file, or name, tuf, root, folder and refresh.", "", "the instance as \"default\"; \"sigstore\" is embedded", "[{ name = \"default\", file = \"trusted_root.json\" }]"),
    key("witness.listen", Address, OWN_LISTEN, "", "listen", "\"127.0.0.1:8087\""),
    key("witness.name", Text, "Name of the witness, which stays with its key for ever.", "a URL without scheme", "required for a witness", "\"witness.example.org/w1\""),
    key("witness.key", Path, "Private key of the witness; `init witness` makes it.", "", "required for a witness", "\"witness.pem\""),
    key("witness.database", Path, "Memory of the witness; `init witness` makes it. Never restore an old copy.", "", "required for a witness", "\"witness.db\""),
    key("witness.prefix", Text, "Path of the API.", "plain segments", "\"\"", "\"/w1\""),
    key("witness.logs", Tables, "Logs that are cosigned: vkey, the verifier key, and origin where it is not the key's name.", "1 and more", "required for a witness", "[{ vkey = \"example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\" }]"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_is_named_once_and_has_all_that_explains_it() {
        for (number, key) in KEYS.iter().enumerate() {
            assert!(KEYS[..number].iter().all(|other| other.path != key.path));
            for text in [key.what, key.default, key.example] {
                assert!(!text.is_empty(), "{}", key.path);
            }
        }
    }
}
