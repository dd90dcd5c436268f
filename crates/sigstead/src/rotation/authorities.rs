//! CA, CT log and timestamp authority of a process that serves, and how their keys change.

use super::Logs;
use super::served::{Later, Place};
use crate::instance::{Generation, Layout, PublicHalf, Role};
use anyhow::{Context, Result};
use clock::Clock;
use ct::CtLog;
use fulcio::TrustedChain;
use keys::Signer;
use pki::cert::Certificate;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What exchanges the keys, of those roles that the process has; clones share it.
#[derive(Clone)]
pub(crate) struct Authorities {
    clock: Clock,
    now: Arc<Mutex<Now>>,
}

/// What is in force.
#[derive(Default)]
struct Now {
    /// The CA, and the numbers of the generation that issues and of the CT log that it logs in.
    ca: Option<(fulcio::Switch, [u32; 2])>,
    /// The timestamp authority, and the number of the generation that stamps.
    tsa: Option<(tsa::Switch, u32)>,
    /// Every CT log that is in use here, by its generation's number; none when no role needs one.
    logs: Vec<(u32, CtLog)>,
    /// Where the CT logs behind the first are reached.
    later: Option<Later>,
}

impl Authorities {
    /// None yet.
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            now: Arc::default(),
        }
    }

    /// Opens the CT logs that are not about to be. Answers the first one and the one that takes entries.
    pub(crate) async fn open_logs(
        &self,
        public: &PublicHalf,
        logs: &Logs,
    ) -> Result<(CtLog, CtLog)> {
        let (mut first, mut active) = (None, None);
        for generation in public.generations(Role::Ct)? {
            // A pending one is opened by the rotation's own steps.
            if generation.is_pending {
                continue;
            }
            let (log, signer) = logs.open_ct(&generation).await?;
            let log = self.add_log(&generation, public, log, signer)?;
            first.get_or_insert_with(|| log.clone());
            active = Some(log);
        }
        first.zip(active).context("a role has a first generation")
    }

    /// Has the CT logs behind the first reached by these routes.
    pub(crate) fn route_logs(&self, public: &PublicHalf) -> Result<Later> {
        let later = Later::default();
        let mut now = self.lock();
        for generation in public.generations(Role::Ct)? {
            if let Some(log) = now.log(generation.number) {
                route(&later, &generation, log);
            }
        }
        now.later = Some(later.clone());
        Ok(later)
    }

    /// Changes the keys of this CA, which issues by the generation that is in force.
    pub(crate) fn follow_ca(&self, ca: fulcio::Switch, public: &PublicHalf) -> Result<()> {
        ca.show(bundle(public)?);
        let numbers = [
            public.active(Role::Ca)?.number,
            public.active(Role::Ct)?.number,
        ];
        self.lock().ca = Some((ca, numbers));
        Ok(())
    }

    /// Changes the keys of this timestamp authority, which stamps by the generation that is in force.
    pub(crate) fn follow_tsa(&self, tsa: tsa::Switch, public: &PublicHalf) -> Result<()> {
        let number = public.active(Role::Tsa)?.number;
        self.lock().tsa = Some((tsa, number));
        Ok(())
    }

    /// Whether the process has a CT log in use.
    pub(super) fn have_logs(&self) -> bool {
        !self.lock().logs.is_empty()
    }

    /// Takes a CT log into use; one that is in use already accepts the roots of CAs that came meanwhile.
    pub(super) fn add_log(
        &self,
        generation: &Generation,
        public: &PublicHalf,
        log: tlog::Log,
        signer: Signer,
    ) -> Result<CtLog> {
        let roots = chains(public)?;
        let mut now = self.lock();
        if let Some(log) = now.log(generation.number) {
            // Before one of them issues.
            log.accept(&roots);
            return Ok(log.clone());
        }
        let config = ct::Config {
            origin: generation.origin(&public.ct_host()?),
        };
        let deps = ct::Deps {
            log,
            signer,
            clock: self.clock.clone(),
            chains: roots,
        };
        let log = CtLog::new(config, deps);
        now.logs.push((generation.number, log.clone()));
        if let Some(later) = &now.later {
            route(later, generation, &log);
        }
        Ok(log)
    }

    /// Has the generations sign that are to. All CT logs are in use, and accept all roots.
    pub(super) fn apply(&self, layout: &Layout, public: &PublicHalf) -> Result<()> {
        let mut now = self.lock();
        let now = &mut *now;
        let next = public.active(Role::Ct)?;
        let log = now.log(next.number).cloned();
        if let Some((switch, [ca, ct])) = &mut now.ca {
            if *ct != next.number {
                switch.log_in(log.context("the CT log that is to sign is not in use")?);
                *ct = next.number;
            }
            let next = public.active(Role::Ca)?;
            if *ca != next.number {
                let signer = next.load_signer(layout)?;
                switch.issue_by(signer, next.chain().to_vec())?;
                *ca = next.number;
            }
            switch.show(bundle(public)?);
        }
        if let Some((switch, tsa)) = &mut now.tsa {
            let next = public.active(Role::Tsa)?;
            if *tsa != next.number {
                let signer = next.load_signer(layout)?;
                switch.stamp_by(tsa_deps(&next, signer, &self.clock))?;
                *tsa = next.number;
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Now {
    fn log(&self, number: u32) -> Option<&CtLog> {
        let mut logs = self.logs.iter();
        let found = logs.find(|(known, _)| *known == number);
        found.map(|(_, log)| log)
    }
}

/// The first log has its routes from the start.
fn route(later: &Later, generation: &Generation, log: &CtLog) {
    if generation.number > 1 {
        let place = Place::Ct(generation.path());
        later.add(generation.name(), place, || log.router());
    }
}

/// What a timestamp authority is made of.
pub(crate) fn tsa_deps(generation: &Generation, signer: Signer, clock: &Clock) -> tsa::Deps {
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
