//! Peer, ours, ratio and goal, side by side.

use super::super::figures::Figures;
use super::super::report::short;
use super::{CLIENTS, SETTINGS, Setting};
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};

/// What is compared, and which way is better.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Measure {
    /// More is better; our rate by the peer's, at least; and the stretch.
    Rate(f64, Option<f64>),
    /// Less is better; the peer's by ours, at least.
    Less(Option<f64>),
}

/// Prints one table for all peers; nothing where none was measured.
pub(in super::super) fn print(figures: &Figures) {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_header([
        "peer",
        "what",
        "peer",
        "ours",
        "ours to peer",
        "goal",
        "",
    ]);
    for setting in &SETTINGS {
        let mut name = format!("{} ({})", setting.title, setting.version);
        for (what, figure, unit, measure) in lines(setting) {
            if let Some(cells) = row(figures, setting, &figure, unit, measure) {
                let mut line = vec![std::mem::take(&mut name), what];
                line.extend(cells);
                table.add_row(line);
            }
        }
    }
    if table.row_count() > 0 {
        println!("peers, measured in turns with ours\n{table}");
    }
}

/// What is shown of a peer: text, name of the figure, unit, goal.
fn lines(setting: &Setting) -> Vec<(String, String, &'static str, Measure)> {
    let api = setting.api.name();
    let line = |what: &str, figure: &str, unit, measure| {
        (format!("{api}, {what}"), figure.to_owned(), unit, measure)
    };
    let (rate, latency) = (
        Measure::Rate(setting.rate.0, setting.rate.1),
        Measure::Less(setting.latency),
    );
    let many = format!("{CLIENTS} clients");
    let mut lines = vec![
        line(&many, "rate", "/s", rate),
        line(&format!("{many}, p50"), "full p50", "µs", latency),
        line(&format!("{many}, p99"), "full p99", "µs", latency),
        line("one client, p50", "alone p50", "µs", latency),
        line("one client, p99", "alone p99", "µs", latency),
        line("CPU a request", "cpu", "µs", Measure::Less(None)),
    ];
    if let Some(crowd) = setting.crowd {
        lines.insert(
            1,
            line(&format!("{crowd} clients"), "crowd rate", "/s", rate),
        );
    }
    lines
}

/// Peer, ours, ratio, goal, verdict; `None` for what was not measured.
fn row(
    figures: &Figures,
    setting: &Setting,
    figure: &str,
    unit: &str,
    measure: Measure,
) -> Option<[String; 5]> {
    let name = |side| format!("{}, {side}: {figure}", setting.title);
    let (peer, ours) = (name("peer"), name("ours"));
    let value = |name: &str| Some(shown(figures.median(name)?, unit));
    let better = match measure {
        Measure::Rate(..) => figures.share(&ours, &peer)?,
        Measure::Less(_) => figures.share(&peer, &ours)?,
    };
    let (ratio, goal, verdict) = judge(measure, better);
    Some([
        value(&peer)?,
        value(&ours)?,
        ratio,
        goal,
        verdict.to_owned(),
    ])
}

/// A figure with its unit; peers' latencies reach seconds.
fn shown(value: f64, unit: &str) -> String {
    match unit {
        "µs" if value >= 1000.0 => format!("{} ms", short(value / 1000.0)),
        _ => format!("{} {unit}", short(value)),
    }
}

/// Ratio and goal as text, and whether it is reached. `better` is how many times better ours is.
fn judge(measure: Measure, better: f64) -> (String, String, &'static str) {
    let verdict = |least: f64| if better >= least { "reached" } else { "missed" };
    match measure {
        Measure::Rate(least, stretch) => {
            let ratio = format!("{} x", short(better));
            match stretch {
                Some(stretch) if better >= stretch => (
                    ratio,
                    format!("≥ {least} x [{stretch}]"),
                    "reached, stretch too",
                ),
                Some(stretch) => (ratio, format!("≥ {least} x [{stretch}]"), verdict(least)),
                None => (ratio, format!("≥ {least} x"), verdict(least)),
            }
        }
        Measure::Less(goal) => {
            let ratio = format!("1/{}", short(better));
            match goal {
                Some(least) => (ratio, format!("≤ 1/{least}"), verdict(least)),
                None => (ratio, String::new(), ""),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_judged_upward_and_a_latency_downward() {
        let rate = Measure::Rate(2.0, Some(3.0));
        assert_eq!(judge(rate, 1.9).2, "missed");
        assert_eq!(judge(rate, 2.5).2, "reached");
        assert_eq!(judge(rate, 3.0).2, "reached, stretch too");
        let latency = Measure::Less(Some(50.0));
        assert_eq!(
            judge(latency, 49.0),
            ("1/49.0".into(), "≤ 1/50".into(), "missed")
        );
        assert_eq!(judge(Measure::Less(None), 2.0).2, "");
    }

    #[test]
    fn a_ratio_compares_sides_of_the_same_round() {
        let (setting, mut figures) = (&SETTINGS[0], Figures::default());
        for (peer, ours) in [(100.0, 300.0), (10.0, 30.0), (50.0, 150.0)] {
            figures.add(format!("{}, peer: rate", setting.title), peer);
            figures.add(format!("{}, ours: rate", setting.title), ours);
        }
        let cells = row(&figures, setting, "rate", "/s", Measure::Rate(2.0, None)).unwrap();
        assert_eq!(
            (cells[0].as_str(), cells[2].as_str()),
            ("50.0 /s", "3.00 x")
        );
        assert!(row(&figures, setting, "cpu", "µs", Measure::Less(None)).is_none());
    }
}
