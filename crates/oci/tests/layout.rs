//! Layouts in folders and tars, as we write them and as somebody hostile might.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use futures::executor::block_on;
use oci::{Access, Image, ImageDigest, OciError, Place, Source};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const VERSION: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// Writes a layout with an image for each tag; gives their digests.
fn layout(folder: &Path, tags: &[&str]) -> Vec<ImageDigest> {
    fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
    fs::write(folder.join("oci-layout"), VERSION).unwrap();
    let blob = |bytes: &[u8]| {
        let digest = ImageDigest::of(bytes);
        fs::write(folder.join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        json!({"mediaType": "application/octet-stream", "digest": digest, "size": bytes.len()})
    };
    let mut list = Vec::new();
    let mut digests = Vec::new();
    for tag in tags {
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": blob(b"{}"),
            "layers": [blob(tag.as_bytes())]});
        let bytes = manifest.to_string().into_bytes();
        let mut entry = blob(&bytes);
        entry["mediaType"] = MANIFEST.into();
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
        list.push(entry);
        digests.push(ImageDigest::of(&bytes));
    }
    let index = json!({"schemaVersion": 2, "manifests": list});
    fs::write(folder.join("index.json"), index.to_string()).unwrap();
    digests
}

fn open(text: &str) -> Result<Image, OciError> {
    block_on(Image::open(&Source::parse(text)?, &Access::default()))
}

fn bundle() -> formats::bundle::Bundle {
    let json = json!({
        "mediaType": formats::bundle::MEDIA_TYPE_V03,
        "verificationMaterial": {"publicKey": {"hint": "k"}, "tlogEntries": []},
        "messageSignature": {"signature": "AAAA"},
    });
    formats::bundle::Bundle::parse(json.to_string().as_bytes()).unwrap()
}

fn copy(from: &str, to: &str) -> Result<oci::Copied, OciError> {
    let (from, to) = (Source::parse(from)?, Source::parse(to)?);
    let progress: oci::Progress = Arc::new(|_| {});
    let access = Access::default();
    block_on(oci::copy((&from, &access), (&to, &access), &progress))
}

/// A tar with these entries.
fn archive(path: &Path, entries: &[(&str, &[u8])]) -> PathBuf {
    let mut tar = tar::Builder::new(fs::File::create(path).unwrap());
    for (name, bytes) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        // Written as it is: the library itself would refuse `..`.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        tar.append(&header, *bytes).unwrap();
    }
    tar.finish().unwrap();
    path.to_owned()
}

#[test]
fn one_of_several_images_must_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    let digests = layout(folder.path(), &["v1", "v2"]);
    let error = open(&format!("oci:{path}")).err().unwrap();
    assert!(
        matches!(&error, OciError::Ambiguous { names, .. } if names == ":v1, :v2"),
        "{error}"
    );
    assert_eq!(
        open(&format!("oci:{path}:v2")).unwrap().digest(),
        digests[1]
    );
    assert_eq!(
        open(&format!("oci:{path}@{}", digests[0]))
            .unwrap()
            .digest(),
        digests[0]
    );
    assert!(matches!(
        open(&format!("oci:{path}:v3")),
        Err(OciError::NoImage(_))
    ));
}

#[test]
fn what_is_attached_travels_through_a_tar_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let (a, tar, b) = (
        format!("oci:{}", folder.path().join("a").display()),
        format!("oci-archive:{}", folder.path().join("a.tar").display()),
        format!("oci:{}", folder.path().join("b").display()),
    );
    let digest = layout(&folder.path().join("a"), &["v1"])[0];
    let place = block_on(open(&a).unwrap().attach(&bundle(), "2026-01-02T03:04:05Z"));
    assert!(matches!(place, Ok(Place::Referrer { .. })));
    copy(&a, &tar).unwrap();
    copy(&tar, &b).unwrap();
    // Again: nothing is moved twice, and nothing is listed twice.
    let copied = copy(&tar, &b).unwrap();
    assert_eq!((copied.referrers, copied.blobs_moved), (1, 0));
    let image = open(&b).unwrap();
    assert_eq!(image.digest(), digest);
    let found = block_on(image.find(false)).unwrap();
    assert_eq!(found.signatures.len(), 1);
    assert_eq!(found.signatures[0].bundle.as_ref().unwrap(), &bundle());
    let index = fs::read(folder.path().join("b/index.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 2, "{index}");
}

#[test]
fn a_tar_is_never_extended() {
    let folder = tempfile::tempdir().unwrap();
    let (a, tar) = (
        format!("oci:{}", folder.path().join("a").display()),
        format!("oci-archive:{}", folder.path().join("a.tar").display()),
    );
    layout(&folder.path().join("a"), &["v1"]);
    copy(&a, &tar).unwrap();
    assert!(matches!(copy(&a, &tar), Err(OciError::ReadOnly(_))));
    let image = open(&tar).unwrap();
    assert!(matches!(
        block_on(image.check_writable()),
        Err(OciError::ReadOnly(_))
    ));
}

#[test]
fn a_changed_blob_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let digest = layout(&path, &["v1"])[0];
    fs::write(path.join("blobs/sha256").join(digest.hex()), "{}").unwrap();
    assert!(matches!(
        open(&format!("oci:{}", path.display())),
        Err(OciError::Digest { .. })
    ));
    let path = folder.path().join("b");
    layout(&path, &["v1"]);
    let layer = ImageDigest::of(b"v1");
    fs::write(path.join("blobs/sha256").join(layer.hex()), "v2").unwrap();
    let to = format!("oci:{}", folder.path().join("c").display());
    let error = copy(&format!("oci:{}", path.display()), &to).unwrap_err();
    assert!(error.to_string().contains(&layer.to_string()), "{error}");
    assert!(!folder.path().join("c/index.json").exists());
}

#[test]
fn entries_that_would_leave_the_layout_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let image = json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": [],
        "config": {"mediaType": "a/b", "size": 2, "digest": ImageDigest::of(b"{}")}});
    let image = image.to_string().into_bytes();
    let digest = ImageDigest::of(&image);
    let index = json!({"schemaVersion": 2, "manifests": [
        {"mediaType": MANIFEST, "size": image.len(), "digest": digest}]})
    .to_string();
    let blob = format!("./blobs/sha256/{}", digest.hex());
    let path = archive(
        &folder.path().join("x.tar"),
        &[
            ("oci-layout", VERSION.as_bytes()),
            ("../../etc/cron.d/x", b"* * * * *"),
            ("/etc/passwd", b"root"),
            ("blobs/sha256/../../index.json", b"{}"),
            (&blob, &image),
            ("index.json", index.as_bytes()),
        ],
    );
    let opened = open(&format!("oci-archive:{}", path.display())).unwrap();
    assert_eq!(opened.digest(), digest);
}

#[test]
fn tars_that_are_ambiguous_cut_or_compressed_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let index = br#"{"schemaVersion":2,"manifests":[]}"#;
    let entries: &[(&str, &[u8])] = &[
        ("oci-layout", VERSION.as_bytes()),
        ("index.json", index),
        ("./index.json", index),
    ];
    let twice = archive(&folder.path().join("twice.tar"), entries);
    let cut = archive(&folder.path().join("cut.tar"), &entries[..2]);
    let bytes = fs::read(&cut).unwrap();
    fs::write(&cut, &bytes[..1024 + 512 + 10]).unwrap();
    let packed = folder.path().join("packed.tar");
    fs::write(&packed, [0x1f, 0x8b, 8, 0, 0, 0]).unwrap();
    for (path, reason) in [
        (twice, "several entries index.json"),
        (cut, "middle of an entry"),
        (packed, "compressed"),
    ] {
        let error = open(&format!("oci-archive:{}", path.display()))
            .err()
            .unwrap();
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn what_is_no_layout_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let named = format!("oci:{}", path.display());
    let reason = || open(&named).err().unwrap().to_string();
    assert!(reason().contains("no such folder"));
    fs::create_dir(&path).unwrap();
    assert!(reason().contains("no file oci-layout"));
    fs::write(path.join("oci-layout"), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
    assert!(reason().contains("2.0.0"));
    fs::write(path.join("oci-layout"), VERSION).unwrap();
    assert!(reason().contains("no file index.json"));
    // A folder of something else is not written into.
    layout(&folder.path().join("b"), &["v1"]);
    fs::remove_file(path.join("oci-layout")).unwrap();
    fs::write(path.join("precious"), "x").unwrap();
    let from = format!("oci:{}", folder.path().join("b").display());
    assert!(copy(&from, &named).is_err());
    assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
}
