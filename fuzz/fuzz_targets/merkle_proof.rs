//! Proofs with chosen indices, sizes and hashes: no panic, and no proof of any other length passes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use merkle::Hash;
use merkle::proof::{Plan, root_from_inclusion, verify_consistency, verify_inclusion};

fuzz_target!(|input: (u64, u64, Hash, Hash, Vec<Hash>)| {
    let (a, b, leaf, root, hashes) = input;

    if verify_inclusion(a, b, &leaf, &hashes, &root).is_ok() {
        assert_eq!(root_from_inclusion(a, b, &leaf, &hashes), Ok(root));
    }
    if let Ok(plan) = Plan::inclusion(a, b) {
        let proof = plan.fold(&vec![leaf; plan.nodes().len()]).unwrap();
        let computed = root_from_inclusion(a, b, &leaf, &proof).unwrap();
        verify_inclusion(a, b, &leaf, &proof, &computed).unwrap();
        assert_eq!(
            root_from_inclusion(a, b, &leaf, &hashes).is_ok(),
            hashes.len() == proof.len()
        );
    }

    let _ = verify_consistency(a, b, &hashes, &leaf, &root);
    if let Ok(plan) = Plan::consistency(a, b) {
        let _ = plan.fold(&hashes);
        assert!(plan.nodes().all(|node| node.index < b >> node.level));
    }
});
