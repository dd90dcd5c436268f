//! Every bound on what comes from outside, each with its reason (invariant 9).

use std::time::Duration;

/// A token. GitHub's and GitLab's are 1 to 3 KiB; 64 KiB leaves room for group lists.
pub const TOKEN_BYTES: usize = 64 * 1024;
/// JSON values in a token's payload, nested ones included; in memory one may take 600 bytes. Real tokens have 20 to 60,
/// and issuers cut group lists off at 200.
pub const TOKEN_VALUES: usize = 1024;
/// A discovery document or key set. Real ones are below 20 KiB.
pub const DOCUMENT_BYTES: usize = 1024 * 1024;
/// Time for one discovery or key set request, redirects and body included (Fulcio's own figure).
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// Redirects followed, all on one host.
pub const REDIRECTS: usize = 5;
/// Issuers found through wildcards that are asked for keys at once, so that tokens of invented issuers cannot make us a
/// traffic amplifier. The next one is refused at once. Configured issuers are not counted: each is asked by one request
/// at a time.
pub const WILDCARD_FETCHES_AT_ONCE: usize = 8;
/// Keys read from one key set; the largest public one has about a dozen.
pub const KEYS_PER_SET: usize = 100;
/// Issuers that were found through a wildcard and are kept in memory (Fulcio keeps 100 as well).
pub const WILDCARD_PROVIDERS: usize = 100;
/// Age at which a key set and its discovery document are fetched again, so that a withdrawn key stops working.
pub const KEY_SET_TTL_SECONDS: i64 = 3600;
/// Age up to which a key set still serves while a newer one is fetched, or its issuer cannot be reached.
pub const KEY_SET_MAX_STALE_SECONDS: i64 = 24 * 3600;
/// Least time between two requests for the keys of one issuer: unknown key IDs cost the sender nothing.
pub const REFETCH_SECONDS: i64 = 10;
/// How far in the future `nbf` may lie (go-oidc's figure).
pub const NBF_LEEWAY_SECONDS: i64 = 300;

/// The issuer configuration. The public instance's has 16 KiB.
pub const CONFIG_BYTES: usize = 1024 * 1024;
/// A wildcard in the configuration.
pub const PATTERN_BYTES: usize = 1024;
/// A name template in the configuration.
pub const TEMPLATE_BYTES: usize = 8 * 1024;
/// Nested `if` and parentheses in one template.
pub const TEMPLATE_DEPTH: usize = 16;
/// What one template may produce; the value ends in a certificate that every verifier downloads.
pub const TEMPLATE_OUTPUT_BYTES: usize = 8 * 1024;
/// A name in a certificate (SAN), for the same reason.
pub const NAME_BYTES: usize = 4 * 1024;
/// How much of a value from a token is repeated in a reason.
pub const SHOWN_CHARS: usize = 120;
