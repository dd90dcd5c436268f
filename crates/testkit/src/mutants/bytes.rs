//! Bytes inside certificates and tokens, lines of checkpoints.

use super::{ENTRY, Kind, Maker, encoded};
use serde_json::json;

/// Places chosen in each certificate and token.
const FLIPS: usize = 16;

pub(super) fn certificate(maker: &mut Maker<'_>) {
    for place in [
        "/verificationMaterial/certificate/rawBytes",
        "/verificationMaterial/x509CertificateChain/certificates/0/rawBytes",
    ] {
        flips(maker, Kind::Certificate, place);
    }
}

pub(super) fn token(maker: &mut Maker<'_>) {
    let place =
        "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp";
    flips(maker, Kind::Token, place);
}

fn flips(maker: &mut Maker<'_>, kind: Kind, place: &str) {
    let Some(bytes) = maker.decoded(place) else {
        return;
    };
    for _ in 0..FLIPS {
        let (at, bit) = (maker.random.below(bytes.len()), maker.random.below(8));
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << bit;
        let what = format!("bit {bit} of byte {at} of {}", bytes.len());
        maker.put(kind, place, encoded(flipped), &what);
    }
    let mut longer = bytes.clone();
    longer.push(0);
    maker.put(kind, place, encoded(longer), "with a byte behind");
}

pub(super) fn checkpoint(maker: &mut Maker<'_>) {
    let place = format!("{ENTRY}/inclusionProof/checkpoint/envelope");
    let text = maker.bundle.pointer(&place).and_then(|text| text.as_str());
    let Some(text) = text.map(str::to_owned) else {
        return;
    };
    let lines: Vec<&str> = text.split('\n').collect();
    let mut put = |lines: Vec<String>, what: String| {
        maker.put(Kind::Checkpoint, &place, json!(lines.join("\n")), &what);
    };
    let owned = |lines: &[&str]| {
        lines
            .iter()
            .map(|line| (*line).to_owned())
            .collect::<Vec<_>>()
    };
    // Origin, size, root, blank line, the log's own signature.
    for number in 0..lines.len().min(5) {
        for altered in altered_lines(lines[number]) {
            let mut changed = owned(&lines);
            changed[number] = altered;
            put(changed, format!("line {number} altered"));
        }
        let mut without = owned(&lines);
        without.remove(number);
        put(without, format!("line {number} removed"));
        let mut twice = owned(&lines);
        twice.insert(number, lines[number].to_owned());
        put(twice, format!("line {number} twice"));
    }
    let mut extended = owned(&lines);
    extended.insert(3.min(lines.len()), "one more line".to_owned());
    put(extended, "with one more line of text".to_owned());
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
    vec![
        format!("{line}x"),
        format!("1{line}"),
        swap(0),
        swap(count / 2),
        swap(count.saturating_sub(8)),
    ]
}
