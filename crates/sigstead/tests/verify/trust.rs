//! `sigstead trust list` and `update`, and the names of roots.

use crate::site::{Said, Site};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A configuration with a root from a file and one from TUF.
fn config(folder: &Path, tuf: &str, anchor: &Path) -> String {
    let path = folder.join("verifier.toml");
    let text = format!(
        "[verifier]\nlisten = \"127.0.0.1:0\"\n[[verifier.roots]]\nname = \"default\"\nfile = \"root.json\"\n\
         [[verifier.roots]]\nname = \"ours\"\ntuf = \"{tuf}\"\nroot = \"{}\"\nfolder = \"tuf\"\n",
        anchor.display()
    );
    fs::write(&path, text).unwrap();
    fs::write(folder.join("root.json"), trust::PUBLIC_GOOD).unwrap();
    path.to_str().unwrap().to_owned()
}

fn root<'a>(list: &'a Value, name: &str) -> &'a Value {
    let roots = list["trustedRoots"].as_array().unwrap();
    roots.iter().find(|root| root["name"] == name).unwrap()
}

fn run(words: &[&str]) -> Said {
    Site::shared().run(words)
}

#[test]
fn the_list_has_the_instances_own_root_and_the_embedded_one_with_their_ends_of_life() {
    let said = run(&["trust", "list", "--json"]);
    assert_eq!(said.code(), 0, "{}", said.err());
    let list = said.json();
    assert_eq!(list["trustedRoots"].as_array().unwrap().len(), 2);
    assert_eq!(root(&list, "sigstore")["source"], "embedded");
    let ours = root(&list, "default");
    assert_eq!(ours["source"], "file");
    let anchors = ours["anchors"].as_array().unwrap();
    let of = |list: &str| {
        let found = anchors.iter().filter(|one| one["list"] == list);
        found.collect::<Vec<_>>()
    };
    for name in ["tlogs", "ctlogs"] {
        // A key in use has no end.
        assert!(of(name).iter().all(|one| one["end"].is_null()), "{ours}");
        assert!(!of(name).is_empty());
    }
    for name in ["certificateAuthorities", "timestampAuthorities"] {
        let [one] = of(name)[..] else {
            panic!("{ours}")
        };
        assert_eq!(one["end"], one["certificatesUntil"]);
        assert!(one["daysLeft"].as_i64().unwrap() > 300, "{one}");
    }
    // The public instance's first CA was exchanged.
    let old = root(&list, "sigstore")["anchors"].as_array().unwrap();
    let over = old.iter().filter(|one| one["daysLeft"].as_i64() < Some(0));
    assert!(over.filter(|one| one["end"].is_string()).count() > 0);

    let said = run(&["trust", "list"]);
    assert_eq!(said.code(), 0);
    for want in [
        "default: file ",
        "sigstore: embedded in this program",
        "certificateAuthorities",
        "ended 2022-",
    ] {
        assert!(said.out().contains(want), "{want} is not in {}", said.out());
    }
}

#[test]
fn a_root_that_cannot_be_used_is_listed_with_its_cure_beside_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let anchor = Site::shared().path("sigstead-data/trust/tuf_root.json");
    let config = config(folder.path(), "http://127.0.0.1:1/tuf", &anchor);
    let said = run(&["trust", "list", "--config", &config, "--json"]);
    assert_eq!(said.code(), 1, "{}", said.err());
    let list = said.json();
    let problem = root(&list, "ours")["problem"].as_str().unwrap();
    assert!(problem.contains("sigstead trust update"), "{problem}");
    assert!(root(&list, "default")["problem"].is_null());
    assert!(root(&list, "sigstore")["anchors"].is_array());

    fs::write(folder.path().join("root.json"), "{}").unwrap();
    let said = run(&["trust", "list", "--config", &config]);
    assert_eq!(said.code(), 1);
    assert_eq!(said.out().matches("cannot be used: ").count(), 2);
}

#[test]
fn an_update_fetches_what_the_list_and_policies_then_have_offline() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::own(folder.path());
    let server = site.up();
    let tuf = server.screen["tuf"].as_str().unwrap().to_owned();
    let anchor = site.path("sigstead-data/trust/tuf_root.json");
    let config = config(folder.path(), &tuf, &anchor);
    let update = ["trust", "update", "--config", &config];

    // 1. Fetched: new, then unchanged.
    let said = run(&[&update[..], &["--json"]].concat());
    assert_eq!(said.code(), 0, "{}{}", said.out(), said.err());
    let fetched = said.json();
    assert_eq!(root(&fetched, "ours")["changed"], true);
    assert_eq!(fetched["trustedRoots"].as_array().unwrap().len(), 1);
    let said = run(&[&update[..], &["ours"]].concat());
    assert_eq!(said.code(), 0);
    assert!(
        said.out().starts_with("ours: unchanged, sha256:"),
        "{}",
        said.out()
    );

    // 2. The repository is gone: said so, and what was fetched stays.
    drop(server);
    let said = run(&update);
    assert_eq!(said.code(), 1);
    let want = "ours: not fetched, what was there before stays: the repository: ";
    assert!(said.out().starts_with(want), "{}", said.out());
    let said = run(&["trust", "list", "--config", &config, "--json"]);
    assert_eq!(said.code(), 0, "{}", said.err());
    let list = said.json();
    let ours = root(&list, "ours");
    assert_eq!(ours["source"], "tuf");
    assert_eq!(ours["digest"], root(&fetched, "ours")["digest"]);
    assert!(ours["expires"].is_string() && ours["stale"] == false);
}

#[test]
fn an_update_without_anything_to_fetch_is_2_and_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let anchor = Site::shared().path("sigstead-data/trust/tuf_root.json");
    let with_tuf = config(folder.path(), "http://127.0.0.1:1/tuf", &anchor);
    let refused = |words: &[&str], want: &str| {
        let said = run(&[&["trust", "update", "--config"][..], words].concat());
        assert_eq!(
            (said.code(), said.out().as_str()),
            (2, ""),
            "{}",
            said.err()
        );
        assert!(said.err().contains(want), "{want} is not in {}", said.err());
    };
    refused(
        &[&with_tuf, "default"],
        "that comes from TUF; those that do: ours",
    );
    refused(&[&with_tuf, "theirs"], "no trusted root theirs");
    let plain = folder.path().join("plain.toml");
    fs::write(&plain, "[verifier]\nlisten = \"127.0.0.1:0\"\n").unwrap();
    refused(&[plain.to_str().unwrap()], "[[verifier.roots]]");
    fs::write(&plain, "").unwrap();
    refused(&[plain.to_str().unwrap()], "no section [verifier]");
    refused(&["nowhere.toml"], "nowhere.toml");
}

#[test]
fn the_embedded_root_has_its_name_in_policies_and_may_be_given_another() {
    let Some(vectors) = testkit::vectors("conformance") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let identity = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
    let policy = folder.path().join("policy.yaml");
    let text = format!(
        "apiVersion: sigstead.dev/policy/v1\nname: p\nroots: [sigstore]\nsignatures:\n  identities:\n    - identity: {identity}\n      \
         issuer: https://token.actions.githubusercontent.com\n"
    );
    fs::write(&policy, text).unwrap();
    let bundle = vectors.join("happy-path-v0.3/bundle.sigstore.json");
    let artifact = vectors.join("a.txt");
    let verify = |more: &[&str]| {
        let words = ["verify", "--policy", policy.to_str().unwrap(), "--bundle"];
        let files = [bundle.to_str().unwrap(), artifact.to_str().unwrap()];
        // Without a data folder: the root is in the program.
        let nowhere = ["--data-dir", "nowhere"];
        run(&[&words[..], &files, &nowhere, more].concat())
    };
    let said = verify(&[]);
    assert_eq!(said.code(), 0, "{}{}", said.out(), said.err());
    // What is given takes the name's place: this instance's logs know nothing of that bundle.
    let ours = Site::shared().path("sigstead-data/trust/trusted_root.json");
    let ours = format!("sigstore={}", ours.display());
    assert_eq!(verify(&["--root", &ours]).code(), 1);
    let both = ["--root", &ours, "--root", &ours];
    let said = verify(&both);
    assert_eq!(said.code(), 2);
    assert!(
        said.err().contains("two trusted roots named sigstore"),
        "{}",
        said.err()
    );
}
