//! Policies: the file, the quorum, and a checkpoint under it.

use crate::cosignature::{LOG, SIGNED_BY_LOG, WITNESS, cosigned, ed25519};
use note::policy::{Policy, PolicyProblem};
use note::{KeyType, NoteError, SignedNote, VerifierKey};
use proptest::prelude::*;

/// A witness's key made of one byte; nothing is verified with it.
fn vkey(byte: u8) -> String {
    let key = VerifierKey::new("w.example", KeyType::CosignatureEd25519, &[byte; 32]);
    key.unwrap().to_string()
}

/// The example of C2SP tlog-policy: two of three X, and one of three Y.
fn example() -> String {
    let mut text = format!("# an example\n\nlog {LOG}\n");
    for (byte, name) in (1..).zip(["X1", "X2", "X3", "Y1", "Y2", "Y3"]) {
        text += &format!("witness {name} {}\n", vkey(byte));
    }
    text + "group X-witnesses 2 X1 X2 X3\ngroup Y-witnesses any Y1 Y2 Y3\n\
            group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n"
}

fn problem(text: &str) -> (usize, PolicyProblem) {
    let error = Policy::parse(text.as_bytes()).unwrap_err();
    (error.line, error.problem)
}

#[test]
fn the_example_of_the_specification_asks_for_two_x_and_one_y() {
    let policy = Policy::parse(example().as_bytes()).unwrap();
    assert_eq!(policy.logs()[0].key.to_string(), LOG);
    assert_eq!(policy.witnesses().len(), 6);
    assert!(policy.needs_witnesses());
    for set in 0_u32..64 {
        let has = |index: usize| set >> index & 1 == 1;
        let x = (set & 0b111).count_ones();
        let y = (set >> 3).count_ones();
        assert_eq!(policy.is_met(has), x >= 2 && y >= 1, "{set:06b}");
    }
}

#[test]
fn a_quorum_is_a_witness_a_group_or_none() {
    let one = format!("witness a {}\nquorum a\n", vkey(1));
    let one = Policy::parse(one.as_bytes()).unwrap();
    assert!(one.is_met(|_| true) && !one.is_met(|_| false));
    let none = Policy::parse(b"quorum none\n").unwrap();
    assert!(none.is_met(|_| false) && !none.needs_witnesses());
}

#[test]
fn white_space_comments_urls_and_any_high_byte_are_taken() {
    let mut text = format!("\t log {LOG}\thttps://log.example \n  # \u{e9}\n \t\n").into_bytes();
    text.extend(b"witness \xff\xfe ");
    text.extend(vkey(1).bytes());
    text.extend(b" http://\xc3\xbc.example/\nquorum \xff\xfe\n");
    let policy = Policy::parse(&text).unwrap();
    let witness = &policy.witnesses()[0];
    assert_eq!(witness.name, b"\xff\xfe");
    assert_eq!(witness.label(), "\u{fffd}\u{fffd}");
    assert_eq!(
        witness.url.as_deref(),
        Some(&b"http://\xc3\xbc.example/"[..])
    );
    assert_eq!(
        policy.logs()[0].url.as_deref(),
        Some(&b"https://log.example"[..])
    );
    // A Kelvin sign is not a K.
    let kelvin = format!("witness K {}\nquorum \u{212a}\n", vkey(1));
    assert_eq!(problem(&kelvin).0, 2);
}

#[test]
fn each_broken_rule_is_named_with_its_line() {
    let a = format!("witness a {}\n", vkey(1));
    let name = |name: &str| name.to_owned();
    let cases = [
        ("".into(), 1, PolicyProblem::NoQuorum),
        (a.clone(), 1, PolicyProblem::NoQuorum),
        ("quorum none".into(), 1, PolicyProblem::End),
        (
            "quorum none\r\n".into(),
            1,
            PolicyProblem::ControlCharacter { byte: 13 },
        ),
        (
            "\nquorum none\x7f\n".into(),
            2,
            PolicyProblem::ControlCharacter { byte: 127 },
        ),
        (
            "Quorum none\n".into(),
            1,
            PolicyProblem::Keyword {
                found: name("Quorum"),
            },
        ),
        (
            "quorum none\nquorum none\n".into(),
            2,
            PolicyProblem::QuorumTwice { first: 1 },
        ),
        (
            "quorum\n".into(),
            1,
            PolicyProblem::Form {
                form: "quorum <name>|none",
            },
        ),
        (
            format!("quorum a\n{a}"),
            1,
            PolicyProblem::UnknownName { name: name("a") },
        ),
        (
            format!("{a}witness a {}\n", vkey(2)),
            2,
            PolicyProblem::NameTwice {
                name: name("a"),
                first: 1,
            },
        ),
        (
            format!("{a}group a all a\n"),
            2,
            PolicyProblem::NameTwice {
                name: name("a"),
                first: 1,
            },
        ),
        (
            format!("{a}witness b {}\n", vkey(1)),
            2,
            PolicyProblem::KeyTwice {
                keyword: "witness",
                first: 1,
            },
        ),
        (
            format!("log {LOG}\nlog {LOG} https://log.example\n"),
            2,
            PolicyProblem::KeyTwice {
                keyword: "log",
                first: 1,
            },
        ),
        (
            format!("witness none {}\n", vkey(1)),
            1,
            PolicyProblem::ReservedName,
        ),
        (
            format!("{a}group g any none\n"),
            2,
            PolicyProblem::ReservedName,
        ),
        (
            format!("witness a {LOG}\n"),
            1,
            PolicyProblem::KeyRole {
                keyword: "witness",
                want: "0x04",
                have: 1,
            },
        ),
        (
            format!("log {}\n", vkey(1)),
            1,
            PolicyProblem::KeyRole {
                keyword: "log",
                want: "0x01 or 0x02",
                have: 4,
            },
        ),
        (
            "log example.com+00+AA==\n".into(),
            1,
            PolicyProblem::Key(NoteError::VkeyForm),
        ),
        (
            format!("{a}group g any a a\n"),
            2,
            PolicyProblem::MemberTwice {
                name: name("a"),
                first: 2,
            },
        ),
        (
            format!("{a}group g any a\n\ngroup h any a\n"),
            4,
            PolicyProblem::MemberTwice {
                name: name("a"),
                first: 2,
            },
        ),
        (
            format!("{a}group g any g\n"),
            2,
            PolicyProblem::UnknownName { name: name("g") },
        ),
    ];
    for (text, line, want) in cases {
        assert_eq!(problem(&text), (line, want), "{text}");
    }
}

#[test]
fn a_threshold_is_between_one_and_the_number_of_members() {
    let with = |threshold: &str| {
        format!(
            "witness a {}\nwitness b {}\ngroup g {threshold} a b\nquorum g\n",
            vkey(1),
            vkey(2)
        )
    };
    for (word, need) in [("any", 1), ("all", 2), ("1", 1), ("2", 2)] {
        let policy = Policy::parse(with(word).as_bytes()).unwrap();
        assert_eq!(policy.is_met(|index| index == 0), need == 1, "{word}");
        assert!(policy.is_met(|_| true), "{word}");
    }
    for word in [
        "0",
        "3",
        "01",
        "+1",
        "-1",
        "2x",
        "ALL",
        "18446744073709551617",
    ] {
        let want = PolicyProblem::Threshold {
            found: word.to_owned(),
            members: 2,
        };
        assert_eq!(problem(&with(word)), (3, want));
    }
    assert_eq!(
        problem("group g any\n"),
        (
            1,
            PolicyProblem::Threshold {
                found: "any".into(),
                members: 0
            }
        )
    );
}

#[test]
fn groups_nest_as_deep_as_there_are_groups() {
    let mut text = format!("witness w {}\ngroup g0 all w\n", vkey(1));
    for depth in 1..256 {
        text += &format!("group g{depth} all g{}\n", depth - 1);
    }
    text += "quorum g255\n";
    let policy = Policy::parse(text.as_bytes()).unwrap();
    assert!(policy.is_met(|_| true) && !policy.is_met(|_| false));
    let more = text.replace("quorum g255", "group g256 all g255");
    let want = PolicyProblem::TooMany { keyword: "group" };
    assert_eq!(problem(&more), (258, want));
}

#[test]
fn size_and_lines_are_bounded() {
    let long = format!("#{}\n", "a".repeat(256 * 1024));
    let have = long.len();
    assert_eq!(problem(&long), (1, PolicyProblem::TooLong { have }));
    let lines = "\n".repeat(4097);
    assert_eq!(problem(&lines), (4097, PolicyProblem::TooManyLines));
}

fn verify(key: &VerifierKey, message: &[u8], signature: &[u8]) -> bool {
    ed25519(key)(message, signature)
}

#[test]
fn a_checkpoint_needs_a_known_log_and_the_quorum() {
    let policy = format!("log {LOG}\nwitness w {WITNESS}\nquorum w\n");
    let policy = Policy::parse(policy.as_bytes()).unwrap();

    let whole = policy.evaluate(&cosigned(), verify).unwrap();
    assert_eq!((whole.log, whole.quorum_met), (Some(0), true));
    assert_eq!(whole.cosigned, [Some(1_679_315_147)]);
    assert!(whole.is_accepted());

    let bare = SignedNote::parse(SIGNED_BY_LOG).unwrap();
    let bare = policy.evaluate(&bare, verify).unwrap();
    assert_eq!((bare.log, bare.quorum_met), (Some(0), false));
    assert!(!bare.is_accepted());

    let only_cosigned = vec![cosigned().signatures()[1].clone()];
    let without_log = SignedNote::new(cosigned().text().to_owned(), only_cosigned).unwrap();
    let without_log = policy.evaluate(&without_log, verify).unwrap();
    assert_eq!((without_log.log, without_log.quorum_met), (None, true));
    assert!(!without_log.is_accepted());
}

#[test]
fn a_log_speaks_for_its_own_origin_only() {
    // The same key and name under a checkpoint of another origin.
    let moved = SIGNED_BY_LOG.replacen("example.com/behind-the-sofa", "example.com/elsewhere", 1);
    let policy = format!("log {LOG}\nquorum none\n");
    let policy = Policy::parse(policy.as_bytes()).unwrap();
    let note = SignedNote::parse(&moved).unwrap();
    let found = policy.evaluate(&note, |_, _, _| true).unwrap();
    assert_eq!(found.log, None);
}

#[test]
fn a_forged_line_of_a_known_witness_refuses_the_note() {
    let policy = format!("log {LOG}\nwitness w {WITNESS}\nquorum none\n");
    let policy = Policy::parse(policy.as_bytes()).unwrap();
    let mut line = cosigned().signatures()[1].clone();
    line.signature[20] ^= 1;
    let mut note = SignedNote::parse(SIGNED_BY_LOG).unwrap();
    note.push(line).unwrap();
    assert_eq!(policy.evaluate(&note, verify), Err(NoteError::BadSignature));
}

proptest! {
    #[test]
    fn more_cosignatures_never_hurt(text in policies(), set: u16, extra in 0_usize..6) {
        if let Ok(policy) = Policy::parse(text.as_bytes()) {
            let has = |index: usize| set >> index & 1 == 1;
            if policy.is_met(has) {
                prop_assert!(policy.is_met(|index| has(index) || index == extra));
            }
        }
    }

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Policy::parse(&bytes);
    }
}

/// Six witnesses, groups at random, a quorum at random: often wrong, never a panic.
fn policies() -> impl Strategy<Value = String> {
    let member = prop_oneof![
        Just("a"),
        Just("b"),
        Just("c"),
        Just("d"),
        Just("g0"),
        Just("g1")
    ];
    let threshold = prop_oneof![Just("any"), Just("all"), Just("1"), Just("2")];
    let group = (
        threshold,
        proptest::sample::subsequence(vec!["a", "b", "c", "d", "e", "f", "g0", "g1"], 1..4),
    );
    (proptest::collection::vec(group, 0..3), member).prop_map(|(groups, quorum)| {
        let mut text = String::new();
        for (byte, name) in (1..).zip(["a", "b", "c", "d", "e", "f"]) {
            text += &format!("witness {name} {}\n", vkey(byte));
        }
        for (number, (threshold, members)) in groups.iter().enumerate() {
            text += &format!("group g{number} {threshold} {}\n", members.join(" "));
        }
        text + &format!("quorum {quorum}\n")
    })
}
