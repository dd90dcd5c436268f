//! `sigstead policy` and `verify --policy`, as a user runs them: exit codes and what is said.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

struct Files {
    folder: tempfile::TempDir,
    bundle: PathBuf,
    artifact: PathBuf,
    root: PathBuf,
}

fn files() -> Option<Files> {
    let conformance = testkit::vectors("conformance")?;
    Some(Files {
        folder: tempfile::tempdir().expect("the test's own files and program"),
        bundle: conformance.join("happy-path-v0.3/bundle.sigstore.json"),
        artifact: conformance.join("a.txt"),
        root: testkit::vectors("trust")?.join("trusted_root.json"),
    })
}

impl Files {
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("the test's own files and program");
        path
    }

    fn verify(&self, policy: &Path, artifact: &Path) -> Output {
        let root = format!("public={}", self.root.display());
        run(|command| {
            command
                .args(["verify", "--root", &root, "--policy"])
                .arg(policy);
            // One that does not concern the policy, too.
            let other = self
                .bundle
                .parent()
                .expect("it has a folder")
                .with_file_name("happy-path-intoto-in-dsse-v3");
            command
                .arg("--bundle")
                .arg(other.join("bundle.sigstore.json"));
            command.arg("--bundle").arg(&self.bundle).arg(artifact);
        })
    }
}

fn run(arguments: impl FnOnce(&mut Command)) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sigstead"));
    arguments(&mut command);
    command.output().expect("the test's own files and program")
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

#[test]
fn what_is_suggested_is_clean_and_verifies_only_what_was_signed() {
    let Some(files) = files() else { return };
    let suggested = run(|command| {
        command
            .args(["policy", "suggest", "--root-name", "public", "--bundle"])
            .arg(&files.bundle);
        command
            .arg("--trusted-root")
            .arg(&files.root)
            .arg(&files.artifact);
    });
    assert_eq!(code(&suggested), Some(0));
    let policy = files.write(
        "policy.yaml",
        std::str::from_utf8(&suggested.stdout).unwrap(),
    );
    let checked = run(|command| {
        command.args(["policy", "check"]).arg(&policy);
    });
    assert_eq!(code(&checked), Some(0));
    let verified = files.verify(&policy, &files.artifact);
    assert_eq!(
        code(&verified),
        Some(0),
        "{}",
        String::from_utf8_lossy(&verified.stdout)
    );
    let other = files.write("other.txt", "other");
    let refused = files.verify(&policy, &other);
    assert_eq!(code(&refused), Some(1));
    assert!(String::from_utf8_lossy(&refused.stdout).contains("NOT verified"));
}

#[test]
fn nothing_is_suggested_of_a_bundle_about_another_file() {
    let Some(files) = files() else { return };
    let other = files.write("other.txt", "other");
    let refused = run(|command| {
        command
            .args(["policy", "suggest", "--bundle"])
            .arg(&files.bundle);
        command.arg("--trusted-root").arg(&files.root).arg(&other);
    });
    assert_eq!(
        (code(&refused), refused.stdout.as_slice()),
        (Some(1), b"".as_slice())
    );
}

#[test]
fn findings_are_1_and_what_is_no_policy_is_2() {
    let folder = tempfile::tempdir().unwrap();
    let check = |text: &str| {
        let path = folder.path().join("policy.yaml");
        std::fs::write(&path, text).unwrap();
        run(|command| {
            command.args(["policy", "check"]).arg(&path);
        })
    };
    let head = "apiVersion: sigstead.dev/policy/v1\nname: p\n";
    let wide = check(&format!(
        "{head}signatures: {{identities: [{{identity: {{regexp: .+}}, issuer: i}}]}}"
    ));
    assert_eq!(code(&wide), Some(1));
    assert!(String::from_utf8_lossy(&wide.stdout).contains("matches anything"));
    let unknown = check(&format!("{head}signature: {{}}"));
    assert_eq!(code(&unknown), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("did you mean `signatures`?"));
}
