//! `/checkpoint` and `/tile/…`, at the root and under `/api/v2`.

use crate::harness::*;
use axum::body::Body;
use bytes::Bytes;
use http::StatusCode;
use keys::Algorithm;
use merkle::RightEdge;
use merkle::tile::{self, TileId};
use std::io::Read;
use tlog::Submission;

const PREFIXES: [&str; 2] = ["", "/api/v2"];

fn leaf(i: usize) -> Vec<u8> {
    format!("leaf {i}").into_bytes()
}

/// A server with `n` leaves of the test's own making: reads do not look into them.
async fn filled(n: usize) -> Server {
    let server = v2(Algorithm::Ed25519).await;
    let appends = (0..n).map(|i| {
        let (log, leaf) = (server.log.clone(), Bytes::from(leaf(i)));
        let identity = merkle::leaf_hash(&leaf);
        tokio::spawn(async move {
            log.append(Submission {
                leaf,
                identity,
                extra: Bytes::new(),
            })
            .await
        })
    });
    for append in appends.collect::<Vec<_>>() {
        append.await.unwrap().unwrap();
    }
    server
}

/// Reads a file under both prefixes and checks that they agree.
async fn read(server: &Server, path: &str) -> Answer {
    let root = server.get(&format!("{}/{path}", PREFIXES[0])).await;
    let api = server.get(&format!("{}/{path}", PREFIXES[1])).await;
    assert_eq!((root.status, &root.body), (api.status, &api.body), "{path}");
    root
}

/// The entries of a bundle: u16 length and bytes, nothing left over.
fn unbundle(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let length = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
        entries.push(bytes[2..2 + length].to_vec());
        bytes = &bytes[2 + length..];
    }
    entries
}

#[tokio::test]
async fn every_size_has_every_tile_and_bundle_that_its_checkpoint_implies() {
    for size in [0usize, 1, 2, 255, 256, 257, 513] {
        let server = filled(size).await;
        let tree = u64::try_from(size).unwrap();
        let note = read(&server, "checkpoint").await;
        let text = std::str::from_utf8(&note.body).unwrap().to_owned();
        let checkpoint =
            note::Checkpoint::parse(note::SignedNote::parse(&text).unwrap().text()).unwrap();
        let id = rekor::v2::log_id(HOST, &server.key);
        server.check_checkpoint(&text, HOST, &id, tree, &checkpoint.root);

        // Level 0 and the bundles: every leaf, hashed to the root of the checkpoint.
        let mut edge = RightEdge::default();
        for index in 0..tree.div_ceil(256) {
            let width = tile::width_at(TileId { level: 0, index }, tree);
            let hashes = read(&server, &tile::path(TileId { level: 0, index }, width)).await;
            assert_eq!(hashes.status, StatusCode::OK, "size {size}, tile {index}");
            let bundle = read(&server, &tile::entries_path(index, width)).await;
            assert_eq!(bundle.status, StatusCode::OK, "size {size}, bundle {index}");
            let entries = unbundle(&bundle.body);
            assert_eq!(entries.len(), usize::from(width));
            for (entry, hash) in entries.iter().zip(hashes.body.chunks(32)) {
                assert_eq!(merkle::leaf_hash(entry), hash);
                edge.push(merkle::leaf_hash(entry));
            }
            let cache = if width == 256 {
                "max-age=604800, immutable"
            } else {
                "max-age=60"
            };
            for answer in [&hashes, &bundle] {
                assert_eq!(answer.header("cache-control"), cache);
                assert_eq!(answer.header("content-type"), "application/octet-stream");
            }
        }
        assert_eq!(edge.root(), checkpoint.root);

        // Level 1: roots of full tiles of level 0.
        let width = tile::width_at(TileId { level: 1, index: 0 }, tree);
        assert_eq!(usize::from(width), size / 256);
        if width > 0 {
            let hashes = read(&server, &tile::path(TileId { level: 1, index: 0 }, width)).await;
            assert_eq!(hashes.body.len(), usize::from(width) * 32, "size {size}");
        }
    }
}

#[tokio::test]
async fn what_the_tree_does_not_have_is_404() {
    let server = filled(257).await;
    let absent = [
        "tile/0/001",
        "tile/0/002.p/1",
        "tile/0/001.p/2",
        "tile/0/001.p/0",
        "tile/0/001.p/256",
        "tile/1/000",
        "tile/1/000.p/2",
        "tile/2/000.p/1",
        "tile/entries/001",
        "tile/entries/001.p/2",
        "tile/entries/x001/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/00/000",
        "tile/0/0",
        "tile/0/x000/001",
        "tile/0/../checkpoint",
        "tile/0/000.p/1/2",
        "tile/other/000",
    ];
    for path in absent {
        let answer = read(&server, path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.code(), 5, "{path}");
    }
}

#[tokio::test]
async fn the_checkpoint_is_text_that_is_not_cached() {
    let server = filled(1).await;
    let answer = read(&server, "checkpoint").await;
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "no-cache");
    assert!(answer.body.starts_with(format!("{HOST}\n1\n").as_bytes()));
}

/// A read with one more header.
async fn read_with(server: &Server, path: &str, name: &str, value: &str) -> Answer {
    let request = http::Request::get(format!("/{path}")).header(name, value);
    server.call(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn who_has_a_file_is_told_so_instead_of_sent_it_again() {
    let server = filled(300).await;
    for path in [
        "checkpoint",
        "tile/0/000",
        "tile/0/001.p/44",
        "tile/entries/000",
    ] {
        let first = read(&server, path).await;
        let tag = first.header("etag");
        assert!(tag.starts_with("W/\"") && tag.len() == 20, "{path}: {tag}");
        let again = read_with(&server, path, "if-none-match", tag).await;
        assert_eq!(again.status, StatusCode::NOT_MODIFIED, "{path}");
        assert_eq!(again.body.len(), 0);
        for header in ["etag", "cache-control"] {
            assert_eq!(again.header(header), first.header(header), "{path}");
        }
        let other = read_with(&server, path, "if-none-match", "W/\"0123456789abcdef\"").await;
        assert_eq!((other.status, &other.body), (StatusCode::OK, &first.body));
    }
    let tags = ["tile/0/000", "tile/0/001.p/44", "tile/0/000.p/44"];
    let mut seen = std::collections::HashSet::new();
    for path in tags {
        assert!(seen.insert(read(&server, path).await.header("etag").to_owned()));
    }
}

#[tokio::test]
async fn bundles_are_compressed_for_who_takes_gzip_and_hashes_never() {
    let server = filled(256).await;
    let plain = read(&server, "tile/entries/000").await;
    assert_eq!(plain.header("content-encoding"), "");
    let packed = read_with(&server, "tile/entries/000", "accept-encoding", "gzip").await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert_eq!(packed.header("vary"), "accept-encoding");
    assert!(packed.body.len() < plain.body.len() / 2);
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..])
        .read_to_end(&mut unpacked)
        .unwrap();
    assert_eq!(unpacked, plain.body);
    for path in ["tile/0/000", "checkpoint"] {
        let answer = read_with(&server, path, "accept-encoding", "gzip").await;
        assert_eq!(answer.header("content-encoding"), "", "{path}");
    }
}

#[tokio::test]
async fn v1_and_v2_share_an_authority_and_a_registry() {
    let (v1, v2) = (v1().await, v2(Algorithm::Ed25519).await);
    let both = Server {
        router: v1.router.clone().merge(v2.router.clone()),
        ..v2
    };
    assert_eq!(both.get("/api/v1/log").await.status, StatusCode::OK);
    assert_eq!(both.get("/checkpoint").await.status, StatusCode::OK);
    assert_eq!(both.get("/api/v1/log/none").await.json()["code"], 404);
    assert_eq!(both.get("/api/v2/log/none").await.json()["code"], 5);
    assert_eq!(both.get("/elsewhere").await.status, StatusCode::NOT_FOUND);
}
