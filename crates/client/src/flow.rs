//! The signing flow, step by step.

use crate::error::{ServiceName, SignError};
use crate::http::Transport;
use crate::rekor::{Proposal, Signed};
use crate::token::Claims;
use crate::{Content, Signing, fulcio, limits, rekor, statement, tsa};
use formats::b64::B64;
use formats::bundle::{
    Bundle, Content as BundleContent, HashOutput, MEDIA_TYPE_V03, MessageSignature, RawBytes,
    SignedTimestamp, TimestampVerificationData, VerificationMaterial,
};
use formats::dsse::{Envelope, IN_TOTO, Signature, pae};
use formats::trust::{Service, SigningConfig};
use keys::EphemeralKey;
use pki::cert::Certificate;
use pki::extensions::FulcioExtensions;
use time::OffsetDateTime;
use verifier::{Artifact, Match, Outcome, Policy, Signer, TrustMaterial};

/// The services of one signature.
#[derive(Debug)]
struct Services<'a> {
    ca: &'a Service,
    logs: Vec<&'a Service>,
    tsas: Vec<&'a Service>,
}

pub(crate) async fn sign(signing: &Signing<'_>, content: Content<'_>) -> Result<Bundle, SignError> {
    // 1. Everything that can fail without a service, first.
    let claims = Claims::read(signing.token)?;
    let digest = artifact_digest(content)?;
    let services = Services::select(signing.config, signing.rekor_version, signing.clock.now())?;
    let trust = signing.trusted_root.map(TrustMaterial::new).transpose()?;
    let transport = Transport::new()?;

    // 2. One-time key, and a certificate that binds it to the token's identity.
    let key = EphemeralKey::generate()?;
    let leaf = fulcio::certificate(
        &transport,
        &services.ca.url,
        signing.token,
        &claims.name,
        &key,
    )
    .await?;
    tracing::debug!(ca = services.ca.url, "certificate issued");

    // 3. The signature. The key is not needed after it.
    let (signed, signature) = sign_content(&key, content)?;
    drop(key);

    // 4. Timestamps over the raw signature, before the log: they show that the certificate was valid
    //    when it was used, however long the log takes.
    let mut timestamps = Vec::new();
    for service in &services.tsas {
        let signed_timestamp = B64(tsa::timestamp(&transport, &service.url, &signature).await?);
        timestamps.push(SignedTimestamp { signed_timestamp });
    }

    // 5. Log entries.
    let mut tlog_entries = Vec::new();
    let proposal = Proposal {
        signed: logged(&signed, digest),
        signature: &signature,
        leaf: &leaf,
    };
    for service in &services.logs {
        let entry = rekor::log(
            &transport,
            &service.url,
            service.major_api_version,
            &proposal,
        )
        .await?;
        tracing::debug!(log = service.url, index = entry.log_index, "entry logged");
        tlog_entries.push(entry);
    }

    // 6. The bundle, checked as any reader will.
    let bundle = Bundle {
        media_type: MEDIA_TYPE_V03.to_owned(),
        verification_material: VerificationMaterial {
            certificate: Some(RawBytes {
                raw_bytes: B64(leaf.der().to_vec()),
            }),
            tlog_entries,
            timestamp_verification_data: (!timestamps.is_empty()).then_some(
                TimestampVerificationData {
                    rfc3161_timestamps: timestamps,
                },
            ),
            ..VerificationMaterial::default()
        },
        content: signed,
    };
    bundle.check()?;
    if let Some(trust) = &trust {
        let now = signing.clock.now() + limits::CLOCK_LEEWAY;
        verify(&bundle, digest, trust, &leaf, &claims, now)?;
    }
    Ok(bundle)
}

impl<'a> Services<'a> {
    fn select(
        config: &'a SigningConfig,
        rekor_version: Option<u32>,
        now: OffsetDateTime,
    ) -> Result<Self, SignError> {
        let versions: &[u32] = match rekor_version {
            None => &[1, 2],
            Some(1) => &[1],
            Some(2) => &[2],
            Some(other) => return Err(SignError::RekorVersion(other)),
        };
        let list = |list| move |source| SignError::Services { list, source };
        let ca =
            SigningConfig::select(&config.ca_urls, &[1], None, now).map_err(list("caUrls"))?[0];
        let logs = SigningConfig::select(
            &config.rekor_tlog_urls,
            versions,
            config.rekor_tlog_config.as_ref(),
            now,
        )
        .map_err(list("rekorTlogUrls"))?;
        // Neither list nor selector: an instance without timestamp authority.
        let tsas = if config.tsa_urls.is_empty() && config.tsa_config.is_none() {
            Vec::new()
        } else {
            SigningConfig::select(&config.tsa_urls, &[1], config.tsa_config.as_ref(), now)
                .map_err(list("tsaUrls"))?
        };
        if tsas.is_empty() && logs.iter().all(|log| log.major_api_version == 2) {
            return Err(SignError::NoTimestampAuthority);
        }
        let services = Self { ca, logs, tsas };
        services.check_urls()?;
        Ok(services)
    }

    /// A mistyped URL must not show only after a certificate was issued.
    fn check_urls(&self) -> Result<(), SignError> {
        crate::http::parse(ServiceName::Ca, &self.ca.url)?;
        for log in &self.logs {
            crate::http::parse(ServiceName::Log, &log.url)?;
        }
        for tsa in &self.tsas {
            crate::http::parse(ServiceName::Tsa, &tsa.url)?;
        }
        Ok(())
    }
}

/// The digest of the artifact that the signature will be about.
fn artifact_digest(content: Content<'_>) -> Result<[u8; 32], SignError> {
    match content {
        Content::Digest(digest) => Ok(digest),
        Content::Statement(json) => statement::check(json),
    }
}

fn sign_content(
    key: &EphemeralKey,
    content: Content<'_>,
) -> Result<(BundleContent, Vec<u8>), SignError> {
    match content {
        Content::Digest(digest) => {
            let signature = key.sign_digest(&digest)?;
            let message_digest = Some(HashOutput {
                algorithm: "SHA2_256".to_owned(),
                digest: B64(digest.to_vec()),
            });
            let message = MessageSignature {
                message_digest,
                signature: B64(signature.clone()),
            };
            Ok((BundleContent::Message(message), signature))
        }
        Content::Statement(json) => {
            let signature = key.sign(&pae(IN_TOTO, json))?;
            let signatures = vec![Signature {
                sig: B64(signature.clone()),
                keyid: String::new(),
            }];
            let envelope = Envelope {
                payload: B64(json.to_vec()),
                payload_type: IN_TOTO.to_owned(),
                signatures,
            };
            Ok((BundleContent::Dsse(envelope), signature))
        }
    }
}

fn logged(content: &BundleContent, digest: [u8; 32]) -> Signed<'_> {
    match content {
        BundleContent::Message(_) => Signed::Digest(digest),
        BundleContent::Dsse(envelope) => Signed::Envelope(envelope),
    }
}

/// Verifies as the reader of the bundle will, with the identity that the certificate itself states.
fn verify(
    bundle: &Bundle,
    sha256: [u8; 32],
    trust: &TrustMaterial,
    leaf: &Certificate,
    claims: &Claims,
    now: OffsetDateTime,
) -> Result<(), SignError> {
    // The CA may map the token's name and issuer to others (SPIFFE, Dex), so the certificate is asked.
    let identity = leaf
        .san()
        .map_or_else(|_| claims.name.clone(), |san| san.value().to_owned());
    let issuer = match FulcioExtensions::read(leaf).issuer {
        issuer if issuer.is_empty() => claims.issuer.clone(),
        issuer => issuer,
    };
    let signer = Signer::Identity {
        identity: Match::Exact(identity),
        issuer: Match::Exact(issuer),
    };
    let artifact = Artifact::Digests {
        sha256,
        sha384: None,
        sha512: None,
    };
    let report = verifier::verify(bundle, &artifact, trust, &Policy::new(signer), now);
    if report.verified {
        return Ok(());
    }
    let failure = report
        .steps
        .iter()
        .find(|step| step.outcome == Outcome::Failed);
    let or = |text: Option<String>, default: &str| text.unwrap_or_else(|| default.to_owned());
    Err(SignError::NotVerified {
        cause: or(
            failure.and_then(|step| step.cause.clone()),
            "the verifier named no cause",
        ),
        cure: or(
            failure.and_then(|step| step.cure.clone()),
            "check that trusted root and signing config belong to one instance",
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use formats::trust::{SIGNING_CONFIG, ServiceConfiguration, TimeRange, TrustError};

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn service(url: &str, version: u32) -> Service {
        let valid_for = TimeRange {
            start: Some("1970-01-01T00:00:00Z".into()),
            end: None,
        };
        Service {
            url: url.into(),
            major_api_version: version,
            valid_for,
            operator: "o".into(),
        }
    }

    fn config() -> SigningConfig {
        SigningConfig {
            media_type: SIGNING_CONFIG.into(),
            ca_urls: vec![service("https://ca.example", 1)],
            oidc_urls: vec![],
            rekor_tlog_urls: vec![
                service("https://v1.example", 1),
                service("https://v2.example", 2),
            ],
            rekor_tlog_config: Some(ServiceConfiguration {
                selector: "ANY".into(),
                count: None,
            }),
            tsa_urls: vec![service("https://tsa.example/api/v1/timestamp", 1)],
            tsa_config: Some(ServiceConfiguration {
                selector: "ANY".into(),
                count: None,
            }),
        }
    }

    fn log_url(config: &SigningConfig, version: Option<u32>) -> String {
        Services::select(config, version, NOW).unwrap().logs[0]
            .url
            .clone()
    }

    #[test]
    fn the_config_decides_unless_a_version_is_forced() {
        assert_eq!(log_url(&config(), None), "https://v2.example");
        assert_eq!(log_url(&config(), Some(1)), "https://v1.example");
        assert_eq!(log_url(&config(), Some(2)), "https://v2.example");
        assert!(matches!(
            Services::select(&config(), Some(3), NOW),
            Err(SignError::RekorVersion(3))
        ));
    }

    #[test]
    fn rekor_v2_alone_needs_a_timestamp_authority() {
        let mut config = config();
        config.tsa_urls.clear();
        config.tsa_config = None;
        assert!(matches!(
            Services::select(&config, None, NOW),
            Err(SignError::NoTimestampAuthority)
        ));
        assert!(
            Services::select(&config, Some(1), NOW)
                .unwrap()
                .tsas
                .is_empty()
        );
    }

    #[test]
    fn a_selector_without_services_is_an_error() {
        let mut config = config();
        config.tsa_urls.clear();
        assert!(matches!(
            Services::select(&config, None, NOW),
            Err(SignError::Services {
                list: "tsaUrls",
                source: TrustError::NoService { .. }
            })
        ));
    }

    #[test]
    fn a_mistyped_url_shows_before_anything_is_sent() {
        let mut config = config();
        config.rekor_tlog_urls[1].url = "v2.example".into();
        let error = Services::select(&config, None, NOW).unwrap_err();
        assert!(matches!(
            error,
            SignError::Url {
                service: ServiceName::Log,
                ..
            }
        ));
    }
}
