//! Bounds on what services may answer and on how long they are waited for.

use std::time::Duration;

/// Bytes of a token. GitHub's have 2 KB, GitLab's 3 KB; common servers stop at 16 to 32 KiB of headers.
pub(crate) const TOKEN_BYTES: usize = 16 << 10;

/// Bytes of Fulcio's answer: the bound of sigstore-go.
pub(crate) const FULCIO_ANSWER: usize = 1 << 20;

/// Bytes of Rekor's answer (spec/rekor.md B.5).
pub(crate) const REKOR_ANSWER: usize = 10 << 20;

/// Bytes of a time-stamp response: what a bundle may hold.
pub(crate) const TSA_ANSWER: usize = formats::limits::TIMESTAMP_BYTES;

/// Bytes of a statement that is signed: an envelope must fit a bundle after base64.
pub(crate) const STATEMENT_BYTES: usize = 16 << 20;

/// Characters of a server's message that an error repeats.
pub(crate) const MESSAGE_CHARS: usize = 500;

/// One attempt, from connecting to the last byte. A Rekor v2 log may take 20 s (spec/clients.md h.3).
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// Connecting alone.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Attempts in all.
pub(crate) const ATTEMPTS: u32 = 4;

/// The first pause; each later one is twice as long.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The longest pause that a server's Retry-After is granted. The certificate lives ten minutes.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// How far a service's clock may be ahead of ours when the new bundle is verified.
pub(crate) const CLOCK_LEEWAY: Duration = Duration::from_secs(60);
