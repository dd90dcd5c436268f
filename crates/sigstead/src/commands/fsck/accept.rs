//! `sigstead fsck --accept-rollback LOG`: the one deliberate way to go on from a database that is behind its guard.

use super::Stopped;
use crate::exit::Outcome;
use anyhow::{Context, Result, bail};
use tlog::{Guard, GuardError, OpenError};

/// Says what it costs; with `yes` writes the guard anew.
pub(super) async fn run(stopped: &Stopped, log: &str, yes: bool) -> Result<Outcome> {
    if !stopped.heads.iter().any(|(name, _)| name == log) {
        bail!("--accept-rollback: {}", stopped.unknown(Some(log)));
    }
    let (guard, store) = (&*stopped.guard, stopped.store.clone());
    let costs = match tlog::guard::compare(guard, store, log).await {
        Ok(()) => {
            print(&format!(
                "log {log} is not behind its guard: there is nothing to accept."
            ));
            return Ok(Outcome::Success);
        }
        Err(OpenError::BehindGuard {
            have,
            signed,
            other_root,
            ..
        }) => costs(log, have, signed, other_root),
        Err(OpenError::Guard(GuardError::Damaged { path, detail, .. })) => format!(
            "The guard {} is damaged: {detail}. What was signed last is not known any more. If this database is not the \
             newest one, going on forks log {log}.",
            path.display()
        ),
        Err(error) => return Err(error.into()),
    };
    print(&costs);
    if !yes {
        bail!("nothing was changed; to go on all the same, add --yes");
    }
    let head = stopped.store.head(log).await?;
    let head = head.with_context(|| format!("log {log} is not in the database"))?;
    guard.record(log, &head).await?;
    print(&format!(
        "The guard of log {log} is written anew, at {} entries.",
        head.size
    ));
    Ok(Outcome::Success)
}

pub(crate) fn costs(log: &str, have: u64, signed: u64, other_root: bool) -> String {
    if other_root {
        return format!(
            "Log {log}: the database has another tree than the one that was signed: its root of the first {signed} entries \
             differs.\nGoing on means two signed roots for one size: that is a fork. Clients and monitors that hold a \
             checkpoint of {signed} entries will report the log, with good reason.\nRestore the right database instead, \
             or begin a new instance with new keys."
        );
    }
    let entries = match signed - have {
        1 => format!("entry {have}"),
        _ => format!("entries {have} to {}", signed - 1),
    };
    format!(
        "Log {log}: the database has {have} entries; a head of {signed} entries was signed.\nGoing on means: {entries}, which \
         clients hold proofs of, will not be in the log. And the sizes from {} to {signed}, signed already, get other roots as the log grows: \
         that is a fork, and clients and monitors that hold those checkpoints will report it, with good reason.\nRestore a newer \
         backup instead if there is one, or begin a new instance with new keys.",
        have + 1
    )
}

#[allow(clippy::print_stdout)]
fn print(text: &str) {
    println!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_costs_name_the_entries_that_are_lost() {
        let text = costs("ct", 3, 10, false);
        assert!(text.contains("entries 3 to 9") && text.contains("sizes from 4 to 10"));
        assert!(costs("ct", 3, 4, false).contains("entry 3,"));
        assert!(costs("ct", 12, 10, true).contains("root of the first 10 entries differs"));
    }
}
