//! A picture of waveforms on one time axis, as SVG: what was sent, what arrived, what was missing.
//!
//! ```
//! use audiox::core::{block::AudioRef, format::{Channels, SampleRate, StreamFormat}};
//! use audiox::plot::{Envelope, Gap, Lane, Picture};
//!
//! let mut sent = Envelope::new(StreamFormat::new(SampleRate::HZ_8000, Channels::MONO));
//! sent.push(AudioRef::new(&[0.5; 8_000], Channels::MONO));
//! let svg = Picture::new("one second")
//!     .group("speech", vec![
//!         Lane::new("sent", sent.clone()),
//!         Lane::new("received", sent).gaps([Gap { start: 800, frames: 160, cause: "lost".into() }]),
//!     ])
//!     .to_svg();
//! assert!(svg.starts_with("<svg"));
//! ```

mod axis;
mod delay;
mod text;

pub use audiox_io::envelope::{Envelope, Extent};
pub use delay::DelayPicture;

use std::fmt::{self, Write};
use std::time::Duration;

use axis::Axis;
use text::{Escaped, Milliseconds};

/// Waveforms in groups, one above the other, on a common time axis.
///
/// It reads on light and dark backgrounds, needs no font but the reader's own, and every gap tells
/// its place and cause when pointed at.
#[derive(Debug, Clone)]
pub struct Picture {
    title: String,
    start: Duration,
    groups: Vec<Group>,
}

#[derive(Debug, Clone)]
struct Group {
    label: String,
    lanes: Vec<Lane>,
}

/// One waveform.
#[derive(Debug, Clone)]
pub struct Lane {
    label: String,
    envelope: Envelope,
    gaps: Vec<Gap>,
}

/// A stretch of a lane that did not arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// First frame, counted from the beginning of the lane's audio.
    pub start: u64,
    /// Frames missing.
    pub frames: u64,
    /// Why, in a word or two; gaps of one cause share a colour.
    pub cause: String,
}

impl Lane {
    /// A waveform without gaps. It starts at the picture's left edge.
    pub fn new(label: impl Into<String>, envelope: Envelope) -> Self {
        Self {
            label: label.into(),
            envelope,
            gaps: Vec::new(),
        }
    }

    /// Marks `gaps`, in the lane's own frames.
    pub fn gaps(mut self, gaps: impl IntoIterator<Item = Gap>) -> Self {
        self.gaps.extend(gaps);
        self
    }
}

impl Picture {
    /// An empty picture.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            start: Duration::ZERO,
            groups: Vec::new(),
        }
    }

    /// Shows a later part: every lane's envelope begins at `start` of its audio. Gaps stay
    /// counted from the beginning, and those outside the picture are left out.
    pub fn starting_at(mut self, start: Duration) -> Self {
        self.start = start;
        self
    }

    /// Adds lanes that belong together, under a label that may be empty: they share one vertical scale, and a gap in one is marked
    /// through all of them, so that what fell into it can be seen.
    pub fn group(mut self, label: impl Into<String>, lanes: Vec<Lane>) -> Self {
        self.groups.push(Group {
            label: label.into(),
            lanes,
        });
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
        let axis = Axis::new(
            self.start,
            self.lanes().map(|l| l.envelope.duration()).max(),
        );
        let causes = self.causes(&axis);
        let height = TOP
            + self.groups.iter().map(Group::height).sum::<f64>()
            + AXIS_HEIGHT
            + if causes.is_empty() {
                0.0
            } else {
                LEGEND_HEIGHT
            };

        write!(
            out,
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0}" width="{WIDTH}" height="{height:.0}" role="img">
<title>{title}</title>
<style>{STYLE}</style>
<rect class="page" width="100%" height="100%"/>
<text class="title" x="{LEFT}" y="28">{title}</text>
"#,
            title = Escaped(&self.title),
        )?;
        let mut y = TOP;
        for group in &self.groups {
            group.write(out, y, &axis, &causes)?;
            y += group.height();
        }
        axis.write(out, y)?;
        legend(out, y + AXIS_HEIGHT, &causes)?;
        out.push_str("</svg>\n");
        Ok(())
    }

    fn lanes(&self) -> impl Iterator<Item = &Lane> {
        self.groups.iter().flat_map(|g| &g.lanes)
    }

    /// Causes in order of appearance, with how often and how long each was.
    fn causes(&self, axis: &Axis) -> Vec<Cause<'_>> {
        let mut causes: Vec<Cause<'_>> = Vec::new();
        for lane in self.lanes() {
            for (gap, _, length) in lane.gaps_in(axis) {
                match causes.iter_mut().find(|c| c.name == gap.cause) {
                    Some(cause) => {
                        cause.count += 1;
                        cause.length += length;
                    }
                    None => causes.push(Cause {
                        name: &gap.cause,
                        count: 1,
                        length,
                    }),
                }
            }
        }
        causes
    }
}

struct Cause<'a> {
    name: &'a str,
    count: usize,
    length: Duration,
}

impl Group {
    /// Room for the label above the lanes.
    fn head(&self) -> f64 {
        if self.label.is_empty() { 8.0 } else { 30.0 }
    }

    fn height(&self) -> f64 {
        self.head() + self.lanes.len() as f64 * LANE_PITCH
    }

    fn write(&self, out: &mut String, y: f64, axis: &Axis, causes: &[Cause<'_>]) -> fmt::Result {
        let scale = self.scale();
        writeln!(
            out,
            r#"<text class="group" x="{LEFT}" y="{:.1}">{}</text>"#,
            y + self.head() - 8.0,
            Escaped(&self.label)
        )?;
        let lanes_top = y + self.head();
        for i in 0..self.lanes.len() {
            let top = lanes_top + i as f64 * LANE_PITCH;
            writeln!(
                out,
                r#"<rect class="lane" x="{LEFT}" y="{top:.1}" width="{PLOT_WIDTH}" height="{LANE_HEIGHT}"/>"#
            )?;
            axis.write_grid(out, top)?;
        }
        for (i, lane) in self.lanes.iter().enumerate() {
            let top = lanes_top + i as f64 * LANE_PITCH;
            self.write_gaps(out, lane, lanes_top, axis, causes)?;
            writeln!(
                out,
                r#"<text class="label" x="{:.1}" y="{:.1}" text-anchor="end">{}</text><text class="scale" x="{:.1}" y="{:.1}" text-anchor="end">±{scale}</text>"#,
                LEFT - 10.0,
                top + LANE_HEIGHT / 2.0,
                Escaped(&lane.label),
                LEFT - 10.0,
                top + LANE_HEIGHT / 2.0 + 16.0,
            )?;
            lane.write_wave(out, top + LANE_HEIGHT / 2.0, scale, axis, i)?;
        }
        Ok(())
    }

    /// A round full-scale value that the loudest lane fits in, so that quiet material shows.
    fn scale(&self) -> f32 {
        let peak = self
            .lanes
            .iter()
            .fold(0.0_f32, |p, l| p.max(l.envelope.peak()));
        SCALES.into_iter().find(|&s| peak <= s).unwrap_or(1.0)
    }

    fn write_gaps(
        &self,
        out: &mut String,
        lane: &Lane,
        lanes_top: f64,
        axis: &Axis,
        causes: &[Cause<'_>],
    ) -> fmt::Result {
        let height = self.lanes.len() as f64 * LANE_PITCH - (LANE_PITCH - LANE_HEIGHT);
        for (gap, start, length) in lane.gaps_in(axis) {
            let x = axis.x(start);
            let width = (axis.x(start + length) - x).max(1.0);
            let colour = causes
                .iter()
                .position(|c| c.name == gap.cause)
                .unwrap_or_default()
                % CAUSE_COLOURS;
            writeln!(
                out,
                r#"<rect class="gap g{colour}" x="{x:.2}" y="{lanes_top:.1}" width="{width:.2}" height="{height:.1}"><title>{}: {} at {:.3} s, {} frames</title></rect>"#,
                Escaped(&gap.cause),
                Milliseconds(length),
                start.as_secs_f64(),
                gap.frames,
            )?;
        }
        Ok(())
    }
}

impl Lane {
    /// The gaps in the picture, with when each began and how long it was.
    fn gaps_in(&self, axis: &Axis) -> impl Iterator<Item = (&Gap, Duration, Duration)> {
        let rate = self.envelope.rate();
        self.gaps
            .iter()
            .map(move |g| (g, rate.duration_of(g.start), rate.duration_of(g.frames)))
            .filter(|&(_, start, length)| axis.shows(start, length))
    }

    /// One closed outline: along the tops to the right, along the bottoms back.
    fn write_wave(
        &self,
        out: &mut String,
        middle: f64,
        scale: f32,
        axis: &Axis,
        index: usize,
    ) -> fmt::Result {
        let half = LANE_HEIGHT / 2.0 - 2.0;
        let y = |v: f32| middle - f64::from((v / scale).clamp(-1.0, 1.0)) * half;
        let columns: Vec<Extent> = (0..PLOT_WIDTH as u32)
            .map_while(|column| self.envelope.extent(axis.frames_of(column, self)))
            .collect();
        if columns.is_empty() {
            return Ok(());
        }
        write!(out, r#"<path class="wave w{}" d="M"#, index % WAVE_COLOURS)?;
        for (i, e) in columns.iter().enumerate() {
            write!(out, "{} {:.1} ", LEFT as usize + i, y(e.max) - HAIRLINE)?;
        }
        for (i, e) in columns.iter().enumerate().rev() {
            write!(out, "{} {:.1} ", LEFT as usize + i, y(e.min) + HAIRLINE)?;
        }
        out.push_str("Z\"/>\n");
        Ok(())
    }
}

fn legend(out: &mut String, top: f64, causes: &[Cause<'_>]) -> fmt::Result {
    let mut x = LEFT;
    for (i, cause) in causes.iter().enumerate() {
        let text = format!(
            "{}: {} gap{}, {}",
            cause.name,
            cause.count,
            if cause.count == 1 { "" } else { "s" },
            Milliseconds(cause.length)
        );
        writeln!(
            out,
            r#"<rect class="gap g{}" x="{x:.1}" y="{:.1}" width="12" height="12"/><text class="label" x="{:.1}" y="{:.1}">{}</text>"#,
            i % CAUSE_COLOURS,
            top + 2.0,
            x + 18.0,
            top + 12.5,
            Escaped(&text),
        )?;
        x += 42.0 + 7.0 * text.chars().count() as f64;
    }
    Ok(())
}

const WIDTH: f64 = 1200.0;
const LEFT: f64 = 110.0;
const PLOT_WIDTH: f64 = 1060.0;
const TOP: f64 = 44.0;
const LANE_HEIGHT: f64 = 90.0;
const LANE_PITCH: f64 = 98.0;
const AXIS_HEIGHT: f64 = 30.0;
const LEGEND_HEIGHT: f64 = 30.0;
/// Half the height at which silence is drawn.
const HAIRLINE: f64 = 0.4;
const SCALES: [f32; 6] = [0.02, 0.05, 0.1, 0.2, 0.5, 1.0];
const CAUSE_COLOURS: usize = 4;
const WAVE_COLOURS: usize = 3;
const STYLE: &str = "
text{font-family:system-ui,sans-serif;font-size:13px;fill:#24292f}
.title{font-size:17px;font-weight:600}.group{font-weight:600}
.scale,.tick{font-size:11px;fill:#6e7781}
.page{fill:#fff}.lane{fill:#f6f8fa}.grid{stroke:#d8dee4;fill:none}
.w0{fill:#57606a}.w1{fill:#0969da}.w2{fill:#1a7f37}
.gap{fill-opacity:.38}.g0{fill:#e5484d}.g1{fill:#f5a400}.g2{fill:#a855f7}.g3{fill:#00a39b}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3}.scale,.tick{fill:#8d96a0}
.page{fill:#0d1117}.lane{fill:#161b22}.grid{stroke:#30363d}
.w0{fill:#9198a1}.w1{fill:#58a6ff}.w2{fill:#56d364}.gap{fill-opacity:.5}
}
";

#[cfg(test)]
mod tests;
