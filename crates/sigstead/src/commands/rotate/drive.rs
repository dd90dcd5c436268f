//! Who does what is recorded: the process that serves the folder, while this one waits; without one this one does it.

use crate::cli::{DataArgs, DatabaseArgs};
use crate::instance::{Description, Instance, Layout, PublicHalf, describe};
use crate::outward::Outward;
use crate::rotation::{self, Authorities, Keeper, Logs, Opener, Progress};
use crate::tuf_repository;
use anyhow::{Context, Result, bail};
use clock::Clock;
use indicatif::{ProgressBar, ProgressDrawTarget};
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use tlog::FileGuard;

/// A serving process looks four times a second; then it is a handful of small writes.
const WAIT: Duration = Duration::from_secs(60);
const PERIOD: Duration = Duration::from_millis(100);
/// A switch that is not farther away is waited for.
const SHORT: time::Duration = time::Duration::seconds(30);

/// What a command wants to come to be.
pub(super) trait Planned {
    /// How far it is, after what is recorded.
    fn state(&self, description: &Description, public: &PublicHalf) -> Result<State>;
}

/// How far a plan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Done,
    /// Published; the rest comes by itself at this time.
    Waits(OffsetDateTime),
    Open,
}

/// Which instance, and how to speak of it.
pub(super) struct Place<'a> {
    pub(super) data: &'a DataArgs,
    pub(super) database: &'a DatabaseArgs,
    pub(super) clock: Clock,
    pub(super) quiet: bool,
}

/// How a plan was carried out.
pub(super) struct Driven {
    /// By this command, not by a serving process.
    pub(super) by_us: bool,
    /// The rest comes at this time.
    pub(super) waits: Option<OffsetDateTime>,
}

/// Sees to what is recorded: by `taken`, or by waiting for the serving process. When that ends meanwhile, it is done here.
pub(super) async fn drive(
    place: &Place<'_>,
    layout: &Layout,
    planned: &dyn Planned,
    taken: Option<Taken>,
) -> Result<Driven> {
    if let Some(taken) = taken {
        return finish(place, layout, planned, taken).await;
    }
    let bar = spinner(place.quiet);
    let since = Instant::now();
    loop {
        let state = state(layout, planned)?;
        if let Some(waits) = is_enough(state, place.clock.now()) {
            bar.finish_and_clear();
            return Ok(Driven {
                by_us: false,
                waits,
            });
        }
        bar.set_message(format!(
            "waiting for the process that serves {}",
            layout.root().display()
        ));
        bar.tick();
        if let Some(taken) = Taken::try_take(place).await.context(
            "the process that served the folder ended before the rotation did; the next `sigstead up` finishes it",
        )? {
            let driven = finish(place, layout, planned, taken).await;
            bar.finish_and_clear();
            return driven;
        }
        if since.elapsed() > WAIT {
            bail!(
                "the process that serves {} has not finished the rotation within {} s. It is recorded: that process goes on \
                 with it, or its next start does; what holds it up is in its log",
                layout.root().display(),
                WAIT.as_secs()
            );
        }
        tokio::time::sleep(PERIOD).await;
    }
}

async fn finish(
    place: &Place<'_>,
    layout: &Layout,
    planned: &dyn Planned,
    taken: Taken,
) -> Result<Driven> {
    let finished = async {
        loop {
            taken.step().await?;
            if let Some(waits) = is_enough(state(layout, planned)?, place.clock.now()) {
                return Ok(Driven { by_us: true, waits });
            }
            tokio::time::sleep(PERIOD).await;
        }
    };
    let finished = finished.await;
    taken.close().await;
    finished
}

fn state(layout: &Layout, planned: &dyn Planned) -> Result<State> {
    let description = describe(layout)?;
    let public = PublicHalf::load(layout, &description)?;
    planned.state(&description, &public)
}

/// Whether the command may end, and what then comes later.
fn is_enough(state: State, now: OffsetDateTime) -> Option<Option<OffsetDateTime>> {
    match state {
        State::Done => Some(None),
        State::Waits(until) if until - now > SHORT => Some(Some(until)),
        State::Waits(_) | State::Open => None,
    }
}

/// A folder that nobody serves, taken for the time of the rotation.
pub(super) struct Taken {
    pub(super) logs: Arc<Logs>,
    pub(super) keeper: Keeper,
}

impl Taken {
    /// `None` when a process serves the folder.
    pub(super) async fn try_take(place: &Place<'_>) -> Result<Option<Self>> {
        let Ok(layout) = Layout::lock(&place.data.data_dir) else {
            return Ok(None);
        };
        let instance = Instance::open_stopped(layout)?;
        let database = place.database.or_file_in(&instance.layout);
        let clock = &place.clock;
        let opener = Opener {
            store: database.open(false).await?,
            guard: FileGuard::open(&instance.layout.guard())?,
            clock: clock.clone(),
            is_new: false,
            limits: rotation::limits(),
            outward: Outward::default(),
        };
        let logs = Arc::new(Logs::new(&instance, opener)?);
        let keeper = Keeper {
            clock: clock.clone(),
            logs: Some(logs.clone()),
            served: None,
            authorities: Authorities::new(clock.clone()),
            oidc: crate::commands::trust::oidc_url(&instance.layout),
            tuf: Some(tuf_repository::open(&instance.layout, &database, clock)?),
            shows_trust: true,
            advances: true,
            layout: instance.layout,
        };
        Ok(Some(Self { logs, keeper }))
    }

    /// Does what is to be done now.
    pub(super) async fn step(&self) -> Result<()> {
        let progress = self.keeper.go_on().await;
        progress.and_then(Progress::unless_held_up).map(drop)
    }

    /// Closes the logs, and what they stand on.
    pub(super) async fn close(self) {
        self.logs.close().await;
    }
}

/// On a terminal, on standard error, so that the outcome can be piped.
fn spinner(quiet: bool) -> ProgressBar {
    let target = match std::io::stderr().is_terminal() && !quiet {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::new_spinner();
    bar.set_draw_target(target);
    bar
}
