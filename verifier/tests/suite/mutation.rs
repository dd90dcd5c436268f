//! From each good bundle: alter one thing, and it must not verify.

use crate::cases::{self, Case};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Members that nothing rests on: hints of the signer.
const HINTS: [&str; 2] = ["/keyid", "/hint"];

fn refused(json: &Value, case: &Case, trust: &verifier::TrustMaterial, what: &str) {
    if let Some(report) = cases::report_on(json, case, trust) {
        assert!(
            !report.verified,
            "{} with {what} was accepted\n{}",
            case.name,
            report.to_text(false)
        );
    }
}

/// Paths of all leaves.
fn leaves(json: &Value) -> Vec<String> {
    fn walk(value: &Value, path: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => members
                .iter()
                .for_each(|(name, value)| walk(value, &format!("{path}/{name}"), found)),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .for_each(|(i, value)| walk(value, &format!("{path}/{i}"), found)),
            _ => found.push(path.to_owned()),
        }
    }
    let mut found = Vec::new();
    walk(json, "", &mut found);
    found
}

#[test]
fn no_leaf_can_be_altered() {
    for case in cases::good() {
        let (json, trust) = (case.json(), case.trust());
        for path in leaves(&json) {
            let special = path.ends_with("/envelope") || path.ends_with("/signedTimestamp");
            if special || HINTS.iter().any(|hint| path.ends_with(hint)) {
                continue; // own tests below
            }
            let original = json.pointer(&path).expect("walked").clone();
            for altered in alterations(&original) {
                let mut bundle = json.clone();
                *bundle.pointer_mut(&path).expect("walked") = altered.clone();
                refused(&bundle, &case, &trust, &format!("{path} = {altered}"));
            }
        }
    }
}

/// Bits flipped at start, middle and end of bytes; numbers changed; other text changed.
fn alterations(value: &Value) -> Vec<Value> {
    let Value::String(text) = value else {
        return vec![json!(7), json!("x")];
    };
    if let Ok(number) = text.parse::<i64>() {
        return [number + 1, number - 1, 0, i64::MAX]
            .iter()
            .map(|n| json!(n.to_string()))
            .collect();
    }
    match STANDARD.decode(text) {
        Ok(bytes) if bytes.len() > 8 => {
            let positions = [0, bytes.len() / 2, bytes.len() - 1];
            let flipped = positions.map(|at| {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1;
                json!(STANDARD.encode(bytes))
            });
            flipped
                .into_iter()
                .chain([json!(STANDARD.encode(&bytes[1..])), json!("")])
                .collect()
        }
        _ => vec![json!(format!("{text}x")), json!("")],
    }
}

/// Members that may be absent, each for its reason.
fn may_be_absent(case: &Case, path: &str) -> bool {
    let stamped = case
        .json()
        .pointer("/verificationMaterial/timestampVerificationData")
        .is_some();
    let v1 = path_exists(case, "/verificationMaterial/tlogEntries/0/inclusionPromise");
    let v01 =
        case.name == "happy-path-v0.1" || case.name == "trust-root-tlog-validity-end-inclusive";
    HINTS.iter().any(|hint| path.ends_with(hint))
        // an unauthenticated hint
        || path.ends_with("/messageDigest")
        // v0.1 bundles rest on the promise
        || (v01 && (path.ends_with("/inclusionProof") || path.ends_with("/checkpoint") || path.ends_with("/envelope")))
        // one of two sources of time
        || (v1 && stamped && (path.contains("/inclusionPromise") || path.contains("/timestampVerificationData") || path.ends_with("/integratedTime")))
}

fn path_exists(case: &Case, path: &str) -> bool {
    case.json().pointer(path).is_some()
}

#[test]
fn no_member_can_be_removed() {
    for case in cases::good() {
        let (json, trust) = (case.json(), case.trust());
        for path in members(&json) {
            let (parent, name) = path.rsplit_once('/').expect("has a parent");
            let mut bundle = json.clone();
            let removed = match bundle.pointer_mut(parent) {
                Some(Value::Object(members)) => members.remove(name).is_some(),
                Some(Value::Array(items)) => name
                    .parse()
                    .is_ok_and(|i: usize| !items.remove(i).is_null()),
                _ => false,
            };
            assert!(removed, "{path}");
            if !may_be_absent(&case, &path) {
                refused(&bundle, &case, &trust, &format!("{path} removed"));
            }
        }
    }
}

/// Paths of all members and items, inner ones as well.
fn members(json: &Value) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for leaf in leaves(json) {
        let mut path = leaf.as_str();
        while !path.is_empty() {
            if !found.iter().any(|have| have == path) {
                found.push(path.to_owned());
            }
            path = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        }
    }
    found
}

#[test]
fn no_line_of_a_checkpoint_can_be_altered() {
    const PLACE: &str = "/verificationMaterial/tlogEntries/0/inclusionProof/checkpoint/envelope";
    for case in cases::good() {
        let (json, trust) = (case.json(), case.trust());
        let Some(envelope) = json.pointer(PLACE).and_then(Value::as_str) else {
            continue;
        };
        let lines: Vec<&str> = envelope.split('\n').collect();
        // origin, size, root, blank, the log's own signature
        for line in 0..5 {
            for altered in altered_lines(lines[line]) {
                let mut lines = lines.clone();
                lines[line] = &altered;
                let mut bundle = json.clone();
                *bundle.pointer_mut(PLACE).expect("is there") = json!(lines.join("\n"));
                refused(
                    &bundle,
                    &case,
                    &trust,
                    &format!("checkpoint line {line} = {altered:?}"),
                );
            }
        }
    }
}

fn altered_lines(line: &str) -> Vec<String> {
    let swap = |at: usize| {
        let mut chars: Vec<char> = line.chars().collect();
        if let Some(c) = chars.get_mut(at) {
            *c = if *c == 'A' { 'B' } else { 'A' };
        }
        chars.into_iter().collect::<String>()
    };
    let count = line.chars().count();
    let mut altered = vec![
        format!("{line}x"),
        format!("1{line}"),
        swap(0),
        swap(count / 2),
        swap(count.saturating_sub(8)),
    ];
    altered.retain(|text| text != line);
    altered
}

/// A token holds parts that nothing rests on (list of digest algorithms, embedded certificates): so either it is
/// refused, or it says the same as before.
#[test]
fn an_altered_timestamp_is_refused_or_says_the_same() {
    const PLACE: &str =
        "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp";
    for case in cases::good() {
        let (json, trust) = (case.json(), case.trust());
        let Some(token) = json.pointer(PLACE).and_then(Value::as_str) else {
            continue;
        };
        let token = STANDARD.decode(token).expect("base64");
        let shown = |json: &Value| {
            cases::report_on(json, &case, &trust)
                .filter(|report| report.verified)
                .map(|report| report.steps[1].evidence.clone())
        };
        let original = shown(&json);
        assert!(original.is_some());
        let mut refused = 0;
        // Every seventh byte, each with another bit: the structure is short, so every part is met.
        for at in (0..token.len()).step_by(7) {
            let mut altered = token.clone();
            altered[at] ^= 1 << (at % 8);
            let mut bundle = json.clone();
            *bundle.pointer_mut(PLACE).expect("is there") = json!(STANDARD.encode(altered));
            match shown(&bundle) {
                None => refused += 1,
                said => assert_eq!(said, original, "{} byte {at}", case.name),
            }
        }
        assert!(refused > 50, "{}: {refused} of {}", case.name, token.len());
    }
}

#[test]
fn another_certificate_of_the_same_identity_is_refused() {
    let good = cases::good();
    for case in &good {
        let trust = case.trust();
        for place in [
            "/verificationMaterial/certificate",
            "/verificationMaterial/x509CertificateChain",
        ] {
            for other in &good {
                let (mut bundle, donor) = (case.json(), other.json());
                let (Some(mine), Some(theirs)) =
                    (bundle.pointer(place).cloned(), donor.pointer(place))
                else {
                    continue;
                };
                if mine != *theirs {
                    *bundle.pointer_mut(place).expect("is there") = theirs.clone();
                    refused(
                        &bundle,
                        case,
                        &trust,
                        &format!("the certificate of {}", other.name),
                    );
                }
            }
        }
    }
}

#[test]
fn a_v2_bundle_without_timestamp_is_refused() {
    for case in cases::good()
        .into_iter()
        .filter(|case| !path_exists(case, "/verificationMaterial/tlogEntries/0/inclusionPromise"))
    {
        let mut bundle = case.json();
        bundle["verificationMaterial"]["timestampVerificationData"] =
            json!({"rfc3161Timestamps": []});
        refused(&bundle, &case, &case.trust(), "no timestamps");
    }
}

#[test]
fn a_promise_put_on_a_v2_entry_gives_no_time() {
    let (Some(v2), Some(v1)) = (
        cases::named("rekor2-happy-path"),
        cases::named("happy-path-v0.3"),
    ) else {
        return;
    };
    let mut bundle = v2.json();
    let promised = v1.json()["verificationMaterial"]["tlogEntries"][0].clone();
    let entry = &mut bundle["verificationMaterial"]["tlogEntries"][0];
    entry["inclusionPromise"] = promised["inclusionPromise"].clone();
    entry["integratedTime"] = promised["integratedTime"].clone();
    bundle["verificationMaterial"]["timestampVerificationData"] = json!({});
    refused(&bundle, &v2, &v2.trust(), "a borrowed promise");
}

#[test]
fn one_bad_entry_beside_a_good_one_is_refused() {
    for case in cases::good() {
        let mut bundle = case.json();
        let entries = bundle["verificationMaterial"]["tlogEntries"]
            .as_array_mut()
            .expect("entries");
        let mut second = entries[0].clone();
        second["canonicalizedBody"] = json!(STANDARD.encode(b"{}"));
        entries.push(second);
        refused(&bundle, &case, &case.trust(), "a second, bad entry");
    }
}

#[test]
fn one_bad_timestamp_beside_a_good_one_is_refused() {
    let other = "rekor2-timestamp-with-embedded-cert";
    let (Some(case), Some(donor)) = (cases::named("rekor2-happy-path"), cases::named(other)) else {
        return;
    };
    let mut bundle = case.json();
    let stranger =
        donor.json()["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"][0]
            .clone();
    bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"]
        .as_array_mut()
        .expect("a list")
        .push(stranger);
    refused(
        &bundle,
        &case,
        &case.trust(),
        "a timestamp of another signature",
    );
}

#[test]
fn an_envelope_with_two_signatures_is_refused() {
    for case in cases::good()
        .into_iter()
        .filter(|case| path_exists(case, "/dsseEnvelope"))
    {
        let mut bundle = case.json();
        let signatures = bundle["dsseEnvelope"]["signatures"]
            .as_array_mut()
            .expect("signatures");
        signatures.push(signatures[0].clone());
        refused(&bundle, &case, &case.trust(), "two signatures");
    }
}

#[test]
fn another_artifact_is_refused() {
    for mut case in cases::good() {
        case.artifact.push(b'!');
        assert!(!case.report().verified, "{}", case.name);
        case.artifact.clear();
        assert!(!case.report().verified, "{}", case.name);
    }
}
