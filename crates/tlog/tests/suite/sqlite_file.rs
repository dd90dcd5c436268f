//! What only an SQLite file has: a lock, damage, pragmas.

use tlog::{StoreError, store};

#[tokio::test]
async fn a_second_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let first = store::sqlite(&path).await.unwrap();
    let error = store::sqlite(&path).await.err().unwrap();
    assert_eq!(error, StoreError::Held { path: path.clone() });
    assert!(error.to_string().contains("stop that process"));
    drop(first);
    store::sqlite(&path).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_database_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    std::fs::write(&path, "not a database".repeat(1000)).unwrap();
    let error = store::sqlite(&path).await.err().unwrap();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
}

#[tokio::test]
async fn a_damaged_page_is_found_at_opening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    store::sqlite(&path).await.unwrap().close().await;
    let mut bytes = std::fs::read(&path).unwrap();
    assert_eq!(&bytes[16..18], &8192_u16.to_be_bytes(), "page size");
    assert!(bytes.len() >= 3 * 8192);
    for page in bytes.chunks_mut(8192).skip(2) {
        page[..64].fill(0xaa);
    }
    std::fs::write(&path, bytes).unwrap();
    let error = store::sqlite(&path).await.err().unwrap();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing").join("log.db");
    let error = store::sqlite(&path).await.err().unwrap();
    assert!(
        matches!(&error, StoreError::Open { path: named, .. } if *named == path),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_database_of_a_newer_release_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    store::sqlite(&path).await.unwrap().close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::query("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', 1, x'00', 0)")
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    let error = store::sqlite(&path).await.err().unwrap();
    assert!(matches!(error, StoreError::Migration { .. }), "{error:?}");
}
