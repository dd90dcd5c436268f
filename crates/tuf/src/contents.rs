//! What the repository distributes: named files with metadata for old clients.

use crate::TufError;
use crate::name::{FileName, is_content_name};
use formats::trust::{CertificateAuthority, LogInstance, TrustedRoot};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use tough::TargetName;
use tough::schema::{Hashes, Target};

/// The content that clients build their trust on.
const TRUSTED_ROOT: &str = "trusted_root.json";

/// A file that the repository distributes (a TUF target).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// What clients ask for: letters, digits, `.`, `_`, `-`.
    pub name: String,
    /// The file.
    pub bytes: Vec<u8>,
    /// `custom.sigstore` of clients that look up single keys (sigstore's `usage_type.go`, `status_type.go`).
    custom: Option<Value>,
}

impl Content {
    /// A file that clients ask for by name.
    pub fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            bytes: bytes.into(),
            custom: None,
        }
    }

    /// A single key or certificate that old clients find by its use: `Fulcio`, `Rekor`, `CTFE` or `TSA`.
    #[must_use]
    pub fn legacy(mut self, usage: &str, is_active: bool, uri: &str) -> Self {
        let status = if is_active { "Active" } else { "Expired" };
        self.custom = Some(json!({"usage": usage, "status": status, "uri": uri}));
        self
    }

    pub(crate) fn file(&self) -> FileName {
        FileName::content(&hex::encode(Sha256::digest(&self.bytes)), &self.name)
    }

    fn target(&self) -> Target {
        let custom = self.custom.iter();
        Target {
            length: u64::try_from(self.bytes.len()).unwrap_or(u64::MAX),
            hashes: Hashes {
                sha256: Sha256::digest(&self.bytes).to_vec().into(),
                _extra: HashMap::new(),
            },
            custom: custom.map(|c| ("sigstore".to_owned(), c.clone())).collect(),
            _extra: HashMap::new(),
        }
    }
}

/// The targets as TUF has them.
pub(crate) fn targets(contents: &[Content]) -> Result<HashMap<TargetName, Target>, TufError> {
    let named = contents.iter().map(|content| {
        let refused = || TufError::ContentName {
            name: content.name.clone(),
        };
        if !is_content_name(&content.name) {
            return Err(refused());
        }
        let name = TargetName::new(content.name.clone()).map_err(|_| refused())?;
        Ok((name, content.target()))
    });
    named.collect()
}

/// Where a published target is.
pub(crate) fn file_of(name: &TargetName, target: &Target) -> FileName {
    FileName::content(&hex::encode(&target.hashes.sha256), name.raw())
}

/// Where the published trusted root is, if there is one.
pub(crate) fn published_root(targets: &HashMap<TargetName, Target>) -> Option<FileName> {
    let mut named = targets.iter();
    let (name, target) = named.find(|(name, _)| name.raw() == TRUSTED_ROOT)?;
    Some(file_of(name, target))
}

/// Checks that a new trusted root has every log and every authority of the published one (spec b.5: never remove).
///
/// A folder restored from an old backup, or another process's old copy of it, would take keys from all clients.
pub(crate) fn check_keeps(published: &[u8], contents: &[Content]) -> Result<(), TufError> {
    let Some(new) = contents.iter().find(|content| content.name == TRUSTED_ROOT) else {
        return Ok(());
    };
    let parse = |bytes| TrustedRoot::parse(bytes).map_err(TufError::library);
    let (old, new) = (
        instances(&parse(published)?),
        instances(&parse(&new.bytes)?),
    );
    for (id, (what, has_ended)) in old {
        let forgotten = match new.get(&id) {
            None => what,
            // A log that was frozen stays frozen.
            Some((_, ends_still)) if has_ended && !ends_still => format!("the end of {what}"),
            Some(_) => continue,
        };
        return Err(TufError::WouldForget { what: forgotten });
    }
    Ok(())
}

/// Logs by their IDs, authorities by their chains; with a name for messages and whether they have ended.
fn instances(root: &TrustedRoot) -> BTreeMap<Vec<u8>, (String, bool)> {
    let log = |kind: &'static str| {
        move |log: &LogInstance| {
            let id: &[u8] = log.log_id.key_id.as_ref();
            let ended = log.public_key.valid_for.as_ref();
            let ended = ended.is_some_and(|range| range.end.is_some());
            (id.to_vec(), (format!("the {kind} {}", log.base_url), ended))
        }
    };
    let authority = |kind: &'static str| {
        move |authority: &CertificateAuthority| {
            let chain = authority.cert_chain.certificates.iter();
            let id = chain.flat_map(|c| AsRef::<[u8]>::as_ref(&c.raw_bytes).to_vec());
            let ended = authority.valid_for.end.is_some();
            let name = format!("the {kind} {}", authority.uri);
            (id.collect(), (name, ended))
        }
    };
    let tlogs = root.tlogs.iter().map(log("log"));
    let ctlogs = root.ctlogs.iter().map(log("CT log"));
    let cas = root.certificate_authorities.iter();
    let tsas = root.timestamp_authorities.iter();
    tlogs
        .chain(ctlogs)
        .chain(cas.map(authority("certificate authority")))
        .chain(tsas.map(authority("timestamp authority")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(ids: &[(u8, Option<&str>)]) -> Vec<u8> {
        use base64ish as b64;
        let tlogs: Vec<Value> = ids
            .iter()
            .map(|(id, end)| {
                let mut valid = json!({"start": "2026-01-01T00:00:00Z"});
                if let Some(end) = end {
                    valid["end"] = json!(end);
                }
                json!({"baseUrl": format!("https://log{id}.example"), "hashAlgorithm": "SHA2_256",
                    "publicKey": {"rawBytes": "AA==", "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": valid},
                    "logId": {"keyId": b64(*id)}})
            })
            .collect();
        let media_type = formats::trust::TRUSTED_ROOT;
        json!({"mediaType": media_type, "tlogs": tlogs})
            .to_string()
            .into_bytes()
    }

    /// 32 bytes, all below 4 and the same, in base64: a single letter does.
    fn base64ish(id: u8) -> String {
        ["A", "B", "C", "D"][usize::from(id)]
            .repeat(43)
            .replacen('D', "A", 0)
            + "="
    }

    fn check(old: &[(u8, Option<&str>)], new: &[(u8, Option<&str>)]) -> Result<(), TufError> {
        check_keeps(&root(old), &[Content::new(TRUSTED_ROOT, root(new))])
    }

    #[test]
    fn a_log_is_added_and_ended_and_never_forgotten() {
        let end = Some("2026-06-01T00:00:00Z");
        check(&[(0, None)], &[(0, end), (1, None)]).unwrap();
        let forgotten = check(&[(0, end), (1, None)], &[(0, end)]).unwrap_err();
        assert!(forgotten.to_string().contains("https://log1.example"));
        let thawed = check(&[(0, end)], &[(0, None)]).unwrap_err().to_string();
        assert!(
            thawed.contains("the end of the log https://log0.example"),
            "{thawed}"
        );
    }

    #[test]
    fn a_name_with_a_path_is_refused() {
        for name in ["", "../a", "a/b", ".hidden"] {
            assert!(matches!(
                targets(&[Content::new(name, "")]),
                Err(TufError::ContentName { .. })
            ));
        }
    }
}
