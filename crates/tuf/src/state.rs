//! What is published, read and judged.

use crate::contents::file_of;
use crate::name::FileName;
use crate::store::Store;
use crate::{TufError, life};
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use tough::schema::{Role, RoleType, Root, Signed, Snapshot, Targets, Timestamp};

/// The newest metadata of a repository.
#[derive(Clone)]
pub(crate) struct Current {
    pub(crate) root: Signed<Root>,
    pub(crate) root_bytes: Vec<u8>,
    pub(crate) targets: Signed<Targets>,
    pub(crate) targets_bytes: Vec<u8>,
    pub(crate) snapshot: Signed<Snapshot>,
    pub(crate) timestamp: Signed<Timestamp>,
}

impl Current {
    /// Reads what timestamp, and what it names, say; `None` when there is no root yet.
    ///
    /// Signatures are not a condition: a rotation that was cut short leaves roles that only wait to be signed by the new
    /// keys ([`Self::is_signed`]). The root's are: it is what everything is measured by.
    pub(crate) async fn load(store: &dyn Store) -> Result<Option<Self>, TufError> {
        let Some(newest) = store.newest_root().await? else {
            return Ok(None);
        };
        let name = FileName::Root(newest);
        let root_bytes = bytes(store, &name).await?;
        let root: Signed<Root> = parse(&name, &root_bytes)?;
        root.signed
            .verify_role(&root)
            .map_err(|error| damaged(&name, format!("is not signed by its own keys ({error})")))?;
        let name = FileName::Timestamp;
        let timestamp: Signed<Timestamp> = parse(&name, &bytes(store, &name).await?)?;
        let named = |meta: Option<&tough::schema::Metafile>| {
            meta.map(|meta| meta.version.get())
                .ok_or_else(|| damaged(&FileName::Timestamp, "names no snapshot".to_owned()))
        };
        let name = FileName::Snapshot(named(timestamp.signed.meta.get("snapshot.json"))?);
        let snapshot: Signed<Snapshot> = parse(&name, &bytes(store, &name).await?)?;
        let name = FileName::Targets(named(snapshot.signed.meta.get("targets.json"))?);
        let targets_bytes = bytes(store, &name).await?;
        let targets = parse(&name, &targets_bytes)?;
        Ok(Some(Self {
            root,
            root_bytes,
            targets,
            targets_bytes,
            snapshot,
            timestamp,
        }))
    }

    /// Whether enough of the current root's keys have signed the role.
    pub(crate) fn is_signed(&self, role: RoleType) -> bool {
        let root = &self.root.signed;
        match role {
            RoleType::Snapshot => root.verify_role(&self.snapshot).is_ok(),
            RoleType::Timestamp => root.verify_role(&self.timestamp).is_ok(),
            RoleType::Targets | RoleType::DelegatedTargets => {
                root.verify_role(&self.targets).is_ok()
            }
            RoleType::Root => root.verify_role(&self.root).is_ok(),
        }
    }

    pub(crate) fn expires(&self, role: RoleType) -> OffsetDateTime {
        life::from_jiff(match role {
            RoleType::Root => self.root.signed.expires(),
            RoleType::Snapshot => self.snapshot.signed.expires(),
            RoleType::Timestamp => self.timestamp.signed.expires(),
            RoleType::Targets | RoleType::DelegatedTargets => self.targets.signed.expires(),
        })
    }

    pub(crate) fn version(&self, role: RoleType) -> u64 {
        match role {
            RoleType::Root => self.root.signed.version,
            RoleType::Snapshot => self.snapshot.signed.version,
            RoleType::Timestamp => self.timestamp.signed.version,
            RoleType::Targets | RoleType::DelegatedTargets => self.targets.signed.version,
        }
        .get()
    }

    /// Every file that a client may ask for now, in the order in which a copy has to get them.
    pub(crate) fn files(&self) -> Vec<FileName> {
        let targets = self.targets.signed.targets.iter();
        let mut files: Vec<FileName> = targets
            .map(|(name, target)| file_of(name, target))
            .collect();
        files.push(FileName::Targets(self.version(RoleType::Targets)));
        files.push(FileName::Snapshot(self.version(RoleType::Snapshot)));
        files.push(FileName::Timestamp);
        files.extend((1..=self.version(RoleType::Root)).map(FileName::Root));
        files.push(FileName::NewestRoot);
        files
    }
}

async fn bytes(store: &dyn Store, name: &FileName) -> Result<Vec<u8>, TufError> {
    let found = store.read(name).await?;
    found.ok_or_else(|| damaged(name, "is missing".to_owned()))
}

fn parse<T: DeserializeOwned>(name: &FileName, bytes: &[u8]) -> Result<Signed<T>, TufError> {
    serde_json::from_slice(bytes).map_err(|error| damaged(name, format!("does not read: {error}")))
}

fn damaged(name: &FileName, problem: String) -> TufError {
    TufError::Damaged {
        name: name.clone(),
        problem,
    }
}
