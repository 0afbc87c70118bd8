//! What was promised, beside what was measured: figures from the document's tables where one holds
//! them, else what a test asserts or a long run told.

use crate::document::{Region, is_filled, table_of};
use crate::plots::value;
use crate::table::{Cell, Row, Table};
use How::{Above, AtLeast, AtMost, NoneUpTo, Said, Sum, Times};
use list::PROMISES;

mod list;

/// Where a figure stands: table, label of the row (and, where several have it, what stands in other
/// cells of it), how the column's heading begins, and which of such columns.
#[derive(Debug)]
struct At {
    table: &'static str,
    row: &'static str,
    cells: [&'static str; 2],
    column: &'static str,
    nth: usize,
}

const fn at(table: &'static str, row: &'static str, column: &'static str) -> At {
    At {
        table,
        row,
        cells: [""; 2],
        column,
        nth: 0,
    }
}

impl At {
    const fn cell(self, text: &'static str) -> Self {
        self.cells([text, ""])
    }

    const fn cells(mut self, texts: [&'static str; 2]) -> Self {
        self.cells = texts;
        self
    }

    const fn nth(mut self, nth: usize) -> Self {
        self.nth = nth;
        self
    }

    /// The largest by size, where several rows fit; an empty label fits all.
    fn read(&self, regions: &[Region<'_>]) -> Result<f64, String> {
        let table = table_of(regions, self.table)?;
        let fits = |row: &&Row| {
            (self.row.is_empty() || row.label == self.row)
                && self
                    .cells
                    .iter()
                    .filter(|text| !text.is_empty())
                    .all(|text| (0..row.cells.len()).any(|i| table.shown(row, i) == *text))
        };
        let mut worst: Option<f64> = None;
        for row in table.rows.iter().filter(fits) {
            let n = value(&table, row, self.column, self.nth)?;
            worst = Some(worst.map_or(n, |w| if n.abs() > w.abs() { n } else { w }));
        }
        worst.ok_or_else(|| format!("table {} has no row {}", self.table, self.row))
    }
}

/// How it is found out whether a promise holds.
#[derive(Debug)]
enum How {
    /// At most this much of a unit.
    AtMost(At, f64, &'static str),
    /// At least.
    AtLeast(At, f64, &'static str),
    /// The first is at least so many times the second.
    Times(At, At, f64),
    /// The first is larger than the second by at least this, of a unit.
    Above(At, At, f64, &'static str),
    /// Both together are at most this much.
    Sum(At, At, f64, &'static str),
    /// Up to which row the figure is nought in all of them.
    NoneUpTo(At),
    /// No figure of a table: what was measured, whether that is enough, and by which command.
    Said(&'static str, bool, &'static str),
}

/// A promise and, if it is not kept, the reason.
struct Promise(&'static str, How, &'static str);

/// The section at the end of the document.
pub fn promised(regions: &[Region<'_>]) -> Result<Table, String> {
    let mut table = Table::new("promised", "promised")
        .text("measured")
        .text("")
        .text("command");
    for Promise(promise, how, why) in PROMISES {
        let awaited = how.table().filter(|id| !is_filled(regions, id));
        let (measured, kept, by) = match awaited {
            // A bench that is new has a region before it has figures.
            Some(id) => {
                let cells = ["", "not measured yet", &command(id)].map(Cell::from);
                table.row(*promise, cells);
                continue;
            }
            None => how.judge(regions)?,
        };
        let verdict = match (kept, *why) {
            (true, _) => "reached".to_owned(),
            (false, "") => "**short**".to_owned(),
            (false, why) => format!("**short**: {why}"),
        };
        table.row(*promise, [measured.into(), verdict.into(), by.into()]);
    }
    Ok(table)
}

impl How {
    /// Which table it asks first.
    const fn table(&self) -> Option<&'static str> {
        match self {
            AtMost(at, ..) | AtLeast(at, ..) | NoneUpTo(at) => Some(at.table),
            Times(at, ..) | Above(at, ..) | Sum(at, ..) => Some(at.table),
            Said(..) => None,
        }
    }

    fn judge(&self, regions: &[Region<'_>]) -> Result<(String, bool, String), String> {
        let shown = |n: f64| crate::table::Digits::Significant(3).format(n);
        let of = |n: f64, unit: &str| format!("{} {unit}", shown(n));
        Ok(match self {
            AtMost(at, limit, unit) => {
                let n = at.read(regions)?;
                (of(n, unit), n.abs() <= *limit, command(at.table))
            }
            AtLeast(at, limit, unit) => {
                let n = at.read(regions)?;
                (of(n, unit), n >= *limit, command(at.table))
            }
            Times(more, less, limit) => {
                let n = more.read(regions)? / less.read(regions)?;
                (format!("{} ×", shown(n)), n >= *limit, command(more.table))
            }
            Above(more, less, limit, unit) => {
                let n = more.read(regions)? - less.read(regions)?;
                // Both are rounded.
                (of(n, unit), n >= *limit - 1e-9, command(more.table))
            }
            Sum(one, other, limit, unit) => {
                let n = one.read(regions)? + other.read(regions)?;
                (of(n, unit), n <= *limit, command(one.table))
            }
            NoneUpTo(at) => {
                let table = table_of(regions, at.table)?;
                let none = |row: &&Row| value(&table, row, at.column, at.nth) == Ok(0.0);
                let last = table.rows.iter().take_while(none).last();
                let last = last.map_or("none", |row| row.label.as_str());
                (format!("{last} ms"), true, command(at.table))
            }
            Said(measured, kept, command) => {
                ((*measured).to_owned(), *kept, format!("`{command}`"))
            }
        })
    }
}

/// What makes a table.
fn command(table: &str) -> String {
    let bench = match table {
        "fec" => "fec-table",
        "drift" => "drift-table",
        "fec-cost" => "fec",
        "short-packets" => "streams",
        "playout-cost" | "loss-speech" | "loss-music" => "playout",
        "resample-quality" => "resample",
        "dred" | "opus-wrapper" => "opus",
        "device-playback" => "device",
        "devices" | "devices-cost" => "grpc",
        same => same,
    };
    format!("`scripts/bench.sh {bench}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regions() -> Vec<Region<'static>> {
        let text = "| streams | priority | slope, ppm |\n| ---: | --- | ---: |\n\
            | 1 | real time | −0.2 |\n| 10 | real time | −1.6 |\n| 10 | ordinary | 3 |\n";
        vec![Region {
            id: "streams",
            text: text.to_owned(),
        }]
    }

    #[test]
    fn the_worst_of_the_rows_that_fit_counts() {
        let worst = at("streams", "", "slope").cell("real time");
        assert_eq!(worst.read(&regions()), Ok(-1.6));
        let (measured, kept, _) = AtMost(worst, 1.0, "ppm")
            .judge(&regions())
            .expect("it is there");
        assert_eq!((measured.as_str(), kept), ("−1.60 ppm", false));
        let first = at("streams", "1", "slope");
        assert!(
            AtMost(first, 1.0, "ppm")
                .judge(&regions())
                .expect("it is there")
                .1
        );
    }

    #[test]
    fn what_is_not_there_is_named() {
        let error = at("streams", "7", "slope")
            .read(&regions())
            .expect_err("no such row");
        assert_eq!(error, "table streams has no row 7");
        assert!(at("relay", "", "p50").read(&regions()).is_err());
    }
}
