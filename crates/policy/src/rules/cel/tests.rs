//! Expressions: what holds, what does not, and what it may cost.

use super::*;
use serde_json::{Value as Json, json};

fn variables(predicate: Json) -> Variables {
    let facts = json!({
        "predicate": predicate,
        "predicateType": "https://example.com/test/v1",
        "statement": {"_type": "t"},
        "subject": [{"name": "a", "digest": {"sha256": "00"}}],
        "identity": "alice@example.com",
        "issuer": "https://accounts.example.com",
        "certificate": {"sourceRepositoryUri": "https://github.com/acme/app"},
        "signedAt": "2026-06-01T12:00:00Z",
    });
    Variables::new(facts.as_object().unwrap())
}

fn check(source: &str, predicate: Json) -> Result<(), Broken> {
    Expression::compile(source)?.check(&variables(predicate), &mut limits::TOTAL_CEL_WORK.clone())
}

fn cause(source: &str, predicate: Json) -> String {
    check(source, predicate).expect_err(source).cause
}

#[test]
fn every_variable_can_be_asked() {
    for source in [
        "predicate.result == 'passed'",
        "predicate['result'] == \"passed\"",
        "predicate.score >= 7 && predicate.score < 7.5",
        "predicate.findings.all(f, f.severity != 'critical')",
        "predicate.findings.exists(f, f.id.startsWith('CVE-') && f.id.matches('^CVE-[0-9]+$'))",
        "predicate.findings.filter(f, f.severity == 'low').size() == 2",
        "predicate.findings.map(f, f.id).exists_one(id, id == 'CVE-1')",
        "!has(predicate.absent)",
        "predicateType == 'https://example.com/test/v1'",
        "subject[0].digest.sha256 == '00'",
        "statement._type == 't'",
        "identity.endsWith('@example.com') && issuer.contains('accounts')",
        "certificate.sourceRepositoryUri == 'https://github.com/acme/app'",
        "signedAt > timestamp('2026-01-01T00:00:00Z')",
        "signedAt - timestamp('2026-06-01T00:00:00Z') == duration('12h')",
        "'x' in {'x': 1} ? true : false",
        "type(predicate.score) == int",
    ] {
        let predicate = json!({"result": "passed", "score": 7, "findings": [
            {"id": "CVE-1", "severity": "low"}, {"id": "CVE-2", "severity": "low"},
        ]});
        assert_eq!(check(source, predicate), Ok(()), "{source}");
    }
}

#[test]
fn what_is_not_true_is_broken() {
    for (source, want) in [
        ("predicate.result == 'passed'", "is false"),
        ("predicate.absent == 'x'", "cannot be evaluated"),
        ("predicate.result", "instead of true or false"),
        ("1", "instead of true or false"),
        ("null", "instead of true or false"),
        ("[true]", "instead of true or false"),
        ("1 / 0 == 1", "cannot be evaluated"),
        ("'a' < 1", "cannot be evaluated"),
        ("predicate.result.matches('(')", "cannot be evaluated"),
    ] {
        let cause = cause(source, json!({"result": "failed"}));
        assert!(cause.contains(want), "{source}: {cause}");
    }
}

#[test]
fn what_cannot_be_parsed_is_refused_at_once() {
    for (source, want) in [
        ("", "empty"),
        ("predicate.", "not CEL"),
        ("predicate == ", "not CEL"),
        ("predicat.result == 'x'", "no variable `predicat`"),
        ("now() > signedAt && clock.x", "no variable `clock`"),
        ("@spend(1) == 1", ""),
        ("'\\q' == ''", "escape"),
    ] {
        let broken = Expression::compile(source).expect_err(source);
        assert!(broken.cause.contains(want), "{source}: {}", broken.cause);
    }
    let long = format!("'{}' == ''", "a".repeat(5000));
    assert!(
        Expression::compile(&long)
            .unwrap_err()
            .cause
            .contains("bytes")
    );
}

#[test]
fn nesting_is_bounded_for_parser_and_interpreter() {
    for source in [
        "(".repeat(2000) + "1" + &")".repeat(2000),
        "[".repeat(2000) + &"]".repeat(2000),
        "!".repeat(4000) + "true",
        "-".repeat(4000) + "1",
        vec!["1"; 2000].join("+"),
        "a".to_owned() + &".a".repeat(2000),
        "true ? ".repeat(500) + "true" + &" : true".repeat(500),
        vec!["1"; 300].join("+") + " == 300",
        "predicate".to_owned() + &".map(x, x)".repeat(150),
    ] {
        let broken = Expression::compile(&source).expect_err("too deep");
        assert!(!broken.cause.is_empty());
    }
    // What is just accepted must not exhaust a small stack either, in the parser or in the interpreter.
    for source in [
        "!(".repeat(limits::CEL_BRACKETS) + "true" + &")".repeat(limits::CEL_BRACKETS),
        "[".repeat(limits::CEL_BRACKETS) + &"]".repeat(limits::CEL_BRACKETS) + ".size() >= 0",
        "true ? (".repeat(limits::CEL_BRACKETS / 2)
            + "true"
            + &") : true".repeat(limits::CEL_BRACKETS / 2),
        vec!["1"; limits::CEL_DEPTH - 2].join("+") + " > 1",
        "[1]".to_owned() + &".map(x, [x])".repeat(limits::CEL_DEPTH - 6) + ".size() > 0",
    ] {
        assert_eq!(check(&source, json!({})), Ok(()), "{source}");
    }
    for chained in ["1+", "a.", "!", "-", "1<", "a||"] {
        let _ = Expression::compile(&(chained.repeat(390 / chained.len()) + "a"));
    }
    // Logic is balanced by the parser: long rules of many parts are fine.
    let long = vec!["predicate.a == 1"; 60].join(" && ");
    assert_eq!(check(&long, json!({"a": 1})), Ok(()));
}

#[test]
fn loops_within_loops_end() {
    let list = json!({"l": vec![1; 1000]});
    let nested = "predicate.l.all(a, predicate.l.all(b, predicate.l.all(c, true)))";
    assert!(cause(nested, list.clone()).contains("costs more"));
    // What nobody evaluates costs nothing.
    assert_eq!(check(&format!("true || {nested}"), list), Ok(()));
    // An honest pair of loops fits.
    let few = json!({"l": vec![1; 300]});
    let source = "predicate.l.all(a, predicate.l.exists(b, a == b))";
    assert_eq!(check(source, few), Ok(()));
}

#[test]
fn doubling_ends() {
    for step in [
        "x + x + x + x",
        "[x, x, x, x, x, x, x, x]",
        "{'a': x, 'b': x, 'c': x, 'd': x, 'e': x}",
    ] {
        let text = "a".repeat(400);
        let source = format!(
            "['{text}']{}.size() > 0",
            format!(".map(x, {step})").repeat(10)
        );
        let cause = cause(&source, json!({}));
        assert!(cause.contains("costs more"), "{step}: {cause}");
    }
}

#[test]
fn an_error_over_budget_cannot_be_absorbed() {
    let list = json!({"l": vec![1; 1000]});
    let source = "predicate.l.all(a, predicate.l.all(b, predicate.l.all(c, true))) || true";
    assert!(cause(source, list).contains("costs more"));
}

#[test]
fn patterns_are_bounded() {
    let list = json!({"l": (0..40).map(|n| format!("p{n}")).collect::<Vec<_>>()});
    assert!(cause("predicate.l.all(p, p.matches(p))", list).contains("different patterns"));
    assert!(cause("'a'.matches('((a{100}){100}){100}')", json!({})).contains("matches"));
    // Found anywhere, as CEL has it.
    assert_eq!(
        check("'xay'.matches('a') && matches('xay', 'a')", json!({})),
        Ok(())
    );
}

#[test]
fn a_large_predicate_can_be_looked_at_once() {
    let package = json!({"name": "some-package", "version": "1.2.3", "license": "Apache-2.0"});
    let predicate = json!({"packages": vec![package; 20_000]});
    let source =
        "predicate.packages.all(p, p.license in ['Apache-2.0', 'MIT'] && p.name != 'evil')";
    assert_eq!(check(source, predicate), Ok(()));
}

#[test]
fn all_expressions_of_an_evaluation_share_a_budget() {
    let expression = Expression::compile("predicate.l.all(x, x == 1)").unwrap();
    let variables = variables(json!({"l": vec![1; 100]}));
    let mut total = 10_000;
    let mut done = 0;
    while expression.check(&variables, &mut total).is_ok() {
        done += 1;
    }
    assert!((2..20).contains(&done), "{done}");
    assert_eq!(total, 0);
}
