//! Why an image or its signatures could not be read, written or moved, and what to do about it.

use crate::ImageDigest;
use std::path::PathBuf;

/// Why an image or its signatures could not be read, written or moved. No text holds a credential.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// Not the name of an image.
    #[error(
        "{text:?} does not name an image: {reason}; write REGISTRY/NAME:TAG, REGISTRY/NAME@sha256:…, oci:FOLDER[:TAG] or oci-archive:FILE[:TAG]"
    )]
    Reference {
        /// As given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The image is not there.
    #[error("there is no image {0}; check the name, and that these credentials may read it")]
    NoImage(String),
    /// A layout with several images, none of them named.
    #[error("{place} holds several images: name one by tag or digest ({names})")]
    Ambiguous {
        /// The layout.
        place: String,
        /// What could be named.
        names: String,
    },
    /// No answer.
    #[error(
        "the registry {registry} did not answer: {reason}; check the name and the network; a private CA needs --registry-ca, plain HTTP to another machine --allow-http-registry"
    )]
    Unreachable {
        /// Host and port.
        registry: String,
        /// What failed.
        reason: String,
    },
    /// No credentials, or not the right ones.
    #[error(
        "the registry {registry} refuses {action}: {reason}; log in (docker login {registry}), or pass --registry-username and --registry-password-stdin"
    )]
    Unauthorized {
        /// Host and port.
        registry: String,
        /// What was tried.
        action: String,
        /// What it said.
        reason: String,
    },
    /// Another refusal.
    #[error("the registry {registry} refused {action} with status {status}: {message}")]
    Refused {
        /// Host and port.
        registry: String,
        /// What was tried.
        action: String,
        /// HTTP status.
        status: u16,
        /// Its message, shortened.
        message: String,
    },
    /// An answer that breaks the distribution specification.
    #[error("the registry {registry} gave an answer that cannot be used: {reason}")]
    Answer {
        /// Host and port.
        registry: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The credentials could not be had.
    #[error("the credentials for {registry} cannot be used: {reason}")]
    Credentials {
        /// Host and port.
        registry: String,
        /// What is wrong with them.
        reason: String,
    },
    /// The private CA cannot be used.
    #[error("the registry's CA file cannot be used: {0}; it must hold certificates in PEM")]
    RegistryCa(String),
    /// The HTTP client could not start.
    #[error("the HTTP client could not start: {0}")]
    HttpClient(String),
    /// Other bytes than were asked for.
    #[error(
        "{what} has other content than its digest says: it is {have}; do not trust where it came from"
    )]
    Digest {
        /// What was read, by the digest that it should have.
        what: String,
        /// What the bytes have.
        have: ImageDigest,
    },
    /// A digest by another algorithm than SHA-256.
    #[error("the digest {0:?} cannot be used: images and blobs are read by sha256 only")]
    DigestForm(String),
    /// More bytes than any honest one has.
    #[error("{what} has more than {limit} bytes")]
    TooLarge {
        /// What was read.
        what: String,
        /// Bytes allowed.
        limit: u64,
    },
    /// More items than any honest list has.
    #[error("{what}: more than {limit}")]
    TooMany {
        /// Which list.
        what: String,
        /// Items allowed.
        limit: usize,
    },
    /// Readable, but not what it should be.
    #[error("{what} cannot be read: {reason}")]
    Malformed {
        /// What was read.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something that a manifest refers to is missing.
    #[error("{0} is missing")]
    Missing(String),
    /// Not an OCI layout.
    #[error("{path} is not an OCI layout: {reason}")]
    Layout {
        /// Folder or file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A tag that others change all the time.
    #[error("the tag {tag} was changed by somebody else at every attempt; try again")]
    Contended {
        /// Which tag.
        tag: String,
    },
    /// A tag that is used for something else.
    #[error("the tag {tag} holds {have}, which cannot be extended; nothing was changed")]
    ForeignTag {
        /// Which tag.
        tag: String,
        /// What is there.
        have: String,
    },
    /// A bundle that has no legacy form.
    #[error("the signature cannot be stored in the legacy layout: {0}")]
    NoLegacyForm(&'static str),
    /// Somewhere that cannot be written to.
    #[error("{0}")]
    ReadOnly(String),
}
