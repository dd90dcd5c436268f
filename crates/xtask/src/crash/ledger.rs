//! Everything that the log was ever heard to say.

use super::answers::{Acknowledged, Known, created, known};
use super::certificates::Issued;
use super::reference::Hash;
use crate::load::{Answer, Api, Prepared};
use anyhow::{Result, bail, ensure};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// More faults than this are not worth reading.
const MAX_FAULTS: usize = 50;

/// Shared by all clients.
#[derive(Default)]
pub(crate) struct Ledger {
    pages: Mutex<Pages>,
    issued: Mutex<Issued>,
}

#[derive(Default)]
struct Pages {
    books: BTreeMap<Api, Book>,
    counts: Counts,
    faults: Vec<String>,
}

/// What is known of one log.
#[derive(Clone, Default)]
pub(super) struct Book {
    /// By the digest of the request.
    pub(super) entries: HashMap<[u8; 32], Place>,
    /// Every signed checkpoint.
    pub(super) notes: HashSet<String>,
    /// The largest tree that any answer of a process spoke of.
    newest: HashMap<usize, u64>,
}

/// Where an acknowledged entry has to be, as far as the answer said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    pub(super) index: Option<u64>,
    pub(super) leaf: Option<Hash>,
}

/// How much happened.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Counts {
    /// Answers 201.
    created: u64,
    /// Answers 409 to a request that had got no answer before.
    found_after_no_answer: u64,
    /// Answers 409 to a request that was acknowledged before.
    refused_again: u64,
    /// Requests without an answer, sent again.
    unanswered: u64,
    /// Answers 429 and 503, sent again.
    busy: u64,
    /// Reads of the newest checkpoint.
    polls: u64,
    /// Submissions that had no answer after all tries of a client; tried on all the same.
    gave_up: u64,
}

/// What a client does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Another,
    Again,
}

impl Ledger {
    /// Writes down the answers to one submission that went to several processes at once: one of them may have made the
    /// entry, the others found it.
    pub(super) fn submitted_together(
        &self,
        request: &Prepared,
        mut answers: Vec<(usize, Answer)>,
    ) -> Next {
        // 201 first: that is the order in which it happened.
        answers.sort_by_key(|(_, answer)| answer.status);
        let mut next = Next::Again;
        for (server, answer) in &answers {
            if self.submitted(*server, request, answer) == Next::Another {
                next = Next::Another;
            }
        }
        next
    }

    /// Writes down the answer of a process to a submission. Anything that the log must not say is a fault.
    pub(super) fn submitted(&self, server: usize, request: &Prepared, answer: &Answer) -> Next {
        // The answer is parsed before the lock is taken.
        let read = match answer.status {
            201 => created(request, answer).map(Read::Created),
            409 => known(request.api, answer).map(Read::Known),
            429 | 503 if answer.header("retry-after").is_some() => Ok(Read::Busy),
            status => Err(anyhow::anyhow!(
                "status {status}: {}",
                String::from_utf8_lossy(&answer.body)
            )),
        };
        let mut pages = self.pages();
        match read.and_then(|read| pages.enter(server, request, read)) {
            Ok(next) => next,
            Err(error) => {
                pages.fault(format!("{} submission: {error:#}", request.api.name()));
                Next::Another
            }
        }
    }

    /// Counts a request that got no answer.
    pub(super) fn unanswered(&self) {
        self.pages().counts.unanswered += 1;
    }

    /// Counts a submission that had no answer after all tries.
    pub(super) fn gave_up(&self) {
        self.pages().counts.gave_up += 1;
    }

    /// The size that a read from this process which starts now must at least see, also after it was killed.
    pub(super) fn newest(&self, server: usize, api: Api) -> u64 {
        let mut pages = self.pages();
        let newest = &pages.book(api).newest;
        newest.get(&server).copied().unwrap_or_default()
    }

    /// Writes down a checkpoint that was read, of which `least` leaves were known before.
    pub(super) fn polled(&self, server: usize, api: Api, note: String, least: u64) {
        let size = size_of(&note);
        let mut pages = self.pages();
        pages.counts.polls += 1;
        if size.is_none_or(|size| size < least) {
            pages.fault(format!(
                "{}: a tree of {least} was answered, then this checkpoint read: {note:?}",
                api.name()
            ));
        }
        let book = pages.book(api);
        book.saw(server, size.unwrap_or_default());
        book.notes.insert(note);
    }

    pub(super) fn fault(&self, text: String) {
        self.pages().fault(text);
    }

    pub(crate) fn faults(&self) -> Vec<String> {
        self.pages().faults.clone()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.pages().counts.clone()
    }

    pub(crate) fn acknowledged(&self) -> usize {
        let pages = self.pages();
        pages.books.values().map(|book| book.entries.len()).sum()
    }

    /// Takes what is known of a log, when nobody writes any more.
    pub(super) fn take(&self, api: Api) -> Book {
        std::mem::take(self.pages().book(api))
    }

    /// What is known of certificates.
    pub(super) fn issued(&self) -> MutexGuard<'_, Issued> {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        // Every entry is whole before the next one begins, so a poisoned book can still be read.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Read {
    Created(Acknowledged),
    Known(Known),
    Busy,
}

impl Pages {
    fn book(&mut self, api: Api) -> &mut Book {
        self.books.entry(api).or_default()
    }

    fn enter(&mut self, server: usize, request: &Prepared, read: Read) -> Result<Next> {
        let before = self.book(request.api).entries.get(&request.digest).copied();
        let place = match read {
            Read::Busy => {
                self.counts.busy += 1;
                return Ok(Next::Again);
            }
            Read::Created(new) => {
                if let Some(before) = before {
                    bail!("{before:?} was forgotten and is now at {}", new.index);
                }
                self.counts.created += 1;
                let book = self.book(request.api);
                book.saw(server, new.size);
                book.notes.insert(new.note);
                Place {
                    index: Some(new.index),
                    leaf: Some(new.leaf),
                }
            }
            Read::Known(known) => {
                match before {
                    Some(_) => self.counts.refused_again += 1,
                    None => self.counts.found_after_no_answer += 1,
                }
                before.unwrap_or_default().with(known)?
            }
        };
        self.book(request.api).entries.insert(request.digest, place);
        Ok(Next::Another)
    }

    fn fault(&mut self, text: String) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(text);
        }
    }
}

impl Book {
    fn saw(&mut self, server: usize, size: u64) {
        let newest = self.newest.entry(server).or_default();
        *newest = size.max(*newest);
    }
}

impl Counts {
    /// Share of the acknowledged submissions that a client had given up before.
    pub(super) fn error_rate(&self) -> f64 {
        let acknowledged = self.created + self.found_after_no_answer + self.refused_again;
        self.gave_up as f64 / acknowledged.max(1) as f64
    }
}

impl Place {
    /// Adds what an answer said; it must not be another place than before.
    fn with(mut self, known: Known) -> Result<Self> {
        let same = match known {
            Known::Leaf(leaf) => *self.leaf.get_or_insert(leaf) == leaf,
            Known::Index(index) => *self.index.get_or_insert(index) == index,
        };
        ensure!(same, "{self:?} is now {known:?}");
        Ok(self)
    }
}

/// The second line of a checkpoint (C2SP tlog-checkpoint).
pub(super) fn size_of(note: &str) -> Option<u64> {
    note.lines().nth(1)?.parse().ok()
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} entries created; {} requests without an answer, {} of them were in the log when sent again; \
             {} duplicates refused; {} times busy; {} checkpoints read; {} gave up ({:.4} %)",
            self.created,
            self.unanswered,
            self.found_after_no_answer,
            self.refused_again,
            self.busy,
            self.polls,
            self.gave_up,
            self.error_rate() * 100.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::HeaderMap;

    fn answer(status: u16, header: Option<(&'static str, &str)>) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(name, value.parse().unwrap());
        }
        Answer {
            status,
            headers,
            body: Bytes::new(),
        }
    }

    fn request() -> Prepared {
        Prepared {
            api: Api::V2,
            digest: [1; 32],
            body: Bytes::new(),
        }
    }

    #[test]
    fn a_duplicate_that_moved_is_a_fault() {
        let ledger = Ledger::default();
        for index in ["7", "7", "8"] {
            let known = answer(409, Some(("x-log-index", index)));
            assert_eq!(ledger.submitted(0, &request(), &known), Next::Another);
        }
        assert_eq!(ledger.acknowledged(), 1);
        assert_eq!(ledger.faults().len(), 1);
    }

    #[test]
    fn two_processes_may_find_one_entry_and_not_make_two() {
        let ledger = Ledger::default();
        let known = |index| answer(409, Some(("x-log-index", index)));
        let both = vec![(0, known("7")), (1, known("7"))];
        assert_eq!(ledger.submitted_together(&request(), both), Next::Another);
        assert!(ledger.faults().is_empty());
        ledger.submitted_together(&request(), vec![(0, known("7")), (1, known("8"))]);
        assert_eq!(ledger.faults().len(), 1);
    }

    #[test]
    fn a_checkpoint_older_than_an_answer_is_a_fault() {
        let ledger = Ledger::default();
        ledger.polled(0, Api::V1, "origin\n5\nroot\n".into(), 5);
        assert_eq!(ledger.newest(0, Api::V1), 5);
        assert_eq!(ledger.newest(1, Api::V1), 0);
        assert!(ledger.faults().is_empty());
        ledger.polled(0, Api::V1, "origin\n4\nroot\n".into(), 5);
        assert_eq!(ledger.faults().len(), 1);
    }

    #[test]
    fn a_busy_server_is_asked_again_and_an_error_is_a_fault() {
        let ledger = Ledger::default();
        let busy = answer(503, Some(("retry-after", "1")));
        assert_eq!(ledger.submitted(0, &request(), &busy), Next::Again);
        assert!(ledger.faults().is_empty());
        ledger.submitted(0, &request(), &answer(500, None));
        ledger.submitted(0, &request(), &answer(503, None));
        assert_eq!((ledger.acknowledged(), ledger.faults().len()), (0, 2));
    }
}
