//! The lookup from hash to index: every leaf and identity of a batch leads to its entry, and nothing else does.

use super::report::Table;
use super::walk::{Walk, hex, short};
use crate::StoreError;
use crate::store::{BatchRow, KeyKind};
use merkle::Hash;

impl Walk<'_> {
    /// Looks up what the entries of a batch, whose leaves hash to `leaves`, must be found by.
    pub(super) async fn check_lookup(
        &mut self,
        row: &BatchRow,
        leaves: &[Hash],
    ) -> Result<(), StoreError> {
        let identities = row.identities.as_chunks::<32>().0;
        if identities.is_empty() {
            self.lookup_rows += u64::from(row.count);
            self.check_identities(row.first, leaves).await?;
            self.check_leaves(row.first, leaves).await?;
            return Ok(());
        }
        self.lookup_rows += u64::from(row.count);
        self.check_identities(row.first, identities).await?;
        self.lookup_rows += self.check_leaves(row.first, leaves).await?;
        // A row of the wrong kind would let a hash be found as what it is not.
        let differ = leaves.iter().zip(identities).filter(|(a, b)| a != b);
        let (leaves, identities): (Vec<Hash>, Vec<Hash>) = differ.unzip();
        self.check_absent(KeyKind::Identity, &leaves).await?;
        self.check_absent(KeyKind::Leaf, &identities).await
    }

    async fn check_identities(&mut self, first: u64, keys: &[Hash]) -> Result<(), StoreError> {
        for (key, index, found) in self.look_up(KeyKind::Identity, first, keys).await? {
            if found != Some(index) {
                self.wrong_place("identity", &key, found, index);
            }
        }
        Ok(())
    }

    /// Answers how many of the leaves are the first ones with their hash: those have a row.
    async fn check_leaves(&mut self, first: u64, keys: &[Hash]) -> Result<u64, StoreError> {
        let mut firsts = 0;
        for (key, index, found) in self.look_up(KeyKind::Leaf, first, keys).await? {
            match found {
                Some(found) if found == index => firsts += 1,
                // The same leaf twice (CT: one certificate logged twice within a millisecond): the first one is found.
                Some(found) if found < index && self.has_leaf(found, &key).await? => {}
                found => self.wrong_place("leaf", &key, found, index),
            }
        }
        Ok(firsts)
    }

    async fn check_absent(&mut self, kind: KeyKind, keys: &[Hash]) -> Result<(), StoreError> {
        let name = match kind {
            KeyKind::Leaf => "leaf",
            KeyKind::Identity => "identity",
        };
        for (key, _, found) in self.look_up(kind, 0, keys).await? {
            if let Some(found) = found {
                let key = format!("key={} kind={name}", hex(&key));
                let have = format!("a row that leads to {found}");
                self.find(Table::Lookup, key, "kind", have, "no such row");
            }
        }
        Ok(())
    }

    async fn look_up(
        &mut self,
        kind: KeyKind,
        first: u64,
        keys: &[Hash],
    ) -> Result<Vec<(Hash, u64, Option<u64>)>, StoreError> {
        let found = self.store.find(self.name(), kind, keys).await?;
        self.count_lookups(keys.len());
        let places = keys.iter().copied().zip(first..).zip(found);
        Ok(places
            .map(|((key, index), found)| (key, index, found))
            .collect())
    }

    async fn has_leaf(&self, index: u64, leaf: &Hash) -> Result<bool, StoreError> {
        let rows = self
            .store
            .leaf_hashes(self.name(), index, index.saturating_add(1))
            .await?;
        let hash = rows.first().and_then(|(first, hashes)| {
            let place = usize::try_from(index.checked_sub(*first)?).ok()?;
            hashes.as_chunks::<32>().0.get(place).copied()
        });
        Ok(hash.as_ref() == Some(leaf))
    }

    fn wrong_place(&mut self, kind: &str, key: &Hash, found: Option<u64>, index: u64) {
        let row = format!("key={} kind={kind}", hex(key));
        match found {
            None => {
                let want = format!("a row that leads to entry {index}");
                self.find(Table::Lookup, row, "row", "no row", want);
            }
            Some(found) => {
                let have = format!("{found}, which is not {}", short(key));
                self.find(Table::Lookup, row, "leaf_index", have, index.to_string());
            }
        }
    }
}
