//! Prints the JSON Schema of the report: `cargo run -p sigstead-verifier --example schema > docs/report.schema.json`.

use std::io::Write;

fn main() -> std::io::Result<()> {
    writeln!(
        std::io::stdout(),
        "{:#}",
        verifier::report_schema().to_value()
    )
}
