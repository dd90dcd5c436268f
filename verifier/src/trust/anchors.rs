//! What a trusted root names, and until when: for people who have to exchange it in time.

use super::{Authority, Log, TrustList, TrustMaterial};
use pki::cert::Certificate;
use time::OffsetDateTime;

/// A log's key or an authority's chain in a trusted root, with its end of life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The list that it stands in.
    pub list: TrustList,
    /// URL of the service; the common name of the first certificate for an authority without one.
    pub name: String,
    /// The log's ID, or SHA-256 of the first certificate's SPKI; lower-case hexadecimal digits.
    pub id: String,
    /// When it was taken into use.
    pub from: OffsetDateTime,
    /// When it was taken out of use; `None` while it is in use.
    pub until: Option<OffsetDateTime>,
    /// When the first certificate of its chain ends; `None` for logs, whose keys do not.
    pub certificates_until: Option<OffsetDateTime>,
}

impl Anchor {
    /// The last moment that it can vouch for; `None` when no end is set.
    pub fn end(&self) -> Option<OffsetDateTime> {
        [self.until, self.certificates_until]
            .into_iter()
            .flatten()
            .min()
    }
}

impl TrustMaterial {
    /// Lists logs, CT logs, CAs and timestamp authorities, each in the root's order. Logs that are set aside are not
    /// among them, see [`TrustMaterial::ignored`].
    pub fn anchors(&self) -> Vec<Anchor> {
        let logs = [
            (TrustList::Tlogs, &self.tlogs),
            (TrustList::Ctlogs, &self.ctlogs),
        ];
        let authorities = [
            (
                TrustList::CertificateAuthorities,
                &self.certificate_authorities,
            ),
            (TrustList::TimestampAuthorities, &self.timestamp_authorities),
        ];
        let logs = logs
            .into_iter()
            .flat_map(|(list, logs)| logs.iter().map(move |log| of_log(list, log)));
        let authorities = authorities
            .into_iter()
            .flat_map(|(list, all)| all.iter().map(move |one| of_authority(list, one)));
        logs.chain(authorities).collect()
    }
}

fn of_log(list: TrustList, log: &Log) -> Anchor {
    Anchor {
        list,
        name: log.label.clone(),
        id: hex::encode(log.id),
        from: log.validity.start,
        until: log.validity.end,
        certificates_until: None,
    }
}

fn of_authority(list: TrustList, authority: &Authority) -> Anchor {
    let first = authority.chain.first();
    let name = match authority.uri.as_str() {
        "" => first.and_then(Certificate::subject_common_name),
        uri => Some(uri.to_owned()),
    };
    let ends = authority.chain.iter().map(Certificate::not_after);
    Anchor {
        list,
        name: name.unwrap_or_default(),
        id: first.map_or_else(String::new, |one| hex::encode(one.public_key().key_id())),
        from: authority.validity.start,
        until: authority.validity.end,
        certificates_until: ends.min(),
    }
}
