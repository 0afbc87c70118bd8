//! Figures in the text form that Prometheus reads (exposition format 0.0.4).

use std::fmt::Write;

/// Something that has figures.
pub trait MetricsSource: Send + Sync {
    /// Writes the figures as they are now. Called for each request of `/metrics`, from the
    /// server's threads; it must not block.
    fn collect(&self, out: &mut MetricsText);
}

/// What a figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// It only grows. Its name ends in `_total`.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// Metrics being written. Each is announced once, by [`metric`](Self::metric), then has its
/// samples.
#[derive(Debug, Default)]
pub struct MetricsText {
    text: String,
}

impl MetricsText {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Announces a metric: `name` in Prometheus' form (`audiox_fanout_datagrams_total`), and one
    /// line of help.
    pub fn metric(&mut self, name: &'static str, kind: MetricKind, help: &str) -> Samples<'_> {
        let kind = match kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
        };
        // Writing to a string cannot fail.
        let _ = write!(self.text, "# HELP {name} ");
        escape(&mut self.text, help, false);
        let _ = writeln!(self.text, "\n# TYPE {name} {kind}");
        Samples { out: self, name }
    }

    /// All that was written.
    pub fn into_string(self) -> String {
        self.text
    }
}

/// The samples of one metric.
#[derive(Debug)]
pub struct Samples<'a> {
    out: &'a mut MetricsText,
    name: &'static str,
}

impl Samples<'_> {
    /// Writes a sample with its labels. Any text may stand in a label's value.
    pub fn sample(self, labels: &[(&str, &str)], value: f64) -> Self {
        let text = &mut self.out.text;
        text.push_str(self.name);
        for (n, (name, label)) in labels.iter().enumerate() {
            text.push(if n == 0 { '{' } else { ',' });
            text.push_str(name);
            text.push_str("=\"");
            escape(text, label, true);
            text.push('"');
        }
        if !labels.is_empty() {
            text.push('}');
        }
        let _ = match value {
            v if v.is_nan() => writeln!(text, " NaN"),
            f64::INFINITY => writeln!(text, " +Inf"),
            f64::NEG_INFINITY => writeln!(text, " -Inf"),
            v => writeln!(text, " {v}"),
        };
        self
    }
}

fn escape(out: &mut String, text: &str, quotes: bool) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let mut text = MetricsText::new();
        text.metric("a_total", MetricKind::Counter, "Things\nseen")
            .sample(&[("client", "a\"b\\c\nd"), ("kind", "x")], 3.0)
            .sample(&[], 1e6);
        text.metric("b", MetricKind::Gauge, "Level")
            .sample(&[], f64::NEG_INFINITY)
            .sample(&[], 0.25);
        let expected = "# HELP a_total Things\\nseen\n# TYPE a_total counter\n\
                        a_total{client=\"a\\\"b\\\\c\\nd\",kind=\"x\"} 3\na_total 1000000\n\
                        # HELP b Level\n# TYPE b gauge\nb -Inf\nb 0.25\n";
        assert_eq!(text.into_string(), expected);
    }
}
