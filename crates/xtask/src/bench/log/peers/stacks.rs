//! How each peer is started: on loopback, durable, and otherwise with what helps it.

use super::program::{Stack, free_port};
use crate::shell::text;
use crate::tools::{REKOR, REKOR_TILES, TRILLIAN, mariadb, trillian_schema};
use anyhow::{Context, Result};
use keys::{Algorithm, KeyFolder, Purpose};
use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

/// Connections from each Trillian program to its database, kept open: without the bound a burst exceeds what the database
/// takes, and by default all but two are closed after each use.
const DATABASE_CONNECTIONS: usize = 64;
/// Where rekor-server opens its metrics on every address, with no way to say otherwise.
const REKOR_METRICS: u16 = 2112;
/// All of rekor-server's API but the search by hash, key and e-mail address, which needs Redis: the entry is in the log
/// without it, and leaving it out saves the peer work.
const REKOR_API: &str = "getLogInfo,getPublicKey,getLogProof,createLogEntry,getLogEntryByIndex,getLogEntryByUUID,searchLogQuery";

/// Whether rekor-tiles can be started.
pub(super) fn has_rekor_tiles() -> Result<()> {
    REKOR_TILES.program("posix").map(drop)
}

/// Starts rekor-tiles on files with its own choice of intervals.
pub(super) fn rekor_tiles(stack: &mut Stack) -> Result<String> {
    start_rekor_tiles(stack, &[])
}

/// Starts rekor-tiles with the shortest interval between checkpoints that its file storage accepts, and with batches that
/// wait a millisecond; for these it has no least.
pub(super) fn rekor_tiles_quick(stack: &mut Stack) -> Result<String> {
    start_rekor_tiles(
        stack,
        &["--checkpoint-interval=100ms", "--batch-max-age=1ms"],
    )
}

fn start_rekor_tiles(stack: &mut Stack, intervals: &[&str]) -> Result<String> {
    let program = REKOR_TILES.program("posix")?;
    let keys = KeyFolder::open(stack.folder().join("keys"))?;
    keys.load_or_create(Purpose::RekorV2, Algorithm::EcdsaP256)?;
    let (http, grpc, metrics) = (free_port()?, free_port()?, free_port()?);
    let mut arguments = vec![
        "serve".to_owned(),
        "--hostname=bench.example".to_owned(),
        "--http-address=127.0.0.1".to_owned(),
        format!("--http-port={http}"),
        format!("--http-metrics-port={metrics}"),
        "--grpc-address=127.0.0.1".to_owned(),
        format!("--grpc-port={grpc}"),
        format!("--storage-dir={}", stack.folder().join("log").display()),
        format!(
            "--signer-filepath={}",
            keys.path_of(Purpose::RekorV2).display()
        ),
        "--log-level=warn".to_owned(),
    ];
    arguments.extend(intervals.iter().map(|interval| (*interval).to_owned()));
    stack.start("rekor-tiles", &program, &arguments)?;
    stack.wait_for_port(http)?;
    Ok(format!("http://127.0.0.1:{http}"))
}

/// Whether rekor-server and all that it needs can be started.
pub(super) fn has_rekor() -> Result<()> {
    REKOR.program("rekor-server")?;
    TRILLIAN.program("trillian_log_server")?;
    TRILLIAN.program("trillian_log_signer")?;
    trillian_schema()?;
    mariadb("mariadb-install-db")?;
    mariadb("mariadbd")?;
    mariadb("mariadb")?;
    Ok(())
}

/// Starts rekor-server on Trillian on MariaDB; entries are sequenced every 100 ms, as by default.
pub(super) fn rekor(stack: &mut Stack) -> Result<String> {
    start_rekor(stack, "100ms")
}

/// The same, sequenced every 10 ms.
pub(super) fn rekor_quick(stack: &mut Stack) -> Result<String> {
    start_rekor(stack, "10ms")
}

fn start_rekor(stack: &mut Stack, sequenced_every: &str) -> Result<String> {
    let database = start_mariadb(stack)?;
    let uri = format!("root@unix({database})/trillian?parseTime=true&interpolateParams=true");
    let on_database = [
        "--quota_system=noop".to_owned(),
        "--storage_system=mysql".to_owned(),
        format!("--mysql_uri={uri}"),
        format!("--mysql_max_conns={DATABASE_CONNECTIONS}"),
        format!("--mysql_max_idle_conns={DATABASE_CONNECTIONS}"),
        "--http_endpoint=".to_owned(),
    ];
    let (log, signer) = (free_port()?, free_port()?);

    let mut arguments = on_database.to_vec();
    arguments.push(format!("--rpc_endpoint=127.0.0.1:{log}"));
    let program = TRILLIAN.program("trillian_log_server")?;
    stack.start("trillian_log_server", &program, &arguments)?;
    stack.wait_for_port(log)?;

    let mut arguments = on_database.to_vec();
    arguments.push(format!("--rpc_endpoint=127.0.0.1:{signer}"));
    arguments.push("--force_master".to_owned());
    arguments.push(format!("--sequencer_interval={sequenced_every}"));
    let program = TRILLIAN.program("trillian_log_signer")?;
    stack.start("trillian_log_signer", &program, &arguments)?;
    stack.wait_for_port(signer)?;

    stack.hold(REKOR_METRICS);
    let http = free_port()?;
    let arguments = [
        "serve".to_owned(),
        "--rekor_server.address=127.0.0.1".to_owned(),
        format!("--port={http}"),
        "--rekor_server.signer=memory".to_owned(),
        "--trillian_log_server.address=127.0.0.1".to_owned(),
        format!("--trillian_log_server.port={log}"),
        "--enable_retrieve_api=false".to_owned(),
        format!("--enabled_api_endpoints={REKOR_API}"),
        "--log_type=prod".to_owned(),
    ];
    // It makes its tree itself, and listens once the signer has signed the first head of it.
    stack.start("rekor-server", &REKOR.program("rekor-server")?, &arguments)?;
    stack.wait_for_port(http)?;
    Ok(format!("http://127.0.0.1:{http}"))
}

/// Starts MariaDB on a Unix socket, with the settings it comes with (every commit is on the disk), and makes Trillian's
/// tables. Gives the path of the socket.
fn start_mariadb(stack: &mut Stack) -> Result<String> {
    let folder = stack.folder().to_owned();
    let (data, socket) = (folder.join("mariadb"), folder.join("mariadb.sock"));
    // It refuses to run as root unless told so; the system's own user could not enter our folder.
    let whose = match text(Command::new("id").arg("-u"))?.as_str() {
        "0" => vec!["--user=root".to_owned()],
        _ => Vec::new(),
    };
    text(
        Command::new(mariadb("mariadb-install-db")?)
            .arg("--no-defaults")
            .args(&whose)
            .arg(format!("--datadir={}", data.display()))
            .args(["--auth-root-authentication-method=normal", "--skip-test-db"]),
    )
    .context("MariaDB's own tables")?;
    let mut arguments = vec![
        "--no-defaults".to_owned(),
        format!("--datadir={}", data.display()),
        format!("--socket={}", socket.display()),
        format!("--pid-file={}", folder.join("mariadb.pid").display()),
        "--skip-networking".to_owned(),
        format!("--max-connections={}", 4 * DATABASE_CONNECTIONS),
    ];
    arguments.extend(whose);
    stack.start("mariadbd", &mariadb("mariadbd")?, &arguments)?;
    stack.wait_for(|| UnixStream::connect(&socket).is_ok())?;
    sql(&socket, &["--execute=CREATE DATABASE trillian"], None)?;
    sql(&socket, &["trillian"], Some(&trillian_schema()?)).context("Trillian's tables")?;
    Ok(socket.display().to_string())
}

/// Runs the database's client, with SQL from a file when there is one.
fn sql(socket: &Path, arguments: &[&str], file: Option<&Path>) -> Result<()> {
    let mut command = Command::new(mariadb("mariadb")?);
    command
        .args(["--no-defaults", "--user=root"])
        .arg(format!("--socket={}", socket.display()))
        .args(arguments);
    if let Some(file) = file {
        command.stdin(File::open(file)?);
    }
    let output = command.output()?;
    anyhow::ensure!(
        output.status.success(),
        "mariadb: {}",
        crate::shell::both(&output)
    );
    Ok(())
}
