//! The body of add-chain and add-pre-chain; what is accepted is no longer than the limit and reads
//! back when it is written again.
#![no_main]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    if let Some(chain) = ct::parse_add_chain(body) {
        assert!(chain.len() <= ct::limits::MAX_CHAIN);
        let texts: Vec<_> = chain.iter().map(|der| STANDARD.encode(der)).collect();
        let again = format!("{{\"chain\":{texts:?}}}");
        assert_eq!(ct::parse_add_chain(again.as_bytes()), Some(chain));
    }
});
