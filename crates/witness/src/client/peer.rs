//! One witness as the log sees it: where it is, its key, what it has seen.

use super::metrics::Metrics;
use super::outcome::{Answer, Outcome};
use super::{Round, exchange};
use crate::trusted::TrustedKey;
use clock::Clock;
use reqwest::{Client, ClientBuilder, redirect};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use url::{Host, Url};

pub(super) struct Peer {
    /// Position in the policy's witnesses.
    pub(super) index: usize,
    /// Name in the policy.
    pub(super) label: String,
    pub(super) key: TrustedKey,
    /// Its add-checkpoint.
    pub(super) url: Url,
    pub(super) client: Client,
    pub(super) timeout: Duration,
    pub(super) clock: Clock,
    /// Size of the tree that it cosigned last, as far as we know. Held during an exchange: a witness that is asked
    /// twice at once would refuse one of the two.
    pub(super) seen: Arc<tokio::sync::Mutex<u64>>,
    /// How the last exchange ended; logs tell of changes, not of every round.
    pub(super) last: Mutex<Option<&'static str>>,
}

impl Peer {
    /// Asks for a cosignature, within this witness's time. `None`: the round ended before it was this one's turn.
    pub(super) async fn ask<T>(
        &self,
        round: &Round,
        listener: &mpsc::Sender<T>,
        metrics: &Metrics,
    ) -> Option<Answer> {
        let start = Instant::now();
        let work = async {
            // An earlier round's request may still be out. Waiting for it ends with our own round, so that no queue
            // grows behind a slow witness.
            let mut seen = tokio::select! {
                biased;
                seen = self.seen.lock() => seen,
                () = listener.closed() => return None,
            };
            Some(exchange::exchange(self, round, &mut seen).await)
        };
        let answer = match tokio::time::timeout(self.timeout, work).await {
            Ok(answer) => answer?,
            Err(_) => Answer::from(Outcome::TimedOut),
        };
        metrics.asked(&self.label, &answer.outcome, start.elapsed());
        self.tell(&answer.outcome);
        Some(answer)
    }

    /// Logs when the outcome is another than last time.
    fn tell(&self, outcome: &Outcome) {
        let label = Some(outcome.label());
        let before = {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *last, label)
        };
        let witness = &self.label;
        match outcome {
            _ if before == label => {}
            Outcome::Cosigned { .. } if before.is_none() => {}
            Outcome::Cosigned { .. } => tracing::info!(%witness, "the witness cosigns again"),
            // It saw another history of this log: a person should look.
            Outcome::Refused { status: 422, .. } => {
                tracing::error!(%witness, reason = %outcome, "no cosignature");
            }
            _ => tracing::warn!(%witness, reason = %outcome, "no cosignature"),
        }
    }
}

/// The HTTP clients: one a kind, made when first needed.
#[derive(Default)]
pub(super) struct Transport {
    direct: Option<Client>,
    usual: Option<Client>,
}

impl Transport {
    /// A client for this URL. Loopback is called directly, whatever proxy the environment names.
    pub(super) fn client(&mut self, url: &Url) -> Result<Client, String> {
        let (slot, builder) = match is_loopback(url) {
            true => (&mut self.direct, builder().no_proxy()),
            false => (&mut self.usual, builder()),
        };
        if let Some(client) = slot {
            return Ok(client.clone());
        }
        let client = builder.build().map_err(|error| exchange::cause(&error))?;
        Ok(slot.insert(client).clone())
    }
}

fn builder() -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("sigstead/", env!("CARGO_PKG_VERSION")))
        // A witness is at the URL that the policy says.
        .redirect(redirect::Policy::none())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
