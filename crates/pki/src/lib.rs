//! Keys, certificates, Fulcio extensions, SCTs: parse, build, check.
//!
//! Pure: no input or output, no clock, no randomness. Times, serial numbers and signatures arrive as arguments, so a
//! certificate is built here as TBS bytes ([`profile`]) and signed elsewhere. Every parser takes hostile bytes: sizes are
//! bounded by [`limits`], errors are values, nothing panics.
//!
//! | Module | Subject |
//! |---|---|
//! | [`key`] | public keys, signature schemes, `keyDetails` names, weak-key checks |
//! | [`cert`] | one parsed certificate, its bytes kept as received |
//! | [`extensions`] | Fulcio's extension arc, subject alternative names |
//! | [`profile`] | the leaf profile as TBS bytes, pre-certificate and certificate from one value |
//! | [`sct`] | RFC 6962 structures |
//! | [`csr`] | PKCS#10 requests |
//! | [`path`] | path building and checking |
//! | [`pem`] | PEM, as lenient as Sigstore's clients need |
//! | [`tlv`] | bounds on DER before it is decoded |
pub mod cert;
pub mod csr;
pub mod extensions;
pub mod key;
pub mod limits;
pub mod path;
pub mod pem;
pub mod profile;
pub mod sct;
pub mod tlv;

mod algorithm;
mod crypto;
mod oid;
mod strength;
