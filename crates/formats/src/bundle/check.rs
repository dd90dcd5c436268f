//! The rules on a parsed bundle (spec/clients.md c.1, c.2 step 0).

use super::{
    Bundle, BundleError, Content, RawBytes, TransparencyLogEntry, VerificationMaterial, Version,
};
use crate::limits;

/// Checks everything that needs no cryptography.
pub(super) fn shape(bundle: &Bundle) -> Result<(), BundleError> {
    let version = bundle
        .version()
        .ok_or_else(|| BundleError::UnknownMediaType(bundle.media_type.clone()))?;
    let material = &bundle.verification_material;
    signer(material, version)?;
    at_most(
        "tlogEntries",
        material.tlog_entries.len(),
        limits::TLOG_ENTRIES,
    )?;
    for (position, entry) in material.tlog_entries.iter().enumerate() {
        tlog_entry(entry, position, version)?;
    }
    timestamps(material)?;
    content(&bundle.content)
}

/// Exactly one way to name the signer, and the one that the version has.
fn signer(material: &VerificationMaterial, version: Version) -> Result<(), BundleError> {
    let (certificate, chain, key) = (
        &material.certificate,
        &material.x509_certificate_chain,
        &material.public_key,
    );
    let ways = usize::from(certificate.is_some())
        + usize::from(chain.is_some())
        + usize::from(key.is_some());
    match ways {
        0 => return Err(BundleError::NoSigner),
        1 => {}
        several => return Err(BundleError::SeveralSigners(several)),
    }
    if let Some(certificate) = certificate {
        if version < Version::V03 {
            return Err(BundleError::CertificateInOldBundle(version));
        }
        certificate_bytes(certificate)?;
    }
    if let Some(chain) = chain {
        if version >= Version::V03 {
            return Err(BundleError::ChainInNewBundle(version));
        }
        if chain.certificates.is_empty() {
            return Err(BundleError::EmptyChain);
        }
        at_most(
            "x509CertificateChain",
            chain.certificates.len(),
            limits::CHAIN_CERTIFICATES,
        )?;
        chain.certificates.iter().try_for_each(certificate_bytes)?;
    }
    Ok(())
}

fn certificate_bytes(certificate: &RawBytes) -> Result<(), BundleError> {
    filled(
        "certificate.rawBytes",
        &certificate.raw_bytes.0,
        limits::CERTIFICATE_BYTES,
    )
}

/// Bounds of one entry, and the promise or proof that `version` demands.
pub(super) fn tlog_entry(
    entry: &TransparencyLogEntry,
    position: usize,
    version: Version,
) -> Result<(), BundleError> {
    not_negative(position, "logIndex", entry.log_index)?;
    not_negative(position, "integratedTime", entry.integrated_time)?;
    at_most_bytes("logId.keyId", entry.log_id.key_id.0.len(), 32)?;
    if entry.kind_version.kind.is_empty() || entry.kind_version.version.is_empty() {
        return Err(BundleError::Missing("tlogEntries[].kindVersion"));
    }
    filled(
        "canonicalizedBody",
        &entry.canonicalized_body.0,
        limits::BODY_BYTES,
    )?;
    promise(entry, position, version)?;
    proof(entry, position, version)
}

fn promise(
    entry: &TransparencyLogEntry,
    position: usize,
    version: Version,
) -> Result<(), BundleError> {
    match &entry.inclusion_promise {
        Some(promise) => filled(
            "signedEntryTimestamp",
            &promise.signed_entry_timestamp.0,
            limits::SIGNATURE_BYTES,
        ),
        None if version == Version::V01 => Err(BundleError::NoInclusionPromise(position)),
        None => Ok(()),
    }
}

fn proof(
    entry: &TransparencyLogEntry,
    position: usize,
    version: Version,
) -> Result<(), BundleError> {
    let demanded = version >= Version::V02;
    let Some(proof) = &entry.inclusion_proof else {
        return if demanded {
            Err(BundleError::NoInclusionProof {
                entry: position,
                version,
            })
        } else {
            Ok(())
        };
    };
    not_negative(position, "inclusionProof.logIndex", proof.log_index)?;
    not_negative(position, "inclusionProof.treeSize", proof.tree_size)?;
    hash_bytes("inclusionProof.rootHash", &proof.root_hash.0)?;
    at_most(
        "inclusionProof.hashes",
        proof.hashes.len(),
        limits::PROOF_HASHES,
    )?;
    for hash in &proof.hashes {
        hash_bytes("inclusionProof.hashes[]", &hash.0)?;
    }
    match &proof.checkpoint {
        Some(checkpoint) if !checkpoint.envelope.is_empty() => at_most_bytes(
            "checkpoint.envelope",
            checkpoint.envelope.len(),
            limits::CHECKPOINT_BYTES,
        ),
        _ if demanded => Err(BundleError::NoCheckpoint {
            entry: position,
            version,
        }),
        _ => Ok(()),
    }
}

fn timestamps(material: &VerificationMaterial) -> Result<(), BundleError> {
    at_most(
        "rfc3161Timestamps",
        material.timestamps().count(),
        limits::TIMESTAMPS,
    )?;
    material
        .timestamps()
        .try_for_each(|der| filled("signedTimestamp", der, limits::TIMESTAMP_BYTES))
}

fn content(content: &Content) -> Result<(), BundleError> {
    match content {
        Content::Message(message) => filled(
            "messageSignature.signature",
            &message.signature.0,
            limits::SIGNATURE_BYTES,
        ),
        // The proto allows one signature only: with several it would be open which one is timestamped.
        Content::Dsse(envelope) => match envelope.signatures.as_slice() {
            [signature] => filled(
                "dsseEnvelope.signatures[0].sig",
                &signature.sig.0,
                limits::SIGNATURE_BYTES,
            ),
            other => Err(BundleError::NotOneSignature(other.len())),
        },
    }
}

fn not_negative(entry: usize, member: &'static str, value: i64) -> Result<(), BundleError> {
    if value < 0 {
        Err(BundleError::Negative {
            entry,
            member,
            value,
        })
    } else {
        Ok(())
    }
}

fn at_most(list: &'static str, have: usize, limit: usize) -> Result<(), BundleError> {
    if have > limit {
        Err(BundleError::TooMany { list, have, limit })
    } else {
        Ok(())
    }
}

fn at_most_bytes(member: &'static str, have: usize, limit: usize) -> Result<(), BundleError> {
    if have > limit {
        Err(BundleError::TooLong {
            member,
            have,
            limit,
        })
    } else {
        Ok(())
    }
}

fn filled(member: &'static str, bytes: &[u8], limit: usize) -> Result<(), BundleError> {
    if bytes.is_empty() {
        Err(BundleError::Missing(member))
    } else {
        at_most_bytes(member, bytes.len(), limit)
    }
}

fn hash_bytes(member: &'static str, bytes: &[u8]) -> Result<(), BundleError> {
    if bytes.len() == 32 {
        Ok(())
    } else {
        Err(BundleError::HashLength {
            member,
            have: bytes.len(),
        })
    }
}
