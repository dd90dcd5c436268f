//! Tells in memory that a key is not in a run: a split-block Bloom filter.
//!
//! A key sets one bit in each of the eight words of one block, so a look costs one cache line. With 12 bits a key about
//! one look in two hundred says "perhaps" for a key that is not there.

use bytes::Bytes;

/// Bits of the filter for each key of the run.
const BITS_PER_KEY: usize = 12;
const WORDS: usize = 8;
const BLOCK: usize = WORDS * 4;

/// Odd multipliers, one a word (Apache Parquet, "Bloom Filter", section "Technical approach").
const SALT: [u32; WORDS] = [
    0x47b6_137b,
    0x4497_4d91,
    0x8824_ad5b,
    0xa2b7_289d,
    0x7054_95c7,
    0x2df1_424b,
    0x9efc_4947,
    0x5c6b_fb31,
];

/// The filter of one run, as it is stored: whole blocks of eight little-endian words.
#[derive(Clone, Debug)]
pub(crate) struct Filter(Bytes);

impl Filter {
    /// Builds the filter of these keys.
    pub(super) fn build(prefixes: impl ExactSizeIterator<Item = u64>) -> Self {
        let blocks = (prefixes.len() * BITS_PER_KEY).div_ceil(BLOCK * 8).max(1);
        let mut bytes = vec![0; blocks * BLOCK];
        for prefix in prefixes {
            let (start, low) = place(prefix, blocks);
            for (word, salt) in bytes[start..start + BLOCK]
                .as_chunks_mut::<4>()
                .0
                .iter_mut()
                .zip(SALT)
            {
                *word = (u32::from_le_bytes(*word) | bit(low, salt)).to_le_bytes();
            }
        }
        Self(bytes.into())
    }

    /// Takes a stored filter; `None` when it is not whole blocks.
    pub(super) fn parse(bytes: Bytes) -> Option<Self> {
        (!bytes.is_empty() && bytes.len().is_multiple_of(BLOCK)).then_some(Self(bytes))
    }

    pub(super) fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// False when the key is certainly not in the run.
    pub(crate) fn may_have(&self, prefix: u64) -> bool {
        let (start, low) = place(prefix, self.0.len() / BLOCK);
        let block = self.0[start..start + BLOCK].as_chunks::<4>().0;
        block
            .iter()
            .zip(SALT)
            .all(|(word, salt)| u32::from_le_bytes(*word) & bit(low, salt) != 0)
    }
}

/// The block of a key, and the bits that choose within it. The prefix also chooses the page, so it is mixed first.
fn place(prefix: u64, blocks: usize) -> (usize, u32) {
    // splitmix64's finalizer.
    let mut hash = prefix;
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 31;
    let [a, b, c, d, e, f, g, h] = hash.to_le_bytes();
    let high = u64::from(u32::from_le_bytes([e, f, g, h]));
    let blocks = u64::try_from(blocks).unwrap_or(u64::MAX);
    let block = usize::try_from((high * blocks) >> 32).unwrap_or(0);
    (block * BLOCK, u32::from_le_bytes([a, b, c, d]))
}

fn bit(low: u32, salt: u32) -> u32 {
    1 << (low.wrapping_mul(salt) >> 27)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(number: u64) -> u64 {
        let hash = merkle::leaf_hash(&number.to_be_bytes());
        u64::from_be_bytes(hash.first_chunk().copied().unwrap())
    }

    #[test]
    fn every_key_is_found_and_few_others() {
        let keys: Vec<u64> = (0..20_000).map(prefix).collect();
        let filter = Filter::build(keys.iter().copied());
        assert!(keys.iter().all(|key| filter.may_have(*key)));
        let wrong = (20_000..120_000)
            .filter(|number| filter.may_have(prefix(*number)))
            .count();
        assert!(wrong < 1_000, "{wrong} of 100,000");
        assert!(filter.bytes().len() <= 20_000 * 12 / 8 + BLOCK);
    }

    #[test]
    fn a_filter_is_whole_blocks() {
        assert!(Filter::parse(Bytes::new()).is_none());
        assert!(Filter::parse(Bytes::from_static(&[0; 33])).is_none());
        assert!(Filter::parse(Bytes::from_static(&[0; 64])).is_some());
    }
}
