//! A place with instances in it, and clients that sign all the time.

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Enough for a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder that commands run in.
pub(crate) struct Site {
    pub(crate) folder: tempfile::TempDir,
}

impl Site {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(
            folder.path().join("passphrase"),
            "correct horse battery staple\n",
        )
        .unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sigstead"));
        command.args(words).current_dir(self.folder.path());
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Standard output of a command that must succeed.
    pub(crate) fn done(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.done(words)).unwrap()
    }

    /// What a command that must fail says, and its exit code.
    pub(crate) fn refused(&self, words: &[&str]) -> (Option<i32>, String) {
        let output = self.run(words);
        assert!(!output.status.success(), "{words:?}: {output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    }

    pub(crate) fn up(&self, words: &[&str]) -> Server {
        let all = [&["up", "--json", "--listen", "127.0.0.1:0"], words].concat();
        Server::start(self.command(&all))
    }

    /// Signs a file of its own; answers the bundle's name.
    pub(crate) fn sign(&self, data: &str, name: &str, rekor: &str) -> Result<String, Output> {
        fs::write(self.path(name), name).unwrap();
        let bundle = format!("{name}.json");
        let token = self.run(&["token", "--data-dir", data, "--email", "you@example.com"]);
        if !token.status.success() {
            return Err(token);
        }
        let token = String::from_utf8(token.stdout).unwrap();
        let words = [
            "sign",
            name,
            "--data-dir",
            data,
            "--bundle",
            &bundle,
            "--rekor-version",
            rekor,
            "--identity-token",
            token.trim(),
        ];
        let output = self.run(&words);
        match output.status.success() {
            true => Ok(bundle),
            false => Err(output),
        }
    }

    /// Verifies a bundle of [`Site::sign`] with the trust files of an instance.
    pub(crate) fn verify(&self, data: &str, bundle: &str) {
        let root = format!("{data}/trust/trusted_root.json");
        let name = bundle.strip_suffix(".json").unwrap();
        self.done(&[
            "verify",
            "--trusted-root",
            &root,
            "--bundle",
            bundle,
            "--certificate-identity",
            "you@example.com",
            "--certificate-oidc-issuer-regexp",
            "http://127.0.0.1:.*",
            name,
        ]);
    }
}

/// A serving process; killed when dropped.
pub(crate) struct Server {
    child: Child,
}

impl Server {
    /// Starts it and waits until it is ready.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while lines.next().unwrap().unwrap() != "ready" {}
        Self { child }
    }

    /// Asks it to end, as a service manager does, and waits until it did.
    pub(crate) fn stop(mut self) {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().unwrap();
        let since = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(since.elapsed() < PATIENCE);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Signs until it is stopped, with both logs by turns.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    signing: JoinHandle<Vec<String>>,
}

impl Load {
    pub(crate) fn start(site: &Arc<Site>, data: &str) -> Self {
        let (stop, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (site, data) = (site.clone(), data.to_owned());
        let (stopped, count) = (stop.clone(), Arc::clone(&done));
        let signing = std::thread::spawn(move || {
            let mut bundles = Vec::new();
            while !stopped.load(Ordering::SeqCst) {
                let number = bundles.len();
                let name = format!("file-{number}");
                let rekor = if number % 2 == 0 { "1" } else { "2" };
                let bundle = site.sign(&data, &name, rekor);
                bundles.push(bundle.unwrap_or_else(|output| panic!("{name}: {output:?}")));
                count.fetch_add(1, Ordering::SeqCst);
            }
            bundles
        });
        Self {
            stop,
            done,
            signing,
        }
    }

    /// Waits for so many signatures in all.
    pub(crate) fn wait(&self, count: usize) -> usize {
        let since = Instant::now();
        loop {
            let done = self.done.load(Ordering::SeqCst);
            if done >= count || self.signing.is_finished() {
                return done;
            }
            assert!(since.elapsed() < PATIENCE);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// How many signatures there are now.
    pub(crate) fn count(&self) -> usize {
        self.done.load(Ordering::SeqCst)
    }

    /// Ends; every signature since the start must have succeeded.
    pub(crate) fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        self.signing.join().unwrap()
    }
}
