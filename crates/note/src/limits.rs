//! Limits on notes from outside, each with its reason.

/// Bytes of a whole note. Room for [`MAX_SIGNATURES`] lines with ML-DSA-44 cosignatures (2,432
/// bytes each, 3.3 KiB in base64) and a small text.
pub const MAX_NOTE_BYTES: usize = 256 * 1024;

/// Bytes of the text. A checkpoint has about 150; this leaves room for extension lines.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;

/// Signature lines of a note. C2SP signed-note asks for at least 16; logs collect a dozen
/// cosignatures today. Each line may cost a verifier one signature check.
pub const MAX_SIGNATURES: usize = 64;

/// Bytes of one signature without its hint. ML-DSA-44 with its timestamp takes 2,428, RSA-4096 512.
pub const MAX_SIGNATURE_BYTES: usize = 8 * 1024;

/// Bytes of a key name. Names are host names (at most 253 bytes), with a path perhaps.
pub const MAX_NAME_BYTES: usize = 512;

/// Extension lines of a checkpoint. C2SP tlog-checkpoint discourages them; Rekor v1 writes one.
pub const MAX_EXTENSIONS: usize = 64;

/// Bytes of a public key in a verifier key: a P-521 SubjectPublicKeyInfo has 158.
pub const MAX_KEY_BYTES: usize = 256;

/// Bytes of a verifier key's text: a full name, the hint, and [`MAX_KEY_BYTES`] in base64.
pub const MAX_VKEY_BYTES: usize = 1024;

/// Bytes of a policy file. 32 logs and 32 witnesses with full names and URLs take about 100 KiB.
pub const MAX_POLICY_BYTES: usize = 256 * 1024;

/// Lines of a policy file, comments included.
pub const MAX_POLICY_LINES: usize = 4096;

/// Logs of a policy, and witnesses, and groups. C2SP tlog-policy asks for at least 32 of each. Groups
/// may nest as deep as there are groups: they are evaluated in their order, without recursion.
pub const MAX_POLICY_ITEMS: usize = 256;
