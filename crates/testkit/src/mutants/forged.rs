//! What takes some thought: proofs of other shapes, other times, signatures of a stranger's key, doubles.

use super::{ENTRY, Kind, Maker, encoded};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::EncodePublicKey;
use serde_json::{Value, json};

pub(super) fn proof(maker: &mut Maker<'_>) {
    let place = format!("{ENTRY}/inclusionProof/hashes");
    let hashes = maker.bundle.pointer(&place).and_then(Value::as_array);
    let Some(hashes) = hashes.cloned().filter(|hashes| !hashes.is_empty()) else {
        return;
    };
    let mut put = |hashes: Vec<Value>, what: &str| {
        maker.put(Kind::Proof, &place, json!(hashes), what);
    };
    let mut reversed = hashes.clone();
    reversed.reverse();
    put(reversed, "reversed");
    put(hashes[1..].to_vec(), "without the first");
    put(hashes[..hashes.len() - 1].to_vec(), "without the last");
    put(Vec::new(), "empty");
    let more = [&hashes[..], &hashes[..1]].concat();
    put(more, "with one more");
    let zero = [&hashes[..], &[encoded([0; 32])]].concat();
    put(zero, "with a zero hash behind");
    let long = vec![hashes[0].clone(); 1000];
    put(long, "of a thousand hashes");
    let mut short = hashes.clone();
    short[0] = encoded([0; 31]);
    put(short, "with a hash of 31 bytes");
    if hashes.len() > 1 {
        let mut swapped = hashes;
        swapped.swap(0, 1);
        put(swapped, "with the first two exchanged");
    }
    // An empty tree, a tree of one leaf, an index behind the end.
    for (size, index) in [("0", "0"), ("1", "0"), ("5", "7")] {
        let mut bundle = maker.bundle.clone();
        let proof = &mut bundle["verificationMaterial"]["tlogEntries"][0]["inclusionProof"];
        (proof["treeSize"], proof["logIndex"]) = (json!(size), json!(index));
        let what = format!("index {index} of {size}");
        maker.keep(Kind::Proof, &place, &what, bundle);
    }
}

pub(super) fn times(maker: &mut Maker<'_>) {
    let place = format!("{ENTRY}/integratedTime");
    let time = maker.bundle.pointer(&place).and_then(Value::as_str);
    let Some(time) = time.and_then(|text| text.parse::<i64>().ok()) else {
        return;
    };
    for moved in [1, -1, 600, -600, 86_400, -86_400, 315_360_000, -315_360_000] {
        let value = json!((time + moved).to_string());
        maker.put(Kind::Time, &place, value, &format!("moved by {moved} s"));
    }
    maker.put(
        Kind::Time,
        &place,
        json!("253402300800"),
        "in the year 10000",
    );
}

/// A stranger signs what the log or the signer should have.
pub(super) fn resigned(maker: &mut Maker<'_>) {
    let Ok(stranger) = SigningKey::from_slice(&[7; 32]) else {
        return;
    };
    promise(maker, &stranger);
    checkpoint(maker, &stranger);
    message(maker, &stranger);
    envelope(maker, &stranger);
}

fn sign(key: &SigningKey, message: &[u8]) -> Vec<u8> {
    let signature: Signature = key.sign(message);
    signature.to_der().as_bytes().to_vec()
}

/// The signed entry timestamp over the JCS of four members (spec/rekor.md).
fn promise(maker: &mut Maker<'_>, stranger: &SigningKey) {
    let text = |part: &str| {
        let value = maker.bundle.pointer(&format!("{ENTRY}{part}"))?;
        value.as_str().map(str::to_owned)
    };
    let (Some(body), Some(time), Some(index), Some(id)) = (
        text("/canonicalizedBody"),
        text("/integratedTime"),
        text("/logIndex"),
        text("/logId/keyId").and_then(|id| STANDARD.decode(id).ok()),
    ) else {
        return;
    };
    let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let message =
        format!(r#"{{"body":"{body}","integratedTime":{time},"logID":"{id}","logIndex":{index}}}"#);
    let place = format!("{ENTRY}/inclusionPromise/signedEntryTimestamp");
    let forged = encoded(sign(stranger, message.as_bytes()));
    maker.put(Kind::Resigned, &place, forged, "signed by a stranger");
}

/// The log's line of the checkpoint, its name and hint kept.
fn checkpoint(maker: &mut Maker<'_>, stranger: &SigningKey) {
    let place = format!("{ENTRY}/inclusionProof/checkpoint/envelope");
    let text = maker.bundle.pointer(&place).and_then(Value::as_str);
    let Some((head, lines)) = text.and_then(|text| text.rsplit_once("\n\n")) else {
        return;
    };
    let forged: Vec<String> = lines
        .lines()
        .filter_map(|line| {
            let (name, signature) = line.rsplit_once(' ')?;
            let hint = STANDARD.decode(signature).ok()?;
            let signature = sign(stranger, format!("{head}\n").as_bytes());
            let bytes = [hint.get(..4)?, &signature].concat();
            Some(format!("{name} {}\n", STANDARD.encode(bytes)))
        })
        .collect();
    let note = format!("{head}\n\n{}", forged.concat());
    maker.put(Kind::Resigned, &place, json!(note), "signed by a stranger");
}

/// The message signature, and with it the entry's copy of it and of the key: a consistent forgery but for the log.
fn message(maker: &mut Maker<'_>, stranger: &SigningKey) {
    let place = "/messageSignature/signature";
    let message = b"another artifact";
    let forged = encoded(sign(stranger, message));
    maker.put(Kind::Resigned, place, forged.clone(), "by a stranger");
    let body_place = format!("{ENTRY}/canonicalizedBody");
    let body = maker.decoded(&body_place);
    let body = body.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let (Some(mut body), Ok(pem)) = (
        body,
        stranger
            .verifying_key()
            .to_public_key_pem(p256::pkcs8::LineEnding::LF),
    ) else {
        return;
    };
    if let Some(signature) = body.pointer_mut("/spec/signature") {
        *signature = json!({"content": forged, "publicKey": {"content": STANDARD.encode(pem)}});
        let mut bundle = maker.bundle.clone();
        bundle["messageSignature"]["signature"] = forged;
        bundle["verificationMaterial"]["tlogEntries"][0]["canonicalizedBody"] =
            encoded(body.to_string());
        maker.keep(Kind::Resigned, place, "by a stranger, body too", bundle);
    }
}

/// The envelope's signature over its own payload (DSSE PAE).
fn envelope(maker: &mut Maker<'_>, stranger: &SigningKey) {
    let place = "/dsseEnvelope/signatures/0/sig";
    let kind = maker.bundle.pointer("/dsseEnvelope/payloadType");
    let kind = kind.and_then(Value::as_str).unwrap_or_default();
    let Some(payload) = maker.decoded("/dsseEnvelope/payload") else {
        return;
    };
    let mut pae = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    pae.extend(payload);
    let forged = encoded(sign(stranger, &pae));
    maker.put(Kind::Resigned, place, forged, "by a stranger");
}

pub(super) fn duplicates(maker: &mut Maker<'_>) {
    for place in [
        "/verificationMaterial/tlogEntries",
        "/verificationMaterial/timestampVerificationData/rfc3161Timestamps",
        "/verificationMaterial/x509CertificateChain/certificates",
        "/dsseEnvelope/signatures",
    ] {
        let items = maker.bundle.pointer(place).and_then(Value::as_array);
        let Some(items) = items.filter(|items| !items.is_empty()).cloned() else {
            continue;
        };
        let twice = [&items[..], &items[..1]].concat();
        maker.put(Kind::Duplicate, place, json!(twice), "with its first twice");
        let many = vec![items[0].clone(); 100];
        maker.put(Kind::Duplicate, place, json!(many), "a hundred times");
    }
}

pub(super) fn forms(maker: &mut Maker<'_>) {
    for version in [
        "application/vnd.dev.sigstore.bundle+json;version=0.1",
        "application/vnd.dev.sigstore.bundle+json;version=0.2",
        "application/vnd.dev.sigstore.bundle+json;version=0.3",
        "application/vnd.dev.sigstore.bundle.v0.3+json",
        "application/vnd.dev.sigstore.bundle.v0.4+json",
        "application/json",
    ] {
        let what = format!("= {version}");
        maker.put(Kind::Form, "/mediaType", json!(version), &what);
    }
    let mut unknown = maker.bundle.clone();
    unknown["unknownMember"] = json!(1);
    maker.keep(Kind::Form, "", "with an unknown member", unknown);
    for place in [
        "/messageSignature/signature",
        "/dsseEnvelope/signatures/0/sig",
    ] {
        let Some(text) = maker.bundle.pointer(place).and_then(Value::as_str) else {
            continue;
        };
        let (url, bare) = (
            text.replace('+', "-").replace('/', "_"),
            text.trim_end_matches('=').to_owned(),
        );
        let broken = format!("{}\n{}", &text[..8], &text[8..]);
        maker.put(Kind::Form, place, json!(url), "in URL-safe base64");
        maker.put(Kind::Form, place, json!(bare), "without padding");
        maker.put(Kind::Form, place, json!(broken), "with a line break");
    }
}
