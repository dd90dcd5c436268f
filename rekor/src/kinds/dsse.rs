//! dsse 0.0.1: a DSSE envelope, of which a log keeps hashes and signatures (spec A.11).

use crate::json::{self, Names};
use crate::kinds::envelope::{Envelope, PayloadAlphabet, Trial};
use crate::kinds::error::EntryError;
use crate::kinds::verifier::Verifier;
use crate::kinds::{bounded_items, optional_text, required_bytes, sha256_hex};
use crate::limits;
use serde_json::value::RawValue;

/// Parses a proposed `spec`, verifies every signature, and gives the canonical body.
pub(crate) fn canonicalize(spec: &RawValue) -> Result<Vec<u8>, EntryError> {
    let proposed = proposed_content(spec)?;
    let [envelope, verifiers] = json::members(proposed, ["envelope", "verifiers"], Names::Exact)?;
    let text = optional_text(envelope).ok_or(EntryError::Missing("envelope"))?;
    let verifiers = parse_verifiers(verifiers)?;
    let envelope = Envelope::parse(&text, PayloadAlphabet::Either)?;

    let covered = envelope.cover(&verifiers, Trial::UntilCovered)?;
    let signatures: Vec<(String, String)> = covered
        .into_iter()
        .map(|(sig, verifier)| (sig.to_owned(), verifier.pem().to_owned()))
        .collect();
    // The envelope is hashed as sent: how leniently it was parsed never changes the leaf.
    Ok(formats::entry::dsse_v001(
        &sha256_hex(text.as_bytes()),
        &sha256_hex(&envelope.payload),
        &signatures,
    ))
}

/// The proposed form. The committed form can be read but not logged: it has no envelope to verify.
fn proposed_content(spec: &RawValue) -> Result<&RawValue, EntryError> {
    let names = [
        "proposedContent",
        "envelopeHash",
        "payloadHash",
        "signatures",
    ];
    let [proposed, envelope_hash, payload_hash, signatures] =
        json::members(spec, names, Names::Exact)?;
    let committed = [envelope_hash, payload_hash, signatures];
    match proposed {
        Some(_) if committed.iter().any(Option::is_some) => Err(EntryError::BothForms),
        Some(proposed) => Ok(proposed),
        None if committed.iter().all(Option::is_some) => Err(EntryError::NotInsertable(
            "missing proposedContent, without which nothing can be verified",
        )),
        None => Err(EntryError::Missing("proposedContent")),
    }
}

fn parse_verifiers(json: Option<&RawValue>) -> Result<Vec<Verifier>, EntryError> {
    let list = json.ok_or(EntryError::Missing("verifiers"))?;
    let items = bounded_items(list, "verifiers", limits::VERIFIERS)?;
    if items.is_empty() {
        return Err(EntryError::Missing("verifiers"));
    }
    items
        .into_iter()
        .map(|item| Verifier::parse(&required_bytes(Some(item), "verifier")?))
        .collect()
}
