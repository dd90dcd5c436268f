//! The server restarts, is away, or cuts connections.

use super::stage::Stage;
use anyhow::{Context, Result};
use sqlx::{Connection, PgConnection};
use std::time::{Duration, Instant};
use testkit::Cluster;

/// Restarts under load.
const RESTARTS: u32 = 3;
/// How long connections are cut, and how often.
const CUTTING: Duration = Duration::from_secs(3);
const CUT_PERIOD: Duration = Duration::from_millis(20);

const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()";

/// `pg_ctl restart -m immediate`, again and again.
pub(super) fn restarted() -> Result<()> {
    let cluster = Cluster::start().context("a server")?;
    let mut stage = Stage::begin(&cluster.database())?;
    let mut longest = Duration::ZERO;
    for _ in 0..RESTARTS {
        cluster.restart();
        longest = longest.max(stage.check_recovers()?);
    }
    stage.end(&format!(
        "{RESTARTS} restarts of the server, back within {longest:.1?}"
    ))
}

/// Stopped for as long as it takes to be noticed everywhere.
pub(super) fn away() -> Result<()> {
    let cluster = Cluster::start().context("a server")?;
    let mut stage = Stage::begin(&cluster.database())?;
    cluster.crash();
    stage.check_refuses()?;
    cluster.resume();
    let took = stage.check_recovers()?;
    stage.end(&format!("the server away, back within {took:.1?}"))
}

/// All connections are terminated fifty times a second.
pub(super) fn connections_cut() -> Result<()> {
    let cluster = Cluster::start().context("a server")?;
    let url = cluster.database();
    let mut stage = Stage::begin(&url)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let cut = runtime.block_on(async {
        let mut connection = PgConnection::connect(&url).await?;
        let (start, mut cut) = (Instant::now(), 0);
        while start.elapsed() < CUTTING {
            cut += sqlx::query(CUT).fetch_all(&mut connection).await?.len();
            tokio::time::sleep(CUT_PERIOD).await;
        }
        anyhow::Ok(cut)
    })?;
    stage.check_recovers()?;
    stage.end(&format!("{cut} connections cut"))
}
