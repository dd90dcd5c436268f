//! Bounds on what an archive may hold; each with its reason.

/// A segment of rows ends behind this many bytes: large enough that a terabyte is a hundred thousand of them.
pub const SEGMENT_BYTES: usize = 8 << 20;
/// One entry: a segment and one more row, whose largest field has 64 MiB.
pub const MAX_ENTRY_BYTES: u64 = 160 << 20;
/// All files of the data folder together; they are held in memory. An instance has some hundred KiB.
pub const MAX_FILES_BYTES: u64 = 256 << 20;
/// The manifest: some 150 bytes an entry.
pub const MAX_MANIFEST_BYTES: u64 = 64 << 20;
/// A name in an archive.
pub const MAX_NAME_BYTES: usize = 512;
/// Entries of an archive; each is a row of the manifest in memory.
pub const MAX_ENTRIES: usize = 400_000;
/// Work of a passphrase, as a power of two: 128 MiB of memory and half a second.
pub const PASSPHRASE_WORK: u8 = 17;
/// More than this is refused when an archive is opened: it would take minutes and gigabytes.
pub const MAX_PASSPHRASE_WORK: u8 = 22;
/// Shortest passphrase that is taken: with scrypt, guessing 12 random letters is out of reach.
pub const MIN_PASSPHRASE_CHARS: usize = 12;
