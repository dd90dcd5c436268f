//! Object identifiers by name.
use const_oid::ObjectIdentifier as Oid;

const fn oid(dotted: &str) -> Oid {
    Oid::new_unwrap(dotted)
}

// Keys (RFC 3279, 5480, 8410)
pub(crate) const EC_PUBLIC_KEY: Oid = oid("1.2.840.10045.2.1");
pub(crate) const RSA_ENCRYPTION: Oid = oid("1.2.840.113549.1.1.1");
pub(crate) const ED25519: Oid = oid("1.3.101.112");
pub(crate) const P256: Oid = oid("1.2.840.10045.3.1.7");
pub(crate) const P384: Oid = oid("1.3.132.0.34");
pub(crate) const P521: Oid = oid("1.3.132.0.35");

// Signatures
pub(crate) const ECDSA_SHA256: Oid = oid("1.2.840.10045.4.3.2");
pub(crate) const ECDSA_SHA384: Oid = oid("1.2.840.10045.4.3.3");
pub(crate) const ECDSA_SHA512: Oid = oid("1.2.840.10045.4.3.4");
pub(crate) const RSA_SHA256: Oid = oid("1.2.840.113549.1.1.11");
pub(crate) const RSA_SHA384: Oid = oid("1.2.840.113549.1.1.12");
pub(crate) const RSA_SHA512: Oid = oid("1.2.840.113549.1.1.13");

// Extensions (RFC 5280 section 4.2)
pub(crate) const SUBJECT_KEY_IDENTIFIER: Oid = oid("2.5.29.14");
pub(crate) const KEY_USAGE: Oid = oid("2.5.29.15");
pub(crate) const SUBJECT_ALT_NAME: Oid = oid("2.5.29.17");
pub(crate) const BASIC_CONSTRAINTS: Oid = oid("2.5.29.19");
pub(crate) const NAME_CONSTRAINTS: Oid = oid("2.5.29.30");
pub(crate) const CERTIFICATE_POLICIES: Oid = oid("2.5.29.32");
pub(crate) const AUTHORITY_KEY_IDENTIFIER: Oid = oid("2.5.29.35");
pub(crate) const EXTENDED_KEY_USAGE: Oid = oid("2.5.29.37");

// Extended key usages
pub(crate) const ANY_EXTENDED_KEY_USAGE: Oid = oid("2.5.29.37.0");
pub(crate) const CODE_SIGNING: Oid = oid("1.3.6.1.5.5.7.3.3");
pub(crate) const TIME_STAMPING: Oid = oid("1.3.6.1.5.5.7.3.8");

// Names (RFC 4519)
pub(crate) const COMMON_NAME: Oid = oid("2.5.4.3");
pub(crate) const ORGANIZATION: Oid = oid("2.5.4.10");

// Certificate transparency (RFC 6962 sections 3.1 and 3.3)
pub(crate) const SCT_LIST: Oid = oid("1.3.6.1.4.1.11129.2.4.2");
pub(crate) const POISON: Oid = oid("1.3.6.1.4.1.11129.2.4.3");

/// Fulcio's arc; its children are extensions, but 7 names a type of otherName.
pub(crate) const FULCIO: Oid = oid("1.3.6.1.4.1.57264.1");
pub(crate) const FULCIO_OTHER_NAME: Oid = oid("1.3.6.1.4.1.57264.1.7");
