//! Registries of several kinds, kind and hostile: what is attached is found, and what lies is refused.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod fake;

use fake::{Behavior, Fake, INDEX, MANIFEST};
use formats::bundle::Bundle;
use oci::{Access, Credentials, Event, Image, ImageDigest, Kind, OciError, Place, Source};
use serde_json::json;
use std::sync::{Arc, Mutex};

const CREATED: &str = "2026-01-02T03:04:05Z";

fn bundle(signature: &str) -> Bundle {
    let json = json!({
        "mediaType": formats::bundle::MEDIA_TYPE_V03,
        "verificationMaterial": {"publicKey": {"hint": "k"}, "tlogEntries": []},
        "messageSignature": {"signature": signature},
    });
    Bundle::parse(json.to_string().as_bytes()).unwrap()
}

fn source(fake: &Fake, name: &str) -> Source {
    Source::parse(&format!("{}/{name}", fake.address)).unwrap()
}

fn anonymous() -> Access {
    Access {
        credentials: Credentials::Anonymous,
        ..Access::default()
    }
}

async fn open(fake: &Fake) -> Image {
    Image::open(&source(fake, "a:v1"), &anonymous())
        .await
        .unwrap()
}

async fn find(fake: &Fake) -> Result<oci::Found, OciError> {
    oci::find(&source(fake, "a:v1"), &anonymous(), false).await
}

/// A signature with an entry of Rekor v1, as a legacy layer holds it.
fn logged(image: &Image, signature: &[u8]) -> Bundle {
    let body = formats::entry::hashedrekord_v001("sha256", "00", signature, "PEM");
    let entry = json!({
        "SignedEntryTimestamp": "c2V0",
        "Payload": {"body": formats::b64::encode(&body), "integratedTime": 5, "logIndex": 6,
            "logID": "ab".repeat(32)},
    });
    let annotations = [
        (
            "dev.cosignproject.cosign/signature".to_owned(),
            formats::b64::encode(signature),
        ),
        ("dev.sigstore.cosign/bundle".to_owned(), entry.to_string()),
    ];
    oci::legacy::read_signature(&annotations.into(), &image.legacy_payload(), image.digest())
        .unwrap()
}

async fn attach_legacy(fake: &Fake, signature: &[u8]) -> Place {
    let image = open(fake).await;
    let bundle = logged(&image, signature);
    image
        .attach_legacy(&bundle, &image.legacy_payload(), None)
        .await
        .unwrap()
}

/// The raw signatures that were found, in their order.
fn signatures(found: &oci::Found) -> Vec<Vec<u8>> {
    let bundles = found.signatures.iter().map(|one| one.bundle.as_ref());
    bundles
        .map(|bundle| bundle.unwrap().signature().unwrap().to_vec())
        .collect()
}

async fn copy(from: &Fake, to: &Fake) -> Result<oci::Copied, OciError> {
    let progress: oci::Progress = Arc::new(|_| {});
    oci::copy(
        (&source(from, "a:v1"), &anonymous()),
        (&source(to, "a:v1"), &anonymous()),
        &progress,
    )
    .await
}

#[tokio::test]
async fn what_is_attached_is_found_on_the_registrys_own_list_over_all_pages() {
    let fake = Fake::start(Behavior {
        page: Some(1),
        ..Behavior::default()
    })
    .await;
    let digest = fake.image("v1", b"layer");
    for signature in ["AAAA", "BBBB", "CCCC"] {
        let place = open(&fake).await.attach(&bundle(signature), CREATED).await;
        assert!(matches!(place, Ok(Place::Referrer { .. })), "{place:?}");
    }
    let found = find(&fake).await.unwrap();
    assert_eq!(found.digest, digest);
    assert_eq!(found.signatures.len(), 3);
    for one in &found.signatures {
        assert!(matches!(one.place, Place::Referrer { .. }));
        assert_eq!(one.kind, Kind::Signature);
        assert!(one.bundle.is_ok());
    }
    let tag = digest.to_string().replace(':', "-");
    assert!(
        fake.manifest(&tag).is_none(),
        "a tag was written for nothing"
    );
}

#[tokio::test]
async fn without_a_list_the_tag_is_extended_and_keeps_what_others_put_there() {
    let fake = Fake::start(Behavior::default()).await;
    let digest = fake.image("v1", b"layer");
    let tag = digest.to_string().replace(':', "-");
    let theirs = json!({"mediaType": MANIFEST, "digest": ImageDigest([9; 32]), "size": 3,
        "artifactType": "application/spdx+json", "x": "y"});
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [theirs]});
    fake.put(&tag, INDEX, index.to_string().into_bytes());
    let place = open(&fake)
        .await
        .attach(&bundle("AAAA"), CREATED)
        .await
        .unwrap();
    let Place::FallbackTag { digest: Some(mine) } = place else {
        panic!("{place:?}");
    };
    let index = fake.manifest(&tag).unwrap();
    assert_eq!(index["manifests"][0], theirs);
    let entry = &index["manifests"][1];
    assert_eq!(entry["digest"], mine.to_string());
    assert_eq!(entry["artifactType"], formats::bundle::MEDIA_TYPE_V03);
    assert_eq!(
        entry["annotations"]["dev.sigstore.bundle.content"],
        "message-signature"
    );
    // Theirs is no bundle, and not even there: none of our business.
    let found = find(&fake).await.unwrap();
    assert_eq!(found.signatures.len(), 1);
}

#[tokio::test]
async fn a_write_that_somebody_else_overwrote_is_repeated() {
    let fake = Fake::start(Behavior {
        loses_first_write: true,
        ..Behavior::default()
    })
    .await;
    fake.image("v1", b"layer");
    open(&fake)
        .await
        .attach(&bundle("AAAA"), CREATED)
        .await
        .unwrap();
    assert_eq!(find(&fake).await.unwrap().signatures.len(), 1);
}

#[tokio::test]
async fn a_bundle_that_cannot_be_read_is_reported_beside_the_good_ones() {
    let fake = Fake::start(Behavior {
        page: Some(10),
        ..Behavior::default()
    })
    .await;
    let digest = fake.image("v1", b"layer");
    open(&fake)
        .await
        .attach(&bundle("AAAA"), CREATED)
        .await
        .unwrap();
    let blob = b"not json";
    let layer = ImageDigest::of(blob).to_string();
    fake.content
        .lock()
        .unwrap()
        .blobs
        .insert(layer.clone(), blob.to_vec());
    let media_type = formats::bundle::MEDIA_TYPE_V03;
    let config = json!({"mediaType": "x/y", "digest": layer, "size": 8});
    let subject = json!({"mediaType": MANIFEST, "digest": digest, "size": 1});
    let broken = json!({"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": media_type, "config": config,
        "layers": [{"mediaType": media_type, "digest": layer, "size": 8}], "subject": subject});
    fake.put("broken", MANIFEST, broken.to_string().into_bytes());
    let found = find(&fake).await.unwrap();
    let readable = found.signatures.iter().filter(|one| one.bundle.is_ok());
    assert_eq!((found.signatures.len(), readable.count()), (2, 1));
}

#[tokio::test]
async fn a_list_that_leads_to_another_host_or_never_ends_is_refused() {
    for (next, expected) in [
        ("http://registry.example.com/x".to_owned(), "another host"),
        ("?n=0".to_owned(), "more than"),
    ] {
        let fake = Fake::start(Behavior {
            page: Some(1),
            next: Some(next),
            ..Behavior::default()
        })
        .await;
        fake.image("v1", b"layer");
        let error = find(&fake).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn other_bytes_than_the_digest_says_are_refused() {
    let digest = Fake::start(Behavior::default()).await.image("v1", b"layer");
    let fake = Fake::start(Behavior {
        lies_about: Some(digest.to_string()),
        ..Behavior::default()
    })
    .await;
    fake.image("v1", b"layer");
    let named = source(&fake, &format!("a@{digest}"));
    let error = oci::find(&named, &anonymous(), false).await.unwrap_err();
    assert!(matches!(error, OciError::Digest { .. }), "{error}");
}

#[tokio::test]
async fn a_manifest_beyond_the_limit_is_not_read() {
    let fake = Fake::start(Behavior::default()).await;
    let padding = "x".repeat(oci::limits::MANIFEST_BYTES);
    fake.put(
        "v1",
        MANIFEST,
        json!({"x": padding}).to_string().into_bytes(),
    );
    let error = find(&fake).await.unwrap_err();
    assert!(matches!(error, OciError::TooLarge { .. }), "{error}");
}

#[tokio::test]
async fn a_private_registry_opens_for_the_right_credentials_alone() {
    let fake = Fake::start(Behavior {
        password: Some("hunter2"),
        page: Some(10),
        ..Behavior::default()
    })
    .await;
    fake.image("v1", b"layer");
    let password = |password: &str| Credentials::Password {
        username: "alice".into(),
        password: password.into(),
    };
    for (credentials, may) in [
        (Credentials::Anonymous, false),
        (password("guess"), false),
        (password("hunter2"), true),
        (Credentials::Token("granted".into()), true),
        (Credentials::Token("guess".into()), false),
        (Credentials::IdentityToken("hunter2".into()), true),
        (Credentials::IdentityToken("guess".into()), false),
    ] {
        let shown = format!("{credentials:?}");
        let access = Access {
            credentials,
            ..Access::default()
        };
        match Image::open(&source(&fake, "a:v1"), &access).await {
            Ok(image) => {
                assert!(may, "{shown}");
                image.attach(&bundle("AAAA"), CREATED).await.unwrap();
            }
            Err(error) => {
                assert!(!may, "{shown}: {error}");
                assert!(
                    matches!(error, OciError::Unauthorized { .. }),
                    "{shown}: {error}"
                );
                assert!(!error.to_string().contains("hunter2"));
            }
        }
    }
}

#[tokio::test]
async fn a_copy_has_everything_and_keeps_what_was_there() {
    let from = Fake::start(Behavior {
        page: Some(1),
        ..Behavior::default()
    })
    .await;
    let digest = from.image("v1", b"layer");
    open(&from)
        .await
        .attach(&bundle("AAAA"), CREATED)
        .await
        .unwrap();
    open(&from)
        .await
        .attach(&bundle("BBBB"), CREATED)
        .await
        .unwrap();
    let to = Fake::start(Behavior::default()).await;
    to.image("v1", b"layer");
    open(&to)
        .await
        .attach(&bundle("CCCC"), CREATED)
        .await
        .unwrap();
    let moved = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&moved);
    let progress: oci::Progress = Arc::new(move |event| {
        if let Event::Moved(bytes) | Event::Present(bytes) = event {
            *counted.lock().unwrap() += bytes;
        }
    });
    let copied = oci::copy(
        (&source(&from, "a:v1"), &anonymous()),
        (&source(&to, "a:v2"), &anonymous()),
        &progress,
    )
    .await
    .unwrap();
    assert_eq!((copied.digest, copied.referrers), (digest, 2));
    // The config and the layer were there; the empty config of the referrers is the image's.
    assert_eq!((copied.blobs_present, copied.blobs_moved), (2, 2));
    assert!(*moved.lock().unwrap() > 0);
    let found = oci::find(&source(&to, "a:v2"), &anonymous(), false)
        .await
        .unwrap();
    assert_eq!(found.signatures.len(), 3);
}

#[tokio::test]
async fn a_copy_that_misses_something_says_what_and_names_nothing() {
    let from = Fake::start(Behavior::default()).await;
    from.image("v1", b"layer");
    let layer = ImageDigest::of(b"layer").to_string();
    from.content.lock().unwrap().blobs.remove(&layer);
    let to = Fake::start(Behavior::default()).await;
    let error = copy(&from, &to).await.unwrap_err();
    assert!(error.to_string().contains(&layer), "{error}");
    assert!(to.manifest("v1").is_none());
}

#[tokio::test]
async fn a_blob_that_changed_on_its_way_is_not_stored() {
    let layer = ImageDigest::of(b"layer").to_string();
    let from = Fake::start(Behavior {
        lies_about: Some(layer.clone()),
        ..Behavior::default()
    })
    .await;
    from.image("v1", b"layer");
    let to = Fake::start(Behavior::default()).await;
    let copied = copy(&from, &to).await;
    assert!(copied.is_err());
    assert!(!to.content.lock().unwrap().blobs.contains_key(&layer));
    assert!(to.manifest("v1").is_none());
}

#[tokio::test]
async fn a_legacy_layer_stays_beside_the_others_even_after_a_lost_write() {
    let fake = Fake::start(Behavior {
        loses_first_write: true,
        ..Behavior::default()
    })
    .await;
    fake.image("v1", b"layer");
    for (layer, signature) in [(0, b"one"), (1, b"two")] {
        let place = attach_legacy(&fake, signature).await;
        assert!(
            matches!(place, Place::LegacySignature { layer: have, .. } if have == layer),
            "{place:?}"
        );
    }
    let found = find(&fake).await.unwrap();
    assert_eq!(signatures(&found), [b"one", b"two"]);
}

#[tokio::test]
async fn a_copy_adds_legacy_layers_to_those_that_are_there() {
    let (from, to) = (
        Fake::start(Behavior::default()).await,
        Fake::start(Behavior::default()).await,
    );
    for fake in [&from, &to] {
        fake.image("v1", b"layer");
    }
    attach_legacy(&from, b"one").await;
    attach_legacy(&to, b"two").await;
    let copied = copy(&from, &to).await.unwrap();
    assert_eq!(copied.legacy_tags, 1);
    // Both payloads name their own registry, so the layers differ; a second copy adds nothing.
    copy(&from, &to).await.unwrap();
    let found = find(&to).await.unwrap();
    assert_eq!(signatures(&found), [b"two", b"one"]);
}
