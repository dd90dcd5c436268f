//! A temporary PostgreSQL cluster: one a test binary, a fresh database a test.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs the server until the test process closes its end of standard input, as it does however it ends. Signals of the
/// terminal are for the tests, not for the server that they still use.
const WATCH: &str = r#"
trap '' INT TERM HUP
"$BIN/initdb" --pgdata="$DIR/data" --username=postgres --auth=trust --encoding=UTF8 --locale=C --no-sync >"$DIR/log" 2>&1 &&
"$BIN/pg_ctl" --pgdata="$DIR/data" --log="$DIR/log" --wait --silent \
    --options="-c listen_addresses= -c unix_socket_directories=$DIR -c max_connections=300 -c fsync=on" start >>"$DIR/log" 2>&1 &&
echo ready
cat >/dev/null
"$BIN/pg_ctl" --pgdata="$DIR/data" --mode=immediate --silent stop >/dev/null 2>&1
rm -rf "$DIR"
"#;

/// Gives the URL of a fresh, empty database in a cluster that this test binary shares.
///
/// Returns `None`, and says so loudly and by the test's name, where no PostgreSQL server is installed.
///
/// # Panics
/// When a server is installed and does not start.
pub fn postgres() -> Option<String> {
    static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
    SHARED.get_or_init(Cluster::start).as_ref().map(Cluster::database).or_else(|| {
        let test = std::thread::current();
        eprintln!("SKIPPED {}: no PostgreSQL server (initdb and pg_ctl in PATH or /usr/lib/postgresql/*/bin)", test.name().unwrap_or("a test"));
        None
    })
}

/// A PostgreSQL server on a Unix socket in a temporary folder, with `fsync` on. Stops when dropped or when the process ends.
pub struct Cluster {
    bin: PathBuf,
    watch: Child,
    databases: AtomicUsize,
    // The watch removes it as well, for a process that is killed.
    folder: tempfile::TempDir,
}

impl Cluster {
    /// Starts a server, as the user `postgres` when this process is root. `None` where there is no server program.
    ///
    /// # Panics
    /// When the server does not start.
    pub fn start() -> Option<Self> {
        Self::start_in(&std::env::temp_dir())
    }

    /// Starts a server whose data are in a new folder in `parent`, which the user `postgres` must be able to enter.
    ///
    /// # Panics
    /// When the server does not start.
    pub fn start_in(parent: &Path) -> Option<Self> {
        let bin = programs()?;
        let folder = tempfile::Builder::new()
            .prefix("pg-")
            .tempdir_in(parent)
            .expect("a temporary folder");
        let mut command = as_server_user(folder.path());
        let mut watch = command
            .args(["sh", "-c", WATCH])
            .env("BIN", &bin)
            .env("DIR", folder.path())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("sh runs");
        let mut line = String::new();
        let answer = watch
            .stdout
            .take()
            .map(BufReader::new)
            .map(|mut out| out.read_line(&mut line));
        let log = || fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        assert!(
            matches!(answer, Some(Ok(_))) && line == "ready\n",
            "PostgreSQL does not start: {}",
            log()
        );
        Some(Self {
            bin,
            watch,
            databases: AtomicUsize::new(0),
            folder,
        })
    }

    /// True when there is a server program.
    pub fn is_installed() -> bool {
        programs().is_some()
    }

    /// The folder of the server's Unix socket `.s.PGSQL.5432`.
    pub fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    /// Creates an empty database and gives its URL.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn database(&self) -> String {
        let name = format!("t{}", self.databases.fetch_add(1, Ordering::SeqCst));
        let done = Command::new(self.bin.join("createdb"))
            .arg("--host")
            .arg(self.folder.path())
            .args(["--username=postgres", &name])
            .output();
        let done = done.expect("createdb runs");
        assert!(
            done.status.success(),
            "createdb: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        format!(
            "postgres://postgres@localhost/{name}?host={}",
            self.folder.path().display()
        )
    }

    /// Stops the server the way a crash does: no checkpoint, connections cut.
    pub fn crash(&self) {
        self.control(&["--mode=immediate", "stop"]);
    }

    /// Starts the server again after [`Cluster::crash`].
    pub fn resume(&self) {
        self.control(&["start"]);
    }

    /// Restarts the server the way a crash and a supervisor do: connections are cut, what was not committed is gone.
    pub fn restart(&self) {
        self.control(&["--mode=immediate", "restart"]);
    }

    /// True when the server runs; one whose disk is full may have stopped by itself.
    pub fn is_running(&self) -> bool {
        let data = self.folder.path().join("data");
        let status = as_user(&data)
            .arg(self.bin.join("pg_ctl"))
            .args(["--silent", "status"])
            .arg(format!("--pgdata={}", data.display()))
            .current_dir("/")
            .stdout(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    }

    fn control(&self, arguments: &[&str]) {
        let data = self.folder.path().join("data");
        let options = format!(
            "-c listen_addresses= -c unix_socket_directories={} -c max_connections=300 -c fsync=on",
            self.folder.path().display()
        );
        let done = as_user(&data)
            .arg(self.bin.join("pg_ctl"))
            .args(["--wait", "--silent"])
            .arg(format!("--pgdata={}", data.display()))
            .arg(format!(
                "--log={}",
                self.folder.path().join("log").display()
            ))
            .arg(format!("--options={options}"))
            .args(arguments)
            .current_dir("/")
            .status();
        assert!(
            done.is_ok_and(|status| status.success()),
            "pg_ctl {arguments:?} fails"
        );
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.watch.stdin.take());
        let _ = self.watch.wait();
    }
}

/// The folder of `initdb` and `pg_ctl`.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"));
    let mut debian: Vec<PathBuf> = debian.collect();
    debian.sort();
    std::env::split_paths(&path)
        .chain(debian.into_iter().rev())
        .find(|bin| {
            ["initdb", "pg_ctl", "createdb"]
                .iter()
                .all(|name| bin.join(name).is_file())
        })
}

/// Gives the folder to the user whom the server will run as; the server refuses to run as root.
fn as_server_user(folder: &Path) -> Command {
    if let Some((user, group)) = server_user() {
        // Others pass through to the socket, which a client of any user may use.
        fs::set_permissions(folder, Permissions::from_mode(0o755)).expect("our own folder");
        chown(folder, Some(user), Some(group)).expect("root may give a folder away");
    }
    as_user(folder)
}

/// A command that runs as the owner of `path`.
fn as_user(path: &Path) -> Command {
    let owner = fs::metadata(path).expect("a folder of ours");
    if !is_root() {
        return Command::new("env");
    }
    let mut command = Command::new("setpriv");
    command
        .args([
            format!("--reuid={}", owner.uid()),
            format!("--regid={}", owner.gid()),
        ])
        .args(["--clear-groups", "--"]);
    command
}

/// User and group `postgres`, when this process is root and has to be somebody else.
fn server_user() -> Option<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd")
        .ok()
        .filter(|_| is_root())?;
    let line = users
        .lines()
        .find_map(|line| line.strip_prefix("postgres:"))?;
    let mut fields = line.split(':').skip(1);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
