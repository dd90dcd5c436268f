//! The formats of add-checkpoint.

use proptest::prelude::*;
use witness::request::{AddCheckpoint, RequestError, encode, encode_size, parse_size_body};

/// C2SP tlog-witness: the example request.
const EXAMPLE: &str = "old 20852014\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\njrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\nexample.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=\n";

#[test]
fn the_example_of_the_specification_reads_back() {
    let request = AddCheckpoint::parse(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(
        (request.old, request.checkpoint.size),
        (20_852_014, 20_852_163)
    );
    assert_eq!(request.checkpoint.origin, "example.com/behind-the-sofa");
    assert_eq!(request.note.signatures().len(), 2);
    assert_eq!(
        hex::encode(request.proof[0]),
        "3e544d0abc07a6a846aeea6e7b42fb8316e36cc88a03db5e9afb996430e991ac"
    );
    let note = request.note.to_string();
    assert_eq!(encode(request.old, &request.proof, &note), EXAMPLE);
}

#[test]
fn whatever_is_not_exactly_the_form_is_refused() {
    let refused = |from: &str, to: &str| {
        let body = EXAMPLE.replacen(from, to, 1);
        assert_ne!(body, EXAMPLE);
        AddCheckpoint::parse(body.as_bytes()).unwrap_err()
    };
    for size in [
        "Old 1",
        "old  1",
        "old 01",
        "old +1",
        "old",
        "old 18446744073709551616",
    ] {
        assert_eq!(
            refused("old 20852014", size),
            RequestError::OldSize,
            "{size}"
        );
    }
    assert_eq!(
        refused("pkaw=\n", "pkaw\n"),
        RequestError::ProofLine { line: 2 }
    );
    assert_eq!(
        refused("pkaw=\n", "pkaw=\r\n"),
        RequestError::ProofLine { line: 2 }
    );
    assert_eq!(
        refused("Kj/0=\n\n", "Kj/0=\n"),
        RequestError::ProofLine { line: 6 }
    );
    let hash = "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n";
    assert_eq!(refused(hash, &hash.repeat(61)), RequestError::ProofTooLong);
    assert_eq!(
        AddCheckpoint::parse(b"old 0\n"),
        Err(RequestError::BlankLine)
    );
    assert_eq!(
        AddCheckpoint::parse(b"old 0\n\n\xff"),
        Err(RequestError::NotText)
    );
    let have = 300_000;
    assert_eq!(
        AddCheckpoint::parse(&vec![b'a'; have]),
        Err(RequestError::TooLong { have })
    );
}

#[test]
fn sixty_three_hashes_are_accepted() {
    let hash = "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n";
    let body = EXAMPLE.replacen(hash, &hash.repeat(60), 1);
    assert_eq!(
        AddCheckpoint::parse(body.as_bytes()).unwrap().proof.len(),
        63
    );
}

#[test]
fn a_size_body_is_a_number_and_a_line_feed() {
    assert_eq!(
        parse_size_body(encode_size(20_852_014).as_bytes()),
        Some(20_852_014)
    );
    for body in [
        "",
        "\n",
        "1",
        "01\n",
        "1\n\n",
        " 1\n",
        "-1\n",
        "18446744073709551616\n",
    ] {
        assert_eq!(parse_size_body(body.as_bytes()), None, "{body:?}");
    }
}

proptest! {
    #[test]
    fn what_parses_is_written_back(at in 0..EXAMPLE.len(), byte: u8) {
        let mut body = EXAMPLE.as_bytes().to_vec();
        body[at] = byte;
        if let Ok(request) = AddCheckpoint::parse(&body) {
            let note = request.note.to_string();
            let written = encode(request.old, &request.proof, &note);
            prop_assert_eq!(written.as_bytes(), body);
        }
    }

    #[test]
    fn any_bytes_are_answered(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = AddCheckpoint::parse(&body);
        let _ = parse_size_body(&body);
    }
}
