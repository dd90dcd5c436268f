//! Roots from TUF.

use crate::repository::Repository;
use crate::shorter_root;
use clock::Clock;
use prometheus::Registry;
use std::path::Path;
use std::time::Duration;
use trust::{BuildError, PUBLIC_GOOD, Roots, SourceKind, Tuf, TufError};

const NAME: &str = "staging";
const DAY: i64 = 86_400;

fn tuf(repository: &Repository, folder: &Path) -> Tuf {
    Tuf::new(&repository.url, repository.anchor(), folder).unwrap()
}

fn daily(repository: &Repository, folder: &Path) -> Tuf {
    let day = Duration::from_secs(86_400);
    tuf(repository, folder).refreshed(day).unwrap()
}

async fn build(tuf: Tuf) -> Result<Roots, BuildError> {
    let builder = Roots::builder().tuf(NAME, tuf);
    builder.build(Clock::system(), &Registry::new()).await
}

#[tokio::test]
async fn a_refresh_brings_the_newest_root() {
    let mut repository = Repository::new().await;
    let folder = tempfile::tempdir().unwrap();
    repository.publish(PUBLIC_GOOD, DAY).await;
    let roots = build(daily(&repository, folder.path())).await.unwrap();
    let first = roots.get(NAME).unwrap().digest();
    assert_eq!(first, trust::embedded().unwrap().digest());
    let status = &roots.list()[0];
    assert_eq!(status.source, SourceKind::Tuf);
    assert!(!status.stale && status.expires.is_some());

    repository.publish(&shorter_root(), DAY).await;
    assert!(roots.refresh(NAME).await);
    assert_ne!(roots.get(NAME).unwrap().digest(), first);
}

#[tokio::test]
async fn without_an_interval_no_socket_is_opened() {
    let mut repository = Repository::new().await;
    let folder = tempfile::tempdir().unwrap();
    repository.publish(PUBLIC_GOOD, DAY).await;

    // 1. Nothing remembered: a start says so instead of asking the network.
    let refused = build(tuf(&repository, folder.path())).await.unwrap_err();
    assert!(matches!(refused, BuildError::Offline { .. }), "{refused}");
    assert_eq!(repository.requests(), 0);

    // 2. Remembered by a refresh: that answers, and nothing is asked.
    build(daily(&repository, folder.path())).await.unwrap();
    let asked = repository.requests();
    let roots = build(tuf(&repository, folder.path())).await.unwrap();
    assert!(roots.get(NAME).is_some());
    assert!(!roots.refresh(NAME).await);
    assert_eq!(repository.requests(), asked);
}

#[tokio::test]
async fn expired_metadata_is_refused_and_the_last_good_root_answers_visibly_stale() {
    let mut repository = Repository::new().await;
    let folder = tempfile::tempdir().unwrap();
    repository.publish(PUBLIC_GOOD, DAY).await;
    let roots = build(daily(&repository, folder.path())).await.unwrap();
    let good = roots.get(NAME).unwrap().digest();

    repository.publish(&shorter_root(), -DAY).await;
    assert!(!roots.refresh(NAME).await);
    assert_eq!(roots.get(NAME).unwrap().digest(), good);
    let status = &roots.list()[0];
    assert!(status.stale);
    let problem = status.problem.as_ref().unwrap();
    assert!(problem.contains("expired"), "{problem}");

    // A start with the repository in that state: the copy in the folder answers.
    let again = build(daily(&repository, folder.path())).await.unwrap();
    assert_eq!(again.get(NAME).unwrap().digest(), good);
    assert!(again.list()[0].stale);

    // A good one heals it.
    repository.publish(&shorter_root(), DAY).await;
    assert!(roots.refresh(NAME).await);
    assert!(!roots.list()[0].stale);
}

#[tokio::test]
async fn a_copy_behind_its_expiry_still_answers_offline_and_says_so() {
    let mut repository = Repository::new().await;
    let folder = tempfile::tempdir().unwrap();
    repository.publish(PUBLIC_GOOD, DAY).await;
    build(daily(&repository, folder.path())).await.unwrap();
    let later = time::OffsetDateTime::now_utc() + time::Duration::days(3);
    let (clock, _hand) = Clock::manual(later);
    let builder = Roots::builder().tuf(NAME, tuf(&repository, folder.path()));
    let roots = builder.build(clock, &Registry::new()).await.unwrap();
    assert!(roots.get(NAME).is_some());
    let status = &roots.list()[0];
    assert!(status.stale && status.problem.is_none());
}

#[tokio::test]
async fn a_rolled_back_repository_is_refused() {
    let mut repository = Repository::new().await;
    let folder = tempfile::tempdir().unwrap();
    repository.publish(PUBLIC_GOOD, DAY).await;
    repository.publish(&shorter_root(), DAY).await;
    let roots = build(daily(&repository, folder.path())).await.unwrap();
    let newest = roots.get(NAME).unwrap().digest();
    repository.roll_back();
    repository.publish(PUBLIC_GOOD, DAY).await;
    assert!(!roots.refresh(NAME).await);
    assert_eq!(roots.get(NAME).unwrap().digest(), newest);
}

#[tokio::test]
async fn a_target_that_is_no_trusted_root_is_refused() {
    let mut repository = Repository::new().await;
    let folder = tempfile::tempdir().unwrap();
    repository.publish(b"{}", DAY).await;
    let refused = build(daily(&repository, folder.path())).await.unwrap_err();
    assert!(matches!(refused, BuildError::Tuf { .. }), "{refused}");
    assert!(
        refused.to_string().contains("trusted_root.json"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_repository_of_another_key_is_refused() {
    let (mut repository, other) = (Repository::new().await, Repository::new().await);
    let folder = tempfile::tempdir().unwrap();
    repository.publish(PUBLIC_GOOD, DAY).await;
    let tuf = Tuf::new(&repository.url, other.anchor(), folder.path()).unwrap();
    let tuf = tuf.refreshed(Duration::from_secs(86_400)).unwrap();
    assert!(build(tuf).await.is_err());
}

#[tokio::test]
async fn an_update_fetches_without_an_interval_and_leaves_what_a_later_start_reads() {
    let mut repository = Repository::new().await;
    let folder = tempfile::tempdir().unwrap();
    repository.publish(PUBLIC_GOOD, DAY).await;
    let source = tuf(&repository, folder.path());
    let now = Clock::system().now();
    let first = source.update(now).await.unwrap();
    assert!(first.is_new && first.expires > now);
    assert!(!source.update(now).await.unwrap().is_new);

    let asked = repository.requests();
    let roots = build(source).await.unwrap();
    assert_eq!(roots.get(NAME).unwrap().digest(), first.root.digest());
    assert_eq!(repository.requests(), asked);
}

#[tokio::test]
async fn an_update_that_fails_leaves_what_was_there() {
    let mut repository = Repository::new().await;
    let folder = tempfile::tempdir().unwrap();
    repository.publish(PUBLIC_GOOD, DAY).await;
    let source = tuf(&repository, folder.path());
    let now = Clock::system().now();
    let first = source.update(now).await.unwrap().root.digest();
    repository.publish(b"{}", DAY).await;
    let refused = source.update(now).await.unwrap_err();
    assert!(matches!(refused, TufError::Content(_)), "{refused}");
    let roots = build(source).await.unwrap();
    assert_eq!(roots.get(NAME).unwrap().digest(), first);
}
