//! Roots: which keys sign what, and the step from one root to the next.

use crate::signing::{KeyId, key_id, tuf_key};
use crate::{TufError, life};
use pki::key::PublicKey;
use std::collections::HashMap;
use std::num::NonZeroU64;
use time::OffsetDateTime;
use tough::schema::key::Key;
use tough::schema::{RoleKeys, RoleType, Root, Signed};

/// The one version of the specification that tough reads; other clients take any 1.x.
pub(crate) const SPEC_VERSION: &str = "1.0.0";

/// The keys of the three kinds: holders of the root, who says what the repository holds, and the program's own.
#[derive(Clone, Debug)]
pub(crate) struct RootKeys {
    pub(crate) root: Keys,
    pub(crate) targets: Keys,
    /// Snapshot and timestamp.
    pub(crate) online: Keys,
}

/// Keys of a role, and how many of them have to sign.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    keys: Vec<(KeyId, Key)>,
    threshold: NonZeroU64,
}

impl Keys {
    /// One key that signs alone.
    pub(crate) fn one(key: &PublicKey) -> Result<Self, TufError> {
        Self::several(std::slice::from_ref(key), NonZeroU64::MIN)
    }

    /// `threshold` of several keys.
    pub(crate) fn several(keys: &[PublicKey], threshold: NonZeroU64) -> Result<Self, TufError> {
        let named = keys.iter().map(|key| {
            let key = tuf_key(key)?;
            Ok((key_id(&key)?, key))
        });
        Ok(Self {
            keys: named.collect::<Result<_, TufError>>()?,
            threshold,
        })
    }

    fn of(root: &Root, role: RoleType) -> Result<Self, TufError> {
        let named = root.roles.get(&role);
        let named =
            named.ok_or_else(|| TufError::library(format!("the root has no role {role}")))?;
        let keys = named.keyids.iter();
        let keys = keys.filter_map(|id| Some((id.clone(), root.keys.get(id)?.clone())));
        Ok(Self {
            keys: keys.collect(),
            threshold: named.threshold,
        })
    }

    fn role(&self) -> RoleKeys {
        RoleKeys {
            keyids: self.keys.iter().map(|(id, _)| id.clone()).collect(),
            threshold: self.threshold,
            _extra: HashMap::new(),
        }
    }
}

impl RootKeys {
    /// The keys that a root names.
    pub(crate) fn of(root: &Root) -> Result<Self, TufError> {
        Ok(Self {
            root: Keys::of(root, RoleType::Root)?,
            targets: Keys::of(root, RoleType::Targets)?,
            online: Keys::of(root, RoleType::Timestamp)?,
        })
    }

    /// A root that names these keys and lives until `expires`.
    pub(crate) fn root(&self, version: NonZeroU64, expires: OffsetDateTime) -> Root {
        let all = [&self.root, &self.targets, &self.online];
        let keys = all.iter().flat_map(|role| role.keys.iter().cloned());
        let roles = [
            (RoleType::Root, self.root.role()),
            (RoleType::Targets, self.targets.role()),
            (RoleType::Snapshot, self.online.role()),
            (RoleType::Timestamp, self.online.role()),
        ];
        Root {
            spec_version: SPEC_VERSION.to_owned(),
            consistent_snapshot: true,
            version,
            expires: life::to_jiff(expires),
            keys: keys.collect(),
            roles: roles.into_iter().collect(),
            _extra: HashMap::new(),
        }
    }
}

/// Checks a step as clients do (TUF 5.3.4 to 5.3.6): the next version, signed by the thresholds of both roots.
pub(crate) fn check_step(old: &Root, new: &Signed<Root>) -> Result<(), TufError> {
    let would_not = |reason: String| TufError::WouldNotVerify {
        role: RoleType::Root,
        reason,
    };
    if next_version(old.version) != new.signed.version {
        let (new, old) = (new.signed.version, old.version);
        return Err(would_not(format!("version {new} does not follow {old}")));
    }
    old.verify_role(new)
        .map_err(|error| would_not(format!("by the keys of root {}: {error}", old.version)))?;
    new.signed.verify_role(new).map_err(|error| {
        let version = new.signed.version;
        would_not(format!("by the keys of root {version}: {error}"))
    })
}

/// The version after this one.
pub(crate) fn next_version(version: NonZeroU64) -> NonZeroU64 {
    version.saturating_add(1)
}
