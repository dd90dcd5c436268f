//! Limits, figures, shares and goals, side by side.

use super::figures::Figures;
use super::{Options, plot};
use crate::shell::root;
use anyhow::{Context, Result};
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use time::OffsetDateTime;

/// What a figure is compared with.
#[derive(Clone, Copy, Debug)]
enum Goal {
    /// At least this share of the limit.
    Share(f64),
    /// At most so many times the limit.
    Times(f64),
    /// At most this, in the figure's own unit.
    Most(f64),
    /// Shown, not judged.
    None,
}

/// One line: the goal's number in the plan, what it is, limit, ours, unit.
struct Line {
    number: &'static str,
    what: &'static str,
    limit: &'static str,
    ours: &'static str,
    unit: &'static str,
    goal: Goal,
}

const fn line(
    number: &'static str,
    what: &'static str,
    limit: &'static str,
    ours: &'static str,
    unit: &'static str,
    goal: Goal,
) -> Line {
    Line {
        number,
        what,
        limit,
        ours,
        unit,
        goal,
    }
}

#[rustfmt::skip]
const LINES: [Line; 28] = [
    line("1", "append to SQLite, batches of 256 x 2 KB", "sqlite blob loop", "sqlite append", "/s", Goal::Share(0.9)),
    line("1", "append to PostgreSQL, batches of 256 x 2 KB", "postgres copy", "postgres append", "/s", Goal::Share(0.8)),
    line("", "append to memory", "sqlite blob loop", "memory append", "/s", Goal::None),
    line("2", "v1, 64 clients", "v1 ceiling", "v1 rate", "/s", Goal::Share(0.7)),
    line("2", "v2, 64 clients", "v2 ceiling", "v2 rate", "/s", Goal::Share(0.7)),
    line("", "v1, CPU of the server a request", "v1 parts", "v1 server", "µs", Goal::None),
    line("", "v2, CPU of the server a request", "v2 parts", "v2 server", "µs", Goal::None),
    line("", "v1, 64 clients, p50", "bare post p50", "v1 full p50", "µs", Goal::None),
    line("", "v1, 64 clients, p99", "bare post p50", "v1 full p99", "µs", Goal::None),
    line("3", "v1, one client, p50", "sqlite commit", "v1 alone p50", "µs", Goal::Times(2.0)),
    line("3", "v1, one client, p99", "sqlite commit", "v1 alone p99", "µs", Goal::Times(3.5)),
    line("3", "v2, one client, p50", "sqlite commit", "v2 alone p50", "µs", Goal::Times(2.0)),
    line("3", "v2, one client, p99", "sqlite commit", "v2 alone p99", "µs", Goal::Times(3.5)),
    line("3", "v1, half load, p99 to p50", "v1 half p50", "v1 half p99", "µs", Goal::Times(4.0)),
    line("3", "v2, half load, p99 to p50", "v2 half p50", "v2 half p99", "µs", Goal::Times(4.0)),
    line("4", "grown log, rate at end to start", "grow rate at start", "grow rate at end", "/s", Goal::Share(0.75)),
    line("4", "grown log, CPU at end to start", "grow cpu at start", "grow cpu at end", "µs", Goal::Times(1.1)),
    line("9", "proof near the edge", "", "proof near the edge", "µs", Goal::Most(2.0)),
    line("9", "proof anywhere, stored tiles", "", "proof anywhere", "µs", Goal::None),
    line("9", "GET of a full tile", "bare get", "tile get", "/s", Goal::Share(0.8)),
    line("9", "GET of a proof", "bare small get", "proof get", "/s", Goal::Share(0.8)),
    line("9", "GET of the checkpoint", "bare small get", "checkpoint get", "/s", Goal::Share(0.8)),
    line("10", "memory idle, all roles", "", "idle memory", "MiB", Goal::Most(20.0)),
    line("10", "memory after full load", "", "loaded memory", "MiB", Goal::None),
    line("10", "memory at 1024 connections", "", "memory at 1024 connections", "MiB", Goal::Most(100.0)),
    line("10", "memory for a million entries", "", "memory per million", "MiB", Goal::Most(2.0)),
    line("10", "size of the program", "", "binary", "MB", Goal::Most(25.0)),
    line("10", "start to first durable entry", "", "first entry", "ms", Goal::Most(100.0)),
];

/// The parts that the budget is made of.
const PARTS: [&str; 10] = [
    "http",
    "generator",
    "json",
    "verify",
    "sign",
    "hash",
    "hash 2 KB",
    "database",
    "v1 parts",
    "v2 parts",
];

impl Line {
    /// Ours by the limit; a ratio within each run where both were measured in it.
    fn ratio(&self, figures: &Figures) -> Option<f64> {
        figures.share(self.ours, self.limit)
    }

    /// How far the goal is reached; 1 and more is reached.
    fn reached(&self, figures: &Figures) -> Option<f64> {
        match self.goal {
            Goal::Share(least) => Some(self.ratio(figures)? / least),
            Goal::Times(most) => Some(most / self.ratio(figures)?),
            // Less than nothing, as memory that was given back, is as good as little.
            Goal::Most(most) => Some(most / figures.median(self.ours)?.max(most / 10.0)),
            Goal::None => None,
        }
    }

    fn row(&self, figures: &Figures) -> [String; 7] {
        let number = |name| match figures.median(name) {
            Some(value) => format!("{} {}", short(value), self.unit),
            None if name.is_empty() => String::new(),
            None => "not measured".to_owned(),
        };
        let verdict = match self.reached(figures) {
            Some(reached) if reached >= 1.0 => "reached",
            Some(_) => "missed",
            None => "",
        };
        let ratio = match (self.goal, self.ratio(figures)) {
            (Goal::Share(_), Some(ratio)) => format!("{:.0} %", ratio * 100.0),
            (_, Some(ratio)) => format!("{ratio:.2} x"),
            (_, None) => String::new(),
        };
        let goal = match self.goal {
            Goal::Share(least) => format!("≥ {:.0} %", least * 100.0),
            Goal::Times(most) => format!("≤ {most} x"),
            Goal::Most(most) => format!("≤ {most} {}", self.unit),
            Goal::None => String::new(),
        };
        let texts = [self.number, self.what].map(str::to_owned);
        let [number_of_goal, what] = texts;
        let (limit, ours) = (number(self.limit), number(self.ours));
        [
            number_of_goal,
            what,
            limit,
            ours,
            ratio,
            goal,
            verdict.to_owned(),
        ]
    }
}

pub(super) fn print(figures: &Figures, options: &Options) -> Result<()> {
    let mut parts = Table::new();
    parts.load_preset(UTF8_FULL_CONDENSED).set_header(PARTS);
    parts.add_row(PARTS.map(|part| figures.median(part).map_or("-".into(), short)));
    println!("µs of one core for each part of a request\n{parts}");
    let mut table = Table::new();
    table
        .load_preset(UTF8_FULL_CONDENSED)
        .set_header(["goal", "what", "limit", "ours", "share", "goal", ""]);
    for line in &LINES {
        table.add_row(line.row(figures));
    }
    println!(
        "medians of {} round(s); the log grew to {} entries; one P-256 check took {} µs\n{table}",
        options.rounds,
        options.entries,
        figures.median("verify").map_or("-".into(), short)
    );
    let bars: Vec<(String, f64)> = LINES
        .iter()
        .filter_map(|line| Some((line.what.to_owned(), line.reached(figures)?)))
        .collect();
    let file = root().join("target/bench/log.svg");
    plot::draw(&file, &bars)?;
    println!("plot: {}", file.display());
    Ok(())
}

/// Rows are added below this line of docs/performance.md's table.
const MARK: &str = "|---|---|---|---|---|---|---|---|---|---|---|";

/// Adds a dated row to docs/performance.md.
pub(super) fn record(figures: &Figures, options: &Options) -> Result<()> {
    let file = root().join("docs/performance.md");
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let value = |name: &str| figures.median(name).map_or("-".to_owned(), short);
    let with_share = |ours: &str, limit: &str| match figures.share(ours, limit) {
        Some(share) => format!("{} ({:.0} %)", value(ours), share * 100.0),
        None => value(ours),
    };
    let today = OffsetDateTime::now_utc().date();
    let cores = std::thread::available_parallelism()?;
    let cells = [
        format!("{today}, {cores} cores"),
        value("verify"),
        with_share("sqlite append", "sqlite blob loop"),
        with_share("postgres append", "postgres copy"),
        with_share("v1 rate", "v1 ceiling"),
        with_share("v2 rate", "v2 ceiling"),
        format!("{} / {}", value("v1 alone p50"), value("v1 alone p99")),
        format!("{} / {}", value("v1 half p50"), value("v1 half p99")),
        value("proof near the edge"),
        with_share("grow rate at end", "grow rate at start") + &format!(" at {}", options.entries),
        format!("{} / {}", value("idle memory"), value("loaded memory")),
    ];
    let row = format!("| {} |", cells.join(" | "));
    let (before, after) = text
        .split_once(MARK)
        .context("docs/performance.md has no table for the rows")?;
    let mut lines: Vec<&str> = after.trim_start_matches('\n').lines().collect();
    let end = lines.iter().position(|line| !line.starts_with('|'));
    lines.insert(end.unwrap_or(lines.len()), &row);
    std::fs::write(&file, format!("{before}{MARK}\n{}\n", lines.join("\n")))?;
    println!("recorded in {}", file.display());
    Ok(())
}

/// Three digits that count.
pub(super) fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(limit: f64, ours: f64) -> Figures {
        let mut figures = Figures::default();
        figures.add("limit", limit);
        figures.add("ours", ours);
        figures
    }

    #[test]
    fn a_share_is_reached_from_below_and_a_multiple_from_above() {
        let reached = |goal, limit, ours| {
            line("", "", "limit", "ours", "", goal).reached(&figures(limit, ours))
        };
        assert_eq!(reached(Goal::Share(0.8), 100.0, 80.0), Some(1.0));
        assert!(reached(Goal::Share(0.8), 100.0, 79.0).unwrap() < 1.0);
        assert!(reached(Goal::Times(2.0), 100.0, 201.0).unwrap() < 1.0);
        assert_eq!(reached(Goal::Most(20.0), 1.0, 10.0), Some(2.0));
        assert_eq!(reached(Goal::None, 1.0, 1.0), None);
    }
}
