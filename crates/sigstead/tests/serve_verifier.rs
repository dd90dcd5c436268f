//! The program itself as a verifier: made, served, asked over HTTP, stopped.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

const IDENTITY: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const ISSUER: &str = "https://token.actions.githubusercontent.com";
/// The bound on resident memory while an artifact streams by.
const RESIDENT_KIB: u64 = 64 << 10;
/// More than twice the bound.
const ARTIFACT_MIB: usize = 160;

/// A folder with a configuration, and the program run on it.
struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = "admin_listen = \"127.0.0.1:0\"\n[verifier]\nlisten = \"127.0.0.1:0\"\npolicies = \"policies\"\n\
                    key = \"state/verifier.pem\"\nid = \"https://verifier.example.com\"\n[[verifier.roots]]\n\
                    name = \"default\"\nfile = \"root.json\"\n";
        fs::write(folder.path().join("verifier.toml"), text).unwrap();
        fs::write(folder.path().join("root.json"), trust::PUBLIC_GOOD).unwrap();
        fs::create_dir(folder.path().join("policies")).unwrap();
        let policy = format!(
            "apiVersion: sigstead.dev/policy/v1\nname: beacon\nsignatures:\n  identities:\n    - identity: {IDENTITY}\n      \
             issuer: {ISSUER}\n"
        );
        fs::write(folder.path().join("policies/beacon.yaml"), policy).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sigstead"));
        command.args(words).arg("--config");
        command.arg(self.path("verifier.toml")).stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    fn serve(&self) -> Serving {
        let mut command = self.command(&["serve", "verifier"]);
        Serving::start(command.stdout(Stdio::piped()))
    }
}

/// The running program, killed when dropped.
struct Serving {
    child: Child,
    url: String,
    metrics: String,
    client: reqwest::Client,
}

impl Serving {
    fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut url, mut metrics) = (None, None);
        loop {
            let line = lines.next().expect("it ended before `ready`").unwrap();
            if let Some(found) = line.strip_prefix("verifier on ") {
                url = Some(found.to_owned());
            }
            if let Some(found) = line.strip_prefix("metrics on ") {
                metrics = Some(found.to_owned());
            }
            if line == "ready" {
                break;
            }
        }
        Self {
            child,
            url: url.unwrap(),
            metrics: metrics.unwrap(),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    async fn get(&self, url: &str) -> (u16, String) {
        let response = self.client.get(url).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn post(&self, content_type: &str, body: impl Into<reqwest::Body>) -> Value {
        let url = format!("{}/api/v1/verify", self.url);
        let request = self.client.post(url).header("content-type", content_type);
        let response = request.body(body).send().await.unwrap();
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
    }

    /// The most that was ever resident, KiB.
    fn peak(&self) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    fn stop(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_verifier_is_made_once_and_answers_over_http() {
    let site = Site::new();
    // 1. Serving creates nothing, and says what does.
    let refused = site.run(&["serve", "verifier"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("sigstead init verifier --config"), "{said}");
    assert!(!site.path("state").exists());

    // 2. Made once; asked again it is the same.
    let made = site.run(&["init", "verifier"]);
    assert!(made.status.success(), "{made:?}");
    let pem = String::from_utf8(made.stdout).unwrap();
    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----"), "{pem}");
    assert_eq!(site.run(&["init", "verifier"]).stdout, pem.as_bytes());

    // 3. Served.
    let serving = site.serve();
    assert_eq!(serving.get(&format!("{}/readyz", serving.url)).await.0, 200);
    let (status, page) = serving.get(&format!("{}/ui/verifier", serving.url)).await;
    assert!(status == 200 && page.contains("Sigstead verifier"));
    let (_, policies) = serving
        .get(&format!("{}/api/v1/policies", serving.url))
        .await;
    assert!(policies.contains("\"beacon\""), "{policies}");
    let Some(vectors) = testkit::vectors("conformance") else {
        return serving.stop();
    };
    let bundle = fs::read_to_string(vectors.join("happy-path-v0.3/bundle.sigstore.json")).unwrap();
    let bundle: Value = serde_json::from_str(&bundle).unwrap();
    let artifact = fs::read(vectors.join("a.txt")).unwrap();
    let digest = format!("sha256:{}", hex::encode(verifier_api::digest(&artifact)));
    let request =
        json!({"bundle": bundle, "artifact": {"digest": digest}, "policy": "beacon", "vsa": true});
    let answer = serving.post("application/json", request.to_string()).await;
    assert_eq!(answer["verified"], true, "{answer}");
    assert!(answer["vsa"]["dsseEnvelope"].is_object());

    // 4. A large artifact streams by: another one than was signed, in bounded memory.
    let question = json!({"bundle": bundle, "policy": "beacon"});
    let head = format!(
        "--cut\r\nContent-Disposition: form-data; name=\"request\"\r\n\r\n{question}\r\n--cut\r\n\
         Content-Disposition: form-data; name=\"artifact\"\r\n\r\n"
    );
    let mut body = head.into_bytes();
    body.resize(body.len() + (ARTIFACT_MIB << 20), b'x');
    body.extend_from_slice(b"\r\n--cut--\r\n");
    let answer = serving
        .post("multipart/form-data; boundary=cut", body)
        .await;
    assert_eq!(answer["verified"], false, "{answer}");
    assert_eq!(answer["reasons"][0]["step"], "signatures");
    assert!(serving.peak() < RESIDENT_KIB, "{} KiB", serving.peak());

    let (_, metrics) = serving.get(&serving.metrics).await;
    let counted = r#"verifier_request_seconds_count{code="200",operation="/api/v1/verify"} 2"#;
    assert!(metrics.contains(counted), "{metrics}");
    serving.stop();
}

#[test]
fn a_folder_of_bad_policies_stops_the_start_with_all_that_is_wrong() {
    let site = Site::new();
    assert!(site.run(&["init", "verifier"]).status.success());
    fs::write(site.path("policies/a.yaml"), "name: 1").unwrap();
    fs::write(site.path("policies/b.json"), "{").unwrap();
    let refused = site.run(&["serve", "verifier"]);
    assert!(!refused.status.success());
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("a.yaml") && said.contains("b.json"), "{said}");
}
