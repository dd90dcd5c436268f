//! The published JSON Schema is that of the report.

use crate::cases;

#[test]
fn the_published_schema_is_current() {
    let path = testkit::workspace_root().join("docs/report.schema.json");
    let published = std::fs::read_to_string(path).expect("docs/report.schema.json");
    let current = serde_json::to_value(verifier::report_schema()).expect("JSON");
    let published: serde_json::Value = serde_json::from_str(&published).expect("JSON");
    assert!(
        published == current,
        "cargo run -p sigstead-verifier --example schema > docs/report.schema.json"
    );
}

#[test]
fn a_report_has_the_members_of_the_schema_and_no_others() {
    let Some(case) = cases::named("rekor2-dsse-happy-path") else {
        return;
    };
    let schema = serde_json::to_value(verifier::report_schema()).expect("JSON");
    let report = serde_json::to_value(case.report()).expect("JSON");
    let names = |value: &serde_json::Value| {
        let members = value.as_object().expect("an object");
        members.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(names(&report), names(&schema["properties"]));
    let step = &schema["$defs"]["Step"]["properties"];
    for found in report["steps"].as_array().expect("steps") {
        for name in names(found) {
            assert!(step.get(&name).is_some(), "{name}");
        }
    }
}
