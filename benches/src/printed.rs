//! Tables that a program prints: examples and tests of crates that know nothing of the benches. A
//! line `table: ID` stands before each, in the form of Markdown; of one that is printed in pieces,
//! each with its headings, the rows are put together.

use crate::table::{Cell, Table};

/// The cells of a line of a Markdown table.
fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(|c| c.trim().to_owned()).collect())
}

/// A table of Markdown, the first that stands in a text.
pub fn parse(id: &str, text: &str) -> Result<Table, String> {
    let mut lines = text.lines().skip_while(|l| cells(l).is_none());
    let headings = lines.next().and_then(cells);
    let headings = headings.ok_or_else(|| format!("table {id} has no headings"))?;
    let rule = lines.next().and_then(cells);
    let rule = rule.filter(|r| r.len() == headings.len() && r.iter().all(|c| c.contains("---")));
    let rule = rule.ok_or_else(|| format!("table {id} has no line beneath its headings"))?;
    let mut table = Table::new(id, &headings[0]);
    for (heading, rule) in headings.iter().zip(&rule).skip(1) {
        table = match rule.ends_with(':') {
            true => table.significant(heading, "", 3),
            false => table.text(heading),
        };
    }
    for row in lines.map_while(cells) {
        if row.len() != headings.len() {
            return Err(format!("table {id}: {} cells in {row:?}", row.len()));
        }
        let texts = row[1..].iter().map(|c| match c.as_str() {
            "" => Cell::Absent,
            text => Cell::from(text),
        });
        table.row(row[0].as_str(), texts);
    }
    Ok(table)
}

/// All tables of what a program printed.
pub fn tables(printed: &str) -> Result<Vec<Table>, String> {
    let mut all: Vec<Table> = Vec::new();
    let mut rest = printed;
    while let Some(at) = rest.find("table: ") {
        let begins = rest[..at].chars().next_back().is_none_or(|c| c == '\n');
        rest = &rest[at + "table: ".len()..];
        if !begins {
            continue;
        }
        let id = rest.lines().next().unwrap_or_default().trim();
        let end = rest.find("\ntable: ").map_or(rest.len(), |n| n + 1);
        let table = parse(id, &rest[..end])?;
        match all.iter_mut().find(|t| t.id == id) {
            Some(known) if known.columns == table.columns => known.rows.extend(table.rows),
            Some(_) => return Err(format!("table {id} is printed with other headings again")),
            None => all.push(table),
        }
        rest = &rest[end..];
    }
    Ok(all)
}

/// The number that a cell begins with, however it is written for readers.
pub fn number(cell: &str) -> Option<f64> {
    let plain = cell.replace([' ', '*', '`'], "").replace('−', "-");
    let sound = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-');
    let end = plain.find(|c| !sound(c)).unwrap_or(plain.len());
    plain[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_put_together() {
        let printed = "running\ntable: quality\n| case | dB |\n| --- | ---: |\n| a | 1.5 |\nok\n\
            table: other\n| x |\n| --- |\n| y |\n\
            table: quality\n| case | dB |\n| --- | ---: |\n| b |  |\n";
        let tables = tables(printed).expect("both are sound");
        assert_eq!(tables.len(), 2);
        assert_eq!(
            tables[0].markdown(),
            "| case | dB |\n| --- | ---: |\n| a | 1.5 |\n| b |  |\n"
        );
        assert_eq!(tables[1].rows[0].label, "y");
    }

    #[test]
    fn tables_that_are_none_are_refused() {
        assert!(tables("table: a\nnothing\n").is_err());
        assert!(tables("table: a\n| x | y |\n| a | b |\n").is_err());
        let ragged = "table: a\n| x | y |\n| --- | --- |\n| a |\n";
        assert!(tables(ragged).is_err_and(|e| e.contains("1 cells")));
        let other = "table: a\n| x | y |\n| --- | --- |\ntable: a\n| x | z |\n| --- | --- |\n";
        assert!(tables(other).is_err_and(|e| e.contains("other headings")));
    }

    #[test]
    fn numbers_are_read_as_written() {
        assert_eq!(number("1 234.5 ms"), Some(1_234.5));
        assert_eq!(number("−0.22"), Some(-0.22));
        assert_eq!(number("10 %"), Some(10.0));
        assert_eq!(number("single"), None);
    }
}
