//! Takes a few members out of a large JSON object in one pass, checking the others without building them.
//!
//! Faster than a parser for what is mostly passed over: a predicate of megabytes beside three short members. It only says
//! yes: whoever gets `None` lets [`crate::json`] decide, which knows every spelling and explains what is wrong.

/// Gives the values of these members as they are written, each of which must be there exactly once.
///
/// `None` unless the whole text is one JSON object of at most `max_depth` levels (itself the first) whose own members have
/// plain ASCII names. Members inside the values may repeat, and their texts need not be UTF-8.
pub fn members<'a, const N: usize>(
    json: &'a [u8],
    max_depth: usize,
    names: [&str; N],
) -> Option<[&'a [u8]; N]> {
    let mut scanner = Scanner::new(json);
    let room = max_depth.checked_sub(1)?;
    let mut found: [Option<&[u8]>; N] = [None; N];
    scanner.expect(b'{')?;
    loop {
        let name = scanner.name()?;
        scanner.expect(b':')?;
        let value = scanner.value(room)?;
        if let Some(place) = names.iter().position(|wanted| wanted.as_bytes() == name)
            && found.get_mut(place)?.replace(value).is_some()
        {
            return None;
        }
        match scanner.token()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    let mut values: [&[u8]; N] = [&[]; N];
    for (value, found) in values.iter_mut().zip(found) {
        *value = found?;
    }
    // Nothing may follow but white space.
    scanner.token().is_none().then_some(values)
}

/// Reads JSON (RFC 8259) from the front.
struct Scanner<'a> {
    json: &'a [u8],
    at: usize,
    /// There is no control character anywhere, so none has to be looked for in texts.
    plain: bool,
}

/// What a value stands in.
#[derive(Clone, Copy)]
enum Around {
    List,
    Object,
}

impl<'a> Scanner<'a> {
    fn new(json: &'a [u8]) -> Self {
        Self {
            json,
            at: 0,
            plain: !has_control(json),
        }
    }

    /// The next byte that is no white space.
    fn token(&mut self) -> Option<u8> {
        loop {
            let byte = *self.json.get(self.at)?;
            self.at += 1;
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return Some(byte);
            }
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.token()? == byte).then_some(())
    }

    /// A member's name in ASCII without escapes: any other may mean the same as one that is looked for.
    fn name(&mut self) -> Option<&'a [u8]> {
        self.expect(b'"')?;
        let start = self.at;
        self.text()?;
        let name = self.json.get(start..self.at.checked_sub(1)?)?;
        (name.is_ascii() && !name.contains(&b'\\')).then_some(name)
    }

    /// A value with at most `room` levels inside, as it is written.
    fn value(&mut self, room: usize) -> Option<&'a [u8]> {
        let mut start = None;
        // A stack instead of recursion, outermost first.
        let mut around: Vec<Around> = Vec::new();
        loop {
            let byte = self.token()?;
            let from = *start.get_or_insert(self.at - 1);
            match byte {
                b'"' => self.text()?,
                b'[' | b'{' if around.len() == room => return None,
                b'[' if self.closes(b']') => {}
                b'[' => {
                    around.push(Around::List);
                    continue;
                }
                b'{' if self.closes(b'}') => {}
                b'{' => {
                    around.push(Around::Object);
                    self.inner_name()?;
                    continue;
                }
                b't' => self.rest_of(b"rue")?,
                b'f' => self.rest_of(b"alse")?,
                b'n' => self.rest_of(b"ull")?,
                b'-' => {
                    let digit = self.byte()?;
                    self.number(digit)?;
                }
                digit => self.number(digit)?,
            }
            loop {
                let Some(inside) = around.last() else {
                    return self.json.get(from..self.at);
                };
                match (self.token()?, inside) {
                    (b',', Around::List) => break,
                    (b',', Around::Object) => {
                        self.inner_name()?;
                        break;
                    }
                    (b']', Around::List) | (b'}', Around::Object) => drop(around.pop()),
                    _ => return None,
                }
            }
        }
    }

    /// Takes `end` when nothing stands before it: the list or object is empty.
    fn closes(&mut self, end: u8) -> bool {
        let before = self.at;
        let closes = self.token() == Some(end);
        if !closes {
            self.at = before;
        }
        closes
    }

    fn inner_name(&mut self) -> Option<()> {
        self.expect(b'"')?;
        self.text()?;
        self.expect(b':')
    }

    /// The rest of a text behind its opening quotation mark.
    fn text(&mut self) -> Option<()> {
        let start = self.at;
        loop {
            let rest = self.json.get(self.at..)?;
            self.at += memchr::memchr2(b'"', b'\\', rest)? + 1;
            if self.json.get(self.at - 1) == Some(&b'"') {
                break;
            }
            self.escape()?;
        }
        (self.plain || !has_control(self.json.get(start..self.at)?)).then_some(())
    }

    fn escape(&mut self) -> Option<()> {
        match self.byte()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => {
                let digits = self.json.get(self.at..self.at + 4)?;
                self.at += 4;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(())
            }
            _ => None,
        }
    }

    /// The rest of a number behind its first digit.
    fn number(&mut self, first: u8) -> Option<()> {
        match first {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            _ => return None,
        }
        if self.json.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if let Some(b'e' | b'E') = self.json.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.json.get(self.at) {
                self.at += 1;
            }
            self.some_digits()?;
        }
        // `01` and `1x`: what follows is no comma or bracket, which the caller refuses.
        Some(())
    }

    fn some_digits(&mut self) -> Option<()> {
        self.byte().filter(u8::is_ascii_digit)?;
        self.digits();
        Some(())
    }

    fn digits(&mut self) {
        while self.json.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }

    fn rest_of(&mut self, word: &[u8]) -> Option<()> {
        let have = self.json.get(self.at..self.at + word.len())?;
        self.at += word.len();
        (have == word).then_some(())
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.json.get(self.at)?;
        self.at += 1;
        Some(byte)
    }
}

/// Whether there is a byte below 32. Looks at whole blocks, which compilers turn into wide instructions.
fn has_control(bytes: &[u8]) -> bool {
    let lowest = |block: &[u8]| block.iter().fold(u8::MAX, |low, byte| low.min(*byte));
    let (blocks, rest) = bytes.as_chunks::<64>();
    blocks.iter().any(|block| lowest(block) < b' ') || lowest(rest) < b' '
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::value::RawValue;

    const NAMES: [&str; 2] = ["a", "b"];

    fn skim(json: &str) -> Option<[&str; 2]> {
        members(json.as_bytes(), 4, NAMES)
            .map(|values| values.map(|value| std::str::from_utf8(value).unwrap()))
    }

    /// What the parser makes of the same text.
    fn parsed(json: &[u8]) -> Option<[String; 2]> {
        #[derive(Deserialize)]
        struct Both {
            a: Box<RawValue>,
            b: Box<RawValue>,
        }
        let both: Both = json::parse_nested(json, usize::MAX, 4).ok()?;
        Some([both.a.get().to_owned(), both.b.get().to_owned()])
    }

    #[test]
    fn values_are_given_as_they_are_written() {
        let json = r#" { "b" : [1, {"x": "}"}] ,"c":{"a":0,"a":[]},"a":"\"\u00e9\\" } "#;
        assert_eq!(skim(json), Some([r#""\"\u00e9\\""#, r#"[1, {"x": "}"}]"#]));
    }

    #[test]
    fn every_kind_of_value_is_passed_over() {
        for value in [
            "0",
            "-0",
            "10",
            "-1.5",
            "1e9",
            "1.25E-7",
            "0e+1",
            "true",
            "false",
            "null",
            "\"\"",
            "[]",
            "{}",
            "[ ]",
            "{ }",
            "[[]]",
            "[1,2]",
            r#"{"x":{}}"#,
            r#""\u12aF\/\b\f\n\r\t""#,
        ] {
            let json = format!(r#"{{"a":0,"c":{value},"b":{value}}}"#);
            assert_eq!(skim(&json), Some(["0", value]), "{json}");
        }
    }

    #[test]
    fn what_is_no_json_is_not_read() {
        for value in [
            "",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "+1",
            "tru",
            "nul",
            "\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\n\"",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{1:2}",
            r#"{"x"}"#,
            r#"{"x":}"#,
            r#"{"x":1,}"#,
            "[}",
            "{]",
            "]",
            "1}",
            "[",
            "{",
            "'x'",
            "NaN",
        ] {
            let json = format!(r#"{{"a":0,"b":1,"c":{value}}}"#);
            assert_eq!(skim(&json), None, "{json}");
        }
    }

    #[test]
    fn what_may_mean_something_else_is_left_to_the_parser() {
        for json in [
            r#"{"a":0}"#,
            r#"{"a":0,"b":1,"a":2}"#,
            r#"{"a":0,"b":1,"\u0061":2}"#,
            "{\"a\":0,\"b\":1,\"\u{e9}\":2}",
            r#"{"a":0,"b":1} x"#,
            r#"[0,1]"#,
            "{}",
            "",
        ] {
            assert_eq!(skim(json), None, "{json}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        assert!(skim(r#"{"a":0,"b":[[[]]]}"#).is_some());
        assert_eq!(skim(r#"{"a":0,"b":[[[[]]]]}"#), None);
        assert_eq!(skim(r#"{"a":0,"b":[[[{}]]]}"#), None);
    }

    #[test]
    fn a_control_character_is_found_wherever_it_stands() {
        for at in 0..200 {
            let mut bytes = vec![b'x'; 200];
            assert!(!has_control(&bytes));
            bytes[at] = 0x1f;
            assert!(has_control(&bytes));
        }
    }

    proptest! {
        /// Never more than the parser takes, and the same values.
        #[test]
        fn what_is_read_the_parser_reads_alike(
            first in r#"([\[\]{}":,ab01.e\\ -]|true|"x"|[\n\t]){0,12}"#,
            second in r#"([\[\]{}":,ab01.e\\ -]|null|\\u00e9|"x":){0,12}"#,
        ) {
            for json in [
                format!(r#"{{"a":{first},"b":{second}}}"#),
                format!(r#"{{"a":0,"b":1,"c":[{first},{{"d":{second}}}]}}"#),
                format!(r#"{{"a":"{first}","b":"{second}"}}"#),
                first.clone(),
            ] {
                if let Some(values) = skim(&json) {
                    prop_assert_eq!(parsed(json.as_bytes()), Some(values.map(str::to_owned)));
                }
            }
        }

        #[test]
        fn any_document_is_read(value in arbitrary_json()) {
            let json = format!(r#"{{"a":{value},"b":[{value}]}}"#);
            prop_assert_eq!(skim(&json).map(|v| v.map(str::to_owned)), parsed(json.as_bytes()));
        }

        #[test]
        fn any_bytes_are_answered_without_panic(bytes: Vec<u8>) {
            let _ = members(&bytes, 4, NAMES);
            let _ = members(&[br#"{"a":"#, bytes.as_slice()].concat(), 4, NAMES);
        }
    }

    fn arbitrary_json() -> impl Strategy<Value = serde_json::Value> {
        use serde_json::Value;
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }
}
