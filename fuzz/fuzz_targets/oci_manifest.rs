//! A manifest is what its media type says, and keeps its digest; a legacy signature is about the image that was asked for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oci::ImageDigest;
use oci::manifest::{Content, Manifest};
use std::collections::BTreeMap;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = Manifest::new(bytes.to_vec(), None) {
        assert_eq!(manifest.digest, ImageDigest::of(bytes));
        if let Ok(content) = manifest.content() {
            assert_eq!(manifest.is_index(), matches!(content, Content::Index(_)));
        }
    }
    // Annotations as JSON, NUL, blob.
    let Some(middle) = bytes.iter().position(|byte| *byte == 0) else {
        return;
    };
    let (annotations, blob) = (&bytes[..middle], &bytes[middle + 1..]);
    let Ok(annotations) = serde_json::from_slice::<BTreeMap<String, String>>(annotations) else {
        return;
    };
    let image = ImageDigest([7; 32]);
    if oci::legacy::read_signature(&annotations, blob, image).is_ok() {
        let other = ImageDigest([8; 32]);
        assert!(oci::legacy::read_signature(&annotations, blob, other).is_err());
    }
    let _ = oci::legacy::read_attestation(&annotations, blob);
});
