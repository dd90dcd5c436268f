//! Limits of both ends, each with its reason.

use std::time::Duration;

/// Hashes of a consistency proof. C2SP tlog-witness; a tree of 2^63 leaves needs no more.
pub const MAX_PROOF: usize = 63;

/// Bytes of an add-checkpoint request: a whole note, the size line and [`MAX_PROOF`] lines of 45 bytes.
pub const MAX_REQUEST_BYTES: usize = note::limits::MAX_NOTE_BYTES + 4096;

/// Bytes of a witness's answer. One line has about 170 bytes; ML-DSA-44 makes it 3.3 KiB.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Characters of a witness's own words that go into logs.
pub const MAX_REASON_CHARS: usize = 200;

/// What one witness gets, its proof and a second attempt after 409 included, unless configured
/// otherwise. rekor-tiles waits as long.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest such time: in fail-closed mode answers to submitters wait for it, and listeners cut
/// requests after 60 seconds.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(30);

/// How far the time of a new cosignature may be from ours, in seconds either way. More is a clock that is
/// wrong, or an old cosignature given again.
pub const MAX_TIME_DIFFERENCE: u64 = 600;

/// Up to this many seconds a witness's clock may be stepped back and the newest time be used again; a
/// larger step is an earlier mistake that should not be kept alive.
pub const MAX_CLOCK_STEP: u64 = 60;

/// Logs that one witness knows. A network of public logs has some dozens.
pub const MAX_LOGS: usize = 4096;

/// Witnesses that one log asks. C2SP signed-note promises that verifiers take 16 lines, sigstore-java takes
/// 20: with one or two lines of the log's own the cosigned checkpoint is still read everywhere.
pub const MAX_WITNESSES: usize = 16;
