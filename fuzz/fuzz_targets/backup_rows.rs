//! Rows of a log in an archive; whatever parses is integrated or refused, without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tlog::copy::Replay;

fuzz_target!(|bytes: &[u8]| {
    let Ok(rows) = backup::parse_rows(bytes) else {
        return;
    };
    let mut replay = Replay::new("rekor-v1");
    for row in rows {
        let _ = replay.push(row);
    }
});
