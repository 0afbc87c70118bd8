//! Small charts as SVG. What the plots here need is lines, labelled points and bars on linear or
//! logarithmic axes: so little that a plotting crate would be most of what this crate builds, and it
//! would know less of the widths of texts than the browser that shows them.

use std::fmt::Write as _;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 62.0;
const TOP: f64 = 52.0;
const BOTTOM: f64 = 46.0;
const PLOT_HEIGHT: f64 = 300.0;

/// Told apart by people who see colours differently as well (Okabe and Ito).
pub const COLOURS: [&str; 7] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555",
];

/// How an axis runs.
#[derive(Debug, Clone)]
pub struct Axis {
    /// What it means, with its unit.
    pub title: String,
    /// First and last value.
    pub range: (f64, f64),
    /// Whether each decade is as long as any other.
    pub log: bool,
}

impl Axis {
    /// From the lower bound to the upper.
    pub fn new(title: &str, from: f64, to: f64) -> Self {
        Self {
            title: title.to_owned(),
            range: (from, to),
            log: false,
        }
    }

    /// The same in decades.
    #[must_use]
    pub fn log(mut self) -> Self {
        self.log = true;
        self
    }

    /// Place between 0 and 1.
    fn place(&self, value: f64) -> f64 {
        let (from, to) = self.range;
        let place = match self.log {
            true => (value.max(from) / from).ln() / (to / from).ln(),
            false => (value - from) / (to - from),
        };
        place.clamp(0.0, 1.0)
    }

    fn ticks(&self) -> Vec<f64> {
        let (from, to) = self.range;
        let mut all = Vec::new();
        if self.log {
            let narrow = to / from < 150.0;
            let mut decade = 10f64.powf(from.log10().floor());
            while decade <= to * 1.000_1 {
                let steps: &[f64] = if narrow { &[1.0, 2.0, 5.0] } else { &[1.0] };
                all.extend(steps.iter().map(|s| s * decade));
                decade *= 10.0;
            }
        } else {
            let rough = (to - from) / 5.0;
            let decade = 10f64.powf(rough.log10().floor());
            let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|s| s * decade);
            let step = steps.into_iter().find(|s| *s >= rough).unwrap_or(rough);
            let mut n = (from / step).ceil();
            while n * step <= to * 1.000_1 {
                all.push(n * step);
                n += 1.0;
            }
        }
        all.retain(|t| (from * 0.999..=to * 1.001).contains(t) || *t == from);
        all
    }
}

/// Points that belong together.
#[derive(Debug, Clone)]
pub struct Line {
    /// For the legend; none where it is empty.
    pub name: String,
    /// By index into [`COLOURS`].
    pub colour: usize,
    /// Whether it is drawn in dashes.
    pub dashed: bool,
    /// Whether its points are joined.
    pub joined: bool,
    /// x, y and a label beside the point, which may be empty.
    pub points: Vec<(f64, f64, String)>,
}

/// A number as short as it goes.
fn short(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 1_000.0 => return crate::table::Digits::Decimals(0).format(value),
        v if v == 0.0 || v >= 10.0 => 1,
        v => (2 - v.log10().floor() as i32) as usize,
    };
    let text = format!("{value:.digits$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.replace('-', "−")
}

fn escaped(text: &str) -> String {
    let text = text.replace('`', "");
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// About how wide a text of 11 px is.
fn wide(text: &str) -> f64 {
    text.chars().count() as f64 * 6.0
}

struct Svg(String);

impl Svg {
    fn new(height: f64, title: &str) -> Self {
        let title = escaped(title);
        let style = "text{font:11px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;\
            fill:#3b4048}.t{font-size:14px;font-weight:600;fill:#16191d}.g{stroke:#e4e7eb}\
            .a{stroke:#8a929c}.e{text-anchor:end}.m{text-anchor:middle}.s{fill:#16191d}";
        Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             width=\"{WIDTH}\" height=\"{height}\" role=\"img\"><title>{title}</title>\n\
             <style>{style}</style>\n\
             <rect width=\"{WIDTH}\" height=\"{height}\" rx=\"6\" fill=\"#fff\"/>\n\
             <text class=\"t\" x=\"16\" y=\"25\">{title}</text>\n"
        ))
    }

    fn text(&mut self, class: &str, x: f64, y: f64, text: &str) {
        let text = escaped(text);
        let _ = writeln!(
            self.0,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>"
        );
    }

    fn line(&mut self, class: &str, [x1, y1, x2, y2]: [f64; 4]) {
        let _ = writeln!(
            self.0,
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        );
    }

    fn done(mut self) -> String {
        self.0 += "</svg>\n";
        self.0
    }
}

/// Lines, or points with labels, over two axes.
pub fn lines(title: &str, x: &Axis, y: &Axis, all: &[Line]) -> String {
    let named: Vec<&Line> = all.iter().filter(|l| !l.name.is_empty()).collect();
    let legend = match named.is_empty() {
        true => 16.0,
        false => named.iter().map(|l| wide(&l.name)).fold(0.0, f64::max) + 52.0,
    };
    let width = WIDTH - LEFT - legend;
    let height = TOP + PLOT_HEIGHT + BOTTOM;
    let across = |v: f64| LEFT + x.place(v) * width;
    let up = |v: f64| TOP + (1.0 - y.place(v)) * PLOT_HEIGHT;
    let mut svg = Svg::new(height, title);
    for tick in y.ticks() {
        let at = up(tick);
        svg.line("g", [LEFT, at, LEFT + width, at]);
        svg.text("e", LEFT - 7.0, at + 4.0, &short(tick));
    }
    for tick in x.ticks() {
        let at = across(tick);
        svg.line("g", [at, TOP, at, TOP + PLOT_HEIGHT]);
        svg.text("m", at, TOP + PLOT_HEIGHT + 17.0, &short(tick));
    }
    svg.line(
        "a",
        [LEFT, TOP + PLOT_HEIGHT, LEFT + width, TOP + PLOT_HEIGHT],
    );
    svg.text("", 16.0, TOP - 11.0, &y.title);
    svg.text("m", LEFT + width / 2.0, height - 9.0, &x.title);
    let mut taken: Vec<[f64; 4]> = Vec::new();
    for line in all {
        draw(&mut svg, line, across, up);
        for (px, py, label) in line.points.iter().filter(|p| !p.2.is_empty()) {
            let at = free(
                &mut taken,
                (across(*px), up(*py)),
                wide(label),
                LEFT + width,
            );
            let colour = COLOURS[line.colour % COLOURS.len()];
            let label = escaped(label);
            let _ = writeln!(
                svg.0,
                "<text style=\"fill:{colour}\" x=\"{:.1}\" y=\"{:.1}\">{label}</text>",
                at.0, at.1
            );
        }
    }
    for (n, line) in named.iter().enumerate() {
        let (left, at) = (LEFT + width + 12.0, TOP + 8.0 + n as f64 * 19.0);
        let ends: &[f64] = if line.joined { &[0.0, 1.0] } else { &[0.7] };
        let points = ends.iter().map(|x| (*x, 0.0, String::new())).collect();
        let sample = Line {
            points,
            ..(*line).clone()
        };
        draw(&mut svg, &sample, |v| left + v * 22.0, |_| at);
        svg.text("", left + 29.0, at + 4.0, &line.name);
    }
    svg.done()
}

fn draw(svg: &mut Svg, line: &Line, x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) {
    let colour = COLOURS[line.colour % COLOURS.len()];
    let at: Vec<String> = line
        .points
        .iter()
        .map(|p| format!("{:.1},{:.1}", x(p.0), y(p.1)))
        .collect();
    if line.joined {
        let dashes = if line.dashed {
            " stroke-dasharray=\"5 4\""
        } else {
            ""
        };
        let _ = writeln!(
            svg.0,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dashes} points=\"{}\"/>",
            at.join(" ")
        );
    }
    for p in &line.points {
        let fill = if line.dashed { "#fff" } else { colour };
        let _ = writeln!(
            svg.0,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\" fill=\"{fill}\" stroke=\"{colour}\" stroke-width=\"1.5\"/>",
            x(p.0),
            y(p.1)
        );
    }
}

/// A place for a label beside a point where no other label stands.
fn free(taken: &mut Vec<[f64; 4]>, (x, y): (f64, f64), wide: f64, right: f64) -> (f64, f64) {
    let sides = [8.0, -8.0 - wide];
    let heights = [4.0, -9.0, 17.0, -21.0, 29.0, -33.0, 41.0, -45.0, 53.0];
    let places = heights
        .iter()
        .flat_map(|dy| sides.map(|dx| (x + dx, y + dy)));
    let boxed = |(x, y): (f64, f64)| [x, y - 10.0, x + wide, y + 2.0];
    let apart =
        |a: [f64; 4], b: &[f64; 4]| a[0] > b[2] || a[2] < b[0] || a[1] > b[3] || a[3] < b[1];
    let inside =
        |b: [f64; 4]| b[0] > LEFT && b[2] < right && b[1] > TOP - 8.0 && b[3] < TOP + PLOT_HEIGHT;
    let place = places
        .clone()
        .find(|p| inside(boxed(*p)) && taken.iter().all(|b| apart(boxed(*p), b)))
        .unwrap_or((x + 8.0, y + 4.0));
    taken.push(boxed(place));
    place
}

/// One bar with its label and what stands behind it.
#[derive(Debug, Clone)]
pub struct Bar {
    /// On the left.
    pub label: String,
    /// From where to where.
    pub value: f64,
    /// Behind its end.
    pub note: String,
    /// By index into [`COLOURS`].
    pub colour: usize,
}

/// Bars from the left, beginning at `from` (or, on an axis that has it in its midst, to both sides).
pub fn bars(title: &str, axis: &Axis, from: f64, all: &[Bar]) -> String {
    let step = 24.0;
    let left = 24.0 + all.iter().map(|b| wide(&b.label)).fold(0.0, f64::max);
    let right = 20.0 + all.iter().map(|b| wide(&b.note)).fold(0.0, f64::max);
    let width = WIDTH - left - right;
    let below = TOP + step * all.len() as f64;
    let across = |v: f64| left + axis.place(v) * width;
    let mut svg = Svg::new(below + BOTTOM, title);
    for tick in axis.ticks() {
        let at = across(tick);
        svg.line("g", [at, TOP - 6.0, at, below]);
        svg.text("m", at, below + 15.0, &short(tick));
    }
    for (n, bar) in all.iter().enumerate() {
        let top = TOP + step * n as f64;
        let (a, b) = (across(from), across(bar.value));
        let colour = COLOURS[bar.colour % COLOURS.len()];
        let _ = writeln!(
            svg.0,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"2\" fill=\"{colour}\"/>",
            a.min(b),
            top + 3.0,
            (a - b).abs().max(1.0),
            step - 8.0
        );
        svg.text("e", left - 8.0, top + 15.0, &bar.label);
        svg.text("s", a.max(b) + 6.0, top + 15.0, &bar.note);
    }
    svg.line("a", [across(from), TOP - 6.0, across(from), below]);
    svg.text("m", left + width / 2.0, below + BOTTOM - 12.0, &axis.title);
    svg.done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_ticks() {
        assert_eq!(Axis::new("", 0.0, 1.0).ticks().len(), 6);
        assert_eq!(Axis::new("", 0.001, 10.0).log().ticks().len(), 5);
        assert_eq!(
            Axis::new("", 1.0, 50.0).log().ticks(),
            [1.0, 2.0, 5.0, 10.0, 20.0, 50.0]
        );
        assert_eq!(short(0.001), "0.001");
        assert_eq!(short(1_000.0), "1 000");
        assert_eq!(short(2.5), "2.5");
    }

    #[test]
    fn labels_do_not_cover_each_other() {
        let mut taken = Vec::new();
        let first = free(&mut taken, (200.0, 200.0), 40.0, 600.0);
        let second = free(&mut taken, (201.0, 200.0), 40.0, 600.0);
        assert_ne!(first, second);
        assert!((first.1 - second.1).abs() > 10.0 || (first.0 - second.0).abs() > 40.0);
    }
}
