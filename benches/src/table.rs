//! Tables of figures: a bench fills one, shows it and saves it; the report takes it from there.
//!
//! ```no_run
//! use audiox_benches::table::{Cell, Table};
//!
//! // The ID names the region of BENCHMARKS.md: `<!-- table: pacing -->` … `<!-- end -->`.
//! let mut table = Table::new("pacing", "way of waiting")
//!     .number("p50", "µs", 0) // name, unit, decimals
//!     .number("p99", "µs", 0)
//!     .text("priority");
//! table.row("audiox", [30.4.into(), 53.1.into(), "real time".into()]);
//! table.row("tokio", [737.into(), Cell::Absent, "ordinary".into()]);
//! table.note("2 runs of 500 ticks of 2 ms each");
//! // A distribution, for a plot: points (x, y) of a named line.
//! table.series("audiox", [(0.5, 30.4), (0.99, 53.1)]);
//! table.finish();
//! ```
//!
//! [`Table::finish`] prints to the terminal and saves `audiox-bench/ID.json` under the target
//! directory, with date, command, commit and machine (`audiox-bench/quick/ID.json` where
//! [`is_quick`] says so; nothing where [`is_test`] does).

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::taken::Taken;

/// Whether rough figures will do: `--quick`, or `--test`, was asked for.
pub fn is_quick() -> bool {
    is_test() || std::env::args().any(|a| a == "--quick")
}

/// Whether it is only asked that the bench runs: `--test`.
pub fn is_test() -> bool {
    std::env::args().any(|a| a == "--test")
}

/// One line that tells whoever waits how far a long bench has come.
#[allow(clippy::print_stderr, reason = "standard output has the tables")]
pub fn progress(done: &str) {
    eprintln!("  … {done}");
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    /// Shown with the decimals of its column.
    Number(f64),
    /// Shown as it is.
    Text(String),
    /// Not measured, or without meaning: an empty cell.
    Absent,
}

macro_rules! from_numbers {
    ($($number:ty),*) => {$(
        impl From<$number> for Cell {
            fn from(n: $number) -> Self {
                // Counts beyond 2^53 lose their last digits, which no table shows.
                Self::Number(n as f64)
            }
        }
    )*};
}
from_numbers!(f32, f64, i32, i64, u32, u64, usize);

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Into::into)
    }
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its heading.
    pub name: String,
    /// Unit, shown behind the heading; empty where there is none.
    #[serde(default)]
    pub unit: String,
    /// How its numbers are written; `None` for text.
    pub digits: Option<Digits>,
}

/// How many digits a number is written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Digits {
    /// Always as many behind the point.
    Decimals(u8),
    /// As many in all, behind the point only where there are not enough before it.
    Significant(u8),
}

impl Digits {
    /// The number in words for a reader: thousands set off by a space, a real minus sign.
    pub fn format(self, number: f64) -> String {
        if !number.is_finite() {
            return "–".to_owned();
        }
        let decimals = match self {
            Self::Decimals(n) => usize::from(n),
            Self::Significant(n) if number == 0.0 => usize::from(n.min(1)) - 1,
            Self::Significant(n) => {
                let before = number.abs().log10().floor() as i32 + 1;
                // Rounding may bring one more digit before the point: 9.96 with two is 10.
                let step = 10f64.powi(before - i32::from(n));
                let rounded = (number / step).round() * step;
                let before = rounded.abs().log10().floor() as i32 + 1;
                usize::try_from(i32::from(n) - before).unwrap_or(0)
            }
        };
        let text = format!("{number:.decimals$}");
        let (sign, text) = match text.strip_prefix('-') {
            // Nothing is left of it.
            Some(rest) if rest.chars().all(|c| matches!(c, '0' | '.')) => ("", rest),
            Some(rest) => ("−", rest),
            None => ("", text.as_str()),
        };
        let (whole, part) = text.split_at(text.find('.').unwrap_or(text.len()));
        let mut out = sign.to_owned();
        for (i, digit) in whole.chars().enumerate() {
            if i > 0 && (whole.len() - i).is_multiple_of(3) {
                out.push(' ');
            }
            out.push(digit);
        }
        out + part
    }
}

/// A label and a cell for each column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// First cell.
    pub label: String,
    /// The others.
    pub cells: Vec<Cell>,
}

/// A line of a plot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// What the legend calls it.
    pub name: String,
    /// x and y.
    pub points: Vec<(f64, f64)>,
}

/// Figures of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Name of its region in the document and of its file: lower case, digits, hyphens.
    pub id: String,
    /// Heading of the labels.
    pub label: String,
    /// The other headings.
    pub columns: Vec<Column>,
    /// From top to bottom.
    pub rows: Vec<Row>,
    /// What belongs to these figures: how long, how many.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// For plots.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<Series>,
}

impl Table {
    /// A table without columns; `label` heads the column of the rows' labels.
    pub fn new(id: &str, label: &str) -> Self {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(!id.is_empty() && id.chars().all(fits), "an ID: {id}");
        Self {
            id: id.to_owned(),
            label: label.to_owned(),
            columns: Vec::new(),
            rows: Vec::new(),
            note: String::new(),
            series: Vec::new(),
        }
    }

    /// One more column of numbers.
    #[must_use]
    pub fn number(self, name: &str, unit: &str, decimals: u8) -> Self {
        self.column(name, unit, Some(Digits::Decimals(decimals)))
    }

    /// One more column of numbers whose sizes differ: so many digits in all.
    #[must_use]
    pub fn significant(self, name: &str, unit: &str, digits: u8) -> Self {
        self.column(name, unit, Some(Digits::Significant(digits)))
    }

    /// One more column of text.
    #[must_use]
    pub fn text(self, name: &str) -> Self {
        self.column(name, "", None)
    }

    fn column(mut self, name: &str, unit: &str, digits: Option<Digits>) -> Self {
        self.columns.push(Column {
            name: name.to_owned(),
            unit: unit.to_owned(),
            digits,
        });
        self
    }

    /// One more row, with a cell for each column.
    pub fn row(&mut self, label: impl Into<String>, cells: impl IntoIterator<Item = Cell>) {
        let (label, cells) = (label.into(), cells.into_iter().collect::<Vec<_>>());
        assert_eq!(cells.len(), self.columns.len(), "cells of row {label:?}");
        self.rows.push(Row { label, cells });
    }

    /// Shown beneath: what belongs to these very figures. Called again, one more sentence.
    pub fn note(&mut self, note: impl AsRef<str>) {
        if !self.note.is_empty() {
            self.note.push_str("; ");
        }
        self.note.push_str(note.as_ref());
    }

    /// One more line of points.
    pub fn series(&mut self, name: &str, points: impl IntoIterator<Item = (f64, f64)>) {
        self.series.push(Series {
            name: name.to_owned(),
            points: points.into_iter().collect(),
        });
    }

    /// Shows it, and keeps it for the report.
    #[allow(clippy::print_stdout, reason = "tables are what benches are run for")]
    pub fn finish(self) {
        println!("\n{}", self.terminal());
        if is_test() {
            return;
        }
        match Taken::now(self, is_quick()).save() {
            Ok(path) => println!("saved as {}\n", path.display()),
            Err(e) => panic!("a table cannot be saved: {e}"),
        }
    }

    /// The cell as the reader sees it.
    pub fn shown(&self, row: &Row, column: usize) -> String {
        match (&row.cells[column], self.columns[column].digits) {
            (Cell::Absent, _) => String::new(),
            (Cell::Text(text), _) => text.clone(),
            (Cell::Number(n), digits) => digits.unwrap_or(Digits::Significant(3)).format(*n),
        }
    }

    fn headings(&self) -> Vec<String> {
        let columns = self.columns.iter().map(|c| match c.unit.as_str() {
            "" => c.name.clone(),
            unit => format!("{}, {unit}", c.name),
        });
        std::iter::once(self.label.clone()).chain(columns).collect()
    }

    fn lines(&self) -> Vec<Vec<String>> {
        let cells = |row: &Row| {
            (0..self.columns.len())
                .map(|i| self.shown(row, i))
                .collect()
        };
        let rows = self.rows.iter().map(|row| {
            let mut line: Vec<String> = cells(row);
            line.insert(0, row.label.clone());
            line
        });
        rows.collect()
    }

    /// For a document.
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut out = line(&self.headings());
        let rule = self.columns.iter().map(|c| match c.digits {
            Some(_) => "---:",
            None => "---",
        });
        let rule: Vec<String> = std::iter::once("---").chain(rule).map(Into::into).collect();
        out += &line(&rule);
        for row in self.lines() {
            out += &line(&row);
        }
        out
    }

    /// For a terminal.
    pub fn terminal(&self) -> String {
        let mut all = vec![self.headings()];
        all.extend(self.lines());
        let width = |column: usize| {
            let cells = all.iter().map(|line| line[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..=self.columns.len()).map(width).collect();
        let mut out = format!("{}\n", self.id);
        for line in &all {
            for (i, (cell, width)) in line.iter().zip(&widths).enumerate() {
                let number = i > 0 && self.columns[i - 1].digits.is_some();
                let _ = match number {
                    true => write!(out, "  {cell:>width$}"),
                    false => write!(out, "  {cell:<width$}"),
                };
            }
            out.truncate(out.trim_end().len());
            out.push('\n');
        }
        if !self.note.is_empty() {
            let _ = writeln!(out, "  {}", self.note);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_readers() {
        let decimals = |n, number| Digits::Decimals(n).format(number);
        assert_eq!(decimals(1, 6.25), "6.2");
        assert_eq!(decimals(0, 1_234_567.0), "1 234 567");
        assert_eq!(decimals(2, -0.223), "−0.22");
        assert_eq!(decimals(1, -0.04), "0.0");
        assert_eq!(decimals(1, f64::NAN), "–");
        let significant = |n, number| Digits::Significant(n).format(number);
        assert_eq!(significant(2, 0.0712), "0.071");
        assert_eq!(significant(2, 9.96), "10");
        assert_eq!(significant(3, 22_047.0), "22 047");
        assert_eq!(significant(3, 0.9996), "1.00");
        assert_eq!(significant(2, -1.26), "−1.3");
        assert_eq!(significant(2, 0.0), "0");
    }

    #[test]
    fn a_table_is_the_same_in_both_forms() {
        let mut table = Table::new("pacing", "way")
            .number("p50", "µs", 0)
            .text("note");
        table.row("audiox", [30.4.into(), "real time".into()]);
        table.row("a longer one", [1_737.into(), Cell::Absent]);
        table.note("2 runs");
        assert_eq!(
            table.markdown(),
            "| way | p50, µs | note |\n| --- | ---: | --- |\n\
             | audiox | 30 | real time |\n| a longer one | 1 737 |  |\n"
        );
        assert_eq!(
            table.terminal(),
            "pacing\n  way           p50, µs  note\n  audiox             30  real time\n  \
             a longer one    1 737\n  2 runs\n"
        );
    }

    #[test]
    #[should_panic(expected = "cells of row \"b\"")]
    fn a_row_has_a_cell_for_each_column() {
        Table::new("a", "").number("x", "", 0).row("b", []);
    }
}
