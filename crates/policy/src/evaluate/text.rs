//! The evaluation for people.

use super::{Evaluation, Judged, Requirement};
use verifier::{Outcome, printable};

impl Evaluation {
    /// Draws requirements and bundles as trees for a terminal; `colors` adds ANSI colors.
    ///
    /// Outside text in it has its control characters replaced, so a hostile bundle cannot move the cursor.
    pub fn to_text(&self, colors: bool) -> String {
        let paint = Paint { colors };
        let (outcome, word) = if self.verified {
            (Outcome::Passed, "verified")
        } else {
            (Outcome::Failed, "NOT verified")
        };
        let mut text = format!(
            "{} {}: policy {}\n",
            paint.mark(outcome),
            paint.wrap("1", word),
            printable(&self.policy)
        );
        for (position, requirement) in self.requirements.iter().enumerate() {
            let last = position + 1 == self.requirements.len();
            requirement.draw(&mut text, last, &paint);
        }
        for judged in &self.candidates {
            judged.draw(&mut text, &paint);
        }
        text
    }
}

impl Requirement {
    fn draw(&self, text: &mut String, last: bool, paint: &Paint) {
        let (branch, stem) = if last {
            ("└─", "   ")
        } else {
            ("├─", "│  ")
        };
        *text += &format!(
            "{branch} {} {}: {}\n",
            paint.mark(self.outcome),
            paint.wrap("1", &printable(&self.path)),
            printable(&self.title)
        );
        for line in &self.evidence {
            *text += &format!("{stem}    {}\n", paint.wrap("2", &printable(line)));
        }
        if let Some(cause) = &self.cause {
            let line = format!("cause: {}", printable(cause));
            *text += &format!("{stem}    {}\n", paint.wrap("31", &line));
        }
        if let Some(cure) = &self.cure {
            *text += &format!("{stem}    cure:  {}\n", printable(cure));
        }
    }
}

impl Judged {
    fn draw(&self, text: &mut String, paint: &Paint) {
        let met = if self.met.is_empty() {
            "counts for nothing".to_owned()
        } else {
            format!("counts for {}", self.met.join(", "))
        };
        *text += &format!(
            "\n{} {}",
            paint.wrap("1", &printable(&self.place)),
            printable(&met)
        );
        if let Some(root) = &self.root {
            *text += &format!(" (trusted root {})", printable(root));
        }
        text.push('\n');
        for miss in &self.missed {
            *text += &format!("  {}: {}\n", printable(&miss.path), printable(&miss.cause));
            *text += &format!("    cure: {}\n", printable(&miss.cure));
        }
        if let Some(report) = &self.report {
            for line in report.to_text(paint.colors).lines() {
                *text += &format!("  {line}\n");
            }
        }
    }
}

struct Paint {
    colors: bool,
}

impl Paint {
    fn mark(&self, outcome: Outcome) -> String {
        match outcome {
            Outcome::Passed => self.wrap("32", "✔"),
            Outcome::Failed => self.wrap("31", "✘"),
            Outcome::Skipped => self.wrap("33", "○"),
        }
    }

    fn wrap(&self, code: &str, text: &str) -> String {
        if self.colors {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}
