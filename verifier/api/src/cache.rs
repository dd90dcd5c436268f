//! Answers that were given, by what was asked.
//!
//! The key is the SHA-256 over everything that a verdict depends on: the bundle's bytes, the artifact's digests, the
//! demand, and name and digest of each root. A root that is refreshed has another digest, so that old answers are never
//! found again. What a key cannot hold is the time: an answer is good until the first moment at which it could change.

use crate::limits;
use crate::wire::{Reason, UsedPolicy, UsedRoot};
use quick_cache::Weighter;
use quick_cache::sync::Cache as Store;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use time::OffsetDateTime;

/// A verdict with all that its answers need.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) verified: bool,
    pub(crate) reasons: Vec<Reason>,
    pub(crate) at: OffsetDateTime,
    /// The first moment at which it could change; `None` when that is not known.
    pub(crate) until: Option<OffsetDateTime>,
    pub(crate) roots: Vec<UsedRoot>,
    pub(crate) policy: Option<UsedPolicy>,
    /// The engine's report, or the policy's evaluation.
    pub(crate) detail: Detail,
}

/// What was checked.
#[derive(Clone, Debug)]
pub(crate) enum Detail {
    Report(Box<RawValue>),
    Evaluation(Box<RawValue>),
}

impl Detail {
    fn json(&self) -> &RawValue {
        match self {
            Self::Report(json) | Self::Evaluation(json) => json,
        }
    }
}

/// Identifies a question.
pub(crate) type Key = [u8; 32];

/// Builds a key from parts that cannot run into each other.
pub(crate) struct KeyBuilder(Sha256);

impl KeyBuilder {
    pub(crate) fn new() -> Self {
        Self(Sha256::new())
    }

    /// Adds one part under its name.
    pub(crate) fn part(mut self, name: &str, bytes: &[u8]) -> Self {
        for text in [name.as_bytes(), bytes] {
            let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
            self.0.update(length.to_be_bytes());
            self.0.update(text);
        }
        self
    }

    pub(crate) fn finish(self) -> Key {
        self.0.finalize().into()
    }
}

/// The kept answers; bounded by bytes, the rarely asked leave first.
pub(crate) struct Cache(Store<Key, Arc<Verdict>, Bytes>);

#[derive(Clone)]
struct Bytes;

impl Weighter<Key, Arc<Verdict>> for Bytes {
    fn weight(&self, _: &Key, verdict: &Arc<Verdict>) -> u64 {
        let reasons = verdict.reasons.iter();
        let reasons: usize = reasons.map(|one| one.cause.len() + one.cure.len()).sum();
        let fixed = size_of::<Key>() + size_of::<Verdict>();
        u64::try_from(fixed + reasons + verdict.detail.json().get().len()).unwrap_or(u64::MAX)
    }
}

impl Cache {
    pub(crate) fn new() -> Self {
        Self(Store::with_weighter(
            limits::CACHE_ITEMS,
            limits::CACHE_BYTES,
            Bytes,
        ))
    }

    /// The kept answer, unless it could have changed by `now`.
    pub(crate) fn get(&self, key: &Key, now: OffsetDateTime) -> Option<Arc<Verdict>> {
        let verdict = self.0.get(key)?;
        // A clock that was set back makes an answer of the future: it is not from here.
        let good = |until| verdict.at <= now && now < until;
        verdict.until.is_some_and(good).then_some(verdict)
    }

    /// Keeps an answer, if it says how long it is good.
    pub(crate) fn put(&self, key: Key, verdict: &Arc<Verdict>) {
        if verdict.until.is_some() {
            self.0.insert(key, verdict.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Duration;
    use time::macros::datetime;

    const AT: OffsetDateTime = datetime!(2026-01-01 0:00 UTC);

    fn verdict(until: Option<OffsetDateTime>, report: usize) -> Arc<Verdict> {
        let text = format!("\"{}\"", "x".repeat(report));
        Arc::new(Verdict {
            verified: true,
            reasons: Vec::new(),
            at: AT,
            until,
            roots: Vec::new(),
            policy: None,
            detail: Detail::Report(RawValue::from_string(text).unwrap()),
        })
    }

    #[test]
    fn an_answer_is_good_until_the_moment_it_names_and_not_at_it() {
        let cache = Cache::new();
        let until = AT + Duration::hours(1);
        cache.put([1; 32], &verdict(Some(until), 10));
        assert!(cache.get(&[1; 32], AT).is_some());
        assert!(cache.get(&[1; 32], until - Duration::SECOND).is_some());
        assert!(cache.get(&[1; 32], until).is_none());
        assert!(cache.get(&[1; 32], AT - Duration::SECOND).is_none());
        assert!(cache.get(&[2; 32], AT).is_none());
    }

    #[test]
    fn an_answer_that_may_change_at_any_time_is_not_kept() {
        let cache = Cache::new();
        cache.put([1; 32], &verdict(None, 10));
        assert!(cache.get(&[1; 32], AT).is_none());
    }

    #[test]
    fn the_kept_bytes_are_bounded() {
        let cache = Cache::new();
        let until = Some(AT + Duration::hours(1));
        for number in 0..200_u8 {
            cache.put([number; 32], &verdict(until, 1 << 20));
        }
        assert!(cache.0.weight() <= limits::CACHE_BYTES);
    }

    #[test]
    fn parts_of_a_key_do_not_run_into_each_other() {
        let key = |parts: &[(&str, &str)]| {
            let builder = parts
                .iter()
                .fold(KeyBuilder::new(), |builder, (name, text)| {
                    builder.part(name, text.as_bytes())
                });
            builder.finish()
        };
        assert_ne!(key(&[("a", "bc")]), key(&[("ab", "c")]));
        assert_ne!(key(&[("a", "b"), ("c", "")]), key(&[("a", "bc")]));
        assert_eq!(key(&[("a", "b")]), key(&[("a", "b")]));
    }
}
