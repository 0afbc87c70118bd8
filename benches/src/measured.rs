//! Tables of what criterion measures: a bench lists them beside its functions.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use criterion::Criterion;
use serde_json::Value;

use crate::table::{Cell, Table, is_test};
use crate::taken::target;

/// A table whose cells are medians of criterion's benchmarks.
#[derive(Debug)]
pub struct Measured<'a> {
    /// Its region in the document.
    pub id: &'a str,
    /// Heading of the labels.
    pub label: &'a str,
    /// The other headings.
    pub columns: &'a [&'a str],
    /// `ns`, `µs` or `ms`.
    pub unit: &'a str,
    /// How many operations one iteration does.
    pub per: f64,
    /// Digits of each number.
    pub digits: u8,
    /// Labels and, for each column, the benchmark's ID (`group/function`); empty where there is none.
    pub rows: &'a [(&'a str, &'a [&'a str])],
    /// What belongs to these figures.
    pub note: &'a str,
}

/// A bench's whole run: its functions, then its tables. With a filter, tables of which not all
/// was measured are left as they were.
pub fn run(tables: &[Measured<'_>], benches: impl FnOnce(&mut Criterion)) {
    let began = SystemTime::now();
    let mut criterion = criterion();
    benches(&mut criterion);
    criterion.final_summary();
    if !is_test() {
        tabulate(tables, began);
    }
}

/// Criterion with times that let all benches together end within half an hour; an option on the
/// command line has the last word.
pub fn criterion() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(800))
        .sample_size(50)
        .without_plots()
        .configure_from_args()
}

/// The tables that are complete with what was measured since `began`.
#[allow(
    clippy::print_stdout,
    reason = "who chose a filter wants to know what came of it"
)]
pub fn tabulate(tables: &[Measured<'_>], began: SystemTime) {
    let mut found = Vec::new();
    medians(&target().join("criterion"), began, &mut found);
    for measured in tables {
        match measured.table(&found) {
            Ok(table) => table.finish(),
            Err(missing) => println!("table {}: {missing} was not measured", measured.id),
        }
    }
}

impl Measured<'_> {
    /// The table, or the ID of a benchmark that is not among those `found` with their medians in
    /// nanoseconds.
    fn table(&self, found: &[(String, f64)]) -> Result<Table, String> {
        let factor = match self.unit {
            "ns" => 1.0,
            "µs" => 1e-3,
            "ms" => 1e-6,
            unit => panic!("table {}: unit {unit}", self.id),
        };
        let mut table = Table::new(self.id, self.label);
        for column in self.columns {
            table = table.significant(column, self.unit, self.digits);
        }
        for (label, ids) in self.rows {
            let cells = ids.iter().map(|id| match *id {
                "" => Ok(Cell::Absent),
                id => {
                    let median = found.iter().find(|(name, _)| name == id);
                    let (_, nanos) = median.ok_or_else(|| id.to_owned())?;
                    Ok(Cell::Number(nanos * factor / self.per))
                }
            });
            table.row(*label, cells.collect::<Result<Vec<_>, String>>()?);
        }
        if !self.note.is_empty() {
            table.note(self.note);
        }
        Ok(table)
    }
}

/// Every benchmark below a directory that was measured since, with its median in nanoseconds.
fn medians(directory: &Path, since: SystemTime, found: &mut Vec<(String, f64)>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    let below: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    for path in below.iter().filter(|p| p.is_dir()) {
        if path.file_name().is_some_and(|n| n == "new") {
            found.extend(median(path, since));
        } else {
            medians(path, since, found);
        }
    }
}

fn median(directory: &Path, since: SystemTime) -> Option<(String, f64)> {
    let estimates = directory.join("estimates.json");
    // File systems may keep times less exactly than the clock tells them.
    let changed = fs::metadata(&estimates).ok()?.modified().ok()?;
    if changed + Duration::from_secs(1) < since {
        return None;
    }
    let read = |path: PathBuf| -> Option<Value> {
        serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
    };
    let name = read(directory.join("benchmark.json"))?;
    let nanos = read(estimates)?["median"]["point_estimate"].as_f64()?;
    Some((name["full_id"].as_str()?.to_owned(), nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEASURED: Measured<'_> = Measured {
        id: "parse",
        label: "parse",
        columns: &["plain", "full"],
        unit: "µs",
        per: 2.0,
        digits: 2,
        rows: &[("audiox", &["plain/audiox", ""])],
        note: "",
    };

    #[test]
    fn medians_are_scaled() {
        let table = MEASURED.table(&[("plain/audiox".to_owned(), 2_500.0)]);
        let table = table.expect("all is measured");
        assert_eq!(table.rows[0].cells, [Cell::Number(1.25), Cell::Absent]);
        assert_eq!(table.rows[0].label, "audiox");
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(MEASURED.table(&[]), Err("plain/audiox".to_owned()));
    }

    #[test]
    fn estimates_of_a_run_before_do_not_count() {
        let place = std::env::temp_dir().join(format!("audiox-measured-{}", std::process::id()));
        let new = place.join("group/function/new");
        fs::create_dir_all(&new).expect("a place");
        fs::write(
            new.join("benchmark.json"),
            r#"{"full_id": "group/function"}"#,
        )
        .expect("room");
        let estimates = r#"{"median": {"point_estimate": 12.5}}"#;
        fs::write(new.join("estimates.json"), estimates).expect("room");
        let (mut found, mut later) = (Vec::new(), Vec::new());
        let now = SystemTime::now();
        medians(&place, now - Duration::from_secs(60), &mut found);
        medians(&place, now + Duration::from_secs(60), &mut later);
        fs::remove_dir_all(&place).expect("it is ours");
        assert_eq!(found, [("group/function".to_owned(), 12.5)]);
        assert_eq!(later, []);
    }
}
