//! The program itself as a witness: made, served, asked over HTTP, stopped, started again.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use async_trait::async_trait;
use clock::Clock;
use keys::{Algorithm, Purpose, Signer};
use merkle::{Hash, leaf_hash, node_hash};
use note::policy::Policy;
use note::{Checkpoint, KeyType, SignedNote, VerifierKey};
use prometheus::Registry;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use witness::store::origin_hash;
use witness::{
    Consistency, Cosigned, Cosigner, CosignerConfig, FailureMode, Outcome, ProofUnavailable,
};

const ORIGIN: &str = "log.example.com";

/// A log of one leaf, then of two.
struct TwoLeaves {
    signer: Signer,
    leaves: [Hash; 2],
}

impl TwoLeaves {
    fn new() -> Self {
        Self {
            signer: Signer::in_memory(Purpose::RekorV2, Algorithm::EcdsaP256).unwrap(),
            leaves: [leaf_hash(b"first"), leaf_hash(b"second")],
        }
    }

    fn key(&self) -> VerifierKey {
        VerifierKey::new(ORIGIN, KeyType::Ecdsa, self.signer.public_key().spki_der()).unwrap()
    }

    fn root(&self, size: u64) -> Hash {
        match size {
            1 => self.leaves[0],
            _ => node_hash(&self.leaves[0], &self.leaves[1]),
        }
    }

    async fn checkpoint(&self, size: u64, root: Hash) -> SignedNote {
        let text = Checkpoint {
            origin: ORIGIN.to_owned(),
            size,
            root,
            extensions: Vec::new(),
        }
        .to_text();
        let signature = self.signer.sign(text.as_bytes()).await.unwrap();
        SignedNote::new(text, vec![self.key().line(signature)]).unwrap()
    }
}

/// The proof from one leaf to two.
struct Proof(Hash);

#[async_trait]
impl Consistency for Proof {
    async fn proof(&self, _: u64, _: u64) -> Result<Vec<Hash>, ProofUnavailable> {
        Ok(vec![self.0])
    }
}

/// A folder with a configuration, and the program run on it.
struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new(log: &VerifierKey) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "admin_listen = \"127.0.0.1:0\"\n[witness]\nname = \"witness.example.org/w1\"\nkey = \"state/witness.pem\"\n\
             database = \"state/witness.db\"\nlisten = \"127.0.0.1:0\"\nprefix = \"/w1\"\nlogs = [ {{ vkey = \"{log}\" }} ]\n"
        );
        fs::write(folder.path().join("witness.toml"), text).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sigstead"));
        command.args(words).arg("--config");
        command.arg(self.path("witness.toml")).stdin(Stdio::null());
        command
    }

    fn init(&self) -> Output {
        self.command(&["init", "witness"]).output().unwrap()
    }

    fn serve(&self) -> Serving {
        let mut command = self.command(&["serve", "witness"]);
        Serving::start(command.stdout(Stdio::piped()))
    }

    /// What `serve` says when it does not start.
    fn refused(&self) -> String {
        let output = self.command(&["serve", "witness"]).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    }
}

/// The running program, killed when dropped.
struct Serving {
    child: Child,
    url: String,
    metrics: String,
}

impl Serving {
    fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut url, mut metrics) = (None, None);
        loop {
            let line = lines.next().expect("it ended before `ready`").unwrap();
            if let Some(found) = line.strip_prefix("witness on ") {
                url = Some(found.to_owned());
            }
            if let Some(found) = line.strip_prefix("metrics on ") {
                metrics = Some(found.to_owned());
            }
            if line == "ready" {
                break;
            }
        }
        let (url, metrics) = (url.unwrap(), metrics.unwrap());
        Self {
            child,
            url,
            metrics,
        }
    }

    fn stop(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let response = client.get(path).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn ask(&self, vkey: &str, checkpoint: &SignedNote, proof: Hash) -> Cosigned {
        let policy = format!("witness w {vkey} {}\nquorum w\n", self.url);
        let mut config = CosignerConfig::new("test", Policy::parse(policy.as_bytes()).unwrap());
        config.timeout = std::time::Duration::from_secs(20);
        config.mode = FailureMode::Closed;
        let cosigner = Cosigner::new(config, Clock::system(), &Registry::new()).unwrap();
        let asked = cosigner
            .cosign(checkpoint.to_string().as_bytes(), Arc::new(Proof(proof)))
            .await;
        asked.unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_witness_is_made_once_and_remembers_over_a_restart() {
    let log = TwoLeaves::new();
    let site = Site::new(&log.key());

    // 1. Serving creates nothing, and says what does.
    let said = site.refused();
    assert!(said.contains("sigstead init witness --config"), "{said}");
    assert_eq!(files(site.folder.path()), ["witness.toml"]);

    // 2. Made once; asked again it is the same.
    let made = site.init();
    assert!(made.status.success(), "{made:?}");
    let vkey = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    assert_eq!(
        VerifierKey::parse(&vkey).unwrap().name(),
        "witness.example.org/w1"
    );
    let again = site.init();
    assert_eq!(String::from_utf8(again.stdout).unwrap().trim(), vkey);
    assert_eq!(files(&site.path("state")), ["witness.db", "witness.pem"]);
    let mode = fs::metadata(site.path("state/witness.pem"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    // 3. Served: a first checkpoint is cosigned, and readable.
    let serving = site.serve();
    let base = serving.url.strip_suffix("/w1").unwrap();
    assert_eq!(serving.get(&format!("{base}/healthz")).await.0, 200);
    assert_eq!(serving.get(&format!("{base}/readyz")).await.0, 200);
    let first = log.checkpoint(1, log.root(1)).await;
    let cosigned = serving.ask(&vkey, &first, log.leaves[1]).await;
    assert!(cosigned.quorum_met, "{:?}", cosigned.witnesses);
    let path = format!(
        "{}/{}/checkpoint",
        serving.url,
        hex::encode(origin_hash(ORIGIN))
    );
    let want = format!("{first}{}\n", cosigned.lines[0]);
    assert_eq!(serving.get(&path).await, (200, want));
    let (_, metrics) = serving.get(&serving.metrics).await;
    let counted = r#"witness_add_checkpoint_seconds_count{code="200"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");
    serving.stop();
    assert_eq!(files(&site.path("state")), ["witness.db", "witness.pem"]);

    // 4. Started again it goes on from there, and refuses another history.
    let serving = site.serve();
    let second = log.checkpoint(2, log.root(2)).await;
    let fork = log.checkpoint(2, [7; 32]).await;
    let refused = serving.ask(&vkey, &fork, log.leaves[1]).await;
    assert!(matches!(
        refused.witnesses[0].outcome,
        Outcome::Refused { status: 422, .. }
    ));
    let cosigned = serving.ask(&vkey, &second, log.leaves[1]).await;
    assert!(cosigned.quorum_met, "{:?}", cosigned.witnesses);
    serving.stop();
}

#[test]
fn a_lost_half_of_the_state_is_never_made_anew() {
    let site = Site::new(&TwoLeaves::new().key());
    assert!(site.init().status.success());
    let (key, database) = (
        site.path("state/witness.pem"),
        site.path("state/witness.db"),
    );

    fs::rename(&database, site.path("kept.db")).unwrap();
    for said in [
        site.refused(),
        String::from_utf8(site.init().stderr).unwrap(),
    ] {
        assert!(said.contains("restore"), "{said}");
    }
    assert!(!database.exists());
    fs::rename(site.path("kept.db"), &database).unwrap();

    fs::rename(&key, site.path("kept.pem")).unwrap();
    let said = String::from_utf8(site.init().stderr).unwrap();
    assert!(said.contains("restore the key"), "{said}");
    assert!(!key.exists() && site.refused().contains("witness.pem"));
}

#[test]
fn a_renamed_witness_is_refused_because_its_signatures_would_not_tell() {
    let site = Site::new(&TwoLeaves::new().key());
    assert!(site.init().status.success());
    let file = site.path("witness.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("example.org/w1", "example.org/w2")).unwrap();
    let said = site.refused();
    assert!(
        said.contains("example.org/w1") && said.contains("example.org/w2"),
        "{said}"
    );
}

#[test]
fn mistakes_in_the_file_are_usage_errors_told_together() {
    let site = Site::new(&TwoLeaves::new().key());
    let file = site.path("witness.toml");
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("127.0.0.1:0", "nowhere");
    fs::write(&file, text).unwrap();
    let mut child = site.command(&["serve", "witness"]);
    let mut child = child.stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    let mut errors = child.stderr.take().unwrap();
    errors.read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert!(said.contains("2 problem(s)"), "{said}");
    assert!(
        said.contains("admin_listen") && said.contains("witness.listen"),
        "{said}"
    );
}
