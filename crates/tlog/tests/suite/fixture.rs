//! A store with faults in front, a clock in hand, a signer that remembers what it signed.

use crate::faulty::Faulty;
use bytes::Bytes;
use clock::{Clock, Hand};
use merkle::Hash;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tlog::{
    AppendError, HeadSigner, Integrated, Limits, Log, OpenError, SignError, Store, Submission,
    store,
};

pub(crate) struct Fixture {
    pub(crate) store: Arc<Faulty>,
    pub(crate) signer: Arc<NoteSigner>,
    pub(crate) clock: Clock,
    pub(crate) hand: Hand,
    place: Place,
}

/// Where the store is, to open it again.
enum Place {
    Memory,
    Sqlite(tempfile::TempDir),
    Postgres(String),
}

impl Place {
    async fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::Memory => store::memory(),
            Self::Sqlite(folder) => store::sqlite(&folder.path().join("log.db")).await.unwrap(),
            Self::Postgres(url) => store::postgres(url).await.unwrap(),
        }
    }
}

impl Fixture {
    pub(crate) async fn memory() -> Option<Self> {
        Some(Self::new(Place::Memory).await)
    }

    pub(crate) async fn sqlite() -> Option<Self> {
        Some(Self::new(Place::Sqlite(tempfile::tempdir().unwrap())).await)
    }

    /// `None` where there is no PostgreSQL server.
    pub(crate) async fn postgres() -> Option<Self> {
        Some(Self::on(testkit::postgres()?).await)
    }

    /// Over the PostgreSQL database of this URL.
    pub(crate) async fn on(url: String) -> Self {
        Self::new(Place::Postgres(url)).await
    }

    /// The URL of a PostgreSQL database.
    pub(crate) fn url(&self) -> &str {
        match &self.place {
            Place::Postgres(url) => url,
            _ => panic!("no server"),
        }
    }

    async fn new(place: Place) -> Self {
        let start = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
        let (clock, hand) = Clock::manual(start.into());
        Self {
            store: Faulty::new(place.open().await),
            signer: Arc::default(),
            clock,
            hand,
            place,
        }
    }

    /// Closes the store and opens it again, as a new process would.
    pub(crate) async fn restart(&mut self) {
        if !matches!(self.place, Place::Memory) {
            let old = std::mem::replace(&mut self.store, Faulty::new(store::memory()));
            old.close().await;
            drop(old);
            self.store = Faulty::new(self.place.open().await);
        }
    }

    pub(crate) async fn open(&self) -> Log {
        self.open_with(Limits::default()).await
    }

    pub(crate) async fn open_with(&self, limits: Limits) -> Log {
        self.try_open("test", limits, true).await.unwrap()
    }

    pub(crate) async fn try_open(
        &self,
        name: &str,
        limits: Limits,
        create: bool,
    ) -> Result<Log, OpenError> {
        Log::open(
            self.store.clone(),
            name,
            self.signer.clone(),
            self.clock.clone(),
            limits,
            create,
        )
        .await
    }
}

/// Makes notes with a signature that is another one each time, as ECDSA's are.
#[derive(Default)]
pub(crate) struct NoteSigner {
    pub(crate) broken: AtomicBool,
    signed: Mutex<Vec<(u64, Hash, i64)>>,
}

impl NoteSigner {
    pub(crate) fn signed(&self) -> Vec<(u64, Hash, i64)> {
        self.signed.lock().unwrap().clone()
    }
}

#[async_trait::async_trait]
impl HeadSigner for NoteSigner {
    async fn sign_head(&self, size: u64, root: &Hash, time_ms: i64) -> Result<Bytes, SignError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(SignError("the key is not there".into()));
        }
        let mut signed = self.signed.lock().unwrap();
        signed.push((size, *root, time_ms));
        let checkpoint = note::Checkpoint {
            origin: "log.example/test".into(),
            size,
            root: *root,
            extensions: vec![],
        };
        let line = note::SignatureLine {
            name: "log.example/test".into(),
            hint: [1, 2, 3, 4],
            signature: signed.len().to_be_bytes().to_vec(),
        };
        Ok(note::SignedNote::new(checkpoint.to_text(), vec![line])
            .unwrap()
            .to_string()
            .into())
    }
}

/// A submission whose leaf is the number's text, as Rekor submits: identity is the leaf hash.
pub(crate) fn submission(number: usize) -> Submission {
    leaf(format!("leaf {number}"))
}

pub(crate) fn leaf(text: impl Into<String>) -> Submission {
    let leaf = Bytes::from(text.into());
    Submission {
        identity: merkle::leaf_hash(&leaf),
        leaf,
        extra: Bytes::new(),
    }
}

/// Appends one after the other and checks each answer.
pub(crate) async fn append_all(log: &Log, numbers: std::ops::Range<usize>) -> Vec<Integrated> {
    let mut answers = Vec::new();
    for number in numbers {
        answers.push(append(log, submission(number)).await);
    }
    answers
}

/// Appends all at once, waits for all, and checks each answer.
pub(crate) async fn append_together(log: &Log, numbers: std::ops::Range<usize>) -> Vec<Integrated> {
    futures::future::join_all(numbers.map(|number| append(log, submission(number)))).await
}

pub(crate) async fn append(log: &Log, submission: Submission) -> Integrated {
    let answer = log.append(submission).await.unwrap();
    check_answer(&answer);
    answer
}

/// Appends until the log takes it, as a client does.
pub(crate) async fn insist(log: &Log, number: usize) -> Integrated {
    loop {
        match log.append(submission(number)).await {
            Ok(answer) => return answer,
            Err(AppendError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// The proof leads from the leaf to the root of the head, and the checkpoint is that head's.
pub(crate) fn check_answer(answer: &Integrated) {
    let leaf = merkle::leaf_hash(&answer.entry.leaf);
    merkle::proof::verify_inclusion(
        answer.entry.index,
        answer.head.size,
        &leaf,
        &answer.proof,
        &answer.head.root,
    )
    .unwrap();
    check_checkpoint(&answer.head);
}

pub(crate) fn check_checkpoint(head: &tlog::TreeHead) {
    let note = note::SignedNote::parse(std::str::from_utf8(&head.checkpoint).unwrap()).unwrap();
    let checkpoint = note::Checkpoint::parse(note.text()).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (head.size, head.root));
}

/// RFC 6962 section 2.1, word for word.
pub(crate) fn literal_root(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => merkle::empty_root(),
        [one] => *one,
        _ => {
            let mut split = 1;
            while split * 2 < hashes.len() {
                split *= 2;
            }
            merkle::node_hash(
                &literal_root(&hashes[..split]),
                &literal_root(&hashes[split..]),
            )
        }
    }
}

/// Reads the whole log and checks it against itself: no gap, no entry twice, the root that RFC 6962 gives, every
/// entry found and proved, every stored batch within its tile. Answers the leaves in order.
pub(crate) async fn audit(store: &dyn Store, log: &Log) -> Vec<String> {
    let head = log.head();
    check_checkpoint(&head);
    let mut entries = Vec::new();
    while (entries.len() as u64) < head.size {
        entries.extend(log.entries(entries.len() as u64, head.size).await.unwrap());
    }
    let hashes: Vec<Hash> = entries
        .iter()
        .map(|entry| merkle::leaf_hash(&entry.leaf))
        .collect();
    assert_eq!(head.root, literal_root(&hashes));
    assert_eq!(
        hashes.iter().collect::<HashSet<_>>().len(),
        hashes.len(),
        "an entry is in the log twice"
    );
    for (index, (entry, hash)) in (0..).zip(entries.iter().zip(&hashes)) {
        assert_eq!(entry.index, index);
        assert_eq!(log.find_leaf(hash).await.unwrap(), Some(index));
        let proof = log.inclusion_proof(index, head.size).await.unwrap();
        merkle::proof::verify_inclusion(index, head.size, hash, &proof, &head.root).unwrap();
    }
    let rows = store
        .batches(log.name(), 0, head.size, usize::MAX)
        .await
        .unwrap();
    let mut next = 0;
    for row in rows {
        assert_eq!(row.first, next, "batches follow on each other");
        assert!(
            row.first % 256 + u64::from(row.count) <= 256,
            "a batch crosses a tile"
        );
        next += u64::from(row.count);
        // The checkpoint of every batch is that of the tree that it made.
        let note = note::SignedNote::parse(std::str::from_utf8(&row.checkpoint).unwrap()).unwrap();
        let checkpoint = note::Checkpoint::parse(note.text()).unwrap();
        assert_eq!(
            (checkpoint.size, checkpoint.root),
            (
                next,
                literal_root(&hashes[..usize::try_from(next).unwrap()])
            )
        );
    }
    assert_eq!(next, head.size);
    entries
        .iter()
        .map(|entry| String::from_utf8(entry.leaf.to_vec()).unwrap())
        .collect()
}
