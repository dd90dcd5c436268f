//! Images in registries and OCI layouts, and the signatures attached to them.
//!
//! | What is stored where | By whom |
//! |---|---|
//! | bundle in a manifest that refers to the image (OCI 1.1), listed by the registry or under the tag `sha256-…` | cosign 3, us |
//! | signature in a layer's annotations under the tag `sha256-….sig`, attestation under `sha256-….att` | cosign 1 and 2, us with `--legacy` |
//! | the same in a layout's folder or tar, also as `cosign save` writes it | air gaps |
//!
//! [`find`] reads all of them and turns each into a bundle with the artifact that it must be about; nothing is verified
//! here but digests. [`Image`] attaches new ones, [`copy`] moves an image with all of them.
//!
//! Layouts need no network and no runtime: futures about them never wait.

mod access;
mod attach;
mod blob;
mod copy;
mod digest;
mod error;
mod find;
mod found;
mod image;
mod layout;
pub mod legacy;
pub mod limits;
pub mod manifest;
mod registry;
mod source;
mod store;

pub use access::{Access, Credentials};
pub use copy::{Copied, Event, Progress};
pub use digest::ImageDigest;
pub use error::OciError;
pub use found::{COSIGN_SIGN, Found, FoundSignature, Kind, Place, Subject};
pub use image::Image;
pub use source::{LayoutReference, Selector, Source};

/// Finds everything about an image: resolves a tag once, then works with the digest of the bytes that came.
///
/// `recursive` also looks at each image of an index. Signatures that cannot be read are reported, not passed over; an
/// error means that the image, or the place where it is, cannot be read.
pub async fn find(source: &Source, access: &Access, recursive: bool) -> Result<Found, OciError> {
    Image::open(source, access).await?.find(recursive).await
}

/// Moves an image with everything that belongs to it, from registry or layout to registry or layout: the images of an
/// index, referrers of all kinds, and the legacy tags `.sig`, `.att` and `.sbom`, of each image.
///
/// Every digest is checked on the way, and blobs that the target has are not sent. Signatures that the target has already
/// are kept beside the new ones. An error names what could not be moved; the target's tag is written last.
pub async fn copy(
    from: (&Source, &Access),
    to: (&Source, &Access),
    progress: &Progress,
) -> Result<Copied, OciError> {
    copy::copy(from, to, progress).await
}
