//! Certificates in DER and PEM, and everything read out of them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pki::cert::Certificate;
use pki::sct;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(certificate) = Certificate::parse_der(bytes) {
        assert_eq!(certificate.der(), bytes);
        let _ = certificate.san();
        let _ = certificate.precert_tbs();
        let _ = certificate.subject_common_name();
        let _ = certificate.subject_organization();
        let _ = certificate.is_ca();
        let _ = certificate.verify_signed_by(&certificate);
        let _ = sct::embedded(&certificate);
    }
    if let Ok(text) = str::from_utf8(bytes) {
        let _ = Certificate::parse_pem(text);
        let _ = Certificate::parse_pem_chain(text);
    }
});
