//! The program in production: `init` and `serve` from one file, all roles together and apart, stopped and started.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

const EMAIL: &str = "you@example.com";

/// A folder with a configuration in it.
struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("sigstead.toml"), config).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sigstead"));
        command.args(words).current_dir(self.folder.path());
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    fn good(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn init(&self) -> String {
        self.good(&["init", "--config", "sigstead.toml"])
    }

    fn serve(&self, words: &[&str]) -> Process {
        let mut command = self.command(&["serve", "--config", "sigstead.toml"]);
        Process::start(command.args(words))
    }

    /// Signs a file, and verifies the bundle; the data folder has keys, trust files and signing configs.
    fn sign(&self, data: &str, name: &str, words: &[&str]) {
        let output = self.try_sign(data, name, words);
        assert!(output.status.success(), "{output:?}");
        self.verify(data, name);
    }

    fn try_sign(&self, data: &str, name: &str, words: &[&str]) -> Output {
        fs::write(self.path(name), format!("content of {name}")).unwrap();
        let token = self.good(&["token", "--data-dir", data, "--email", EMAIL]);
        let bundle = format!("{name}.json");
        let mut command = self.command(&["sign", name, "--bundle", &bundle, "--data-dir", data]);
        command.args(["--identity-token", token.trim()]).args(words);
        command.output().unwrap()
    }

    fn verify(&self, data: &str, name: &str) {
        let config: Value = serde_json::from_slice(
            &fs::read(self.path(data).join("trust/signing_config.json")).unwrap(),
        )
        .unwrap();
        let issuer = config["oidcUrls"][0]["url"].as_str().unwrap();
        let bundle = format!("{name}.json");
        self.good(&[
            "verify",
            name,
            "--bundle",
            &bundle,
            "--data-dir",
            data,
            "--certificate-identity",
            EMAIL,
            "--certificate-oidc-issuer",
            issuer,
        ]);
    }
}

/// A serving process, killed when dropped.
struct Process {
    child: Child,
    screen: String,
}

impl Process {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut screen = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        while !screen.ends_with("ready\n") {
            if out.read_line(&mut screen).unwrap() == 0 {
                let output = child.wait_with_output().unwrap();
                panic!("it ended before `ready`: {output:?}");
            }
        }
        Self { child, screen }
    }

    /// Asks it to stop, and waits: what it wrote on standard error, after a good end.
    fn stop(mut self) -> String {
        signal(&self.child, "TERM");
        let stderr = self.child.stderr.take().unwrap();
        let text = std::io::read_to_string(stderr).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {text}");
        text
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([format!("-{name}"), child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// Ports that nobody has: all of them are held until all are known.
fn ports<const N: usize>() -> [u16; N] {
    let held: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    held.each_ref()
        .map(|listener| listener.local_addr().unwrap().port())
}

/// All roles on one address.
fn together(port: u16, more: &str) -> String {
    format!(
        "data_dir = \"data\"\nurl = \"http://127.0.0.1:{port}\"\nlisten = \"127.0.0.1:{port}\"\n{more}\n\
         [fulcio]\ndevelopment_issuer = \"loopback\"\nkey_type = \"ecdsa-p256\"\n[rekor]\n[ct]\n[tsa]\n[tuf]\n[verifier]\n"
    )
}

async fn get(url: &str) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(url).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn one_process_serves_all_roles_on_sqlite() {
    let [port, admin] = ports();
    let admin_line = format!("admin_listen = \"127.0.0.1:{admin}\"\n[log]\nformat = \"json\"");
    let site = Site::new(&together(port, &admin_line));
    let early = site.run(&["serve", "--config", "sigstead.toml"]);
    let text = String::from_utf8_lossy(&early.stderr).into_owned();
    assert!(
        !early.status.success() && text.contains("sigstead init"),
        "{text}"
    );
    assert!(!site.path("data").exists(), "serve creates nothing");

    assert!(site.init().contains("The instance made"));
    assert!(site.init().contains("was there already"));
    let process = site.serve(&[]);
    let url = format!("http://127.0.0.1:{port}");
    for line in ["fulcio on", "rekor on", "tuf on"] {
        assert!(process.screen.contains(line), "{}", process.screen);
    }
    for path in [
        "healthz",
        "readyz",
        "tuf/timestamp.json",
        "api/v1/trusted-roots",
    ] {
        let (status, text) = get(&format!("{url}/{path}")).await;
        assert_eq!(status, 200, "{path}: {text}");
    }
    site.sign("data", "one.txt", &[]);
    site.sign("data", "two.txt", &["--rekor-version", "2"]);
    let (_, metrics) = get(&format!("http://127.0.0.1:{admin}/metrics")).await;
    for name in [
        "http_requests_total",
        "fulcio_new_certs",
        "rekor_new_entries",
    ] {
        assert!(metrics.contains(name), "{name}");
    }
    assert_eq!(
        get(&format!("http://127.0.0.1:{admin}/readyz")).await.0,
        200
    );

    let mut second = site.command(&["serve", "--config", "sigstead.toml"]);
    second.args([
        "--set",
        "listen=127.0.0.1:0",
        "--set",
        "admin_listen=127.0.0.1:0",
    ]);
    let second = second.output().unwrap();
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(
        !second.status.success() && text.contains("state_dir"),
        "{text}"
    );

    let log = process.stop();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let posts: Vec<Value> = lines
        .filter(|line| line["target"] == "access" && line["method"] == "POST")
        .collect();
    assert!(posts.iter().any(|line| line["status"] == 201), "{log}");
    assert!(!log.contains("eyJ"), "no token is logged");
    // Everything is there again, and the logs are whole.
    let _process = site.serve(&[]);
    site.verify("data", "one.txt");
    site.verify("data", "two.txt");
}

#[tokio::test]
async fn a_url_that_changed_is_told_to_clients_by_init_first() {
    let [port, other] = ports();
    let site = Site::new(&together(port, ""));
    site.init();
    let set = format!("tsa.url=http://127.0.0.1:{other}");
    let refused = site.run(&["serve", "--config", "sigstead.toml", "--set", &set]);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && text.contains("sigstead init"),
        "{text}"
    );
    site.good(&["init", "--config", "sigstead.toml", "--set", &set]);
    let config = fs::read_to_string(site.path("data/trust/signing_config.json")).unwrap();
    assert!(config.contains(&format!("127.0.0.1:{other}/api/v1/timestamp")));
    let set = "rekor.url=http://localhost:1234";
    let refused = site.run(&["init", "--config", "sigstead.toml", "--set", set]);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("part of every checkpoint"), "{text}");
}

#[tokio::test]
async fn roles_apart_share_one_postgresql() {
    let Some(database) = testkit::postgres() else {
        return;
    };
    let [fulcio, rekor, rekor2, ct, tsa, tuf] = ports();
    let role = |name: &str, port: u16| {
        format!("[{name}]\nlisten = \"127.0.0.1:{port}\"\nurl = \"http://127.0.0.1:{port}\"\n")
    };
    let config = [
        "data_dir = \"data\"\ndatabase_url_file = \"database-url\"\nurl = \"http://127.0.0.1:1\"\n"
            .to_owned(),
        role("fulcio", fulcio) + "development_issuer = \"loopback\"\nkey_type = \"ecdsa-p256\"\n",
        role("rekor", rekor),
        role("ct", ct),
        role("tsa", tsa),
        role("tuf", tuf),
    ];
    let site = Site::new(&config.concat());
    fs::write(site.path("database-url"), database + "\n").unwrap();
    site.init();
    // Each process has the keys that it needs and no others, and a folder of its own to write to.
    let keys: [(&str, &[&str]); 5] = [
        ("fulcio", &["issuing-ca", "ct-log", "dev-issuer"]),
        ("rekor", &["rekor-v1", "rekor-v2"]),
        ("ct", &["ct-log"]),
        ("tsa", &["tsa"]),
        ("tuf", &["tuf-online", "tuf-targets"]),
    ];
    for (role, keys) in keys {
        let folder = site.path(&format!("of-{role}"));
        fs::create_dir_all(folder.join("keys")).unwrap();
        fs::set_permissions(folder.join("keys"), fs::Permissions::from_mode(0o700)).unwrap();
        fs::copy(
            site.path("data/instance.json"),
            folder.join("instance.json"),
        )
        .unwrap();
        copy(&site.path("data/public"), &folder.join("public"));
        for key in keys {
            let file = format!("keys/{key}.pem");
            fs::copy(site.path("data").join(&file), folder.join(&file)).unwrap();
        }
    }
    let start = |role: &str, number: u32, port: u16| {
        let data = format!("data_dir=of-{role}");
        let state = format!("state_dir=state-{role}-{number}");
        let listen = format!("{role}.listen=127.0.0.1:{port}");
        site.serve(&[role, "--set", &data, "--set", &state, "--set", &listen])
    };
    let started = [
        start("fulcio", 1, fulcio),
        start("rekor", 1, rekor),
        start("rekor", 2, rekor2),
        start("ct", 1, ct),
        start("tsa", 1, tsa),
        start("tuf", 1, tuf),
    ];
    // Through each replica, with both APIs.
    site.sign("data", "one.txt", &[]);
    site.sign("data", "two.txt", &["--rekor-version", "2"]);
    for name in ["signing_config.json", "signing_config_rekor_v2.json"] {
        let text = fs::read_to_string(site.path("data/trust").join(name)).unwrap();
        let (from, to) = (format!("127.0.0.1:{rekor}"), format!("127.0.0.1:{rekor2}"));
        fs::write(site.path(name), text.replace(&from, &to)).unwrap();
    }
    site.sign(
        "data",
        "three.txt",
        &["--signing-config", "signing_config.json"],
    );
    let v2 = [
        "--signing-config",
        "signing_config_rekor_v2.json",
        "--rekor-version",
        "2",
    ];
    site.sign("data", "four.txt", &v2);
    for port in [rekor, rekor2] {
        // A replica shows what the other one committed within a second.
        let mut size = 0;
        for _ in 0..100 {
            let (_, text) = get(&format!("http://127.0.0.1:{port}/api/v1/log")).await;
            let log: Value = serde_json::from_str(&text).unwrap();
            size = log["treeSize"].as_u64().unwrap();
            if size == 2 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        assert_eq!(size, 2, "both replicas show one log");
    }
    let sth = get(&format!("http://127.0.0.1:{ct}/ctlog/ct/v1/get-sth")).await;
    assert!(sth.1.contains("\"tree_size\":4"), "{sth:?}");
    let served = get(&format!("http://127.0.0.1:{tuf}/tuf/timestamp.json")).await;
    assert_eq!(served.0, 200, "{served:?}");
    for (port, path) in [
        (tsa, "api/v2/trustBundle"),
        (ct, "api/v1/log"),
        (rekor, "api/v1/timestamp"),
    ] {
        let (status, _) = get(&format!("http://127.0.0.1:{port}/{path}")).await;
        assert_eq!(status, 404, "{path}: a role apart has its own routes alone");
    }
    for process in started {
        process.stop();
    }
}

#[tokio::test]
async fn a_stop_under_load_loses_nothing_that_was_answered() {
    let [port] = ports();
    let site = Site::new(&together(port, ""));
    site.init();
    let process = site.serve(&[]);
    let names: Vec<String> = (0..6).map(|number| format!("file-{number}.txt")).collect();
    let site = &site;
    let signed: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = names
            .iter()
            .map(|name| scope.spawn(move || (name, site.try_sign("data", name, &[]))))
            .collect();
        // The first answer is there when the stop is asked for; the others are under way.
        while !names
            .iter()
            .any(|name| site.path(&format!("{name}.json")).exists())
        {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        process.stop();
        let done = threads.into_iter().map(|thread| thread.join().unwrap());
        let good = done.filter(|(_, output)| output.status.success());
        good.map(|(name, _)| name.clone()).collect()
    });
    assert!(!signed.is_empty());
    for name in &signed {
        site.verify("data", name);
    }
    site.good(&["fsck", "--data-dir", "data"]);
    let _process = site.serve(&[]);
    site.sign("data", "after.txt", &[]);
}

#[tokio::test]
async fn encrypted_keys_open_with_their_passphrase_alone() {
    let [port] = ports();
    let site = Site::new(&together(port, "[keys]\npassphrase_file = \"passphrase\""));
    let secret = |name: &str, text: &str| {
        fs::write(site.path(name), text).unwrap();
        fs::set_permissions(site.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    };
    secret("passphrase", "a long passphrase\n");
    secret("another", "another passphrase\n");
    site.init();
    for entry in fs::read_dir(site.path("data/keys")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"),
            "{path:?}"
        );
    }
    for (words, want) in [
        (
            &["--set", "keys.passphrase_file=another"][..],
            "does not open this key",
        ),
        (
            &["--set", "keys.passphrase_file=none"],
            "read the passphrase",
        ),
    ] {
        let refused = site
            .command(&["serve", "--config", "sigstead.toml"])
            .args(words)
            .output();
        let text = String::from_utf8(refused.unwrap().stderr).unwrap();
        assert!(text.contains(want), "{text}");
    }
    let process = site.serve(&[]);
    let token = site.run(&["token", "--data-dir", "data", "--email", EMAIL]);
    let text = String::from_utf8(token.stderr).unwrap();
    assert!(text.contains("SIGSTEAD__KEYS__PASSPHRASE_FILE"), "{text}");
    let mut token = site.command(&["token", "--data-dir", "data", "--email", EMAIL]);
    let token = token
        .env("SIGSTEAD__KEYS__PASSPHRASE_FILE", site.path("passphrase"))
        .output();
    assert!(token.unwrap().status.success());
    process.stop();
}

#[tokio::test]
async fn a_socket_of_the_service_manager_is_used() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let site = Site::new(&together(port, ""));
    site.init();
    // Descriptor 3 with the process's own number, as systemd does it.
    let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"";
    let activated = |listener: TcpListener, words: &[&str]| {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_sigstead"), "serve"]);
        command.args(["--config", "sigstead.toml"]).args(words);
        command
            .current_dir(site.folder.path())
            .stdin(OwnedFd::from(listener));
        command
    };
    let process = Process::start(&mut activated(listener.try_clone().unwrap(), &[]));
    assert_eq!(get(&format!("http://127.0.0.1:{port}/readyz")).await.0, 200);
    process.stop();
    let other = ["--set", "listen=127.0.0.1:0"];
    let refused = activated(listener, &other).output().unwrap();
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(text.contains("no role listens there"), "{text}");
}

#[tokio::test]
async fn tls_with_and_without_certificates_of_callers() {
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("SKIPPED: no openssl program on the path");
        return;
    }
    let [port] = ports();
    let tls = "[tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\n";
    let config = together(port, tls).replace("http://127.0.0.1", "https://127.0.0.1");
    let site = Site::new(&config);
    authority(&site, "ca");
    leaf(&site, "ca", "server");
    leaf(&site, "ca", "caller");
    site.init();
    let url = format!("https://127.0.0.1:{port}/readyz");
    let ca = reqwest::Certificate::from_pem(&fs::read(site.path("ca.pem")).unwrap()).unwrap();
    let client = |identity: Option<reqwest::Identity>| {
        let builder = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([ca.clone()]);
        match identity {
            Some(identity) => builder.identity(identity),
            None => builder,
        }
        .build()
        .unwrap()
    };
    // 1. Anyone may call.
    let process = site.serve(&["tsa"]);
    let answer = client(None).get(&url).send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.version()),
        (200, reqwest::Version::HTTP_2)
    );
    // 2. A renewed certificate is served without a restart.
    let first = serial(&site, port);
    leaf(&site, "ca", "server");
    signal(&process.child, "HUP");
    let renewed = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        serial(&site, port) != first
    });
    assert!(renewed, "the certificate is the old one");
    process.stop();
    // 3. Only callers with a certificate may.
    let process = site.serve(&["tsa", "--set", "tls.client_ca=ca.pem"]);
    client(None).get(&url).send().await.unwrap_err();
    let caller = ["caller.pem", "caller.key"].map(|name| fs::read(site.path(name)).unwrap());
    let identity = reqwest::Identity::from_pem(&caller.concat()).unwrap();
    let answer = client(Some(identity)).get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    process.stop();
    // 4. A pair that does not belong together is told at start.
    fs::copy(site.path("caller.key"), site.path("server.key")).unwrap();
    let refused = site.run(&["config", "check", "--config", "sigstead.toml"]);
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(text.contains("cannot be used"), "{text}");
}

fn authority(site: &Site, name: &str) {
    let (key, pem) = (format!("{name}.key"), format!("{name}.pem"));
    openssl(
        site,
        &format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN={name} -keyout {key} -out {pem}"
        ),
    );
}

fn leaf(site: &Site, ca: &str, name: &str) {
    fs::write(site.path("ext"), "subjectAltName = IP:127.0.0.1\n").unwrap();
    openssl(
        site,
        &format!(
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"
        ),
    );
    openssl(
        site,
        &format!(
            "x509 -req -in {name}.csr -CA {ca}.pem -CAkey {ca}.key -CAcreateserial -days 30 -extfile ext -out {name}.pem"
        ),
    );
}

fn openssl(site: &Site, words: &str) -> Vec<u8> {
    let mut command = Command::new("openssl");
    command
        .args(words.split(' '))
        .current_dir(site.folder.path());
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{words}: {output:?}");
    output.stdout
}

/// The served certificate.
fn serial(site: &Site, port: u16) -> Vec<u8> {
    let shown = openssl(
        site,
        &format!("s_client -connect 127.0.0.1:{port} -CAfile ca.pem"),
    );
    let text = String::from_utf8_lossy(&shown);
    let (_, pem) = text.split_once("-----BEGIN CERTIFICATE-----").unwrap();
    pem.split("-----END").next().unwrap().as_bytes().to_vec()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// The blocks of the guide of one language.
fn guide(language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/guides/production.md");
    let text = fs::read_to_string(path).unwrap();
    let blocks = text.split("```").skip(1).step_by(2);
    let start = format!("{language}\n");
    blocks
        .filter_map(|block| block.strip_prefix(start.as_str()))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn the_guide_works_from_the_first_line_to_a_served_instance() {
    let [port, admin] = ports();
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().display().to_string();
    let local = |text: &str| {
        text.replace("/etc/sigstead", &format!("{root}/etc"))
            .replace("/var/lib/sigstead", &format!("{root}/state"))
            .replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"))
            .replace("127.0.0.1:9090", &format!("127.0.0.1:{admin}"))
    };
    let etc = folder.path().join("etc");
    fs::create_dir(&etc).unwrap();
    fs::write(etc.join("sigstead.toml"), local(&guide("toml")[0])).unwrap();
    fs::write(etc.join("issuers.yaml"), &guide("yaml")[0]).unwrap();
    fs::write(etc.join("passphrase"), "a long passphrase\n").unwrap();
    fs::set_permissions(etc.join("passphrase"), fs::Permissions::from_mode(0o600)).unwrap();
    let blocks = guide("sh");
    assert_eq!(blocks.len(), 3);
    let mut serving = None;
    for line in blocks.iter().flat_map(|block| block.lines()) {
        let line = local(line);
        let mut command = Command::new(env!("CARGO_BIN_EXE_sigstead"));
        command.args(line.strip_prefix("sigstead ").unwrap().split(' '));
        if line.contains(" serve ") {
            serving = Some(Process::start(&mut command));
            continue;
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
    }
    for port in [port, admin] {
        assert_eq!(get(&format!("http://127.0.0.1:{port}/readyz")).await.0, 200);
    }
    // What the guide takes to a safe place is not needed.
    serving.unwrap().stop();
    for key in ["root-ca", "tsa-root", "tsa-intermediate"] {
        fs::remove_file(folder.path().join(format!("state/keys/{key}.pem"))).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_sigstead"));
    command
        .args(["serve", "--config"])
        .arg(etc.join("sigstead.toml"));
    Process::start(&mut command).stop();
}

#[test]
fn configurations_are_printed_with_their_places_and_without_secrets() {
    let site = Site::new("data_dir = \"d\"\nurl = \"https://s.example.com\"\n[rekor]\n[tsa]\n");
    let mut command = site.command(&["config", "print", "--config", "sigstead.toml"]);
    command.args(["--set", "tsa.listen=127.0.0.1:5"]);
    let output = command
        .env("SIGSTEAD__DATABASE", "postgres://u:hidden@db/x")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for want in [
        "data_dir = \"d\"  # sigstead.toml:1",
        "tsa.listen = \"127.0.0.1:5\"  # --set tsa.listen",
        "# environment SIGSTEAD__DATABASE",
        "rekor.v2_url = \"https://s.example.com\"  # default",
        "logs.pool = 4096  # default",
    ] {
        assert!(text.contains(want), "{want} is not in\n{text}");
    }
    assert!(!text.contains("hidden"), "{text}");
    let explained = site.good(&["config", "explain", "logs.batch_age"]);
    assert!(
        explained.contains("SIGSTEAD__LOGS__BATCH_AGE"),
        "{explained}"
    );
    assert_eq!(
        site.run(&["config", "explain", "no.such"]).status.code(),
        Some(2)
    );
    let bad = site.run(&[
        "config",
        "check",
        "--config",
        "sigstead.toml",
        "--set",
        "url=x",
    ]);
    assert_eq!(bad.status.code(), Some(2));
}

#[test]
fn the_units_are_what_systemd_accepts_and_are_hardened() {
    if Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_err()
    {
        eprintln!("SKIPPED: no systemd-analyze program on the path");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/systemd");
    for name in ["sigstead.service", "sigstead@.service", "sigstead.socket"] {
        let text = fs::read_to_string(units.join(name)).unwrap();
        // The program is not installed where tests run.
        let text = text.replace("/usr/bin/sigstead", env!("CARGO_BIN_EXE_sigstead"));
        fs::write(folder.path().join(name), text).unwrap();
    }
    fs::copy(
        folder.path().join("sigstead@.service"),
        folder.path().join("sigstead@rekor.service"),
    )
    .unwrap();
    let analyze = |words: &[&str]| {
        let mut command = Command::new("systemd-analyze");
        let output = command
            .args(words)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
    };
    analyze(&[
        "verify",
        "./sigstead.service",
        "./sigstead.socket",
        "./sigstead@rekor.service",
    ]);
    for name in ["./sigstead.service", "./sigstead@rekor.service"] {
        // In tenths: 1.2 of 10.
        analyze(&["security", "--offline=true", "--threshold=15", name]);
    }
}
