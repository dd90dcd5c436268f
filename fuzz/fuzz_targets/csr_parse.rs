//! Certificate signing requests in DER and PEM.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pki::csr::CertificateRequest;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = CertificateRequest::parse_der(bytes) {
        let _ = request.verify();
    }
    if let Ok(text) = str::from_utf8(bytes) {
        let _ = CertificateRequest::parse_pem(text);
    }
});
