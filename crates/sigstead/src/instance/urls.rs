//! URLs of roles that clients reach elsewhere than under the instance's URL.

use super::shards::host_of;
use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

/// Base URLs: scheme, host and port. What is missing is under the instance's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Urls {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fulcio: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rekor: Option<String>,
    /// Without one the v2 API is where the v1 API is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rekor_v2: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ct: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tsa: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tuf: Option<String>,
}

impl Urls {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The URLs of the logs, by name: Rekor v1, Rekor v2, CT. Their hosts stand in every checkpoint.
    pub(crate) fn of_logs<'a>(&'a self, base: &'a str) -> [(&'static str, &'a str); 3] {
        let or = |url: &'a Option<String>, other| url.as_deref().unwrap_or(other);
        let v1 = or(&self.rekor, base);
        [
            ("rekor.url", v1),
            ("rekor.v2_url", or(&self.rekor_v2, v1)),
            ("ct.url", or(&self.ct, base)),
        ]
    }

    /// Checks that these may take the place of others: no log gets another host.
    pub(super) fn check_follow(&self, old: &Self, base: &str) -> Result<()> {
        for ((what, new), (_, old)) in self.of_logs(base).into_iter().zip(old.of_logs(base)) {
            let (new, old) = (host_of(new)?, host_of(old)?);
            if new != old {
                bail!(
                    "{what}: the log's host {old:?} is part of every checkpoint and cannot become {new:?}. Keep the old host; \
                     a Rekor v2 log under another one is begun with `sigstead rotate log --log rekor-v2 --url URL`"
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_may_change_and_the_host_of_a_log_may_not() {
        let base = "https://sigstore.example.com";
        let rekor = |url: &str| Urls {
            rekor: Some(url.to_owned()),
            ..Urls::default()
        };
        let old = rekor("https://rekor.example.com");
        rekor("http://rekor.example.com:8443")
            .check_follow(&old, base)
            .unwrap();
        let error = Urls::default().check_follow(&old, base).unwrap_err();
        assert!(error.to_string().contains("rekor.url"), "{error}");
        let tsa = Urls {
            tsa: Some("https://tsa.example.com".to_owned()),
            ..old.clone()
        };
        tsa.check_follow(&old, base).unwrap();
    }
}
