//! Which plots there are, and what of the document's tables each of them shows.

use crate::chart::{Axis, Bar, Line, bars, lines};
use crate::document::{Region, is_filled, table_of};
use crate::printed::number;
use crate::table::{Cell, Row, Table};

/// The plots that can be drawn from a document's regions, by name of their file. One whose table is
/// there but lacks a column or row is an error; the names are in [`NAMES`].
pub fn all(regions: &[Region<'_>]) -> Result<Vec<(&'static str, String)>, String> {
    let tables = Tables(regions);
    let mut all = vec![
        (NAMES[0], fec(&tables)?),
        (NAMES[1], relay(&tables)?),
        (NAMES[2], playout(&tables)?),
        (NAMES[3], gstreamer(&tables)?),
        (NAMES[4], pacing(&tables)?),
        (NAMES[5], peers(&tables)?),
    ];
    // A bench that is new has a region before it has figures.
    if is_filled(regions, "latency-spread") {
        all.push((NAMES[6], latency(&tables)?));
    }
    Ok(all)
}

/// Files below `benches/plots`.
pub const NAMES: [&str; 7] = [
    "fec.svg",
    "relay.svg",
    "playout.svg",
    "gstreamer.svg",
    "pacing.svg",
    "peers.svg",
    "latency.svg",
];

struct Tables<'a>(&'a [Region<'a>]);

impl Tables<'_> {
    fn get(&self, id: &str) -> Result<Table, String> {
        table_of(self.0, id)
    }
}

/// The number in a column whose heading begins like this; with several, the one counted.
pub(crate) fn value(table: &Table, row: &Row, heading: &str, nth: usize) -> Result<f64, String> {
    let columns = table.columns.iter().enumerate();
    let mut fitting = columns.filter(|(_, c)| c.name.starts_with(heading));
    let cell = fitting.nth(nth).map(|(i, _)| &row.cells[i]);
    let found = match cell {
        Some(Cell::Number(n)) => Some(*n),
        Some(Cell::Text(text)) => number(text),
        _ => None,
    };
    let Row { label, .. } = row;
    found.ok_or_else(|| format!("table {}, row {label}: no {heading}", table.id))
}

/// Loss that remains against redundancy, of losses that come singly.
fn fec(tables: &Tables<'_>) -> Result<String, String> {
    let table = tables.get("fec")?;
    let mut all: Vec<Line> = Vec::new();
    for (heading, dashed) in [("sliding window", false), ("block", true)] {
        for row in &table.rows {
            if row.cells[0] != Cell::from("single") {
                continue;
            }
            let name = format!("{} lost, {heading}", row.label);
            let loss = number(&row.label).unwrap_or(0.0);
            let x = value(&table, row, "repair per packet", 0)?;
            // None of a million is drawn on the floor.
            let y = value(&table, row, heading, 0)?.max(FLOOR);
            match all.iter_mut().find(|l| l.name == name) {
                Some(line) => line.points.push((x, y, String::new())),
                None => all.push(Line {
                    name,
                    colour: (loss / 10.0) as usize,
                    dashed,
                    joined: true,
                    points: vec![(x, y, String::new())],
                }),
            }
        }
    }
    let x = Axis::new("repair packets for each packet", 0.1, 1.1);
    let y = Axis::new(
        "lost beyond repair, % (none is drawn at 0.0001)",
        FLOOR,
        100.0,
    )
    .log();
    Ok(lines(
        "Loss after repair by redundancy, within 60 ms",
        &x,
        &y,
        &all,
    ))
}

const FLOOR: f64 = 1e-4;

/// Percentiles by number of listeners.
fn relay(tables: &Tables<'_>) -> Result<String, String> {
    let table = tables.get("relay")?;
    let mut names: Vec<&str> = table.rows.iter().map(|r| r.label.as_str()).collect();
    names.dedup();
    let mut all = Vec::new();
    for (percentile, dashed) in [("p50", false), ("p99", true)] {
        for (colour, name) in names.iter().enumerate() {
            let rows = table.rows.iter().filter(|r| r.label == *name);
            let points = rows.map(|row| {
                let x = value(&table, row, "listeners", 0)?;
                // p99 is not p99.9: the first column that begins like it.
                Ok((x, value(&table, row, percentile, 0)?, String::new()))
            });
            all.push(Line {
                name: format!("{name}, {percentile}"),
                colour,
                dashed,
                joined: true,
                points: points.collect::<Result<_, String>>()?,
            });
        }
    }
    let x = Axis::new("listeners", 30.0, 5_000.0).log();
    let y = Axis::new("from sending to having, ms", 1.0, 1_000.0).log();
    Ok(lines(
        "Relay: how long a packet takes to everybody",
        &x,
        &y,
        &all,
    ))
}

/// Rows of the spread of delays that are shown, by how they begin: ours, then the others.
const SPREAD: [&str; 6] = [
    "audiox interactive, L16",
    "audiox balanced, L16",
    "audiox interactive, opus",
    "GStreamer, L16",
    "GStreamer, opus",
    "ffmpeg, L16",
];

/// From microphone to speaker: how many bursts came within how long.
fn latency(tables: &Tables<'_>) -> Result<String, String> {
    let table = tables.get("latency-spread")?;
    let mut all = Vec::new();
    let (mut least, mut most) = (f64::INFINITY, 0f64);
    for (colour, begins) in SPREAD.iter().enumerate() {
        let row = table.rows.iter().find(|r| r.label.starts_with(begins));
        // A peer with which nothing works has no row.
        let Some(row) = row else { continue };
        let mut points = Vec::new();
        for (column, cell) in table.columns.iter().zip(&row.cells) {
            let share = number(&column.name).unwrap_or(0.0);
            let Cell::Text(delay) = cell else { continue };
            let delay = number(delay).ok_or_else(|| format!("{}: {delay}?", row.label))?;
            least = least.min(delay);
            // The very last ones would make the axis long and the rest short.
            if share <= 99.0 {
                most = most.max(delay);
                points.push((delay, share, String::new()));
            }
        }
        all.push(Line {
            name: row.label.clone(),
            colour,
            dashed: colour > 2,
            joined: true,
            points,
        });
    }
    let x = Axis::new(
        "from microphone to speaker, ms",
        (least * 0.9).floor(),
        most * 1.05,
    );
    let y = Axis::new("bursts that came within, %", 0.0, 100.0);
    Ok(lines(
        "Microphone to speaker, beside GStreamer and ffmpeg",
        &x,
        &y,
        &all,
    ))
}

/// Delay against what is missing: the lower left corner is where one wants to be.
fn scattered(
    table: &Table,
    title: &str,
    delay: (&str, usize),
    missing: (&str, usize),
    families: [&str; 3],
) -> Result<String, String> {
    let mut all: Vec<Line> = families
        .iter()
        .enumerate()
        .map(|(colour, name)| Line {
            name: (*name).to_owned(),
            colour,
            dashed: false,
            joined: false,
            points: Vec::new(),
        })
        .collect();
    let mut highest: f64 = 1.0;
    let mut longest: f64 = 1.0;
    for row in &table.rows {
        let label = row.label.replace('`', "");
        let Some(line) = all.iter_mut().find(|l| label.starts_with(&l.name)) else {
            continue;
        };
        let x = value(table, row, delay.0, delay.1)?;
        let y = value(table, row, missing.0, missing.1)?;
        let what = label[line.name.len()..]
            .trim_start_matches([',', ' '])
            .to_owned();
        highest = highest.max(y);
        longest = longest.max(x);
        line.points.push((x, y, what));
    }
    all.retain(|l| !l.points.is_empty());
    let x = Axis::new("mean delay, ms", 0.0, longest * 1.15);
    let y = Axis::new(
        "not received or too late, % of the time",
        highest * -0.08,
        highest * 1.15,
    );
    Ok(lines(title, &x, &y, &all))
}

fn playout(tables: &Tables<'_>) -> Result<String, String> {
    let table = tables.get("playout-delay")?;
    let title = "Playout, spikes of 140 ms every 1.5 s: delay against what was made up";
    let families = ["audiox", "neteq", "queue"];
    let spikes = "spikes of 140 ms";
    scattered(&table, title, (spikes, 0), ("made up", 1), families)
}

fn gstreamer(tables: &Tables<'_>) -> Result<String, String> {
    let table = tables.get("gstreamer")?;
    let title = "Over real sockets, spikes of 140 ms every 1.5 s: delay against what is missing";
    let families = ["audiox", "rtpjitterbuffer", "other"];
    let spikes = "spikes of 140 ms";
    scattered(&table, title, (spikes, 0), ("missing", 1), families)
}

/// How late each way of waiting wakes up.
fn pacing(tables: &Tables<'_>) -> Result<String, String> {
    let table = tables.get("pacing")?;
    let mut all = Vec::new();
    for row in &table.rows {
        for (colour, percentile) in [(0, "p50"), (4, "p99"), (1, "max")] {
            let value = value(&table, row, percentile, 0)?.max(1.0);
            all.push(Bar {
                label: match percentile {
                    "p50" => format!("{}: {percentile}", row.label.replace('`', "")),
                    other => other.to_owned(),
                },
                value,
                note: crate::table::Digits::Decimals(0).format(value),
                colour,
            });
        }
    }
    let axis = Axis::new("behind the schedule, µs", 1.0, 1e6).log();
    Ok(bars(
        "Pacing: how late each way of waiting wakes up",
        &axis,
        1.0,
        &all,
    ))
}

/// Costs of peers as multiples of ours: table, row of ours, column, and peers' rows.
type Comparison<'a> = (&'a str, &'a str, &'a str, &'a [(&'a str, &'a str)]);

const COMPARISONS: &[Comparison<'_>] = &[
    (
        "parse",
        "audiox, every field read",
        "plain",
        &[
            (
                "rtp-types, every field read",
                "read an RTP packet: rtp-types",
            ),
            ("webrtc-rs, packet from `Bytes`", "webrtc-rs, owned packet"),
        ],
    ),
    (
        "write",
        "audiox, packet with copied payload",
        "plain",
        &[
            (
                "webrtc-rs `Packet::marshal_to`",
                "write an RTP packet: webrtc-rs",
            ),
            ("rtp-types builder, made for each packet", "rtp-types"),
        ],
    ),
    (
        "jitter",
        "audiox, ring by sequence number",
        "in order",
        &[(
            "`BTreeMap` by sequence number (allocates)",
            "jitter buffer: BTreeMap",
        )],
    ),
    (
        "playout-real-time",
        "audiox, clocks not compared",
        "pull",
        &[
            (
                "neteq (no drift correction)",
                "playout, 10 ms pulled: neteq",
            ),
            ("queue", "queue without any of it"),
        ],
    ),
    (
        "resample",
        "audiox `Balanced` (64 taps)",
        "48 to 48 kHz stereo",
        &[(
            "rubato 64, linear of 256, Blackman-Harris",
            "resampler: rubato, 64 taps",
        )],
    ),
];

/// Tables with the peer in a column of its own: table, row, our column, theirs, label.
const BESIDE: &[[&str; 5]] = &[
    [
        "convert",
        "s16le",
        "to f32",
        "naive",
        "s16 to f32: naive loop",
    ],
    [
        "convert",
        "s16le",
        "from f32",
        "naive",
        "f32 to s16: naive loop",
    ],
    [
        "opus-wrapper",
        "encode, mono",
        "audiox",
        "libopus",
        "Opus, encode: libopus directly",
    ],
    [
        "opus-wrapper",
        "decode, mono",
        "audiox",
        "libopus",
        "Opus, decode: libopus directly",
    ],
    [
        "wav",
        "read s16 as f32",
        "audiox",
        "hound",
        "read a WAV file: hound",
    ],
    [
        "wav",
        "write s16 from f32, the header refreshed once a second",
        "audiox",
        "hound",
        "write a WAV file: hound",
    ],
];

fn peers(tables: &Tables<'_>) -> Result<String, String> {
    let mut ratios: Vec<(String, f64)> = Vec::new();
    let row = |table: &Table, label: &str| {
        let row = table.rows.iter().find(|r| r.label == label).cloned();
        row.ok_or_else(|| format!("table {} has no row {label}", table.id))
    };
    for (id, ours, column, theirs) in COMPARISONS {
        let table = tables.get(id)?;
        let ours = value(&table, &row(&table, ours)?, column, 0)?;
        for (label, name) in *theirs {
            let theirs = value(&table, &row(&table, label)?, column, 0)?;
            ratios.push(((*name).to_owned(), theirs / ours));
        }
    }
    for [id, label, ours, theirs, name] in BESIDE {
        let table = tables.get(id)?;
        let row = row(&table, label)?;
        // "naive" stands behind each of our columns.
        let nth = usize::from(*ours == "from f32");
        let ratio = value(&table, &row, theirs, nth)? / value(&table, &row, ours, 0)?;
        ratios.push(((*name).to_owned(), ratio));
    }
    let shown = |(label, value): (String, f64)| Bar {
        label,
        value,
        note: format!("{} ×", crate::table::Digits::Significant(2).format(value)),
        colour: if value < 0.995 { 1 } else { 0 },
    };
    let all: Vec<Bar> = ratios.into_iter().map(shown).collect();
    let axis = Axis::new("time that the peer takes, ours being 1", 0.1, 200.0).log();
    Ok(bars(
        "Costs beside peers, in the same run",
        &axis,
        1.0,
        &all,
    ))
}
