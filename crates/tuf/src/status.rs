//! How the repository stands: versions, ends of life, keys.

use crate::repository::{ROLES, check_clock};
use crate::state::Current;
use crate::{Repository, TufError, life};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tough::schema::{RoleType, Root};

/// The state of a repository.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Root, targets, snapshot, timestamp.
    pub roles: Vec<RoleStatus>,
    /// Names of the files that it distributes.
    pub contents: Vec<String>,
    /// What somebody should see to; empty when all is well.
    pub warnings: Vec<String>,
}

/// The state of one role.
#[derive(Clone, Debug, Serialize)]
pub struct RoleStatus {
    /// `root`, `targets`, `snapshot`, `timestamp`.
    pub role: String,
    /// Version of its newest metadata.
    pub version: u64,
    /// End of life, RFC 3339 UTC.
    pub expires: String,
    /// The same in Unix seconds.
    #[serde(skip)]
    pub expires_unix: i64,
    /// Whole days until then; negative when it is over.
    pub days_left: i64,
    /// How many of the keys have to sign.
    pub threshold: u64,
    /// The keys that may sign.
    pub keys: Vec<KeyStatus>,
}

/// One key of a role.
#[derive(Clone, Debug, Serialize)]
pub struct KeyStatus {
    /// Key ID, hex.
    pub id: String,
    /// Whether it is in the data folder.
    pub here: bool,
}

impl Repository {
    /// Looks at everything and changes nothing.
    ///
    /// # Errors
    /// When there is no repository, or a file or a key does not read.
    pub async fn status(&self) -> Result<Status, TufError> {
        let current = self.current().await?;
        let ring = self.keys().load()?;
        let now = self.now();
        let root = &current.root.signed;
        let mut roles = Vec::new();
        let mut warnings = Vec::new();
        for role in ROLES {
            let keys = root.roles.get(&role);
            let ids = keys.iter().flat_map(|keys| &keys.keyids);
            let expires = current.expires(role);
            roles.push(RoleStatus {
                role: role.to_string(),
                version: current.version(role),
                expires: expires.format(&Rfc3339).map_err(TufError::library)?,
                expires_unix: expires.unix_timestamp(),
                days_left: (expires - now).whole_days(),
                threshold: keys.map_or(0, |keys| keys.threshold.get()),
                keys: ids
                    .map(|id| KeyStatus {
                        id: hex::encode(id),
                        here: ring.has(id),
                    })
                    .collect(),
            });
            warnings.extend(warning(&current, role, now, ring.can_sign(root, role)));
        }
        if let Err(error) = check_clock(&current, now) {
            warnings.push(error.to_string());
        }
        let mut contents: Vec<String> = current
            .targets
            .signed
            .targets
            .keys()
            .map(|name| name.raw().to_owned())
            .collect();
        contents.sort();
        Ok(Status {
            roles,
            contents,
            warnings,
        })
    }
}

fn warning(current: &Current, role: RoleType, now: OffsetDateTime, here: bool) -> Option<String> {
    if !current.is_signed(role) {
        return Some(format!(
            "{role} is not signed by the keys of the current root; clients refuse it until it is signed again"
        ));
    }
    let expires = current.expires(role);
    if !life::is_late(role, expires, now) {
        return None;
    }
    let days = (expires - now).whole_days();
    let when = match expires <= now {
        true => format!("{role} has expired, clients refuse the repository"),
        false => format!("{role} expires in {days} days, then clients refuse the repository"),
    };
    let why = match (here, role) {
        (true, _) => {
            "its key is here: see the log of the serving process, or run `sigstead tuf publish`"
        }
        (false, RoleType::Root) => {
            "its keys are elsewhere: have a new root signed with `sigstead tuf ceremony`"
        }
        (false, RoleType::Targets | RoleType::DelegatedTargets) => {
            "its key is elsewhere: `sigstead tuf publish --targets-key FILE`"
        }
        (false, _) => "its key is not here: bring it back, or `sigstead tuf rotate-root --online`",
    };
    Some(format!("{when}; {why}"))
}

/// A role of a root for people: how many of which keys; those that another root does not name are marked.
pub(crate) fn role_line(root: &Root, role: RoleType, before: Option<&Root>) -> String {
    let keys = root.roles.get(&role);
    let known = |id| {
        let before = before.and_then(|root| root.roles.get(&role));
        before.is_none_or(|keys| keys.keyids.contains(id))
    };
    let ids = keys.iter().flat_map(|keys| &keys.keyids).map(|id| {
        let short: String = hex::encode(id).chars().take(16).collect();
        match known(id) {
            true => short,
            false => format!("{short} (new)"),
        }
    });
    let ids: Vec<String> = ids.collect();
    let name = match role {
        RoleType::Timestamp => "snapshot and timestamp".to_owned(),
        role => role.to_string(),
    };
    let threshold = keys.map_or(0, |keys| keys.threshold.get());
    format!("{name}: {threshold} of {}: {}", ids.len(), ids.join(", "))
}
