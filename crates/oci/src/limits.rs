//! Bounds on what registries and layouts may send. Each has its reason; an error names the one that was exceeded.

use std::time::Duration;

/// Bytes of one manifest or index. The distribution specification asks registries for at least 4 MiB, and most stop there.
pub const MANIFEST_BYTES: usize = 4 << 20;

/// Bytes of one layer that holds a bundle or an envelope: what a bundle may have.
pub const SIGNATURE_BLOB_BYTES: usize = formats::limits::BUNDLE_BYTES;

/// Bytes of one simple-signing payload. cosign's have 250 bytes; annotations by users make them larger.
pub const PAYLOAD_BYTES: usize = 1 << 20;

/// Bytes of one annotation that holds a certificate, a chain or a log entry. An entry may hold a whole attestation,
/// but a manifest holds no more than [`MANIFEST_BYTES`].
pub const ANNOTATION_BYTES: usize = MANIFEST_BYTES;

/// Referrers of one image. Pages of thirty and more are usual; ours would be 1,024 signatures and attestations.
pub const REFERRERS: usize = 1024;

/// Pages of one listing of referrers.
pub const REFERRER_PAGES: usize = 64;

/// Layers of one `.sig` or `.att` manifest: the bound of cosign.
pub const SIGNATURE_LAYERS: usize = 1000;

/// Bytes of all signatures and attestations that one search finds, about the images of an index too: they are held together.
/// A large SBOM has some MiB.
pub const FOUND_BYTES: u64 = 256 << 20;

/// Images below one index. The largest official images have about thirty.
pub const INDEX_CHILDREN: usize = 512;

/// Indexes inside indexes.
pub const INDEX_DEPTH: usize = 4;

/// Files of a layout that are opened to see whether they are manifests that refer to an image.
pub const LAYOUT_SCAN: usize = 16_384;

/// Entries of a layout's tar.
pub const ARCHIVE_ENTRIES: usize = 100_000;

/// Bytes of the first file of a layout, which holds its version.
pub const LAYOUT_FILE_BYTES: usize = 4 << 10;

/// Bytes of the body of a refusal that are read for its message.
pub(crate) const REFUSAL_BYTES: usize = 64 << 10;

/// Characters of a registry's message that an error repeats.
pub(crate) const MESSAGE_CHARS: usize = 300;

/// Bytes that are read and written at once while blobs are moved.
pub(crate) const CHUNK: usize = 256 << 10;

/// Connecting to a registry.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Silence of a registry while it answers. A blob may take as long as it likes, as long as it comes.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a credential helper may take: some ask a person.
pub(crate) const HELPER_TIMEOUT: Duration = Duration::from_secs(120);

/// When a token that an identity token was exchanged for is replaced: `oci-client` keeps one of unknown age for a minute, and
/// cannot exchange by itself.
pub(crate) const IDENTITY_TOKEN_REFRESH: Duration = Duration::from_secs(30);

/// Signatures that are fetched at the same time: registries begin to refuse at some dozens.
pub(crate) const PARALLEL: usize = 8;

/// Attempts of one request that a busy registry refuses.
pub(crate) const ATTEMPTS: u32 = 4;

/// The first pause between attempts; each later one is twice as long.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Attempts to change a tag that others change at the same time.
pub(crate) const TAG_ATTEMPTS: u32 = 5;
