//! An instance: one data folder, its keys, its certificates, its identity. Made once and kept.
//!
//! Order of creation: `instance.json` with the host and `complete: false`, keys, certificates, public halves, logs,
//! the first answers of every role, and last of all `complete: true`. An incomplete folder may be finished, for the same
//! host only. Once it is complete nothing is ever made anew: what is missing or does not match stops the start, because
//! a log that silently gets a new key or starts again at zero would be a fork. A folder that has keys and no
//! `instance.json` has lost it: that stops the start as well.

mod chains;
pub(crate) mod generations;
mod layout;
mod public;
mod schedule;
pub(crate) mod shards;
mod signers;
mod urls;

pub(crate) use generations::{Generation, Role, Successor};
pub(crate) use layout::{Layout, write_atomically, write_secretly};
pub(crate) use public::PublicHalf;
pub(crate) use schedule::Schedule;
pub(crate) use shards::{Kind, Record, Shard, host_of};
pub(crate) use signers::Signers;
pub(crate) use urls::Urls;

use anyhow::{Context, Result, bail};
use clock::Clock;
use keys::{Algorithm, KeyFolder, Purpose, Signer};
use serde::{Deserialize, Serialize};
use std::os::unix::fs::OpenOptionsExt;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tlog::kill::{self, Moment};

/// What `instance.json` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Description {
    /// Version of the folder's layout.
    pub(crate) format: u32,
    /// Host that names the logs; part of every checkpoint, so it never changes.
    pub(crate) host: String,
    /// Base URL at the last start.
    pub(crate) url: String,
    /// When the instance was made, RFC 3339: start of validity of every key.
    pub(crate) created: String,
    /// False until every role answered once.
    pub(crate) complete: bool,
    /// The shards behind the first ones, in the order of their rotations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) shards: Vec<Record>,
    /// The generations of CA, CT log and timestamp authority behind the first ones, in the order of their rotations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) successors: Vec<Successor>,
    /// URLs of roles that have another one than the instance.
    #[serde(default, skip_serializing_if = "Urls::is_empty")]
    pub(crate) urls: Urls,
}

/// Version 2 has shards and URLs of roles, version 3 generations of other keys and shards that wait: a release that does not know them must
/// not serve the folder.
const FORMATS: std::ops::RangeInclusive<u32> = 1..=3;
const FORMAT_SHARDS: u32 = 2;

/// An opened instance.
pub(crate) struct Instance {
    pub(crate) layout: Layout,
    pub(crate) public: PublicHalf,
    pub(crate) signers: Signers,
    description: Description,
}

impl Instance {
    /// Opens the instance in `layout`, or makes one for `url` when the folder is new.
    pub(crate) async fn open_or_create(
        layout: Layout,
        url: &str,
        host: &str,
        ca: Algorithm,
        clock: &Clock,
    ) -> Result<Self> {
        Self::open_or_create_with(layout, url, host, None, ca, clock).await
    }

    /// The same with URLs of single roles; `None` keeps those that are recorded.
    pub(crate) async fn open_or_create_with(
        layout: Layout,
        url: &str,
        host: &str,
        urls: Option<Urls>,
        ca: Algorithm,
        clock: &Clock,
    ) -> Result<Self> {
        let folder = KeyFolder::open(layout.keys())?;
        let mut description = match load_description(&layout)? {
            Some(description) => description,
            None => Description::begin(&layout, url, host, urls.clone(), clock)?,
        };
        if !description.complete {
            kill::pass(Moment::FolderClaimed);
        }
        if description.host != host {
            bail!(
                "{} belongs to host {:?}, which names its logs in every checkpoint; it cannot become {:?}. \
                 Start with --url of the old host, or choose another --data-dir",
                layout.root().display(),
                description.host,
                host
            );
        }
        if let Some(urls) = urls.filter(|urls| *urls != description.urls) {
            urls.check_follow(&description.urls, &description.url)?;
            edit(&layout, |description| {
                description.urls = urls.clone();
                Ok(())
            })?;
            description.urls = urls;
        }
        match description.complete {
            true => Self::open(layout, &folder, description, url),
            false => Self::create(layout, &folder, description, url, ca).await,
        }
    }

    fn open(
        layout: Layout,
        folder: &KeyFolder,
        mut description: Description,
        url: &str,
    ) -> Result<Self> {
        if description.url != url {
            edit(&layout, |description| {
                description.url = url.to_owned();
                Ok(())
            })?;
            description.url = url.to_owned();
        }
        let public = PublicHalf::load(&layout, &description)?;
        let signers = Signers::load(folder, &layout, &public, &signers::OF_SERVICES)?;
        Ok(Self {
            layout,
            public,
            signers,
            description,
        })
    }

    async fn create(
        layout: Layout,
        folder: &KeyFolder,
        mut description: Description,
        url: &str,
        ca: Algorithm,
    ) -> Result<Self> {
        description.url = url.to_owned();
        // 1. Keys. An interrupted creation left some of them: they are kept.
        let root = folder.load_or_create(Purpose::RootCa, ca)?.0;
        let tsa_root = folder
            .load_or_create(Purpose::TsaRoot, Algorithm::EcdsaP256)?
            .0;
        let tsa_intermediate = folder
            .load_or_create(Purpose::TsaIntermediate, Algorithm::EcdsaP256)?
            .0;
        let signers = Signers::create(folder, ca)?;
        kill::pass(Moment::KeysMade);
        // 2. Certificates.
        let created = description.created()?;
        let (issuing_ca, tsa) = (signers.get(Purpose::IssuingCa)?, signers.get(Purpose::Tsa)?);
        let ca_chain = chains::ca_chain(&root, &issuing_ca, created).await?;
        let tsa_chain = chains::tsa_chain(&tsa_root, &tsa_intermediate, &tsa, created).await?;
        // 3. Public halves, against which every later start is checked.
        let public = PublicHalf {
            url: url.to_owned(),
            host: description.host.clone(),
            created,
            ca_chain,
            tsa_chain,
            ct_log: signers.get(Purpose::CtLog)?.public_key().clone(),
            rekor_v1: signers.get(Purpose::RekorV1)?.public_key().clone(),
            rekor_v2: signers.get(Purpose::RekorV2)?.public_key().clone(),
            urls: description.urls.clone(),
            later: Vec::new(),
            successors: Vec::new(),
        };
        public.save(&layout)?;
        kill::pass(Moment::PublicSaved);
        Ok(Self {
            layout,
            public,
            signers,
            description,
        })
    }

    /// True until [`Instance::finish`]: only then may logs be created.
    pub(crate) fn is_unfinished(&self) -> bool {
        !self.description.complete
    }

    /// Sees to the development issuer's key. It vouches for ten minutes at most, so it may be made anew at any time.
    pub(crate) fn make_dev_issuer(&mut self) -> Result<()> {
        // RS256, because cosign takes a token by value only when its header says so.
        let folder = KeyFolder::open(self.layout.keys())?;
        let (signer, _) = folder.load_or_create(Purpose::DevIssuer, Algorithm::Rsa2048)?;
        self.signers.add(signer);
        Ok(())
    }

    /// The key of the verifier's summaries. A new one begins a new name for them and forks nothing, so an instance of an
    /// earlier release gets one.
    pub(crate) fn verifier(&self) -> Result<Signer> {
        let folder = KeyFolder::open(self.layout.keys())?;
        let (signer, _) = folder.load_or_create(Purpose::Verifier, Algorithm::EcdsaP256)?;
        Ok(signer)
    }

    /// The key of a generation.
    pub(crate) fn signer_of(&self, generation: &Generation) -> Result<Signer> {
        Ok(match (generation.number, generation.role) {
            (1, Role::Ca) => self.signers.get(Purpose::IssuingCa)?,
            (1, Role::Ct) => self.signers.get(Purpose::CtLog)?,
            (1, Role::Tsa) => self.signers.get(Purpose::Tsa)?,
            _ => generation.load_signer(&self.layout)?,
        })
    }

    /// Opens a complete instance under the URL that it was served at last, for a command that takes its server's place.
    pub(crate) fn open_stopped(layout: Layout) -> Result<Self> {
        let description = describe(&layout)?;
        let folder = KeyFolder::open(layout.keys())?;
        let url = description.url.clone();
        Self::open(layout, &folder, description, &url)
    }

    /// Opens a complete instance for roles that need these keys and no others; creates nothing.
    pub(crate) fn open_for(layout: Layout, needs: &[Purpose]) -> Result<Self> {
        let description = describe(&layout)?;
        let folder = KeyFolder::open(layout.keys())?;
        let public = PublicHalf::load(&layout, &description)?;
        let signers = Signers::load(&folder, &layout, &public, needs)?;
        Ok(Self {
            layout,
            public,
            signers,
            description,
        })
    }

    /// Marks a new instance as complete, after every role answered.
    pub(crate) fn finish(&mut self) -> Result<()> {
        if self.is_unfinished() {
            kill::pass(Moment::InstanceFinish);
            self.description.complete = true;
            edit(&self.layout, |description| {
                *description = self.description.clone();
                Ok(())
            })?;
            kill::pass(Moment::InstanceFinished);
        }
        Ok(())
    }
}

impl Description {
    /// Claims a new folder for a host, before anything else is written into it.
    fn begin(
        layout: &Layout,
        url: &str,
        host: &str,
        urls: Option<Urls>,
        clock: &Clock,
    ) -> Result<Self> {
        for left in [
            layout.keys(),
            layout.public(),
            layout.database(),
            layout.guard(),
        ] {
            if left.exists() {
                bail!(
                    "{} exists and {} does not: the folder has lost a file and would fork its logs. \
                     Restore it from a backup of the data folder, or choose another --data-dir",
                    left.display(),
                    layout.description().display()
                );
            }
        }
        let description = Self {
            format: match urls {
                Some(_) => FORMAT_SHARDS,
                None => *FORMATS.start(),
            },
            host: host.to_owned(),
            url: url.to_owned(),
            created: chains::whole_second(clock.now()).format(&Rfc3339)?,
            complete: false,
            shards: Vec::new(),
            successors: Vec::new(),
            urls: urls.unwrap_or_default(),
        };
        save_description(layout, &description)?;
        Ok(description)
    }

    /// As it is at this time: what is published and due has taken over, whether somebody wrote that down or not. So a
    /// process that may not write the folder goes over by its own clock.
    pub(crate) fn at(&self, now: OffsetDateTime) -> Result<Self> {
        let mut then = self.clone();
        for record in then.successors.iter_mut().filter(|one| one.is_pending()) {
            if record.schedule.is_due(now)? {
                record.since = Some(record.schedule.switch.clone());
            }
        }
        Ok(then)
    }

    /// The time of creation.
    fn created(&self) -> Result<OffsetDateTime> {
        OffsetDateTime::parse(&self.created, &Rfc3339)
            .context("instance.json: `created` is not an RFC 3339 time")
    }
}

/// Reads the description of an instance that must be there, for commands beside a running `up`.
pub(crate) fn describe(layout: &Layout) -> Result<Description> {
    let found = load_description(layout)?.filter(|description| description.complete);
    found.with_context(|| {
        format!(
            "{} holds no instance; start one with `sigstead up` or make one with `sigstead init`, or name its folder with --data-dir",
            layout.root().display()
        )
    })
}

/// Reads `instance.json`; `None` when there is none.
fn load_description(layout: &Layout) -> Result<Option<Description>> {
    let path = layout.description();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let description: Description = serde_json::from_str(&text).with_context(|| {
        format!(
            "{} is damaged; restore it from a backup of the data folder",
            path.display()
        )
    })?;
    if !FORMATS.contains(&description.format) {
        bail!(
            "{} has layout {}, this program reads layouts {} to {}; use the release that wrote it",
            layout.root().display(),
            description.format,
            FORMATS.start(),
            FORMATS.end()
        );
    }
    Ok(Some(description))
}

/// Changes the description as it is on disk now. A command beside the serving process does the same: one at a time.
pub(crate) fn edit<T>(
    layout: &Layout,
    change: impl FnOnce(&mut Description) -> Result<T>,
) -> Result<T> {
    let path = layout.description_lock();
    let lock = std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .and_then(|file| file.lock().map(|()| file))
        .with_context(|| format!("cannot lock {}", path.display()))?;
    let mut description = load_description(layout)?
        .with_context(|| format!("{} is gone", layout.description().display()))?;
    let done = change(&mut description)?;
    description.format = description.format.max(needed_format(&description));
    save_description(layout, &description)?;
    drop(lock);
    Ok(done)
}

/// The oldest layout that has room for all of it.
fn needed_format(description: &Description) -> u32 {
    let is_timed = |record: &Record| {
        record.schedule.is_some() || record.freeze.is_some() || record.compromised.is_some()
    };
    if !description.successors.is_empty() || description.shards.iter().any(is_timed) {
        return *FORMATS.end();
    }
    match description.shards.is_empty() && description.urls.is_empty() {
        true => *FORMATS.start(),
        false => FORMAT_SHARDS,
    }
}

fn save_description(layout: &Layout, description: &Description) -> Result<()> {
    let text = serde_json::to_string_pretty(description)? + "\n";
    write_atomically(&layout.description(), text.as_bytes())
}
