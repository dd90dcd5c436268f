//! What is published about policies is true.

use policy::{Document, check, json_schema};
use serde_json::Value;

fn docs(name: &str) -> String {
    let path = testkit::workspace_root().join("docs").join(name);
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_guides_examples_are_policies_without_findings() {
    let guide = docs("policies.md");
    let examples: Vec<&str> = guide
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert_eq!(examples.len(), 4);
    for example in examples {
        let document = Document::parse(example.as_bytes())
            .unwrap_or_else(|error| panic!("{example}\n{error}"));
        let findings = check(&document);
        assert!(findings.is_empty(), "{}: {findings:?}", document.name());
    }
}

/// Refresh with `sigstead policy schema > docs/policy.schema.json`.
#[test]
fn the_published_schema_is_that_of_the_code() {
    let published: Value = serde_json::from_str(&docs("policy.schema.json")).unwrap();
    assert_eq!(published, json_schema());
}

#[test]
fn the_schema_describes_every_member() {
    let schema = json_schema();
    let properties = schema["properties"].as_object().unwrap();
    assert_eq!(properties.len(), 10);
    for (name, property) in properties {
        assert!(property["description"].is_string(), "{name}");
    }
    assert_eq!(schema["additionalProperties"], Value::Bool(false));
}
