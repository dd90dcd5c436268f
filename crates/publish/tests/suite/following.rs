//! The task: it follows, coalesces, survives a target that is down, and has the last word at a stop.

use crate::fixture::{grow, log_of, memory, publish};
use crate::flaky::Flaky;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use prometheus::Registry;
use publish::{Metrics, Options, PublishError, Publisher, Target, check_tree, publish_once};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tlog::Log;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), PublishError>>,
    registry: Registry,
}

impl Running {
    fn start(log: &Log, target: &Target, interval: Duration) -> Self {
        let registry = Registry::new();
        let options = Options {
            interval,
            metrics: Some(Metrics::register(&registry, "v2").unwrap()),
            ..Options::default()
        };
        let (stop, stopped) = oneshot::channel();
        let publisher = Publisher::new(log.clone(), target.clone(), options);
        let task = tokio::spawn(publisher.run(async {
            let _ = stopped.await;
        }));
        Self {
            stop,
            task,
            registry,
        }
    }

    fn metric(&self, name: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name);
        let metric = &family.unwrap().get_metric()[0];
        assert_eq!(metric.get_label()[0].value(), "v2");
        metric.get_gauge().get_value() + metric.get_counter().get_value()
    }

    async fn until_size(&self, size: f64) {
        while self.metric("sigstead_publish_size") < size {
            sleep(Duration::from_millis(1)).await;
        }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }
}

const TICK: Duration = Duration::from_millis(5);

#[tokio::test(start_paused = true)]
async fn the_target_follows_the_log() {
    let (target, _) = memory();
    let log = log_of(0).await;
    let running = Running::start(&log, &target, TICK);
    for size in [3u32, 256, 400] {
        grow(&log, size.into()).await;
        running.until_size(size.into()).await;
        let tree = check_tree(&target).await.unwrap();
        assert_eq!(tree.root, log.head().root);
    }
    assert_eq!(running.metric("sigstead_publish_lag"), 0.0);
    assert_eq!(running.metric("sigstead_publish_failures_total"), 0.0);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn heads_between_two_looks_are_one() {
    let flaky = Flaky::sound(Arc::new(InMemory::new()));
    let target = Target::over(flaky.clone(), "flaky");
    let log = log_of(1).await;
    let running = Running::start(&log, &target, Duration::from_secs(10));
    running.until_size(1.0).await;
    let puts = flaky.puts.load(Ordering::SeqCst);
    for size in 2..50 {
        grow(&log, size).await;
    }
    assert_eq!(flaky.puts.load(Ordering::SeqCst), puts);
    running.until_size(49.0).await;
    assert_eq!(flaky.puts.load(Ordering::SeqCst), puts + 3);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_of_the_target_while_the_log_stands_still() {
    let flaky = Flaky::sound(Arc::new(InMemory::new()));
    let target = Target::over(flaky.clone(), "flaky");
    let log = log_of(3).await;
    let running = Running::start(&log, &target, TICK);
    running.until_size(3.0).await;
    let before = flaky.gets.load(Ordering::SeqCst) + flaky.puts.load(Ordering::SeqCst);
    sleep(Duration::from_secs(60)).await;
    let after = flaky.gets.load(Ordering::SeqCst) + flaky.puts.load(Ordering::SeqCst);
    assert_eq!(before, after);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_down_is_tried_ever_more_rarely_and_caught_up_with() {
    let flaky = Flaky::sound(Arc::new(InMemory::new()));
    let target = Target::over(flaky.clone(), "flaky");
    let log = log_of(3).await;
    let running = Running::start(&log, &target, TICK);
    running.until_size(3.0).await;

    flaky.down.store(true, Ordering::SeqCst);
    grow(&log, 300).await;
    sleep(Duration::from_secs(3600)).await;
    // 1, 2, 4, 8, 16, 32 and then every 60 seconds.
    let failures = running.metric("sigstead_publish_failures_total");
    assert!((60.0..70.0).contains(&failures), "{failures}");
    assert_eq!(running.metric("sigstead_publish_lag"), 297.0);

    flaky.down.store(false, Ordering::SeqCst);
    let since = Instant::now();
    running.until_size(300.0).await;
    assert!(since.elapsed() <= Duration::from_secs(61));
    check_tree(&target).await.unwrap();
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_publishes_the_last_head() {
    let (target, _) = memory();
    let log = log_of(3).await;
    let running = Running::start(&log, &target, Duration::from_secs(3600));
    running.until_size(3.0).await;
    grow(&log, 10).await;
    log.close().await;
    running.stop().await;
    assert_eq!(check_tree(&target).await.unwrap().size, 10);
}

#[tokio::test(start_paused = true)]
async fn a_stop_in_the_middle_of_a_round_publishes_the_last_head_too() {
    let flaky = Flaky::sound(Arc::new(InMemory::new()));
    let target = Target::over(flaky.clone(), "flaky");
    let log = log_of(3).await;
    flaky.slow.store(true, Ordering::SeqCst);
    let running = Running::start(&log, &target, TICK);
    while flaky.puts.load(Ordering::SeqCst) == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    grow(&log, 10).await;
    running.stop().await;
    assert_eq!(check_tree(&target).await.unwrap().size, 10);
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_a_target_that_is_down() {
    let flaky = Flaky::sound(Arc::new(InMemory::new()));
    flaky.down.store(true, Ordering::SeqCst);
    let target = Target::over(flaky, "flaky");
    let running = Running::start(&log_of(3).await, &target, TICK);
    sleep(Duration::from_secs(1)).await;
    let since = Instant::now();
    running.stop().await;
    assert!(since.elapsed() <= Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn two_processes_may_publish_one_log() {
    let (target, _) = memory();
    let log = log_of(3).await;
    let first = Running::start(&log, &target, TICK);
    let second = Running::start(&log, &target, TICK);
    for size in [10u32, 20, 300, 301] {
        grow(&log, size.into()).await;
        first.until_size(size.into()).await;
        second.until_size(size.into()).await;
        let tree = check_tree(&target).await.unwrap();
        assert_eq!(tree.size, u64::from(size));
    }
    first.stop().await;
    second.stop().await;
}

/// A process that publishes slowly, and another one that is done with a larger tree meanwhile.
async fn the_slower_one_gives_way(
    store: Arc<dyn ObjectStore>,
    target: Target,
    before: Option<u64>,
) {
    let log = log_of(before.unwrap_or(0)).await;
    if before.is_some() {
        publish(&log, &target).await;
    }
    grow(&log, 300).await;
    let flaky = Flaky::sound(store);
    flaky.slow.store(true, Ordering::SeqCst);
    let slow = Target::over(flaky.clone(), "slow").without_headers();
    let options = Options::default();
    let slower = publish_once(&log, &slow, &options, |_| ());
    let faster = async {
        while flaky.puts.load(Ordering::SeqCst) == 0 {
            sleep(Duration::from_millis(1)).await;
        }
        grow(&log, 600).await;
        publish(&log, &target).await;
    };
    let (outcome, ()) = tokio::join!(slower, faster);
    let target_name = "slow".to_owned();
    assert_eq!(
        outcome,
        Err(PublishError::Overtaken {
            target: target_name
        })
    );
    assert_eq!(check_tree(&target).await.unwrap().size, 600);
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_never_goes_back() {
    for before in [None, Some(10)] {
        let (target, store) = memory();
        the_slower_one_gives_way(store, target, before).await;
    }
}

#[tokio::test]
async fn a_checkpoint_never_goes_back_in_a_folder() {
    for before in [None, Some(10)] {
        let folder = tempfile::tempdir().unwrap();
        let target = publish::target(folder.path().to_str().unwrap()).unwrap();
        let store = Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap());
        the_slower_one_gives_way(store, target, before).await;
    }
}
