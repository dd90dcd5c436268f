//! One trusted root, read and ready.

use formats::trust::{TimeRange, TrustError, TrustedRoot};
use serde::Serialize;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use verifier::{TrustMaterial, TrustMaterialError};

/// Why bytes are no trusted root.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// Not the JSON of a trusted root.
    #[error("it is no trusted root: {0}")]
    Form(#[from] TrustError),
    /// A key, certificate or period in it is of no use.
    #[error("it is a trusted root of no use: {0}")]
    Material(#[from] TrustMaterialError),
}

/// A trusted root, parsed once, with the digest of its bytes.
#[derive(Debug)]
pub struct Root {
    digest: [u8; 32],
    material: TrustMaterial,
    counts: Counts,
    /// Starts and ends of validity, ascending.
    bounds: Vec<OffsetDateTime>,
}

/// How many parties a root names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Transparency logs.
    pub transparency_logs: usize,
    /// Certificate-transparency logs.
    pub ct_logs: usize,
    /// Certificate authorities.
    pub authorities: usize,
    /// Timestamp authorities.
    pub timestamp_authorities: usize,
}

impl Root {
    /// Parses the JSON of a trusted root, at most 4 MiB.
    ///
    /// # Errors
    /// When it is none, or a key, certificate or period in it does not parse.
    pub fn parse(json: &[u8]) -> Result<Self, RootError> {
        let root = TrustedRoot::parse(json)?;
        Ok(Self {
            digest: Sha256::digest(json).into(),
            material: TrustMaterial::new(&root)?,
            counts: Counts {
                transparency_logs: root.tlogs.len(),
                ct_logs: root.ctlogs.len(),
                authorities: root.certificate_authorities.len(),
                timestamp_authorities: root.timestamp_authorities.len(),
            },
            bounds: bounds(&root),
        })
    }

    /// SHA-256 of the JSON: two roots with one digest answer alike.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Keys and chains, ready for [`verifier::verify`].
    pub fn material(&self) -> &TrustMaterial {
        &self.material
    }

    /// How many parties it names.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The first moment after `now` at which the validity of a key or chain begins or ends; `None` when there is none.
    ///
    /// Until then an answer that depends on the time of the question stays the same.
    pub fn next_change(&self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let past = self.bounds.partition_point(|bound| *bound <= now);
        self.bounds.get(past).copied()
    }
}

fn bounds(root: &TrustedRoot) -> Vec<OffsetDateTime> {
    let logs = root.tlogs.iter().chain(&root.ctlogs);
    let logs = logs.filter_map(|log| log.public_key.valid_for.as_ref());
    let authorities = root
        .certificate_authorities
        .iter()
        .chain(&root.timestamp_authorities)
        .map(|authority| &authority.valid_for);
    let ends = |range: &TimeRange| [range.start_time(), range.end_time()];
    let mut bounds: Vec<_> = logs.chain(authorities).flat_map(ends).flatten().collect();
    bounds.sort_unstable();
    bounds.dedup();
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded;
    use time::macros::datetime;

    #[test]
    fn the_next_change_is_the_nearest_bound_that_is_not_past() {
        let root = embedded().unwrap();
        let end = datetime!(2022-10-31 23:59:59.999 UTC);
        assert_eq!(root.next_change(datetime!(2022-10-31 0:00 UTC)), Some(end));
        // Validity includes its end: the answer may change behind it.
        assert_ne!(root.next_change(end), Some(end));
        assert_eq!(root.next_change(datetime!(2026-01-01 0:00 UTC)), None);
    }

    #[test]
    fn what_is_no_root_is_told_apart_from_a_bad_one() {
        assert!(matches!(Root::parse(b"{"), Err(RootError::Form(_))));
        let mut bad = TrustedRoot::parse(crate::PUBLIC_GOOD).unwrap();
        bad.tlogs[0].log_id.key_id.0.pop();
        let parsed = Root::parse(bad.to_json().as_bytes());
        assert!(matches!(parsed, Err(RootError::Material(_))), "{parsed:?}");
    }
}
