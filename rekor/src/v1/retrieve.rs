//! `POST /api/v1/log/entries/retrieve`: entries by ID, by UUID, by content, by index (spec A.3).

use crate::json::{self, JsonError, Names};
use crate::kinds;
use crate::limits;
use crate::v1::error::{ApiError, validation};
use crate::v1::id::{EntryId, EntryName, NameError};
use crate::v1::shard::Now;
use http::StatusCode;
use merkle::Hash;
use serde_json::value::RawValue;

/// What is looked for, in the order of the answer: IDs, then leaf hashes, then indexes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    ids: Vec<EntryId>,
    leaf_hashes: Vec<Hash>,
    indexes: Vec<u64>,
}

impl Query {
    /// Parses a query body. Proposed entries in it are verified and become their leaf hash.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let names = ["entryUUIDs", "logIndexes", "entries"];
        let [uuids, indexes, entries] =
            json::members(json::first_value(body)?, names, Names::Folded)?;
        let uuids = list("entryUUIDs", uuids)?;
        let indexes = list("logIndexes", indexes)?;
        let entries = list("entries", entries)?;

        // The schema comes first, so that a bad item is refused before entries cost time.
        let names = uuids
            .iter()
            .enumerate()
            .map(parse_name)
            .collect::<Result<Vec<_>, _>>()?;
        let indexes = indexes
            .iter()
            .enumerate()
            .map(parse_index)
            .collect::<Result<Vec<_>, _>>()?;
        if names.len() + indexes.len() + entries.len() > limits::QUERY_ITEMS {
            let message = format!(
                "more than max allowed {} entries in request",
                limits::QUERY_ITEMS
            );
            return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, message));
        }

        let mut query = Self {
            indexes,
            ..Self::default()
        };
        for name in names {
            match name.map_err(|error| ApiError::bad_request(error.to_string()))? {
                EntryName::Id(id) => query.ids.push(id),
                EntryName::Uuid(uuid) => query.leaf_hashes.push(uuid),
            }
        }
        for entry in entries {
            let canonical = kinds::canonicalize(entry).map_err(|e| ApiError::of_query_entry(&e))?;
            query.leaf_hashes.push(merkle::leaf_hash(&canonical.body));
        }
        Ok(query)
    }

    /// Looks everything up and answers a JSON list; what is not found is left out. A leaf hash is looked up in every shard, and may be in several.
    pub(crate) async fn run(&self, now: &Now) -> Result<Vec<u8>, ApiError> {
        let mut found: Vec<Vec<u8>> = Vec::new();
        for id in &self.ids {
            if let Some(shard) = now.by_tree(id.tree_id) {
                found.extend(shard.entry_by_uuid(&id.uuid).await?);
            }
        }
        for hash in &self.leaf_hashes {
            for shard in now.searched() {
                found.extend(shard.entry_by_uuid(hash).await?);
            }
        }
        for &index in &self.indexes {
            if let Some((shard, local)) = now.by_index(index) {
                found.extend(shard.entry_at(local).await?);
            }
        }
        Ok([&b"["[..], &found.join(&b','), b"]"].concat())
    }
}

/// The items of a list member: absent, or 1 to 10.
fn list<'a>(name: &'static str, json: Option<&'a RawValue>) -> Result<Vec<&'a RawValue>, ApiError> {
    let Some(json) = json else {
        return Ok(Vec::new());
    };
    match json::items(json, limits::QUERY_ITEMS) {
        Ok(items) if items.is_empty() => Err(ApiError::validation(
            validation::MIN_ITEMS,
            format!("{name} in body should have at least 1 items"),
        )),
        Err(JsonError::TooManyItems { max }) => Err(ApiError::validation(
            validation::MAX_ITEMS,
            format!("{name} in body should have at most {max} items"),
        )),
        other => Ok(other?),
    }
}

/// Checks the pattern of a name; a bad tree ID in it is found later, as upstream does.
fn parse_name(
    (position, json): (usize, &&RawValue),
) -> Result<Result<EntryName, NameError>, ApiError> {
    match EntryName::parse(&json::text(json)?) {
        Err(NameError::Pattern) => Err(ApiError::validation(
            validation::PATTERN,
            format!(
                "entryUUIDs.{position} in body should match '{}'",
                EntryName::PATTERN
            ),
        )),
        other => Ok(other),
    }
}

fn parse_index((position, json): (usize, &&RawValue)) -> Result<u64, ApiError> {
    let index = json::integer(json)?;
    u64::try_from(index).map_err(|_| {
        let message = format!("logIndexes.{position} in body should be greater than or equal to 0");
        ApiError::validation(validation::MINIMUM, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_uuids_and_indexes_are_told_apart() {
        let uuid = "ab".repeat(32);
        let body =
            format!(r#"{{"logIndexes":[3,0],"entryUUIDs":["{uuid}","0000000000000007{uuid}"]}}"#);
        let query = Query::parse(body.as_bytes()).unwrap();
        assert_eq!(query.indexes, [3, 0]);
        assert_eq!(query.leaf_hashes, [[0xab; 32]]);
        assert_eq!(
            query.ids,
            [EntryId {
                tree_id: 7,
                uuid: [0xab; 32]
            }]
        );
    }

    #[test]
    fn nothing_asked_is_nothing_found() {
        assert_eq!(Query::parse(b"{}").unwrap(), Query::default());
        assert_eq!(
            Query::parse(br#"{"logIndexes":null}"#).unwrap(),
            Query::default()
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Query::parse(&bytes);
        }
    }
}
