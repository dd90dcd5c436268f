//! Trusted times: from timestamp tokens and from logs' signed integrated times (spec/clients.md c.2 step 1).

use crate::Context;
use crate::failure::Failure;
use crate::material::Material;
use crate::timestamp;
use crate::tlog::LogEntry;
use std::collections::BTreeSet;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The set T: every moment at which the signature provably existed.
#[derive(Default)]
pub(crate) struct Times {
    pub(crate) at: BTreeSet<OffsetDateTime>,
    /// Who vouched: the count for the policy's threshold.
    pub(crate) parties: BTreeSet<String>,
    /// One line for each time.
    pub(crate) evidence: Vec<String>,
    /// Tokens that do not verify. A bad entry time is the log step's failure instead.
    pub(crate) failures: Vec<Failure>,
}

/// Collects T. A token that does not verify is a failure, not merely uncounted (spec c.2.1a, c.5).
pub(crate) fn establish(
    cx: &Context<'_>,
    material: &Material<'_>,
    entries: &[LogEntry<'_>],
) -> Times {
    let mut times = Times::default();
    for (position, token) in material.tokens.iter().enumerate() {
        match timestamp::verify_token(token, material.signature, cx.trust, &cx.budget) {
            Ok(stamp) => times.add(
                stamp.at,
                format!("tsa {}", stamp.party),
                &format!("timestamp authority {}", stamp.label),
            ),
            Err(reason) => times.failures.push(Failure::Timestamp { position, reason }),
        }
    }
    // b. integratedTime counts only under a verified SET; c. v2 entries give no time.
    for entry in entries {
        if let (Some(log), Some(Ok(at))) = (entry.log, &entry.promised_time) {
            times.add(
                *at,
                format!("log {}", log.party),
                &format!("log {}", log.label),
            );
        }
    }
    times
}

impl Times {
    fn add(&mut self, at: OffsetDateTime, party: String, source: &str) {
        self.evidence
            .push(format!("signed at {} ({source})", show(at)));
        self.at.insert(at);
        self.parties.insert(party);
    }
}

/// A time for people: RFC 3339, UTC.
pub(crate) fn show(at: OffsetDateTime) -> String {
    at.format(&Rfc3339)
        .unwrap_or_else(|_| at.unix_timestamp().to_string())
}
