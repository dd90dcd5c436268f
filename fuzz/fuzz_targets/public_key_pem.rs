//! Public keys in PEM and DER; a key that parses is written so that it parses as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pki::key::PublicKey;

fuzz_target!(|bytes: &[u8]| {
    let text = str::from_utf8(bytes).ok();
    let keys = [
        PublicKey::parse_spki(bytes).ok(),
        text.and_then(|pem| PublicKey::parse_pem(pem).ok()),
    ];
    for key in keys.into_iter().flatten() {
        let _ = key.check_strength();
        let again = PublicKey::parse_pem(&key.to_pem()).unwrap();
        assert_eq!(again.spki_der(), key.spki_der());
        let _ = key.verify(key.default_scheme(), b"message", bytes);
    }
});
