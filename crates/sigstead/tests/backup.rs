//! `sigstead backup` and `restore` with the program itself, while clients sign.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod moving;

use moving::{Load, Site};
use std::fs;
use std::sync::Arc;
use std::time::Duration;

/// What opens the archives here.
const PASS: [&str; 2] = ["--passphrase-file", "passphrase"];

fn words<'a>(parts: &[&[&'a str]]) -> Vec<&'a str> {
    parts.concat()
}

fn backup(site: &Site, data: &str, out: &str) -> serde_json::Value {
    site.json(&words(&[
        &["backup", "--data-dir", data, "--out", out, "--json"],
        &PASS,
    ]))
}

/// An instance with one entry in each Rekor log, stopped.
fn stopped() -> Site {
    let site = Site::new();
    let server = site.up(&["--data-dir", "a"]);
    site.sign("a", "one", "1").unwrap();
    site.sign("a", "two", "2").unwrap();
    server.stop();
    site
}

#[test]
fn a_backup_under_load_is_restored_elsewhere_with_everything_that_was_acknowledged() {
    let site = Arc::new(Site::new());
    let server = site.up(&["--data-dir", "a"]);
    let load = Load::start(&site, "a");
    let before = load.wait(4);
    let made = backup(&site, "a", "b.age");
    let after = load.count();
    load.wait(after + 2);
    let bundles = load.stop();
    let sizes: Vec<u64> = made["logs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|log| log["size"].as_u64().unwrap())
        .collect();
    assert!(sizes.iter().all(|size| *size > 0), "{made}");
    // The served instance is ahead of its backup by now, and says so.
    let stale = site.run(&words(&[
        &["restore", "--check", "--from", "b.age", "--data-dir", "a"],
        &PASS,
    ]));
    assert_eq!(stale.status.code(), Some(1), "{stale:?}");
    assert!(String::from_utf8_lossy(&stale.stdout).contains("missing: log"));
    server.stop();

    // Everything that was acknowledged before the backup began is in it.
    let mut check = words(&[
        &["restore", "--check", "--from", "b.age", "--data-dir", "new"],
        &PASS,
    ]);
    for bundle in &bundles[..before] {
        check.extend(["--against", bundle]);
    }
    site.done(&check);
    let restored = site.json(&words(&[
        &["restore", "--from", "b.age", "--data-dir", "new", "--json"],
        &PASS,
    ]));
    assert_eq!(restored["logs"].as_array().unwrap().len(), 3);
    site.done(&["fsck", "--data-dir", "new"]);
    let server = site.up(&["--data-dir", "new"]);
    for bundle in &bundles[..before] {
        site.verify("new", bundle);
    }
    let new = site.sign("new", "later", "1").unwrap();
    site.verify("new", &new);
    // The old trust files verify what the restored instance signs: its keys are the same.
    site.verify("a", &new);
    server.stop();
    assert!(!site.path("new/.restoring").exists());
    site.done(&["fsck", "--data-dir", "new"]);
}

#[test]
fn a_stale_backup_is_refused_with_the_consequence_until_it_is_accepted() {
    let site = stopped();
    backup(&site, "a", "old.age");
    let server = site.up(&["--data-dir", "a"]);
    let newer = site.sign("a", "three", "1").unwrap();
    server.stop();
    // The database is lost; the folder and its guard are not.
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(site.path(&format!("a/sigstead.db{end}")));
    }
    let restore = words(&[&["restore", "--from", "old.age", "--data-dir", "a"], &PASS]);
    let (code, said) = site.refused(&restore);
    assert_eq!(code, Some(1));
    for part in [
        "a head of",
        "that is a fork",
        "Nothing was restored",
        "--accept-shorter",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert!(!site.path("a/sigstead.db").exists());
    // The same in an empty folder, when a client's bundle is named.
    let elsewhere = words(&[
        &[
            "restore",
            "--from",
            "old.age",
            "--data-dir",
            "new",
            "--against",
            &newer,
        ],
        &PASS,
    ]);
    let (_, said) = site.refused(&elsewhere);
    assert!(
        said.contains("rekor-v1") && said.contains("--accept-shorter rekor-v1"),
        "{said}"
    );
    let accepted = words(&[
        &restore,
        &["--accept-shorter", "rekor-v1", "--accept-shorter", "ct"],
    ]);
    site.done(&accepted);
    site.up(&["--data-dir", "a"]).stop();
}

#[test]
fn bad_archives_are_refused_and_nothing_is_written() {
    let site = stopped();
    backup(&site, "a", "good.age");
    let good = fs::read(site.path("good.age")).unwrap();
    fs::write(site.path("other"), "another passphrase\n").unwrap();
    fs::write(site.path("short"), "short\n").unwrap();
    let restore = |from: &str, pass: &str| {
        site.refused(&[
            "restore",
            "--from",
            from,
            "--data-dir",
            "new",
            "--passphrase-file",
            pass,
        ])
    };
    let (_, said) = restore("good.age", "other");
    assert!(said.contains("the passphrase does not open it"), "{said}");
    for cut in [good.len() / 2, good.len() - 1, 200, 0] {
        fs::write(site.path("cut.age"), &good[..cut]).unwrap();
        let (_, said) = restore("cut.age", "passphrase");
        assert!(
            said.contains("half-written") || said.contains("is no backup"),
            "{cut}: {said}"
        );
    }
    for at in [good.len() / 4, good.len() / 2] {
        let mut changed = good.clone();
        changed[at] ^= 1;
        fs::write(site.path("changed.age"), &changed).unwrap();
        let (_, said) = restore("changed.age", "passphrase");
        assert!(
            said.contains("was changed after it was written")
                || said.contains("64 KiB was changed"),
            "{said}"
        );
        assert!(
            said.contains("logs/") || said.contains("data/") || said.contains("beginning"),
            "{said}"
        );
    }
    fs::write(site.path("text.age"), "hello").unwrap();
    assert!(restore("text.age", "passphrase").1.contains("is no backup"));
    let weak = site.refused(&[
        "backup",
        "--data-dir",
        "a",
        "--out",
        "weak.age",
        "--passphrase-file",
        "short",
    ]);
    assert!(weak.1.contains("fewer than 12 characters"), "{}", weak.1);
    let left = fs::read_dir(site.path("new")).map(|entries| {
        entries
            .map(|entry| entry.unwrap().file_name())
            .collect::<Vec<_>>()
    });
    assert!(left.is_err(), "{left:?}");
    // A folder that has something is not written over.
    let (_, said) = site.refused(&words(&[
        &["restore", "--from", "good.age", "--data-dir", "a"],
        &PASS,
    ]));
    assert!(said.contains("is not empty"), "{said}");
}

#[test]
fn an_interrupted_restore_goes_on() {
    let site = stopped();
    backup(&site, "a", "b.age");
    let restore = words(&[&["restore", "--from", "b.age", "--data-dir", "new"], &PASS]);
    for after in [700, 1500, 2500, 4000] {
        let mut child = site.command(&restore).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(after));
        let _ = child.kill();
        let _ = child.wait();
        if site.path("new/instance.json").exists() {
            break;
        }
        // Half a restore is never served.
        assert!(!site.run(&["fsck", "--data-dir", "new"]).status.success());
    }
    let again = site.run(&restore);
    let whole =
        again.status.success() || String::from_utf8_lossy(&again.stderr).contains("is not empty");
    assert!(whole, "{again:?}");
    site.done(&["fsck", "--data-dir", "new"]);
    site.up(&["--data-dir", "new"]).stop();
}

#[test]
fn a_backup_that_is_killed_leaves_nothing_under_its_name() {
    let site = stopped();
    let make = words(&[&["backup", "--data-dir", "a", "--out", "b.age"], &PASS]);
    let mut child = site.command(&make).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let _ = child.kill();
    let _ = child.wait();
    if site.path("b.age").exists() {
        return;
    }
    site.done(&make);
    assert!(site.path("b.age").exists() && !site.path("b.age.partial").exists());
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    let site = stopped();
    fs::create_dir(site.path("small")).unwrap();
    // A file system of its own, in a mount namespace that ends with the command.
    let program = env!("CARGO_BIN_EXE_sigstead");
    let script = format!(
        "mount -t tmpfs -o size=16k tmpfs small && {{ {program} backup --data-dir a --out small/b.age \
         --passphrase-file passphrase; code=$?; ls -A small; exit $code; }}"
    );
    let mut command = std::process::Command::new("unshare");
    let output = command
        .args(["-m", "sh", "-c", &script])
        .current_dir(site.folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("mount:") || said.contains("unshare") {
        eprintln!("skipped: no mount namespace here");
        return;
    }
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(said.contains("The disk is full"), "{said}");
    assert!(output.stdout.is_empty(), "{output:?}");
}

#[test]
fn a_recipient_opens_what_the_machine_itself_cannot() {
    let site = stopped();
    // From `age-keygen`.
    fs::write(
        site.path("key.txt"),
        "# public key: see below\nAGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33\n",
    )
    .unwrap();
    let recipient = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
    site.done(&[
        "backup",
        "--data-dir",
        "a",
        "--out",
        "b.age",
        "--recipient",
        recipient,
    ]);
    let check = ["restore", "--check", "--from", "b.age", "--data-dir", "a"];
    site.done(&words(&[&check, &["--identity-file", "key.txt"]]));
    let (_, said) = site.refused(&words(&[&check, &PASS]));
    assert!(said.contains("made with recipients"), "{said}");
    let (_, said) = site.refused(&[
        "backup",
        "--data-dir",
        "a",
        "--out",
        "c.age",
        "--recipient",
        "age1nonsense",
    ]);
    assert!(said.contains("no age recipient"), "{said}");
}

#[test]
fn a_backup_of_a_server_is_restored_into_a_file_and_back() {
    let (Some(one), Some(two)) = (testkit::postgres(), testkit::postgres()) else {
        return;
    };
    let site = Site::new();
    let server = site.up(&["--data-dir", "a", "--database", &one]);
    let bundle = site.sign("a", "one", "2").unwrap();
    site.done(&words(&[
        &[
            "backup",
            "--data-dir",
            "a",
            "--database",
            &one,
            "--out",
            "b.age",
        ],
        &PASS,
    ]));
    server.stop();
    site.done(&words(&[
        &["restore", "--from", "b.age", "--data-dir", "file"],
        &PASS,
    ]));
    let server = site.up(&["--data-dir", "file"]);
    site.verify("file", &bundle);
    site.sign("file", "two", "1").unwrap();
    backup(&site, "file", "c.age");
    server.stop();
    let (_, said) = site.refused(&words(&[
        &[
            "restore",
            "--from",
            "c.age",
            "--data-dir",
            "db",
            "--database",
            &one,
        ],
        &PASS,
    ]));
    assert!(said.contains("is not empty"), "{said}");
    let _ = fs::remove_dir_all(site.path("db"));
    site.done(&words(&[
        &[
            "restore",
            "--from",
            "c.age",
            "--data-dir",
            "db",
            "--database",
            &two,
        ],
        &PASS,
    ]));
    let _server = site.up(&["--data-dir", "db", "--database", &two]);
    site.verify("db", &bundle);
    site.verify("db", &site.sign("db", "three", "1").unwrap());
}

#[test]
fn the_guide_works_while_up_serves() {
    let site = Site::new();
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/guides/backup.md");
    let text = fs::read_to_string(path).unwrap();
    let blocks = text.split("```").skip(1).step_by(2);
    let blocks: Vec<&str> = blocks
        .filter_map(|block| block.strip_prefix("sh\n"))
        .collect();
    assert_eq!(blocks.len(), 4);
    let server = site.up(&[]);
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_sigstead"));
    let search = format!(
        "{}:{}",
        program.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    for block in blocks {
        let mut command = std::process::Command::new("sh");
        command.args(["-euc", block]).env("PATH", &search);
        let output = command.current_dir(site.folder.path()).output().unwrap();
        assert!(output.status.success(), "{block}\n{output:?}");
    }
    server.stop();
    site.up(&["--data-dir", "restored"]).stop();
}
