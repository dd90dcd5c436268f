//! The part of Go's `text/template` that CI provider configurations use.
//!
//! No maintained crate has Go's semantics (an absent `.name` is an error while `index` of an absent
//! key is the empty string; nothing is escaped), and a larger template engine would let a
//! configuration do more than name things. So: text, `.name`, `index . "key"`, string literals,
//! parentheses, `eq` `ne` `and` `or` `not`, `if` … `else if` … `else` … `end`, trim markers, comments.
//! Everything else is refused when the configuration loads. Depth, size and output are bounded.

mod parse;

use crate::limits::{TEMPLATE_BYTES, TEMPLATE_OUTPUT_BYTES};
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
    /// Deeper than [`crate::limits::TEMPLATE_DEPTH`].
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
        Ok(Self {
            nodes: parse::parse(source)?,
        })
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
