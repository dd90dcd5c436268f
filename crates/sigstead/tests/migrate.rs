//! `sigstead migrate` with the program itself, while clients sign.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod moving;

use moving::{Load, Server, Site};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Name, size and root of each log, as `migrate` reports them.
fn roots(report: &Value) -> Vec<(String, u64, String)> {
    let logs = report["logs"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    logs.map(|log| {
        (
            text(&log["name"]),
            log["size"].as_u64().unwrap(),
            text(&log["root"]),
        )
    })
    .collect()
}

/// The root of the Rekor v2 log at a size, from the log itself: the checkpoint of a bundle verifies, and `fsck` is clean.
fn check(site: &Site, data: &str, bundles: &[String]) {
    for bundle in bundles {
        site.verify(data, bundle);
    }
    site.done(&["fsck", "--data-dir", data]);
}

#[test]
fn the_logs_move_to_a_server_and_back_while_clients_sign() {
    let Some(url) = testkit::postgres() else {
        return;
    };
    let site = Arc::new(Site::new());
    let server = site.up(&["--data-dir", "a"]);
    let load = Load::start(&site, "a");
    load.wait(3);
    // Killed at moments of its own choice; the same command goes on.
    let there = ["migrate", "--data-dir", "a", "--to", &url, "--json"];
    for after in [200, 600] {
        let mut child = site
            .command(&there)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(after));
        let _ = child.kill();
        let _ = child.wait();
    }
    let output = site.run(&there);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // One that was killed may have been far enough for the server to go on by itself.
    assert!(
        output.status.success() || said.contains("already"),
        "{output:?}"
    );
    let moved_at = load.count();
    load.wait(moved_at + 3);
    // And back, into a file that takes the old one's place: that one says where its logs went, and may be filled again.
    let back = site.json(&[
        "migrate",
        "--data-dir",
        "a",
        "--to",
        "sqlite:a/sigstead.db",
        "--json",
    ]);
    load.wait(load.count() + 2);
    let bundles = load.stop();
    assert!(roots(&back).iter().all(|(_, size, _)| *size > 0), "{back}");
    server.stop();
    check(&site, "a", &bundles);
    // The server is the old place now.
    let (_, said) = site.refused(&["fsck", "--data-dir", "a", "--database", &url]);
    assert!(
        said.contains("the logs were moved from") && said.contains("sigstead.db"),
        "{said}"
    );
    let refused = site.run(&[
        "up",
        "--data-dir",
        "a",
        "--listen",
        "127.0.0.1:0",
        "--database",
        &url,
    ]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("would fork them"));
}

#[test]
fn a_stopped_instance_is_moved_by_the_command_itself() {
    let Some(url) = testkit::postgres() else {
        return;
    };
    let site = Site::new();
    let server = site.up(&["--data-dir", "a"]);
    let bundle = site.sign("a", "one", "1").unwrap();
    server.stop();
    let moved = site.json(&["migrate", "--data-dir", "a", "--to", &url, "--json"]);
    assert_eq!(roots(&moved).len(), 3);
    // Without --database: the folder knows.
    check(&site, "a", std::slice::from_ref(&bundle));
    let server = site.up(&["--data-dir", "a"]);
    let later = site.sign("a", "two", "2").unwrap();
    server.stop();
    check(&site, "a", &[bundle, later]);
    let (_, said) = site.refused(&["fsck", "--data-dir", "a", "--database", "a/sigstead.db"]);
    assert!(said.contains("the logs were moved from"), "{said}");
    let (_, said) = site.refused(&["migrate", "--data-dir", "a", "--to", &url]);
    assert!(said.contains("already"), "{said}");
}

#[test]
fn what_serve_serves_moves_without_an_end_and_a_stale_configuration_follows() {
    let Some(url) = testkit::postgres() else {
        return;
    };
    let site = Arc::new(Site::new());
    let port = free_port();
    let config = |database: &str| {
        let text = format!(
            "data_dir = \"a\"\nurl = \"http://127.0.0.1:{port}\"\nlisten = \"127.0.0.1:{port}\"\n{database}\n\
             [fulcio]\ndevelopment_issuer = \"loopback\"\n[rekor]\n[ct]\n[tsa]\n[tuf]\n"
        );
        std::fs::write(site.path("sigstead.toml"), text).unwrap();
    };
    let serve = || Server::start(site.command(&["serve", "--config", "sigstead.toml"]));
    config("database = \"a/sigstead.db\"");
    site.done(&["init", "--config", "sigstead.toml"]);
    let server = serve();
    let load = Load::start(&site, "a");
    load.wait(2);
    let moved = site.json(&["migrate", "--data-dir", "a", "--to", &url, "--json"]);
    assert_eq!(roots(&moved).len(), 3);
    load.wait(load.count() + 2);
    let mut bundles = load.stop();
    server.stop();
    // The configuration still names the old place.
    let server = serve();
    bundles.push(site.sign("a", "later", "2").unwrap());
    server.stop();
    // It names none: the folder knows.
    config("");
    let server = serve();
    bundles.push(site.sign("a", "last", "1").unwrap());
    server.stop();
    check(&site, "a", &bundles);
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn a_database_that_may_be_somebodys_is_not_filled() {
    let site = Site::new();
    site.up(&["--data-dir", "a"]).stop();
    site.up(&["--data-dir", "b"]).stop();
    let (_, said) = site.refused(&["migrate", "--data-dir", "a", "--to", "sqlite:b/sigstead.db"]);
    assert!(said.contains("may be served by somebody"), "{said}");
    site.up(&["--data-dir", "a"]).stop();
    site.up(&["--data-dir", "b"]).stop();
}
