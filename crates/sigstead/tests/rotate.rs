//! Rotations beside a serving process, by the program itself: signing never stops, processes are killed, and the commands
//! of the playbook do what it says.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const EMAIL: &str = "you@example.com";

/// A folder with `sigstead-data` and `hello.txt` in it.
struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("hello.txt"), "hello\n").unwrap();
        Self { folder }
    }

    fn run(&self, words: &[&str]) -> Output {
        run(self.folder.path(), words)
    }

    fn done(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn up(&self, listen: &str) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sigstead"));
        command.args(["up", "--json", "--listen", listen]);
        command.current_dir(self.folder.path());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let screen: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        Server {
            child,
            url: screen["url"].as_str().unwrap().to_owned(),
            issuer: screen["oidc"].as_str().unwrap().to_owned(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn root(&self) -> Value {
        let json = fs::read(self.path("sigstead-data/trust/trusted_root.json")).unwrap();
        serde_json::from_slice(&json).unwrap()
    }

    /// Gives the commands of a guide; answers how many blocks they are.
    fn follow(&self, name: &str, since: &str) -> usize {
        let program = Path::new(env!("CARGO_BIN_EXE_sigstead"));
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{path}", program.parent().unwrap().display());
        let blocks = guide(name, since);
        for block in &blocks {
            let mut command = Command::new("sh");
            command.args(["-euc", block]).env("PATH", &path);
            let output = command.current_dir(self.folder.path()).output().unwrap();
            assert!(output.status.success(), "{block}\n{output:?}");
        }
        blocks.len()
    }

    /// One signature with each Rekor version.
    fn sign(&self, name: &str) -> Vec<String> {
        let sign = |version: &str| {
            let bundle = format!("{name}-v{version}.json");
            let signed = sign(self.folder.path(), &bundle, version);
            assert!(signed.status.success(), "{signed:?}");
            bundle
        };
        ["1", "2"].map(sign).into()
    }

    fn verify(&self, bundle: &str, server: &Server) -> Output {
        let who = ["--certificate-identity", EMAIL];
        let issuer = ["--certificate-oidc-issuer", &server.issuer];
        let words = [
            &["verify", "--bundle", bundle][..],
            &who,
            &issuer,
            &["hello.txt"],
        ];
        self.run(&words.concat())
    }

    fn verify_all(&self, bundles: &[String], server: &Server) {
        for bundle in bundles {
            let output = self.verify(bundle, server);
            assert!(output.status.success(), "{bundle}: {output:?}");
        }
    }
}

fn run(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sigstead"));
    command.args(words).current_dir(folder);
    command.stdin(Stdio::null()).output().unwrap()
}

fn sign(folder: &Path, bundle: &str, version: &str) -> Output {
    let token = run(folder, &["token", "--email", EMAIL]);
    let token = String::from_utf8(token.stdout).unwrap();
    let words = ["sign", "hello.txt", "--bundle", bundle];
    let how = ["--identity-token", token.trim(), "--rekor-version", version];
    run(folder, &[&words[..], &how].concat())
}

struct Server {
    child: Child,
    url: String,
    issuer: String,
}

impl Server {
    fn listen(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Signs with both Rekor versions, one file after the other, until it is told to stop; answers the bundles.
struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<Vec<String>>>,
}

impl Load {
    fn begin(site: &Site) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = ["1", "2"].map(|version| {
            let (folder, stop) = (site.folder.path().to_owned(), stop.clone());
            std::thread::spawn(move || {
                let mut bundles = Vec::new();
                while !stop.load(Ordering::SeqCst) {
                    let bundle = format!("load-{version}-{}.json", bundles.len());
                    let signed = sign(&folder, &bundle, version);
                    assert!(signed.status.success(), "under load: {signed:?}");
                    bundles.push(bundle);
                }
                bundles
            })
        });
        Self {
            stop,
            threads: threads.into(),
        }
    }

    fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        let joined = self
            .threads
            .into_iter()
            .map(|thread| thread.join().unwrap());
        joined.flatten().collect()
    }
}

#[test]
fn every_key_is_rotated_under_load_and_no_signature_fails() {
    let site = Site::new();
    let server = site.up("127.0.0.1:0");
    let first = site.sign("first");
    let old_root = site.path("old-root.json");
    fs::copy(
        site.path("sigstead-data/trust/trusted_root.json"),
        &old_root,
    )
    .unwrap();
    let load = Load::begin(&site);
    std::thread::sleep(Duration::from_secs(1));
    let mut between = Vec::new();
    for words in [
        &["rotate", "ca"][..],
        &["rotate", "ct"],
        &["rotate", "tsa"],
        &["rotate", "log"],
        &["rotate", "ca", "--root"],
    ] {
        // Clients that have read the old files are given their time.
        let how = ["--propagation", "5s", "--yes", "--json"];
        let said: Value = serde_json::from_str(&site.done(&[words, &how].concat())).unwrap();
        assert_eq!(
            (&said["done"], &said["by"]),
            (&true.into(), &"server".into()),
            "{said}"
        );
        between.extend(site.sign(&format!("after-{}-{}", words[1], between.len())));
    }
    let loaded = load.end();
    assert!(loaded.len() >= 10, "{} signatures under load", loaded.len());
    let root = site.root();
    let counts = [
        "certificateAuthorities",
        "ctlogs",
        "timestampAuthorities",
        "tlogs",
    ];
    let counts = counts.map(|list| root[list].as_array().unwrap().len());
    assert_eq!(counts, [3, 2, 2, 4]);
    // Whoever has the newest trusted root verifies everything; whoever has the first one, what is from before.
    let all = [&first[..], &loaded, &between].concat();
    site.verify_all(&all, &server);
    for (bundle, verified) in [(&first[0], true), (between.last().unwrap(), false)] {
        let root = ["--trusted-root", old_root.to_str().unwrap()];
        let issuer = ["--certificate-oidc-issuer", &server.issuer];
        let words = [
            &[
                "verify",
                "--bundle",
                bundle,
                "--certificate-identity",
                EMAIL,
            ][..],
            &root,
            &issuer,
            &["hello.txt"],
        ];
        assert_eq!(
            site.run(&words.concat()).status.success(),
            verified,
            "{bundle}"
        );
    }
    // A restart serves with the same keys.
    let listen = server.listen().to_owned();
    drop(server);
    let server = site.up(&listen);
    let last = site.sign("last");
    site.verify_all(&[all, last].concat(), &server);
    drop(server);
    assert!(site.run(&["fsck"]).status.success());
}

#[tokio::test]
async fn clients_find_the_new_keys_where_they_look_for_them() {
    let site = Site::new();
    let server = site.up("127.0.0.1:0");
    site.sign("first");
    let get = async |path: &str| {
        let answer = reqwest::get(format!("{}{path}", server.url)).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(get("/ctlog-2/ct/v1/get-sth").await.0, 404);
    for words in [
        ["rotate", "ca", "--root", "--yes"],
        ["rotate", "ct", "--yes", "--json"],
    ] {
        site.done(&words);
    }
    site.done(&["rotate", "tsa", "--propagation", "25h", "--yes"]);
    site.sign("second");
    // The trust bundle: newest first.
    let bundle: Value = serde_json::from_str(&get("/api/v2/trustBundle").await.1).unwrap();
    let chains = bundle["chains"].as_array().unwrap();
    assert_eq!(chains.len(), 2);
    assert_eq!(
        get("/api/v1/rootCert").await.1.trim(),
        pem(&chains[0]).trim()
    );
    // Both CT logs are read, the new one is written, the old one is not.
    let sth = async |path: &str| {
        let (status, text) = get(&format!("{path}/ct/v1/get-sth")).await;
        assert_eq!(status, 200, "{path}");
        let sth: Value = serde_json::from_str(&text).unwrap();
        sth["tree_size"].as_u64().unwrap()
    };
    assert_eq!((sth("/ctlog").await, sth("/ctlog-2").await), (2, 2));
    for path in ["/ctlog", "/ctlog-2"] {
        let roots = get(&format!("{path}/ct/v1/get-roots")).await.1;
        let roots: Value = serde_json::from_str(&roots).unwrap();
        assert_eq!(roots["certificates"].as_array().unwrap().len(), 2, "{path}");
    }
    // The status says what is under way.
    let status: Value =
        serde_json::from_str(&site.done(&["rotate", "--status", "--json"])).unwrap();
    let key = |name: &str| {
        let mut keys = status["keys"].as_array().unwrap().iter();
        keys.find(|key| key["name"] == name).unwrap()
    };
    assert_eq!(key("ct")["state"], "replaced");
    assert_eq!(key("tsa")["state"], "active");
    assert_eq!(key("tsa-2")["state"], "pending");
    assert!(key("tuf-root")["until"].is_string());
    let text = site.done(&["rotate", "--status"]);
    assert!(text.contains("under way: tsa-2 takes over at"), "{text}");
    // Clients without trusted_root.json find single keys in TUF.
    let status: Value = serde_json::from_str(&site.done(&["tuf", "status", "--json"])).unwrap();
    let contents = status["contents"].as_array().unwrap();
    for name in [
        "fulcio_v2.crt.pem",
        "fulcio_intermediate_v2.crt.pem",
        "ctfe-2.pub",
        "ctfe.pub",
    ] {
        assert!(
            contents.iter().any(|one| one == name),
            "{name}: {contents:?}"
        );
    }
}

fn pem(chain: &Value) -> String {
    let certificates = chain["certificates"].as_array().unwrap();
    certificates
        .iter()
        .map(|pem| pem.as_str().unwrap())
        .collect()
}

/// Server and command die at different moments; the next start finishes what is recorded.
#[test]
fn a_killed_rotation_is_finished_by_the_next_start() {
    let site = Site::new();
    let server = site.up("127.0.0.1:0");
    let listen = server.listen().to_owned();
    let mut bundles = site.sign("first");
    drop(server);
    let roles = [
        &["ca"][..],
        &["ct"],
        &["tsa"],
        &["ca", "--root"],
        &["ct"],
        &["tsa"],
    ];
    for (round, words) in roles.into_iter().enumerate() {
        let server = site.up(&listen);
        let before = records(&site).len();
        let mut command = Command::new(env!("CARGO_BIN_EXE_sigstead"));
        command
            .arg("rotate")
            .args(words)
            .arg("--yes")
            .current_dir(site.folder.path());
        let mut command = command.stdout(Stdio::null()).spawn().unwrap();
        let since = Instant::now();
        while records(&site).len() == before && since.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(Duration::from_millis(60) * u32::try_from(round).unwrap());
        // The command first: it would take the dead server's place.
        let _ = command.kill();
        command.wait().unwrap();
        drop(server);
        let server = site.up(&listen);
        let records = records(&site);
        assert_eq!(records.len(), before + 1);
        assert!(
            records.iter().all(|record| record["since"].is_string()),
            "{records:?}"
        );
        bundles.extend(site.sign(&format!("round-{round}")));
        site.verify_all(&bundles, &server);
    }
    assert!(site.run(&["fsck"]).status.success());
}

fn records(site: &Site) -> Vec<Value> {
    let json = fs::read(site.path("sigstead-data/instance.json")).unwrap();
    let json: Value = serde_json::from_slice(&json).unwrap();
    json["successors"].as_array().cloned().unwrap_or_default()
}

/// The commands of a guide that need no other program than ours, with times filled in.
fn guide(name: &str, since: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../deploy/guides")
        .join(name);
    let text = fs::read_to_string(path).unwrap();
    let blocks = text.split("```").skip(1).step_by(2);
    let ours = blocks.filter_map(|block| block.strip_prefix("sh\n"));
    ours.map(|block| block.replace("2026-11-20T08:00:00Z", since))
        .collect()
}

#[test]
fn the_playbook_works_while_up_serves() {
    let site = Site::new();
    let server = site.up("127.0.0.1:0");
    let since = now_in_seconds();
    let first = site.sign("first");
    std::thread::sleep(Duration::from_secs(2));
    let stolen = now_in_seconds();
    assert!(stolen > since);
    // Ends are inclusive, and have no fractions.
    std::thread::sleep(Duration::from_millis(1100));
    let second = site.sign("second");
    assert_eq!(site.follow("compromise.md", &stolen), 9);
    // What is older than the theft holds, what is not is void, and signing goes on.
    site.verify_all(&first, &server);
    for bundle in &second {
        let refused = site.verify(bundle, &server);
        assert_eq!(refused.status.code(), Some(1), "{bundle}: {refused:?}");
    }
    let last = site.sign("last");
    site.verify_all(&last, &server);
}

#[test]
fn the_guide_works_while_up_serves() {
    let site = Site::new();
    let server = site.up("127.0.0.1:0");
    let first = site.sign("first");
    assert_eq!(site.follow("rotation.md", "2026-11-20T08:00:00Z"), 4);
    let status = site.done(&["rotate", "--status"]);
    assert!(status.contains("ca-3"), "{status}");
    let last = site.sign("last");
    site.verify_all(&[first, last].concat(), &server);
}

/// RFC 3339, UTC, by the system's clock.
fn now_in_seconds() -> String {
    let output = Command::new("date")
        .args(["-u", "+%Y-%m-%dT%H:%M:%SZ"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
