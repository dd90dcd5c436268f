//! What a restore or a check says.

use super::compare::{Given, Missing};
use crate::instance::Layout;
use anyhow::Result;
use backup::Survey;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tlog::fsck::Report;

/// Findings that are printed of each log; `fsck` on the restored database prints all.
const SHOWN: usize = 10;

pub(super) fn check(
    survey: &Survey,
    given: &[Given],
    notes: &[String],
    missing: &[Missing],
    reports: &[Report],
    as_json: bool,
) -> Result<()> {
    if as_json {
        return print(&serde_json::to_string_pretty(&json!({
            "whole": reports.iter().all(Report::is_clean),
            "complete": missing.is_empty(),
            "created": survey.about.created,
            "logs": logs(survey, reports),
            "compared_with": sources(given),
            "not_compared": notes,
            "missing": missing.iter().map(missing_json).collect::<Vec<_>>(),
        }))?);
    }
    let mut text = text(survey, reports);
    text += &format!("compared with {}\n", sources(given).join(", "));
    for note in notes {
        text += &format!("note: {note}\n");
    }
    for one in missing {
        text += &format!("missing: {}\n", one.text());
    }
    text += match (missing.is_empty(), reports.iter().all(Report::is_clean)) {
        (true, true) => "whole, and nothing is missing that is known to have been given out",
        (false, true) => "whole, and stale: take a newer backup; `restore` would refuse this one",
        _ => "damaged: take another backup",
    };
    print(&text)
}

pub(super) fn findings(reports: &[Report], as_json: bool) -> Result<()> {
    for report in reports.iter().filter(|report| !report.is_clean()) {
        for finding in report.findings.iter().take(SHOWN) {
            match as_json {
                true => tracing::error!("{}: {finding}", report.log),
                false => print(&format!("{}: {finding}", report.log))?,
            }
        }
    }
    Ok(())
}

pub(super) fn restored(
    survey: &Survey,
    layout: &Layout,
    missing: &[Missing],
    reports: &[Report],
    as_json: bool,
) -> Result<()> {
    if as_json {
        return print(&serde_json::to_string_pretty(&json!({
            "restored": layout.root(),
            "created": survey.about.created,
            "logs": logs(survey, reports),
            "missing": missing.iter().map(missing_json).collect::<Vec<_>>(),
        }))?);
    }
    let mut text = text(survey, reports);
    for one in missing {
        text += &format!("accepted: {}\n", one.text());
    }
    text += &format!(
        "restored; go on with: sigstead up --data-dir {}",
        layout.root().display()
    );
    print(&text)
}

fn text(survey: &Survey, reports: &[Report]) -> String {
    let mut text = format!(
        "backup of {}, {} files\n",
        survey.about.created,
        survey.files.len()
    );
    for report in reports {
        let found = match report.is_clean() {
            true => "clean".to_owned(),
            false => format!("{} findings", report.findings.len()),
        };
        text += &format!(
            "  {}: {} entries, {} checkpoints: {found}\n",
            report.log, report.entries, report.batches
        );
        for finding in report.findings.iter().take(SHOWN) {
            text += &format!("    {finding}\n");
        }
    }
    text
}

fn logs(survey: &Survey, reports: &[Report]) -> Vec<Value> {
    let log = |report: &Report| {
        let root = survey.heads.get(&report.log);
        json!({
            "name": report.log,
            "size": report.size,
            "root": root.map(|(head, _)| hex::encode(head.root)),
            "frozen": report.frozen,
            "clean": report.is_clean(),
        })
    };
    reports.iter().map(log).collect()
}

fn missing_json(missing: &Missing) -> Value {
    json!({ "log": missing.log(), "what": missing.text() })
}

fn sources(given: &[Given]) -> Vec<String> {
    let sources: BTreeSet<String> = given.iter().map(|given| given.source.clone()).collect();
    sources.into_iter().collect()
}

#[allow(clippy::print_stdout)]
fn print(text: &str) -> Result<()> {
    println!("{text}");
    Ok(())
}
