//! A request to a witness that parses is written back byte for byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use witness::request::{AddCheckpoint, encode};

fuzz_target!(|body: &[u8]| {
    if let Ok(request) = AddCheckpoint::parse(body) {
        let note = request.note.to_string();
        let written = encode(request.old, &request.proof, &note);
        assert_eq!(written.as_bytes(), body);
    }
});
