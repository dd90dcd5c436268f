//! What is published is the tree, at every size, in memory and in a folder.

use crate::fixture::{ORIGIN, grow, log, log_of, memory, paths, publish, read, write};
use crate::flaky::Flaky;
use object_store::path::Path;
use object_store::{Attribute, ObjectStoreExt};
use publish::{CheckError, Options, Target, check_tree, parse_bundle, publish_once};
use std::sync::atomic::Ordering;

#[tokio::test]
async fn an_empty_log_is_a_checkpoint_and_nothing_else() {
    let (target, store) = memory();
    publish(&log_of(0).await, &target).await;
    assert_eq!(paths(&*store).await, ["checkpoint"]);
    let tree = check_tree(&target).await.unwrap();
    assert_eq!((tree.origin.as_str(), tree.size), (ORIGIN, 0));
    assert_eq!(tree.root, merkle::empty_root());
}

#[tokio::test]
async fn the_tree_grows_through_the_edges_of_a_tile() {
    let (target, store) = memory();
    let log = log(ORIGIN).await;
    for size in [1, 2, 255, 256, 257, 511, 512, 700] {
        grow(&log, size).await;
        publish(&log, &target).await;
        let tree = check_tree(&target).await.unwrap();
        assert_eq!((tree.size, tree.root), (size, log.head().root));
        assert_eq!(tree.checkpoint, log.head().checkpoint);
    }
    assert_eq!(
        paths(&*store).await,
        [
            "checkpoint",
            "tile/0/000",
            "tile/0/000.p/1",
            "tile/0/000.p/2",
            "tile/0/000.p/255",
            "tile/0/001",
            "tile/0/001.p/1",
            "tile/0/001.p/255",
            "tile/0/002.p/188",
            "tile/1/000.p/1",
            "tile/1/000.p/2",
            "tile/entries/000",
            "tile/entries/000.p/1",
            "tile/entries/000.p/2",
            "tile/entries/000.p/255",
            "tile/entries/001",
            "tile/entries/001.p/1",
            "tile/entries/001.p/255",
            "tile/entries/002.p/188",
        ]
    );
}

#[tokio::test]
async fn another_implementation_gets_the_same_root_from_the_bundles() {
    let (target, store) = memory();
    let log = log_of(600).await;
    publish(&log, &target).await;
    let mut hashes = Vec::new();
    for path in [
        "tile/entries/000",
        "tile/entries/001",
        "tile/entries/002.p/88",
    ] {
        let bundle = read(&*store, path).await;
        let leaves = parse_bundle(&bundle).unwrap();
        hashes.extend(leaves.iter().map(|leaf| merkle::leaf_hash(leaf)));
    }
    assert_eq!(rs_root(&hashes), log.head().root);
    let tiles = [
        read(&*store, "tile/0/000").await,
        read(&*store, "tile/0/001").await,
        read(&*store, "tile/0/002.p/88").await,
    ];
    assert_eq!(hashes.concat(), tiles.concat());
}

/// RFC 6962 as rs_merkle computes it, which keeps the whole tree in memory.
fn rs_root(leaves: &[merkle::Hash]) -> merkle::Hash {
    #[derive(Clone)]
    struct Sha256;
    impl rs_merkle::Hasher for Sha256 {
        type Hash = merkle::Hash;
        fn hash(data: &[u8]) -> merkle::Hash {
            use sha2::Digest;
            sha2::Sha256::digest(data).into()
        }
        fn concat_and_hash(left: &merkle::Hash, right: Option<&merkle::Hash>) -> merkle::Hash {
            // RFC 6962 lifts a node without a sibling as it is.
            right.map_or(*left, |right| merkle::node_hash(left, right))
        }
    }
    let tree = rs_merkle::MerkleTree::<Sha256>::from_leaves(leaves);
    tree.root().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_third_level_of_tiles_is_published_in_two_rounds() {
    let (target, store) = memory();
    let log = log_of(40_000).await;
    publish(&log, &target).await;
    grow(&log, 65_536 + 3).await;
    let mut last = None;
    publish_once(&log, &target, &Options::default(), |progress| {
        last = Some(progress);
    })
    .await
    .unwrap();
    // 100 tiles from number 156 on and the last of 3, twice; level 1 full; level 2.
    let last = last.unwrap();
    assert_eq!((last.done, last.of, last.size), (204, 204, 65_539));
    let tree = check_tree(&target).await.unwrap();
    assert_eq!((tree.size, tree.root), (65_539, log.head().root));
    let paths = paths(&*store).await;
    for path in ["tile/1/000", "tile/2/000.p/1", "tile/entries/256.p/3"] {
        assert!(paths.iter().any(|have| have == path), "{path}");
    }
}

#[tokio::test]
async fn a_folder_holds_the_same_tree_under_the_same_paths() {
    let folder = tempfile::tempdir().unwrap();
    let target = publish::target(folder.path().to_str().unwrap()).unwrap();
    let log = log_of(255).await;
    publish(&log, &target).await;
    grow(&log, 300).await;
    publish(&log, &target).await;
    assert_eq!(check_tree(&target).await.unwrap().root, log.head().root);

    let file = |path: &str| std::fs::read(folder.path().join(path)).unwrap();
    assert_eq!(file("checkpoint"), log.head().checkpoint);
    for (path, bytes) in [
        ("tile/0/000", log.tile(0, 0, 256).await),
        ("tile/0/000.p/255", log.tile(0, 0, 255).await),
        ("tile/1/000.p/1", log.tile(1, 0, 1).await),
        ("tile/entries/001.p/44", log.bundle(1, 44).await),
    ] {
        assert_eq!(file(path), bytes.unwrap().unwrap(), "{path}");
    }
}

#[tokio::test]
async fn objects_carry_the_headers_of_our_own_http_answers() {
    let (target, store) = memory();
    publish(&log_of(300).await, &target).await;
    for (path, content_type, cache) in [
        ("checkpoint", "text/plain; charset=utf-8", "no-cache"),
        (
            "tile/0/000",
            "application/octet-stream",
            "max-age=604800, immutable",
        ),
        (
            "tile/entries/000",
            "application/octet-stream",
            "max-age=604800, immutable",
        ),
        ("tile/1/000.p/1", "application/octet-stream", "max-age=60"),
    ] {
        let found = store.get(&Path::from(path)).await.unwrap();
        let header = |name| found.attributes.get(&name).unwrap().to_string();
        assert_eq!(header(Attribute::ContentType), content_type, "{path}");
        assert_eq!(header(Attribute::CacheControl), cache, "{path}");
    }
}

#[tokio::test]
async fn what_is_there_is_not_put_again() {
    let (_, store) = memory();
    let flaky = Flaky::sound(store);
    let target = Target::over(flaky.clone(), "memory:");
    let log = log_of(300).await;
    publish(&log, &target).await;
    assert_eq!(flaky.puts.load(Ordering::SeqCst), 6);
    publish(&log, &target).await;
    assert_eq!(flaky.puts.load(Ordering::SeqCst), 6);
    grow(&log, 301).await;
    publish(&log, &target).await;
    // The tile, the bundle, the checkpoint: the level above is the same.
    assert_eq!(flaky.puts.load(Ordering::SeqCst), 9);
}

#[tokio::test]
async fn the_check_names_what_is_missing_or_other() {
    let (target, store) = memory();
    assert!(matches!(
        check_tree(&target).await,
        Err(CheckError::Nothing { .. })
    ));
    publish(&log_of(600).await, &target).await;
    for path in [
        "tile/entries/001",
        "tile/0/001",
        "tile/1/000.p/2",
        "tile/0/002.p/88",
    ] {
        let sound = read(&*store, path).await;
        let mut other = sound.to_vec();
        *other.last_mut().unwrap() ^= 1;
        write(&*store, path, other).await;
        let found = check_tree(&target).await.unwrap_err();
        // A changed entry shows in the tile that has its hash.
        let culprit = path.replace("entries", "0");
        assert_eq!(found, CheckError::Tile { path: culprit });
        store.delete(&Path::from(path)).await.unwrap();
        let path = path.to_owned();
        let found = check_tree(&target).await.unwrap_err();
        assert_eq!(found, CheckError::Missing { path: path.clone() });
        write(&*store, &path, sound).await;
    }
    check_tree(&target).await.unwrap();
}

#[tokio::test]
async fn the_check_notices_entries_and_tiles_that_lie_together() {
    let (target, store) = memory();
    publish(&log_of(3).await, &target).await;
    let mut hashes = Vec::new();
    let mut bundle = Vec::new();
    for leaf in [&b"a"[..], b"b", b"c"] {
        hashes.push(merkle::leaf_hash(leaf));
        bundle.extend([0, 1]);
        bundle.extend(leaf);
    }
    write(&*store, "tile/0/000.p/3", hashes.concat()).await;
    write(&*store, "tile/entries/000.p/3", bundle.clone()).await;
    let found = check_tree(&target).await.unwrap_err();
    assert_eq!(found, CheckError::Root { size: 3 });
    bundle.extend([0, 0]);
    write(&*store, "tile/entries/000.p/3", bundle).await;
    assert!(matches!(
        check_tree(&target).await,
        Err(CheckError::Entries {
            have: 4,
            want: 3,
            ..
        })
    ));
}
