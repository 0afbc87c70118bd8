//! A picture of playout's work: delay, target and what was made up, over time.

use std::fmt::{self, Write};
use std::time::Duration;

use audiox_core::format::SampleRate;
use audiox_core::trace::ReplayPoint;

use super::axis::Axis;
use super::text::Escaped;
use super::{AXIS_HEIGHT, LANE_HEIGHT, LEFT, LEGEND_HEIGHT, PLOT_WIDTH, STYLE, TOP, WIDTH};

/// Runs of one stream under different settings, one above the other on one time axis and one
/// scale of delay.
#[derive(Debug, Clone)]
pub struct DelayPicture {
    title: String,
    rate: SampleRate,
    runs: Vec<(String, Vec<ReplayPoint>)>,
}

impl DelayPicture {
    /// An empty picture of a stream of this rate.
    pub fn new(title: impl Into<String>, rate: SampleRate) -> Self {
        Self {
            title: title.into(),
            rate,
            runs: Vec::new(),
        }
    }

    /// Adds a run, under a label that may be empty.
    pub fn run(mut self, label: impl Into<String>, points: Vec<ReplayPoint>) -> Self {
        self.runs.push((label.into(), points));
        self
    }

    /// The picture as an SVG document.
    pub fn to_svg(&self) -> String {
        let mut svg = String::new();
        // Writing to a String cannot fail, so there is nothing to report.
        let _ = self.write(&mut svg);
        svg
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        let points = || self.runs.iter().flat_map(|(_, p)| p);
        let axis = Axis::new(Duration::ZERO, points().map(|p| p.at).max());
        let top = points().map(|p| p.delay.max(p.target)).max();
        let scale = round_up(top.unwrap_or_default().as_secs_f64() * 1e3);
        let height = TOP + self.runs.len() as f64 * PITCH + AXIS_HEIGHT + LEGEND_HEIGHT;
        write!(
            out,
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0}" width="{WIDTH}" height="{height:.0}" role="img">
<title>{title}</title>
<style>{STYLE}{LINES}</style>
<rect class="page" width="100%" height="100%"/>
<text class="title" x="{LEFT}" y="28">{title}</text>
"#,
            title = Escaped(&self.title),
        )?;
        let mut y = TOP;
        for (label, points) in &self.runs {
            self.write_run(out, label, points, y, scale, &axis)?;
            y += PITCH;
        }
        axis.write(out, y)?;
        legend(out, y + AXIS_HEIGHT)?;
        out.push_str("</svg>\n");
        Ok(())
    }

    fn write_run(
        &self,
        out: &mut String,
        label: &str,
        points: &[ReplayPoint],
        y: f64,
        scale: f64,
        axis: &Axis,
    ) -> fmt::Result {
        let top = y + HEAD;
        let bottom = top + LANE_HEIGHT;
        writeln!(
            out,
            r#"<text class="group" x="{LEFT}" y="{:.1}">{}</text><rect class="lane" x="{LEFT}" y="{top:.1}" width="{PLOT_WIDTH}" height="{LANE_HEIGHT}"/>"#,
            top - 7.0,
            Escaped(label)
        )?;
        axis.write_grid(out, top)?;
        for (share, at) in [(1.0, top + 9.0), (0.5, top + LANE_HEIGHT / 2.0 + 4.0)] {
            writeln!(
                out,
                r#"<text class="scale" x="{:.1}" y="{at:.1}" text-anchor="end">{} ms</text>"#,
                LEFT - 10.0,
                scale * share
            )?;
        }
        let mut until = points.iter().skip(1).map(|p| p.at);
        for p in points {
            let end = until.next().unwrap_or(p.at + LAST_POINT);
            let (x, width) = (axis.x(p.at), (axis.x(end) - axis.x(p.at)).max(1.0));
            let span = (end - p.at).as_secs_f64() * f64::from(self.rate.get());
            let mut bar = |class: &str, frames: u64, what: &str| {
                if frames == 0 {
                    return Ok(());
                }
                let height = (frames as f64 / span.max(1.0)).clamp(0.04, 1.0) * LANE_HEIGHT;
                writeln!(
                    out,
                    r#"<rect class="{class}" x="{x:.2}" y="{:.1}" width="{width:.2}" height="{height:.1}"><title>{what} {:.1} ms at {:.1} s</title></rect>"#,
                    bottom - height,
                    frames as f64 / f64::from(self.rate.get()) * 1e3,
                    p.at.as_secs_f64()
                )
            };
            bar("gap g0", p.concealed, "made up")?;
            bar("gap g3", p.inserted, "put in")?;
            bar("gap g2", p.removed, "left out")?;
        }
        let mut line = |class: &str, of: fn(&ReplayPoint) -> Duration| {
            write!(out, r#"<path class="{class}" d=""#)?;
            let mut pen = 'M';
            for p in points {
                let value = of(p).as_secs_f64() * 1e3;
                if p.delay.is_zero() {
                    pen = 'M';
                    continue;
                }
                let at = bottom - (value / scale).min(1.0) * LANE_HEIGHT;
                write!(out, "{pen}{:.1} {at:.1}", axis.x(p.at))?;
                pen = 'L';
            }
            out.push_str("\"/>\n");
            Ok(())
        };
        line("target", |p| p.target)?;
        line("delay", |p| p.delay)
    }
}

/// The next number of milliseconds that is easy to read.
fn round_up(ms: f64) -> f64 {
    SCALES
        .into_iter()
        .find(|s| ms <= *s)
        .unwrap_or_else(|| (ms / 1e3).ceil() * 1e3)
}

fn legend(out: &mut String, top: f64) -> fmt::Result {
    let lines = [("delay", "delay"), ("target", "target delay")];
    let mut x = LEFT;
    for (class, text) in lines {
        writeln!(
            out,
            r#"<path class="{class}" d="M{x:.1} {y:.1}h14"/><text class="label" x="{:.1}" y="{:.1}">{text}</text>"#,
            x + 20.0,
            top + 12.5,
            y = top + 8.0,
        )?;
        x += 44.0 + 7.0 * text.len() as f64;
    }
    for (class, text) in [
        ("g0", "made up"),
        ("g3", "put in by time-stretch"),
        ("g2", "left out"),
    ] {
        writeln!(
            out,
            r#"<rect class="gap {class}" x="{x:.1}" y="{:.1}" width="12" height="12"/><text class="label" x="{:.1}" y="{:.1}">{text}</text>"#,
            top + 2.0,
            x + 18.0,
            top + 12.5,
        )?;
        x += 42.0 + 7.0 * text.len() as f64;
    }
    Ok(())
}

const HEAD: f64 = 30.0;
const PITCH: f64 = LANE_HEIGHT + HEAD;
/// How long the last point lasts.
const LAST_POINT: Duration = Duration::from_millis(100);
const SCALES: [f64; 9] = [
    10.0, 20.0, 40.0, 100.0, 200.0, 400.0, 600.0, 1_000.0, 2_000.0,
];
const LINES: &str = "
.delay{stroke:#0969da;fill:none;stroke-width:1.5}.target{stroke:#bc4c00;fill:none;stroke-width:1.2;stroke-dasharray:4 2}
@media (prefers-color-scheme:dark){.delay{stroke:#58a6ff}.target{stroke:#f0883e}}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_both_lines_and_what_was_made_up() {
        let ms = Duration::from_millis;
        let points = (0..50)
            .map(|n| ReplayPoint {
                at: ms(n * 100),
                delay: ms(30 + n),
                target: ms(60),
                concealed: if n == 20 { 480 } else { 0 },
                inserted: 0,
                removed: if n == 30 { 960 } else { 0 },
            })
            .collect();
        let svg = DelayPicture::new("a < b", SampleRate::HZ_48000)
            .run("balanced", points)
            .to_svg();
        assert!(svg.contains("a &lt; b") && svg.contains("balanced"));
        assert!(svg.contains("100 ms</text>") && svg.contains("50 ms</text>"));
        assert!(svg.contains("made up 10.0 ms at 2.0 s"), "{svg}");
        assert!(svg.contains("left out 20.0 ms at 3.0 s"));
        assert_eq!(svg.matches("put in").count(), 1);
        assert_eq!(svg.matches(r#"<path class="delay" d="M"#).count(), 2);
    }

    #[test]
    fn an_empty_picture_is_one() {
        let svg = DelayPicture::new("", SampleRate::HZ_8000)
            .run("", Vec::new())
            .to_svg();
        assert!(svg.ends_with("</svg>\n"));
    }
}
