//! Bundles that are wrong in one thing: from a good one, what an attacker or an accident could make of it.
//!
//! Seeded, so that a failure can be repeated: same bundle, donors and seed, same mutants.

mod bytes;
mod forged;
mod json;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// A bundle with one change.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// What sort of change.
    pub kind: Kind,
    /// The change for people, with the place.
    pub what: String,
    /// JSON pointer to what was changed.
    pub place: String,
    /// The bundle.
    pub bundle: Value,
}

/// Sorts of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A value of the bundle's JSON has another value.
    Changed,
    /// A member or item is missing.
    Removed,
    /// A part comes from another good bundle.
    Exchanged,
    /// A value inside the log entry's body has another value.
    Body,
    /// A value inside the signed statement has another value.
    Payload,
    /// A byte of a certificate has another value.
    Certificate,
    /// A byte of a timestamp token has another value.
    Token,
    /// A line of the checkpoint is another one.
    Checkpoint,
    /// The inclusion proof is longer, shorter, or in another order.
    Proof,
    /// A time lies elsewhere.
    Time,
    /// A signature is valid, but of another key.
    Resigned,
    /// Something stands there twice.
    Duplicate,
    /// Another spelling of the same.
    Form,
}

pub(crate) const ENTRY: &str = "/verificationMaterial/tlogEntries/0";

/// Makes mutants of a good bundle; `donors` are other good bundles, by name.
pub fn mutants(bundle: &Value, donors: &[(String, Value)], seed: u64) -> Vec<Mutant> {
    let mut maker = Maker {
        bundle,
        random: Random(seed),
        made: Vec::new(),
    };
    json::changed(&mut maker);
    json::removed(&mut maker);
    json::exchanged(&mut maker, donors);
    json::inside(
        &mut maker,
        Kind::Body,
        &format!("{ENTRY}/canonicalizedBody"),
    );
    json::inside(&mut maker, Kind::Payload, "/dsseEnvelope/payload");
    bytes::certificate(&mut maker);
    bytes::token(&mut maker);
    bytes::checkpoint(&mut maker);
    forged::proof(&mut maker);
    forged::times(&mut maker);
    forged::resigned(&mut maker);
    forged::duplicates(&mut maker);
    forged::forms(&mut maker);
    maker.made
}

/// A good bundle and what was made of it so far.
pub(crate) struct Maker<'a> {
    pub(crate) bundle: &'a Value,
    pub(crate) random: Random,
    made: Vec<Mutant>,
}

impl Maker<'_> {
    /// Keeps the bundle with another value at `place`, unless it is the same.
    pub(crate) fn put(&mut self, kind: Kind, place: &str, value: Value, what: &str) {
        let mut bundle = self.bundle.clone();
        let Some(target) = bundle.pointer_mut(place) else {
            return;
        };
        if *target != value {
            *target = value;
            self.keep(kind, place, what, bundle);
        }
    }

    pub(crate) fn keep(&mut self, kind: Kind, place: &str, what: &str, bundle: Value) {
        self.made.push(Mutant {
            kind,
            what: format!("{place} {what}"),
            place: place.to_owned(),
            bundle,
        });
    }

    /// The decoded base64 at `place`.
    pub(crate) fn decoded(&self, place: &str) -> Option<Vec<u8>> {
        STANDARD.decode(self.bundle.pointer(place)?.as_str()?).ok()
    }
}

pub(crate) fn encoded(bytes: impl AsRef<[u8]>) -> Value {
    json!(STANDARD.encode(bytes))
}

/// splitmix64: enough to choose places with.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) >> 1).map_or(0, |number| number % bound.max(1))
    }
}
