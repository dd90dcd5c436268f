//! Generations: the keys of CA, CT log and timestamp authority that came after the first ones, and what is recorded of
//! them.
//!
//! As with shards, key and public half are there before `instance.json` names them. From then on a generation comes to be:
//! it is published at once, takes over at its time, and ends the one before it. The record holds times, so no process has
//! to wait: whoever serves the folder goes on when its clock passes them, and a stopped instance when it is started.

use super::schedule::Schedule;
use super::{Description, Layout, chains, write_atomically};
use anyhow::{Context, Result, bail};
use ct::CtLog;
use keys::{Algorithm, KeyFolder, Purpose, Signer};
use pki::cert::Certificate;
use pki::key::{KeyKind, PublicKey};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// How long the keys of a generation are trusted after the next one took over. What was begun before is finished with the
/// old key: a certificate lives for ten minutes, its timestamps and entries come within them, a request takes one more at
/// most, and the clocks of several processes differ a little.
pub(crate) const AFTER_SWITCH: Duration = Duration::minutes(15);

/// A switch that came later than this after its time is recorded with the time that it had. Below it the planned time is,
/// so that all processes of an instance write the same trust files.
const PUNCTUAL: Duration = Duration::minutes(5);

/// Who changes keys by generations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    /// The certificate authority.
    Ca,
    /// The certificate-transparency log: each generation is a log of its own.
    Ct,
    /// The timestamp authority.
    Tsa,
}

impl Role {
    pub(crate) const ALL: [Self; 3] = [Self::Ca, Self::Ct, Self::Tsa];

    /// The first generation's name, also on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ca => "ca",
            Self::Ct => "ct",
            Self::Tsa => "tsa",
        }
    }

    /// What it is for people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Ca => "certificate authority",
            Self::Ct => "CT log",
            Self::Tsa => "timestamp authority",
        }
    }

    fn purpose(self) -> Purpose {
        match self {
            Self::Ca => Purpose::IssuingCa,
            Self::Ct => Purpose::CtLog,
            Self::Tsa => Purpose::Tsa,
        }
    }

    fn root_purpose(self) -> Option<Purpose> {
        match self {
            Self::Ca => Some(Purpose::RootCa),
            Self::Ct => None,
            Self::Tsa => Some(Purpose::TsaRoot),
        }
    }
}

/// What `instance.json` holds of a generation behind the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Successor {
    pub(crate) role: Role,
    /// 2 and more.
    pub(crate) number: u32,
    /// It has a root of its own; else the root is an earlier generation's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) new_root: bool,
    /// RFC 3339: when it was recorded; start of validity of its keys.
    pub(crate) start: String,
    /// When it takes over.
    #[serde(flatten)]
    pub(crate) schedule: Schedule,
    /// RFC 3339: when it took over. While it is missing the rotation is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<String>,
    /// RFC 3339: from when on the generation before it is not trusted, because others have its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) compromised: Option<String>,
}

impl Successor {
    /// `ca-2` and so on.
    pub(crate) fn name(&self) -> String {
        name(self.role, self.number)
    }

    /// True until it took over.
    pub(crate) fn is_pending(&self) -> bool {
        self.since.is_none()
    }

    /// The time to record when it takes over now.
    pub(crate) fn since_when(&self, now: OffsetDateTime) -> Result<String> {
        let planned = self.schedule.switch()?;
        let since = match now - planned > PUNCTUAL {
            true => chains::whole_second(now),
            false => planned,
        };
        Ok(since.format(&Rfc3339)?)
    }
}

/// One generation, the first included: all that clients and checks need to know.
#[derive(Clone, Debug)]
pub(crate) struct Generation {
    pub(crate) role: Role,
    /// 1 for the first.
    pub(crate) number: u32,
    pub(crate) public: Public,
    /// Start of validity.
    pub(crate) start: OffsetDateTime,
    /// When it takes over, or took over.
    pub(crate) switch: OffsetDateTime,
    /// It has not taken over yet.
    pub(crate) is_pending: bool,
    /// When the next one took over.
    pub(crate) replaced: Option<OffsetDateTime>,
    /// From when on it is not trusted because others have its key.
    pub(crate) compromised: Option<OffsetDateTime>,
}

/// The public half of a generation.
#[derive(Clone, Debug)]
pub(crate) enum Public {
    /// Signing certificate first, root last.
    Chain(Vec<Certificate>),
    Key(PublicKey),
}

impl Generation {
    /// `ca`, `ca-2` and so on; of a CT log also its name in the database.
    pub(crate) fn name(&self) -> String {
        name(self.role, self.number)
    }

    /// The chain; empty for a CT log.
    pub(crate) fn chain(&self) -> &[Certificate] {
        match &self.public {
            Public::Chain(chain) => chain,
            Public::Key(_) => &[],
        }
    }

    /// The key that signs.
    pub(crate) fn key(&self) -> Result<&PublicKey> {
        match &self.public {
            Public::Chain(chain) => chain
                .first()
                .map(Certificate::public_key)
                .with_context(|| format!("the chain of {} is empty", self.name())),
            Public::Key(key) => Ok(key),
        }
    }

    /// End of validity in trust files; `None` while it is in use.
    pub(crate) fn end(&self) -> Option<OffsetDateTime> {
        let replaced = self.replaced.map(|replaced| replaced + AFTER_SWITCH);
        // Only what has a successor in use ends: new signatures must hold all the time.
        replaced.map(|end| self.compromised.map_or(end, |taken| taken.min(end)))
    }

    /// Whether it is the one that signs.
    pub(crate) fn is_active(&self) -> bool {
        !self.is_pending && self.replaced.is_none()
    }

    /// First line of a CT log's checkpoints.
    pub(crate) fn origin(&self, host: &str) -> String {
        CtLog::origin_of(host, self.number)
    }

    /// Path of a CT log below the instance's URL, with a slash before it.
    pub(crate) fn path(&self) -> String {
        CtLog::origin_of("", self.number)
    }

    /// Loads the key that signs, and compares it with the published half.
    pub(crate) fn load_signer(&self, layout: &Layout) -> Result<Signer> {
        let purpose = self.role.purpose();
        let folder = KeyFolder::open(key_folder(layout, self.role, self.number))?;
        let signer = folder
            .load(purpose)
            .context("the key was recorded before: restore it from a backup of the data folder")?;
        if signer.public_key() != self.key()? {
            bail!(
                "the key {} does not match {}: clients would refuse everything it signs. \
                 Restore both from the same backup of the data folder",
                folder.path_of(purpose).display(),
                public_file(layout, self.role, self.number).display()
            );
        }
        Ok(signer)
    }
}

/// All generations of a role, oldest first.
pub(super) fn all(
    role: Role,
    first: Public,
    created: OffsetDateTime,
    later: &[(Successor, Public)],
) -> Result<Vec<Generation>> {
    let mut generations = vec![Generation {
        role,
        number: 1,
        public: first,
        start: created,
        switch: created,
        is_pending: false,
        replaced: None,
        compromised: None,
    }];
    for (record, public) in later.iter().filter(|(record, _)| record.role == role) {
        let since = record.since.as_deref().map(time_of).transpose()?;
        if let Some(before) = generations.last_mut() {
            before.replaced = since;
            before.compromised = record.compromised.as_deref().map(time_of).transpose()?;
        }
        generations.push(Generation {
            role,
            number: record.number,
            public: public.clone(),
            start: time_of(&record.start)?,
            switch: since.map_or_else(|| record.schedule.switch(), Ok)?,
            is_pending: record.is_pending(),
            replaced: None,
            compromised: None,
        });
    }
    Ok(generations)
}

/// Makes keys and chain of a generation that is to be recorded, and publishes its public half. Keys that an interrupted
/// attempt left are used; its certificates were never seen, and are made anew.
///
/// `before` are the generations of this role, oldest first.
pub(crate) async fn make(layout: &Layout, record: &Successor, before: &[Generation]) -> Result<()> {
    let Successor { role, number, .. } = *record;
    let folder = KeyFolder::open(key_folder(layout, role, number))?;
    let newest = before.last().context("a role has a first generation")?;
    let algorithm = algorithm_like(newest.key()?)?;
    let (signer, _) = folder.load_or_create(role.purpose(), algorithm)?;
    let pem = match role.root_purpose() {
        None => signer.public_key().to_pem(),
        Some(purpose) => {
            let start = time_of(&record.start)?;
            let root = match record.new_root {
                true => {
                    let (key, _) = folder.load_or_create(purpose, algorithm)?;
                    chains::new_root(role, number, key, start).await?
                }
                false => old_root(layout, purpose, before)?,
            };
            let chain = match role {
                Role::Tsa => {
                    let between = Purpose::TsaIntermediate;
                    let (between, _) = folder.load_or_create(between, algorithm)?;
                    chains::next_tsa(&root, &between, &signer, number, start).await?
                }
                _ => chains::next_ca(&root, &signer, number, start).await?,
            };
            chain.iter().map(Certificate::to_pem).collect()
        }
    };
    write_atomically(&public_file(layout, role, number), pem.as_bytes())
}

/// The root that the newest generation is under: its key may be that of an earlier one.
fn old_root(layout: &Layout, purpose: Purpose, before: &[Generation]) -> Result<chains::Root> {
    let root = before.last().and_then(|newest| newest.chain().last());
    let certificate = root.context("the chain is empty")?.clone();
    let mut missing = None;
    for generation in before.iter().rev() {
        let folder = KeyFolder::open(key_folder(layout, generation.role, generation.number))?;
        match folder.exists(purpose) {
            true => {
                let signer = folder.load(purpose)?;
                if signer.public_key() == certificate.public_key() {
                    return Ok(chains::Root {
                        signer,
                        certificate,
                    });
                }
            }
            false => missing = Some(folder.path_of(purpose)),
        }
    }
    let path = missing.unwrap_or_else(|| layout.keys());
    bail!(
        "the key of the root {} is not in the data folder ({}): bring it back for the rotation, or make a new root with --root",
        certificate.subject_common_name().unwrap_or_default(),
        path.display()
    )
}

/// Reads the public halves of the recorded generations.
pub(super) fn load_public(
    layout: &Layout,
    description: &Description,
) -> Result<Vec<(Successor, Public)>> {
    let load = |record: &Successor| {
        let path = public_file(layout, record.role, record.number);
        let pem = std::fs::read_to_string(&path).with_context(|| {
            format!(
                "cannot read {}; restore it from a backup of the data folder",
                path.display()
            )
        })?;
        let parsed = match record.role {
            Role::Ct => PublicKey::parse_pem(&pem).map(Public::Key).ok(),
            _ => Certificate::parse_pem_chain(&pem).map(Public::Chain).ok(),
        };
        let public = parsed.with_context(|| {
            format!(
                "{} is damaged; restore it from a backup of the data folder",
                path.display()
            )
        })?;
        Ok((record.clone(), public))
    };
    description.successors.iter().map(load).collect()
}

/// Where the private keys of a generation are.
pub(crate) fn key_folder(layout: &Layout, role: Role, number: u32) -> PathBuf {
    match number {
        1 => layout.keys(),
        _ => layout.keys().join(name(role, number)),
    }
}

fn public_file(layout: &Layout, role: Role, number: u32) -> PathBuf {
    let stem = match role {
        Role::Ca => "ca-chain",
        Role::Ct => "ct-log",
        Role::Tsa => "tsa-chain",
    };
    let file = match number {
        1 => format!("{stem}.pem"),
        number => format!("{stem}-{number}.pem"),
    };
    layout.public().join(file)
}

fn name(role: Role, number: u32) -> String {
    match number {
        1 => role.name().to_owned(),
        number => format!("{}-{number}", role.name()),
    }
}

/// Clients take the kinds of key that the generation before has.
fn algorithm_like(key: &PublicKey) -> Result<Algorithm> {
    match key.kind() {
        KeyKind::EcdsaP256 => Ok(Algorithm::EcdsaP256),
        KeyKind::EcdsaP384 => Ok(Algorithm::EcdsaP384),
        other => bail!("a new key like the old one cannot be made here: {other}"),
    }
}

pub(super) fn time_of(text: &str) -> Result<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339)
        .with_context(|| format!("instance.json: {text:?} is not an RFC 3339 time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::minutes(minute)
    }

    fn generation(replaced: Option<i64>, compromised: Option<i64>) -> Generation {
        Generation {
            role: Role::Ct,
            number: 1,
            public: Public::Chain(Vec::new()),
            start: at(0),
            switch: at(0),
            is_pending: false,
            replaced: replaced.map(at),
            compromised: compromised.map(at),
        }
    }

    #[test]
    fn the_old_key_ends_a_quarter_of_an_hour_after_the_switch_or_when_it_was_stolen() {
        assert_eq!(generation(None, None).end(), None);
        assert_eq!(generation(Some(60), None).end(), Some(at(75)));
        assert_eq!(generation(Some(60), Some(30)).end(), Some(at(30)));
        assert_eq!(generation(Some(60), Some(90)).end(), Some(at(75)));
        assert_eq!(generation(None, Some(30)).end(), None, "it still signs");
    }

    #[test]
    fn a_punctual_switch_has_the_planned_time_and_a_late_one_its_own() {
        let record = Successor {
            role: Role::Ca,
            number: 2,
            new_root: false,
            start: at(0).format(&Rfc3339).unwrap(),
            schedule: Schedule::new(at(0), None, Duration::minutes(60)).unwrap(),
            since: None,
            compromised: None,
        };
        let since = |minute| record.since_when(at(minute)).unwrap();
        assert_eq!(since(61), record.schedule.switch);
        assert_eq!(since(70), at(70).format(&Rfc3339).unwrap());
    }

    #[test]
    fn later_logs_have_a_path_of_their_own() {
        let mut log = generation(None, None);
        assert_eq!((log.path(), log.name()), ("/ctlog".into(), "ct".into()));
        log.number = 2;
        assert_eq!(log.path(), "/ctlog-2");
        assert_eq!(log.origin("log.example"), "log.example/ctlog-2");
        assert_eq!(log.name(), "ct-2");
    }
}
