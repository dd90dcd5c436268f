//! Step 1: the bundle's form, and its parts made ready for the other steps (spec/clients.md c.1, c.2 step 0).

use crate::digests::EnvelopeDigests;
use crate::failure::Failure;
use crate::limits;
use crate::policy::{Policy, Signer};
use crate::report::{Step, StepName, quoted};
use formats::bundle::{
    Bundle, Content, HashOutput, InclusionProof, RawBytes, TransparencyLogEntry,
    VerificationMaterial, Version,
};
use pki::cert::Certificate;
use pki::key::PublicKey;

/// Whose key made the signature.
pub(crate) enum Credential {
    /// A Fulcio certificate. The others of the bundle's chain decide nothing: CAs come from the trusted root.
    Certificate { leaf: Box<Certificate> },
    /// The managed key of the policy.
    Key(PublicKey),
}

impl Credential {
    pub(crate) fn key(&self) -> &PublicKey {
        match self {
            Credential::Certificate { leaf, .. } => leaf.public_key(),
            Credential::Key(key) => key,
        }
    }
}

/// What was signed.
pub(crate) enum Signed<'a> {
    /// The artifact itself; the digest is a hint that must agree.
    Message { digest: Option<&'a HashOutput> },
    /// An envelope.
    Dsse(EnvelopeDigests<'a>),
}

/// The parts of a bundle, parsed as far as they could be.
pub(crate) struct Material<'a> {
    pub(crate) credential: Option<Credential>,
    pub(crate) signed: Signed<'a>,
    /// The raw signature; empty when an envelope has not exactly one.
    pub(crate) signature: &'a [u8],
    /// Log entries without repetitions, within limits.
    pub(crate) entries: Vec<&'a TransparencyLogEntry>,
    /// Timestamp tokens without repetitions, within limits.
    pub(crate) tokens: Vec<&'a [u8]>,
}

/// Checks the form and takes the bundle apart. Entries and tokens over the limits are not read at all.
pub(crate) fn check<'a>(bundle: &'a Bundle, policy: &Policy) -> (Material<'a>, Step) {
    let mut step = Step::new(StepName::Material);
    let version = bundle.version();
    match version {
        Some(version) => step.note(format!("bundle {}", version)),
        None => step.fail(Failure::MediaType {
            have: quoted(&bundle.media_type),
        }),
    }
    let credential = credential(&bundle.verification_material, version, policy, &mut step);
    let (signed, signature) = content(&bundle.content, &mut step);
    let entries = entries(&bundle.verification_material, version, &mut step);
    let tokens = tokens(&bundle.verification_material, &mut step);
    (
        Material {
            credential,
            signed,
            signature,
            entries,
            tokens,
        },
        step,
    )
}

/// The bundle must hold the kind of credential that the policy asks for (spec c.4).
fn credential(
    material: &VerificationMaterial,
    version: Option<Version>,
    policy: &Policy,
    step: &mut Step,
) -> Option<Credential> {
    let forms = [
        material.certificate.is_some(),
        material.x509_certificate_chain.is_some(),
        material.public_key.is_some(),
    ];
    let have = forms.iter().filter(|form| **form).count();
    if have != 1 {
        step.fail(Failure::CredentialForms { have });
        return None;
    }
    match (&policy.signer, &material.public_key) {
        (Signer::Identity { .. } | Signer::AnyIdentity(_), Some(_)) => {
            step.fail(Failure::KeyBundleForIdentity);
            None
        }
        (Signer::Key(_), None) => {
            step.fail(Failure::CertificateBundleForKey);
            None
        }
        (Signer::Key(pem), Some(id)) => managed_key(pem, &id.hint, step),
        (Signer::Identity { .. } | Signer::AnyIdentity(_), None) => {
            certificates(material, version, step)
        }
    }
}

fn managed_key(pem: &str, hint: &str, step: &mut Step) -> Option<Credential> {
    match PublicKey::parse_pem(pem) {
        Ok(key) => {
            step.note(format!(
                "managed key {}, {:?}",
                hex::encode(key.key_id()),
                key.kind()
            ));
            // The hint is opaque (spec c.4): cosign writes the key's hash, others a name. It decides nothing.
            if !hint.is_empty() {
                step.note(format!("key hint in the bundle: {}", quoted(hint)));
            }
            Some(Credential::Key(key))
        }
        Err(source) => {
            step.fail(Failure::PolicyKey { source });
            None
        }
    }
}

/// Parses the signing certificate; before v0.3 also the others of the chain, for their form only.
fn certificates(
    material: &VerificationMaterial,
    version: Option<Version>,
    step: &mut Step,
) -> Option<Credential> {
    if let Some(certificate) = &material.certificate {
        let leaf = certificate_at(0, certificate, step)?;
        return Some(Credential::Certificate {
            leaf: Box::new(leaf),
        });
    }
    let chain = &material.x509_certificate_chain.as_ref()?.certificates;
    if version == Some(Version::V03) {
        step.fail(Failure::ChainInV03);
    }
    if chain.is_empty() || chain.len() > limits::CHAIN {
        step.fail(Failure::ChainLength { have: chain.len() });
        return None;
    }
    let mut leaf = None;
    for (position, raw) in chain.iter().enumerate() {
        let certificate = certificate_at(position, raw, step)?;
        // Anchors come from the trusted root only; a bundle that brings its own is suspicious (spec c.1).
        if certificate.subject_der() == certificate.issuer_der() {
            step.fail(Failure::RootInBundle { position });
        }
        leaf.get_or_insert(certificate);
    }
    leaf.map(|leaf| Credential::Certificate {
        leaf: Box::new(leaf),
    })
}

fn certificate_at(position: usize, raw: &RawBytes, step: &mut Step) -> Option<Certificate> {
    let der = &raw.raw_bytes.0;
    if der.len() > limits::CERTIFICATE_BYTES {
        step.fail(Failure::CertificateSize {
            position,
            have: der.len(),
        });
        return None;
    }
    match Certificate::parse_der(der) {
        Ok(certificate) => {
            if position == 0 {
                step.note(format!(
                    "certificate serial {}",
                    hex::encode(certificate.serial())
                ));
            }
            Some(certificate)
        }
        Err(source) => {
            step.fail(Failure::Certificate { position, source });
            None
        }
    }
}

fn content<'a>(content: &'a Content, step: &mut Step) -> (Signed<'a>, &'a [u8]) {
    let (signed, signature) = match content {
        Content::Message(message) => {
            step.note("message signature");
            (
                Signed::Message {
                    digest: message.message_digest.as_ref(),
                },
                message.signature.0.as_slice(),
            )
        }
        Content::Dsse(envelope) => {
            step.note(format!(
                "DSSE envelope, payload type {}",
                quoted(&envelope.payload_type)
            ));
            let signature = match envelope.signatures.as_slice() {
                [one] => one.sig.0.as_slice(),
                other => {
                    step.fail(Failure::DsseSignatures { have: other.len() });
                    &[]
                }
            };
            (Signed::Dsse(EnvelopeDigests::new(envelope)), signature)
        }
    };
    if signature.is_empty() {
        step.fail(Failure::EmptySignature);
    }
    (signed, signature)
}

/// The entries that are read: within the limit, well-formed for the bundle's version, each once.
fn entries<'a>(
    material: &'a VerificationMaterial,
    version: Option<Version>,
    step: &mut Step,
) -> Vec<&'a TransparencyLogEntry> {
    let entries = &material.tlog_entries;
    if entries.len() > limits::TLOG_ENTRIES {
        step.fail(Failure::TooManyEntries {
            have: entries.len(),
            limit: limits::TLOG_ENTRIES,
        });
        return Vec::new();
    }
    let mut kept: Vec<&TransparencyLogEntry> = Vec::new();
    for (position, entry) in entries.iter().enumerate() {
        if let Err(failure) = check_entry_form(position, entry, version) {
            step.fail(failure);
        }
        if kept.contains(&entry) {
            step.note(format!(
                "log entry {position} repeats an earlier one and counts once"
            ));
        } else {
            kept.push(entry);
        }
    }
    kept
}

fn check_entry_form(
    position: usize,
    entry: &TransparencyLogEntry,
    version: Option<Version>,
) -> Result<(), Failure> {
    if entry.log_index < 0 || entry.integrated_time < 0 {
        return Err(Failure::NegativeNumber { position });
    }
    if entry.canonicalized_body.0.len() > limits::BODY_BYTES {
        return Err(Failure::BodySize {
            position,
            have: entry.canonicalized_body.0.len(),
            limit: limits::BODY_BYTES,
        });
    }
    // v0.1 rests on the signed promise; later versions on a proof with its checkpoint (spec c.1).
    let proven = entry
        .inclusion_proof
        .as_ref()
        .is_some_and(|proof| checkpoint_of(proof).is_some());
    match version {
        Some(Version::V01) if entry.inclusion_promise.is_none() => {
            Err(Failure::NoPromise { position })
        }
        Some(Version::V02 | Version::V03) if !proven => Err(Failure::NoProof { position }),
        _ => Ok(()),
    }
}

/// The checkpoint's text; an empty one is an absent one, as everywhere in proto3 JSON.
pub(crate) fn checkpoint_of(proof: &InclusionProof) -> Option<&str> {
    let envelope = proof
        .checkpoint
        .as_ref()
        .map(|checkpoint| checkpoint.envelope.as_str());
    envelope.filter(|text| !text.is_empty())
}

/// The tokens that are read: within the limit, each once.
fn tokens<'a>(material: &'a VerificationMaterial, step: &mut Step) -> Vec<&'a [u8]> {
    let stamps: Vec<&[u8]> = material.timestamps().take(limits::TIMESTAMPS + 1).collect();
    if stamps.len() > limits::TIMESTAMPS {
        step.fail(Failure::TooManyTimestamps {
            have: material.timestamps().count(),
            limit: limits::TIMESTAMPS,
        });
        return Vec::new();
    }
    let mut kept: Vec<&[u8]> = Vec::new();
    for (position, token) in stamps.into_iter().enumerate() {
        if kept.contains(&token) {
            step.note(format!(
                "timestamp {position} repeats an earlier one and counts once"
            ));
        } else {
            kept.push(token);
        }
    }
    kept
}
