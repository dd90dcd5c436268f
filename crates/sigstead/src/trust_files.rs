//! The files that make stock clients use this instance.

use crate::instance::{Generation, Kind, PublicHalf, Role, Shard, write_atomically};
use anyhow::Result;
use formats::bundle::{CertificateChain, LogId, RawBytes};
use formats::trust::{
    CLIENT_TRUST_CONFIG, CertificateAuthority, ClientTrustConfig, LogInstance, PublicKey,
    SIGNING_CONFIG, Service, ServiceConfiguration, SigningConfig, Subject, TRUSTED_ROOT, TimeRange,
    TrustedRoot,
};
use pki::cert::Certificate;
use std::path::{Path, PathBuf};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// File names, as scripts know them.
pub(crate) const TRUSTED_ROOT_FILE: &str = "trusted_root.json";
/// Signing config that leads to the Rekor v1 log.
pub(crate) const SIGNING_CONFIG_FILE: &str = "signing_config.json";
/// Signing config that leads to the Rekor v2 log.
pub(crate) const SIGNING_CONFIG_V2_FILE: &str = "signing_config_rekor_v2.json";
/// Trusted root and signing config in one, for sigstore-python.
pub(crate) const CLIENT_TRUST_FILE: &str = "client_trust_config.json";
/// The same for the Rekor v2 log.
pub(crate) const CLIENT_TRUST_V2_FILE: &str = "client_trust_config_rekor_v2.json";
/// The public key of the verifier's summaries.
pub(crate) const VERIFIER_KEY_FILE: &str = "verifier.pub";

/// Writes every trust file into `folder` and returns their paths.
///
/// `oidc` is the development issuer's URL, when there is one.
pub(crate) fn write(
    public: &PublicHalf,
    oidc: Option<&str>,
    folder: &Path,
) -> Result<Vec<PathBuf>> {
    let root = trusted_root(public)?;
    let v1 = signing_config(public, oidc, 1)?;
    let v2 = signing_config(public, oidc, 2)?;
    let files = [
        (TRUSTED_ROOT_FILE, root.to_json()),
        (SIGNING_CONFIG_FILE, v1.to_json()),
        (SIGNING_CONFIG_V2_FILE, v2.to_json()),
        (CLIENT_TRUST_FILE, client_trust(&root, v1)?),
        (CLIENT_TRUST_V2_FILE, client_trust(&root, v2)?),
    ];
    let mut paths = Vec::new();
    for (name, json) in files {
        let path = folder.join(name);
        write_atomically(&path, json.as_bytes())?;
        paths.push(path);
    }
    Ok(paths)
}

/// The trusted root, in the v0.1 form that all clients read.
pub(crate) fn trusted_root(public: &PublicHalf) -> Result<TrustedRoot> {
    let tlogs = public.shards()?;
    let tlogs = tlogs.iter().map(shard).collect::<Result<_>>()?;
    Ok(TrustedRoot {
        media_type: TRUSTED_ROOT.to_owned(),
        tlogs,
        certificate_authorities: each(public, Role::Ca, |ca| authority(public.fulcio_url(), ca))?,
        ctlogs: each(public, Role::Ct, |ct| {
            let key = ct.key()?;
            Ok(log(&public.ct_url(ct), key, key.key_id(), lifetime(ct)?))
        })?,
        timestamp_authorities: each(public, Role::Tsa, |tsa| {
            authority(&public.timestamp_url(), tsa)
        })?,
    })
}

/// An entry for each generation, oldest first; none is ever taken away.
fn each<T>(
    public: &PublicHalf,
    role: Role,
    entry: impl FnMut(&Generation) -> Result<T>,
) -> Result<Vec<T>> {
    public.generations(role)?.iter().map(entry).collect()
}

/// From the day that its key was published until a while after the next one took over.
fn lifetime(generation: &Generation) -> Result<TimeRange> {
    let end = generation.end().map(|end| end.format(&Rfc3339));
    Ok(TimeRange {
        start: Some(generation.start.format(&Rfc3339)?),
        end: end.transpose()?,
    })
}

/// A signing config that names one log only: clients would otherwise mix versions or always take the newer.
pub(crate) fn signing_config(
    public: &PublicHalf,
    oidc: Option<&str>,
    rekor_version: u32,
) -> Result<SigningConfig> {
    let start = public.created_text()?;
    let shard = public.newest(match rekor_version {
        1 => Kind::RekorV1,
        _ => Kind::RekorV2,
    })?;
    let service = |url: String, major_api_version| Service {
        url,
        major_api_version,
        valid_for: since(&start),
        operator: public.host.clone(),
    };
    let any = || {
        Some(ServiceConfiguration {
            selector: "ANY".to_owned(),
            count: None,
        })
    };
    Ok(SigningConfig {
        media_type: SIGNING_CONFIG.to_owned(),
        ca_urls: vec![service(public.fulcio_url().to_owned(), 1)],
        oidc_urls: oidc
            .map(|url| service(url.to_owned(), 1))
            .into_iter()
            .collect(),
        rekor_tlog_urls: vec![Service {
            valid_for: since(&shard.start.format(&Rfc3339)?),
            ..service(shard.url, rekor_version)
        }],
        rekor_tlog_config: any(),
        tsa_urls: vec![service(public.timestamp_url(), 1)],
        tsa_config: any(),
    })
}

fn client_trust(trusted_root: &TrustedRoot, signing_config: SigningConfig) -> Result<String> {
    let config = ClientTrustConfig {
        media_type: CLIENT_TRUST_CONFIG.to_owned(),
        trusted_root: trusted_root.clone(),
        signing_config,
    };
    Ok(serde_json::to_string_pretty(&config)? + "\n")
}

/// How long a timestamp may come after the freeze of the shard that has its entry: as long as a certificate lives, because
/// some clients stamp while they log.
const AFTER_FREEZE: Duration = Duration::minutes(10);

/// End of validity of a shard's key; `None` while it takes entries.
pub(crate) fn shard_end(shard: &Shard) -> Option<OffsetDateTime> {
    let end = shard.frozen.map(|frozen| frozen + AFTER_FREEZE);
    end.map(|end| shard.compromised.map_or(end, |taken| taken.min(end)))
}

/// A shard; the end stands there once it is frozen, and old signatures stay verifiable.
fn shard(shard: &Shard) -> Result<LogInstance> {
    let end = shard_end(shard);
    let valid_for = TimeRange {
        start: Some(shard.start.format(&Rfc3339)?),
        end: end.map(|end| end.format(&Rfc3339)).transpose()?,
    };
    Ok(log(&shard.url, &shard.key, shard.log_id(), valid_for))
}

fn since(start: &str) -> TimeRange {
    TimeRange {
        start: Some(start.to_owned()),
        end: None,
    }
}

fn log(url: &str, key: &pki::key::PublicKey, id: [u8; 32], valid_for: TimeRange) -> LogInstance {
    LogInstance {
        base_url: url.to_owned(),
        hash_algorithm: "SHA2_256".to_owned(),
        public_key: PublicKey {
            raw_bytes: key.spki_der().to_vec().into(),
            key_details: key
                .key_details(key.default_scheme())
                .unwrap_or_default()
                .to_owned(),
            valid_for: Some(valid_for),
        },
        log_id: LogId {
            key_id: id.to_vec().into(),
        },
        checkpoint_key_id: None,
        operator: String::new(),
    }
}

fn authority(uri: &str, generation: &Generation) -> Result<CertificateAuthority> {
    let chain = generation.chain();
    let top = chain.last();
    Ok(CertificateAuthority {
        subject: Subject {
            organization: top
                .and_then(Certificate::subject_organization)
                .unwrap_or_default(),
            common_name: top
                .and_then(Certificate::subject_common_name)
                .unwrap_or_default(),
        },
        uri: uri.to_owned(),
        cert_chain: CertificateChain {
            certificates: chain
                .iter()
                .map(|c| RawBytes {
                    raw_bytes: c.der().to_vec().into(),
                })
                .collect(),
        },
        valid_for: lifetime(generation)?,
        operator: String::new(),
    })
}
