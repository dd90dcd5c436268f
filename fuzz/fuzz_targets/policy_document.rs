//! Policy documents, their findings, and ClusterImagePolicies. What parses parses again after it is written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy::{Document, check, cluster_image_policy};
use time::OffsetDateTime;

fuzz_target!(|bytes: &[u8]| {
    let _ = cluster_image_policy::read(bytes);
    let Ok(document) = Document::parse(bytes) else {
        return;
    };
    let _ = check(&document);
    let written = serde_json::to_vec(&document).expect("a document is JSON");
    assert!(Document::parse(&written).is_ok());
    assert!(!document.evaluate(&[], &[], OffsetDateTime::UNIX_EPOCH).verified);
});
