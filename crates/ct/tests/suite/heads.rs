//! Tree heads: get-sth and the checkpoint carry one signature.

use crate::fixture::{Fixture, HOST, NOW, base64, hash};
use keys::{Algorithm, Purpose, Signer};
use pki::key::Scheme;
use pki::sct::sth_input;

#[tokio::test]
async fn the_signed_tree_head_verifies() {
    let fixture = Fixture::new().await;
    for size in 0..3_u64 {
        let sth = fixture.get_json("/ctlog/ct/v1/get-sth").await;
        assert_eq!(sth["tree_size"], size);
        assert_eq!(sth["timestamp"], NOW * 1000);
        assert_eq!(hash(&sth["sha256_root_hash"]), fixture.ct.log().head().root);
        let signed = base64(&sth["tree_head_signature"]);
        assert_eq!(signed[..2], [4, 3]);
        assert_eq!(
            usize::from(u16::from_be_bytes([signed[2], signed[3]])),
            signed.len() - 4
        );
        let input = sth_input(
            sth["timestamp"].as_u64().unwrap(),
            size,
            &hash(&sth["sha256_root_hash"]),
        );
        fixture
            .key
            .verify(Scheme::EcdsaP256Sha256, &input, &signed[4..])
            .unwrap();
        let precert = fixture.ca.precert().await;
        fixture
            .ct
            .add_pre_chain(&precert, &fixture.ca.chain)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn the_checkpoint_is_a_static_ct_note() {
    let fixture = Fixture::new().await;
    fixture
        .ct
        .add_pre_chain(&fixture.ca.precert().await, &fixture.ca.chain)
        .await
        .unwrap();
    let head = fixture.ct.log().head();
    let note = note::SignedNote::parse(std::str::from_utf8(&head.checkpoint).unwrap()).unwrap();
    let name = format!("{HOST}/ctlog");
    let checkpoint = note::Checkpoint::parse(note.text()).unwrap();
    assert_eq!(
        (checkpoint.origin, checkpoint.size, checkpoint.root),
        (name.clone(), 1, head.root)
    );
    let hint = note::hint(&note::key_id_rfc6962(&name, &fixture.key.key_id()));
    let verify = |_: &[u8], blob: &[u8]| {
        let (timestamp, signed) = blob.split_first_chunk::<8>().unwrap();
        let input = sth_input(u64::from_be_bytes(*timestamp), 1, &head.root);
        fixture
            .key
            .verify(Scheme::EcdsaP256Sha256, &input, &signed[4..])
            .is_ok()
    };
    note.open(&name, hint, verify).unwrap();
}

#[tokio::test]
async fn a_key_that_no_ct_log_may_have_signs_no_head() {
    for algorithm in [Algorithm::Ed25519, Algorithm::EcdsaP384] {
        let signer = Signer::in_memory(Purpose::CtLog, algorithm).unwrap();
        let heads = ct::CtLog::head_signer(HOST, signer);
        let error = heads
            .sign_head(0, &merkle::empty_root(), 0)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("ECDSA P-256 or RSA"), "{error}");
    }
}
