//! Roots from files.

use crate::shorter_root;
use clock::Clock;
use prometheus::Registry;
use std::fs;
use trust::{BuildError, DEFAULT, PUBLIC_GOOD, Roots, SIGSTORE, SourceKind};

async fn roots(path: &std::path::Path) -> Roots {
    let builder = Roots::builder().embedded().file(DEFAULT, path);
    builder
        .build(Clock::system(), &Registry::new())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_changed_file_is_read_again_and_a_broken_one_keeps_the_last_good_root() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.json");
    fs::write(&path, PUBLIC_GOOD).unwrap();
    let roots = roots(&path).await;
    let first = roots.get(DEFAULT).unwrap().digest();
    assert_eq!(first, roots.get(SIGSTORE).unwrap().digest());

    // 1. Changed.
    fs::write(&path, shorter_root()).unwrap();
    roots.look_at_files();
    let second = roots.get(DEFAULT).unwrap().digest();
    assert_ne!(second, first);
    assert_eq!(roots.get(SIGSTORE).unwrap().digest(), first);

    // 2. Broken, and told.
    fs::write(&path, "{").unwrap();
    roots.look_at_files();
    assert_eq!(roots.get(DEFAULT).unwrap().digest(), second);
    let status = &roots.list()[0];
    assert_eq!(status.name, DEFAULT);
    assert!(status.stale && status.problem.as_ref().unwrap().contains("root.json"));

    // 3. Away for a moment, as by an editor: nothing happens.
    fs::remove_file(&path).unwrap();
    roots.look_at_files();
    assert_eq!(roots.get(DEFAULT).unwrap().digest(), second);

    // 4. Good again.
    fs::write(&path, PUBLIC_GOOD).unwrap();
    roots.look_at_files();
    assert_eq!(roots.get(DEFAULT).unwrap().digest(), first);
    assert!(!roots.list()[0].stale);
}

#[tokio::test]
async fn a_followed_file_is_found_without_being_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.json");
    fs::write(&path, PUBLIC_GOOD).unwrap();
    let roots = roots(&path).await;
    let first = roots.get(DEFAULT).unwrap().digest();
    let _following = roots.follow();
    fs::write(&path, shorter_root()).unwrap();
    for _ in 0..100 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        if roots.get(DEFAULT).unwrap().digest() != first {
            return;
        }
    }
    panic!("the change was not found within ten seconds");
}

#[tokio::test]
async fn a_file_that_is_not_there_yet_begins_with_what_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.json");
    let builder = Roots::builder().file_beginning_with(DEFAULT, &path, PUBLIC_GOOD);
    let roots = builder
        .build(Clock::system(), &Registry::new())
        .await
        .unwrap();
    let first = roots.get(DEFAULT).unwrap().digest();
    fs::write(&path, shorter_root()).unwrap();
    roots.look_at_files();
    assert_ne!(roots.get(DEFAULT).unwrap().digest(), first);
}

#[tokio::test]
async fn names_are_plain_and_stand_once() {
    let build = |builder: trust::Builder| async {
        let built = builder.build(Clock::system(), &Registry::new()).await;
        built.unwrap_err()
    };
    let twice = build(Roots::builder().embedded().embedded()).await;
    assert!(matches!(twice, BuildError::Twice { .. }), "{twice}");
    let name = build(Roots::builder().file("a b", "x")).await;
    assert!(matches!(name, BuildError::Name { .. }), "{name}");
    let missing = build(Roots::builder().file("a", "/nonexistent/root.json")).await;
    assert!(matches!(missing, BuildError::File { .. }), "{missing}");
}

#[tokio::test]
async fn metrics_name_the_root_and_the_outcome() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.json");
    fs::write(&path, PUBLIC_GOOD).unwrap();
    let registry = Registry::new();
    let builder = Roots::builder().file(DEFAULT, &path);
    let roots = builder.build(Clock::system(), &registry).await.unwrap();
    fs::write(&path, "no").unwrap();
    roots.look_at_files();
    let text = prometheus::TextEncoder::new()
        .encode_to_string(&registry.gather())
        .unwrap();
    for want in [
        r#"verifier_trusted_root_loads_total{outcome="failed",root="default"} 1"#,
        r#"verifier_trusted_root_loads_total{outcome="good",root="default"} 1"#,
        r#"verifier_trusted_root_stale{root="default"} 1"#,
    ] {
        assert!(text.contains(want), "{want} is not in\n{text}");
    }
    assert_eq!(roots.list()[0].source, SourceKind::File);
}
