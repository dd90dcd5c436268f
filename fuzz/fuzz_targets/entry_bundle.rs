//! An entry bundle that parses is written back byte for byte.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(leaves) = publish::parse_bundle(bytes) {
        assert!(leaves.len() <= 256);
        let mut written = Vec::with_capacity(bytes.len());
        for leaf in leaves {
            let length = u16::try_from(leaf.len()).expect("a length has 16 bits");
            written.extend(length.to_be_bytes());
            written.extend(leaf);
        }
        assert_eq!(written, bytes);
    }
});
