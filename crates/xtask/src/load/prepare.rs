//! Distinct hashedrekord requests, signed ahead of time.

use super::Api;
use anyhow::{Context, Result};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use keys::EphemeralKey;
use serde_json::json;
use tokio::sync::mpsc;

/// A request and what is in it that no other request has.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) api: Api,
    /// SHA-256 of the artifact; here just 32 random bytes.
    pub(crate) digest: [u8; 32],
    /// The JSON of the request.
    pub(crate) body: Bytes,
}

/// Makes `count` requests, on all cores (about 20 µs each).
pub(crate) fn prepare(api: Api, count: usize) -> Result<Vec<Prepared>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let part = |thread: usize| count * (thread + 1) / threads - count * thread / threads;
        let made: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    let maker = Maker::new()?;
                    (0..part(thread))
                        .map(|_| maker.make(api))
                        .collect::<Result<Vec<_>>>()
                })
            })
            .collect();
        let mut requests = Vec::with_capacity(count);
        for thread in made {
            requests.extend(thread.join().ok().context("a preparing thread failed")??);
        }
        Ok(requests)
    })
}

/// Makes requests as long as somebody takes them, a few ahead.
pub(crate) fn stream(api: Api, ahead: usize) -> Result<mpsc::Receiver<Prepared>> {
    let (give, take) = mpsc::channel(ahead);
    let maker = Maker::new()?;
    std::thread::spawn(move || {
        while let Ok(request) = maker.make(api) {
            if give.blocking_send(request).is_err() {
                return;
            }
        }
    });
    Ok(take)
}

/// One signing client.
struct Maker {
    key: EphemeralKey,
    pem: String,
    spki: String,
}

impl Maker {
    fn new() -> Result<Self> {
        let key = EphemeralKey::generate()?;
        let public = key.public_key();
        let pem = BASE64_STANDARD.encode(public.to_pem());
        let spki = BASE64_STANDARD.encode(public.spki_der());
        Ok(Self { key, pem, spki })
    }

    fn make(&self, api: Api) -> Result<Prepared> {
        let mut digest = [0; 32];
        fastrand::fill(&mut digest);
        let signature = BASE64_STANDARD.encode(self.key.sign_digest(&digest)?);
        let json = match api {
            Api::V1 => json!({"kind": "hashedrekord", "apiVersion": "0.0.1", "spec": {
                "data": {"hash": {"algorithm": "sha256", "value": hex::encode(digest)}},
                "signature": {"content": signature, "publicKey": {"content": self.pem}},
            }}),
            Api::V2 => json!({"hashedRekordRequestV002": {
                "digest": BASE64_STANDARD.encode(digest),
                "signature": {"content": signature, "verifier": {
                    "publicKey": {"rawBytes": self.spki}, "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                }},
            }}),
        };
        Ok(Prepared {
            api,
            digest,
            body: json.to_string().into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_request_is_another_one() {
        for api in Api::BOTH {
            let made = prepare(api, 101).unwrap();
            let digests: BTreeSet<_> = made.iter().map(|request| request.digest).collect();
            assert_eq!((made.len(), digests.len()), (101, 101));
        }
    }
}
