//! What was measured, as a table of what matters and one of how the delays are spread.

use std::time::Duration;

use audiox_benches::table::{Cell, Table};
use audiox_core::stats::LatencyLedger;

use crate::instrument::Heard;

/// Shares of all bursts, in percent, whose greatest delays the second table tells.
const SPREAD: [u8; 12] = [1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99];

/// The tables, filled row by row.
pub(crate) struct Rows {
    table: Table,
    spread: Table,
    only: Option<String>,
}

impl Rows {
    /// All rows, or those with `only` in their names.
    pub(crate) fn new(only: Option<String>) -> Self {
        let table = Table::new("latency", "")
            .number("p50", "ms", 1)
            .number("p95", "ms", 1)
            .number("p99", "ms", 1)
            .number("p99.9", "ms", 1)
            .number("max", "ms", 1)
            .number("bursts", "", 0)
            .number("heard", "%", 1)
            .number("torn", "%", 1)
            .text("packet + buffer + device, ms");
        // Ready to be drawn.
        let spread = Table::new("latency-spread", "").number("least", "ms", 1);
        let spread = SPREAD.iter().fold(spread, |table, share| {
            table.number(&format!("{share} %"), "ms", 1)
        });
        let spread = spread.number("100 %", "ms", 1);
        Self {
            table,
            spread,
            only,
        }
    }

    /// Whether a row of this name, or names that begin so, is asked for.
    pub(crate) fn wants(&self, name: &str) -> bool {
        let only = self.only.as_deref();
        only.is_none_or(|only| name.to_lowercase().contains(&only.to_lowercase()))
    }

    /// What the measuring is worth, and what all that follows contain.
    pub(crate) fn instrument(&mut self, heard: Heard) {
        let error = |share| ms(heard.at(share)).unwrap_or(f64::NAN);
        self.table.note(format!(
            "with both ears at one place the instrument finds {:.1} ms, at most {:.1}",
            error(0.5),
            error(1.0)
        ));
        let devices = Heard {
            played: heard.played,
            delays: heard.devices,
            ..Heard::default()
        };
        self.add("speaker to microphone, no network", devices, None);
    }

    /// One more row.
    pub(crate) fn add(&mut self, name: &str, heard: Heard, ledger: Option<LatencyLedger>) {
        let at = |share| Cell::from(ms(heard.at(share)));
        let share = |n: usize| Cell::from((heard.played > 0).then(|| percent(n, heard.played)));
        let made_of = |l: LatencyLedger| {
            let parts = [l.packetization, l.jitter_buffer + l.resampler, l.device];
            parts
                .map(|d| format!("{:.1}", d.as_secs_f64() * 1e3))
                .join(" + ")
        };
        self.table.row(
            name,
            [
                at(0.5),
                at(0.95),
                at(0.99),
                // Of fewer it is the greatest.
                match heard.delays.len() {
                    0..900 => Cell::Absent,
                    _ => at(0.999),
                },
                at(1.0),
                heard.played.into(),
                share(heard.delays.len()),
                share(heard.torn),
                ledger.map(made_of).into(),
            ],
        );
        let shares = SPREAD.iter().map(|share| at(f64::from(*share) / 100.0));
        let cells = std::iter::once(at(0.0)).chain(shares).chain([at(1.0)]);
        self.spread.row(name, cells);
        if let Some(last) = self.table.rows.last() {
            let cells = 0..self.table.columns.len();
            let cells: Vec<String> = cells.map(|c| self.table.shown(last, c)).collect();
            println!("{name}: {}", cells.join("  "));
        }
    }

    /// Shows the tables, and keeps them where they are whole.
    pub(crate) fn finish(self) {
        match self.only {
            Some(_) => println!("\n{}", self.table.terminal()),
            None => {
                self.table.finish();
                self.spread.finish();
            }
        }
    }
}

impl Heard {
    /// The delay that this share does not exceed, 0 to 1.
    fn at(&self, share: f64) -> Option<Duration> {
        let rank = (self.delays.len() as f64 * share).ceil() as usize;
        self.delays.get(rank.saturating_sub(1)).copied()
    }

    /// Of those heard.
    pub(crate) fn torn_percent(&self) -> f64 {
        percent(self.torn, self.delays.len())
    }
}

fn percent(n: usize, of: usize) -> f64 {
    n as f64 / of.max(1) as f64 * 100.0
}

fn ms(delay: Option<Duration>) -> Option<f64> {
    Some(delay?.as_secs_f64() * 1e3)
}
