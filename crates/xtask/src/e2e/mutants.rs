//! A sample of forged bundles before every client: one verdict, but for differences that stand here.

use super::clients::{Client, Form};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::Path;
use testkit::mutants::{Kind, Mutant, mutants};

const SEED: u64 = 7;
/// Of each bundle; a sigstore-python takes half a second for each.
const SAMPLE: usize = 16;

/// A part of a mutant's description, who judges otherwise than we do, and why.
const DIFFERENCES: [(&str, &[&str], &str); 9] = [
    (
        "/mediaType",
        &["sigstore-js"],
        "it looks for a version in the media type, and ignores the rest",
    ),
    (
        "/inclusionProof/hashes removed",
        &["sigstore-python"],
        "an empty list that is left out: protojson's default, which pydantic asks for",
    ),
    (
        "/inclusionProof/rootHash",
        &["sigstore-js", "cosign"],
        "v2: the tree is the checkpoint's; we want the copy to agree",
    ),
    (
        "/inclusionProof/treeSize",
        &["sigstore-js", "cosign"],
        "as rootHash",
    ),
    (
        "/inclusionProof/logIndex",
        &["sigstore-js", "cosign"],
        "as rootHash",
    ),
    (
        "/inclusionProof/hashes index",
        &["sigstore-js", "cosign"],
        "as rootHash",
    ),
    (
        "/kindVersion/version",
        &["cosign"],
        "v2: it makes the body anew from the bundle and does not read the entry's version",
    ),
    (
        "/canonicalizedBody",
        &["cosign"],
        "v2: it makes the body anew from the bundle and does not read the entry's",
    ),
    (
        "in URL-safe base64",
        &["sigstore-python"],
        "protojson reads both alphabets, pydantic one",
    ),
];

pub(super) fn run(clients: &[Client], folder: &Path) -> Result<()> {
    let Some(ours) = clients.iter().find(|client| client.name == "sigstead") else {
        bail!("no client of ours");
    };
    let others: Vec<&Client> = clients
        .iter()
        .filter(|client| client.is_there() && client.signs() && client.name != ours.name)
        .collect();
    let (mut faults, mut judged, mut known) = (Vec::new(), 0, 0);
    for (form, rekor) in [(Form::Message, 1), (Form::Dsse, 2)] {
        let bundle = folder.join(format!("sigstead-{form:?}-v{rekor}.sigstore.json"));
        let donor = folder.join(format!("cosign-{form:?}-v{rekor}.sigstore.json"));
        let donors = match donor.exists() {
            true => vec![("another".to_owned(), read(&donor)?)],
            false => Vec::new(),
        };
        let made = mutants(&read(&bundle)?, &donors, SEED);
        for mutant in sample(&made) {
            let forged = folder.join("mutant.sigstore.json");
            std::fs::write(&forged, mutant.bundle.to_string())?;
            let verdict = ours.accepts(&ours.check(&forged, form, &ours.setting.artifact))?;
            for other in &others {
                let theirs = other.accepts(&other.check(&forged, form, &ours.setting.artifact))?;
                judged += 1;
                if theirs != verdict && explained(mutant, other.name) {
                    known += 1;
                } else if theirs != verdict {
                    faults.push(format!(
                        "{form:?} v{rekor}, {:?} {}: {} {}, we do not agree",
                        mutant.kind,
                        mutant.what,
                        other.name,
                        if theirs { "accepts" } else { "refuses" },
                    ));
                }
            }
        }
    }
    if !faults.is_empty() {
        bail!("verdicts differ:\n{}", faults.join("\n"));
    }
    println!(
        "mutants: {judged} verdicts of other clients, {known} known differences, all others as ours"
    );
    Ok(())
}

/// Mutants from all over the list, so of all sorts.
fn sample(made: &[Mutant]) -> impl Iterator<Item = &Mutant> {
    made.iter().step_by((made.len() / SAMPLE).max(1))
}

fn explained(mutant: &Mutant, who: &str) -> bool {
    // An embedded certificate is a hint: we do not read it when the trusted root has the one that signed.
    mutant.kind == Kind::Token
        || DIFFERENCES
            .iter()
            .any(|(part, clients, _)| mutant.what.contains(part) && clients.contains(&who))
}

fn read(path: &Path) -> Result<Value> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    Ok(serde_json::from_slice(&bytes)?)
}
