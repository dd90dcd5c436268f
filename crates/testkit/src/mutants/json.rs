//! Values changed, removed, and taken from other bundles; also in JSON inside of the bundle.

use super::{ENTRY, Kind, Maker, encoded};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Every value, in several ways.
pub(super) fn changed(maker: &mut Maker<'_>) {
    for place in leaves(maker.bundle) {
        let Some(value) = maker.bundle.pointer(&place).cloned() else {
            continue;
        };
        for altered in alterations(&value, maker) {
            let what = format!("= {}", short(&altered));
            maker.put(Kind::Changed, &place, altered, &what);
        }
    }
}

/// Every member and item, inner ones as well.
pub(super) fn removed(maker: &mut Maker<'_>) {
    for place in nodes(maker.bundle) {
        let Some((parent, name)) = place.rsplit_once('/') else {
            continue;
        };
        let mut bundle = maker.bundle.clone();
        let gone = match bundle.pointer_mut(parent) {
            Some(Value::Object(members)) => members.remove(name).is_some(),
            Some(Value::Array(items)) => name.parse().is_ok_and(|index: usize| {
                index < items.len() && {
                    items.remove(index);
                    true
                }
            }),
            _ => false,
        };
        if gone {
            maker.keep(Kind::Removed, &place, "removed", bundle);
        }
    }
}

/// Parts of other bundles in the place of our own.
pub(super) fn exchanged(maker: &mut Maker<'_>, donors: &[(String, Value)]) {
    let entry = [
        "",
        "/logId",
        "/logIndex",
        "/integratedTime",
        "/kindVersion",
        "/inclusionPromise",
        "/inclusionProof",
        "/inclusionProof/hashes",
        "/inclusionProof/rootHash",
        "/inclusionProof/checkpoint",
        "/canonicalizedBody",
    ]
    .map(|part| format!("{ENTRY}{part}"));
    let parts = [
        "/verificationMaterial",
        "/verificationMaterial/certificate",
        "/verificationMaterial/x509CertificateChain",
        "/verificationMaterial/timestampVerificationData",
        "/messageSignature",
        "/messageSignature/signature",
        "/messageSignature/messageDigest",
        "/dsseEnvelope",
        "/dsseEnvelope/payload",
        "/dsseEnvelope/signatures",
    ];
    for (name, donor) in donors {
        for place in entry.iter().map(String::as_str).chain(parts) {
            if let Some(value) = donor.pointer(place) {
                maker.put(Kind::Exchanged, place, value.clone(), &format!("of {name}"));
            }
        }
    }
}

/// Values of a JSON document that stands in the bundle as base64.
pub(super) fn inside(maker: &mut Maker<'_>, kind: Kind, place: &str) {
    let document = maker
        .decoded(place)
        .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let Some(document) = document else {
        return;
    };
    for leaf in leaves(&document) {
        let Some(value) = document.pointer(&leaf).cloned() else {
            continue;
        };
        for altered in alterations(&value, maker) {
            let mut changed = document.clone();
            if let Some(target) = changed.pointer_mut(&leaf) {
                let what = format!("> {leaf} = {}", short(&altered));
                *target = altered;
                maker.put(kind, place, encoded(changed.to_string()), &what);
            }
        }
    }
    let spaced = serde_json::to_string_pretty(&document).unwrap_or_default();
    maker.put(kind, place, encoded(spaced), "> written with spaces");
}

/// Bits flipped in bytes, numbers moved, other text.
fn alterations(value: &Value, maker: &mut Maker<'_>) -> Vec<Value> {
    let Value::String(text) = value else {
        return vec![json!(7), json!("x"), json!(null)];
    };
    if let Ok(number) = text.parse::<i64>() {
        let moved = [
            number.wrapping_add(1),
            number.wrapping_sub(1),
            0,
            -1,
            i64::MAX,
        ];
        return moved.map(|number| json!(number.to_string())).to_vec();
    }
    match STANDARD.decode(text) {
        Ok(bytes) if bytes.len() > 8 => altered_bytes(&bytes, maker),
        _ => vec![json!(format!("{text}x")), json!(""), json!(null)],
    }
}

fn altered_bytes(bytes: &[u8], maker: &mut Maker<'_>) -> Vec<Value> {
    let mut altered = Vec::new();
    for at in [0, maker.random.below(bytes.len()), bytes.len() - 1] {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1 << maker.random.below(8);
        altered.push(encoded(flipped));
    }
    altered.push(encoded(&bytes[1..]));
    altered.push(encoded(vec![0; bytes.len()]));
    altered.push(json!(""));
    altered
}

/// JSON pointers to all values that hold no others.
fn leaves(json: &Value) -> Vec<String> {
    let inner = |place: &String| {
        let value = json.pointer(place);
        !matches!(value, Some(Value::Object(_) | Value::Array(_)))
    };
    nodes(json).into_iter().filter(inner).collect()
}

/// JSON pointers to everything but the document itself.
fn nodes(json: &Value) -> Vec<String> {
    fn walk(value: &Value, place: &str, found: &mut Vec<String>) {
        if !place.is_empty() {
            found.push(place.to_owned());
        }
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    let name = name.replace('~', "~0").replace('/', "~1");
                    walk(value, &format!("{place}/{name}"), found);
                }
            }
            Value::Array(items) => {
                for (index, value) in items.iter().enumerate() {
                    walk(value, &format!("{place}/{index}"), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(json, "", &mut found);
    found
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(40).collect()
}
