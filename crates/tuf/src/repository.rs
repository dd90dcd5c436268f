//! The repository: made, given new contents, kept fresh, its keys exchanged.

use crate::contents::{self, Content, check_keeps};
use crate::name::FileName;
use crate::roots::{Keys, RootKeys, SPEC_VERSION, check_step, next_version};
use crate::signing::{KeyFiles, Ring, to_bytes};
use crate::state::Current;
use crate::store::{Session, Store};
use crate::{Draft, TufError, life};
use clock::Clock;
use keys::Purpose;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use time::OffsetDateTime;
use tough::TargetName;
use tough::schema::{
    Hashes, Metafile, Role, RoleType, Root, Signed, Snapshot, Target, Targets, Timestamp,
};

/// A TUF repository, its keys, and the clock that its signatures go by.
#[derive(Clone)]
pub struct Repository {
    store: Arc<dyn Store>,
    keys: KeyFiles,
    /// The root that clients are given once; also the sign that there was a repository.
    bootstrap: PathBuf,
    clock: Clock,
}

/// What is other than usual.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// A person has looked at the clock: sign although what is published says that it goes wrong.
    pub clock_is_right: bool,
    /// Sign targets, snapshot and timestamp also when they are fresh.
    pub sign_all: bool,
}

/// Which keys to make anew, besides the root's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exchange {
    /// The key of snapshot and timestamp.
    pub online: bool,
    /// The key of targets.
    pub targets: bool,
}

/// What was signed. Versions where a role was, `None` where it stayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Done {
    /// A new root.
    pub root: Option<u64>,
    /// New targets.
    pub targets: Option<u64>,
    /// A new snapshot.
    pub snapshot: Option<u64>,
    /// A new timestamp.
    pub timestamp: Option<u64>,
}

/// What a pass is to do besides keeping everything fresh.
#[derive(Default)]
struct Wish<'a> {
    contents: Option<&'a [Content]>,
    root: Option<Signed<Root>>,
    options: Options,
}

impl Repository {
    /// Takes a repository into use; nothing is read or written yet.
    ///
    /// `bootstrap` is where the newest root is written for people to give to their clients.
    pub fn new(
        store: Arc<dyn Store>,
        keys: KeyFiles,
        bootstrap: impl Into<PathBuf>,
        clock: Clock,
    ) -> Self {
        Self {
            store,
            keys,
            bootstrap: bootstrap.into(),
            clock,
        }
    }

    /// Where its files are.
    pub fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    pub(crate) fn keys(&self) -> &KeyFiles {
        &self.keys
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// Makes the repository when there is none, and sees to it that it holds these contents and nothing else.
    ///
    /// What was published already and is fresh is left alone, so this may be called at every start.
    ///
    /// # Errors
    /// When something cannot be signed or written. What could be done is done, and the next call goes on.
    pub async fn publish(&self, contents: &[Content], options: Options) -> Result<Done, TufError> {
        let wish = Wish {
            contents: Some(contents),
            options,
            ..Wish::default()
        };
        self.pass(wish).await
    }

    /// Signs anew what has lived half of its life, and finishes what was cut short.
    ///
    /// # Errors
    /// As [`Self::publish`]; [`TufError::None`] when there is no repository.
    pub async fn refresh(&self) -> Result<Done, TufError> {
        let Some(current) = Current::load(&*self.store).await? else {
            return Err(self.none());
        };
        // Without the lock first: nearly always there is nothing to do.
        let now = self.now();
        let fresh = ROLES.iter().all(|role| {
            !life::is_due(*role, current.expires(*role), now) && current.is_signed(*role)
        });
        if fresh && check_clock(&current, now).is_ok() {
            self.copy(&current).await?;
            return Ok(Done::default());
        }
        self.pass(Wish::default()).await
    }

    /// Makes a new root key, and others as asked, publishes the root that names them, and removes the old keys' files.
    ///
    /// # Errors
    /// When enough of the current root's keys are not here: then [`Self::draft`] is the way.
    pub async fn rotate(&self, exchange: Exchange) -> Result<Done, TufError> {
        let current = self.current().await?;
        let root = &current.root.signed;
        if !self.keys.load()?.can_sign(root, RoleType::Root) {
            return Err(self.key_away(RoleType::Root));
        }
        // 1. The keys; an interrupted rotation made them already.
        let version = next_version(root.version);
        let mut keys = self.exchanged(root, exchange)?;
        let key = self.keys.make_next(Purpose::TufRoot, version.get())?;
        keys.root = Keys::one(key.public_key())?;
        // 2. The root, signed by the old key and the new one.
        let next = keys.root(version, self.now() + life::of(RoleType::Root));
        let next = self.keys.load()?.sign(next.clone(), &[root, &next]).await?;
        self.put_in_force(next).await
    }

    /// Publishes a draft that enough holders have signed, and removes the key files that its root does not name.
    ///
    /// A root key of the previous root that is still in the data folder signs as well. Finishing twice is no error.
    ///
    /// # Errors
    /// When signatures are missing, or another root was published since the draft was made.
    pub async fn finish(&self, mut draft: Draft) -> Result<Done, TufError> {
        let current = self.current().await?;
        let is_done = draft.next().signed == current.root.signed;
        if !is_done {
            draft.check_follows(&current.root)?;
            draft.sign_with(&self.keys.load()?).await?;
            draft.check_complete()?;
        }
        if is_done {
            let done = self.pass(Wish::default()).await?;
            self.keys.forget_all_but(&current.root.signed)?;
            return Ok(done);
        }
        self.put_in_force(draft.into_next()).await
    }

    /// Publishes a root; then the keys that it does not name are of no use to anyone but a thief.
    async fn put_in_force(&self, next: Signed<Root>) -> Result<Done, TufError> {
        let root = next.signed.clone();
        let wish = Wish {
            root: Some(next),
            ..Wish::default()
        };
        let done = self.pass(wish).await;
        // Another part may have failed; once the root is out, it is out.
        if self.current().await?.root.signed == root {
            self.keys.forget_all_but(&root)?;
        }
        done
    }

    /// The keys of a root with some of them new; made once, also over several calls.
    pub(crate) fn exchanged(&self, root: &Root, exchange: Exchange) -> Result<RootKeys, TufError> {
        let version = next_version(root.version).get();
        let mut keys = RootKeys::of(root)?;
        let make = |purpose| {
            let signer = self.keys.make_next(purpose, version)?;
            Keys::one(signer.public_key())
        };
        if exchange.online {
            keys.online = make(Purpose::TufOnline)?;
        }
        if exchange.targets {
            keys.targets = make(Purpose::TufTargets)?;
        }
        Ok(keys)
    }

    pub(crate) async fn current(&self) -> Result<Current, TufError> {
        let current = Current::load(&*self.store).await?;
        current.ok_or_else(|| self.none())
    }

    fn none(&self) -> TufError {
        match self.bootstrap.exists() {
            true => TufError::Lost {
                bootstrap: self.bootstrap.clone(),
            },
            false => TufError::None,
        }
    }

    fn key_away(&self, role: RoleType) -> TufError {
        TufError::KeyAway {
            role,
            folder: self.keys.folder().to_owned(),
            cure: match role {
                RoleType::Root => {
                    "make a new root with `sigstead tuf ceremony init`, have its holders sign it, and `finish` it"
                }
                RoleType::Targets | RoleType::DelegatedTargets => {
                    "sign with it from where it is kept, `sigstead tuf publish --targets-key FILE`; if it is lost, make \
                     another with `sigstead tuf rotate-root --targets`"
                }
                RoleType::Snapshot | RoleType::Timestamp => {
                    "restore it from a backup or copy it from the process that has it; if it is lost, make another with \
                     `sigstead tuf rotate-root --online`"
                }
            },
        }
    }

    /// One pass: look, decide, sign, check, write.
    async fn pass(&self, wish: Wish<'_>) -> Result<Done, TufError> {
        // 1. Nobody else writes from here on.
        let session = self.store.begin().await?;
        let (current, contents) = (Current::load(&*self.store).await?, wish.contents);
        let done = match (current, contents) {
            (Some(current), _) => self.renew(session, current, wish).await,
            (None, Some(_)) if self.bootstrap.exists() => Err(self.none()),
            (None, Some(contents)) => self.create(session, contents).await,
            (None, None) => Err(self.none()),
        };
        // 2. The copies, also when a part failed: another part may have been done.
        match Current::load(&*self.store).await {
            Ok(Some(current)) => {
                let copied = self.copy(&current).await;
                done.and_then(|done| copied.map(|()| done))
            }
            _ => done,
        }
    }

    /// The first publication. The root comes last: until then there is no repository, and the next try begins anew.
    async fn create(
        &self,
        mut session: Box<dyn Session>,
        contents: &[Content],
    ) -> Result<Done, TufError> {
        let now = self.now();
        let keys = RootKeys {
            root: Keys::one(self.keys.make_first(Purpose::TufRoot)?.public_key())?,
            targets: Keys::one(self.keys.make_first(Purpose::TufTargets)?.public_key())?,
            online: Keys::one(self.keys.make_first(Purpose::TufOnline)?.public_key())?,
        };
        let root = keys.root(NonZeroU64::MIN, now + life::of(RoleType::Root));
        let ring = self.keys.load()?;
        let root = ring.sign(root.clone(), &[&root]).await?;
        let signing = Signing {
            store: &*self.store,
            ring: &ring,
            old: &root.signed,
            new: &root.signed,
            now,
        };
        let targets = signing.targets(contents::targets(contents)?, NonZeroU64::MIN);
        let targets = targets.await?;
        let snapshot = signing.snapshot(&targets, NonZeroU64::MIN).await?;
        let timestamp = signing.timestamp(&snapshot, NonZeroU64::MIN).await?;
        let done = Done {
            root: Some(1),
            targets: Some(targets.version),
            snapshot: Some(snapshot.version),
            timestamp: Some(timestamp.version),
        };
        put_contents(&*self.store, &mut *session, contents).await?;
        for file in [targets, snapshot, timestamp] {
            session.put(&file.name, &file.bytes).await?;
        }
        put_root(&mut *session, &root).await?;
        session.commit().await?;
        Ok(done)
    }

    /// Every later publication.
    async fn renew(
        &self,
        mut session: Box<dyn Session>,
        current: Current,
        wish: Wish<'_>,
    ) -> Result<Done, TufError> {
        let now = self.now();
        let ring = self.keys.load()?;
        // What could not be done; the rest is done all the same, and the first of these is the answer.
        let mut problems = Vec::new();
        if !wish.options.clock_is_right {
            check_clock(&current, now)?;
        }
        // 1. The root: the one that is wished for, or the same for another year.
        let mut next = wish.root;
        if let Some(next) = &next {
            check_step(&current.root.signed, next)?;
        } else if self.is_due(&current, RoleType::Root, now) {
            next = self
                .same_root(&current, &ring, &wish.options, now, &mut problems)
                .await?;
        }
        let old = &current.root.signed;
        let new = next.as_ref().map_or(old, |next| &next.signed);
        let signing = Signing {
            store: &*self.store,
            ring: &ring,
            old,
            new,
            now,
        };
        // 2. Targets: other contents, or the same for another year.
        let wanted = match wish.contents {
            Some(contents) => Some(contents::targets(contents)?),
            None => None,
        };
        let published = &current.targets.signed.targets;
        let differ = wanted.as_ref().is_some_and(|wanted| wanted != published);
        let mut targets = None;
        if differ
            || wish.options.sign_all
            || self.is_due(&current, RoleType::Targets, now)
            || new.verify_role(&current.targets).is_err()
        {
            if let (true, Some(contents)) = (differ, wish.contents) {
                self.check_keeps(published, contents).await?;
            }
            let wanted = wanted.unwrap_or_else(|| published.clone());
            match self.may_sign_targets(&current, &ring, new, &wish.options, now) {
                Ok(()) => {
                    let after = next_version(current.targets.signed.version);
                    targets = Some(signing.targets(wanted, after).await?);
                }
                // The same contents are no failure yet: `status` warns for months while the key is away.
                Err(TufError::KeyAway { .. }) if !differ && !wish.options.sign_all => {}
                Err(error) => problems.insert(0, error),
            }
        }
        // 3. Snapshot and timestamp: new when what they name is, or at half of their lives.
        let snapshot_due = targets.is_some()
            || wish.options.sign_all
            || self.is_due(&current, RoleType::Snapshot, now)
            || new.verify_role(&current.snapshot).is_err();
        let timestamp_due = snapshot_due
            || self.is_due(&current, RoleType::Timestamp, now)
            || new.verify_role(&current.timestamp).is_err();
        let (mut snapshot, mut timestamp) = (None, None);
        if timestamp_due && !ring.can_sign(new, RoleType::Timestamp) {
            problems.push(self.key_away(RoleType::Timestamp));
            targets = None;
        } else if timestamp_due {
            if snapshot_due {
                let targets = match &targets {
                    Some(file) => file.clone(),
                    None => SignedFile::published_targets(&current)?,
                };
                let after = next_version(current.snapshot.signed.version);
                snapshot = Some(signing.snapshot(&targets, after).await?);
            }
            let named = match &snapshot {
                Some(file) => file.clone(),
                None => self.published_snapshot(&current).await?,
            };
            let after = next_version(current.timestamp.signed.version);
            timestamp = Some(signing.timestamp(&named, after).await?);
        }
        if next.is_some() {
            // A root must not come into force over roles that nobody here can sign for it.
            let holds = (targets.is_some() || new.verify_role(&current.targets).is_ok())
                && (snapshot.is_some() || new.verify_role(&current.snapshot).is_ok())
                && (timestamp.is_some() || new.verify_role(&current.timestamp).is_ok());
            if let (false, Some(problem)) = (holds, problems.pop()) {
                return Err(problem);
            }
        }
        // 4. Write. With the old keys at hand everything holds under both roots, and the root comes last. Without them
        //    (a lost key is replaced) nothing can hold under the old root: the new one comes first, and whoever finds
        //    the rest missing signs it.
        let done = Done {
            root: next.as_ref().map(|next| next.signed.version.get()),
            targets: targets.as_ref().map(|file| file.version),
            snapshot: snapshot.as_ref().map(|file| file.version),
            timestamp: timestamp.as_ref().map(|file| file.version),
        };
        if let Some(contents) = wish.contents.filter(|_| !differ || targets.is_some()) {
            put_contents(&*self.store, &mut *session, contents).await?;
        }
        let files: Vec<SignedFile> = [targets, snapshot, timestamp]
            .into_iter()
            .flatten()
            .collect();
        let holds_under_both = files.iter().all(|file| file.holds_under_old);
        if let Some(next) = next.as_ref().filter(|_| !holds_under_both) {
            put_root(&mut *session, next).await?;
        }
        for file in &files {
            session.put(&file.name, &file.bytes).await?;
        }
        if let Some(next) = next.as_ref().filter(|_| holds_under_both) {
            put_root(&mut *session, next).await?;
        }
        session.commit().await?;
        match problems.into_iter().next() {
            Some(problem) => Err(problem),
            None => Ok(done),
        }
    }

    /// The same root for another year, when its keys are here.
    async fn same_root(
        &self,
        current: &Current,
        ring: &Ring,
        options: &Options,
        now: OffsetDateTime,
        problems: &mut Vec<TufError>,
    ) -> Result<Option<Signed<Root>>, TufError> {
        let root = &current.root.signed;
        let until = current.expires(RoleType::Root);
        // A root cannot be taken back: it is not made by a clock that may be a year ahead.
        if until <= now && !options.clock_is_right {
            problems.push(TufError::Expired {
                role: RoleType::Root,
                until,
                now,
                cure: "run `sigstead tuf publish --clock-is-right`, with the root's keys away a ceremony",
            });
            return Ok(None);
        }
        // No failure yet: `status` warns for months.
        if !ring.can_sign(root, RoleType::Root) {
            return Ok(None);
        }
        let expires = now + life::of(RoleType::Root);
        let next = RootKeys::of(root)?.root(next_version(root.version), expires);
        let next = ring.sign(next.clone(), &[root, &next]).await?;
        check_step(root, &next)?;
        Ok(Some(next))
    }

    fn may_sign_targets(
        &self,
        current: &Current,
        ring: &Ring,
        root: &Root,
        options: &Options,
        now: OffsetDateTime,
    ) -> Result<(), TufError> {
        let until = current.expires(RoleType::Targets);
        if until <= now && !options.clock_is_right {
            return Err(TufError::Expired {
                role: RoleType::Targets,
                until,
                now,
                cure: "run `sigstead tuf publish --clock-is-right`",
            });
        }
        match ring.can_sign(root, RoleType::Targets) {
            true => Ok(()),
            false => Err(self.key_away(RoleType::Targets)),
        }
    }

    fn is_due(&self, current: &Current, role: RoleType, now: OffsetDateTime) -> bool {
        life::is_due(role, current.expires(role), now)
    }

    async fn check_keeps(
        &self,
        published: &HashMap<TargetName, Target>,
        contents: &[Content],
    ) -> Result<(), TufError> {
        let Some(name) = contents::published_root(published) else {
            return Ok(());
        };
        match self.store.read(&name).await? {
            Some(root) => check_keeps(&root, contents),
            // It is missing, and about to be written anew.
            None => Ok(()),
        }
    }

    async fn published_snapshot(&self, current: &Current) -> Result<SignedFile, TufError> {
        let name = FileName::Snapshot(current.version(RoleType::Snapshot));
        let bytes = self.store.read(&name).await?;
        let bytes = bytes.ok_or_else(|| TufError::Damaged {
            name: name.clone(),
            problem: "is missing".to_owned(),
        })?;
        Ok(SignedFile {
            version: current.version(RoleType::Snapshot),
            name,
            bytes,
            holds_under_old: true,
        })
    }

    /// Brings the static tree and the root for new clients up to what is published.
    async fn copy(&self, current: &Current) -> Result<(), TufError> {
        self.store.mirror(&current.files()).await?;
        let newest = self.store.read(&FileName::NewestRoot).await?;
        if newest.as_ref() != Some(&current.root_bytes) {
            // Killed between the root and its copy.
            let mut session = self.store.begin().await?;
            session
                .put(&FileName::NewestRoot, &current.root_bytes)
                .await?;
            session.commit().await?;
        }
        let failed = |error| TufError::store(format!("write {}", self.bootstrap.display()), error);
        if std::fs::read(&self.bootstrap).ok().as_ref() != Some(&current.root_bytes) {
            crate::store::write_atomically(&self.bootstrap, &current.root_bytes).map_err(failed)?;
        }
        Ok(())
    }
}

/// The four roles of a repository.
pub(crate) const ROLES: [RoleType; 4] = [
    RoleType::Root,
    RoleType::Targets,
    RoleType::Snapshot,
    RoleType::Timestamp,
];

/// Fails when what the program signs on its timer ends later than it could have been made to by now.
pub(crate) fn check_clock(current: &Current, now: OffsetDateTime) -> Result<(), TufError> {
    for role in [RoleType::Timestamp, RoleType::Snapshot] {
        let until = current.expires(role);
        if until > now + life::of(role) + life::SKEW {
            return Err(TufError::ClockBehind { role, until, now });
        }
    }
    Ok(())
}

/// A signed role as a file.
#[derive(Clone)]
struct SignedFile {
    name: FileName,
    version: u64,
    bytes: Vec<u8>,
    /// Whether a client that has not seen the new root takes it too.
    holds_under_old: bool,
}

impl SignedFile {
    fn published_targets(current: &Current) -> Result<Self, TufError> {
        let version = current.version(RoleType::Targets);
        Ok(Self {
            name: FileName::Targets(version),
            version,
            bytes: current.targets_bytes.clone(),
            holds_under_old: true,
        })
    }

    fn meta(&self) -> Result<Metafile, TufError> {
        let version = NonZeroU64::new(self.version);
        Ok(Metafile {
            length: u64::try_from(self.bytes.len()).ok(),
            hashes: Some(Hashes {
                sha256: Sha256::digest(&self.bytes).to_vec().into(),
                _extra: HashMap::new(),
            }),
            version: version.ok_or_else(|| TufError::library("versions begin at 1"))?,
            _extra: HashMap::new(),
        })
    }
}

/// Signs roles by the keys of two roots, which are the same unless the root changes.
struct Signing<'a> {
    store: &'a dyn Store,
    ring: &'a Ring,
    old: &'a Root,
    new: &'a Root,
    now: OffsetDateTime,
}

impl Signing<'_> {
    async fn targets(
        &self,
        targets: HashMap<TargetName, Target>,
        after: NonZeroU64,
    ) -> Result<SignedFile, TufError> {
        let version = self.free(after, FileName::Targets).await?;
        let role = Targets {
            targets,
            delegations: None,
            ..Targets::new(
                SPEC_VERSION.to_owned(),
                version,
                self.end(RoleType::Targets),
            )
        };
        self.sign(role, FileName::Targets(version.get())).await
    }

    async fn snapshot(
        &self,
        targets: &SignedFile,
        after: NonZeroU64,
    ) -> Result<SignedFile, TufError> {
        let version = self.free(after, FileName::Snapshot).await?;
        let mut role = Snapshot::new(
            SPEC_VERSION.to_owned(),
            version,
            self.end(RoleType::Snapshot),
        );
        role.meta.insert("targets.json".to_owned(), targets.meta()?);
        self.sign(role, FileName::Snapshot(version.get())).await
    }

    async fn timestamp(
        &self,
        snapshot: &SignedFile,
        after: NonZeroU64,
    ) -> Result<SignedFile, TufError> {
        let mut role = Timestamp::new(
            SPEC_VERSION.to_owned(),
            after,
            self.end(RoleType::Timestamp),
        );
        role.meta
            .insert("snapshot.json".to_owned(), snapshot.meta()?);
        self.sign(role, FileName::Timestamp).await
    }

    fn end(&self, role: RoleType) -> jiff::Timestamp {
        life::end(role, self.now)
    }

    /// The first version that has no file: a try that was cut short may have left one, and a web cache may have seen it.
    async fn free(
        &self,
        from: NonZeroU64,
        name: fn(u64) -> FileName,
    ) -> Result<NonZeroU64, TufError> {
        let mut version = from;
        while self.store.read(&name(version.get())).await?.is_some() {
            version = next_version(version);
        }
        Ok(version)
    }

    async fn sign<T: Role + Clone>(&self, role: T, name: FileName) -> Result<SignedFile, TufError> {
        let version = role.version().get();
        let signed = self.ring.sign(role, &[self.old, self.new]).await?;
        self.new
            .verify_role(&signed)
            .map_err(|error| TufError::WouldNotVerify {
                role: T::TYPE,
                reason: error.to_string(),
            })?;
        Ok(SignedFile {
            name,
            version,
            bytes: to_bytes(&signed)?,
            holds_under_old: self.old.verify_role(&signed).is_ok(),
        })
    }
}

/// Writes those that are missing, also when somebody has removed one.
async fn put_contents(
    store: &dyn Store,
    session: &mut dyn Session,
    contents: &[Content],
) -> Result<(), TufError> {
    for content in contents {
        let name = content.file();
        if store.read(&name).await?.as_ref() != Some(&content.bytes) {
            session.put(&name, &content.bytes).await?;
        }
    }
    Ok(())
}

async fn put_root(session: &mut dyn Session, root: &Signed<Root>) -> Result<(), TufError> {
    let bytes = to_bytes(root)?;
    let name = FileName::Root(root.signed.version.get());
    session.put(&name, &bytes).await?;
    session.put(&FileName::NewestRoot, &bytes).await
}
