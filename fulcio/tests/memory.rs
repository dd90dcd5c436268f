//! Memory of one hostile body. A program of its own: the peak is the process's.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

/// The most memory this process ever held, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_body_takes_memory_in_proportion_to_its_length() {
    let body = format!(r#"{{"x":[{}0]}}"#, r#"{"":{}},"#.repeat(500_000));
    assert!(body.len() > 3_900_000 && body.len() < fulcio::limits::BODY_BYTES);
    let before = peak();
    fulcio::parse_v2_body(body.as_bytes()).unwrap();
    fulcio::parse_v1_body(body.as_bytes()).unwrap();
    let grown = peak() - before;
    assert!(grown < 16 * 1024, "{grown} KiB for a body of 4 MiB");
}
