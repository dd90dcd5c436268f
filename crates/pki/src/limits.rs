//! Bounds on bytes from outside, each with its reason.

/// Longest PEM text read, in bytes: a root pool of [`CERTIFICATES_IN_PEM`] usual certificates fits ten times over.
pub const PEM_TEXT: usize = 1024 * 1024;

/// Longest PEM label, in bytes. `NEW CERTIFICATE REQUEST` has 23.
pub const PEM_LABEL: usize = 64;

/// Most certificates read from one PEM text: several rotated chains of at most [`PATH_CERTIFICATES`] each.
pub const CERTIFICATES_IN_PEM: usize = 64;

/// Deepest nesting of DER elements: a timestamp token around a certificate chain has about 15 levels.
pub const DER_DEPTH: usize = 32;

/// Most members of one DER SET. Decoders sort the members by insertion, so work grows with the square of their number;
/// a relative name has one or two, a signed message has about ten attributes.
pub const SET_MEMBERS: usize = 64;

/// Longest certificate, in bytes of DER. Fulcio's leaves have about 2 KiB; RFC 6962 itself allows 16 MiB.
pub const CERTIFICATE_DER: usize = 64 * 1024;

/// Longest certificate signing request, in bytes of DER: as a certificate.
pub const REQUEST_DER: usize = 64 * 1024;

/// Most extensions of one certificate. Fulcio's leaves have at most 28.
pub const EXTENSIONS: usize = 64;

/// Longest SubjectPublicKeyInfo, in bytes of DER: an RSA key of [`RSA_BITS`] has about 1.1 KiB.
pub const KEY_DER: usize = 4 * 1024;

/// Largest RSA modulus, in bits: the largest that the backend verifies; the work grows with the square.
pub const RSA_BITS: u32 = 8192;

/// Longest signature, in bytes: as long as an RSA modulus of [`RSA_BITS`].
pub const SIGNATURE: usize = 1024;

/// Most SCTs of one certificate. Fulcio embeds one; web certificates carry up to about five.
pub const SCTS: usize = 32;

/// Most certificates of one path, leaf and anchor included. Sigstore's paths have two to four.
pub const PATH_CERTIFICATES: usize = 8;

/// Most intermediates, and most anchors, that a path search looks at.
pub const PATH_CANDIDATES: usize = 256;

/// Most signature checks of one path search: crossed chains of equal names and keys would otherwise cost exponentially.
pub const PATH_SIGNATURE_CHECKS: usize = 64;
