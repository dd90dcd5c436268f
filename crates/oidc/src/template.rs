//! The part of Go's `text/template` that CI provider configurations use.
//!
//! No maintained crate has Go's semantics (an absent `.name` is an error while `index` of an absent
//! key is the empty string; nothing is escaped), and a larger template engine would let a
//! configuration do more than name things. So: text, `.name`, `index . "key"`, string literals,
//! parentheses, `eq` `ne` `and` `or` `not`, `if` … `else if` … `else` … `end`, trim markers, comments.
//! Everything else is refused when the configuration loads. Depth, size and output are bounded.

use crate::limits::{TEMPLATE_BYTES, TEMPLATE_DEPTH, TEMPLATE_OUTPUT_BYTES};
use std::collections::BTreeMap;

/// What templates read: claims over defaults, all as text.
pub type Values = BTreeMap<String, String>;

/// Why a template does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(
    missing_docs,
    reason = "the message of each variant says what its fields are"
)]
pub enum ParseError {
    /// Longer than [`TEMPLATE_BYTES`].
    #[error("the template has {have} bytes, at most {max} are read")]
    TooLong { have: usize, max: usize },
    /// `{{` without `}}`.
    #[error("`{{{{` at byte {at} is not closed")]
    Unclosed { at: usize },
    /// `if` without `end`.
    #[error("an `if` has no `end`")]
    MissingEnd,
    /// `else` or `end` without `if`.
    #[error("`{word}` without `if`")]
    Stray { word: String },
    /// Deeper than [`TEMPLATE_DEPTH`].
    #[error("`if` and parentheses are nested more than {max} deep")]
    TooDeep { max: usize },
    /// A word or sign that this subset does not have.
    #[error(
        "`{what}` is not supported; known are .name, index . \"key\", eq, ne, and, or, not, if, else, end"
    )]
    Unsupported { what: String },
    /// An action that is cut short or has too much.
    #[error("malformed action `{action}`")]
    Malformed { action: String },
}

/// Why a template cannot be evaluated with the values at hand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(
    missing_docs,
    reason = "the message of each variant says what its fields are"
)]
pub enum RenderError {
    /// `.name` names nothing.
    #[error("no entry for key {key:?} in claims or defaults")]
    NoEntry { key: String },
    /// `eq` of a text and a truth value.
    #[error("eq and ne compare two texts or two truth values")]
    Incomparable,
    /// More than [`TEMPLATE_OUTPUT_BYTES`].
    #[error("the result is longer than {max} bytes")]
    TooLong { max: usize },
}

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Text(String),
    Value(Expr),
    If {
        test: Expr,
        then: Vec<Node>,
        otherwise: Vec<Node>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Expr {
    Field(String),
    Index(Box<Expr>),
    Text(String),
    Bool(bool),
    Call(Function, Vec<Expr>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Eq,
    Ne,
    And,
    Or,
    Not,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Text(String),
    Bool(bool),
}

impl Template {
    /// Parses a template.
    pub fn parse(source: &str) -> Result<Self, ParseError> {
        if source.len() > TEMPLATE_BYTES {
            return Err(ParseError::TooLong {
                have: source.len(),
                max: TEMPLATE_BYTES,
            });
        }
        let pieces = split(source)?;
        let mut parser = Parser {
            pieces: &pieces,
            next: 0,
        };
        let nodes = parser.nodes(0)?;
        match parser.take() {
            None => Ok(Self { nodes }),
            Some(Piece::Action(word)) => Err(ParseError::Stray { word: word.clone() }),
            Some(Piece::Text(_)) => Err(ParseError::MissingEnd),
        }
    }

    /// Evaluates the template. Nothing is escaped.
    pub fn render(&self, values: &Values) -> Result<String, RenderError> {
        let mut out = String::new();
        render(&self.nodes, values, &mut out)?;
        Ok(out)
    }
}

fn render(nodes: &[Node], values: &Values, out: &mut String) -> Result<(), RenderError> {
    for node in nodes {
        match node {
            Node::Text(text) => out.push_str(text),
            Node::Value(expr) => match expr.eval(values)? {
                Value::Text(text) => out.push_str(&text),
                Value::Bool(b) => out.push_str(if b { "true" } else { "false" }),
            },
            Node::If {
                test,
                then,
                otherwise,
            } => {
                let branch = if test.eval(values)?.truth() {
                    then
                } else {
                    otherwise
                };
                render(branch, values, out)?;
            }
        }
        if out.len() > TEMPLATE_OUTPUT_BYTES {
            return Err(RenderError::TooLong {
                max: TEMPLATE_OUTPUT_BYTES,
            });
        }
    }
    Ok(())
}

impl Expr {
    fn eval(&self, values: &Values) -> Result<Value, RenderError> {
        Ok(match self {
            Self::Text(text) => Value::Text(text.clone()),
            Self::Bool(b) => Value::Bool(*b),
            Self::Field(key) => Value::Text(
                values
                    .get(key)
                    .cloned()
                    .ok_or_else(|| RenderError::NoEntry { key: key.clone() })?,
            ),
            // Go: `index` of an absent key is the zero value, whatever missingkey says.
            Self::Index(key) => match key.eval(values)? {
                Value::Text(key) => Value::Text(values.get(&key).cloned().unwrap_or_default()),
                Value::Bool(_) => return Err(RenderError::Incomparable),
            },
            Self::Call(function, arguments) => call(*function, arguments, values)?,
        })
    }
}

fn call(function: Function, arguments: &[Expr], values: &Values) -> Result<Value, RenderError> {
    let mut evaluated = arguments.iter().map(|a| a.eval(values));
    // The parser made sure that there is a first argument.
    let first = evaluated.next().unwrap_or(Ok(Value::Bool(false)))?;
    match function {
        Function::Not => Ok(Value::Bool(!first.truth())),
        // `eq a b c` means: a equals one of b, c.
        Function::Eq | Function::Ne => {
            let mut equal = false;
            for other in evaluated {
                equal |= first.equals(&other?)?;
            }
            Ok(Value::Bool(equal == (function == Function::Eq)))
        }
        // Like Go, the result is the argument that decided.
        Function::And | Function::Or => {
            let mut last = first;
            for other in evaluated {
                if last.truth() == (function == Function::Or) {
                    break;
                }
                last = other?;
            }
            Ok(last)
        }
    }
}

impl Value {
    fn truth(&self) -> bool {
        match self {
            Self::Text(text) => !text.is_empty(),
            Self::Bool(b) => *b,
        }
    }

    fn equals(&self, other: &Self) -> Result<bool, RenderError> {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => Ok(a == b),
            (Self::Bool(a), Self::Bool(b)) => Ok(a == b),
            _ => Err(RenderError::Incomparable),
        }
    }
}

enum Piece {
    Text(String),
    Action(String),
}

/// Cuts the source into text and actions; trim markers eat the white space beside them.
fn split(source: &str) -> Result<Vec<Piece>, ParseError> {
    let mut pieces = Vec::new();
    let mut rest = source;
    let mut trim_next = false;
    while let Some(open) = rest.find("{{") {
        let at = source.len() - rest.len() + open;
        let after = &rest[open + 2..];
        let (trim_before, body) = match after.strip_prefix('-') {
            Some(b) if b.starts_with(char::is_whitespace) => (true, b),
            _ => (false, after),
        };
        let close = action_end(body).ok_or(ParseError::Unclosed { at })?;
        push_text(&mut pieces, &rest[..open], trim_next, trim_before);
        let mut action = &body[..close];
        trim_next = false;
        if let Some(b) = action
            .strip_suffix('-')
            .filter(|b| b.ends_with(char::is_whitespace))
        {
            (action, trim_next) = (b, true);
        }
        let action = action.trim();
        if !(action.starts_with("/*") && action.ends_with("*/")) {
            pieces.push(Piece::Action(action.to_owned()));
        }
        rest = &body[close + 2..];
    }
    push_text(&mut pieces, rest, trim_next, false);
    Ok(pieces)
}

/// The place of the `}}` that ends an action, quotes respected.
fn action_end(body: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (i, c) in body.char_indices() {
        match quote {
            Some('"') if escaped => escaped = false,
            Some('"') if c == '\\' => escaped = true,
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None if c == '"' || c == '`' => quote = Some(c),
            None if body[i..].starts_with("}}") => return Some(i),
            None => {}
        }
    }
    None
}

fn push_text(pieces: &mut Vec<Piece>, text: &str, trim_start: bool, trim_end: bool) {
    let text = if trim_start { text.trim_start() } else { text };
    let text = if trim_end { text.trim_end() } else { text };
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

struct Parser<'a> {
    pieces: &'a [Piece],
    next: usize,
}

impl<'a> Parser<'a> {
    fn take(&mut self) -> Option<&'a Piece> {
        let piece = self.pieces.get(self.next)?;
        self.next += 1;
        Some(piece)
    }

    /// Nodes up to the end, or up to an `else` or `end`, which is left for the caller.
    fn nodes(&mut self, depth: usize) -> Result<Vec<Node>, ParseError> {
        if depth > TEMPLATE_DEPTH {
            return Err(ParseError::TooDeep {
                max: TEMPLATE_DEPTH,
            });
        }
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.get(self.next) {
            match piece {
                Piece::Text(text) => nodes.push(Node::Text(text.clone())),
                Piece::Action(a) => match first_word(a) {
                    ("else" | "end", _) => break,
                    ("if", test) => {
                        self.next += 1;
                        nodes.push(self.conditional(test, depth)?);
                        continue;
                    }
                    _ => nodes.push(Node::Value(expression(a)?)),
                },
            }
            self.next += 1;
        }
        Ok(nodes)
    }

    /// What follows an `if`, its `end` included.
    fn conditional(&mut self, test: &str, depth: usize) -> Result<Node, ParseError> {
        let test = expression(test)?;
        let then = self.nodes(depth + 1)?;
        let Some(Piece::Action(action)) = self.take() else {
            return Err(ParseError::MissingEnd);
        };
        let otherwise = match first_word(action) {
            ("end", "") => Vec::new(),
            ("else", "") => {
                let nodes = self.nodes(depth + 1)?;
                match self.take() {
                    Some(Piece::Action(a)) if a == "end" => nodes,
                    Some(Piece::Action(a)) => {
                        return Err(ParseError::Malformed { action: a.clone() });
                    }
                    _ => return Err(ParseError::MissingEnd),
                }
            }
            // `else if` shares its `end` with the outer `if`.
            ("else", more) => match first_word(more) {
                ("if", test) => vec![self.conditional(test, depth + 1)?],
                _ => {
                    return Err(ParseError::Malformed {
                        action: action.clone(),
                    });
                }
            },
            _ => {
                return Err(ParseError::Malformed {
                    action: action.clone(),
                });
            }
        };
        Ok(Node::If {
            test,
            then,
            otherwise,
        })
    }
}

fn first_word(action: &str) -> (&str, &str) {
    let end = action
        .find(|c: char| c.is_whitespace() || c == '(')
        .unwrap_or(action.len());
    (&action[..end], action[end..].trim())
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Dot,
    Field(String),
    Text(String),
    Word(String),
}

fn expression(action: &str) -> Result<Expr, ParseError> {
    let malformed = || ParseError::Malformed {
        action: action.to_owned(),
    };
    let tokens = tokens(action)?;
    let mut tokens = tokens.into_iter().peekable();
    let expr = command(&mut tokens, action, 0)?;
    if tokens.next().is_some() {
        Err(malformed())
    } else {
        Ok(expr)
    }
}

type Tokens = std::iter::Peekable<std::vec::IntoIter<Token>>;

/// A function with its arguments, or one operand.
fn command(tokens: &mut Tokens, action: &str, depth: usize) -> Result<Expr, ParseError> {
    if depth > TEMPLATE_DEPTH {
        return Err(ParseError::TooDeep {
            max: TEMPLATE_DEPTH,
        });
    }
    let malformed = || ParseError::Malformed {
        action: action.to_owned(),
    };
    let word = match tokens.peek() {
        Some(Token::Word(word)) if word != "true" && word != "false" => word.clone(),
        _ => return operand(tokens, action, depth),
    };
    tokens.next();
    if word == "index" {
        if tokens.next() != Some(Token::Dot) {
            return Err(malformed());
        }
        return Ok(Expr::Index(Box::new(operand(tokens, action, depth)?)));
    }
    let (function, least, most) = match word.as_str() {
        "eq" => (Function::Eq, 2, usize::MAX),
        "ne" => (Function::Ne, 2, 2),
        "and" => (Function::And, 1, usize::MAX),
        "or" => (Function::Or, 1, usize::MAX),
        "not" => (Function::Not, 1, 1),
        _ => return Err(ParseError::Unsupported { what: word }),
    };
    let mut arguments = Vec::new();
    while !matches!(tokens.peek(), None | Some(Token::Close)) {
        arguments.push(operand(tokens, action, depth)?);
    }
    if arguments.len() < least || arguments.len() > most {
        return Err(malformed());
    }
    Ok(Expr::Call(function, arguments))
}

fn operand(tokens: &mut Tokens, action: &str, depth: usize) -> Result<Expr, ParseError> {
    let malformed = || ParseError::Malformed {
        action: action.to_owned(),
    };
    match tokens.next().ok_or_else(malformed)? {
        Token::Field(name) => Ok(Expr::Field(name)),
        Token::Text(text) => Ok(Expr::Text(text)),
        Token::Word(word) if word == "true" || word == "false" => Ok(Expr::Bool(word == "true")),
        Token::Word(word) => Err(ParseError::Unsupported { what: word }),
        Token::Open => {
            let inner = command(tokens, action, depth + 1)?;
            if tokens.next() == Some(Token::Close) {
                Ok(inner)
            } else {
                Err(malformed())
            }
        }
        Token::Dot | Token::Close => Err(malformed()),
    }
}

fn tokens(action: &str) -> Result<Vec<Token>, ParseError> {
    let mut out = Vec::new();
    let mut rest = action.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, used) = match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            '.' => match name_length(&rest[1..]) {
                0 => (Token::Dot, 1),
                n => (Token::Field(rest[1..=n].to_owned()), n + 1),
            },
            '"' | '`' => string_literal(rest, first, action)?,
            _ => match name_length(rest) {
                0 => {
                    return Err(ParseError::Unsupported {
                        what: first.to_string(),
                    });
                }
                n => (Token::Word(rest[..n].to_owned()), n),
            },
        };
        // `.a.b` reaches into a value; all values are texts.
        let glued = rest[used..].chars().next();
        if matches!(
            token,
            Token::Field(_) | Token::Dot | Token::Word(_) | Token::Text(_)
        ) && glued.is_some_and(|c| !c.is_whitespace() && c != ')')
        {
            let what = rest.split(char::is_whitespace).next().unwrap_or(rest);
            return Err(ParseError::Unsupported {
                what: what.to_owned(),
            });
        }
        out.push(token);
        rest = rest[used..].trim_start();
    }
    Ok(out)
}

fn name_length(text: &str) -> usize {
    text.find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(text.len())
}

/// A quoted text: its token and how many bytes it took.
fn string_literal(rest: &str, quote: char, action: &str) -> Result<(Token, usize), ParseError> {
    let malformed = || ParseError::Malformed {
        action: action.to_owned(),
    };
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((i, c)) = chars.next() {
        if c == quote {
            return Ok((Token::Text(text), i + 1));
        }
        if c == '\\' && quote == '"' {
            match chars.next() {
                Some((_, c @ ('"' | '\\'))) => text.push(c),
                Some((_, 'n')) => text.push('\n'),
                Some((_, 't')) => text.push('\t'),
                _ => return Err(malformed()),
            }
        } else {
            text.push(c);
        }
    }
    Err(malformed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        [
            ("url", "https://github.com"),
            ("ref", "main"),
            ("ref_type", "branch"),
            ("a/b", "dotted"),
            ("empty", ""),
        ]
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
    }

    fn run(source: &str) -> String {
        Template::parse(source).unwrap().render(&values()).unwrap()
    }

    #[test]
    fn fields_and_text_are_joined_without_escaping() {
        assert_eq!(run("{{ .url }}/<{{.ref}}>"), "https://github.com/<main>");
    }

    #[test]
    fn an_absent_field_is_an_error() {
        let t = Template::parse("{{ .nope }}").unwrap();
        assert_eq!(
            t.render(&values()),
            Err(RenderError::NoEntry { key: "nope".into() })
        );
    }

    #[test]
    fn index_of_an_absent_key_is_empty() {
        assert_eq!(run(r#"[{{ index . "nope" }}]"#), "[]");
        assert_eq!(run(r#"{{(index . "a/b")}}"#), "dotted");
    }

    #[test]
    fn branches_follow_eq() {
        let t = r#"refs/{{if eq .ref_type "branch"}}heads/{{ else }}tags/{{end}}{{ .ref }}"#;
        assert_eq!(run(t), "refs/heads/main");
        assert_eq!(
            run(r#"{{if eq (index . "nope") "true"}}x{{ else }}""{{end}}"#),
            "\"\""
        );
        assert_eq!(run(r#"{{if eq .ref "x" "main"}}one of{{end}}"#), "one of");
        assert_eq!(
            run(r#"{{if .empty}}a{{else if eq .ref "main"}}b{{else}}c{{end}}"#),
            "b"
        );
    }

    #[test]
    fn logic_returns_the_deciding_value() {
        assert_eq!(run("{{ or .empty .ref }}"), "main");
        assert_eq!(run("{{ and .ref .url }}"), "https://github.com");
        assert_eq!(run("{{ not .empty }}"), "true");
        assert_eq!(
            run(r#"{{ if and (ne .ref "x") (not .empty) }}y{{ end }}"#),
            "y"
        );
    }

    #[test]
    fn trim_markers_and_comments_work() {
        assert_eq!(run("a  {{- .ref -}}  b{{/* note */}}"), "amainb");
        assert_eq!(run("{{`raw }} text`}}"), "raw }} text");
        assert_eq!(run(r#"{{"quo\"te"}}"#), "quo\"te");
    }

    #[test]
    fn unknown_constructs_are_refused_when_parsed() {
        for bad in [
            "{{ range .x }}{{end}}",
            "{{ .a.b }}",
            "{{ .a | lower }}",
            "{{ printf \"%s\" .a }}",
            "{{ $x := 1 }}",
            "{{ 1 }}",
            "{{ template \"x\" }}",
        ] {
            assert!(
                matches!(Template::parse(bad), Err(ParseError::Unsupported { .. })),
                "{bad}"
            );
        }
        assert!(matches!(
            Template::parse("{{ . }}"),
            Err(ParseError::Malformed { .. })
        ));
        assert!(matches!(
            Template::parse("{{ index .a \"b\" }}"),
            Err(ParseError::Malformed { .. })
        ));
        assert!(matches!(
            Template::parse("{{ eq .a }}"),
            Err(ParseError::Malformed { .. })
        ));
        assert!(matches!(
            Template::parse("{{ (.a }}"),
            Err(ParseError::Malformed { .. })
        ));
        assert!(matches!(
            Template::parse("{{}}"),
            Err(ParseError::Malformed { .. })
        ));
    }

    #[test]
    fn structure_errors_are_found() {
        assert_eq!(
            Template::parse("x{{ .a"),
            Err(ParseError::Unclosed { at: 1 })
        );
        assert_eq!(Template::parse("{{ if .a }}x"), Err(ParseError::MissingEnd));
        assert_eq!(
            Template::parse("{{ end }}"),
            Err(ParseError::Stray { word: "end".into() })
        );
        assert!(matches!(
            Template::parse("{{if .a}}{{else}}{{else}}{{end}}"),
            Err(ParseError::Malformed { .. })
        ));
    }

    #[test]
    fn depth_and_size_are_bounded() {
        assert!(matches!(
            Template::parse(&"{{if .a}}".repeat(100)),
            Err(ParseError::TooDeep { .. })
        ));
        assert!(matches!(
            Template::parse(&format!("{{{{{}.a", "(".repeat(100))),
            Err(ParseError::Unclosed { .. })
        ));
        assert!(matches!(
            Template::parse(&format!("{{{{{}.a}}}}", "(".repeat(100))),
            Err(ParseError::TooDeep { .. })
        ));
        assert!(matches!(
            Template::parse(&"x".repeat(TEMPLATE_BYTES + 1)),
            Err(ParseError::TooLong { .. })
        ));
        let long: Values = [("a".to_owned(), "x".repeat(6000))].into();
        let t = Template::parse("{{.a}}{{.a}}").unwrap();
        assert!(matches!(t.render(&long), Err(RenderError::TooLong { .. })));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(source in "[{}() .a-z\"`\\\\|$-]{0,80}") {
            if let Ok(t) = Template::parse(&source) {
                let _ = t.render(&values());
            }
        }
    }
}
