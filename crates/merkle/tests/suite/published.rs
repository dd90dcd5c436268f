//! The inclusion and consistency probes of transparency-dev/merkle, good and mutated.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use merkle::proof::{verify_consistency, verify_inclusion};
use merkle::{Hash, leaf_hash};
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inclusion {
    leaf_idx: u64,
    tree_size: u64,
    root: String,
    leaf_hash: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Consistency {
    size1: u64,
    size2: u64,
    root1: String,
    root2: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

#[test]
fn published_inclusion_probes_get_their_verdict() {
    let Some(folder) = testkit::vectors("merkle/inclusion") else {
        return;
    };
    let probes: Vec<(PathBuf, Inclusion)> = read(&folder);
    assert_eq!(
        probes.len(),
        98,
        "the folder must hold the whole published set"
    );
    for (path, probe) in probes {
        assert_eq!(
            check_inclusion(&probe).is_none(),
            probe.want_err,
            "{}",
            path.display()
        );
    }
}

#[test]
fn published_consistency_probes_get_their_verdict() {
    let Some(folder) = testkit::vectors("merkle/consistency") else {
        return;
    };
    let probes: Vec<(PathBuf, Consistency)> = read(&folder);
    assert_eq!(
        probes.len(),
        98,
        "the folder must hold the whole published set"
    );
    for (path, probe) in probes {
        assert_eq!(
            check_consistency(&probe).is_none(),
            probe.want_err,
            "{}",
            path.display()
        );
    }
}

/// `None` means refused; a hash that has not 32 bytes is refused by its type.
fn check_inclusion(probe: &Inclusion) -> Option<()> {
    let (leaf, root) = (hash(&probe.leaf_hash)?, hash(&probe.root)?);
    let proof = hashes(probe.proof.as_ref())?;
    verify_inclusion(probe.leaf_idx, probe.tree_size, &leaf, &proof, &root).ok()
}

fn check_consistency(probe: &Consistency) -> Option<()> {
    let (root1, root2) = (stand_in(&probe.root1)?, stand_in(&probe.root2)?);
    let proof = hashes(probe.proof.as_ref())?;
    verify_consistency(probe.size1, probe.size2, &proof, &root1, &root2).ok()
}

/// Some probes give words for roots that must not matter; hashing them keeps equal ones equal.
fn stand_in(text: &str) -> Option<Hash> {
    hash(text).or_else(|| Some(leaf_hash(&STANDARD.decode(text).ok()?)))
}

fn hash(text: &str) -> Option<Hash> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

fn hashes(texts: Option<&Vec<String>>) -> Option<Vec<Hash>> {
    texts.into_iter().flatten().map(|text| hash(text)).collect()
}

/// All JSON files below a folder.
fn read<T: DeserializeOwned>(folder: &Path) -> Vec<(PathBuf, T)> {
    let mut probes = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            probes.extend(read(&path));
        } else if path.extension().is_some_and(|end| end == "json") {
            let probe = serde_json::from_slice(&std::fs::read(&path).unwrap());
            probes.push((
                path.clone(),
                probe.unwrap_or_else(|e| panic!("{path:?}: {e}")),
            ));
        }
    }
    probes
}
