//! What an instance shows the world: chains and public keys. Enough to write every trust file.

use super::generations::{self, Generation, Public, Role, Successor};
use super::shards::{self, Kind, Record, Shard};
use super::{Description, Layout, Urls, write_atomically};
use anyhow::{Context, Result};
use pki::cert::Certificate;
use pki::key::PublicKey;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The public half of an instance.
#[derive(Clone, Debug)]
pub(crate) struct PublicHalf {
    pub(crate) url: String,
    pub(crate) host: String,
    pub(crate) created: OffsetDateTime,
    /// Issuing CA first, root last.
    pub(crate) ca_chain: Vec<Certificate>,
    /// TSA certificate first, root last.
    pub(crate) tsa_chain: Vec<Certificate>,
    pub(crate) ct_log: PublicKey,
    pub(crate) rekor_v1: PublicKey,
    pub(crate) rekor_v2: PublicKey,
    /// URLs of roles that have their own.
    pub(crate) urls: Urls,
    /// The shards behind those two.
    pub(super) later: Vec<(Record, PublicKey)>,
    /// The generations behind chains and CT log.
    pub(super) successors: Vec<(Successor, Public)>,
}

impl PublicHalf {
    /// Reads the files that [`PublicHalf::save`] wrote.
    pub(crate) fn load(layout: &Layout, description: &Description) -> Result<Self> {
        let read = |file: &str| {
            let path = layout.public().join(file);
            std::fs::read_to_string(&path).with_context(|| {
                format!(
                    "cannot read {}; restore it from a backup of the data folder",
                    path.display()
                )
            })
        };
        let chain = |file: &str| {
            Certificate::parse_pem_chain(&read(file)?).with_context(|| {
                format!("{file} is damaged; restore it from a backup of the data folder")
            })
        };
        let key = |file: &str| {
            PublicKey::parse_pem(&read(file)?).with_context(|| {
                format!("{file} is damaged; restore it from a backup of the data folder")
            })
        };
        Ok(Self {
            url: description.url.clone(),
            host: description.host.clone(),
            created: description.created()?,
            ca_chain: chain("ca-chain.pem")?,
            tsa_chain: chain("tsa-chain.pem")?,
            ct_log: key("ct-log.pem")?,
            rekor_v1: key("rekor-v1.pem")?,
            rekor_v2: key("rekor-v2.pem")?,
            urls: description.urls.clone(),
            later: shards::load_keys(layout, description)?,
            successors: generations::load_public(layout, description)?,
        })
    }

    /// Writes chains and keys as PEM files.
    pub(super) fn save(&self, layout: &Layout) -> Result<()> {
        let folder = layout.public();
        for (file, chain) in [
            ("ca-chain.pem", &self.ca_chain),
            ("tsa-chain.pem", &self.tsa_chain),
        ] {
            let pem: String = chain.iter().map(Certificate::to_pem).collect();
            write_atomically(&folder.join(file), pem.as_bytes())?;
        }
        for (file, key) in [
            ("ct-log.pem", &self.ct_log),
            ("rekor-v1.pem", &self.rekor_v1),
            ("rekor-v2.pem", &self.rekor_v2),
        ] {
            write_atomically(&folder.join(file), key.to_pem().as_bytes())?;
        }
        Ok(())
    }

    /// All generations of a role, oldest first.
    pub(crate) fn generations(&self, role: Role) -> Result<Vec<Generation>> {
        let first = match role {
            Role::Ca => Public::Chain(self.ca_chain.clone()),
            Role::Ct => Public::Key(self.ct_log.clone()),
            Role::Tsa => Public::Chain(self.tsa_chain.clone()),
        };
        generations::all(role, first, self.created, &self.successors)
    }

    /// The generation that signs.
    pub(crate) fn active(&self, role: Role) -> Result<Generation> {
        let mut generations = self.generations(role)?.into_iter();
        let active = generations.rfind(|generation| !generation.is_pending);
        active.context("a role has a first generation")
    }

    /// What is recorded of a generation behind the first.
    pub(crate) fn successor(&self, name: &str) -> Option<Successor> {
        let mut records = self.successors.iter().map(|(record, _)| record);
        records.find(|record| record.name() == name).cloned()
    }

    /// Where clients reach the certificate authority.
    pub(crate) fn fulcio_url(&self) -> &str {
        self.urls.fulcio.as_deref().unwrap_or(&self.url)
    }

    /// Where clients reach a Rekor API.
    pub(crate) fn rekor_url(&self, kind: Kind) -> &str {
        let [(_, v1), (_, v2), _] = self.urls.of_logs(&self.url);
        match kind {
            Kind::RekorV1 => v1,
            Kind::RekorV2 => v2,
        }
    }

    /// A CT log, with its path.
    pub(crate) fn ct_url(&self, log: &Generation) -> String {
        let [.., (_, ct)] = self.urls.of_logs(&self.url);
        format!("{ct}{}", log.path())
    }

    /// The host that names the CT logs.
    pub(crate) fn ct_host(&self) -> Result<String> {
        let [.., (_, ct)] = self.urls.of_logs(&self.url);
        shards::host_of(ct)
    }

    /// The timestamp authority, with its path.
    pub(crate) fn timestamp_url(&self) -> String {
        let base = self.urls.tsa.as_deref().unwrap_or(&self.url);
        format!("{base}/api/v1/timestamp")
    }

    /// The TUF repository, with its path.
    pub(crate) fn tuf_url(&self) -> String {
        let base = self.urls.tuf.as_deref().unwrap_or(&self.url);
        format!("{base}/tuf")
    }

    /// All shards of a log, oldest first; the last one takes entries, or will when its predecessor is frozen.
    pub(crate) fn shards_of(&self, kind: Kind) -> Result<Vec<Shard>> {
        let first = match kind {
            Kind::RekorV1 => &self.rekor_v1,
            Kind::RekorV2 => &self.rekor_v2,
        };
        shards::all(kind, first, self, &self.later)
    }

    /// All shards of both Rekor logs.
    pub(crate) fn shards(&self) -> Result<Vec<Shard>> {
        let of = Kind::ALL.into_iter().map(|kind| self.shards_of(kind));
        Ok(of.collect::<Result<Vec<_>>>()?.concat())
    }

    /// A recorded shard and its record.
    pub(crate) fn record(&self, name: &str) -> Option<(Record, Shard)> {
        let record = self.later.iter().map(|(record, _)| record);
        let record = record.into_iter().find(|record| record.name() == name)?;
        let mut shards = self.shards_of(record.log).ok()?.into_iter();
        let shard = shards.find(|shard| shard.number == record.number)?;
        Some((record.clone(), shard))
    }

    /// The shard of a log that signing configs name: the last one, unless its time has not come.
    pub(crate) fn newest(&self, kind: Kind) -> Result<Shard> {
        let mut shards = self.shards_of(kind)?.into_iter();
        let newest = shards.rfind(|shard| !shard.is_waiting);
        newest.context("a log has a first shard")
    }

    /// The time of creation as trust files spell it.
    pub(crate) fn created_text(&self) -> Result<String> {
        Ok(self.created.format(&Rfc3339)?)
    }
}
