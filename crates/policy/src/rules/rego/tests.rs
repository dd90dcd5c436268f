//! Modules: what allows, what denies, and what it may cost.

use super::*;
use serde_json::json;

fn check(source: &str, predicate: Json) -> Result<(), Broken> {
    let facts = json!({"predicate": predicate, "identity": "alice@example.com"});
    Module::compile(source)?.check(
        facts.as_object().unwrap(),
        &mut limits::TOTAL_REGO_INTERVALS.clone(),
    )
}

fn cause(source: &str, predicate: Json) -> String {
    check(source, predicate).expect_err(source).cause
}

const ALLOW: &str = "package p\nimport rego.v1\ndefault allow := false\nallow if input.predicate.result == \"passed\"";

#[test]
fn allow_must_be_true() {
    assert_eq!(check(ALLOW, json!({"result": "passed"})), Ok(()));
    assert!(cause(ALLOW, json!({"result": "failed"})).contains("`allow` is not true"));
    assert!(cause(ALLOW, json!({})).contains("not true"));
    let undefined = "package p\nallow if input.predicate.absent == 1";
    assert!(cause(undefined, json!({})).contains("not true"));
    assert!(cause("package p\nallow := 1", json!({})).contains("neither true nor false"));
    assert!(cause("package p\nallow := \"true\"", json!({})).contains("neither"));
}

#[test]
fn deny_gives_reasons_and_wins() {
    let source = "package p\nallow := true\ndeny contains msg if {\n some f in input.predicate.findings\n f.severity == \"critical\"\n msg := sprintf(\"%s is critical\", [f.id])\n}";
    assert_eq!(check(source, json!({"findings": []})), Ok(()));
    let found = json!({"findings": [{"id": "CVE-1", "severity": "critical"}]});
    assert!(cause(source, found).contains("CVE-1 is critical"));
    let only = "package p\ndeny contains \"no\" if input.predicate.x == 1";
    assert_eq!(check(only, json!({})), Ok(()));
    assert!(check(only, json!({"x": 1})).is_err());
}

#[test]
fn the_names_and_the_language_of_policy_controller_are_read() {
    let old =
        "package sigstore\ndefault isCompliant = false\nisCompliant {\n input.predicate.n == 1\n}";
    assert_eq!(check(old, json!({"n": 1})), Ok(()));
    assert!(check(old, json!({"n": 2})).is_err());
    let object =
        "package sigstore\nisCompliant := {\"result\": input.predicate.n == 1, \"error\": \"\"}";
    assert_eq!(check(object, json!({"n": 1})), Ok(()));
    assert!(check(object, json!({"n": 2})).is_err());
}

#[test]
fn what_is_no_module_or_decides_nothing_is_refused_at_once() {
    for (source, want) in [
        ("", "not Rego"),
        ("allow := true", "not Rego"),
        ("package p\nallow if {", "not Rego"),
        ("package p\nother := true", "decides nothing"),
        ("package p\nallow(x) := true", "decides nothing"),
    ] {
        let outcome = Module::compile(source);
        if want == "decides nothing" && source.contains("(x)") {
            // A function is no decision: it is refused, or never true.
            let broken = outcome.and_then(|module| module.check(&Map::new(), &mut 1000));
            assert!(broken.is_err());
            continue;
        }
        let cause = outcome.expect_err(source).cause;
        assert!(cause.contains(want), "{source}: {cause}");
    }
    assert!(Module::compile(&format!("package p\n{}", "#".repeat(70_000))).is_err());
    let deep = format!(
        "package p\nallow := {}1{}",
        "(".repeat(500),
        ")".repeat(500)
    );
    assert!(Module::compile(&deep).is_err());
}

#[test]
fn what_depends_on_clock_chance_network_or_environment_does_not_exist() {
    for call in [
        "time.now_ns() > 0",
        "rand.intn(\"a\", 2) >= 0",
        "http.send({\"method\": \"get\", \"url\": \"http://127.0.0.1/\"})",
        "opa.runtime()",
        "uuid.rfc4122(\"a\") != \"\"",
        "net.lookup_ip_addr(\"localhost\")",
    ] {
        let source = format!("package p\nallow if {call}");
        assert!(check(&source, json!({})).is_err(), "{call}");
        let negated = format!("package p\nallow if not {call}");
        assert!(check(&negated, json!({})).is_err(), "not {call}");
    }
}

#[test]
fn a_module_without_end_ends() {
    let source = "package p\nallow if {\n some a in input.predicate.l\n some b in input.predicate.l\n some c in input.predicate.l\n some d in input.predicate.l\n a + b + c + d == 0\n}";
    let cause = cause(source, json!({"l": vec![1; 500]}));
    assert!(cause.contains("more steps"), "{cause}");
}

#[test]
fn functions_that_take_all_memory_at_once_are_refused() {
    for call in [
        "count(numbers.range(1, 1000000000000)) > 0",
        "count(numbers.range_step(1, 1000000000000, 1)) > 0",
        "bits.lsh(1, 1000000000000) > 0",
    ] {
        let source = format!("package p\nallow if {call}");
        assert!(check(&source, json!({})).is_err(), "{call}");
        let negated = format!("package p\nallow if not {call}");
        assert!(check(&negated, json!({})).is_err(), "not {call}");
    }
}
