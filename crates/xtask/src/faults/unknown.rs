//! Commits of unknown outcome: the connection ends before or after the server committed, and the answer is lost.

use super::proxy::Proxy;
use super::stage::Stage;
use anyhow::{Context, Result, ensure};
use std::sync::atomic::Ordering;
use std::time::Duration;
use testkit::Cluster;

/// How long commits get lost.
const LOSING: Duration = Duration::from_secs(4);

pub(super) fn answers_lost() -> Result<()> {
    let cluster = Cluster::start().context("a server")?;
    let proxy = Proxy::start(cluster.socket_folder().join(".s.PGSQL.5432"))?;
    let direct = cluster.database();
    let (base, _) = direct.split_once('?').context("the database's URL")?;
    let port = proxy.address.port();
    let url = base.replace("@localhost/", &format!("@127.0.0.1:{port}/")) + "?sslmode=disable";
    let mut stage = Stage::begin(&url)?;
    std::thread::sleep(LOSING);
    stage.check_recovers()?;
    let stored = proxy.fates.answers_lost.load(Ordering::Relaxed);
    let lost = proxy.fates.commits_lost.load(Ordering::Relaxed);
    ensure!(
        stored > 0 && lost > 0,
        "{stored} answers and {lost} commits were lost"
    );
    stage.end(&format!(
        "{stored} commits stored whose answer was lost, {lost} commits lost"
    ))
}
