//! Key IDs with exact values.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use note::{
    hint, key_id_cosignature_ed25519, key_id_ecdsa, key_id_ed25519, key_id_rfc6962, key_id_rsa,
};
use sha2::{Digest, Sha256};

/// The three keys of the Rekor v2 key-ID vectors (sigstore/rekor-tiles), public halves.
const ED25519: &str = "444bc9c8d6468d7e81dc3008b83dc14e0f6b230574d0663c5e0e4553e2050d44";
const ECDSA_SPKI: &str = "3059301306072a8648ce3d020106082a8648ce3d0301070342000478bc3b817e34ab\
    2d73ec952118c01a6832136d5ee9d83f82e46f713c4b32fcf540a3d1f49a04b8358ce91a2ae45f1061b7e22fbcbd\
    7d591d57f4035785ae6575";
const RSA_SPKI: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAs7ieTaJ8PAkzCks++ubDNW4Nc4hi\
    7+/JUmSvqq6pIWAfjGrVXI/Z6ROUOnNgvjkW6pOP/KkO1YQfuLtP86X5LD43aIsfH/3VQ0L8X4W64x/JgmA9TWQa+w4O\
    eXaFdGw+lEnGy2rlAL3kIYn/BAbmoAZhyWXQFkPYg6vlypN0H6qQH8hct0SXn7y6casIk7GB7TQt/+OqkkQ55ojM91cX\
    Uq6YYsvAjBjQwEvGGXqLvwOhtbD+eMc2fpw7GlAgiiQpq4khzWrtuZJ0Hd/BFZNpHH+UAddQ4Jvv7dbXDinavVzEbvJs\
    sQAN9nB39UPHpUQn9mojAuh/qg+vDNyEH3liIQIDAQAB";

fn ed25519() -> [u8; 32] {
    hex::decode(ED25519).unwrap().try_into().unwrap()
}

#[test]
fn an_ed25519_key_is_bound_to_its_name() {
    let id = key_id_ed25519("testkey", &ed25519());
    assert_eq!(
        hex::encode(id),
        "e4de82e34c8c270d87612a3d6a1e297e2cd0ed9cb89ea7aeec8ce4d0b54e6775"
    );
    assert_eq!(u32::from_be_bytes(hint(&id)), 3_839_787_747);
    assert_ne!(key_id_ed25519("testkey2", &ed25519()), id);
}

#[test]
fn an_ecdsa_key_has_one_id_under_any_name() {
    let id = key_id_ecdsa(&hex::decode(ECDSA_SPKI).unwrap());
    assert_eq!(
        hex::encode(id),
        "8f92d720f56c219e34895a76a636a3353ddbf7813f9fa317e19982eafa945328"
    );
    assert_eq!(u32::from_be_bytes(hint(&id)), 2_408_765_216);
}

#[test]
fn an_rsa_key_has_the_vendor_type_and_its_tag() {
    let id = key_id_rsa("testkey", &STANDARD.decode(RSA_SPKI).unwrap());
    assert_eq!(
        hex::encode(id),
        "adf42d0b4478f2d07e5c8c3e63640a7e41b440c19dc47010c3a4936af75d85b6"
    );
    assert_eq!(u32::from_be_bytes(hint(&id)), 2_918_460_683);
}

/// A verifier key of another system with the same rule: Go's checksum database.
#[test]
fn the_published_key_of_the_go_checksum_database_has_its_published_hint() {
    let blob = STANDARD
        .decode("Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
        .unwrap();
    let (kind, key) = blob.split_first_chunk::<1>().unwrap();
    assert_eq!(kind, &[0x01]);
    let id = key_id_ed25519("sum.golang.org", key.try_into().unwrap());
    assert_eq!(hex::encode(hint(&id)), "033de0ae");
}

#[test]
fn a_ct_log_and_a_witness_differ_from_a_log_by_the_type_byte_alone() {
    let by_hand = |kind: &[u8]| -> [u8; 32] {
        Sha256::digest([b"name\n".as_slice(), kind, &ed25519()].concat()).into()
    };
    assert_eq!(key_id_ed25519("name", &ed25519()), by_hand(&[1]));
    assert_eq!(
        key_id_cosignature_ed25519("name", &ed25519()),
        by_hand(&[4])
    );
    assert_eq!(key_id_rfc6962("name", &ed25519()), by_hand(&[5]));
}
