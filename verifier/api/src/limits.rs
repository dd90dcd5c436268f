//! Limits on untrusted input and on work, each with its reason.

use std::time::Duration;

/// Bytes of a JSON body: the service's largest, which its memory budget counts with. A larger artifact comes as
/// multipart, by digest, or not at all.
pub(crate) const JSON_BODY_BYTES: usize = 32 << 20;
/// Bytes of the part `request` of an upload: identities, keys and policies, no bundle needed.
pub(crate) const REQUEST_PART_BYTES: usize = 1 << 20;
/// Bytes of the part `bundle` of an upload.
pub(crate) const BUNDLE_PART_BYTES: usize = formats::limits::BUNDLE_BYTES;
/// Bytes of an uploaded artifact, unless the configuration says otherwise: the largest images of machines.
pub(crate) const ARTIFACT_BYTES: u64 = 64 << 30;
/// An uploaded artifact up to this size is kept whole, because pure Ed25519 signatures have no digest form.
pub(crate) const WHOLE_ARTIFACT_BYTES: usize = 1 << 20;
/// Parts of an upload: `request`, `bundle`, `artifact`.
pub(crate) const PARTS: usize = 3;
/// Bytes that must arrive before an upload gets more time: slower ones end after one request's time.
pub(crate) const UPLOAD_STEP_BYTES: u64 = 1 << 20;
/// What an upload gets for each step.
pub(crate) const UPLOAD_STEP_TIME: Duration = Duration::from_secs(60);
/// Uploads at once: each holds a buffer of about a MiB and a connection, for as long as it takes.
pub(crate) const UPLOADS: usize = 64;
/// Fetches of images at once: each may hold what is attached to an image, some MiB, and [`oci::limits::FOUND_BYTES`] at most.
pub(crate) const IMAGES: usize = 16;
/// Questions of one batch. At a millisecond each the answer comes within a tenth of a second.
pub(crate) const BATCH: usize = 100;
/// Requests that may wait for a core, for each core: at a millisecond each they wait a quarter of a second.
pub(crate) const WAITING_PER_CORE: usize = 256;
/// Signatures and attestations of an image and the images below it, together: at half a millisecond each a core is done in
/// two seconds.
pub(crate) const IMAGE_SIGNATURES: usize = 4_096;
/// Bytes of kept answers: about 5000 reports.
pub(crate) const CACHE_BYTES: u64 = 16 << 20;
/// Answers that the cache plans for.
pub(crate) const CACHE_ITEMS: usize = 5_000;
/// An answer is kept no longer than this, even if nothing in root or policy changes: a bound on mistakes.
pub(crate) const CACHE_TIME: time::Duration = time::Duration::hours(1);
/// Bytes of a resource URI in a verification summary.
pub(crate) const RESOURCE_URI_BYTES: usize = 2048;
/// Characters of outside text that an error repeats.
pub(crate) const QUOTED_CHARS: usize = 100;
/// For everything that is fetched about one image; below the time of a request, so that the caller hears why.
pub(crate) const FETCH_TIME: Duration = Duration::from_secs(45);
