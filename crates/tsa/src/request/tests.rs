use super::*;
use proptest::prelude::*;

/// `openssl ts -query` over "abc": SHA-256, NULL parameters, nonce 314cfce4e0651827, no certReq.
const OPENSSL_QUERY: &str = "30400201013031300d060960864801650304020105000420ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0208314cfce4e0651827";
const ABC_BASE64: &str = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";

fn imprint(oid: ObjectIdentifier, digest: &[u8]) -> Vec<u8> {
    encode_imprint(oid, digest).unwrap()
}

fn query(imprint: &[u8], rest: &[&[u8]]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = vec![&[2, 1, 1], imprint];
    parts.extend_from_slice(rest);
    crate::asn1::sequence(&parts)
}

fn sha256_query(rest: &[&[u8]]) -> Vec<u8> {
    query(&imprint(ID_SHA256, &[7; 32]), rest)
}

fn json(extra: &str) -> Vec<u8> {
    format!(r#"{{"artifactHash":"{ABC_BASE64}","hashAlgorithm":"sha256"{extra}}}"#).into_bytes()
}

#[test]
fn a_query_by_openssl_parses() {
    let der = hex::decode(OPENSSL_QUERY).unwrap();
    let request = parse_request(&der).unwrap();
    assert_eq!(request.hash, HashAlgorithm::Sha256);
    assert_eq!(request.imprint, der[5..5 + 2 + 0x31]);
    assert_eq!(request.digest, der[24..56]);
    assert_eq!(request.nonce.as_deref(), Some(&der[58..]));
    assert!(!request.cert_req);
}

#[test]
fn both_forms_mean_the_same() {
    let mut der = parse_request(&hex::decode(OPENSSL_QUERY).unwrap()).unwrap();
    der.nonce = None;
    assert_eq!(parse_json_request(&json("")).unwrap(), der);
    der.cert_req = true;
    der.nonce = Some(vec![1, 0]);
    let extra = format!(r#","certificates":true,"nonce":256,"tsaPolicyOID":"{POLICY}","x":1"#);
    assert_eq!(parse_json_request(&json(&extra)).unwrap(), der);
}

#[test]
fn every_optional_part_is_read() {
    let policy = POLICY.to_der().unwrap();
    let nonce = [2, 1, 0x80];
    let request = parse_request(&sha256_query(&[&policy, &nonce, &[1, 1, 0xff]])).unwrap();
    assert_eq!(request.nonce, Some(vec![0x80]));
    assert!(request.cert_req);
}

#[test]
fn absent_hash_parameters_are_echoed_as_absent() {
    let oid = ID_SHA256.to_der().unwrap();
    let bare = crate::asn1::sequence(&[
        &crate::asn1::sequence(&[&oid]),
        &crate::asn1::octet_string(&[7; 32]),
    ]);
    assert_eq!(parse_request(&query(&bare, &[])).unwrap().imprint, bare);
}

#[test]
fn other_hash_parameters_are_refused() {
    let oid = ID_SHA256.to_der().unwrap();
    let odd = crate::asn1::sequence(&[
        &crate::asn1::sequence(&[&oid, &[2, 1, 5]]),
        &crate::asn1::octet_string(&[7; 32]),
    ]);
    assert_eq!(
        parse_request(&query(&odd, &[])),
        Err(RequestError::HashParameters)
    );
}

#[test]
fn sha1_and_unknown_hashes_are_refused() {
    assert_eq!(
        parse_request(&query(&imprint(ID_SHA1, &[7; 20]), &[])),
        Err(RequestError::WeakHash)
    );
    let md5 = ObjectIdentifier::new_unwrap("1.2.840.113549.2.5");
    assert_eq!(
        parse_request(&query(&imprint(md5, &[7; 16]), &[])),
        Err(RequestError::UnknownHash("1.2.840.113549.2.5".into()))
    );
    let with = |name: &str| {
        parse_json_request(format!(r#"{{"artifactHash":"","hashAlgorithm":"{name}"}}"#).as_bytes())
    };
    assert_eq!(with("sha1"), Err(RequestError::WeakHash));
    assert_eq!(with("md5"), Err(RequestError::UnknownHash("md5".into())));
    assert_eq!(with(""), Err(RequestError::UnknownHash(String::new())));
}

#[test]
fn the_digest_must_have_the_length_of_its_hash() {
    for (oid, algorithm, want) in [
        (ID_SHA256, "sha256", 32),
        (ID_SHA384, "sha384", 48),
        (ID_SHA512, "sha512", 64),
    ] {
        assert!(parse_request(&query(&imprint(oid, &vec![7; want]), &[])).is_ok());
        for have in [0, want - 1, want + 1] {
            assert_eq!(
                parse_request(&query(&imprint(oid, &vec![7; have]), &[])),
                Err(RequestError::DigestLength {
                    algorithm,
                    want,
                    have
                })
            );
        }
    }
    assert!(matches!(
        parse_json_request(br#"{"artifactHash":"AAAA","hashAlgorithm":"SHA256"}"#),
        Err(RequestError::DigestLength { have: 3, .. })
    ));
}

#[test]
fn only_the_sigstore_policy_is_granted() {
    let other = ObjectIdentifier::new_unwrap("1.2.3.4");
    assert_eq!(
        parse_request(&sha256_query(&[&other.to_der().unwrap()])),
        Err(RequestError::Policy("1.2.3.4".into()))
    );
    for text in ["1.2.3.4", "", "not an oid", "1.3.6.1.4.1.57264.2.1"] {
        let result = parse_json_request(&json(&format!(r#","tsaPolicyOID":"{text}""#)));
        assert_eq!(result.is_ok(), text.is_empty(), "{text}");
    }
}

#[test]
fn extensions_are_refused_critical_or_not() {
    let oid = ObjectIdentifier::new_unwrap("1.2.3.4").to_der().unwrap();
    for critical in [&[][..], &[1, 1, 0xff]] {
        let extension = crate::asn1::sequence(&[&oid, critical, &[4, 2, 5, 0]]);
        let all = crate::asn1::tlv(crate::asn1::tag::CONTEXT_0, &[&extension]);
        assert_eq!(
            parse_request(&sha256_query(&[&all])),
            Err(RequestError::Extension("1.2.3.4".into()))
        );
    }
}

#[test]
fn other_versions_and_trailing_bytes_are_refused() {
    let mut der = hex::decode(OPENSSL_QUERY).unwrap();
    der[4] = 2;
    assert_eq!(parse_request(&der), Err(RequestError::Version(2)));
    der[4] = 1;
    der.push(0);
    assert!(matches!(parse_request(&der), Err(RequestError::Der(_))));
}

#[test]
fn a_nonce_has_a_bound() {
    let nonce = |length: usize| crate::asn1::tlv(crate::asn1::tag::INTEGER, &[&vec![1; length]]);
    assert!(parse_request(&sha256_query(&[&nonce(512)])).is_ok());
    assert_eq!(
        parse_request(&sha256_query(&[&nonce(513)])),
        Err(RequestError::Nonce)
    );
}

#[test]
fn a_json_nonce_is_an_integer_of_any_sign_and_size() {
    let cases: [(&str, &[u8]); 9] = [
        ("0", &[0]),
        ("-0", &[0]),
        ("127", &[0x7f]),
        ("128", &[0, 0x80]),
        ("256", &[1, 0]),
        ("-1", &[0xff]),
        ("-128", &[0x80]),
        ("-129", &[0xff, 0x7f]),
        ("18446744073709551616", &[1, 0, 0, 0, 0, 0, 0, 0, 0]),
    ];
    for (text, want) in cases {
        assert_eq!(json_nonce(text).unwrap(), want, "{text}");
    }
    for text in ["1.5", "1e9", "\"5\"", "true", "[]", "-"] {
        assert_eq!(json_nonce(text), Err(RequestError::Nonce), "{text}");
    }
    let request = parse_json_request(&json(r#","nonce":null"#)).unwrap();
    assert_eq!(request.nonce, None);
}

#[test]
fn json_has_a_bound() {
    let filler = "x".repeat(1024);
    let long = json(&format!(r#","filler":"{filler}""#));
    assert_eq!(
        parse_json_request(&long),
        Err(RequestError::TooLarge {
            size: long.len(),
            limit: 1024
        })
    );
    let digits = 1024 - json(r#","nonce":"#).len();
    let full = json(&format!(r#","nonce":{}"#, "9".repeat(digits)));
    assert_eq!(full.len(), 1024);
    assert!(parse_json_request(&full).is_ok());
}

#[test]
fn what_is_no_json_request_is_located() {
    assert_eq!(
        parse_json_request(b"{\n x"),
        Err(RequestError::Json { line: 2, column: 2 })
    );
    assert_eq!(
        parse_json_request(br#"{"artifactHash":"=","hashAlgorithm":"sha256"}"#),
        Err(RequestError::Base64)
    );
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes: Vec<u8>) {
        prop_assert!(parse_request(&bytes).is_err());
        prop_assert!(parse_json_request(&bytes).is_err());
    }

    #[test]
    fn a_damaged_query_is_answered(at in 0_usize..66, value: u8, cut in 0_usize..66) {
        let mut der = hex::decode(OPENSSL_QUERY).unwrap();
        der[at] = value;
        let _ = parse_request(&der);
        let _ = parse_request(&der[..cut]);
    }

    #[test]
    fn json_nonces_are_the_integers_that_der_encodes(value: i128) {
        let content = json_nonce(&value.to_string()).unwrap();
        let der = crate::asn1::tlv(crate::asn1::tag::INTEGER, &[&content]);
        prop_assert_eq!(der, value.to_der().unwrap());
    }
}
