//! What a witness answers: signature lines, their cosignatures, or a size. What parses is written back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use note::{Cosignature, parse_signature_lines};
use witness::request::{encode_size, parse_size_body};

fuzz_target!(|body: &[u8]| {
    if let Some(size) = parse_size_body(body) {
        assert_eq!(encode_size(size).as_bytes(), body);
    }
    let Ok(text) = std::str::from_utf8(body) else {
        return;
    };
    if let Ok(lines) = parse_signature_lines(text) {
        let written: String = lines.iter().map(|line| format!("{line}\n")).collect();
        assert_eq!(written, text);
        for line in lines {
            if let Ok(cosignature) = Cosignature::parse(&line.signature) {
                assert_eq!(cosignature.to_bytes(), line.signature[..]);
            }
        }
    }
});
