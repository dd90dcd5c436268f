//! How a check is shown, for people and as JSON.

use anyhow::Result;
use serde_json::{Value, json};
use tlog::fsck::{Finding, Report};

#[allow(clippy::print_stdout)]
pub(super) fn print(reports: &[Report], as_json: bool) -> Result<()> {
    if as_json {
        println!("{}", serde_json::to_string_pretty(&to_json(reports))?);
    } else {
        print!("{}", to_text(reports));
    }
    Ok(())
}

fn to_text(reports: &[Report]) -> String {
    let mut text = String::new();
    for report in reports {
        let found = match report.findings.len() {
            0 => "clean".to_owned(),
            1 => "1 finding".to_owned(),
            many => format!("{many} findings"),
        };
        text += &format!(
            "{}: {}{} entries, {} checkpoints, {} tiles, {} lookups: {found}\n",
            report.log,
            if report.frozen { "frozen, " } else { "" },
            report.entries,
            report.batches,
            report.tiles,
            report.lookups
        );
        for finding in &report.findings {
            text += &format!("  {finding}\n");
        }
        if report.suppressed > 0 {
            text += &format!("  and {} more\n", report.suppressed);
        }
    }
    if !reports.iter().all(Report::is_clean) {
        text += "Restore the database from the newest backup that is clean; do not mend rows by hand.\n";
    }
    text
}

fn to_json(reports: &[Report]) -> Value {
    let log = |report: &Report| {
        json!({
            "log": report.log,
            "size": report.size,
            "frozen": report.frozen,
            "entries": report.entries,
            "checkpoints": report.batches,
            "tiles": report.tiles,
            "lookups": report.lookups,
            "clean": report.is_clean(),
            "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
            "suppressed": report.suppressed,
        })
    };
    json!({
        "clean": reports.iter().all(Report::is_clean),
        "logs": reports.iter().map(log).collect::<Vec<_>>(),
    })
}

fn finding(finding: &Finding) -> Value {
    json!({
        "table": finding.table.name(),
        "key": finding.key,
        "what": finding.what,
        "have": finding.have,
        "want": finding.want,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tlog::fsck::Table;

    fn report() -> Report {
        Report {
            log: "ct".into(),
            size: 3,
            entries: 3,
            batches: 2,
            lookups: 12,
            findings: vec![Finding {
                table: Table::Batch,
                key: "first=2".into(),
                what: "bodies (entry 2)".into(),
                have: "a leaf of hash 00".into(),
                want: "01".into(),
            }],
            ..Report::default()
        }
    }

    #[test]
    fn a_finding_names_table_row_and_column() {
        let text = to_text(&[report()]);
        assert!(text.starts_with("ct: 3 entries, 2 checkpoints, 0 tiles, 12 lookups: 1 finding\n"));
        assert!(
            text.contains(
                "  tlog_batch first=2: bodies (entry 2): have a leaf of hash 00, want 01\n"
            )
        );
        let json = to_json(&[report()]);
        assert_eq!(json["clean"], false);
        assert_eq!(json["logs"][0]["findings"][0]["key"], "first=2");
    }

    #[test]
    fn a_clean_report_gives_no_advice() {
        let clean = Report {
            findings: Vec::new(),
            ..report()
        };
        assert_eq!(
            to_text(&[clean]),
            "ct: 3 entries, 2 checkpoints, 0 tiles, 12 lookups: clean\n"
        );
    }
}
