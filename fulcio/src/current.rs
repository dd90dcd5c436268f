//! What certificates are issued with now; exchanged while requests are served.

use crate::BuildError;
use crate::authority::Authority;
use crate::limits::SUCCESSOR_WAIT;
use clock::Clock;
use ct::{CtError, CtLog};
use keys::Signer;
use pki::cert::Certificate;
use pki::sct::Sct;
use std::sync::Arc;
use time::OffsetDateTime;
use tokio::sync::watch;

/// One moment's CA, CT log and trust bundle. An issuance keeps to one CA from its beginning to its end.
pub(crate) struct Moment {
    pub(crate) authority: Arc<Authority>,
    ct: CtLog,
    bundle: Vec<TrustedChain>,
}

/// A chain that the trust bundle shows.
#[derive(Clone, Debug)]
pub struct TrustedChain {
    /// Issuing CA first, root last.
    pub chain: Vec<Certificate>,
    /// Until when; `None` while it is in use.
    pub until: Option<OffsetDateTime>,
}

/// Exchanges CA, CT log and trust bundle of a certificate authority that serves. Clones share them.
#[derive(Clone)]
pub struct Switch {
    moments: watch::Sender<Arc<Moment>>,
    clock: Clock,
}

impl Switch {
    pub(crate) fn new(authority: Authority, ct: CtLog, clock: Clock) -> Self {
        let bundle = vec![TrustedChain {
            chain: authority.chain().to_vec(),
            until: None,
        }];
        let first = Moment {
            authority: Arc::new(authority),
            ct,
            bundle,
        };
        Self {
            moments: watch::Sender::new(Arc::new(first)),
            clock,
        }
    }

    /// Issues by another CA from now on: its key, and its chain, issuing CA first, root last. The CT log must accept the
    /// root already. What is being issued is finished by the CA that began it.
    ///
    /// # Errors
    /// As [`crate::build`] does for key and chain; then nothing changes.
    pub fn issue_by(&self, signer: Signer, chain: Vec<Certificate>) -> Result<(), BuildError> {
        let authority = Arc::new(Authority::new(signer, chain, self.clock.now())?);
        self.change(|moment| Moment {
            authority,
            ..moment
        });
        Ok(())
    }

    /// Logs precertificates in another CT log from now on. To be called before the old one is frozen.
    pub fn log_in(&self, ct: CtLog) {
        self.change(|moment| Moment { ct, ..moment });
    }

    /// Shows these chains in the trust bundle, in this order.
    pub fn show(&self, bundle: Vec<TrustedChain>) {
        self.change(|moment| Moment { bundle, ..moment });
    }

    pub(crate) fn now(&self) -> Arc<Moment> {
        self.moments.borrow().clone()
    }

    fn change(&self, next: impl FnOnce(Moment) -> Moment) {
        let mut next = Some(next);
        self.moments.send_modify(|moment| {
            if let Some(next) = next.take() {
                *moment = Arc::new(next(moment.copy()));
            }
        });
    }

    /// The chains that the trust bundle shows at this time.
    pub(crate) fn bundle(&self) -> Vec<Vec<Certificate>> {
        let now = self.clock.now();
        let moment = self.now();
        let valid = moment.bundle.iter().filter(|trusted| {
            let expired = |certificate: &Certificate| certificate.not_after() < now;
            trusted.until.is_none_or(|until| now <= until) && !trusted.chain.iter().any(expired)
        });
        valid.map(|trusted| trusted.chain.clone()).collect()
    }

    /// Logs a precertificate. When the log is found frozen the one after it takes the entry: it is there already, or comes
    /// within a moment, when another process froze first.
    pub(crate) async fn log(
        &self,
        precertificate: &Certificate,
        chain: &[Certificate],
    ) -> Result<Sct, CtError> {
        let mut moments = self.moments.subscribe();
        let mut ct = self.now().ct.clone();
        loop {
            let logged = ct.add_pre_chain(precertificate, chain).await;
            if !matches!(logged, Err(CtError::Frozen)) {
                return logged;
            }
            let frozen = ct.log().name().to_owned();
            let other = moments.wait_for(|moment| moment.ct.log().name() != frozen);
            ct = match tokio::time::timeout(SUCCESSOR_WAIT, other).await {
                Ok(Ok(moment)) => moment.ct.clone(),
                _ => return Err(CtError::Frozen),
            };
        }
    }
}

impl Moment {
    fn copy(&self) -> Self {
        Self {
            authority: self.authority.clone(),
            ct: self.ct.clone(),
            bundle: self.bundle.clone(),
        }
    }
}
