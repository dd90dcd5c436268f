//! The program's logs under witnesses and as a static copy: real processes, real sockets.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use note::policy::Policy;
use note::{Checkpoint, SignedNote, VerifierKey};
use pki::key::PublicKey;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const HOST: &str = "127.0.0.1";

struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn sigstead(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sigstead"));
        command
            .args(words)
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    fn up(&self, port: u16, words: &[&str]) -> Process {
        let listen = format!("{HOST}:{port}");
        let mut command = self.sigstead(&["up", "--data-dir", "data", "--listen", &listen]);
        Process::start(command.args(words))
    }

    /// Signs a file with the v2 log; gives the bundle.
    fn sign(&self, name: &str) -> serde_json::Value {
        fs::write(self.path(name), name).unwrap();
        let token = self.sigstead(&["token", "--data-dir", "data", "--email", "you@example.com"]);
        let token = output(token);
        let bundle = format!("{name}.json");
        output(self.sigstead(&[
            "sign",
            name,
            "--data-dir",
            "data",
            "--bundle",
            &bundle,
            "--rekor-version",
            "2",
            "--identity-token",
            token.trim(),
        ]));
        serde_json::from_slice(&fs::read(self.path(&bundle)).unwrap()).unwrap()
    }

    fn verify(&self, name: &str, port: u16) {
        let (bundle, issuer) = (format!("{name}.json"), format!("http://{HOST}:{port}/oidc"));
        output(self.sigstead(&[
            "verify",
            "--trusted-root",
            "data/trust/trusted_root.json",
            "--bundle",
            &bundle,
            "--certificate-identity",
            "you@example.com",
            "--certificate-oidc-issuer",
            &issuer,
            name,
        ]));
    }

    fn vkey(&self, log: &str) -> VerifierKey {
        let text = fs::read_to_string(self.path(&format!("data/trust/{log}.vkey"))).unwrap();
        VerifierKey::parse(text.trim()).unwrap()
    }
}

fn output(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while lines.next().expect("it ended before `ready`").unwrap() != "ready" {}
        // What it prints later goes nowhere, and must not block it.
        std::thread::spawn(move || lines.for_each(drop));
        Self(child)
    }

    fn stop(mut self) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((HOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn checkpoint_of(bundle: &serde_json::Value) -> SignedNote {
    let proof = &bundle["verificationMaterial"]["tlogEntries"][0]["inclusionProof"];
    SignedNote::parse(proof["checkpoint"]["envelope"].as_str().unwrap()).unwrap()
}

fn is_signed_by(note: &SignedNote, key: &VerifierKey) -> bool {
    let public = PublicKey::parse_spki(&key.spki_der()).unwrap();
    key.open(note, |message, signature| {
        public
            .verify(public.default_scheme(), message, signature)
            .is_ok()
    })
    .is_ok()
}

#[test]
fn checkpoints_are_cosigned_and_without_quorum_nothing_is_answered() {
    let site = Site::new();
    let (port, witness_port) = (free_port(), free_port());

    // 0. Entries from before: a log may be witnessed from any day on.
    let up = site.up(port, &[]);
    assert_eq!(checkpoint_of(&site.sign("before")).signatures().len(), 1);
    up.stop();

    // 1. A policy that asks nobody gives the logs their Ed25519 line and its verifier keys.
    fs::write(site.path("policy"), "quorum none\n").unwrap();
    let up = site.up(port, &["--witness-policy", "policy"]);
    let note = checkpoint_of(&site.sign("a"));
    assert_eq!(note.signatures().len(), 2);
    let (log, ct) = (site.vkey("rekor-v2"), site.vkey("ct"));
    assert_eq!((log.name(), ct.name()), (HOST, "127.0.0.1/ctlog"));
    assert!(is_signed_by(&note, &log));
    up.stop();
    let up = site.up(port, &[]);
    site.sign("between");
    up.stop();

    // 2. A witness that knows both logs.
    let config = format!(
        "[witness]\nname = \"witness.example/w1\"\nkey = \"witness.pem\"\ndatabase = \"witness.db\"\n\
         listen = \"{HOST}:{witness_port}\"\nlogs = [ {{ vkey = \"{log}\" }}, {{ vkey = \"{ct}\" }} ]\n"
    );
    fs::write(site.path("witness.toml"), config).unwrap();
    let made = site.sigstead(&["init", "witness", "--config", "witness.toml"]);
    let witness = VerifierKey::parse(output(made).trim()).unwrap();
    let serve = ["serve", "--config", "witness.toml", "witness"];
    let witnessing = Process::start(&mut site.sigstead(&serve));
    let policy = format!("witness w1 {witness} http://{HOST}:{witness_port}\nquorum w1\n");
    Policy::parse(policy.as_bytes()).unwrap();
    fs::write(site.path("policy"), policy).unwrap();

    // 3. Fail-closed: every answer is cosigned, and every client goes on reading it.
    let closed = ["--witness-policy", "policy", "--witness-mode", "closed"];
    let up = site.up(port, &closed);
    for name in ["b", "c"] {
        let note = checkpoint_of(&site.sign(name));
        assert!(is_signed_by(&note, &log) && is_signed_by(&note, &witness));
        site.verify(name, port);
    }

    // 4. The witness is gone: no answer, and nothing is lost. It comes back: the next one covers what was committed.
    witnessing.stop();
    fs::write(site.path("d"), "d").unwrap();
    let token =
        output(site.sigstead(&["token", "--data-dir", "data", "--email", "you@example.com"]));
    let mut waiting = site.sigstead(&[
        "sign",
        "d",
        "--data-dir",
        "data",
        "--bundle",
        "d.json",
        "--rekor-version",
        "2",
        "--identity-token",
        token.trim(),
    ]);
    let mut waiting = waiting
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(2));
    assert!(
        waiting.try_wait().unwrap().is_none(),
        "answered without its witness"
    );
    let _witnessing = Process::start(&mut site.sigstead(&serve));
    assert!(waiting.wait().unwrap().success());
    site.verify("d", port);
    up.stop();
}

#[test]
fn a_static_copy_follows_the_log_and_a_foreign_place_is_refused() {
    let site = Site::new();
    let port = free_port();
    let up = site.up(port, &["--publish", "tree"]);
    let size = Checkpoint::parse(checkpoint_of(&site.sign("a")).text())
        .unwrap()
        .size;
    assert_eq!(published(&site.path("tree/rekor-v2"), size), size);
    published(&site.path("tree/ct"), 1);
    site.sign("b");
    // A stop publishes the last head.
    up.stop();
    let tree = publish::target(site.path("tree/rekor-v2").to_str().unwrap()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let checked = runtime.block_on(publish::check_tree(&tree)).unwrap();
    assert_eq!(checked.size, size + 1);

    // Another instance's logs are not written over these.
    let other = site.sigstead(&[
        "up",
        "--data-dir",
        "other",
        "--listen",
        "127.0.0.1:0",
        "--publish",
        "tree",
        "--url",
        "http://other.example",
    ]);
    let refused = { other }.output().unwrap();
    assert!(!refused.status.success());
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        said.contains("--publish") && said.contains("a place of its own"),
        "{said}"
    );
}

/// Waits until the tree has `size` entries or more; gives how many.
fn published(tree: &Path, size: u64) -> u64 {
    let start = Instant::now();
    loop {
        if let Ok(text) = fs::read_to_string(tree.join("checkpoint")) {
            let note = SignedNote::parse(&text).unwrap();
            let have = Checkpoint::parse(note.text()).unwrap().size;
            if have >= size {
                return have;
            }
        }
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "{}",
            tree.display()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}
