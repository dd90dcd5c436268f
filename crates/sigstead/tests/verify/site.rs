//! An instance that signed some images and went away: what is verified here is verified offline.

use oci::ImageDigest;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Who signs and attests.
pub(crate) const SIGNER: &str = "you@example.com";
/// The predicate type of the attestations.
pub(crate) const SCAN: &str = "https://example.com/scan/v1";

/// A folder with `sigstead-data` in it, and the layouts `signed` (an index of `one` and `two`, signed each, `one` attested
/// too), `plain` and `bare` (another image, nobody signed it).
pub(crate) struct Site {
    folder: PathBuf,
    /// The issuer in the certificates.
    pub(crate) issuer: String,
}

/// The running program, killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) screen: Value,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Site {
    /// Made once for all tests, in the folder that cargo gives them. Nobody changes what is in it.
    pub(crate) fn shared() -> &'static Self {
        static SITE: OnceLock<Site> = OnceLock::new();
        SITE.get_or_init(|| {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("verify");
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).unwrap();
            let mut site = Self {
                folder,
                issuer: String::new(),
            };
            let server = site.up();
            site.issuer = server.screen["oidc"].as_str().unwrap().to_owned();
            site.sign_everything();
            site
        })
    }

    /// A new instance in a folder of its own.
    pub(crate) fn own(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            issuer: String::new(),
        }
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sigstead"));
        command.args(words).current_dir(&self.folder);
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Said {
        Said(self.command(words).output().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Starts the instance; `screen` is what it says of itself.
    pub(crate) fn up(&self) -> Server {
        let mut command = self.command(&["up", "--json", "--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let screen: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        Server { child, screen }
    }

    pub(crate) fn token(&self) -> String {
        let said = self.run(&["token", "--email", SIGNER]);
        assert_eq!(said.code(), 0, "{}", said.err());
        said.out().trim().to_owned()
    }

    fn sign_everything(&self) {
        let token = self.token();
        let sign = |words: &[&str]| {
            let mut all = words.to_vec();
            all.extend(["--identity-token", &token]);
            let said = self.run(&all);
            assert_eq!(said.code(), 0, "{}", said.err());
        };
        layout(&self.path("signed"));
        layout(&self.path("plain"));
        layout(&self.path("bare"));
        let good = json!({"critical": 0, "scanner": "s"}).to_string();
        let bad = json!({"critical": 3, "scanner": "s"}).to_string();
        fs::write(self.path("good.json"), good).unwrap();
        fs::write(self.path("bad.json"), bad).unwrap();
        fs::write(self.path("app.txt"), "app").unwrap();
        sign(&["sign", "oci:signed:multi", "--recursive"]);
        for image in ["oci:signed:multi", "oci:signed:one"] {
            sign(&["attest", image, "--predicate", "good.json", "--type", SCAN]);
        }
        sign(&["sign", "oci:plain:one"]);
        let bad = ["attest", "oci:plain:one", "--predicate", "bad.json"];
        sign(&[&bad[..], &["--type", SCAN]].concat());
        sign(&["sign", "app.txt", "--bundle", "app.json"]);
        let attest = ["attest", "app.txt", "--predicate", "good.json", "--type"];
        sign(&[&attest[..], &[SCAN, "--bundle", "scan.json"]].concat());
    }

    /// Writes a policy that wants a signature of the signer, and what stands in `more`.
    pub(crate) fn policy(&self, folder: &Path, more: &str) -> String {
        self.policy_of(folder, SIGNER, more)
    }

    pub(crate) fn policy_of(&self, folder: &Path, identity: &str, more: &str) -> String {
        let text = format!(
            "apiVersion: sigstead.dev/policy/v1\nname: of a test\nsignatures:\n  identities:\n    - identity: {identity}\n      \
             issuer: {}\n{more}",
            self.issuer
        );
        let path = folder.join("policy.yaml");
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// What a command said.
pub(crate) struct Said(Output);

impl Said {
    pub(crate) fn code(&self) -> i32 {
        self.0.status.code().unwrap()
    }

    pub(crate) fn out(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    pub(crate) fn err(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.0.stdout).unwrap_or_else(|_| panic!("{}", self.err()))
    }
}

/// Writes a layout with an index `multi` of the images `one` and `two`, both tagged as well. Their content comes from
/// the folder's name.
pub(crate) fn layout(folder: &Path) {
    fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
    let version = r#"{"imageLayoutVersion":"1.0.0"}"#;
    fs::write(folder.join("oci-layout"), version).unwrap();
    let blob = |media_type: &str, bytes: &[u8]| {
        let digest = ImageDigest::of(bytes);
        fs::write(folder.join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    };
    let tagged = |mut entry: Value, tag: &str| {
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
        entry
    };
    let image = |tag: &str| {
        let layer = format!("{tag} {}", folder.file_name().unwrap().display());
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST,
            "config": blob("application/vnd.oci.image.config.v1+json", b"{}"),
            "layers": [blob("application/vnd.oci.image.layer.v1.tar", layer.as_bytes())]});
        let bytes = manifest.to_string().into_bytes();
        blob(MANIFEST, &bytes)
    };
    let (one, two) = (image("one"), image("two"));
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [one, two]});
    let index = blob(INDEX, index.to_string().as_bytes());
    let all = [
        tagged(index, "multi"),
        tagged(one, "one"),
        tagged(two, "two"),
    ];
    let list = json!({"schemaVersion": 2, "manifests": all});
    fs::write(folder.join("index.json"), list.to_string()).unwrap();
}
