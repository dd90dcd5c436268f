//! Shards: the logs that came after the first ones, each with its own key, and what is recorded of them.
//!
//! A shard's key and its public half are there before `instance.json` names it. From then on it will come to be: whoever
//! serves the folder creates its log, serves it, and freezes the shard before it; only then the record says when that
//! was. Every step may be done again, so a rotation that is interrupted anywhere is finished by the next start.

use super::schedule::Schedule;
use super::{Description, Layout, write_atomically};
use anyhow::{Context, Result, bail};
use keys::{Algorithm, KeyFolder, Purpose, Signer};
use pki::key::PublicKey;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use tlog::HeadSigner;

/// A log that grows by shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Rekor's v1 API: all shards under one URL.
    RekorV1,
    /// Rekor's v2 API: a URL for each shard.
    RekorV2,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::RekorV1, Self::RekorV2];

    /// The first shard's name in the database and in file names.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RekorV1 => "rekor-v1",
            Self::RekorV2 => "rekor-v2",
        }
    }

    fn purpose(self) -> Purpose {
        match self {
            Self::RekorV1 => Purpose::RekorV1,
            Self::RekorV2 => Purpose::RekorV2,
        }
    }
}

/// What `instance.json` holds of a shard behind the first one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) log: Kind,
    /// 2 and more.
    pub(crate) number: u32,
    /// A URL whose host is the shard's own (Rekor v2); without one the shard is under the instance's URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// RFC 3339: start of validity of its key.
    pub(crate) start: String,
    /// When the shard before it is frozen. Taken away when that has come; without it that is at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) schedule: Option<Schedule>,
    /// RFC 3339: not before then the shard before it is frozen. Signing configs name this one already, and clients that have
    /// the old ones are given time (Rekor v2: both take entries).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) freeze: Option<String>,
    /// RFC 3339: from when on the key before it is not trusted, because others have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) compromised: Option<String>,
    /// The end of the shard before it. While it is missing the rotation is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) predecessor: Option<Predecessor>,
}

/// How the shard before ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Predecessor {
    /// RFC 3339, not before its last entry.
    pub(crate) frozen: String,
    /// Entries in it.
    pub(crate) size: u64,
}

impl Record {
    pub(crate) fn name(&self) -> String {
        name(self.log, self.number)
    }

    /// The URL for clients, in an instance with this one.
    pub(crate) fn url_under(&self, base: &str) -> String {
        match (&self.url, self.log) {
            (Some(url), _) => url.clone(),
            (None, Kind::RekorV1) => base.to_owned(),
            (None, Kind::RekorV2) => format!("{base}{}", prefix(self.number)),
        }
    }

    /// When the shard before it may be frozen; `None` is at once.
    pub(crate) fn freeze(&self) -> Result<Option<OffsetDateTime>> {
        self.freeze.as_deref().map(time_of).transpose()
    }

    /// Its time has come: signing configs name it. The one before it of Rekor v2 has another URL, so clients are given as
    /// long as before to learn of that; all shards of Rekor v1 have one, and the change is not seen.
    pub(crate) fn call(&mut self) -> Result<()> {
        let Some(schedule) = self.schedule.take() else {
            return Ok(());
        };
        if self.log == Kind::RekorV2 && schedule.propagation > 0 {
            let freeze = schedule.switch()? + Duration::seconds(schedule.propagation);
            self.freeze = Some(freeze.format(&Rfc3339)?);
        }
        Ok(())
    }

    /// True until the shard before it is frozen.
    pub(crate) fn is_pending(&self) -> bool {
        self.predecessor.is_none()
    }
}

/// One shard, the first ones included: all that clients and checks need to know.
#[derive(Clone, Debug)]
pub(crate) struct Shard {
    pub(crate) kind: Kind,
    /// 1 for the first.
    pub(crate) number: u32,
    pub(crate) key: PublicKey,
    /// Base URL for clients.
    pub(crate) url: String,
    /// Host of that URL: in every checkpoint.
    pub(crate) host: String,
    /// True when the host is not the instance's.
    pub(crate) has_own_host: bool,
    pub(crate) start: OffsetDateTime,
    /// When it was frozen.
    pub(crate) frozen: Option<OffsetDateTime>,
    /// The shard before it is not known to be frozen.
    pub(crate) is_pending: bool,
    /// Its key is published, and its time has not come.
    pub(crate) is_waiting: bool,
    /// From when on its key is not trusted, because others have it.
    pub(crate) compromised: Option<OffsetDateTime>,
}

impl Shard {
    /// Name in the database, of its guard and of its files.
    pub(crate) fn name(&self) -> String {
        name(self.kind, self.number)
    }

    /// Tree ID of a Rekor v1 shard: 63 bits of its log ID, so that it needs no state of its own.
    pub(crate) fn tree_id(&self) -> i64 {
        let id = self.key.key_id();
        let bits = u64::from_be_bytes([id[0], id[1], id[2], id[3], id[4], id[5], id[6], id[7]]);
        i64::try_from((bits >> 1).max(1)).unwrap_or(1)
    }

    /// The log ID in bundles and trusted roots.
    pub(crate) fn log_id(&self) -> [u8; 32] {
        match self.kind {
            Kind::RekorV1 => self.key.key_id(),
            Kind::RekorV2 => rekor::v2::log_id(&self.host, &self.key),
        }
    }

    /// First line of its checkpoints.
    pub(crate) fn origin(&self) -> String {
        match self.kind {
            Kind::RekorV1 => format!("{} - {}", self.host, self.tree_id()),
            Kind::RekorV2 => self.host.clone(),
        }
    }

    pub(crate) fn head_signer(&self, signer: Signer) -> Arc<dyn HeadSigner> {
        match self.kind {
            Kind::RekorV1 => rekor::v1::head_signer(&self.host, self.tree_id(), signer),
            Kind::RekorV2 => rekor::v2::head_signer(&self.host, signer),
        }
    }

    /// The path below the instance's URL, for a Rekor v2 shard without a host of its own.
    pub(crate) fn prefix(&self) -> String {
        prefix(self.number)
    }

    /// Loads the key of a shard behind the first, and compares it with the published half.
    pub(crate) fn load_signer(&self, layout: &Layout) -> Result<Signer> {
        let folder = KeyFolder::open(key_folder(layout, self.number))?;
        let signer = folder.load(self.kind.purpose()).context(
            "the shard was recorded before: restore the key from a backup of the data folder",
        )?;
        if *signer.public_key() != self.key {
            bail!(
                "the key {} does not match {}: clients would refuse everything it signs. \
                 Restore both from the same backup of the data folder",
                folder.path_of(self.kind.purpose()).display(),
                public_file(layout, self.kind, self.number).display()
            );
        }
        Ok(signer)
    }
}

/// All shards of the kind, oldest first, from the first one's key and the records of the others.
pub(super) fn all(
    kind: Kind,
    first: &PublicKey,
    public: &super::PublicHalf,
    later: &[(Record, PublicKey)],
) -> Result<Vec<Shard>> {
    let mut shards = vec![Shard {
        kind,
        number: 1,
        key: first.clone(),
        url: public.rekor_url(kind).to_owned(),
        host: host_of(public.rekor_url(kind))?,
        has_own_host: false,
        start: public.created,
        frozen: None,
        is_pending: false,
        is_waiting: false,
        compromised: None,
    }];
    for (record, key) in later.iter().filter(|(record, _)| record.log == kind) {
        if let (Some(before), Some(end)) = (shards.last_mut(), &record.predecessor) {
            before.frozen = Some(time_of(&end.frozen)?);
            before.compromised = record.compromised.as_deref().map(time_of).transpose()?;
        }
        let url = record.url_under(public.rekor_url(kind));
        shards.push(Shard {
            kind,
            number: record.number,
            key: key.clone(),
            host: match &record.url {
                Some(url) => host_of(url)?,
                None => host_of(public.rekor_url(kind))?,
            },
            url,
            has_own_host: record.url.is_some(),
            start: time_of(&record.start)?,
            frozen: None,
            is_pending: record.is_pending(),
            is_waiting: record.schedule.is_some(),
            compromised: None,
        });
    }
    Ok(shards)
}

/// Makes the key of a shard that is to be recorded, and publishes its public half. A key that an interrupted attempt
/// left is used.
pub(crate) fn make_key(layout: &Layout, kind: Kind, number: u32) -> Result<()> {
    let folder = KeyFolder::open(key_folder(layout, number))?;
    let (signer, _) = folder.load_or_create(kind.purpose(), Algorithm::EcdsaP256)?;
    let pem = signer.public_key().to_pem();
    write_atomically(&public_file(layout, kind, number), pem.as_bytes())
}

/// Reads the public halves of the recorded shards.
pub(super) fn load_keys(
    layout: &Layout,
    description: &Description,
) -> Result<Vec<(Record, PublicKey)>> {
    let load = |record: &Record| {
        let path = public_file(layout, record.log, record.number);
        let pem = std::fs::read_to_string(&path).with_context(|| {
            format!(
                "cannot read {}; restore it from a backup of the data folder",
                path.display()
            )
        })?;
        let key = PublicKey::parse_pem(&pem).with_context(|| {
            format!(
                "{} is damaged; restore it from a backup of the data folder",
                path.display()
            )
        })?;
        Ok((record.clone(), key))
    };
    description.shards.iter().map(load).collect()
}

/// Where the private keys of the shards with this number are.
pub(crate) fn key_folder(layout: &Layout, number: u32) -> PathBuf {
    layout.keys().join(format!("shard-{number}"))
}

fn public_file(layout: &Layout, kind: Kind, number: u32) -> PathBuf {
    layout.public().join(format!("{}.pem", name(kind, number)))
}

fn name(kind: Kind, number: u32) -> String {
    match number {
        1 => kind.name().to_owned(),
        number => format!("{}-{number}", kind.name()),
    }
}

fn prefix(number: u32) -> String {
    format!("/shards/{number}")
}

/// The host of a URL as checkpoints spell it: without port and brackets.
pub(crate) fn host_of(url: &str) -> Result<String> {
    let parsed = url::Url::parse(url).with_context(|| format!("{url} is not a URL"))?;
    let host = parsed
        .host_str()
        .with_context(|| format!("{url} has no host"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Ok(host.to_owned())
}

fn time_of(text: &str) -> Result<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339)
        .with_context(|| format!("instance.json: {text:?} is not an RFC 3339 time"))
}
