//! The rules on parsed trust files (spec/clients.md 0.1, 0.5, a.1, a.2).

use super::{
    CertificateAuthority, LogInstance, SIGNING_CONFIG, Service, ServiceConfiguration,
    SigningConfig, TRUSTED_ROOT, TRUSTED_ROOT_V02, TimeRange, TrustError, TrustedRoot, parse_time,
};
use crate::limits;

/// `expected[0]` is the one that is written.
pub(super) fn media_type(have: &str, expected: &[&'static str]) -> Result<(), TrustError> {
    if expected.contains(&have) {
        return Ok(());
    }
    Err(TrustError::MediaType {
        have: have.to_owned(),
        expected: expected[0],
    })
}

pub(super) fn trusted_root(root: &TrustedRoot) -> Result<(), TrustError> {
    media_type(&root.media_type, &[TRUSTED_ROOT, TRUSTED_ROOT_V02])?;
    logs("tlogs", &root.tlogs)?;
    authorities("certificateAuthorities", &root.certificate_authorities)?;
    logs("ctlogs", &root.ctlogs)?;
    authorities("timestampAuthorities", &root.timestamp_authorities)
}

pub(super) fn signing_config(config: &SigningConfig) -> Result<(), TrustError> {
    media_type(&config.media_type, &[SIGNING_CONFIG])?;
    services("caUrls", &config.ca_urls)?;
    services("oidcUrls", &config.oidc_urls)?;
    services("rekorTlogUrls", &config.rekor_tlog_urls)?;
    services("tsaUrls", &config.tsa_urls)?;
    config
        .rekor_tlog_config
        .iter()
        .chain(&config.tsa_config)
        .try_for_each(selector)
}

/// A selector that no client could obey is an error when the file is read, not when one signs.
pub(super) fn selector(config: &ServiceConfiguration) -> Result<(), TrustError> {
    match (config.selector.as_str(), config.count) {
        ("ANY" | "ALL", _) => Ok(()),
        ("EXACT", Some(count)) if count > 0 => Ok(()),
        (selector, count) => Err(TrustError::Selector {
            selector: selector.to_owned(),
            count,
        }),
    }
}

fn logs(list: &str, logs: &[LogInstance]) -> Result<(), TrustError> {
    at_most(list, logs.len(), limits::TRUST_INSTANCES)?;
    for (position, log) in logs.iter().enumerate() {
        let place = format!("{list}[{position}]");
        filled(&place, "logId.keyId", log.log_id.key_id.is_empty())?;
        filled(
            &place,
            "publicKey.rawBytes",
            log.public_key.raw_bytes.is_empty(),
        )?;
        bytes(
            &format!("{place}.publicKey.rawBytes"),
            log.public_key.raw_bytes.0.len(),
            limits::CERTIFICATE_BYTES,
        )?;
        if log.hash_algorithm != "SHA2_256" {
            let have = log.hash_algorithm.clone();
            return Err(TrustError::HashAlgorithm {
                place: format!("{place}.hashAlgorithm"),
                have,
            });
        }
        // A key without start would be trusted for all the past; sigstore-go refuses it as well.
        let place = format!("{place}.publicKey.validFor");
        range(
            &place,
            log.public_key
                .valid_for
                .as_ref()
                .unwrap_or(&TimeRange::default()),
        )?;
    }
    Ok(())
}

fn authorities(list: &str, authorities: &[CertificateAuthority]) -> Result<(), TrustError> {
    at_most(list, authorities.len(), limits::TRUST_INSTANCES)?;
    for (position, authority) in authorities.iter().enumerate() {
        let place = format!("{list}[{position}]");
        let chain = &authority.cert_chain.certificates;
        filled(&place, "certChain.certificates", chain.is_empty())?;
        let chain_place = format!("{place}.certChain.certificates");
        at_most(&chain_place, chain.len(), limits::CHAIN_CERTIFICATES)?;
        for certificate in chain {
            filled(&chain_place, "rawBytes", certificate.raw_bytes.is_empty())?;
            bytes(
                &chain_place,
                certificate.raw_bytes.0.len(),
                limits::CERTIFICATE_BYTES,
            )?;
        }
        range(&format!("{place}.validFor"), &authority.valid_for)?;
    }
    Ok(())
}

fn services(list: &str, services: &[Service]) -> Result<(), TrustError> {
    at_most(list, services.len(), limits::TRUST_INSTANCES)?;
    for (position, service) in services.iter().enumerate() {
        let place = format!("{list}[{position}]");
        filled(&place, "url", service.url.is_empty())?;
        filled(&place, "majorApiVersion", service.major_api_version == 0)?;
        range(&format!("{place}.validFor"), &service.valid_for)?;
    }
    Ok(())
}

fn range(place: &str, range: &TimeRange) -> Result<(), TrustError> {
    let Some(start) = &range.start else {
        return Err(TrustError::MissingStart {
            place: place.to_owned(),
        });
    };
    let start = time(place, "start", start)?;
    match &range.end {
        Some(end) if time(place, "end", end)? < start => Err(TrustError::EndBeforeStart {
            place: place.to_owned(),
        }),
        _ => Ok(()),
    }
}

fn time(place: &str, member: &str, text: &str) -> Result<time::OffsetDateTime, TrustError> {
    parse_time(text).ok_or_else(|| TrustError::NotATime {
        place: format!("{place}.{member}"),
        text: text.to_owned(),
    })
}

fn filled(place: &str, member: &str, empty: bool) -> Result<(), TrustError> {
    if empty {
        Err(TrustError::Missing {
            place: format!("{place}.{member}"),
        })
    } else {
        Ok(())
    }
}

fn at_most(place: &str, have: usize, limit: usize) -> Result<(), TrustError> {
    if have > limit {
        Err(TrustError::TooMany {
            place: place.to_owned(),
            have,
            limit,
        })
    } else {
        Ok(())
    }
}

fn bytes(place: &str, have: usize, limit: usize) -> Result<(), TrustError> {
    if have > limit {
        Err(TrustError::TooLong {
            place: place.to_owned(),
            have,
            limit,
        })
    } else {
        Ok(())
    }
}
