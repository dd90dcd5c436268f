//! DSSE envelopes as a v1 log reads them, and how verifiers cover their signatures.

use crate::json::{self, Names};
use crate::kinds::base64;
use crate::kinds::error::EntryError;
use crate::kinds::verifier::{Verifier, check_length};
use crate::kinds::{bounded_items, optional_text, scheme};
use crate::limits;
use pki::key::{HashAlgorithm, Scheme};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A parsed envelope. Key IDs are not kept: a log ignores them.
pub(crate) struct Envelope {
    pub(crate) payload_type: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) signatures: Vec<Signature>,
}

/// A signature: its base64 text as it stands in the envelope, and its bytes.
pub(crate) struct Signature {
    pub(crate) text: String,
    pub(crate) bytes: Vec<u8>,
}

/// How an envelope's payload may be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PayloadAlphabet {
    /// Standard or URL-safe base64 (dsse 0.0.1).
    Either,
    /// Standard base64 only (intoto 0.0.1).
    Standard,
}

/// Which verifiers must verify something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trial {
    /// Those before all signatures are covered (dsse 0.0.1).
    UntilCovered,
    /// All of them (intoto).
    All,
}

impl Envelope {
    /// Parses the JSON text of an envelope with Go's leniency: member names in any letter case,
    /// the last of duplicates wins, unknown members are ignored (spec A.12).
    pub(crate) fn parse(text: &str, alphabet: PayloadAlphabet) -> Result<Self, EntryError> {
        let fields = Fields::read(text).map_err(|error| match error {
            EntryError::Json(error) => EntryError::Envelope(error),
            other => other,
        })?;
        let payload = match alphabet {
            PayloadAlphabet::Either => base64::decode_either(&fields.payload),
            PayloadAlphabet::Standard => base64::decode(&fields.payload),
        };
        let payload = payload.ok_or(EntryError::NotBase64("envelope payload"))?;
        Self::new(fields.payload_type.into_owned(), payload, fields.signatures)
    }

    /// Makes an envelope of its parts, with the bounds on each.
    pub(crate) fn new(
        payload_type: String,
        payload: Vec<u8>,
        signatures: Vec<String>,
    ) -> Result<Self, EntryError> {
        check_length("payloadType", payload_type.len(), limits::PAYLOAD_TYPE)?;
        if signatures.is_empty() {
            return Err(EntryError::NoSignature);
        }
        if signatures.len() > limits::SIGNATURES {
            return Err(EntryError::TooMany {
                what: "signatures",
                max: limits::SIGNATURES,
            });
        }
        let signatures = signatures
            .into_iter()
            .map(Signature::decode)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            payload_type,
            payload,
            signatures,
        })
    }

    /// Finds a verifier for every distinct signature text (spec A.11).
    ///
    /// A verifier that verifies nothing is an error, and so is a signature that stays uncovered.
    /// When several verify the same signature the last one tried stands for it.
    pub(crate) fn cover<'v>(
        &self,
        verifiers: &'v [Verifier],
        trial: Trial,
    ) -> Result<BTreeMap<&str, &'v Verifier>, EntryError> {
        let mut check = Check::new(formats::dsse::pae(&self.payload_type, &self.payload));
        let mut covered: BTreeMap<&str, &'v Verifier> = BTreeMap::new();
        for (position, verifier) in verifiers.iter().enumerate() {
            if trial == Trial::UntilCovered && self.uncovered(&covered).is_none() {
                break;
            }
            let mut useful = false;
            for signature in &self.signatures {
                if check.verifies(verifier, &signature.bytes)? {
                    covered.insert(&signature.text, verifier);
                    useful = true;
                }
            }
            if !useful {
                return Err(EntryError::UselessVerifier(position));
            }
        }
        match self.uncovered(&covered) {
            Some(position) => Err(EntryError::Uncovered(position)),
            None => Ok(covered),
        }
    }

    fn uncovered(&self, covered: &BTreeMap<&str, &Verifier>) -> Option<usize> {
        self.signatures
            .iter()
            .position(|signature| !covered.contains_key(signature.text.as_str()))
    }
}

impl Signature {
    fn decode(text: String) -> Result<Self, EntryError> {
        let bytes =
            base64::decode_either(&text).ok_or(EntryError::NotBase64("envelope signature"))?;
        check_length("envelope signature", bytes.len(), limits::SIGNATURE_BYTES)?;
        Ok(Self { text, bytes })
    }
}

/// Checks signatures over one message, which is hashed once for all schemes that allow it.
struct Check {
    message: Vec<u8>,
    digest: Vec<u8>,
    /// Bytes that pure Ed25519 checks may still hash.
    budget: usize,
}

impl Check {
    fn new(message: Vec<u8>) -> Self {
        let digest = HashAlgorithm::Sha256.digest(&message);
        Self {
            message,
            digest,
            budget: limits::ED25519_HASHED,
        }
    }

    fn verifies(&mut self, verifier: &Verifier, signature: &[u8]) -> Result<bool, EntryError> {
        let key = verifier.key();
        let scheme = scheme::over_envelope(key.kind());
        if scheme != Scheme::Ed25519 {
            return Ok(key.verify_digest(scheme, &self.digest, signature).is_ok());
        }
        self.budget = self
            .budget
            .checked_sub(self.message.len())
            .ok_or(EntryError::TooMuchWork)?;
        Ok(key.verify(scheme, &self.message, signature).is_ok())
    }
}

/// The members of an envelope, still encoded.
struct Fields<'a> {
    payload_type: Cow<'a, str>,
    payload: Cow<'a, str>,
    signatures: Vec<String>,
}

impl<'a> Fields<'a> {
    fn read(text: &'a str) -> Result<Self, EntryError> {
        let envelope = json::only_value(text.as_bytes())?;
        let names = ["payloadType", "payload", "signatures"];
        let [payload_type, payload, signatures] = json::members(envelope, names, Names::Folded)?;
        let text_or_empty =
            |value: Option<&'a RawValue>| value.map_or(Ok(Cow::Borrowed("")), json::text);
        let signatures = match signatures {
            Some(list) => bounded_items(list, "signatures", limits::SIGNATURES)?,
            None => Vec::new(),
        };
        let signatures = signatures
            .into_iter()
            .map(signature_text)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            payload_type: text_or_empty(payload_type)?,
            payload: text_or_empty(payload)?,
            signatures,
        })
    }
}

fn signature_text(json: &RawValue) -> Result<String, EntryError> {
    let [sig] = json::members(json, ["sig"], Names::Folded)?;
    Ok(optional_text(sig).unwrap_or_default().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::JsonError;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Envelope, EntryError> {
        Envelope::parse(text, PayloadAlphabet::Either)
    }

    #[test]
    fn names_match_in_any_case_and_the_last_duplicate_wins() {
        let text = r#"{"PAYLOADTYPE":"old","payloadtype":"t","Payload":"aGVsbG8=","more":[1],
            "signatures":[],"Signatures":[{"KeyID":"k","SIG":"AAAA"}]}"#;
        let envelope = parse(text).unwrap();
        assert_eq!(envelope.payload_type, "t");
        assert_eq!(envelope.payload, b"hello");
        assert_eq!(envelope.signatures[0].text, "AAAA");
    }

    #[test]
    fn a_payload_may_be_url_safe_where_dsse_says_so() {
        let text = r#"{"payload":"-_8=","signatures":[{"sig":"AAAA"}]}"#;
        assert_eq!(parse(text).unwrap().payload, [0xfb, 0xff]);
        let strict = Envelope::parse(text, PayloadAlphabet::Standard);
        assert!(matches!(
            strict,
            Err(EntryError::NotBase64("envelope payload"))
        ));
    }

    #[test]
    fn an_envelope_needs_signatures_but_not_too_many() {
        assert!(matches!(parse("{}"), Err(EntryError::NoSignature)));
        let many = [r#"{"sig":"AAAA"}"#; limits::SIGNATURES + 1].join(",");
        let text = format!(r#"{{"signatures":[{many}]}}"#);
        assert!(matches!(
            parse(&text),
            Err(EntryError::TooMany {
                what: "signatures",
                ..
            })
        ));
    }

    #[test]
    fn nothing_may_follow_an_envelope() {
        let text = r#"{"payload":"","signatures":[{"sig":"AAAA"}]} {}"#;
        assert!(matches!(
            parse(text),
            Err(EntryError::Envelope(JsonError::Syntax(_)))
        ));
    }

    #[test]
    fn wrong_types_are_errors_as_in_go() {
        assert!(matches!(
            parse(r#"{"payload":1}"#),
            Err(EntryError::Envelope(JsonError::Type { .. }))
        ));
        assert!(matches!(
            parse(r#"{"signatures":{}}"#),
            Err(EntryError::Envelope(JsonError::Type { .. }))
        ));
    }

    #[test]
    fn pure_ed25519_checks_have_a_budget() {
        let Some(folder) = testkit::vectors("rekor/client-algos") else {
            return;
        };
        let pem = std::fs::read(folder.join("ed25519_public.pem")).unwrap();
        let verifier = Verifier::parse(&pem).unwrap();
        let mut check = Check::new(vec![0; 1000]);
        check.budget = 2500;
        assert_eq!(check.verifies(&verifier, &[0; 64]), Ok(false));
        assert_eq!(check.verifies(&verifier, &[0; 64]), Ok(false));
        let spent = check.verifies(&verifier, &[0; 64]);
        assert_eq!(spent, Err(EntryError::TooMuchWork));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in ".{0,200}") {
            let _ = parse(&text);
        }
    }
}
