//! Requests that are broken in a thousand ways: each gets a verdict, or a refusal that names a member and is short.

use crate::fixture::Good;
use serde_json::{Value, json};
use verifier_api::fuzzing::{BOUNDARY, Refusal, form, requests};

/// Pieces that parsers stumble over.
const PIECES: [&str; 12] = [
    "{", "}", "[", "\"", "\\u0000", "null", "1e999", "-1", "\r\n", "--b", "--b--", "\u{fffd}",
];

/// A generator with a seed: the same requests in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(below.max(1)).unwrap()).unwrap()
    }

    /// Cuts, repeats, overwrites or adds something, one to three times.
    fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.roll(3) {
            let at = self.roll(bytes.len());
            let to = (at + self.roll(40)).min(bytes.len());
            match self.roll(5) {
                0 => bytes.truncate(at),
                1 => drop(bytes.drain(at..to)),
                2 => {
                    let piece = bytes[at..to].to_vec();
                    bytes.splice(at..at, piece);
                }
                3 if at < bytes.len() => bytes[at] = u8::try_from(self.roll(256)).unwrap(),
                _ => drop(bytes.splice(at..at, PIECES[self.roll(PIECES.len())].bytes())),
            }
        }
        bytes
    }
}

fn assert_clear(refused: &Refusal) {
    assert!((400..500).contains(&refused.status), "{refused:?}");
    assert!(
        refused.field.is_some() && refused.length < 2000,
        "{refused:?}"
    );
}

/// A request of every kind.
fn questions(good: &Good) -> Vec<Value> {
    let policy = json!({"apiVersion": "sigstead.dev/policy/v1", "name": "p", "signatures": {"identities":
        [{"identity": {"glob": "https://github.com/**"}, "issuer": "https://token.actions.githubusercontent.com"}]}});
    let mut by_policy = good.request();
    let members = by_policy.as_object_mut().unwrap();
    members.remove("identity");
    members.insert("policyDocument".into(), policy.clone());
    vec![
        good.request(),
        by_policy,
        json!({"image": "127.0.0.1:5000/a:v1", "recursive": true, "policyDocument": policy}),
        json!({"requests": [good.request()]}),
        json!({"policyDocument": policy}),
        json!({"bundle": good.bundle, "artifact": {"digest": good.digest()}}),
    ]
}

#[test]
fn a_mutated_request_gets_a_verdict_or_a_clear_refusal() {
    let Some(good) = Good::load() else { return };
    let mut dice = Dice(7);
    for question in questions(&good) {
        let text = question.to_string();
        // Of five kinds of requests it can be one.
        assert_eq!(requests(text.as_bytes()).len(), 4, "{text}");
        for _ in 0..150 {
            let mutated = dice.mutate(text.as_bytes());
            requests(&mutated).iter().for_each(assert_clear);
        }
    }
}

#[test]
fn a_mutated_upload_gets_one_answer_however_it_is_cut() {
    let Some(good) = Good::load() else { return };
    let request = json!({"identity": good.request()["identity"]}).to_string();
    let bundle = good.bundle.to_string();
    let part = |name: &str, content: &[u8]| {
        let head =
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        [head.as_bytes(), content, b"\r\n"].concat()
    };
    let whole = [
        part("request", request.as_bytes()),
        part("bundle", bundle.as_bytes()),
        part("artifact", &good.artifact),
        format!("--{BOUNDARY}--\r\n").into_bytes(),
    ];
    let whole = whole.concat();
    assert!(form(&whole, 7).is_ok());
    let mut dice = Dice(11);
    for _ in 0..300 {
        let mutated = dice.mutate(&whole);
        let (at_once, cut) = (
            form(&mutated, usize::MAX),
            form(&mutated, 1 + dice.roll(64)),
        );
        match (at_once, cut) {
            (Ok(()), Ok(())) => {}
            (Err(at_once), Err(cut)) => {
                assert_clear(&at_once);
                assert_eq!(at_once.status, cut.status, "{at_once:?} {cut:?}");
            }
            (at_once, cut) => panic!("{at_once:?} {cut:?}"),
        }
    }
}
