//! From the text to a policy, line by line.

use std::collections::HashMap;

use super::{Group, Log, Member, Policy, PolicyError, PolicyProblem, Witness};
use crate::limits::{MAX_POLICY_BYTES, MAX_POLICY_ITEMS, MAX_POLICY_LINES};
use crate::{KeyType, VerifierKey};

/// The one predefined name.
const NONE: &[u8] = b"none";

pub(super) fn parse(text: &[u8]) -> Result<Policy, PolicyError> {
    let at = |line| move |problem| PolicyError { line, problem };
    if text.len() > MAX_POLICY_BYTES {
        return Err(at(1)(PolicyProblem::TooLong { have: text.len() }));
    }
    let mut parser = Parser::default();
    let mut last = 1;
    for (line, number) in text.split_inclusive(|byte| *byte == b'\n').zip(1..) {
        last = number;
        if number > MAX_POLICY_LINES {
            return Err(at(number)(PolicyProblem::TooManyLines));
        }
        parser.line(number, line).map_err(at(number))?;
    }
    parser.finish().map_err(at(last))
}

#[derive(Default)]
struct Parser<'a> {
    logs: Vec<Log>,
    witnesses: Vec<Witness>,
    groups: Vec<Group>,
    /// The quorum and its line; the inner `None` is `quorum none`.
    quorum: Option<(Option<Member>, usize)>,
    names: HashMap<&'a [u8], Name>,
    /// Lines of the keys of logs and of witnesses.
    log_keys: HashMap<Vec<u8>, usize>,
    witness_keys: HashMap<Vec<u8>, usize>,
}

/// A name that a line defines.
struct Name {
    line: usize,
    member: Member,
    /// Line of the group that it is a member of.
    group: Option<usize>,
}

impl<'a> Parser<'a> {
    fn line(&mut self, number: usize, line: &'a [u8]) -> Result<(), PolicyProblem> {
        let line = line.strip_suffix(b"\n").ok_or(PolicyProblem::End)?;
        check_bytes(line)?;
        let words: Vec<&[u8]> = line
            .split(|byte| matches!(byte, b' ' | b'\t'))
            .filter(|word| !word.is_empty())
            .collect();
        match words.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with(b"#") => Ok(()),
            [b"log", rest @ ..] => self.log(number, rest),
            [b"witness", rest @ ..] => self.witness(number, rest),
            [b"group", rest @ ..] => self.group(number, rest),
            [b"quorum", rest @ ..] => self.quorum(number, rest),
            [first, ..] => Err(PolicyProblem::Keyword {
                found: shown(first),
            }),
        }
    }

    fn log(&mut self, number: usize, words: &[&'a [u8]]) -> Result<(), PolicyProblem> {
        let form = PolicyProblem::Form {
            form: "log <vkey> [<url>]",
        };
        let (vkey, url) = match words {
            [vkey] => (vkey, None),
            [vkey, url] => (vkey, Some(url.to_vec())),
            _ => return Err(form),
        };
        let key = parse_key(vkey)?;
        if !matches!(key.key_type(), KeyType::Ed25519 | KeyType::Ecdsa) {
            return Err(PolicyProblem::KeyRole {
                keyword: "log",
                want: "0x01 or 0x02",
                have: key.key_type().byte(),
            });
        }
        check_count(self.logs.len(), "log")?;
        register_key(&mut self.log_keys, &key, number, "log")?;
        self.logs.push(Log { key, url });
        Ok(())
    }

    fn witness(&mut self, number: usize, words: &[&'a [u8]]) -> Result<(), PolicyProblem> {
        let form = PolicyProblem::Form {
            form: "witness <name> <vkey> [<url>]",
        };
        let (name, vkey, url) = match words {
            [name, vkey] => (*name, vkey, None),
            [name, vkey, url] => (*name, vkey, Some(url.to_vec())),
            _ => return Err(form),
        };
        let key = parse_key(vkey)?;
        if key.key_type() != KeyType::CosignatureEd25519 {
            return Err(PolicyProblem::KeyRole {
                keyword: "witness",
                want: "0x04",
                have: key.key_type().byte(),
            });
        }
        check_count(self.witnesses.len(), "witness")?;
        register_key(&mut self.witness_keys, &key, number, "witness")?;
        self.define(name, number, Member::Witness(self.witnesses.len()))?;
        let name = name.to_vec();
        self.witnesses.push(Witness { name, key, url });
        Ok(())
    }

    fn group(&mut self, number: usize, words: &[&'a [u8]]) -> Result<(), PolicyProblem> {
        let [name, threshold, names @ ..] = words else {
            return Err(PolicyProblem::Form {
                form: "group <name> any|all|<k> <member>...",
            });
        };
        check_count(self.groups.len(), "group")?;
        let threshold = parse_threshold(threshold, names.len())?;
        let mut members = Vec::with_capacity(names.len());
        for member in names {
            members.push(self.enlist(member, number)?);
        }
        // Defined last: a group cannot be its own member.
        self.define(name, number, Member::Group(self.groups.len()))?;
        self.groups.push(Group { threshold, members });
        Ok(())
    }

    fn quorum(&mut self, number: usize, words: &[&'a [u8]]) -> Result<(), PolicyProblem> {
        let [name] = words else {
            return Err(PolicyProblem::Form {
                form: "quorum <name>|none",
            });
        };
        if let Some((_, first)) = self.quorum {
            return Err(PolicyProblem::QuorumTwice { first });
        }
        let member = match *name {
            NONE => None,
            name => Some(self.find(name)?.member),
        };
        self.quorum = Some((member, number));
        Ok(())
    }

    /// Gives a name to a witness or a group; both share one namespace.
    fn define(&mut self, name: &'a [u8], line: usize, member: Member) -> Result<(), PolicyProblem> {
        if name == NONE {
            return Err(PolicyProblem::ReservedName);
        }
        if let Some(earlier) = self.names.get(name) {
            return Err(PolicyProblem::NameTwice {
                name: shown(name),
                first: earlier.line,
            });
        }
        let group = None;
        self.names.insert(
            name,
            Name {
                line,
                member,
                group,
            },
        );
        Ok(())
    }

    /// Takes a name into the group of this line; each may be a member once in the whole file.
    fn enlist(&mut self, name: &[u8], line: usize) -> Result<Member, PolicyProblem> {
        if name == NONE {
            return Err(PolicyProblem::ReservedName);
        }
        let found = self.find(name)?;
        if let Some(first) = found.group {
            return Err(PolicyProblem::MemberTwice {
                name: shown(name),
                first,
            });
        }
        found.group = Some(line);
        Ok(found.member)
    }

    fn find(&mut self, name: &[u8]) -> Result<&mut Name, PolicyProblem> {
        self.names
            .get_mut(name)
            .ok_or_else(|| PolicyProblem::UnknownName { name: shown(name) })
    }

    fn finish(self) -> Result<Policy, PolicyProblem> {
        let (quorum, _) = self.quorum.ok_or(PolicyProblem::NoQuorum)?;
        Ok(Policy {
            logs: self.logs,
            witnesses: self.witnesses,
            groups: self.groups,
            quorum,
        })
    }
}

/// Bytes from 0x80 on are opaque; of ASCII all but control characters are allowed, and tab.
fn check_bytes(line: &[u8]) -> Result<(), PolicyProblem> {
    let control = |byte: &&u8| byte.is_ascii_control() && **byte != b'\t';
    match line.iter().find(control) {
        Some(byte) => Err(PolicyProblem::ControlCharacter { byte: *byte }),
        None => Ok(()),
    }
}

fn check_count(have: usize, keyword: &'static str) -> Result<(), PolicyProblem> {
    match have < MAX_POLICY_ITEMS {
        true => Ok(()),
        false => Err(PolicyProblem::TooMany { keyword }),
    }
}

fn parse_key(word: &[u8]) -> Result<VerifierKey, PolicyProblem> {
    let text = std::str::from_utf8(word).map_err(|_| PolicyProblem::KeyEncoding)?;
    Ok(VerifierKey::parse(text)?)
}

/// Two keys are the same when their bytes are, whatever their names.
fn register_key(
    keys: &mut HashMap<Vec<u8>, usize>,
    key: &VerifierKey,
    line: usize,
    keyword: &'static str,
) -> Result<(), PolicyProblem> {
    match keys.insert(key.key().to_vec(), line) {
        Some(first) => Err(PolicyProblem::KeyTwice { keyword, first }),
        None => Ok(()),
    }
}

fn parse_threshold(word: &[u8], members: usize) -> Result<usize, PolicyProblem> {
    let wrong = || PolicyProblem::Threshold {
        found: shown(word),
        members,
    };
    let threshold = match word {
        b"any" => 1,
        b"all" => members,
        // The number parser would take a sign.
        [b'1'..=b'9', ..] => std::str::from_utf8(word)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(wrong)?,
        _ => return Err(wrong()),
    };
    // With no members nothing fits, which is right.
    match (1..=members).contains(&threshold) {
        true => Ok(threshold),
        false => Err(wrong()),
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
