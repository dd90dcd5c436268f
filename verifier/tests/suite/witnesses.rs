//! Cosignatures on checkpoints, when the policy asks for them.

use crate::cases::{self, Case};
use ed25519_dalek::{Signer, SigningKey};
use note::{KeyType, SignedNote, VerifierKey, cosignature_message};
use serde_json::json;
use verifier::{EntryFailure, Failure, StepName};

const PLACE: &str = "/verificationMaterial/tlogEntries/0/inclusionProof/checkpoint/envelope";

/// A witness of our own.
struct Witness(SigningKey, VerifierKey);

impl Witness {
    fn new(number: u8) -> Self {
        let key = SigningKey::from_bytes(&[number; 32]);
        let public = key.verifying_key();
        let name = format!("witness.example/w{number}");
        let vkey = VerifierKey::new(&name, KeyType::CosignatureEd25519, public.as_bytes());
        Self(key, vkey.expect("a key"))
    }

    /// Puts its line below the checkpoint of a bundle; a `bad` one is over another text.
    fn cosign(&self, case: &mut Case, bad: bool) {
        let mut bundle = case.json();
        let envelope = bundle.pointer(PLACE).and_then(|text| text.as_str());
        let mut note = SignedNote::parse(envelope.expect("a checkpoint")).expect("a note");
        let text = if bad { "other\n1\n\n" } else { note.text() };
        let time: u64 = 1_760_000_000;
        let signature = self.0.sign(cosignature_message(time, text).as_bytes());
        let bytes = [&time.to_be_bytes()[..], &signature.to_bytes()].concat();
        note.push(self.1.line(bytes)).expect("a line");
        *bundle.pointer_mut(PLACE).expect("a checkpoint") = json!(note.to_string());
        case.bundle = bundle.to_string().into_bytes();
    }
}

fn policy(case: &Case, text: &str) -> verifier::Policy {
    let witnesses = note::policy::Policy::parse(text.as_bytes()).expect("a policy");
    verifier::Policy {
        witnesses: Some(witnesses),
        ..case.policy()
    }
}

fn failures(case: &Case, text: &str) -> Vec<EntryFailure> {
    let report = case.report_with(&policy(case, text));
    let step = report.step(StepName::TransparencyLog).expect("a step");
    assert_eq!(
        report.verified,
        step.failures.is_empty(),
        "{}",
        report.to_text(false)
    );
    let reason = |failure: &Failure| match failure {
        Failure::Entry { reason, .. } => reason.clone(),
        other => panic!("{other}"),
    };
    step.failures.iter().map(reason).collect()
}

#[test]
fn a_quorum_of_witnesses_is_demanded_when_asked_for() {
    let (one, two) = (Witness::new(1), Witness::new(2));
    let text = format!(
        "witness A {}\nwitness B {}\ngroup G all A B\nquorum G\n",
        one.1, two.1
    );
    let Some(mut case) = cases::named("rekor2-happy-path") else {
        return;
    };
    let missing = |have| vec![EntryFailure::Cosignatures { have, known: 2 }];
    assert_eq!(failures(&case, &text), missing(0));
    one.cosign(&mut case, false);
    assert_eq!(failures(&case, &text), missing(1));
    two.cosign(&mut case, false);
    assert_eq!(failures(&case, &text), []);
    let report = case.report_with(&policy(&case, &text));
    assert!(
        report.to_text(false).contains("cosigned by A, B"),
        "{}",
        report.to_text(false)
    );
}

#[test]
fn a_cosignature_over_another_checkpoint_is_refused() {
    let one = Witness::new(1);
    let text = format!("witness A {}\nquorum A\n", one.1);
    let Some(mut case) = cases::named("rekor2-happy-path") else {
        return;
    };
    one.cosign(&mut case, true);
    let failures = failures(&case, &text);
    assert!(
        matches!(failures[..], [EntryFailure::Cosignature(_)]),
        "{failures:?}"
    );
    assert!(case.report().verified, "nobody asked for witnesses");
}

#[test]
fn a_log_that_the_policy_does_not_list_is_refused() {
    let other = VerifierKey::new(
        "log.example.com",
        KeyType::Ed25519,
        Witness::new(3).0.verifying_key().as_bytes(),
    );
    let text = format!("log {}\nquorum none\n", other.expect("a key"));
    let Some(case) = cases::named("rekor2-happy-path") else {
        return;
    };
    let failures = failures(&case, &text);
    assert!(
        matches!(failures[..], [EntryFailure::UnlistedLog { .. }]),
        "{failures:?}"
    );
}

#[test]
fn a_promise_does_not_stand_in_for_witnesses() {
    let one = Witness::new(1);
    let text = format!("witness A {}\nquorum A\n", one.1);
    let Some(mut case) = cases::named("happy-path-v0.1") else {
        return;
    };
    let mut bundle = case.json();
    let entry = &mut bundle["verificationMaterial"]["tlogEntries"][0];
    entry
        .as_object_mut()
        .expect("an entry")
        .remove("inclusionProof");
    case.bundle = bundle.to_string().into_bytes();
    assert!(case.report().verified);
    assert_eq!(failures(&case, &text), [EntryFailure::NotWitnessed]);
}
