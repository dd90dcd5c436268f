//! Addresses of targets: `file:///path`, a folder path, `s3://bucket/prefix`, `memory:`.

use super::Target;
use crate::limits::MAX_DETAIL;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ClientConfigKey, ObjectStoreScheme, RetryConfig};
use std::sync::Arc;
use std::time::Duration;
use url::{Host, Url};

/// The library's own retries: few, so that a failure is seen (and counted) here, where the waiting is done.
const RETRIES: usize = 2;
/// The time for one request with its retries.
const RETRY_TIME: Duration = Duration::from_secs(30);

/// Why an address is no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// No address of a kind that can be written to.
    #[error(
        "{address} is no place to publish to: give a folder, file:///folder, s3://bucket/prefix or memory:"
    )]
    Unknown {
        /// The address.
        address: String,
    },
    /// The address has parts that would be ignored, or that are secret.
    #[error(
        "the address of the target must have no user, password, port, query or fragment; credentials for S3 come from \
         AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, another server from AWS_ENDPOINT_URL"
    )]
    Extra,
    /// The folder is not there and cannot be made.
    #[error("the folder {path} cannot be used: {detail}")]
    Folder {
        /// The folder.
        path: String,
        /// The operating system's reason.
        detail: String,
    },
    /// Everything, credentials too, would go over the network in the clear.
    #[error(
        "AWS_ENDPOINT_URL is {endpoint}: plain http is for loopback only; use https, or set AWS_ALLOW_HTTP=true if the \
         network is yours"
    )]
    PlainHttp {
        /// The endpoint.
        endpoint: String,
    },
    /// The settings of the environment do not make an S3 client.
    #[error("{address} cannot be used: {detail}; see the AWS_* variables of the environment")]
    S3 {
        /// The address.
        address: String,
        /// What is missing or wrong.
        detail: String,
    },
}

/// Opens a target by its address: `file:///path` or a folder's path (made when it is not there), `s3://bucket/prefix`,
/// `memory:` (a new one each time, for tests). Nothing is read or written yet but the folder.
///
/// S3 takes its settings from the usual variables: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`,
/// `AWS_REGION`, `AWS_ENDPOINT_URL`, or from the machine's role. A server that does not know conditional puts
/// (`If-None-Match`) needs `AWS_CONDITIONAL_PUT=disabled`; then only one process may publish to it.
///
/// # Errors
/// When the address is of no known kind, the folder cannot be made, or the settings do not do.
pub fn target(url: &str) -> Result<Target, TargetError> {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    target_with(url, environment)
}

/// Opens a target as [`target`] does, with these variables in place of the process's environment.
///
/// # Errors
/// As [`target`].
pub fn target_with(
    address: &str,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Target, TargetError> {
    let unknown = || TargetError::Unknown {
        address: address.to_owned(),
    };
    let url = match Url::parse(address) {
        Ok(url) => url,
        Err(url::ParseError::RelativeUrlWithoutBase) if !address.is_empty() => {
            return folder(address, std::path::Path::new(address));
        }
        Err(_) => return Err(unknown()),
    };
    let extra = !url.username().is_empty() || url.password().is_some() || url.port().is_some();
    if extra || url.query().is_some() || url.fragment().is_some() {
        return Err(TargetError::Extra);
    }
    match url.scheme() {
        "file" => folder(address, &url.to_file_path().map_err(|()| unknown())?),
        "s3" => s3(address, &url, environment),
        "memory" => Ok(Target::over(Arc::new(InMemory::new()), "memory:")),
        _ => Err(unknown()),
    }
}

fn folder(address: &str, path: &std::path::Path) -> Result<Target, TargetError> {
    let failed = |detail: String| TargetError::Folder {
        path: path.display().to_string(),
        detail,
    };
    std::fs::create_dir_all(path).map_err(|error| failed(error.to_string()))?;
    // Everything is on the disk before the checkpoint says so: hence the sync of every file.
    let store = LocalFileSystem::new_with_prefix(path)
        .map_err(|error| failed(error.to_string()))?
        .with_fsync(true)
        .with_automatic_cleanup(true);
    Ok(Target {
        store: Arc::new(store),
        prefix: Path::default(),
        headers: false,
        name: name(address),
    })
}

fn s3(
    address: &str,
    url: &Url,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Target, TargetError> {
    let failed = |error: object_store::Error| {
        let mut detail = error.to_string();
        detail.truncate(detail.floor_char_boundary(MAX_DETAIL));
        TargetError::S3 {
            address: name(address),
            detail,
        }
    };
    let (_, prefix) = ObjectStoreScheme::parse(url).map_err(|error| failed(error.into()))?;
    let mut builder = AmazonS3Builder::new()
        .with_url(url.as_str())
        .with_retry(RetryConfig {
            max_retries: RETRIES,
            retry_timeout: RETRY_TIME,
            ..RetryConfig::default()
        });
    for (name, value) in environment
        .into_iter()
        .filter(|(name, _)| name.starts_with("AWS_"))
    {
        if let Ok(key) = name.to_ascii_lowercase().parse() {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(endpoint) = plain_endpoint(&builder) {
        if !is_loopback(&endpoint) && !http_allowed(&builder) {
            return Err(TargetError::PlainHttp {
                endpoint: endpoint.to_string(),
            });
        }
        builder = builder.with_allow_http(true);
    }
    Ok(Target {
        store: Arc::new(builder.build().map_err(failed)?),
        prefix,
        headers: true,
        name: name(address),
    })
}

/// The endpoint in use, if it is plain http.
fn plain_endpoint(builder: &AmazonS3Builder) -> Option<Url> {
    let endpoint = builder
        .get_config_value(&AmazonS3ConfigKey::S3Endpoint)
        .or_else(|| builder.get_config_value(&AmazonS3ConfigKey::Endpoint))?;
    let endpoint = Url::parse(&endpoint).ok()?;
    (endpoint.scheme() == "http").then_some(endpoint)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn http_allowed(builder: &AmazonS3Builder) -> bool {
    let key = AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp);
    builder.get_config_value(&key).as_deref() == Some("true")
}

fn name(address: &str) -> String {
    address.trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(address: &str, environment: &[(&str, &str)]) -> Result<String, TargetError> {
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        target_with(address, environment).map(|target| format!("{target} {}", target.prefix))
    }

    #[test]
    fn a_folder_is_made_by_its_path_or_its_url() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let path = path.to_str().unwrap();
        assert_eq!(open(path, &[]), Ok(format!("{path} ")));
        assert!(std::path::Path::new(path).is_dir());
        let url = format!("file://{path}/c/");
        assert!(open(&url, &[]).is_ok());
        assert!(folder.path().join("a/b/c").is_dir());
    }

    #[test]
    fn a_bucket_has_a_prefix_or_none() {
        assert_eq!(open("s3://logs", &[]), Ok("s3://logs ".into()));
        assert_eq!(
            open("s3://logs/rekor/v2/", &[]),
            Ok("s3://logs/rekor/v2 rekor/v2".into())
        );
    }

    #[test]
    fn plain_http_is_for_loopback() {
        let allow = ("AWS_ALLOW_HTTP", "true");
        for (endpoint, fine) in [
            ("http://127.0.0.1:9000", true),
            ("http://[::1]:9000", true),
            ("http://localhost:9000", true),
            ("https://minio.example", true),
            ("http://minio.example", false),
            ("http://127.0.0.1.minio.example", false),
        ] {
            for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"] {
                let variable = (name, endpoint);
                assert_eq!(open("s3://logs", &[variable]).is_ok(), fine, "{endpoint}");
                assert!(open("s3://logs", &[variable, allow]).is_ok(), "{endpoint}");
            }
        }
    }

    #[test]
    fn what_would_be_ignored_or_is_secret_is_refused_and_not_repeated() {
        for address in [
            "s3://key:secret@logs/x",
            "s3://logs:9000/x",
            "s3://logs/x?endpoint=http://a",
            "file:///tmp/x#y",
        ] {
            assert_eq!(open(address, &[]), Err(TargetError::Extra), "{address}");
        }
    }

    #[test]
    fn other_schemes_are_named_with_what_would_do() {
        for address in ["", "gs://logs", "https://cdn.example/x", "ftp://a/b"] {
            assert!(
                matches!(open(address, &[]), Err(TargetError::Unknown { .. })),
                "{address}"
            );
        }
    }

    #[test]
    fn s3_without_a_bucket_is_refused() {
        assert!(matches!(open("s3:///x", &[]), Err(TargetError::S3 { .. })));
    }
}
