//! Source text to nodes: cut into text and actions, then parsed by descent of bounded depth.

use super::{Expr, Function, Node, ParseError};
use crate::limits::TEMPLATE_DEPTH;

/// Parses a whole template.
pub(super) fn parse(source: &str) -> Result<Vec<Node>, ParseError> {
    let pieces = split(source)?;
    let mut parser = Parser {
        pieces: &pieces,
        next: 0,
    };
    let nodes = parser.nodes(0)?;
    match parser.take() {
        None => Ok(nodes),
        Some(Piece::Action(word)) => Err(ParseError::Stray { word: word.clone() }),
        Some(Piece::Text(_)) => Err(ParseError::MissingEnd),
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
