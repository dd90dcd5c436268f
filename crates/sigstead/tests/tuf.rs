//! The TUF commands beside a serving process, as deploy/guides/tuf.md has them.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A folder with `sigstead-data` in it.
struct Site {
    folder: tempfile::TempDir,
    database: Option<String>,
}

impl Site {
    fn new(database: Option<String>) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            database,
        }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sigstead"));
        command.args(words).current_dir(self.folder.path());
        if let Some(url) = &self.database {
            command.env("SIGSTEAD_DATABASE", url);
        }
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).stdin(Stdio::null()).output().unwrap()
    }

    fn up(&self) -> Server {
        let mut command = self.command(&["up", "--json", "--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let screen: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        let tuf = screen["tuf"].as_str().unwrap().to_owned();
        Server { child, tuf }
    }

    fn status(&self) -> Value {
        let output = self.run(&["tuf", "status", "--json"]);
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn data(&self, name: &str) -> PathBuf {
        self.folder.path().join("sigstead-data").join(name)
    }
}

struct Server {
    child: Child,
    tuf: String,
}

impl Server {
    async fn get(&self, name: &str) -> (u16, String) {
        let answer = reqwest::get(format!("{}/{name}", self.tuf)).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn signed(&self, name: &str) -> Value {
        let (_, text) = self.get(name).await;
        let json: Value = serde_json::from_str(&text).unwrap();
        json["signed"].clone()
    }

    /// The way that a client takes.
    async fn targets(&self) -> Value {
        let timestamp = self.signed("timestamp.json").await;
        let version = &timestamp["meta"]["snapshot.json"]["version"];
        let snapshot = self.signed(&format!("{version}.snapshot.json")).await;
        let version = &snapshot["meta"]["targets.json"]["version"];
        self.signed(&format!("{version}.targets.json")).await["targets"].clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The blocks that need no other program than ours.
fn guide() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/guides/tuf.md");
    let text = fs::read_to_string(path).unwrap();
    let blocks = text.split("```").skip(1).step_by(2);
    let ours = blocks.filter_map(|block| block.strip_prefix("sh\n"));
    ours.filter(|block| block.lines().all(|line| line.starts_with("sigstead tuf ")))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn the_guide_works_while_up_serves() {
    let site = Site::new(None);
    let server = site.up();
    assert_eq!(server.get("2.root.json").await.0, 404);
    let path = Path::new(env!("CARGO_BIN_EXE_sigstead"));
    let path = format!(
        "{}:{}",
        path.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let blocks = guide();
    assert_eq!(blocks.len(), 6);
    for block in blocks {
        let mut command = Command::new("sh");
        command.args(["-euc", &block]).env("PATH", &path);
        let output = command.current_dir(site.folder.path()).output().unwrap();
        assert!(output.status.success(), "{block}\n{output:?}");
    }
    // One by `rotate-root`, one by the ceremony.
    let (status, root) = server.get("3.root.json").await;
    assert_eq!(status, 200);
    assert_eq!(
        root,
        fs::read_to_string(site.data("trust/tuf_root.json")).unwrap()
    );
    let root = &site.status()["roles"][0];
    assert_eq!(
        (&root["threshold"], &root["version"]),
        (&2.into(), &3.into())
    );
    let here = |key: &Value| key["here"] == true;
    assert!(!root["keys"].as_array().unwrap().iter().any(here));
    let refused = site.run(&["tuf", "rotate-root"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("ceremony init"));
}

#[tokio::test]
async fn a_restart_goes_on_and_a_new_shard_is_published_before_it_is_used() {
    let site = Site::new(None);
    drop(site.up());
    assert_eq!(site.status()["roles"][1]["version"], 1);
    let server = site.up();
    let rotated = site.run(&["rotate", "log", "--yes"]);
    assert!(rotated.status.success(), "{rotated:?}");
    // The end of the old shard is published a moment after the rotation is recorded.
    let since = Instant::now();
    let targets = loop {
        let targets = server.targets().await;
        let sha256 = &targets["trusted_root.json"]["hashes"]["sha256"];
        let name = format!("targets/{}.trusted_root.json", sha256.as_str().unwrap());
        let root = fs::read_to_string(site.data("trust/trusted_root.json")).unwrap();
        if targets["rekor.pub"]["custom"]["sigstore"]["status"] == "Expired"
            && server.get(&name).await == (200, root)
        {
            break targets;
        }
        assert!(since.elapsed() < Duration::from_secs(30), "{targets}");
    };
    let status = &targets["rekor-2.pub"]["custom"]["sigstore"]["status"];
    assert_eq!(status, "Active");
}

#[tokio::test]
async fn a_lost_tree_stops_no_service_and_is_not_begun_again() {
    let site = Site::new(None);
    drop(site.up());
    fs::remove_dir_all(site.data("tuf")).unwrap();
    let server = site.up();
    assert_eq!(server.get("timestamp.json").await.0, 404);
    let told = site.run(&["tuf", "status"]);
    assert_eq!(told.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&told.stderr).contains("newest backup"));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_server_the_repository_is_in_the_database() {
    let Some(url) = testkit::postgres() else {
        return;
    };
    let site = Site::new(Some(url));
    let server = site.up();
    let rotated = site.run(&["tuf", "rotate-root", "--online"]);
    assert!(rotated.status.success(), "{rotated:?}");
    // The serving process answers from the database at once.
    let (status, root) = server.get("2.root.json").await;
    assert_eq!(status, 200);
    assert_eq!(
        root,
        fs::read_to_string(site.data("trust/tuf_root.json")).unwrap()
    );
    let (_, timestamp) = server.get("timestamp.json").await;
    assert_eq!(
        timestamp,
        fs::read_to_string(site.data("tuf/timestamp.json")).unwrap()
    );
    drop(server);
    // A lost folder is only a copy.
    fs::remove_dir_all(site.data("tuf")).unwrap();
    let _server = site.up();
    assert!(site.data("tuf/2.root.json").is_file());
}
