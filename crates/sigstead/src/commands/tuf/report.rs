//! What the commands say.

use anyhow::Result;
use tuf::{Done, Status};

/// Characters of a key ID that tell keys apart for people.
const SHORT_ID: usize = 16;

pub(super) fn status(status: &Status, as_json: bool) -> Result<()> {
    match as_json {
        true => print(&serde_json::to_string_pretty(status)?),
        false => print(to_text(status).trim_end()),
    }
    Ok(())
}

fn to_text(status: &Status) -> String {
    let mut text = String::new();
    for role in &status.roles {
        text += &format!(
            "{:<10} version {:<4} until {} ({} days), {} of {} keys:",
            role.role,
            role.version,
            role.expires,
            role.days_left,
            role.threshold,
            role.keys.len()
        );
        for key in &role.keys {
            let id: String = key.id.chars().take(SHORT_ID).collect();
            text += &format!(" {id} ({})", if key.here { "here" } else { "elsewhere" });
        }
        text += "\n";
    }
    text += &format!("contents   {}\n", status.contents.join(" "));
    for warning in &status.warnings {
        text += &format!("warning: {warning}\n");
    }
    text
}

pub(super) fn done(done: &Done) {
    let signed = [
        ("root", done.root),
        ("targets", done.targets),
        ("snapshot", done.snapshot),
        ("timestamp", done.timestamp),
    ];
    let signed = signed.into_iter();
    let signed = signed.filter_map(|(role, version)| Some(format!("{role} {}", version?)));
    let signed: Vec<String> = signed.collect();
    print(&match signed.is_empty() {
        true => "nothing had to be signed".to_owned(),
        false => format!("signed and published: {}", signed.join(", ")),
    });
}

#[allow(clippy::print_stdout)]
pub(super) fn print(line: &str) {
    println!("{line}");
}
