//! TLS on a listener: certificate, key and the CA of clients from files, read again when they change.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at. Whoever renews them wants no longer wait, and a look costs three system calls.
const PERIOD: Duration = Duration::from_secs(5);
/// Of a file with certificates. Chains have a few KiB, and a bundle of CAs a few hundred.
const MAX_FILE: u64 = 4 << 20;

/// Where certificate and key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Certificate chain, PEM, leaf first.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// Certificates, PEM: with them callers must show a certificate that one of them issued.
    pub client_ca: Option<PathBuf>,
}

/// Why TLS cannot be had with these files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A file is larger than any of its kind.
    #[error("{path} is larger than {MAX_FILE} bytes", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A file holds nothing of the kind.
    #[error("{path} holds no {what} in PEM form", path = path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// Certificate and key do not work.
    #[error("{certificate} and {key} cannot be used: {source}", certificate = files.certificate.display(), key = files.key.display())]
    Refused {
        /// The files.
        files: Box<Files>,
        /// The library's reason.
        source: rustls::Error,
    },
    /// The certificates of the clients' CA do not work.
    #[error("{path}: {detail}", path = path.display())]
    ClientCa {
        /// The file.
        path: PathBuf,
        /// The library's reason.
        detail: String,
    },
}

/// What listeners need to speak TLS; clones share it.
#[derive(Clone, Debug)]
pub struct Tls {
    files: Arc<Files>,
    current: Arc<RwLock<Arc<ServerConfig>>>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// When one of them cannot be read or used.
    pub fn load(files: Files) -> Result<Self, TlsError> {
        let current = server_config(&files)?;
        Ok(Self {
            files: Arc::new(files),
            current: Arc::new(RwLock::new(current)),
        })
    }

    /// Reads the files again; new connections get what is in them. Open ones go on as they are.
    ///
    /// # Errors
    /// As [`Self::load`]; then what was read before stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        let next = server_config(&self.files)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }

    /// Reads the files again when they change, and on SIGHUP, until the task is aborted.
    ///
    /// The handler of SIGHUP is in place when this returns.
    ///
    /// # Errors
    /// When the operating system refuses the handler.
    pub fn follow(&self) -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
        let mut hangup = signal(SignalKind::hangup())?;
        let tls = self.clone();
        Ok(async move {
            let mut seen = tls.stamp();
            loop {
                let asked = tokio::select! {
                    _ = hangup.recv() => true,
                    () = tokio::time::sleep(PERIOD) => false,
                };
                let now = tls.stamp();
                if !asked && now == seen {
                    continue;
                }
                match tls.reload() {
                    Ok(()) => tracing::info!("certificate and key were read again"),
                    Err(error) => {
                        tracing::error!(%error, "certificate and key stay as they were");
                    }
                }
                // A failure is not repeated until the files change again: they may be half written.
                seen = now;
            }
        })
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(current.clone())
    }

    /// What changes when a file is replaced or written.
    fn stamp(&self) -> Vec<Option<(u64, i64, i64, u64)>> {
        let of = |file: Metadata| (file.ino(), file.mtime(), file.mtime_nsec(), file.len());
        let files = [Some(&self.files.certificate), Some(&self.files.key)];
        let files = files.into_iter().chain([self.files.client_ca.as_ref()]);
        files
            .flatten()
            .map(|path| fs::metadata(path).ok().map(of))
            .collect()
    }
}

fn server_config(files: &Files) -> Result<Arc<ServerConfig>, TlsError> {
    let refused = |source| TlsError::Refused {
        files: Box::new(files.clone()),
        source,
    };
    let chain = certificates(&files.certificate)?;
    let key = read(&files.key)?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| TlsError::Empty {
        path: files.key.clone(),
        what: "private key",
    })?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(refused)?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let problem = |detail: String| TlsError::ClientCa {
                path: path.clone(),
                detail,
            };
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                let added = roots.add(certificate);
                added.map_err(|error| problem(error.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = verifier.build();
            builder.with_client_cert_verifier(verifier.map_err(|error| problem(error.to_string()))?)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(refused)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let empty = || TlsError::Empty {
        path: path.to_owned(),
        what: "certificate",
    };
    let pem = read(path)?;
    let found = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(empty()),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let cannot = |source| TlsError::Read {
        path: path.to_owned(),
        source,
    };
    if fs::metadata(path).map_err(cannot)?.len() > MAX_FILE {
        return Err(TlsError::TooLarge {
            path: path.to_owned(),
        });
    }
    fs::read(path).map_err(cannot)
}
