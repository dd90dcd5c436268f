//! One bar a goal: how far it is reached.

use anyhow::{Context, Result};
use plotters::coord::Shift;
use plotters::prelude::*;
use std::path::Path;

const ROW: i32 = 24;
const TEXT: i32 = 330;
const WIDTH: i32 = 900;
/// Pixels of a goal that is just reached; bars end at twice that.
const REACHED: i32 = 260;

/// Draws the bars as an SVG file.
pub(super) fn draw(file: &Path, bars: &[(String, f64)]) -> Result<()> {
    std::fs::create_dir_all(file.parent().context("a file in a folder")?)?;
    let height = ROW * (i32::try_from(bars.len())? + 3);
    let size = (u32::try_from(WIDTH)?, u32::try_from(height)?);
    let area = SVGBackend::new(file, size).into_drawing_area();
    rows(&area, bars, height).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type DrawError<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

fn rows<'a>(area: &Area<'a>, bars: &[(String, f64)], height: i32) -> Result<(), DrawError<'a>> {
    area.fill(&WHITE)?;
    let font = ("sans-serif", 14).into_font();
    area.draw(&Text::new(
        "The log and its goals: a bar that passes the line has reached its goal",
        (10, 8),
        ("sans-serif", 16).into_font(),
    ))?;
    let mut top = 2 * ROW;
    for (what, reached) in bars {
        area.draw(&Text::new(what.clone(), (10, top), font.clone()))?;
        let length = (reached.clamp(0.0, 2.0) * f64::from(REACHED)) as i32;
        let color = match *reached >= 1.0 {
            true => RGBColor(60, 140, 90),
            false => RGBColor(200, 90, 60),
        };
        let bar = [(TEXT, top), (TEXT + length, top + ROW - 8)];
        area.draw(&Rectangle::new(bar, color.filled()))?;
        let percent = format!("{:.0} %", reached * 100.0);
        area.draw(&Text::new(percent, (TEXT + length + 6, top), font.clone()))?;
        top += ROW;
    }
    let line = [
        (TEXT + REACHED, 2 * ROW - 6),
        (TEXT + REACHED, height - ROW),
    ];
    area.draw(&PathElement::new(line, BLACK.stroke_width(2)))?;
    area.present()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_goal_has_a_bar() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plot/log.svg");
        draw(&file, &[("reached".into(), 1.2), ("missed".into(), 0.4)]).unwrap();
        let svg = std::fs::read_to_string(file).unwrap();
        assert!(svg.contains("reached") && svg.contains("missed") && svg.contains("40 %"));
    }
}
