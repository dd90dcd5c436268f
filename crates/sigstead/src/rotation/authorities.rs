//! CA, CT log and timestamp authority of a process that serves, and how their keys change.

use super::Logs;
use crate::instance::{Generation, Instance, Layout, PublicHalf, Role};
use anyhow::{Context, Result};
use axum::Router;
use clock::Clock;
use ct::CtLog;
use fulcio::TrustedChain;
use keys::Signer;
use pki::cert::Certificate;
use prometheus::Registry;
use std::sync::{Arc, Mutex, PoisonError};

/// What exchanges the keys; clones share it.
#[derive(Clone)]
pub(crate) struct Authorities {
    ca: fulcio::Switch,
    tsa: tsa::Switch,
    clock: Clock,
    now: Arc<Mutex<Now>>,
}

/// What is in force.
struct Now {
    /// Numbers of the generations that sign: CA, CT log, timestamp authority.
    signing: [u32; 3],
    /// Every CT log that is served, by its generation's number.
    logs: Vec<(u32, CtLog)>,
}

impl Authorities {
    /// Builds the three roles with the generations that sign now. Answers their routes as well: the CA's, the first CT
    /// log's below `/ctlog`, the timestamp authority's.
    pub(crate) async fn begin(
        instance: &Instance,
        logs: &Logs,
        issuers: fulcio::Config,
        registry: &Registry,
    ) -> Result<(Self, Router)> {
        let clock = logs.clock().clone();
        let active = |role| instance.public.active(role);
        let (ca, ct, tsa) = (active(Role::Ca)?, active(Role::Ct)?, active(Role::Tsa)?);
        let roots = chains(&instance.public)?;
        let mut served = Vec::new();
        let mut first = Router::new();
        for generation in instance.public.generations(Role::Ct)? {
            // A pending one is opened by the rotation's own steps.
            if generation.is_pending {
                continue;
            }
            let (log, signer) = logs.open_ct(&generation).await?;
            let log = ct_log(&generation, &instance.public, log, signer, &clock, &roots);
            if generation.number == 1 {
                first = log.router();
            }
            served.push((generation.number, log));
        }
        let in_use = served.iter().find(|(number, _)| *number == ct.number);
        let (_, in_use) = in_use.context("the CT log that signs is served")?;
        let deps = fulcio::Deps {
            signer: instance.signer_of(&ca)?,
            chain: ca.chain().to_vec(),
            ct: in_use.clone(),
            clock: clock.clone(),
            registry: registry.clone(),
        };
        let (ca_router, ca_switch) =
            fulcio::build_switchable(issuers, deps).context("certificate authority")?;
        let deps = tsa_deps(&tsa, instance.signer_of(&tsa)?, &clock);
        let (tsa_router, tsa_switch) =
            tsa::build_switchable(tsa::Config {}, deps).context("timestamp authority")?;
        ca_switch.show(bundle(&instance.public)?);
        let this = Self {
            ca: ca_switch,
            tsa: tsa_switch,
            clock,
            now: Arc::new(Mutex::new(Now {
                signing: [ca.number, ct.number, tsa.number],
                logs: served,
            })),
        };
        Ok((this, ca_router.merge(tsa_router).nest("/ctlog", first)))
    }

    /// The served CT log of a generation; one that is new is taken into service.
    pub(super) fn serve_ct(
        &self,
        generation: &Generation,
        public: &PublicHalf,
        log: tlog::Log,
        signer: Signer,
    ) -> Result<CtLog> {
        let roots = chains(public)?;
        let mut now = self.lock();
        let known = now.logs.iter().find(|(number, _)| *number == generation.number);
        if let Some((_, log)) = known {
            // Roots of CAs that came meanwhile, before one of them issues.
            log.accept(&roots);
            return Ok(log.clone());
        }
        let log = ct_log(generation, public, log, signer, &self.clock, &roots);
        now.logs.push((generation.number, log.clone()));
        Ok(log)
    }

    /// Has the generations sign that are recorded to. All CT logs are served, and accept all roots.
    pub(super) fn apply(&self, layout: &Layout, public: &PublicHalf) -> Result<()> {
        let mut now = self.lock();
        let now = &mut *now;
        let [ca, ct, tsa] = &mut now.signing;
        let next = public.active(Role::Ct)?;
        if *ct != next.number {
            let log = now.logs.iter().find(|(number, _)| *number == next.number);
            let (_, log) = log.context("the CT log that is to sign is not served")?;
            self.ca.log_in(log.clone());
            *ct = next.number;
        }
        let next = public.active(Role::Ca)?;
        if *ca != next.number {
            let signer = next.load_signer(layout)?;
            self.ca.issue_by(signer, next.chain().to_vec())?;
            *ca = next.number;
        }
        let next = public.active(Role::Tsa)?;
        if *tsa != next.number {
            let signer = next.load_signer(layout)?;
            self.tsa.stamp_by(tsa_deps(&next, signer, &self.clock))?;
            *tsa = next.number;
        }
        self.ca.show(bundle(public)?);
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ct_log(
    generation: &Generation,
    public: &PublicHalf,
    log: tlog::Log,
    signer: Signer,
    clock: &Clock,
    chains: &[Vec<Certificate>],
) -> CtLog {
    let config = ct::Config {
        origin: generation.origin(&public.host),
    };
    let deps = ct::Deps {
        log,
        signer,
        clock: clock.clone(),
        chains: chains.to_vec(),
    };
    CtLog::new(config, deps)
}

fn tsa_deps(generation: &Generation, signer: Signer, clock: &Clock) -> tsa::Deps {
    tsa::Deps {
        signer,
        chain: generation.chain().to_vec(),
        clock: clock.clone(),
    }
}

/// The chains of every CA ever made, also of the one that is about to issue.
fn chains(public: &PublicHalf) -> Result<Vec<Vec<Certificate>>> {
    let all = public.generations(Role::Ca)?;
    Ok(all.iter().map(|ca| ca.chain().to_vec()).collect())
}

/// The trust bundle: newest first, each until its end.
fn bundle(public: &PublicHalf) -> Result<Vec<TrustedChain>> {
    let all = public.generations(Role::Ca)?;
    let newest_first = all.iter().rev();
    let shown = newest_first.map(|ca| TrustedChain {
        chain: ca.chain().to_vec(),
        until: ca.end(),
    });
    Ok(shown.collect())
}
