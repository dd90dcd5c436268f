//! The witness's database: compared and swapped, never back.

use witness::store::{Latest, Store, StoreError, origin_hash};

fn at(size: u64, root: u8) -> Latest {
    Latest {
        origin: "log.example.com".into(),
        size,
        root: [root; 32],
        time: 1,
        note: format!("note {size}"),
    }
}

async fn fresh() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(&folder.path().join("w.db")).await.unwrap();
    (folder, store)
}

#[tokio::test]
async fn only_who_names_the_row_that_stands_moves_it() {
    let (_folder, store) = fresh().await;
    assert!(store.is_empty().await.unwrap());
    assert!(store.advance(None, &at(3, 3)).await.unwrap());
    // A second first one, another size, another root: each loses.
    assert!(!store.advance(None, &at(4, 4)).await.unwrap());
    assert!(!store.advance(Some((2, [3; 32])), &at(4, 4)).await.unwrap());
    assert!(!store.advance(Some((3, [9; 32])), &at(4, 4)).await.unwrap());
    assert_eq!(
        store.latest("log.example.com").await.unwrap(),
        Some(at(3, 3))
    );
    assert!(store.advance(Some((3, [3; 32])), &at(4, 4)).await.unwrap());
    assert_eq!(
        store.latest("log.example.com").await.unwrap(),
        Some(at(4, 4))
    );
    let note = store.note(&origin_hash("log.example.com")).await.unwrap();
    assert_eq!(note.as_deref(), Some("note 4"));
}

#[tokio::test]
async fn the_database_itself_refuses_to_go_back_or_fork() {
    let (_folder, store) = fresh().await;
    assert!(store.advance(None, &at(3, 3)).await.unwrap());
    for worse in [at(2, 2), at(3, 9)] {
        let error = store.advance(Some((3, [3; 32])), &worse).await.unwrap_err();
        assert!(error.to_string().contains("never goes back"), "{error}");
    }
    assert_eq!(
        store.latest("log.example.com").await.unwrap(),
        Some(at(3, 3))
    );
}

#[tokio::test]
async fn a_missing_database_is_not_made_by_opening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.db");
    let error = Store::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::Missing { .. }), "{error}");
    assert!(!path.exists());
}

#[tokio::test]
async fn a_database_has_one_owner() {
    let (folder, store) = fresh().await;
    assert!(store.check_owner("a").await.is_err());
    store.claim("a").await.unwrap();
    store.claim("a").await.unwrap();
    let error = store.claim("b").await.unwrap_err();
    assert!(matches!(error, StoreError::Owner { .. }), "{error}");
    store.close().await;
    let again = Store::open(&folder.path().join("w.db")).await.unwrap();
    again.check_owner("a").await.unwrap();
}

#[tokio::test]
async fn a_stop_leaves_one_file() {
    let (folder, store) = fresh().await;
    store.advance(None, &at(3, 3)).await.unwrap();
    store.close().await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
