//! `sigstead sign IMAGE` and `sigstead attest IMAGE`.

use super::{access, run, source};
use crate::cli::{ImageSigningArgs, SigningArgs};
use crate::commands::sign::Prepared;
use crate::exit::{Failure, Outcome};
use anyhow::{Context, Result, anyhow};
use client::Content;
use formats::bundle::Bundle;
use formats::trust::TrustedRoot;
use oci::{COSIGN_SIGN, Image, ImageDigest, Place};
use pki::cert::Certificate;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What is said about an image.
pub(crate) enum Said {
    /// That somebody signed it.
    Signed,
    /// A predicate of this type.
    Stated {
        predicate_type: String,
        predicate: serde_json::Value,
    },
}

pub(crate) fn sign(
    argument: &str,
    signing: &SigningArgs,
    images: &ImageSigningArgs,
    said: &Said,
) -> Result<Outcome, Failure> {
    let source = source(argument, "sign").map_err(Failure::Usage)?;
    let access = access(&images.registry).map_err(Failure::Usage)?;
    let prepared = prepared(signing, images).map_err(Failure::Usage)?;
    // The services are asked in any case.
    run(true, async {
        let image = Image::open(&source, &access)
            .await
            .map_err(|error| Failure::Usage(error.into()))?;
        image
            .check_writable()
            .await
            .map_err(|error| Failure::Usage(error.into()))?;
        let mut all = vec![image.clone()];
        if images.recursive {
            let children = image.children().await;
            all.extend(children.map_err(|error| Failure::Usage(error.into()))?);
        }
        for image in &all {
            let place = sign_one(image, &prepared, images.legacy, said).await?;
            super::report::say(&format!(
                "signed as {}: {}, {place}",
                prepared.signer()?,
                image.digest()
            ));
        }
        Ok(Outcome::Success)
    })
    .map_err(Failure::Failed)?
}

/// The legacy layout rests on the signed promise of Rekor v1.
fn prepared(signing: &SigningArgs, images: &ImageSigningArgs) -> Result<Prepared> {
    if images.legacy && signing.rekor_version == Some(2) {
        return Err(anyhow!(
            "--legacy needs an entry of Rekor v1, the only one that has a signed promise: leave --rekor-version 2 out"
        ));
    }
    let mut prepared = Prepared::new(signing)?;
    if images.legacy {
        prepared.rekor_version = Some(1);
    }
    Ok(prepared)
}

async fn sign_one(image: &Image, prepared: &Prepared, legacy: bool, said: &Said) -> Result<Place> {
    let statement = statement(image, said);
    if !legacy {
        let bundle = prepared.sign(Content::Statement(&statement)).await?;
        return attached(image, image.attach(&bundle, &now()?).await);
    }
    let payload = image.legacy_payload();
    let content = match said {
        Said::Signed => Content::Digest(ImageDigest::of(&payload).0),
        Said::Stated { .. } => Content::Statement(&statement),
    };
    let bundle = prepared.sign(content).await?;
    let chain = chain(prepared.trusted_root.as_ref(), &bundle);
    let place = image.attach_legacy(&bundle, &payload, chain.as_deref());
    attached(image, place.await)
}

fn attached(image: &Image, place: Result<Place, oci::OciError>) -> Result<Place> {
    place.with_context(|| {
        format!(
            "signed and logged, but the signature could not be attached to {}",
            image.digest()
        )
    })
}

fn statement(image: &Image, said: &Said) -> Vec<u8> {
    let name = image.repository().unwrap_or_default();
    let digest = image.digest().0;
    match said {
        Said::Signed => client::statement(&name, &digest, COSIGN_SIGN, &serde_json::json!({})),
        Said::Stated {
            predicate_type,
            predicate,
        } => client::statement(&name, &digest, predicate_type, predicate),
    }
}

/// The certificates above the signer's, from the trusted root: a bundle has none, but cosign 2 likes to find them.
fn chain(root: Option<&TrustedRoot>, bundle: &Bundle) -> Option<String> {
    let leaf = Certificate::parse_der(bundle.verification_material.leaf_der()?).ok()?;
    let chains = root?.certificate_authorities.iter().map(|ca| {
        let certificates = ca.cert_chain.certificates.iter();
        certificates
            .map(|raw| Certificate::parse_der(&raw.raw_bytes.0))
            .collect::<Result<Vec<_>, _>>()
            .unwrap_or_default()
    });
    let mut chains = chains.filter(|chain| {
        chain
            .first()
            .is_some_and(|ca| ca.subject_der() == leaf.issuer_der())
    });
    Some(chains.next()?.iter().map(Certificate::to_pem).collect())
}

fn now() -> Result<String> {
    let now = clock::Clock::system().now();
    let seconds = OffsetDateTime::from_unix_timestamp(now.unix_timestamp())?;
    Ok(seconds.format(&Rfc3339)?)
}
