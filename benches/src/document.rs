//! BENCHMARKS.md: prose by hand, with regions that the report fills.

use crate::printed::parse;
use crate::promises::promised;
use crate::table::Table;
use crate::taken::Taken;

/// Made of all others.
const PROMISED: &str = "promised";

const END: &str = "<!-- end -->";

/// The ID that a line opens a region for.
fn opens(line: &str) -> Option<&str> {
    line.trim()
        .strip_prefix("<!-- table:")?
        .strip_suffix("-->")
        .map(str::trim)
}

/// What stands between a pair of markers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region<'a> {
    /// Of its table.
    pub id: &'a str,
    /// Without the markers.
    pub text: String,
}

/// The regions of a document, in order.
pub fn regions(document: &str) -> Result<Vec<Region<'_>>, String> {
    let mut all: Vec<Region<'_>> = Vec::new();
    let mut open: Option<Region<'_>> = None;
    for (number, line) in document.lines().enumerate() {
        let number = number + 1;
        match (opens(line), &mut open) {
            (Some(id), Some(before)) => {
                return Err(format!(
                    "line {number}: table {id} begins before {END} of table {}",
                    before.id
                ));
            }
            (Some(id), None) if all.iter().any(|r| r.id == id) => {
                return Err(format!("line {number}: table {id} stands here again"));
            }
            (Some(id), None) => {
                let text = String::new();
                open = Some(Region { id, text });
            }
            (None, _) if line.trim() == END => {
                let region = open.take();
                all.push(region.ok_or_else(|| format!("line {number}: {END} without a table"))?);
            }
            (None, Some(region)) => {
                region.text += line;
                region.text.push('\n');
            }
            (None, None) => {}
        }
    }
    match open {
        Some(region) => Err(format!("table {} has no {END}", region.id)),
        None => Ok(all),
    }
}

/// Whether a region that exists has anything in it.
pub fn is_filled(regions: &[Region<'_>], id: &str) -> bool {
    let region = regions.iter().find(|r| r.id == id);
    region.is_none_or(|r| !r.text.trim().is_empty())
}

/// The table that stands in a region now.
pub fn table_of(regions: &[Region<'_>], id: &str) -> Result<Table, String> {
    let region = regions.iter().find(|r| r.id == id);
    let region = region.ok_or_else(|| format!("there is no table {id}"))?;
    parse(id, &region.text)
}

/// The document with the last table made of the others.
pub fn concluded(document: &str) -> Result<String, String> {
    let text = promised(&regions(document)?)?.markdown();
    replaced(document, |id| (id == PROMISED).then(|| text.clone()))
        .ok_or_else(|| format!("there is no table {PROMISED}"))
}

/// The document with other texts in regions; `None` where there is nothing to be replaced.
fn replaced(document: &str, text: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut out = String::new();
    let (mut inside, mut any) = (false, false);
    for line in document.split_inclusive('\n') {
        inside &= line.trim() != END;
        if !inside {
            out += line;
        }
        if let Some(text) = opens(line).and_then(&text) {
            (inside, any) = (true, true);
            out += &text;
        }
    }
    any.then_some(out)
}

/// The document with each region replaced by its table. A region without a result, unless those
/// are to be `kept`, and a result without a region are refused by name.
pub fn filled(document: &str, results: &[Taken], keep: bool) -> Result<String, String> {
    let regions = regions(document)?;
    let result = |id: &str| results.iter().find(|r| r.table.id == id);
    let list = |what: &str, ids: Vec<&str>| match ids.as_slice() {
        [] => Ok(()),
        ids => Err(format!("{what}: {}", ids.join(", "))),
    };
    let homeless = results.iter().map(|r| r.table.id.as_str());
    list(
        "results without a region (remove their files if the tables are gone)",
        homeless
            .filter(|id| regions.iter().all(|r| r.id != *id))
            .collect(),
    )?;
    let empty = regions.iter().map(|r| r.id).filter(|id| *id != PROMISED);
    list(
        "regions without a result (run their benches, or leave them as they are with --keep)",
        empty.filter(|id| !keep && result(id).is_none()).collect(),
    )?;

    let text = |id: &str| result(id).map(|t| format!("{}\n{}\n", t.table.markdown(), t.line()));
    Ok(replaced(document, text).unwrap_or_else(|| document.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Table;

    const DOCUMENT: &str = "Prose.\n\n<!-- table: pacing -->\n\nold\n<!-- end -->\n\nMore.\n\
        <!-- table: relay -->\n| a |\n<!-- end -->\n";

    fn taken(id: &str) -> Taken {
        let mut table = Table::new(id, "way").number("p50", "µs", 0);
        table.row("audiox", [30.into()]);
        table.note("2 runs");
        Taken::by(table, false, "cargo bench".to_owned())
    }

    #[test]
    fn regions_are_replaced_and_prose_stays() {
        let results = [taken("relay"), taken("pacing")];
        let out = filled(DOCUMENT, &results, false).expect("all is there");
        assert!(out.starts_with("Prose.\n\n<!-- table: pacing -->\n| way | p50, µs |\n"));
        assert!(out.contains("| audiox | 30 |\n\n<sub>2 runs.<br>"));
        assert!(
            out.contains("`cargo bench`</sub>\n<!-- end -->\n\nMore.\n<!-- table: relay -->\n")
        );
        assert!(!out.contains("old"));
        // Again, it is the same.
        assert_eq!(filled(&out, &results, false), Ok(out));
    }

    #[test]
    fn a_region_without_a_result_is_refused_or_left() {
        let results = [taken("pacing")];
        let error = filled(DOCUMENT, &results, false).expect_err("relay is missing");
        assert!(error.starts_with("regions without a result") && error.ends_with(": relay"));
        let out = filled(DOCUMENT, &results, true).expect("it is left");
        assert!(out.ends_with("<!-- table: relay -->\n| a |\n<!-- end -->\n"));
    }

    #[test]
    fn a_result_without_a_region_is_refused() {
        let results = [taken("pacing"), taken("relay"), taken("other")];
        for keep in [false, true] {
            let error = filled(DOCUMENT, &results, keep).expect_err("nobody asked for it");
            assert!(error.starts_with("results without a region") && error.ends_with(": other"));
        }
    }

    #[test]
    fn the_repositorys_document_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../BENCHMARKS.md");
        let document = std::fs::read_to_string(path).expect("it is there");
        assert_eq!(concluded(&document).as_deref(), Ok(document.as_str()));
        let regions = regions(&document).expect("its markers are in order");
        let plots = crate::plots::all(&regions).expect("its tables have what plots show");
        for (name, svg) in plots {
            let path = format!("{}/plots/{name}", env!("CARGO_MANIFEST_DIR"));
            let drawn = std::fs::read_to_string(path).expect("it is there");
            assert!(
                drawn == svg,
                "{name} is not drawn from the tables: run the report"
            );
        }
    }

    #[test]
    fn markers_must_be_in_order() {
        for (document, complaint) in [
            ("<!-- table: a -->\n", "table a has no <!-- end -->"),
            ("x\n<!-- end -->\n", "line 2: <!-- end --> without a table"),
            (
                "<!-- table: a -->\n<!-- table: b -->\n",
                "line 2: table b begins before <!-- end --> of table a",
            ),
            (
                "<!-- table: a -->\n<!-- end -->\n<!-- table: a -->\n",
                "line 3: table a stands here again",
            ),
        ] {
            assert_eq!(regions(document), Err(complaint.to_owned()));
        }
    }
}
