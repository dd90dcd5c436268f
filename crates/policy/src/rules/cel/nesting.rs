//! How deep an expression nests, from its text: the parser recurses, so this is bounded before it starts.
//!
//! Strings must be told from the rest exactly as CEL's lexer does, for brackets could hide behind a quote that only we
//! see. Whatever would make that lexer stumble (and then go on at a place of its own choosing) is refused here.

use super::{Broken, too_deep};
use crate::limits;
use std::iter::Peekable;
use std::str::Chars;

/// Refuses what nests or chains too much, and strings that are not CEL's.
pub(super) fn check(source: &str) -> Result<(), Broken> {
    let mut scan = Scan {
        rest: source.chars().peekable(),
        word: String::new(),
        depth: 0,
        deepest: 0,
        conditionals: 0,
        operators: 0,
    };
    while let Some(c) = scan.rest.next() {
        scan.token(c)?;
    }
    if scan.deepest + scan.conditionals > limits::CEL_BRACKETS
        || scan.operators > limits::CEL_OPERATORS
    {
        return Err(too_deep());
    }
    Ok(())
}

struct Scan<'s> {
    rest: Peekable<Chars<'s>>,
    /// The letters, digits and underscores directly before.
    word: String,
    depth: usize,
    deepest: usize,
    conditionals: usize,
    operators: usize,
}

impl Scan<'_> {
    fn token(&mut self, c: char) -> Result<(), Broken> {
        match c {
            '"' | '\'' => return self.string(c),
            '/' if self.rest.peek() == Some(&'/') => {
                self.rest.by_ref().find(|c| *c == '\n');
            }
            '(' | '[' | '{' => {
                self.depth += 1;
                self.deepest = self.deepest.max(self.depth);
            }
            ')' | ']' | '}' => self.depth = self.depth.saturating_sub(1),
            '?' => self.conditionals += 1,
            '+' | '-' | '*' | '/' | '%' | '!' | '.' | '<' | '>' | '=' | '&' | '|' => {
                self.operators += 1;
            }
            _ => {}
        }
        if c.is_ascii_alphanumeric() || c == '_' {
            self.word.push(c);
        } else {
            self.word.clear();
        }
        Ok(())
    }

    /// The rest of a string, single or triple, raw or not.
    fn string(&mut self, quote: char) -> Result<(), Broken> {
        let word = std::mem::take(&mut self.word).to_ascii_lowercase();
        let raw = match word.as_str() {
            "" | "b" => false,
            "r" | "br" => true,
            _ => return Err(bad_string("a word stands directly before it")),
        };
        let triple = self.opens_triple(quote);
        let mut closing = 0;
        loop {
            match self.rest.next() {
                None => return Err(bad_string("it does not end")),
                Some('\\') if !raw => {
                    closing = 0;
                    self.escape()?;
                }
                Some('\n' | '\r') if !triple => {
                    return Err(bad_string("it does not end on its line"));
                }
                Some(c) if c == quote => {
                    closing += 1;
                    if !triple || closing == 3 {
                        return Ok(());
                    }
                }
                Some(_) => closing = 0,
            }
        }
    }

    /// Consumes the further two quotes of a triple one; an empty string is no triple.
    fn opens_triple(&mut self, quote: char) -> bool {
        let mut ahead = self.rest.clone();
        let triple = ahead.next() == Some(quote) && ahead.next() == Some(quote);
        if triple {
            self.rest = ahead;
        }
        triple
    }

    fn escape(&mut self) -> Result<(), Broken> {
        let (digits, radix) = match self.rest.next() {
            Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '"' | '\'' | '\\' | '?' | '`') => (0, 8),
            Some('x' | 'X') => (2, 16),
            Some('u') => (4, 16),
            Some('U') => (8, 16),
            Some('0'..='3') => (2, 8),
            _ => return Err(bad_string("an escape in it is not known")),
        };
        for _ in 0..digits {
            if !self.rest.next().is_some_and(|c| c.is_digit(radix)) {
                return Err(bad_string("an escape in it is not complete"));
            }
        }
        Ok(())
    }
}

fn bad_string(why: &str) -> Broken {
    Broken::new(
        format!("a string in it cannot be read: {why}"),
        "write strings in quotes, with \\\\ for a backslash (or r'…' for a pattern)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_strings_and_comments_do_not_count() {
        let many = "(".repeat(100);
        for source in [
            format!("'{many}'"),
            format!("\"{many}\""),
            format!("'''{many}' ''{many}'''"),
            format!("r'{many}\\' == b\"{many}\" // {many}"),
            format!("'\\'{many}\\x41\\u0041\\U00000041\\101'"),
            format!("'' + '{many}'"),
        ] {
            assert_eq!(check(&source), Ok(()), "{source}");
        }
    }

    #[test]
    fn no_string_hides_brackets() {
        let many = "(".repeat(100);
        for source in [
            many.clone(),
            format!("'\\'' + {many}"),
            format!("r'\\' + {many} + ''"),
            format!("bar'\\' ' {many}"),
            format!("1r'\\' + {many}'"),
            format!("'\\q' ' {many}'"),
            format!("'\\x4' ' {many}'"),
            format!("'\n' {many} '"),
            format!("'''' + {many}"),
            format!("'' ' {many}"),
            format!("a ? {}", "b ? ".repeat(20)),
            "1+".repeat(500),
        ] {
            assert!(check(&source).is_err(), "{source}");
        }
    }
}
