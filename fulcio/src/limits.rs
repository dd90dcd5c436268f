//! Every bound of the certificate authority, each with its reason (invariant 9).

use std::time::Duration as Wait;
use time::Duration;

/// Validity of a certificate; Sigstore's verifiers expect it to end before a stolen key is of use.
pub const CERTIFICATE_LIFETIME: Duration = Duration::minutes(10);
/// A request body (gRPC's default message limit, which Fulcio applies to REST too).
pub const BODY_BYTES: usize = 4 * 1024 * 1024;
/// A body that is read without a place among the large ones. Real ones have 2 to 10 KiB.
pub const SMALL_BODY_BYTES: usize = 64 * 1024;
/// Larger bodies in hand at once. With what is decoded from it, one takes up to 16 MiB; what is above
/// gets 429.
pub const LARGE_BODIES_AT_ONCE: usize = 16;
/// Issuances under way at once. Each waits for one commit of the CT log, so this is also a bound on
/// memory; what is above gets 429, which clients retry with back-off.
pub const ISSUANCES_AT_ONCE: usize = 1024;
/// How long an issuance waits for the CT log after the one that another process froze: that process and this one look at
/// their clocks four times a second, and clocks differ a little. Clients wait longer.
pub const SUCCESSOR_WAIT: Wait = Wait::from_secs(3);
